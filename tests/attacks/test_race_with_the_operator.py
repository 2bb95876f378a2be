"""A race: somebody signs in, or changes what opens an account, at the very moment at which they lose the right to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.stories.test_device_grant import ask, decide, poll
from tests.stories.test_passkeys import add, enter
from tests.support.authenticator import Authenticator
from tests.support.authorization import Flow, code_of
from tests.support.factors import Application, bearer
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN

from gatepass.cli.main import main
from gatepass.jose import jwt
from gatepass.server.domain.accounts.registration import Registration
from gatepass.server.domain.credentials.passwords.hashing import PasswordHasher
from gatepass.server.domain.keys.data_key import open_data_key
from gatepass.server.domain.keys.master_key import load_master_keys
from gatepass.server.domain.mail.notices import Notices
from gatepass.server.domain.revocation.status_indexes import list_keys
from gatepass.server.domain.sessions.device_code import GRANT_TYPE
from gatepass.server.features.admin.people import Admin
from gatepass.server.store.sqlite import SqliteDatabase
from gatepass.server.web.auth.client import KnownClients
from gatepass.server.web.auth.recent import RecentAuth

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx
    from starlette.requests import Request
    from tests.support.server import RunningServer

    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.sessions.caller import Caller
    from gatepass.server.domain.sessions.client import Client


@pytest.fixture
def meanwhile(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Admin], Awaitable[object]]], None]:
    """Have the operator do something, in another process as it were, between the check of a password and its result."""
    verify = PasswordHasher.verify

    def arrange(act: Callable[[Admin], Awaitable[object]]) -> None:
        async def slow(self: PasswordHasher, password: str, password_hash: str | None) -> bool:
            is_right = await verify(self, password, password_hash)
            database = SqliteDatabase(server.settings.sqlite_path, server.clock)
            masters = load_master_keys("", server.settings.master_key_path)
            data_key = await open_data_key(database, masters)
            registration = Registration(database, self, server.settings)
            notices = Notices(data_key, server.settings)
            await act(Admin(database, registration, list_keys(data_key), notices, idle_seconds=1))
            database.close()
            return is_right

        monkeypatch.setattr(PasswordHasher, "verify", slow)

    return arrange


@pytest.mark.parametrize(
    ("act", "refusal"),
    [
        (lambda admin: admin.disable(ANN["email"]), (403, "account_disabled")),
        (lambda admin: admin.set_password(ANN["email"], "a password that is new"), (401, "invalid_credentials")),
    ],
    ids=["disable", "password"],
)
def test_no_session_outruns_the_operator(
    api: httpx.Client,
    ann: dict[str, str],
    meanwhile: Callable[[Callable[[Admin], Awaitable[object]]], None],
    act: Callable[[Admin], Awaitable[object]],
    refusal: tuple[int, str],
) -> None:
    """The password was right when it was read, and opens nothing: the answer is that of a moment later."""
    meanwhile(act)
    answer = api.post("/login", json=ann)
    assert (answer.status_code, answer.json()["code"]) == refusal


def test_no_token_outruns_the_loss_of_a_role(
    api: httpx.Client,
    ann: dict[str, str],
    meanwhile: Callable[[Callable[[Admin], Awaitable[object]]], None],
) -> None:
    """A role that is taken while the password is checked is not in the token."""
    meanwhile(lambda admin: admin.set_role(ann["email"], "admin", has=True))
    given = jwt.peek(api.post("/login", json=ann).json()["token"]).claims
    meanwhile(lambda admin: admin.set_role(ann["email"], "admin", has=False))
    taken = jwt.peek(api.post("/login", json=ann).json()["token"]).claims
    assert given["roles"] == ["admin"]
    assert "roles" not in taken


def test_a_new_hash_of_the_same_password_refuses_nobody(
    api: httpx.Client,
    ann: dict[str, str],
    meanwhile: Callable[[Callable[[Admin], Awaitable[object]]], None],
) -> None:
    """Two sign-ins at once after a change of the Argon2 cost: the one whose hash the other replaced succeeds too."""
    replacements = [ann["password"]]

    async def once(admin: Admin) -> None:
        if replacements:
            await admin.set_password(ann["email"], replacements.pop())

    meanwhile(once)
    assert api.post("/login", json=ann).status_code == 200
    assert replacements == []


@pytest.mark.parametrize("call", ["password", "passkey", "totp", "recovery codes"])
def test_no_way_in_is_added_after_the_thief_was_signed_out(
    server: RunningServer, api: httpx.Client, ann: dict[str, str], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A thief's call has passed the first check when the owner ends all sessions: nothing comes of it."""
    stolen, passkey = api.post("/login", json=ann).json(), Authenticator(server.url)
    if call == "recovery codes":
        add(api, passkey, stolen["token"])
        stolen = enter(api, passkey).json()
    me = bearer(stolen["token"])
    options = api.post("/account/passkeys/options", headers=me).json()["public_key"]
    path, body = {
        "password": ("/account/password", {"password": "the thief's own password"}),
        "passkey": ("/account/passkeys", {"credential": Authenticator(server.url).create(options)}),
        "totp": ("/account/totp/confirm", {}),
        "recovery codes": ("/account/recovery-codes", {}),
    }[call]
    if call == "totp":
        body = {"code": Application(server, api.post("/account/totp", headers=me).json()["uri"]).code()}
    check = RecentAuth.caller

    async def slow(self: RecentAuth, request: Request) -> Caller:
        found = await check(self, request)
        ended = await asyncio.to_thread(api.post, "/logout/all", json={"refresh_token": stolen["refresh_token"]})
        assert ended.status_code == 204
        return found

    monkeypatch.setattr(RecentAuth, "caller", slow)
    with server.client() as thief:
        answer = thief.post(path, json=body, headers=me) if body else thief.post(path, headers=me)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
    if call != "recovery codes":
        assert api.post("/login", json=ann).status_code == 200


