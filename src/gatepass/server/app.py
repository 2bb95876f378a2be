"""The composition root: from settings to an application that serves. Nobody else knows everybody."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import structlog

from gatepass.server.base.errors import StartupError, Unavailable
from gatepass.server.base.settings import LOGO_TYPES, is_loopback
from gatepass.server.domain.accounts.identity_linking import IdentityLinking
from gatepass.server.domain.accounts.registration import Registration
from gatepass.server.domain.accounts.signup_rules import SignupRules
from gatepass.server.domain.credentials.factor_proofs import FactorProofs
from gatepass.server.domain.credentials.passkeys.relying_party import RelyingParty
from gatepass.server.domain.credentials.passwords.decoys import Decoys
from gatepass.server.domain.credentials.passwords.hashing import Argon2Cost, PasswordHasher, keep_large_blocks
from gatepass.server.domain.credentials.passwords.leaked import LeakedPasswordRanges
from gatepass.server.domain.events.settings_watch import note_settings
from gatepass.server.domain.keys.data_key import unlock
from gatepass.server.domain.keys.master_key import read_master_keys
from gatepass.server.domain.keys.rotation import pace_of, provide_keys, stored_keys, take_steps
from gatepass.server.domain.limits.throttle import Throttle
from gatepass.server.domain.mail.delivery import MailDelivery
from gatepass.server.domain.mail.notices import Notices
from gatepass.server.domain.mail.smtp import SmtpSender
from gatepass.server.domain.providers.presets import make_providers
from gatepass.server.domain.revocation.revocation_check import RevocationCheck
from gatepass.server.domain.revocation.status_indexes import BLOCK, ListKeys, StatusIndexes
from gatepass.server.domain.sessions.own_tokens import OwnTokens
from gatepass.server.features.account.connected import Connected
from gatepass.server.features.account.credentials import CredentialChanges
from gatepass.server.features.account.overview import Overview
from gatepass.server.features.account.profile import ProfileChanges
from gatepass.server.features.account.reauthentication import Reauthentication
from gatepass.server.features.login.mail import EmailLogin
from gatepass.server.features.login.passkey import PasskeyLogins
from gatepass.server.features.login.password import Login
from gatepass.server.features.login.second_factor import SecondFactor
from gatepass.server.features.login.social import SocialLogin
from gatepass.server.features.oauth.endpoints import OAuth
from gatepass.server.features.recovery.recovery import Recovery
from gatepass.server.features.revocation_feed.feed import RevocationFeed
from gatepass.server.features.revocation_feed.places import Places
from gatepass.server.features.session.logout import Logout
from gatepass.server.features.session.refresh import Refresh
from gatepass.server.features.signup.signup import Signup
from gatepass.server.features.site.debugger import Debugger
from gatepass.server.features.site.discovery import JWKS_PATH, metadata_paths, render_jwks, render_metadata
from gatepass.server.features.site.health import HealthChecks
from gatepass.server.features.site.language import Language
from gatepass.server.features.site.outbox import Outbox
from gatepass.server.store.opening import open_database
from gatepass.server.web.address import ClientAddress
from gatepass.server.web.auth.bearer import BearerAuth
from gatepass.server.web.auth.client import ClientAuthentication, KnownClients
from gatepass.server.web.auth.cookie import CookieAuth
from gatepass.server.web.auth.dpop import DPoPBinding
from gatepass.server.web.auth.gate import Gate
from gatepass.server.web.auth.recent import RecentAuth
from gatepass.server.web.auth.requirements import METRICS, REFRESH, SESSION, THIS_MACHINE
from gatepass.server.web.auth.token_session import TokenSessions
from gatepass.server.web.browser import BrowserMode, origin_of
from gatepass.server.web.connections import Connections
from gatepass.server.web.cors import Cors
from gatepass.server.web.dispatcher import Application
from gatepass.server.web.docs_page import render_docs, static_file
from gatepass.server.web.documents import Document
from gatepass.server.web.headers import API_POLICY, DEBUGGER_SCRIPT, PAGE_POLICY, PASSKEYS_SCRIPT, security_headers
from gatepass.server.web.known_browsers import KnownBrowsers
from gatepass.server.web.login_completion import LoginCompletion
from gatepass.server.web.metrics import Metrics
from gatepass.server.web.openapi import describe
from gatepass.server.web.pages import Pages
from gatepass.server.web.provider_redirects import ProviderRedirects
from gatepass.server.web.routing import RouteTable
from gatepass.server.web.this_machine import ThisMachine
from gatepass.server.web.token_requests import TokenRequestPolicy
from gatepass.server.web.token_responses import TokenIssuer
from gatepass.server.web.tracing import tracing_to
from gatepass.tokens import heartbeat

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from starlette.requests import Request

    from gatepass.server.base.clock import Clock
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.credentials.passwords.decoys import Kind
    from gatepass.server.domain.keys.keyring import LiveKeys
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.keys.signer import OutsideKey
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.revocation.status_indexes import Block
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.features.revocation_feed.on_demand import OnDemand
    from gatepass.server.web.metrics import Gauges
    from gatepass.server.web.routing import Route
    from gatepass.server.web.tracing import Tracing

log = structlog.get_logger("gatepass")

_DAY = 86_400.0
_FORGET_SECONDS = 60.0
_SESSIONS_KEPT_SECONDS = 7 * 86_400.0
"""How long after its end a session can still be told from one that never was."""
_SESSIONS_AT_ONCE = 500
"""Forgotten in one transaction: enough to keep up, and few enough not to keep others waiting."""
_WARM_UP_SECONDS = 2.0
_KEYS_SECONDS = 1.0
"""How often it is looked whether a key's time has come; a look takes some microseconds."""
_POST_SECONDS = 0.25
"""How often it is looked whether a letter is due; a look takes some microseconds."""
_OUTDATED_SECONDS = 5.0
"""How long the store may be out of sight before this process says that it knows too little."""
_KINDS_SECONDS = 60.0
"""How often it is looked whether people with hashes of other systems have moved in, or signed in."""
_NAMED_AT_ONCE = 500
_PAUSE_SECONDS = 1.0
"""How long to let things be after a step that failed."""


