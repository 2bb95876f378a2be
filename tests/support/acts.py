"""What an act needs, without a server: a real SQLite store, a clock that stands still, and a caller."""

from __future__ import annotations

import asyncio
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import apsw
import msgspec
import pytest
from starlette.requests import Request
from tests.support.server import CHEAP_ARGON2, NOON, SettableClock

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.base.settings import load
from gatepass.server.domain.accounts.linked_identity import Identity
from gatepass.server.domain.accounts.registration import Registration
from gatepass.server.domain.accounts.signup_rules import SignupRules
from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.credentials.factor_proofs import FactorProofs
from gatepass.server.domain.credentials.passkeys.relying_party import RelyingParty
from gatepass.server.domain.credentials.passwords.decoys import Decoys
from gatepass.server.domain.credentials.passwords.hashing import PasswordHasher, password_hasher
from gatepass.server.domain.credentials.trusted_devices import TrustedDevice
from gatepass.server.domain.keys.master_key import DataKey
from gatepass.server.domain.limits.throttle import Throttle
from gatepass.server.domain.mail.notices import Notices
from gatepass.server.domain.mail.queue import Notice
from gatepass.server.domain.revocation.status_indexes import list_keys, status_indexes
from gatepass.server.domain.sessions.caller import Caller
from gatepass.server.domain.sessions.grant import Grant
from gatepass.server.domain.sessions.login import LoginCompletion
from gatepass.server.domain.sessions.session import Session
from gatepass.server.store.opening import open_first_epoch
from gatepass.server.store.sqlite import SqliteDatabase
from gatepass.server.web.address import ClientAddress
from gatepass.server.web.auth.dpop import DPoPBinding
from gatepass.server.web.auth.requirements import note
from gatepass.server.web.call import Call, CallContext
from gatepass.server.web.cookies import HostCookie
from gatepass.server.web.known_browsers import KnownBrowsers
from gatepass.server.web.language import LanguageChoice
from gatepass.server.web.token_requests import TokenRequestPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from pathlib import Path

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.events.event import EventKind
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.revocation.status_indexes import StatusIndexes

T = TypeVar("T")

ADDRESS = "203.0.113.7"
"""Where calls come from."""
PASSWORD = "correct horse battery"


