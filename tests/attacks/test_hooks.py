"""Attacks on hooks: roads that pass them by, hooks that fail, and what they may say."""

from __future__ import annotations

import asyncio
import html
import re
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from tests.stories.test_device_grant import ask, decide, poll
from tests.stories.test_jwt_bearer import agent_of, assertion, trade, trusted
from tests.stories.test_outside_signer import install
from tests.support.authenticator import Authenticator
from tests.support.authorization import Flow, code_of
from tests.support.commands import add_client
from tests.support.events import all_events
from tests.support.factors import bearer, set_up_totp, sign_in
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import OUTBOX, SettableClock, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.server import BeforeLoginRequest, BeforeSignupRequest, Deny
from gatepass.server.base.errors import StartupError
from gatepass.server.domain.sessions.device_code import GRANT_TYPE
from gatepass.server.hooks.plugins import load_plugins

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer

    from gatepass.server import Event

    Send = Callable[[], httpx.Response]
    Road = Callable[["House"], Send]

PASSWORD = "correct horse battery"
NO = Deny("not_today", 'We are closed on Sundays: come back on Monday, "früh".')
PLUGIN = """
from gatepass.server import Plugin
plugin = Plugin("door")
asked, answers = [], []
async def answer(request):
    asked.append(request)
    return await answers[-1](request)
plugin.before_signup(answer)
plugin.before_login(answer)
told = []
@plugin.on_event
async def tell(event):
    told.append(event)
"""


OLD_SECRET = "a secret of thirty-two octets, at least"
DAY = 86_400


def _saying(value: Any) -> Callable[[Any], Awaitable[Any]]:  # noqa: ANN401 - of any type
    async def answer(_request: object) -> Any:  # noqa: ANN401 - as above
        return value

    return answer


async def _failing(_request: object) -> None:
    raise RuntimeError("the password is hunter2")


async def _cancelling(_request: object) -> None:
    raise asyncio.CancelledError


async def _unending(_request: object) -> None:
    await asyncio.Event().wait()


class House:
    """A server with a door: the plugin's two hooks."""

    def __init__(self, server: RunningServer, api: httpx.Client, provider: ScriptedProvider, door: Any) -> None:  # noqa: ANN401 - a module
        self.server, self.api, self.provider = server, api, provider
        self.asked: list[BeforeSignupRequest | BeforeLoginRequest] = door.asked
        self.told: list[Event] = door.told
        self._answers: list[Callable[[Any], Awaitable[Any]]] = door.answers
        self._count = 0
        self.browsers = ExitStack()
        self.answers(None)
        self.rp = add_relying_party(
            server, scope=("openid", "offline_access"), grant_types=("authorization_code", "refresh_token", GRANT_TYPE)
        )
        self.agent = agent_of(server)
        ops = add_client(server, "ops", "--scope", "admin:read", "--scope", "admin:write")
        form = {"grant_type": "client_credentials", "scope": "admin:write"}
        self.ops = bearer(api.post("/oauth/token", data=form, headers=ops.basic).json()["access_token"])

    def answers(self, value: Any) -> None:  # noqa: ANN401 - of any type
        """What the hooks say from now on."""
        self._answers.append(value if callable(value) else _saying(value))

    def email(self) -> str:
        """An address that is new here."""
        self._count += 1
        return f"person{self._count}@example.test"

    def person(self) -> dict[str, str]:
        """Somebody with an account."""
        person = {"email": self.email(), "password": PASSWORD}
        assert self.api.post("/signup", json=person).status_code == 201
        return person

    def mailed(self, pattern: str) -> str:
        """What the newest mail has."""
        found = re.search(pattern, self.api.get(OUTBOX).text)
        assert found is not None
        return found[1]

    def stranger(self) -> Browser:
        """A browser."""
        return self.browsers.enter_context(Browser(self.server))

    def browser(self, person: dict[str, str]) -> Browser:
        """Their browser, signed in."""
        browser = self.stranger()
        assert browser.sign_in(person).status_code == 303
        return browser

    def stored(self) -> tuple[int, int, set[str]]:
        """What the roads lead to: how many sessions, how many accounts, and the addresses."""
        sessions = self.rp.read("SELECT COUNT(*) FROM sessions")
        return (
            sessions,
            self.rp.read("SELECT COUNT(*) FROM users"),
            set((self.rp.read("SELECT GROUP_CONCAT(email) FROM users") or "").split(",")),
        )


# ── the roads: each prepares all but the last request, which can be sent again ──


def _by_password(house: House) -> Send:
    person = house.person()
    return lambda: house.api.post("/login", json=person)


