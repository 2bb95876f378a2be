"""Who signs what clients read: ID tokens, answers of UserInfo. The key is made when it is wanted for the first time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.keys.rotation import pace_of, take_steps

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.keyring import KeyRing, LiveKeys
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.keys.signer import Signer
    from gatepass.server.domain.ports import Database
    from gatepass.server.domain.replica import Replica


class IdTokenSigners:
    """The signers by algorithm. `keys/module.py` makes the key in the background when it may be needed."""

    def __init__(
        self, database: Database, data_key: DataKey, keys: LiveKeys, replica: Replica, settings: Settings
    ) -> None:
        self._database = database
        self._data_key = data_key
        self._keys = keys
        self._replica = replica
        self._settings = settings
        self._one_at_a_time = asyncio.Lock()

    async def signer(self, keys: KeyRing, registered_alg: str = "") -> Signer:
        """What signs for a client that has registered this algorithm, or none; `keys` is the ring at hand.

        Raises:
            Unavailable: no key here is of that algorithm, or as the database does.
        """
        alg = registered_alg or self._settings.id_token_alg
        signer = self._find(keys, registered_alg)
        if signer is None and alg == self._settings.id_token_alg:
            async with self._one_at_a_time:
                signer = self._find(self._keys.current, registered_alg) or await self._make(registered_alg)
        if signer is None:
            raise Unavailable(
                "signer_unavailable",
                "The server's signing key cannot be reached: try again shortly.",
                private=f"a client has registered {alg}, and no key here signs with it: see `alg` and `id_token_alg`",
            )
        return signer

    def _find(self, keys: KeyRing, registered_alg: str) -> Signer | None:
        if registered_alg:
            return keys.id_token_signer(registered_alg)
        return keys.default_id_token_signer(self._settings.id_token_alg)

    async def _make(self, registered_alg: str) -> Signer | None:
        """Make the first one, unless another node was quicker, and publish it before it signs anything."""
        pace, alg = pace_of(self._settings), self._settings.id_token_alg
        await take_steps(self._database, self._data_key, pace, alg=self._settings.alg, id_token_alg=alg)
        await self._replica.catch_up()
        return self._find(self._keys.current, registered_alg)
