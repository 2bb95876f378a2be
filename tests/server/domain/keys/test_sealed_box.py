"""What somebody else keeps for us is read back as it was sealed, or not at all."""

from __future__ import annotations

import msgspec

from gatepass.jose import base64url
from gatepass.server.domain.keys.master_key import DataKey
from gatepass.server.domain.keys.sealed_box import SealedBox

KEY = DataKey(bytes(range(32)))


class Errand(msgspec.Struct, frozen=True):
    """Something to be kept."""

    where_to: str


BOX = SealedBox(Errand, KEY, "errand")


def test_what_was_sealed_is_read_back() -> None:
    """Text of the box opens to the same struct, by every box of the same kind, key and context."""
    errand = Errand("the provider")
    assert SealedBox(Errand, KEY, "errand").open(BOX.seal(errand)) == errand


def test_nothing_else_is_one_of_ours() -> None:
    """Of another context or key, altered in one bit, spelled otherwise or not sealed: each opens to nothing."""
    sealed = BOX.seal(Errand("the provider"))
    altered = bytearray(base64url.decode(sealed))
    altered[-1] ^= 1
    texts = [
        SealedBox(Errand, KEY, "another").seal(Errand("the provider")),
        SealedBox(Errand, DataKey(bytes(32)), "errand").seal(Errand("the provider")),
        base64url.encode(bytes(altered)),
        f"{sealed}=",
        f"{sealed} ",
        "",
        "é\ud800",
    ]
    assert [BOX.open(text) for text in texts] == [None] * len(texts)
