"""What modules may use: created once for each process, from the settings, the store and the keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from gatepass.server.domain.accounts.identity_linking import IdentityLinking
from gatepass.server.domain.accounts.registration import new_registration
from gatepass.server.domain.accounts.role_table import RoleTable
from gatepass.server.domain.accounts.signup_rules import SignupRules
from gatepass.server.domain.credentials.factor_proofs import FactorProofs
from gatepass.server.domain.credentials.passkeys.relying_party import RelyingParty
from gatepass.server.domain.credentials.passwords.decoys import Decoys
from gatepass.server.domain.credentials.passwords.hashing import password_hasher
from gatepass.server.domain.keys.id_token_signers import IdTokenSigners
from gatepass.server.domain.limits.throttle import Throttle
from gatepass.server.domain.mail.delivery import MailDelivery
from gatepass.server.domain.mail.notices import Notices
from gatepass.server.domain.mail.smtp import mail_sender
from gatepass.server.domain.organizations.dns_records import DnsLookup
from gatepass.server.domain.providers.presets import make_providers
from gatepass.server.domain.public_fetch import PublicFetch
from gatepass.server.domain.replica import Replica
from gatepass.server.domain.revocation.known import KnownRevocations
from gatepass.server.domain.revocation.revocation_check import RevocationCheck
from gatepass.server.domain.revocation.status_indexes import list_keys, status_indexes
from gatepass.server.domain.sessions.client_documents import ClientDocuments
from gatepass.server.domain.sessions.client_keys import ClientKeys
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.domain.sessions.custom_claims import CustomClaims
from gatepass.server.domain.sessions.dpop import DPoPNonces
from gatepass.server.domain.sessions.first_login import FirstLogin
from gatepass.server.domain.sessions.id_token_issuer import IdTokenIssuer
from gatepass.server.domain.sessions.known_apis import KnownApis
from gatepass.server.domain.sessions.login import LoginCompletion
from gatepass.server.domain.sessions.own_tokens import OwnTokens
from gatepass.server.domain.sessions.rotation import pace_of
from gatepass.server.domain.sessions.subject_identifier import SubjectIdentifiers
from gatepass.server.domain.sessions.token_issuer import TokenIssuer
from gatepass.server.domain.sessions.trusted_issuers import TrustedIssuers
from gatepass.server.web.address import ClientAddress
from gatepass.server.web.auth.bearer import BearerAuth
from gatepass.server.web.auth.client import ClientAuthentication, KnownClients
from gatepass.server.web.auth.cookie import CookieAuth
from gatepass.server.web.auth.dpop import DPoPBinding
from gatepass.server.web.auth.recent import RecentAuth
from gatepass.server.web.browser import BrowserMode, origin_of
from gatepass.server.web.call import CallContext
from gatepass.server.web.connections import Connections
from gatepass.server.web.documents import PublicDocuments
from gatepass.server.web.known_browsers import KnownBrowsers
from gatepass.server.web.lifecycle import Lifecycle
from gatepass.server.web.login_responses import LoginResponses
from gatepass.server.web.metrics import Metrics
from gatepass.server.web.pages import Pages
from gatepass.server.web.provider_redirects import ProviderRedirects
from gatepass.server.web.this_machine import ThisMachine
from gatepass.server.web.token_requests import TokenRequestPolicy
from gatepass.server.web.token_responses import TokenResponses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gatepass.server.base.clock import Clock
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.registration import Registration
    from gatepass.server.domain.credentials.passwords.hashing import PasswordHasher
    from gatepass.server.domain.events.feed import EventListener
    from gatepass.server.domain.hooks.asking import HookFailures
    from gatepass.server.domain.keys.keyring import LiveKeys
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.organizations.domain import DnsRecords
    from gatepass.server.domain.ports import Database
    from gatepass.server.domain.revocation.status_indexes import ListKeys, StatusIndexes
    from gatepass.server.domain.sessions.custom_claims import ExtraClaims
    from gatepass.server.domain.sessions.grant import RotationPolicy

log = structlog.get_logger("gatepass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What modules may use. Each module declares in a protocol which parts its acts need.

    Attributes:
        settings: The settings.
        database: The store.
        clock: The store's time, in seconds since 1970.
        keys: The signing keys in force.
        data_key: Seals what the store keeps, and derives other keys.
        hasher: Hashes passwords in threads of its own.
        decoys: Password hashes to check for unknown addresses.
        throttle: Counts failed attempts at what could be guessed.
        grant_throttle: Counts codes, refresh tokens and assertions that were no good.
        mail_throttle: Counts mails that were asked for.
        rules: Who may create an account.
        registration: Creates accounts.
        roles: The application's roles.
        notices: Puts mails into the queue.
        mail_delivery: Sends the queue.
        relying_party: Passkeys.
        proofs: Checks second factors.
        linking: Accounts at other sites.
        dns: Looks up records of domains.
        redirects: Sends browsers to other sites and knows them again.
        indexes: Allocates status indexes.
        list_keys: The keys of status lists.
        known: What is revoked, as this process has read it.
        replica: Keeps this process's copy of the store up with what others change.
        own_tokens: Verifies our own access tokens.
        revocation_check: Whether one of them is revoked.
        login: Completes a login.
        first_login: Opens the first session of a new account.
        login_responses: Answers to a login.
        rotation: The time limits of refreshing.
        custom_claims: The application's own claims.
        first_party: What tokens of the built-in client may be for.
        token_issuer: Makes access tokens.
        subjects: Who people are to clients.
        id_token_signers: Who signs what clients read.
        id_token_issuer: Makes ID tokens.
        token_responses: Answers with tokens.
        dpop: The keys that senders prove to have.
        fetch: Asks hosts that clients have named.
        apis: The APIs, remembered for a second.
        clients: Registered clients, remembered for a second.
        client_keys: The public keys of clients that sign.
        trusted_issuers: Whose assertions clients may trade for tokens.
        client_auth: Which client calls.
        bearer_auth: Who calls, by access token.
        cookie_auth: Who looks at a page, by cookie.
        recent_auth: Who has proved themselves lately.
        address: Where a request comes from.
        call_context: What reads a request for a call.
        browser: Cookies and cross-site defense of browser mode.
        machine: Whether a request comes from this machine.
        pages: Renders pages.
        documents: The public documents.
        metrics: Counts answers.
        connections: The connections of this process.
        listeners: Plugins that are told of events.
        lifecycle: Whether the process starts, serves or is about to end.
    """

    settings: Settings
    database: Database
    clock: Clock
    keys: LiveKeys
    data_key: DataKey
    hasher: PasswordHasher
    decoys: Decoys
    throttle: Throttle
    grant_throttle: Throttle
    mail_throttle: Throttle
    rules: SignupRules
    registration: Registration
    roles: RoleTable
    notices: Notices
    mail_delivery: MailDelivery
    relying_party: RelyingParty
    proofs: FactorProofs
    linking: IdentityLinking
    dns: DnsRecords
    redirects: ProviderRedirects
    indexes: StatusIndexes
    list_keys: ListKeys
    known: KnownRevocations
    replica: Replica
    own_tokens: OwnTokens
    revocation_check: RevocationCheck
    login: LoginCompletion
    first_login: FirstLogin
    login_responses: LoginResponses
    rotation: RotationPolicy
    custom_claims: CustomClaims
    first_party: ClientPolicy
    token_issuer: TokenIssuer
    subjects: SubjectIdentifiers
    id_token_signers: IdTokenSigners
    id_token_issuer: IdTokenIssuer
    token_responses: TokenResponses
    dpop: DPoPBinding
    fetch: PublicFetch
    apis: KnownApis
    clients: KnownClients
    client_keys: ClientKeys
    trusted_issuers: TrustedIssuers
    client_auth: ClientAuthentication
    bearer_auth: BearerAuth
    cookie_auth: CookieAuth
    recent_auth: RecentAuth
    address: ClientAddress
    call_context: CallContext
    browser: BrowserMode
    machine: ThisMachine
    pages: Pages
    documents: PublicDocuments
    metrics: Metrics
    connections: Connections
    listeners: tuple[EventListener, ...]
    lifecycle: Lifecycle