class Server:
    """What one process holds: the store, the keys, the hashing threads; and the routes over them."""

    def __init__(  # noqa: PLR0913 - everything that serves
        self,
        settings: Settings,
        database: Database,
        keys: LiveKeys,
        *,
        data_key: DataKey,
        tracing: Tracing,
        most_connections: int,
        shared: Path | None = None,
    ) -> None:
        self.settings = settings
        self.tracing = tracing
        self.metrics = Metrics(shared, self._gauges)
        self.database = database
        self.keys = keys
        self.data_key = data_key
        self._clock = clock = database.clock
        self._behind_since: float | None = None
        self.hasher = password_hasher(settings)
        self.decoys = Decoys(data_key.derive("decoys"))
        self._address = ClientAddress(settings)
        self.connections = Connections(most_connections, self._note_refused_connection)
        self._clients = KnownClients(database)
        self._client_authentication = ClientAuthentication(database, self._clients, issuer=settings.issuer_url)
        self.feed = RevocationFeed(
            database,
            keys=keys,
            settings=settings,
            clock=clock,
            document=self._document,
            publish=self._publish,
            on_new_epoch=self._let_places_go,
            places=Places(
                settings,
                most_connections=most_connections,
                address=self._address,
                authenticate=self._authenticate_reader,
            ),
        )
        # A list is published before a token names it.
        self.indexes = status_indexes(database, data_key, on_reserved=self.catch_up)
        self.pages = Pages(settings, data_key.derive("forms"))
        self.mail_delivery = MailDelivery(database, data_key, mail_sender(settings), settings=settings)
        self.health = HealthChecks(
            database,
            is_up_to_date=self.is_up_to_date,
            metrics=self.metrics,
            metrics_token=settings.metrics_token,
            machine=ThisMachine(settings),
        )
        self.outbox = Outbox(
            self.mail_delivery,
            pages=self.pages,
            machine=ThisMachine(settings),
            key=settings.outbox_key if settings.mail == "outbox" else None,
        )
        self.gate, self.routes = self._routes()
        self._documents = self._fixed_documents()
        self._render_keys()

    def application(self) -> Application:
        """The ASGI application."""
        return Application(
            RouteTable(self.routes),
            self._documents,
            gate=self.gate,
            settings=self.settings,
            cors=Cors(self.settings),
            headers=security_headers(self.settings),
            pages=self.pages,
            metrics=self.metrics,
            tracing=self.tracing,
        )

    async def _authenticate_reader(self, request: Request) -> Client:
        return await self._client_authentication.authenticate(request)

    def _note_refused_connection(self) -> None:
        self.metrics.note("none", "too_many_connections", 0)

    def _let_places_go(self) -> None:
        """Give out no place that was reserved in an epoch that has ended."""
        self.indexes.let_go()

    async def run_in_background(self) -> None:
        """Do what has to be done beside answering, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_repeat(0, self._take_over))
            tasks.create_task(_repeat(heartbeat.INTERVAL_SECONDS, self.feed.beat))
            tasks.create_task(_repeat(_POST_SECONDS, self.mail_delivery.send_due))
            tasks.create_task(_repeat(_FORGET_SECONDS, self._forget_expired))
            tasks.create_task(_repeat(1, self.metrics.write_down))
            tasks.create_task(_repeat(_KEYS_SECONDS, self._move_keys_on))
            tasks.create_task(_repeat(_KINDS_SECONDS, self.learn_kinds))
            tasks.create_task(self._warm_up())

    async def learn_kinds(self) -> None:
        """Note of each password what it costs to check, of those too that were there before this was noted."""

        async def name(tx: Transaction) -> int:
            return await tx.passwords.name_kinds(_NAMED_AT_ONCE)

        while await self.database.transaction(name, shared=True) == _NAMED_AT_ONCE:
            pass
        await self.read_kinds()

    async def read_kinds(self) -> None:
        """Take over for the decoys what is noted; all passwords are counted only when that has changed."""

        async def read(tx: Transaction) -> list[Kind]:
            return await tx.passwords.kinds()

        async def count(tx: Transaction) -> int:
            return await tx.passwords.count()

        kinds = await self.database.read(read)
        if not self.decoys.is_of(kinds):
            self.decoys.learn(await self.database.read(count), kinds)

    async def _warm_up(self) -> None:
        """Get ready for people, once those who waited for the start have been answered."""
        await asyncio.sleep(_WARM_UP_SECONDS)
        await asyncio.to_thread(self.pages.warm_up)

    async def _take_over(self) -> None:
        """Take over what any process or node has changed: keys first, for they sign what the feed tells of."""
        if self._behind_since is None:
            await self.database.changed()
            self._behind_since = time.monotonic()  # until what follows has gone well
        await self.catch_up()
        self._behind_since = None

    def is_up_to_date(self) -> bool:
        """Whether what this process holds of the store is that of some seconds ago at most."""
        known_since = min(self.feed.known.as_of, self._behind_since or inf)
        return time.monotonic() - known_since < _OUTDATED_SECONDS

    def _gauges(self) -> Gauges:
        return {
            "gatepass_connections": ("Open connections.", len(self.connections)),
            "gatepass_stream_readers": ("Open streams of revocation events.", len(self.feed.readers)),
            "gatepass_up_to_date": ("Whether the store could be followed lately.", self.is_up_to_date()),
        }

    async def catch_up(self) -> None:
        """Read what is new."""
        self._clients.forget()
        if await self.reload_keys():
            await self.feed.renew()  # by then no copy is signed with a key that is to be trusted no longer
        else:
            await self.feed.catch_up()

    async def _move_keys_on(self) -> None:
        """Do what is due in the life of the keys, unless another node has; all of them notice by the store."""
        await take_steps(self.database, self.data_key, pace_of(self.settings), alg=self.settings.alg)

    async def _forget_expired(self) -> None:
        limits = self.settings

        async def unit(tx: Transaction) -> None:
            await tx.revocations.forget_expired(tx.now)
            await tx.used_once.forget_expired(tx.now)
            await tx.attempts.forget_before(tx.now - max(limits.account_window_seconds, limits.address_window_seconds))
            await tx.codes.forget_expired(tx.now)
            await tx.devices.forget_expired(tx.now)
            await self.mail_delivery.forget_old(tx)
            await tx.events.forget_before(tx.now - limits.events_days * _DAY)

        await self.database.transaction(unit, shared=True)
        count = _SESSIONS_AT_ONCE
        while count == _SESSIONS_AT_ONCE:
            count = await self.database.transaction(_forget_sessions, shared=True)

    async def reload_keys(self) -> bool:
        """Read the keys again, and publish them when they changed; whether they did."""
        is_changed = self.keys.update(await stored_keys(self.database), self._clock())
        if is_changed:
            self._render_keys()
        return is_changed

    def _routes(self) -> tuple[Gate, tuple[Route, ...]]:
        settings, database, keys = self.settings, self.database, self.keys
        browser = BrowserMode(settings)
        token_issuer = TokenIssuer(settings, browser)
        own_tokens = OwnTokens(keys, settings, self._clock)
        dpop = DPoPBinding(database, issuer=settings.issuer_url)
        revocation_check = RevocationCheck(database, self.feed.known)
        bearer_auth = BearerAuth(database, own_tokens, dpop, revocation_check, issuer=settings.issuer_url)
        oauth = OAuth(
            database,
            token_issuer,
            own_tokens,
            indexes=self.indexes,
            dpop=dpop,
            revocation_check=revocation_check,
            keys=keys,
            settings=settings,
        )
        address = self._address
        cookie_auth = CookieAuth(database, keys=keys, browser=browser, settings=settings)
        request_policy = TokenRequestPolicy(database, dpop, settings)
        registration = new_registration(database, self.hasher, settings)
        notices = Notices(self.data_key, self.pages, settings)
        attempts_key = self.data_key.derive("attempts")
        throttle, mail_throttle = (
            Throttle.of_sign_ins(attempts_key, settings),
            Throttle.of_mails(attempts_key, settings),
        )
        rules = SignupRules(Throttle.of_signups(attempts_key, settings), settings)
        relying_party = RelyingParty(
            rp_id=urlsplit(settings.issuer_url).hostname or "",
            origins=(origin_of(settings.issuer_url), *settings.browser_origins),
            name=settings.site_name,
        )
        if not relying_party.is_possible:
            log.warning("there are no passkeys", reason="the issuer is an IP address, and passkeys are for names only")
        proofs = FactorProofs(database, self.data_key, relying_party)
        completion = LoginCompletion(
            database,
            self.data_key,
            token_issuer,
            keys=keys,
            address=address,
            pages=self.pages,
            cookie_auth=cookie_auth,
            known_browsers=KnownBrowsers(self.data_key.derive("known browsers"), settings),
            settings=settings,
        )
        recent_auth = RecentAuth(database, bearer_auth, pages=self.pages, cookie_auth=cookie_auth, settings=settings)
        tokens = TokenSessions(database, bearer_auth, keys=keys, browser=browser)
        gate = Gate(
            bearer_auth,
            recent_auth,
            cookie_auth,
            self._client_authentication,
            pages=self.pages,
            others={
                REFRESH: tokens.refresh_token,
                SESSION: tokens.any_token,
                METRICS: self.health.check_metrics,
                THIS_MACHINE: self.outbox.check,
            },
        )
        linking = IdentityLinking(
            database,
            make_providers(settings.providers),
            completion,
            notices,
            indexes=self.indexes,
            rules=rules,
            settings=settings,
        )
        redirects = ProviderRedirects(database, self.data_key, self.pages, settings)
        social_login = SocialLogin(
            database,
            linking,
            redirects,
            completion,
            recent_auth,
            data_key=self.data_key,
            request_policy=request_policy,
            address=address,
            pages=self.pages,
            settings=settings,
        )
        connected = Connected(
            database,
            linking,
            redirects=redirects,
            notices=notices,
            address=address,
            pages=self.pages,
        )
        login = Login(
            database,
            self.hasher,
            completion,
            proofs,
            linking,
            decoys=self.decoys,
            indexes=self.indexes,
            request_policy=request_policy,
            browser=browser,
            address=address,
            throttle=throttle,
            pages=self.pages,
            cookie_auth=cookie_auth,
        )
        second_factor = SecondFactor(
            database,
            completion,
            proofs,
            notices,
            indexes=self.indexes,
            browser=browser,
            address=address,
            throttle=throttle,
            pages=self.pages,
            settings=settings,
        )
        passkey_logins = PasskeyLogins(
            database,
            completion,
            proofs,
            indexes=self.indexes,
            rules=rules,
            request_policy=request_policy,
            browser=browser,
            address=address,
            pages=self.pages,
            settings=settings,
        )
        reauthentication = Reauthentication(
            database,
            self.hasher,
            token_issuer,
            proofs,
            keys=keys,
            address=address,
            throttle=throttle,
            pages=self.pages,
            settings=settings,
        )
        factors = CredentialChanges(
            database,
            proofs,
            notices,
            data_key=self.data_key,
            address=address,
            throttle=throttle,
            pages=self.pages,
            name=settings.site_name,
        )
        email_login = EmailLogin(
            database,
            notices,
            completion,
            code_key=self.data_key.derive("codes"),
            indexes=self.indexes,
            request_policy=request_policy,
            browser=browser,
            address=address,
            throttle=mail_throttle,
            pages=self.pages,
            settings=settings,
        )
        refresh = Refresh(database, token_issuer, keys=keys, dpop=dpop, settings=settings)
        logout = Logout(database, browser=browser, address=address, pages=self.pages, cookie_auth=cookie_auth)
        account = Overview(database, address=address, pages=self.pages, settings=settings)
        changes = ProfileChanges(
            database,
            registration,
            notices,
            address=address,
            browser=browser,
            rules=rules,
            throttle=mail_throttle,
            pages=self.pages,
            settings=settings,
        )
        signup = Signup(
            database,
            registration,
            notices,
            hasher=self.hasher,
            rules=rules,
            address=address,
            throttle=throttle,
            mail_throttle=mail_throttle,
            pages=self.pages,
            by_passkey=relying_party.is_possible,
            settings=settings,
        )
        recovery = Recovery(
            database,
            registration,
            notices,
            address=address,
            throttle=mail_throttle,
            pages=self.pages,
            settings=settings,
        )
        language = Language(pages=self.pages, settings=settings)
        debugger = Debugger(pages=self.pages, settings=settings)
        flows = (
            *(signup, login, second_factor, email_login, passkey_logins, social_login, recovery, refresh, logout),
            *(
                account,
                changes,
                factors,
                connected,
                reauthentication,
                self.outbox,
                oauth,
                self.feed,
                language,
                debugger,
            ),
        )
        base = urlsplit(settings.issuer_url).path
        under_issuer = [replace(route, path=base + route.path) for flow in flows for route in flow.routes()]
        return gate, (*under_issuer, *self.health.routes())

    def _fixed_documents(self) -> dict[str, Document | OnDemand]:
        issuer, base = self.settings.issuer_url, urlsplit(self.settings.issuer_url).path
        api = describe(self.routes, issuer=issuer, version=version("gatepass"))
        page = render_docs(self.routes, issuer)
        return {
            **dict.fromkeys(metadata_paths(issuer), self._document(render_metadata(issuer))),
            f"{base}/openapi.json": self._document(msgspec.json.encode(api)),
            f"{base}/docs": self._document(page, "text/html; charset=utf-8", PAGE_POLICY),
            f"{base}/static/gatepass.css": self._document(static_file("gatepass.css"), "text/css; charset=utf-8"),
            **{
                f"{base}/static/{name}": self._document(static_file(name), "text/javascript; charset=utf-8")
                for name in (PASSKEYS_SCRIPT, DEBUGGER_SCRIPT)
            },
            **self._look(),
        }

    def _look(self) -> dict[str, Document]:
        """The site's own logo and style, or our logo."""
        settings, static = self.settings, urlsplit(self.settings.issuer_url).path + "/static"
        logo = Path(settings.site_logo) if settings.site_logo else None
        found = {
            f"{static}/logo": self._document(
                logo.read_bytes() if logo else static_file("logo.svg"), LOGO_TYPES[logo.suffix if logo else ".svg"]
            )
        }
        if settings.site_style:
            style = Path(settings.site_style).read_bytes()
            found[f"{static}/site.css"] = self._document(style, "text/css; charset=utf-8")
        return found

    def _render_keys(self) -> None:
        path = urlsplit(self.settings.issuer_url).path + JWKS_PATH
        self._documents[path] = self._document(render_jwks(self.keys.current), "application/jwk-set+json")

    def _publish(self, path: str, document: OnDemand) -> None:
        """Put a document of the revocation feed in place."""
        self._documents[urlsplit(self.settings.issuer_url).path + path] = document

    def _document(
        self, body: bytes, media_type: str = "application/json", policy: str = API_POLICY, *, max_age: int | None = None
    ) -> Document:
        return Document(
            body,
            media_type=media_type,
            max_age=self.settings.jwks_max_age_seconds if max_age is None else max_age,
            headers=security_headers(self.settings, policy),
        )