def _by_the_page(house: House) -> Send:
    person, browser = house.person(), house.stranger()
    return lambda: browser.sign_in(person)


def _by_mail(house: House) -> Send:
    email = house.person()["email"]
    challenge = house.api.post("/login/email", json={"email": email}).json()["challenge"]
    code = house.mailed(r"(\d{4}[- ]?\d{4})\b")
    return lambda: house.api.post("/login/email/code", json={"challenge": challenge, "code": code})


def _by_passkey(house: House) -> Send:
    authenticator, token = Authenticator(house.server.url), sign_in(house.api, house.person()).json()["token"]
    options = house.api.post("/account/passkeys/options", headers=bearer(token)).json()["public_key"]
    body = {"credential": authenticator.create(options), "name": ""}
    assert house.api.post("/account/passkeys", json=body, headers=bearer(token)).status_code == 201
    credential = authenticator.get(house.api.post("/login/passkey/options").json()["public_key"])
    return lambda: house.api.post("/login/passkey", json={"credential": credential})


def _by_second_factor(house: House) -> Send:
    person = house.person()
    application, _ = set_up_totp(house.server, house.api, person)
    challenge = sign_in(house.api, person).json()["challenge"]
    body = {"challenge": challenge, "code": application.next_code()}
    return lambda: house.api.post("/login/factor", json=body)


def _by_provider(house: House) -> Send:
    house.provider.person = {"sub": house.email(), "email": house.email(), "email_verified": True}
    enter = {"provider": "corp", "id_token": house.provider.id_token(jti="first")}
    assert house.api.post("/login", json=enter).status_code == 200
    again = {"provider": "corp", "id_token": house.provider.id_token(jti="second")}
    return lambda: house.api.post("/login", json=again)


def _by_device(house: House) -> Send:
    browser = house.browser(house.person())
    shown = ask(house.api, house.rp, scope="openid")
    decide(browser, shown["user_code"], "allow")
    return lambda: poll(house.api, house.rp, shown)


def _by_offline_access(house: House) -> Send:
    flow = Flow(house.rp, house.browser(house.person()))
    page = flow.follow(flow.ask(scope="openid offline_access", prompt="consent"))
    code = code_of(flow.submit(page, decision="allow"))
    return lambda: flow.redeem(house.api, code)


def _by_assertion(house: House) -> Send:
    person = house.person()
    subject = person["email"]
    house.agent.write(
        "INSERT INTO identities (id, user_id, provider, issuer, subject, email, created_at)"
        " SELECT ?1, id, 'corp', 'https://login.corp.test', ?2, email, 0 FROM users WHERE email = ?2",
        f"idn_{subject}",
        subject,
    )
    token = assertion(house.server, sub=subject)
    return lambda: trade(house.api, house.agent, token)


def _by_foreign_token(house: House) -> Send:
    person = house.api.post("/signup", json=(signed_up := {"email": house.email(), "password": PASSWORD})).json()
    house.agent.write("UPDATE users SET origin = 'import' WHERE email = ?1", signed_up["email"])
    claims = {"sub": person["id"], "aud": ["fastapi-users:auth"], "exp": int(house.server.clock()) + 600}
    token = jwt.encode(claims, OLD_SECRET, "HS256")
    return lambda: house.api.post("/login", json={"foreign_token": token})


SIGN_INS: dict[str, Road] = {
    "password": _by_password,
    "the page": _by_the_page,
    "mail": _by_mail,
    "passkey": _by_passkey,
    "second factor": _by_second_factor,
    "provider": _by_provider,
    "device": _by_device,
    "offline access": _by_offline_access,
    "assertion": _by_assertion,
    "foreign token": _by_foreign_token,
}


def _signing_up(house: House) -> Send:
    body = {"email": house.email(), "password": PASSWORD}
    return lambda: house.api.post("/signup", json=body)


def _signing_up_at_the_page(house: House) -> Send:
    email, browser = house.email(), house.stranger()
    return lambda: browser.post("/pages/signup", email=email, password=PASSWORD)


def _signing_up_by_passkey(house: House) -> Send:
    email, authenticator = house.email(), Authenticator(house.server.url)
    options = house.api.post("/signup/passkey/options", json={"email": email}).json()
    body = {"id": options["id"], "email": email, "credential": authenticator.create(options["public_key"])}
    return lambda: house.api.post("/signup/passkey", json=body)


def _signing_up_by_provider(house: House) -> Send:
    house.provider.person = {"sub": house.email(), "email": house.email(), "email_verified": True}
    body = {"provider": "corp", "id_token": house.provider.id_token(jti="only")}
    return lambda: house.api.post("/login", json=body)


