"""Trading tokens of the system that users were imported from: who they are of, and what ends them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gatepass.jose.errors import JoseError
from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.foreign_tokens import LONGEST_SECONDS
from gatepass.server.domain.limits.used_once import use_name
from gatepass.tokens import foreign_token

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.ports import Transaction
    from gatepass.tokens.foreign_token import ForeignToken


class ForeignTokens:
    """Checks tokens by the tables `[foreign_tokens.NAME]` of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._policies = tuple(each.policy(name) for name, each in settings.foreign_tokens.items())

    def check(self, token: str, now: float) -> ForeignToken:
        """What the token says, by the first table that it fits.

        Raises:
            Refusal: `invalid_foreign_token`.
        """
        why = "the settings have no `foreign_tokens`"
        for policy in self._policies:
            try:
                return foreign_token.check(token, policy, now=now)
            except JoseError as error:
                why = f"{error.code}: {error}"
        raise invalid_foreign_token(why)


async def use_foreign_token(tx: Transaction, token: ForeignToken) -> bool:
    """Whether the token is used for the first time, and nothing has ended its user's sessions since the import."""
    ended = await tx.used_once.was_used("foreign_tokens_ended", _name_of(token.subject))
    is_new = await use_name(tx, "foreign_token", "", token.digest, expires_at=token.expires_at)
    return is_new and not ended


async def end_foreign_tokens(tx: Transaction, user_id: str) -> None:
    """End what is left of a user's tokens of the other system, as their sessions here end."""
    await tx.used_once.use("foreign_tokens_ended", _name_of(user_id), expires_at=tx.now + LONGEST_SECONDS)


def _name_of(user_id: str) -> str:
    """The id outlives the account here, so it is not kept as it is."""
    return hashlib.sha256(user_id.encode()).hexdigest()


def invalid_foreign_token(why: str) -> Refusal:
    """The refusal of a token; `why` is for the log."""
    return Refusal(
        "invalid_foreign_token",
        "The token cannot be traded: it was used, has expired, or is none of the system that users came from.",
        private=why,
    )
