"""Who a person is to a client: the same name at all of them, or another one at each site (pairwise).

OpenID Connect Core 1.0 §8. Clients that know people by pairwise names cannot tell each other whom they mean; so the
names of a person's sign-ins, which two clients could compare as well, differ from site to site too.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from gatepass.jose import base64url

if TYPE_CHECKING:
    from gatepass.server.domain.keys.master_key import DataKey


class SubjectIdentifiers:
    """Makes the names, the same at every node and every start.

    A sector is the host by which clients of one site know people alike (§8.1); empty for clients with public names.
    """

    def __init__(self, data_key: DataKey) -> None:
        self._key = data_key.derive("pairwise subjects")

    def subject(self, sector: str, user_id: str) -> str:
        """The person's `sub`."""
        return self._pairwise("sub", sector, user_id) if sector else user_id

    def session(self, sector: str, session_id: str) -> str:
        """The `sid` of one of their sign-ins."""
        return self._pairwise("sid", sector, session_id) if sector else session_id

    def _pairwise(self, what: str, sector: str, name: str) -> str:
        """No host has a blank in it, nor any of our names, so two different ones never make one text."""
        message = f"{what} {sector} {name}".encode()
        return base64url.encode(hmac.digest(self._key, message, hashlib.sha256))
