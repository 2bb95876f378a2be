"""The acts of setting up an authenticator app, and removing it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.operator_enrollment import needs_enrollment_code, use_enrollment_code
from gatepass.server.domain.credentials.factor_proofs import totp_context
from gatepass.server.domain.credentials.totp import TotpSecret, enrolment, new_secret, step_of
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import check_still, session_ended
from gatepass.server.domain.sessions.session import TWO_FACTORS
from gatepass.server.features.account.credentials.changes import check_removable, not_found, note_added, note_removed

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.factor_proofs import FactorProofs
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.limits.throttle import Throttle
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the acts use of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def proofs(self) -> FactorProofs: ...
    @property
    def throttle(self) -> Throttle: ...
    @property
    def data_key(self) -> DataKey: ...
    @property
    def settings(self) -> Settings: ...


class TotpOffered(Confidential, frozen=True, kw_only=True):
    """A new secret for an authenticator app: `uri` as a QR code, or `secret` for typing."""

    secret: str
    uri: str
    qr_svg: str


async def offer_totp(needs: Needs, user: User, enrollment_code: str = "") -> TotpOffered:
    """Make a new secret, which has no effect until it is confirmed. An operator's first factor needs a code.

    Raises:
        Refusal: `factor_exists` or `enrollment_code_required`.
    """
    secret = new_secret()
    sealed = needs.data_key.seal(secret, totp_context(user.id))

    async def unit(tx: Transaction) -> Refusal | None:
        if refused := await use_enrollment_code(tx, user.id, enrollment_code):
            return refused
        if await tx.totp.put(TotpSecret(user_id=user.id, sealed=sealed, last_step=0, created_at=tx.now)):
            return None
        return Refusal("factor_exists", "There is already an authenticator app: remove it first.")

    await decide(needs.database, unit, about=user.id)
    return _offered(needs, user, secret)


async def pending_totp(needs: Needs, user: User) -> TotpOffered | None:
    """The unconfirmed secret again; None if there is none, and for an operator's first factor: the code is used up."""

    async def unit(tx: Transaction) -> TotpSecret | None:
        return None if await needs_enrollment_code(tx, user.id) else await tx.totp.of(user.id)

    found = await needs.database.read(unit)
    if found is None or found.confirmed_at is not None:
        return None
    return _offered(needs, user, needs.data_key.unseal(found.sealed, totp_context(user.id)))


async def confirm_totp(needs: Needs, call: Call, code: str) -> tuple[str, ...]:
    """Confirm the secret by the app's first code; return recovery codes if the user has none yet.

    The code proves a second factor, so the session counts as one with two factors from now on.

    Raises:
        Refusal: `invalid_code`, `factor_not_found`, `too_many_attempts`, or `session_ended`.
    """
    user, session_id = call.caller.user, call.caller.session_id
    attempt = needs.throttle.attempt("factor", user.id, call.origin)

    async def unit(tx: Transaction) -> tuple[str, ...] | Refusal:
        session = await tx.sessions.live(session_id, tx.now)
        if session is None:
            return session_ended()
        if wait := await needs.throttle.wait(tx, attempt):
            return too_many_attempts(wait)
        secret = await tx.totp.of(user.id)
        if secret is None or secret.confirmed_at is not None:
            return not_found()
        step = step_of(needs.data_key.unseal(secret.sealed, totp_context(user.id)), code, tx.now)
        if step is None:
            await needs.throttle.failed(tx, attempt)
            return Refusal("invalid_code", "The code is wrong: enter the current code of the authenticator app.")
        await needs.throttle.succeeded(tx, attempt)
        at = tx.now
        await tx.totp.confirm(user.id, step, at)
        amr = tuple(dict.fromkeys((*session.amr, "otp", "mfa")))
        await tx.sessions.prove_again(session_id, acr=TWO_FACTORS, amr=amr, now=session.auth_time)
        return await note_added(needs, tx, call, "totp", at=at)

    return await decide(needs.database, unit, about=user.id)


async def remove_totp(needs: Needs, call: Call) -> None:
    """Remove the authenticator app.

    Raises:
        Refusal: `session_ended`, `factor_not_found`, or `password_too_short`.
    """
    user, session_id = call.caller.user, call.caller.session_id
    user_id = user.id

    async def unit(tx: Transaction) -> Refusal | None:
        if refused := await check_still(tx, user, session_id) or await check_removable(tx, user_id):
            return refused
        if not await tx.totp.remove(user_id):
            return not_found()
        await note_removed(needs, tx, call, "totp")
        return None

    await decide(needs.database, unit, about=user.id)


def _offered(needs: Needs, user: User, secret: bytes) -> TotpOffered:
    told = enrolment(secret, account=user.email, issuer=needs.settings.site_name)
    return TotpOffered(secret=told.secret, uri=told.uri, qr_svg=_qr(told.uri))


def _qr(uri: str) -> str:
    """The QR code as an SVG element, black on white whatever the page's colors are."""
    import segno  # noqa: PLC0415 - seldom needed

    svg = io.BytesIO()
    segno.make(uri, micro=False).save(
        svg, kind="svg", xmldecl=False, svgns=True, scale=5, unit="px", dark="#000", light="#fff"
    )  # with a unit it has a viewBox, so that a page may show it larger or smaller
    return svg.getvalue().decode()