def mail_sender(settings: Settings) -> SmtpSender | None:
    """The mail server that is set, if one is."""
    if settings.mail != "smtp":
        return None
    host = urlsplit(settings.smtp_url).hostname or ""
    return SmtpSender(
        settings.smtp_url,
        password=settings.smtp_password,
        ca_file=settings.smtp_ca_file,
        is_loopback=is_loopback(host),
    )


def new_registration(database: Database, hasher: PasswordHasher, settings: Settings) -> Registration:
    """What makes accounts, with the service that knows leaked passwords if one is set."""
    url = settings.leaked_passwords_url
    return Registration(database, hasher, settings, leaked=LeakedPasswordRanges(url) if url else None)


def password_hasher(settings: Settings) -> PasswordHasher:
    """The hasher at the cost that is set."""
    return PasswordHasher(
        Argon2Cost(memory_kib=settings.argon2_memory_kib, passes=settings.argon2_passes, lanes=settings.argon2_lanes),
        queue_length=settings.login_queue_length,
    )


async def _forget_sessions(tx: Transaction) -> int:
    return await tx.sessions.forget_expired(tx.now - _SESSIONS_KEPT_SECONDS, _SESSIONS_AT_ONCE)


async def _nobody_waits() -> None:
    """Do nothing."""


def status_indexes(
    database: Database, data_key: DataKey, *, on_reserved: Callable[[], Awaitable[None]] = _nobody_waits
) -> StatusIndexes:
    """Places in status lists for this process, reserved block by block."""
    lists = list_keys(data_key)

    async def reserve() -> list[StatusIndex]:
        async def unit(tx: Transaction) -> Block:
            return await tx.status_lists.reserve(BLOCK, new_sealed_key=lists.new_sealed_key, now=tx.now)

        block = await database.transaction(unit)
        await on_reserved()
        return lists.places(block)

    return StatusIndexes(reserve)


