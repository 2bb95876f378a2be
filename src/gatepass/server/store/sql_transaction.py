"""One transaction's stores over one connection, the same for every database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.ids import new_id
from gatepass.server.domain.hooks.asking import NO_HOOKS
from gatepass.server.store.apis import SqlApis
from gatepass.server.store.attempts import SqlAttempts
from gatepass.server.store.authorization_codes import SqlAuthorizationCodes
from gatepass.server.store.client_documents import SqlDocumentStates
from gatepass.server.store.clients import SqlClients
from gatepass.server.store.consents import SqlConsents
from gatepass.server.store.device_codes import SqlDeviceCodes
from gatepass.server.store.event_feed import SqlEventFeed
from gatepass.server.store.events import SqlEvents
from gatepass.server.store.factors import SqlFactorCounts, SqlRecoveryCodes, SqlRememberedDevices, SqlTotpSecrets
from gatepass.server.store.grants import SqlGrants
from gatepass.server.store.idempotent_requests import SqlIdempotentRequests
from gatepass.server.store.identities import SqlIdentities
from gatepass.server.store.keys import SqlKeys
from gatepass.server.store.logout_deliveries import SqlLogoutDeliveries
from gatepass.server.store.mails import SqlMails
from gatepass.server.store.one_time_codes import SqlCodes
from gatepass.server.store.organization_domains import SqlOrganizationDomains
from gatepass.server.store.organization_invitations import SqlInvitations
from gatepass.server.store.organizations import SqlMembers, SqlOrganizations
from gatepass.server.store.passkeys import SqlPasskeys
from gatepass.server.store.passwords import SqlPasswords
from gatepass.server.store.profiles import SqlProfiles
from gatepass.server.store.pushed_requests import SqlPushedRequests
from gatepass.server.store.registration_tokens import SqlRegistrationTokens
from gatepass.server.store.revocations import SqlRevocations, SqlStatusLists
from gatepass.server.store.roles import SqlRoles
from gatepass.server.store.sessions import SqlSessions
from gatepass.server.store.signal_streams import SqlSignalStreams
from gatepass.server.store.signals import SqlSignals
from gatepass.server.store.used_once import SqlUsedOnce
from gatepass.server.store.users import SqlUsers
from gatepass.server.store.webhooks import SqlWebhookDeliveries, SqlWebhooks

if TYPE_CHECKING:
    from gatepass.server.base.clock import Clock
    from gatepass.server.domain.hooks.asking import Answers
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.store.connection import Connection


class SqlTransaction:
    """`gatepass.server.domain.ports.Transaction`."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._clock = clock
        self.answers: Answers = NO_HOOKS
        self.users = SqlUsers(connection)
        self.profiles = SqlProfiles(connection)
        self.passwords = SqlPasswords(connection)
        self.factors = SqlFactorCounts(connection)
        self.totp = SqlTotpSecrets(connection)
        self.recovery_codes = SqlRecoveryCodes(connection)
        self.devices = SqlRememberedDevices(connection)
        self.passkeys = SqlPasskeys(connection)
        self.identities = SqlIdentities(connection)
        self.roles = SqlRoles(connection)
        self.sessions = SqlSessions(connection)
        self.grants = SqlGrants(connection)
        self.keys = SqlKeys(connection)
        self.attempts = SqlAttempts(connection)
        self.codes = SqlCodes(connection)
        self.mails = SqlMails(connection)
        self.logout_deliveries = SqlLogoutDeliveries(connection)
        self.events = SqlEvents(connection)
        self.event_feed = SqlEventFeed(connection)
        self.webhooks = SqlWebhooks(connection)
        self.webhook_deliveries = SqlWebhookDeliveries(connection)
        self.signal_streams = SqlSignalStreams(connection)
        self.signals = SqlSignals(connection)
        self.clients = SqlClients(connection)
        self.authorization_codes = SqlAuthorizationCodes(connection)
        self.pushed_requests = SqlPushedRequests(connection)
        self.device_codes = SqlDeviceCodes(connection)
        self.apis = SqlApis(connection)
        self.client_documents = SqlDocumentStates(connection)
        self.registration_tokens = SqlRegistrationTokens(connection)
        self.consents = SqlConsents(connection)
        self.organizations = SqlOrganizations(connection)
        self.members = SqlMembers(connection)
        self.invitations = SqlInvitations(connection)
        self.domains = SqlOrganizationDomains(connection)
        self.revocations = SqlRevocations(connection)
        self.status_lists = SqlStatusLists(connection)
        self.used_once = SqlUsedOnce(connection)
        self.idempotent_requests = SqlIdempotentRequests(connection)

    @property
    def now(self) -> float:
        """The database's clock."""
        return self._clock()


async def write_something(tx: Transaction) -> None:
    """Write a row that is removed within a minute: only a write shows that writing works."""
    await tx.used_once.use("readiness", new_id("rdy"), expires_at=tx.now)
