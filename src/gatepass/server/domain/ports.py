"""A unit of work, and the ports that each database implements.

A unit is `async def unit(tx)` that awaits nothing but `tx`'s stores. It refuses by returning a `Refusal`, which
`decide` raises only after the commit: raising inside would roll back the writes that belong to the refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.base.clock import Clock
    from gatepass.server.domain.accounts.linked_identity import Identities
    from gatepass.server.domain.accounts.profile import Profiles
    from gatepass.server.domain.accounts.role_table import StoredRoles
    from gatepass.server.domain.accounts.user import Users
    from gatepass.server.domain.credentials.factors import FactorCounts
    from gatepass.server.domain.credentials.one_time_code import Codes
    from gatepass.server.domain.credentials.passkeys.passkey import Passkeys
    from gatepass.server.domain.credentials.passwords.hashing import PasswordHashes
    from gatepass.server.domain.credentials.recovery_codes import RecoveryCodes
    from gatepass.server.domain.credentials.totp import TotpSecrets
    from gatepass.server.domain.credentials.trusted_devices import RememberedDevices
    from gatepass.server.domain.events.event import Events
    from gatepass.server.domain.events.feed import EventFeed
    from gatepass.server.domain.hooks.asking import Answers
    from gatepass.server.domain.keys.schedule import StoredKeys
    from gatepass.server.domain.limits.attempts import Attempts
    from gatepass.server.domain.limits.idempotency import IdempotentRequests
    from gatepass.server.domain.limits.used_once import UsedOnce
    from gatepass.server.domain.mail.queue import MailQueue
    from gatepass.server.domain.organizations.domain import OrganizationDomains
    from gatepass.server.domain.organizations.invitation import Invitations
    from gatepass.server.domain.organizations.member import Members
    from gatepass.server.domain.organizations.organization import Organizations
    from gatepass.server.domain.revocation.log import RevocationLog
    from gatepass.server.domain.revocation.status_indexes import StatusLists
    from gatepass.server.domain.sessions.api import Apis
    from gatepass.server.domain.sessions.authorization_code import AuthorizationCodes
    from gatepass.server.domain.sessions.client import Clients
    from gatepass.server.domain.sessions.client_document_state import DocumentStates
    from gatepass.server.domain.sessions.consent import Consents
    from gatepass.server.domain.sessions.device_code import DeviceCodes
    from gatepass.server.domain.sessions.grant import Grants
    from gatepass.server.domain.sessions.logout_queue import LogoutQueue
    from gatepass.server.domain.sessions.pushed_request import PushedRequests
    from gatepass.server.domain.sessions.registration_token import RegistrationTokens
    from gatepass.server.domain.sessions.session import Sessions
    from gatepass.server.domain.shared_signals.queue import SignalQueue
    from gatepass.server.domain.shared_signals.stream import SignalStreams
    from gatepass.server.domain.webhooks.queue import WebhookQueue
    from gatepass.server.domain.webhooks.webhook import Webhooks

T = TypeVar("T")

Person: TypeAlias = "str | Callable[[Transaction], Awaitable[str]]"
"""Whose data a unit is about, if it is about one person's: their id, or a read-only unit that finds it."""