class InterruptedHasher(PasswordHasher):
    """Hashes like another one, and lets something happen before it is done."""

    def __init__(self, hasher: PasswordHasher, happens: Callable[[], Awaitable[object]]) -> None:
        self._hasher = hasher
        self._happens = happens

    async def hash(self, password: str) -> str:
        """Hash, while it happens."""
        made = await self._hasher.hash(password)
        await self._happens()
        return made

    def needs_rehash(self, password_hash: str, password: str = "") -> bool:
        """Tell it of the other one."""
        return self._hasher.needs_rehash(password_hash, password)

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Compare, while it happens."""
        is_right = await self._hasher.verify(password, password_hash)
        await self._happens()
        return is_right


@dataclass(frozen=True, kw_only=True)
class Acting:
    """Fits the `Needs` of every act that is tested by it: the parts that a core is made of, and no core."""

    settings: Settings
    clock: SettableClock
    database: SqliteDatabase
    data_key: DataKey
    hasher: PasswordHasher
    registration: Registration
    rules: SignupRules
    notices: Notices
    throttle: Throttle
    mail_throttle: Throttle
    proofs: FactorProofs
    decoys: Decoys
    indexes: StatusIndexes
    login: LoginCompletion

    # ── who there is ──

    async def write(self, unit: Callable[[Transaction], Awaitable[T]]) -> T:
        """Put something into the store that others would have."""
        return await self.database.transaction(unit)

    async def add_user(self, name: str = "ann", *, is_verified: bool = True) -> User:
        """Somebody with a password, who has made the account themselves."""
        email, verified_at = f"{name}@example.test", self.clock() if is_verified else None
        user = User(id=f"usr_{name}", email=email, created_at=self.clock(), email_verified_at=verified_at)
        password_hash = await self.hasher.hash(PASSWORD)

        async def unit(tx: Transaction) -> None:
            assert await tx.users.add(user)
            await tx.passwords.put(user.id, password_hash, tx.now)

        await self.write(unit)
        return user

    async def sign_in(self, user: User, session_id: str) -> Caller:
        """A session of theirs, with a grant at a place of its own."""
        lists = list_keys(self.data_key)

        async def unit(tx: Transaction) -> StatusIndex:
            block = await tx.status_lists.reserve(1, new_sealed_key=lists.new_sealed_key, now=tx.now)
            (status,) = lists.indexes(block)
            expires_at = tx.now + 86_400
            await tx.sessions.add(
                Session(
                    id=session_id,
                    user_id=user.id,
                    auth_time=tx.now,
                    acr="1",
                    amr=("pwd",),
                    address=ADDRESS,
                    user_agent="test",
                    expires_at=expires_at,
                )
            )
            await tx.grants.add(
                Grant(
                    id=f"gnt_{session_id}",
                    session_id=session_id,
                    user_id=user.id,
                    client_id="first-party",
                    audience=(self.settings.issuer_url,),
                    scope=(),
                    secret_digest=b"d" * 32,
                    current=1,
                    status=status,
                    touched_at=tx.now,
                    expires_at=expires_at,
                )
            )
            return status

        status = await self.write(unit)
        return Caller(user=user, session_id=session_id, auth_time=self.clock(), acr="1", status=status)

    async def connect(self, user: User, provider: str = "example") -> Identity:
        """An account of theirs at another site."""
        identity = Identity(
            id=f"idn_{provider}",
            user_id=user.id,
            provider=provider,
            issuer=f"https://{provider}.test",
            subject=user.id,
            email=user.email,
            created_at=self.clock(),
            used_at=None,
        )
        await self.write(lambda tx: tx.identities.add(identity))
        return identity

    async def remember_device(self, user: User) -> TrustedDevice:
        """A browser in which they are not asked for the second factor."""
        device = TrustedDevice(
            id=new_id("dev"),
            user_id=user.id,
            digest=new_id("dev").encode(),
            address="",
            user_agent="",
            created_at=self.clock(),
            expires_at=self.clock() + 86_400,
        )
        await self.write(lambda tx: tx.devices.add(device))
        return device

    def call(self, caller: Caller | None = None) -> Call:
        """A call from `ADDRESS`, by a stranger or by a caller in a session."""
        request = Request({"type": "http", "client": (ADDRESS, 1), "headers": [(b"user-agent", b"test")]})
        if caller is not None:
            note(request, caller)
        settings = self.settings
        return Call(
            request,
            CallContext(
                address=ClientAddress(settings),
                request_policy=TokenRequestPolicy(
                    self.database, DPoPBinding(self.database, issuer=settings.issuer_url), settings
                ),
                language=LanguageChoice(settings),
                trusted_device=HostCookie("gatepass-device", settings, same_site="strict"),
                known_browsers=KnownBrowsers(self.data_key.derive("known browsers"), settings),
            ),
        )

    def while_hashing(self, happens: Callable[[], Awaitable[object]]) -> Acting:
        """The same, where something happens in the store while a password is at work."""
        hasher = InterruptedHasher(self.hasher, happens)
        return replace(self, hasher=hasher, registration=Registration(self.database, hasher, self.settings))

    # ── what has come of it ──

    async def queued_notices(self) -> list[Notice]:
        """The queued in the queue, oldest first."""

        async def unit(tx: Transaction) -> list[Notice]:
            return [
                msgspec.json.decode(self.data_key.unseal(mail.sealed, mail.id), type=Notice)
                for mail in reversed(await tx.mails.latest(100))
            ]

        return await self.database.read(unit)

    async def happened(self, user_id: str = "") -> list[tuple[EventKind, str]]:
        """The events about somebody, oldest first: kind and reason."""

        async def unit(tx: Transaction) -> list[tuple[EventKind, str]]:
            return [(event.kind, event.reason) for event in await tx.events.after("", user_id=user_id)]

        return await self.database.read(unit)

    async def live_sessions(self, user_id: str) -> set[str]:
        """Whose sessions have not ended."""

        async def unit(tx: Transaction) -> set[str]:
            found = await tx.sessions.live_of(user_id, now=tx.now, idle_seconds=self.settings.session_idle_seconds)
            return {each.session.id for each in found}

        return await self.database.read(unit)

    async def is_revoked(self, caller: Caller) -> bool:
        """Whether everybody is told to refuse the access tokens of a session."""
        return await self.database.read(lambda tx: tx.revocations.is_revoked(status=caller.status, jti="", now=tx.now))

    def content(self) -> list[str]:
        """Every row of the store with its table's name: equal before and after where nothing was written."""
        # By the library that the store uses: two copies of SQLite in one process break each other's locks.
        with closing(apsw.Connection(str(self.settings.sqlite_path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            select = "SELECT * FROM {}"  # a table of ours
            return [f"{table} {row}" for table in tables for row in connection.execute(select.format(table))]


def token_in(url: str) -> str:
    """The token of a mailed link."""
    return url.partition("token=")[2]


async def code_of(act: Awaitable[object]) -> str:
    """The code that an act refuses with."""
    with pytest.raises(Refusal) as refused:
        await act
    return refused.value.code


@contextmanager
def acting(data_dir: Path, **settings: object) -> Generator[Acting]:
    """Make the parts over a new database until the block ends; any setting may be given."""
    clock, data_key = SettableClock(NOON), DataKey(b"k" * 32)
    chosen = load(flags={"data_dir": str(data_dir), "port": 8000, **CHEAP_ARGON2, **settings})
    database, hasher = SqliteDatabase(chosen.sqlite_path, clock), password_hasher(chosen)
    party = RelyingParty(rp_id="localhost", origins=(chosen.issuer_url,), name=chosen.site_name)
    asyncio.run(open_first_epoch(database))
    try:
        yield Acting(
            settings=chosen,
            clock=clock,
            database=database,
            data_key=data_key,
            hasher=hasher,
            registration=Registration(database, hasher, chosen),
            rules=SignupRules(Throttle.of_signups(b"t", chosen), chosen),
            notices=Notices(data_key, chosen),
            throttle=Throttle.of_sign_ins(b"t", chosen),
            mail_throttle=Throttle.of_mails(b"t", chosen),
            proofs=FactorProofs(database, data_key, party),
            decoys=Decoys(b"d"),
            indexes=status_indexes(database, data_key),
            login=LoginCompletion(data_key, chosen),
        )
    finally:
        hasher.close()
        database.close()
