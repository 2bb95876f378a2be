"""The JWKS (RFC 7517 §5), and the life of the keys in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.keys.jwks import JWKS_PATH, render_jwks
from gatepass.server.domain.keys.rotation import pace_of, stored_keys, take_steps
from gatepass.server.domain.sessions.client import OPENID
from gatepass.server.module import Job, Module

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction

_KEYS_SECONDS = 1.0
"""How often to check for due key steps; a check takes some microseconds."""


def module(core: Core) -> Module:
    """Publish the keys, apply changes by other processes, and rotate."""

    def publish() -> None:
        core.documents.publish(
            JWKS_PATH, core.documents.make(render_jwks(core.keys.current), "application/jwk-set+json")
        )

    async def reload() -> None:
        if core.keys.update(await stored_keys(core.database), core.clock()):
            publish()

    async def move_keys_on() -> None:
        """Make the due steps of the keys' life cycle, unless another node has; all nodes see them in the store.

        The last step, out of the JWKS, is a matter of time alone for a key whose public part is kept for hints.
        """
        if core.keys.pass_time(core.clock()):
            publish()
        await take_steps(
            core.database,
            core.data_key,
            pace_of(core.settings),
            alg=core.settings.alg,
            id_token_alg=await _wanted_for_id_tokens(core),
        )

    publish()
    return Module(
        catch_up=reload,
        jobs=(Job(every=_KEYS_SECONDS, run=move_keys_on),),
        metadata={"jwks_uri": core.settings.issuer_url + JWKS_PATH},
    )


async def _wanted_for_id_tokens(core: Core) -> str | None:
    """The algorithm of a key that is still to be made for ID tokens; making one takes time."""
    alg = core.settings.id_token_alg
    if core.keys.current.id_token_signer(alg) is not None or not await core.database.read(_has_relying_parties):
        return None
    return alg


async def _has_relying_parties(tx: Transaction) -> bool:
    return await tx.clients.any_with(OPENID)