def make_core(  # noqa: PLR0913 - everything is made of these
    settings: Settings,
    database: Database,
    keys: LiveKeys,
    data_key: DataKey,
    *,
    most_connections: int,
    shared: Path | None = None,
    failures: HookFailures,
    listeners: Sequence[EventListener] = (),
    extra_claims: Sequence[ExtraClaims] = (),
) -> Core:
    """Create everything, in order of dependency: a flat list.

    Args:
        settings: The settings.
        database: The store.
        keys: The signing keys in force.
        data_key: What everything sealed is sealed under.
        most_connections: How many connections this process can hold.
        shared: This process's file in a folder where other workers have theirs, for what is counted.
        failures: Where it is noted that a hook fails.
        listeners: Plugins that are told of events.
        extra_claims: What plugins add to tokens.
    """
    issuer = settings.issuer_url
    attempts_key = data_key.derive("attempts")
    address, browser = ClientAddress(settings), BrowserMode(settings)
    pages = Pages(settings, data_key.derive("forms"))
    metrics = Metrics(shared)
    hasher = password_hasher(settings)
    notices = Notices(data_key, settings)
    rules = SignupRules(Throttle.of_signups(attempts_key, settings), settings)
    relying_party = RelyingParty(
        rp_id=urlsplit(issuer).hostname or "",
        origins=(origin_of(issuer), *settings.browser_origins),
        name=settings.site_name,
    )
    if not relying_party.is_possible:
        log.warning("there are no passkeys", reason="the issuer is an IP address, and passkeys are for names only")
    known = KnownRevocations()
    replica = Replica(database, known)
    # A status list is published before a token refers to it.
    indexes = status_indexes(database, data_key, on_reserved=replica.catch_up)
    own_tokens = OwnTokens(keys, settings, database.clock)
    revocation_check = RevocationCheck(database, known)
    login = LoginCompletion(data_key, settings)
    subjects = SubjectIdentifiers(data_key)
    roles = RoleTable(settings.roles)
    custom_claims = CustomClaims(database, settings, roles, subjects, extra=extra_claims, failures=failures)
    token_issuer = TokenIssuer(settings, subjects, custom_claims)
    id_token_signers = IdTokenSigners(database, data_key, keys, replica, settings)
    token_responses = TokenResponses(token_issuer, browser)
    nonces = DPoPNonces(data_key.derive("dpop nonces")) if settings.dpop_nonce else None
    dpop = DPoPBinding(database, issuer=issuer, nonces=nonces)
    fetch = PublicFetch.of(settings)
    clients = KnownClients(database, ClientDocuments(database, fetch, indexes, data_key, settings))
    client_keys = ClientKeys(fetch)
    bearer_auth = BearerAuth(own_tokens, dpop, revocation_check, issuer=issuer)
    cookie_auth = CookieAuth(database, keys=keys, browser=browser, settings=settings)
    login_responses = LoginResponses(
        database,
        token_responses,
        keys=keys,
        address=address,
        pages=pages,
        cookie_auth=cookie_auth,
        known_browsers=KnownBrowsers(data_key.derive("known browsers"), settings),
        settings=settings,
    )
    call_context = CallContext(
        address=address,
        request_policy=TokenRequestPolicy(database, dpop, settings),
        language=pages.language,
        trusted_device=login_responses.device_cookie,
        known_browsers=login_responses.known_browsers,
    )
    return Core(
        settings=settings,
        database=database,
        clock=database.clock,
        keys=keys,
        data_key=data_key,
        hasher=hasher,
        decoys=Decoys(data_key.derive("decoys")),
        throttle=Throttle.of_sign_ins(attempts_key, settings),
        grant_throttle=Throttle.of_grants(attempts_key, settings),
        mail_throttle=Throttle.of_mails(attempts_key, settings),
        rules=rules,
        registration=new_registration(database, hasher, settings),
        roles=roles,
        notices=notices,
        mail_delivery=MailDelivery(database, data_key, mail_sender(settings), settings=settings),
        relying_party=relying_party,
        proofs=FactorProofs(database, data_key, relying_party),
        linking=IdentityLinking(
            database,
            make_providers(settings.providers),
            login,
            notices,
            indexes=indexes,
            rules=rules,
            settings=settings,
        ),
        dns=DnsLookup(settings.dns_servers),
        redirects=ProviderRedirects(database, data_key, pages, settings),
        indexes=indexes,
        list_keys=list_keys(data_key),
        known=known,
        replica=replica,
        own_tokens=own_tokens,
        revocation_check=revocation_check,
        login=login,
        first_login=FirstLogin(database, indexes, login),
        login_responses=login_responses,
        rotation=pace_of(settings),
        custom_claims=custom_claims,
        first_party=ClientPolicy.of_first_party(settings),
        token_issuer=token_issuer,
        subjects=subjects,
        id_token_signers=id_token_signers,
        id_token_issuer=IdTokenIssuer(database, id_token_signers, subjects, custom_claims, settings),
        token_responses=token_responses,
        dpop=dpop,
        fetch=fetch,
        apis=KnownApis(database),
        clients=clients,
        client_keys=client_keys,
        trusted_issuers=TrustedIssuers(settings, client_keys),
        client_auth=ClientAuthentication(database, clients, client_keys, address, issuer=issuer),
        bearer_auth=bearer_auth,
        cookie_auth=cookie_auth,
        recent_auth=RecentAuth(database, bearer_auth, pages=pages, cookie_auth=cookie_auth, settings=settings),
        address=address,
        call_context=call_context,
        browser=browser,
        machine=ThisMachine(settings),
        pages=pages,
        documents=PublicDocuments(settings),
        listeners=tuple(listeners),
        lifecycle=Lifecycle(),
        metrics=metrics,
        connections=Connections(most_connections, note_refusal=lambda: metrics.note("none", "too_many_connections", 0)),
    )
