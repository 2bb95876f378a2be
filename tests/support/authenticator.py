"""A passkey in software, which does what a browser and its authenticator do, or lies where a test says so."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Mapping

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
"""Flags of authenticator data (Web Authentication Level 3, §6.1)."""

Json = dict[str, Any]


def b64(octets: bytes) -> str:
    """Encode with Python's own module."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Decode with Python's own module."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One credential.

    Attributes:
        origin: where its browser says it was asked.
        count: what its counter shows next; 0 stays 0, as with passkeys that are carried from device to device.
        flags: user present, user verified, can be backed up, is backed up.
    """

    def __init__(self, origin: str, *, count: int = 0, flags: int = UP | UV) -> None:
        self.origin = origin
        self.count = count
        self.flags = flags
        self.id = os.urandom(16)
        self.user_handle = b""
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: Json, **lies: Any) -> Json:  # noqa: ANN401 - whatever a test wants to say
        """Answer `navigator.credentials.create`."""
        self.user_handle = unb64(options["user"]["id"])
        client_data = self._client_data("webauthn.create", options, lies)
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(self._cose())
        data = self._authenticator_data(str(lies.get("rp_id", options["rp"]["id"])), lies, AT) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._credential(
            {
                "clientDataJSON": b64(client_data),
                "attestationObject": b64(attestation),
                "transports": ["internal", "hybrid"],
            }
        )

    def get(self, options: Json, **lies: Any) -> Json:  # noqa: ANN401 - whatever a test wants to say
        """Answer `navigator.credentials.get`."""
        client_data = self._client_data("webauthn.get", options, lies)
        if self.count:
            self.count += 1
        data = self._authenticator_data(str(lies.get("rp_id", options["rpId"])), lies, 0)
        signature = self._key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential(
            {
                "clientDataJSON": b64(client_data),
                "authenticatorData": b64(data),
                "signature": b64(lies.get("signature", signature)),
                "userHandle": b64(lies.get("user_handle", self.user_handle)),
            }
        )

    def _client_data(self, kind: str, options: Json, lies: Mapping[str, Any]) -> bytes:
        data: Json = {
            "type": lies.get("type", kind),
            "challenge": lies.get("challenge", options["challenge"]),
            "origin": lies.get("origin", self.origin),
            "crossOrigin": lies.get("cross_origin", False),
        }
        return json.dumps(data | lies.get("more", {})).encode()

    def _authenticator_data(self, rp_id: str, lies: Mapping[str, Any], extra: int) -> bytes:
        flags = lies.get("flags", self.flags) | extra
        count = int(lies.get("count", self.count))
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")

    def _cose(self) -> dict[int, Any]:
        numbers = self._key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}

    def _credential(self, response: Json) -> Json:
        return {
            "id": b64(self.id),
            "rawId": b64(self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }
