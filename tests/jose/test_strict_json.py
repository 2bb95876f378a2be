"""JSON, strictly (RFC 8259, RFC 7515 §4, RFC 8725bis §3.7)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass.jose import errors, strict_json

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5), st.sampled_from([None, 1]), st.integers(0, 1))
def test_every_spelling_of_a_document_gives_the_document(
    document: dict[str, Any], indent: int | None, ascii_: int
) -> None:
    """Blanks, escapes and raw UTF-8 are one document, as Python's own module reads it."""
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_ == 1)
    try:
        octets = text.encode()
    except UnicodeEncodeError:
        return
    if "\\ud" in text.lower() and any(0xD800 <= ord(c) < 0xE000 for c in str(document)):
        with pytest.raises(errors.MalformedError):
            strict_json.decode_object(octets, 32)
        return
    assert strict_json.decode_object(octets, 32) == document


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0d8e 1-.', max_size=40).map(str.encode))
def test_any_octets_are_an_object_or_an_error(octets: bytes) -> None:
    """Nothing but MalformedError comes out, and what is read Python's own module reads too, the same."""
    try:
        document = strict_json.decode_object(octets, 32)
    except errors.MalformedError:
        return
    assert document == json.loads(octets.decode())


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":1, "\\u0061":2}',
        b'{"a" :1,"a":2}',
        b'{"x":{"a":1,"a":2}}',
        b'{"x":[[[{"a":1,"a":2}]]]}',
        b'{"a":1e5,"a":1e5}',
        b'{"a":[[[[1]]]],"a":1}',
        b'{"":1,"":1}',
    ],
)
def test_a_name_twice_is_refused(text: bytes) -> None:
    """RFC 7515 §4: names are unique, however they are spelt and however deep they are."""
    with pytest.raises(errors.MalformedError):
        strict_json.decode_object(text, 32)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":nan}',
        b'{"a":1e999}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b"{'a':1}",
        b'{"a":1,}',
        b"{a:1}",
        b'{"a":1}}',
        b'{"a":1}{"a":1}',
        b'{"a":1} x',
        b"// c\n{}",
        b"",
        b" ",
        b"\0",
        b"{",
        b'{"a":"\x01"}',
        b'{"a":"\\x41"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"\\ud800":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\x80"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32-be"),
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_json_in_utf_8_is_refused(text: bytes) -> None:
    """NaN, comments, trailing commas, BOMs, UTF-16, surrogates, overlong UTF-8: none of it is read."""
    with pytest.raises(errors.MalformedError):
        strict_json.decode_object(text, 32)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_bounded_exactly(opening: bytes, closing: bytes) -> None:
    """As deep as the limit is read, one deeper is not, and 100,000 deep is refused as calmly."""
    for inner, good in ((31, True), (32, False), (100_000, False)):
        text = b'{"x":' + opening * inner + (b"1" if opening != b"[" else b"") + closing * inner + b"}"
        if good:
            assert strict_json.decode_object(text, 32)
        else:
            with pytest.raises(errors.MalformedError):
                strict_json.decode_object(text, 32)