def _added_by_operator(house: House) -> Send:
    body = {"email": house.email(), "password": PASSWORD}
    return lambda: house.api.post("/admin/users", json=body, headers=house.ops)


def _invited(house: House) -> Send:
    body = {"email": house.email(), "invite": True}
    return lambda: house.api.post("/admin/users", json=body, headers=house.ops)


def _address_changed_by_operator(house: House) -> Send:
    person, email = house.person(), house.email()
    user_id = house.api.get("/admin/users", params={"search": person["email"]}, headers=house.ops).json()["users"][0]
    return lambda: house.api.patch(f"/admin/users/{user_id['id']}", json={"email": email}, headers=house.ops)


def _asking_for_another_address(house: House) -> Send:
    token, email = sign_in(house.api, house.person()).json()["token"], house.email()
    return lambda: house.api.post("/account/email", json={"email": email}, headers=bearer(token))


def _changing_the_address(house: House) -> Send:
    token, email = sign_in(house.api, house.person()).json()["token"], house.email()
    assert house.api.post("/account/email", json={"email": email}, headers=bearer(token)).status_code == 202
    body = {"token": house.mailed(r"token=([\w-]{43})")}
    return lambda: house.api.post("/account/email/confirm", json=body, headers=bearer(token))


def _invited_by_an_organization(house: House) -> Send:
    slug, email = house.email().partition("@")[0], house.email()
    made = house.api.post("/admin/organizations", json={"slug": slug, "name": slug}, headers=house.ops).json()
    path = f"/admin/organizations/{made['id']}/invitations"
    assert house.api.post(path, json={"email": email, "roles": []}, headers=house.ops).status_code == 201
    token, browser = house.mailed(r"invitation\?token=([\w-]{43})"), house.stranger()
    at, path = f"/pages/organizations/invitation?token={token}", "/pages/organizations/invitation/account"
    return lambda: browser.post(path, at=at, token=token, password=PASSWORD)


