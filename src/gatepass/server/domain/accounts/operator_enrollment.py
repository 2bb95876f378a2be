"""The code that an operator's first factor needs.

Whoever reads a new operator's mail could sign in and enroll a factor of their own. So the command line prints a code
when it makes somebody an operator, and only with that code the first factor can be set up. It works once. Factors from
before count for nothing: a stranger may have signed up with the address, or have begun to set one up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.one_time_code import Code, new_token

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Transaction

ENROLLMENT_SECONDS = 7 * 86_400


async def new_enrollment_code(tx: Transaction, user: User) -> str:
    """Make the code, which replaces an earlier one. The factors before it must have been removed."""
    token = new_token()
    await tx.codes.add(
        Code(
            digest=digest_of(token),
            purpose="operator_factor",
            user_id=user.id,
            email=user.email,
            holder=digest_of(user.id),
            expires_at=tx.now + ENROLLMENT_SECONDS,
        )
    )
    return token


async def needs_enrollment_code(tx: Transaction, user_id: str) -> bool:
    """Whether the user is an operator without any factor."""
    user = await tx.users.by_id(user_id)
    return user is not None and user.is_operator and not (await tx.factors.of(user_id)).are_asked


async def use_enrollment_code(tx: Transaction, user_id: str, code: str) -> Refusal | None:
    """Use the code where one is needed, by the account as it is now."""
    if not await needs_enrollment_code(tx, user_id):
        return None
    used = await tx.codes.use(digest_of(code.strip()), "operator_factor", tx.now, holder=digest_of(user_id))
    if used is None:
        return Refusal(
            "enrollment_code_required",
            "An operator's first factor needs the one-time code that the command line printed.",
        )
    return None
