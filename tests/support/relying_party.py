"""A registered client that signs people in, put into a server's store as the operator's own: it asks for no consent."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tests.support.server import ANN

from gatepass.server.base.digest import digest_of
from gatepass.server.base.ids import new_id
from gatepass.server.domain.revocation.status_indexes import status_indexes
from gatepass.server.domain.sessions.client import Client, new_secret
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.store.opening import open_store
from gatepass.server.store.sql_transaction import SqlTransaction

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import httpx
    from tests.support.server import RunningServer

    from gatepass.server.domain.ports import Transaction

T = TypeVar("T")
CALLBACK = "https://app.example.test/cb"


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it in a thread of its own: Playwright has a loop of its own in the one that tests run in."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(lambda: asyncio.run(work())).result()


@dataclass(frozen=True)
class RelyingParty:
    """A client's credentials, and its server."""

    id: str
    secret: str
    server: RunningServer

    @property
    def credentials(self) -> dict[str, str]:
        """What it sends in forms."""
        return {"client_id": self.id, **({"client_secret": self.secret} if self.secret else {})}

    def sign_in(self, api: httpx.Client, *, claims: str = "", **body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Sign Ann in, whom the server knows already; the first tokens of the grant, in which `claims` were asked for.

        The first answer of `/login` has no ID token; a refresh brings one.
        """
        first = api.post("/login", json={**ANN, "client_id": self.id, **body}).json()
        if claims:
            self.write("UPDATE grants SET claims = ?1 WHERE client_id = ?2", claims, self.id)
        return self.refresh(api, first["refresh_token"])

    def refresh(self, api: httpx.Client, refresh_token: str, **form: str) -> dict[str, Any]:
        """The tokens after these."""
        asked = {"grant_type": "refresh_token", "refresh_token": refresh_token, **self.credentials, **form}
        answer = api.post("/oauth/token", data=asked)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def read(self, statement: str, *values: str) -> Any:  # noqa: ANN401 - of any column
        """The first value of a row that no call shows."""

        async def work() -> Any:  # noqa: ANN401 - as above
            async with open_store(self.server.settings, self.server.clock) as (database, _):

                async def unit(tx: Transaction) -> Any:  # noqa: ANN401 - as above
                    assert isinstance(tx, SqlTransaction)
                    row = await tx.grants._connection.row(statement, *values)
                    return row and row[0]

                return await database.read(unit)

        return run(work)

    def write(self, statement: str, *values: str) -> None:
        """Change something in the store that no call does."""

        async def work() -> None:
            async with open_store(self.server.settings, self.server.clock) as (database, _):

                async def unit(tx: Transaction) -> None:
                    assert isinstance(tx, SqlTransaction)
                    await tx.grants._connection.row(statement, *values)

                await database.transaction(unit)

        run(work)


def add_relying_party(
    server: RunningServer,
    *,
    scope: tuple[str, ...] = ("openid", "email", "roles"),
    audience: tuple[str, ...] = (),
    metadata: ClientMetadata | None = None,
    rules: ClientRules | None = None,
    is_public: bool = False,
    jwks: str | None = None,
    **more: Any,  # noqa: ANN401 - fields of a client
) -> RelyingParty:
    """Register one. Its tokens are for the issuer, unless an audience is named."""
    secret = "" if is_public or jwks else new_secret()

    async def work() -> str:
        async with open_store(server.settings, server.clock) as (database, data_key):
            status = await status_indexes(database, data_key).next()

            async def unit(tx: Transaction) -> str:
                client = Client(
                    id=more.pop("id", new_id("cli")),
                    name=more.pop("name", "app"),
                    grant_types=more.pop("grant_types", ("authorization_code", "refresh_token")),
                    audience=audience,
                    scope=scope,
                    status=status,
                    created_at=tx.now,
                    auth_method=more.pop("auth_method", _method(is_public=is_public, jwks=jwks)),
                    jwks=jwks,
                    secret_digest=digest_of(secret) if secret else None,
                    metadata=metadata or ClientMetadata(redirect_uris=(CALLBACK,)),
                    rules=rules or ClientRules(consent="never"),
                    **more,
                )
                await tx.clients.add(client)
                return client.id

            return await database.transaction(unit)

    return RelyingParty(run(work), secret, server)


def _method(*, is_public: bool, jwks: str | None) -> str:
    """How such a client proves to be itself."""
    if is_public:
        return "none"
    return "client_secret" if jwks is None else "private_key_jwt"
