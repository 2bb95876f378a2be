"""`POST /login`: e-mail address and password for a token pair.

This is the operator's own login endpoint for its own applications, not OAuth's password grant, which RFC 9700 §2.4
forbids: no third party's client is ever shown a password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.clients import FIRST_PARTY
from gatepass.server.confidential import Confidential
from gatepass.server.errors import Refusal
from gatepass.server.passwords.policy import MAX_LENGTH
from gatepass.server.sessions import SINGLE_FACTOR
from gatepass.server.signin.minting import TokenPair
from gatepass.server.signin.opening import Allowed, Proof, open_session
from gatepass.server.users import normalise_email
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.clients import Client
    from gatepass.server.keys.keyring import LiveKeys
    from gatepass.server.passwords.hashing import PasswordHasher
    from gatepass.server.revocations.status_indexes import StatusIndexes
    from gatepass.server.settings import Settings
    from gatepass.server.signin.minting import Minter
    from gatepass.server.signin.opening import Asked, Opened
    from gatepass.server.transaction import Database, Transaction
    from gatepass.server.users import User
    from gatepass.server.web.address import ClientAddress
    from gatepass.server.web.browser import BrowserMode


class LoginRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs in, and what for. `audience` narrows the token to one API, `scope` (blank-separated) to some scopes."""

    email: str
    password: str
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None


class Login:
    """The flow."""

    def __init__(  # noqa: PLR0913 - a flow is handed what it works with
        self,
        database: Database,
        hasher: PasswordHasher,
        minter: Minter,
        *,
        keys: LiveKeys,
        indexes: StatusIndexes,
        browser: BrowserMode,
        address: ClientAddress,
        settings: Settings,
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._minter = minter
        self._keys = keys
        self._indexes = indexes
        self._browser = browser
        self._address = address
        self._settings = settings

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls."""
        return (
            Route(
                method="POST",
                path="/login",
                handler=self.login,
                summary="Sign in with e-mail address and password",
                body=LoginRequest,
                answers={200: TokenPair},
                problems=(
                    "invalid_credentials",
                    "account_disabled",
                    "invalid_email",
                    "password_too_long",
                    "unknown_client",
                    "invalid_audience",
                    "invalid_scope",
                    "cross_site_request",
                    "busy",
                ),
            ),
        )

    async def login(self, request: Request, body: LoginRequest) -> Response:
        """Check the password, open a session, answer with its tokens."""
        if body.cookie:
            self._browser.check_login(request)
        asked = await self._asked(body)
        if len(body.password) > MAX_LENGTH:
            raise Refusal("password_too_long", f"A password has at most {MAX_LENGTH} characters.")
        user, password_hash = await self._prove(normalise_email(body.email), body.password)
        proof = Proof(
            acr=SINGLE_FACTOR,
            amr=("pwd",),
            address=self._address.of(request),
            user_agent=request.headers.get("user-agent", ""),
        )
        new_hash = await self._hasher.hash(body.password) if self._hasher.needs_rehash(password_hash) else None
        keys, status = self._keys.current, await self._indexes.next()

        async def unit(tx: Transaction) -> Opened | None:
            # What was read before the hash was computed may have changed meanwhile.
            current = await tx.users.by_id(user.id)
            if current is None or current.disabled_at is not None or await tx.passwords.of(user.id) != password_hash:
                return None
            if new_hash is not None:
                await tx.passwords.put(user.id, new_hash, tx.now)
            return await open_session(
                tx, current, asked=asked, proof=proof, status=status, max_seconds=self._settings.session_max_seconds
            )

        opened = await self._database.transaction(unit)
        if opened is None:
            return await self.login(request, body)  # by what is true now: another hash may be of the same password
        return await self._minter.answer(opened.bearer, opened.refresh_token, keys=keys, now=opened.now, is_first=True)

    async def _asked(self, body: LoginRequest) -> Asked:
        """What the login is for, within what its client's tokens may be for."""
        if body.client_id in (None, FIRST_PARTY):
            allowed = Allowed.to_first_party(self._settings)
        else:
            allowed = Allowed.to_client(await self._client(body.client_id), self._settings.issuer_url)
        return allowed.check(audience=body.audience, scope=body.scope, cookie=body.cookie)

    async def _client(self, client_id: str) -> Client:
        """A registered client that may hold grants; its refresh tokens go to `/oauth/token`, where it proves itself."""

        async def unit(tx: Transaction) -> Client | None:
            return await tx.clients.by_id(client_id)

        client = await self._database.read(unit)
        if client is None or "refresh_token" not in client.grant_types:
            raise Refusal("unknown_client", "There is no such client.")
        return client

    async def _prove(self, email: str, password: str) -> tuple[User, str]:
        """Return the user that the password is right for, and its hash; nobody costs as much time as somebody."""

        async def find(tx: Transaction) -> tuple[User | None, str | None]:
            user = await tx.users.by_email(email)
            return user, await tx.passwords.of(user.id if user else "")

        user, password_hash = await self._database.read(find)
        is_right = await self._hasher.verify(password, password_hash)
        if not is_right or user is None or password_hash is None:
            raise _invalid_credentials()
        if user.disabled_at is not None:
            raise Refusal("account_disabled", "The operator has disabled this account.")
        return user, password_hash


def _invalid_credentials() -> Refusal:
    return Refusal("invalid_credentials", "The e-mail address or the password is wrong.")
