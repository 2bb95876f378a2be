"""The acts of creating an account: at once, or with a mail server once its owner has used the email's link.

With email, the answer is the same whether or not the address is taken, and nobody else can prepare an account for it:
the link works only in the requesting browser, or with the chosen password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.user import User, normalise_email
from gatepass.server.domain.credentials.one_time_code import Code
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.hooks.gates import check_signup, create_account
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.mail.queue import Notice
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.registration import Registration
    from gatepass.server.domain.accounts.signup_rules import SignupRules
    from gatepass.server.domain.credentials.passwords.hashing import PasswordHasher
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.limits.throttle import Throttle
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def hasher(self) -> PasswordHasher: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def rules(self) -> SignupRules: ...
    @property
    def throttle(self) -> Throttle: ...
    @property
    def mail_throttle(self) -> Throttle: ...
    @property
    def registration(self) -> Registration: ...
    @property
    def settings(self) -> Settings: ...


class SignupRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """A new account's address and password.

    `captcha` is the answer of the captcha's widget, where `captcha` is set; `proof` goes to the service at
    `signup_check_url`.
    """

    email: str
    password: str
    proof: str | None = None
    captcha: str | None = None


async def sign_up(
    needs: Needs, call: Call, request: SignupRequest, *, browser: str = "", query: str = ""
) -> User | str:
    """Create the account; or email a link to its owner, and return the normalized address.

    `query` is added to the link's query.
    """
    needs.rules.check_open()
    address, where = normalise_email(request.email), call.origin
    needs.rules.check(address)
    await _wait(needs, address, where)
    await needs.rules.check_captcha(request.captcha, where)
    await needs.rules.ask(address, where, proof=request.proof)
    if needs.settings.mail != "smtp":
        return await needs.registration.add(
            address, request.password, where=where, count=lambda tx: needs.rules.count(tx, address, where)
        )
    password_hash = await needs.registration.hash(request.password, email=address)
    await _send_link(needs, call, address, password_hash, browser=browser, query=query)
    return address


async def send_again(needs: Needs, call: Call, *, browser: str, query: str) -> str:
    """Email a new link for the sign-up that this browser waits for, and return its address; the former one is dead.

    Raises:
        Refusal: `invalid_code` where the browser waits for none, or as `sign_up`.
    """
    needs.rules.check_open()

    async def look(tx: Transaction) -> Code | None:
        code = await tx.codes.of_holder(digest_of(browser), ("signup", "nothing"), tx.now) if browser else None
        return code if code is not None and code.payload else None

    code = await needs.database.read(look)
    if code is None:
        raise _invalid_code()
    await _send_link(needs, call, code.email, code.payload, browser=browser, query=query)
    return code.email


async def _wait(needs: Needs, address: str, where: Origin) -> None:
    """Refuse before hashing what would be refused afterwards."""

    async def unit(tx: Transaction) -> float:
        return await needs.rules.wait(tx, address, where)

    if wait := await needs.database.read(unit):
        raise too_many_attempts(wait)


async def _send_link(  # noqa: PLR0913 - to whom, for what, and where it leads
    needs: Needs, call: Call, address: str, password_hash: str, *, browser: str, query: str
) -> None:
    """Email a link that creates the account; an existing owner is told that there is one, at the same cost."""
    attempt = needs.mail_throttle.attempt("signup", address, call.origin)
    link, language = needs.notices.mail_link("signup"), call.language

    async def unit(tx: Transaction) -> Refusal | None:
        if wait := await needs.mail_throttle.wait(tx, attempt):
            return too_many_attempts(wait)
        # It is asked again when the link is used; but it should not take a mail to hear of it.
        if denied := await check_signup(tx, address, method="password", where=attempt.where):
            return denied
        if refused := await needs.rules.count(tx, address, attempt.where):
            return refused
        await needs.mail_throttle.failed(tx, attempt)
        owner = await tx.users.by_email(address)
        await tx.codes.add(
            Code(
                digest=link.digest,
                purpose="signup" if owner is None else "nothing",
                user_id="",
                email=address,
                holder=digest_of(browser) if browser else b"",
                payload=password_hash,
                expires_at=tx.now + needs.settings.mail_link_seconds,
            )
        )
        notice = Notice(
            kind="signup" if owner is None else "signup_taken",
            to=address,
            language=language,
            link=link.url + query if owner is None else needs.notices.page_url("login"),
            where=attempt.where,
            seconds=needs.settings.mail_link_seconds if owner is None else 0,
        )
        await needs.notices.send(tx, notice)
        return None

    await decide(needs.database, unit)


async def verify_address(needs: Needs, call: Call, token: str, *, browser: str, password: str) -> User:
    """Create the account, once, for the requesting browser or with the password."""
    code = await find_code(needs, token)
    if code is None:
        raise _invalid_code()
    where = call.origin
    attempt = needs.throttle.attempt("signup", code.email, where)
    is_theirs = code.holder == digest_of(browser) or await _knows(needs, password, code)

    async def unit(tx: Transaction) -> User | Refusal:
        if wait := await needs.throttle.wait(tx, attempt):
            return too_many_attempts(wait)
        if not is_theirs:
            await needs.throttle.failed(tx, attempt)
            return Refusal("invalid_credentials", "This is not the password that was chosen at sign-up.")
        used = await tx.codes.use(code.digest, "signup", tx.now)
        user = User(
            id=new_id("usr"),
            email=code.email,
            created_at=tx.now,
            email_verified_at=tx.now,
            address_proved_at=tx.now,
        )
        if used is None:
            return _invalid_code()
        if refused := await create_account(tx, user, method="password", where=where):
            return _invalid_code() if refused.code == "email_taken" else refused
        await tx.passwords.put(user.id, used.payload, tx.now)
        await record(tx, "email_verified", user.id, where=where)
        return user

    return await decide(needs.database, unit)


async def find_code(needs: Needs, token: str) -> Code | None:
    """The sign-up that an emailed link belongs to; None if it is no longer possible."""

    async def unit(tx: Transaction) -> Code | None:
        return await tx.codes.look(digest_of(token), "signup", tx.now)

    return await needs.database.read(unit)


async def _knows(needs: Needs, password: str, code: Code) -> bool:
    return bool(password) and await needs.hasher.verify(password, code.payload)


def _invalid_code() -> Refusal:
    return Refusal("invalid_code", "The link is wrong, has expired or was already used.")