def list_keys(data_key: DataKey) -> ListKeys:
    """The keys of the status lists, sealed under the data key like every other."""
    return ListKeys(data_key.seal, data_key.unseal)


async def open_first_epoch(database: Database) -> None:
    """Begin the line of revocation events, in a database that has none yet."""

    async def unit(tx: Transaction) -> None:
        if not (await tx.revocations.head()).epoch:
            await tx.revocations.open_epoch()

    await database.transaction(unit)


@asynccontextmanager
async def open_server(
    settings: Settings,
    clock: Clock | None = None,
    *,
    outside_keys: Sequence[OutsideKey] = (),
    most_connections: int | None = None,
    shared: Path | None = None,
) -> AsyncGenerator[Server]:
    """Open the store and the keys, made at the first start, and close them at the end.

    Args:
        settings: The settings.
        clock: Another time than the database's, for tests.
        outside_keys: Signing keys held elsewhere (KMS, PKCS#11), the newest last. One that is new follows the key
            that signs, as any other would; keep the former until it is retired.
        most_connections: How many this process can hold; `max_connections` when not given.
        shared: This process's file in a folder where other workers have theirs, for what is counted.

    Raises:
        StartupError: when the data folder, the database or the master key cannot be used.
    """
    keep_large_blocks()
    tracing = tracing_to(settings.traces)
    async with open_store(settings, clock) as (database, data_key):
        keys = await provide_keys(
            database, data_key, pace_of(settings), alg=settings.alg, now=database.clock(), outside=outside_keys
        )
        await note_settings(database, data_key, settings)
        server = Server(
            settings,
            database,
            keys,
            data_key=data_key,
            tracing=tracing,
            most_connections=most_connections or settings.max_connections,
            shared=shared,
        )
        await server.feed.start()
        await server.read_kinds()
        background = asyncio.create_task(server.run_in_background())
        try:
            yield server
        finally:
            background.cancel()
            with suppress(asyncio.CancelledError):
                await background
            server.hasher.close()
            tracing.close()


@asynccontextmanager
async def open_store(
    settings: Settings, clock: Clock | None = None, *, must_exist: bool = False
) -> AsyncGenerator[tuple[Database, DataKey]]:
    """Open the database and its data key, as the server and the command line both do. Raises as `open_server`.

    With `must_exist` nothing is made where there is no data yet.
    """
    masters = read_master_keys(settings.master_key, settings.master_key_path)
    async with open_database(settings, clock, must_exist=must_exist) as database:
        data_key = await unlock(database, masters, settings.master_key_path)
        await open_first_epoch(database)
        yield database, data_key


async def _repeat(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    """Do something again and again. What goes wrong once, a locked database say, is tried again the next time."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await step()
        except (Unavailable, StartupError) as error:
            log.warning("a background step was put off", step=step.__name__, reason=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