@pytest.fixture
def slow_to_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that goes on to know clients as they were, as each does for up to a second after the operator's word."""
    remembered: dict[str, Client | None] = {}
    by_id = KnownClients.by_id

    async def stale(self: KnownClients, client_id: str, *where: Origin) -> Client | None:
        if client_id not in remembered:
            remembered[client_id] = await by_id(self, client_id, *where)
        return remembered[client_id]

    monkeypatch.setattr(KnownClients, "by_id", stale)


@pytest.mark.usefixtures("slow_to_forget")
@pytest.mark.parametrize("act", ["disable", "remove"])
def test_no_grant_outruns_the_end_of_its_client(
    server: RunningServer, api: httpx.Client, ann: dict[str, str], act: str
) -> None:
    """A code that a slow node gives out after the end opens nothing: what has ended the others would not see it."""
    party = add_relying_party(server, grant_types=("authorization_code", "refresh_token", GRANT_TYPE))
    with Browser(server) as browser:
        assert browser.sign_in(ann).status_code == 303
        flow = Flow(party, browser)
        assert flow.redeem(api, code_of(flow.ask())).status_code == 200
        main(["client", act, party.id, *server.place])
        shown = ask(api, party)
        decide(browser, shown["user_code"], "allow")
        for answer in (flow.redeem(api, code_of(flow.ask())), poll(api, party, shown)):
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert party.read("SELECT count(*) FROM grants WHERE client_id = ?1 AND ended_at IS NULL", party.id) == 0


@pytest.mark.usefixtures("slow_to_forget")
def test_no_token_outruns_the_loss_of_a_scope(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """Nor does a scope that was taken from the client come in by a code of the time before."""
    party = add_relying_party(server, grant_types=("authorization_code", "refresh_token", GRANT_TYPE))
    with Browser(server) as browser:
        assert browser.sign_in(ann).status_code == 303
        flow = Flow(party, browser)
        assert flow.redeem(api, code_of(flow.ask())).json()["scope"] == "openid email"
        main(["client", "edit", party.id, "--scope", "openid", *server.place])
        shown = ask(api, party)
        decide(browser, shown["user_code"], "allow", scope=["email"])
        for answer in (flow.redeem(api, code_of(flow.ask())), poll(api, party, shown)):
            assert answer.json()["scope"] == "openid"