class Transaction(Protocol):
    """The stores, in one transaction."""

    answers: Answers
    """What hooks have said of what this unit does."""

    @property
    def now(self) -> float:
        """The database's clock in seconds since 1970, shared by all nodes."""
        ...

    @property
    def users(self) -> Users:
        """See `Users`."""
        ...

    @property
    def profiles(self) -> Profiles:
        """See `Profiles`."""
        ...

    @property
    def passwords(self) -> PasswordHashes:
        """See `PasswordHashes`."""
        ...

    @property
    def factors(self) -> FactorCounts:
        """See `FactorCounts`."""
        ...

    @property
    def totp(self) -> TotpSecrets:
        """See `TotpSecrets`."""
        ...

    @property
    def recovery_codes(self) -> RecoveryCodes:
        """See `RecoveryCodes`."""
        ...

    @property
    def devices(self) -> RememberedDevices:
        """See `RememberedDevices`."""
        ...

    @property
    def passkeys(self) -> Passkeys:
        """See `Passkeys`."""
        ...

    @property
    def identities(self) -> Identities:
        """See `Identities`."""
        ...

    @property
    def roles(self) -> StoredRoles:
        """See `StoredRoles`."""
        ...

    @property
    def sessions(self) -> Sessions:
        """See `Sessions`."""
        ...

    @property
    def grants(self) -> Grants:
        """See `Grants`."""
        ...

    @property
    def keys(self) -> StoredKeys:
        """See `StoredKeys`."""
        ...

    @property
    def attempts(self) -> Attempts:
        """See `Attempts`."""
        ...

    @property
    def codes(self) -> Codes:
        """See `Codes`."""
        ...

    @property
    def mails(self) -> MailQueue:
        """See `MailQueue`."""
        ...

    @property
    def logout_deliveries(self) -> LogoutQueue:
        """See `LogoutQueue`."""
        ...

    @property
    def events(self) -> Events:
        """See `Events`."""
        ...

    @property
    def event_feed(self) -> EventFeed:
        """See `EventFeed`."""
        ...

    @property
    def webhooks(self) -> Webhooks:
        """See `Webhooks`."""
        ...

    @property
    def webhook_deliveries(self) -> WebhookQueue:
        """See `WebhookQueue`."""
        ...

    @property
    def signal_streams(self) -> SignalStreams:
        """See `SignalStreams`."""
        ...

    @property
    def signals(self) -> SignalQueue:
        """See `SignalQueue`."""
        ...

    @property
    def clients(self) -> Clients:
        """See `Clients`."""
        ...

    @property
    def authorization_codes(self) -> AuthorizationCodes:
        """See `AuthorizationCodes`."""
        ...

    @property
    def pushed_requests(self) -> PushedRequests:
        """See `PushedRequests`."""
        ...

    @property
    def device_codes(self) -> DeviceCodes:
        """See `DeviceCodes`."""
        ...

    @property
    def apis(self) -> Apis:
        """See `Apis`."""
        ...

    @property
    def client_documents(self) -> DocumentStates:
        """See `DocumentStates`."""
        ...

    @property
    def registration_tokens(self) -> RegistrationTokens:
        """See `RegistrationTokens`."""
        ...

    @property
    def consents(self) -> Consents:
        """See `Consents`."""
        ...

    @property
    def organizations(self) -> Organizations:
        """See `Organizations`."""
        ...

    @property
    def members(self) -> Members:
        """See `Members`."""
        ...

    @property
    def invitations(self) -> Invitations:
        """See `Invitations`."""
        ...

    @property
    def domains(self) -> OrganizationDomains:
        """See `OrganizationDomains`."""
        ...

    @property
    def revocations(self) -> RevocationLog:
        """See `RevocationLog`."""
        ...

    @property
    def status_lists(self) -> StatusLists:
        """See `StatusLists`."""
        ...

    @property
    def used_once(self) -> UsedOnce:
        """See `UsedOnce`."""
        ...

    @property
    def idempotent_requests(self) -> IdempotentRequests:
        """See `IdempotentRequests`."""
        ...


class Condition(NamedTuple):
    """The state of a database that was just written to."""

    is_migrated: bool
    """Whether its schema is the version that this code knows, or newer."""
    is_clock_right: bool
    """Whether this node knows the database's time."""


class Database(Protocol):
    """Runs units of work. A unit may be run again from its beginning, after a conflict with another."""

    clock: Clock
    """The clock that all nodes share."""

    async def transaction(
        self, unit: Callable[[Transaction], Awaitable[T]], *, about: Person = "", shared: bool = False
    ) -> T:
        """Run the unit, commit, and return its result once it is durable; if it raises, nothing was written.

        No other unit can write between its reads and its writes; with the options, only those can that are no matter.

        Args:
            unit: the unit.
            about: the id of the only person whose data it decides by, beside what no person has, such as clients and
                roles, and whose data it changes. Units about others run beside it. Or a unit that reads who that is, of
                what never changes; it is run before, and only where a store has a lock for each person.
            shared: other shared units may run beside it, with `about` also those about the same person. For those that
                only add what is their own.

        Raises:
            Unavailable: `store_unavailable`, when the database is locked, full, read-only or away.
        """
        ...

    async def statement(self, unit: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run a unit that is nearly always a single statement, which needs no explicit transaction.

        If more statements follow, they are a separate transaction: the first may be committed without them. So it must
        leave enough behind for a retry to finish the work. Raises as `transaction`.
        """
        ...

    async def read(self, unit: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run a read-only unit, concurrently with writers. Raises as `transaction`."""
        ...

    def still_holds(self, read_at: float) -> bool:
        """Whether a reading of the log at a time (of `time.monotonic`) is recent enough to use without asking again.

        It misses nothing that this process has written since, and of other processes nothing older than a second. False
        where asking is cheaper.
        """
        ...

    async def changed(self) -> None:
        """Wait until any process or node may have changed something. Raises as `transaction`."""
        ...

    def check_settled(self) -> None:
        """Refuse while the store may have just lost writes, when an honest serial cannot be told from a stolen one.

        Raises:
            Unavailable: `store_settling`, for half a minute after it may have.
        """
        ...

    async def condition(self) -> Condition:
        """Check that it can be written to. Raises as `transaction`."""
        ...


async def decide(
    database: Database,
    unit: Callable[[Transaction], Awaitable[T | Refusal]],
    *,
    about: Person = "",
    shared: bool = False,
    is_lone_statement: bool = False,
) -> T:
    """Run a unit and commit its result, also if it refused; only then raise the refusal.

    Args:
        database: where.
        unit: the unit; it returns a refusal, and raises none.
        about: as for `Database.transaction`.
        shared: as for `Database.transaction`.
        is_lone_statement: run it by `Database.statement`.

    Raises:
        Refusal: the unit's.
        Unavailable: as `Database.transaction`.
    """
    if is_lone_statement:
        outcome = await database.statement(unit)
    else:
        outcome = await database.transaction(unit, about=about, shared=shared)
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome
