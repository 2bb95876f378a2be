"""Reading a stream of server-sent events, whatever the pieces in which it comes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass.verify.following.sse import COMMENT, Message, MessageTooLongError, Parser

STREAM = (
    b": heartbeat\n\n"
    b'event: hello\ndata: {"epoch": "e1", "event_id": 1}\n\n'
    b"id: e1:2\r\nevent: revoked\r\ndata: a.b.c\r\n\r\n"
    b"data:one\ndata: two\n\n"
    b"event: nothing\n\n"
    b"retry: 5\rdata\r\r"
    b"event: \xff\ndata: \xc3\xa9\n\n"
    b"event: cut off\ndata: never\n"
)
MESSAGES = [
    Message(COMMENT, "heartbeat"),
    Message("hello", '{"epoch": "e1", "event_id": 1}'),
    Message("revoked", "a.b.c"),
    Message("message", "one\ntwo"),
    Message("message", ""),
    Message("\ufffd", "é"),
]


def test_a_stream_is_read_as_the_standard_says() -> None:
    """Fields, comments, three kinds of line end; what no empty line ends is no message (HTML §9.2.6)."""
    assert list(Parser().feed(STREAM)) == MESSAGES


def test_a_mark_of_its_encoding_may_begin_a_stream() -> None:
    """One byte order mark before everything else says nothing (HTML §9.2.6); anywhere else it is text."""
    mark = "\ufeff".encode()
    assert list(Parser().feed(mark + STREAM[len(b": heartbeat\n\n") :])) == MESSAGES[1:]
    parser = Parser()
    assert [message for octet in mark + STREAM for message in parser.feed(bytes([octet]))] == MESSAGES
    assert list(Parser().feed(mark + mark + b"data: one\n\ndata: two\n\n")) == [Message("message", "two")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_it_does_not_matter_where_it_is_cut(cuts: list[int]) -> None:
    """A network cuts anywhere: in a character, in a line end, in a name."""
    parser, ends = Parser(), [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in pairwise(ends)]
    assert [message for chunk in chunks for message in parser.feed(chunk)] == MESSAGES


@given(st.binary(max_size=200))
def test_any_bytes_are_a_stream(octets: bytes) -> None:
    """Nothing raises, and no message is longer than what came."""
    assert all(len(message.data) <= 2 * len(octets) for message in Parser().feed(octets))


@pytest.mark.parametrize("piece", [b"x", b"data: x\n", b"id: 1\n", b":" + b"x" * 500])
def test_a_message_has_a_longest_length(piece: bytes) -> None:
    """One endless line, or endless lines: it ends at the bound, and comments do not count towards it."""
    parser = Parser(max_bytes=1000)
    with pytest.raises(MessageTooLongError):
        _ = [list(parser.feed(piece)) for _ in range(1001)]
    long_lived = Parser(max_bytes=1000)
    for _ in range(1000):
        assert list(long_lived.feed(b": heartbeat\n")) == [Message(COMMENT, "heartbeat")]