SIGN_UPS: dict[str, Road] = {
    "password": _signing_up,
    "the page": _signing_up_at_the_page,
    "passkey": _signing_up_by_passkey,
    "provider": _signing_up_by_provider,
    "operator": _added_by_operator,
    "invitation": _invited,
    "organization's invitation": _invited_by_an_organization,
    "operator's change": _address_changed_by_operator,
    "asking for a change": _asking_for_another_address,
    "change": _changing_the_address,
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    """One server for all roads."""
    folder = tmp_path_factory.mktemp("packages")
    (folder / "our_door.py").write_text(PLUGIN)
    install(folder, "our_door", "door = our_door:plugin")
    data, clock = tmp_path_factory.mktemp("house"), SettableClock()
    with pytest.MonkeyPatch.context() as patch, ScriptedProvider() as provider:
        patch.setattr(sys, "path", [str(folder), *sys.path])
        provider.now = clock
        settings: dict[str, Any] = {
            "providers": {"corp": provider.settings(name="Corp")},
            "trusted_issuers": trusted(folder / "jwks.json"),
            "foreign_tokens": {
                "old": {
                    "kind": "fastapi-users",
                    "key": OLD_SECRET,
                    "imported_at": datetime.fromtimestamp(clock() + DAY, UTC),
                    "lifetime_seconds": 2 * DAY,
                }
            },
            "signups_per_address": 10_000,
            "attempts_per_address": 10_000,
        }
        with running_server(data, clock, is_awaited=False, **settings) as server, server.client() as api:
            house = House(server, api, provider, sys.modules["our_door"])
            with house.browsers:
                yield house


@pytest.fixture(autouse=True)
def open_door(house: House) -> None:
    """At the beginning of each test, the hooks let everybody in."""
    house.answers(None)


def _is_said(answer: httpx.Response) -> bool:
    """Whether code and text of the denial are in the answer, in the form of the road."""
    if "html" in answer.headers["content-type"]:
        return html.escape(NO.text) in answer.text.replace("&#34;", "&quot;")
    body: dict[str, object] = answer.json()
    if "error" in body:  # OAuth's form, whose description is ASCII
        return body == {"error": "access_denied", "error_description": "Sign-in denied"}
    return (body["code"], body["detail"], body["status"]) == (NO.code, NO.text, 403)


def _passes(house: House, road: Road, hook: type) -> None:
    """Fail, deny, and allow at the end of a road."""
    send, before = road(house), house.stored()
    house.answers(_failing)
    failed = send()
    assert failed.status_code == 503, failed.text
    assert house.stored() == before
    house.answers(None)
    house.asked.clear()
    done = send()
    assert done.status_code < 400, done.text
    assert hook in map(type, house.asked)
    assert all(isinstance(each, (BeforeSignupRequest, BeforeLoginRequest)) for each in house.asked)
    assert all(each.address == "127.0.0.1" for each in house.asked if each.address)

    send, before = road(house), house.stored()
    house.answers(NO)
    denied = send()
    assert denied.status_code == 403, denied.text
    assert _is_said(denied), denied.text
    assert house.stored() == before
    house.answers(None)


@pytest.mark.parametrize("road", SIGN_INS)
def test_every_sign_in_passes_before_login(house: House, road: str) -> None:
    """A hook that fails uses up nothing: the same request works later; a hook that denies leaves no session."""
    _passes(house, SIGN_INS[road], BeforeLoginRequest)


@pytest.mark.parametrize("road", SIGN_UPS)
def test_every_account_and_address_passes_before_signup(house: House, road: str) -> None:
    """By whichever road an account or an address comes, it is asked for first."""
    _passes(house, SIGN_UPS[road], BeforeSignupRequest)


@pytest.mark.parametrize(
    "answer",
    [True, False, "no", {"code": "x", "text": "y"}, Deny, _cancelling, Deny("second_factor_required", "Type it here.")],
    ids=["true", "false", "a text", "a dict", "a class", "cancelling", "a code of ours"],
)
def test_what_is_no_answer_lets_nobody_in(house: House, answer: object) -> None:
    """Only None says yes. A code of our own would make programs do something else."""
    send, before = _by_password(house), house.stored()
    house.answers(answer if answer is _cancelling else _saying(answer))
    failed = send()
    assert (failed.status_code, failed.json()["code"]) == (503, "hook_unavailable")
    assert int(failed.headers["retry-after"]) > 0
    assert house.stored() == before
    house.answers(None)


def test_a_slow_hook_is_not_waited_for(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """After half a second the answer is 503; meanwhile no lock is held, so that others sign in."""
    slow, other = _by_password(house), house.person()

    async def only_the_first(request: BeforeLoginRequest) -> None:
        if request.email != other["email"]:
            await _unending(request)

    house.answers(only_the_first)
    began = time.monotonic()
    assert slow().status_code == 503
    assert 0.4 < time.monotonic() - began < 5
    assert house.api.post("/login", json=other).status_code == 200
    house.answers(_failing)
    assert slow().status_code == 503
    logged = capsys.readouterr().out
    assert "hunter2" not in logged
    assert re.search(r"RuntimeError at our_door\.py:\d+", logged), "its author learns where"
    house.answers(None)
    main(["doctor", *house.server.place])
    said = capsys.readouterr().out
    assert re.search(r"warning +hooks +hooks that failed in the last day: .*before_login door", said), said
    assert "door: before_signup, before_login, on_event" in said


def test_a_guess_does_not_reach_a_hook(house: House) -> None:
    """Who has proved nothing makes no plugin work, and learns nothing from one."""
    person = house.person()
    house.asked.clear()
    house.answers(NO)
    for body in (person | {"password": "another password"}, person | {"email": house.email()}):
        assert house.api.post("/login", json=body).json()["code"] == "invalid_credentials"
    assert house.asked == []
    house.answers(None)


def test_refreshing_asks_nothing(house: House) -> None:
    """A session that has begun goes on."""
    pair = house.api.post("/login", json=house.person()).json()
    house.answers(NO)
    assert house.api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200
    house.answers(None)


def test_a_denial_is_an_event(house: House) -> None:
    """With the hook's code; a sign-up that was denied is about nobody."""
    for road, kind in ((_by_password, "sign_in_refused"), (_signing_up, "signup_denied")):
        send = road(house)
        house.answers(NO)
        send()
        house.answers(None)
        assert [(event.kind, event.reason) for event in all_events(house.server)][-1] == (kind, NO.code)


def test_a_plugin_is_told_of_events(house: House) -> None:
    """Also of those that have no public name for webhooks; in the order of the log."""
    send = _by_password(house)
    house.answers(NO)
    send()
    house.answers(None)
    send()
    last = all_events(house.server)[-1].id
    eventually(lambda: any(event.id == last for event in house.told))
    assert [(event.kind, event.reason) for event in house.told][-3:] == [
        ("account_created", ""),
        ("sign_in_refused", NO.code),
        ("signed_in", "pwd"),
    ]


def test_two_plugins_of_one_name_do_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would share what each has been told of events: the name is the key of that."""
    (tmp_path / "twins.py").write_text(
        "from gatepass.server import Plugin\none, two = Plugin('twin'), Plugin('twin')\n"
    )
    install(tmp_path, "twins", "one = twins:one\ntwo = twins:two")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(StartupError, match="Two plugins are called twin"):
        load_plugins()
