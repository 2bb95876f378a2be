"""Somebody signs in at another site, and their account here follows from what that site vouches for."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.elsewhere import come_back, go_there, sign_in
from tests.support.events import all_events
from tests.support.factors import bearer, finish, set_up_totp
from tests.support.pages import Browser
from tests.support.scripted_provider import CLIENT_ID, ScriptedProvider
from tests.support.server import ANN, running_server

from gatepass.jose import Key, jwt

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer, SettableClock


@pytest.fixture
def provider(clock: SettableClock) -> Generator[ScriptedProvider]:
    """The other site."""
    with ScriptedProvider() as provider:
        provider.now = clock
        yield provider


@pytest.fixture
def server(tmp_path: Path, clock: SettableClock, provider: ScriptedProvider) -> Generator[RunningServer]:
    """A server whose people may come from there."""
    providers = {"corp": provider.settings(name="Corp", app_client_ids=["app"])}
    with running_server(tmp_path / "data", clock, providers=providers) as running:
        yield running


def id_token_login(api: httpx.Client, provider: ScriptedProvider, **more: object) -> httpx.Response:
    """What an application does that holds an ID token."""
    return api.post("/login", json={"provider": "corp", "id_token": provider.id_token(), **more})


def test_an_account_is_its_issuer_and_subject(server: RunningServer, provider: ScriptedProvider) -> None:
    """It is found again when its address there has changed, even to one that somebody else has here."""
    with Browser(server) as browser:
        done = sign_in(browser, provider)
        assert (done.status_code, done.headers["location"]) == (303, "/pages/account")
        first = jwt.peek(browser.refresh().json()["token"]).claims["sub"]
    provider.person["email"] = "eve@example.test"
    with Browser(server) as browser:
        sign_in(browser, provider)
        assert jwt.peek(browser.refresh().json()["token"]).claims["sub"] == first
    provider.person |= {"sub": "1002", "email": "bob@example.test"}
    with Browser(server) as browser:
        sign_in(browser, provider)
        assert jwt.peek(browser.refresh().json()["token"]).claims["sub"] != first
    kinds = [event.kind for event in all_events(server) if event.user_id == first]
    assert kinds == ["account_created", "email_verified", "provider_connected", "signed_in", "signed_in"]


def test_what_is_asked_of_the_provider(server: RunningServer, provider: ScriptedProvider) -> None:
    """The code flow, by PKCE S256, with fresh `state` and `nonce`, to a redirect URI of this provider's own."""
    with Browser(server) as browser:
        first, second = (provider.authorize(go_there(browser)) for _ in range(2))
        come_back(browser, second)
    asked = dict(provider.asked[-1])
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["redirect_uri"] == f"{server.url}/pages/login/callback/corp"
    assert (asked["scope"], asked["client_id"]) == ("openid email", CLIENT_ID)
    assert first["state"] != second["state"]
    assert provider.asked[0]["nonce"] != asked["nonce"]
    assert provider.headers[0]["authorization"].startswith("Basic ")
    assert "client_secret" not in provider.forms[0]


def test_an_application_with_an_id_token(api: httpx.Client, provider: ScriptedProvider) -> None:
    """A token pair, as after a password; for one of our applications' client ids too; the nonce is compared."""
    answer = id_token_login(api, provider)
    assert answer.status_code == 200
    assert set(answer.json()) == {"token", "token_type", "expires_in", "refresh_token"}
    claims = jwt.peek(answer.json()["token"]).claims
    assert (claims["acr"], claims["amr"]) == ("1", ["fed"])
    provider.lies = {"aud": "app", "nonce": "n-0S6"}
    assert id_token_login(api, provider, nonce="n-0S6").status_code == 200
    provider.lies["iat"] = int(provider.now()) - 1
    refused = id_token_login(api, provider, nonce="another")
    assert (refused.status_code, refused.json()["code"]) == (403, "invalid_id_token")


@pytest.mark.parametrize(
    "body",
    [
        {"email": "a@b.test"},
        {"provider": "corp"},
        {"id_token": "x.y.z"},
        {"email": "a@b.test", "password": "x", "provider": "corp", "id_token": "x.y.z"},
        {"email": "a@b.test", "password": "x", "nonce": "n"},
        {},
    ],
)
def test_one_proof_is_asked_for(api: httpx.Client, body: dict[str, str]) -> None:
    """A password, or an ID token; neither half of one nor both."""
    answer = api.post("/login", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")


def test_our_own_second_factor_is_still_asked(
    server: RunningServer, api: httpx.Client, provider: ScriptedProvider, ann: dict[str, str]
) -> None:
    """After an ID token and after the way there and back: what the other site asked for, nobody knows."""
    token = api.post("/login", json=ann).json()["token"]
    body = {"provider": "corp", "id_token": provider.id_token()}
    assert api.post("/account/identities", json=body, headers=bearer(token)).status_code == 201
    application, _ = set_up_totp(server, api, ann)
    provider.lies = {"amr": ["mfa"], "acr": "2"}
    due = id_token_login(api, provider)
    assert (due.status_code, due.json()["code"]) == (403, "second_factor_required")
    claims = jwt.peek(finish(api, due, code=application.next_code()).json()["token"]).claims
    assert (claims["acr"], claims["amr"]) == ("2", ["fed", "otp", "mfa"])
    with Browser(server) as browser:
        there = sign_in(browser, provider)
        assert there.headers["location"].startswith("/pages/login/factor?")
        assert browser.refresh().status_code == 401


def test_an_account_that_was_here_is_connected_by_its_owner(server: RunningServer, provider: ScriptedProvider) -> None:
    """Its address was proved, so the other site's word opens nothing before the owner has signed in here."""
    person = {"email": ANN["email"], "password": ANN["password"]}
    with Browser(server) as browser, server.client() as api:
        sign_in(browser, provider)
        user_id = jwt.peek(browser.refresh().json()["token"]).claims["sub"]
        set_password(browser, person["password"])
        provider.person["sub"] = "another account with this address"
        with Browser(server) as other:
            told = sign_in(other, provider)
            assert told.status_code == 200
            assert "You already have an account" in told.text
            assert other.refresh().status_code == 401
            assert id_token_login(api, provider).json()["code"] == "account_exists"
            link = re.search(r'href="(/pages/login\?return_to[^"]*)"', told.text)
            assert link is not None
            fields = other.fields(html.unescape(link[1])) | person
            done = other.http.post("/pages/login", data=fields, headers={"origin": server.url})
            assert done.headers["location"] == "/pages/login/connect"
            page = other.get("/pages/login/connect")
            assert "Corp" in page.text
            assert other.post("/pages/login/connect").status_code == 303
            assert other.post("/pages/login/connect", at="/pages/account").status_code == 403
        provider.lies = {"jti": "2"}
        again = jwt.peek(id_token_login(api, provider).json()["token"]).claims
        assert again["sub"] == user_id


def set_password(browser: Browser, password: str) -> None:
    """Choose a password on the account's page."""
    assert browser.post("/pages/account/password", password=password).status_code == 200


def test_nobody_is_let_in_by_an_address_that_is_not_vouched_for(
    server: RunningServer, api: httpx.Client, provider: ScriptedProvider
) -> None:
    """Not verified, verified in words only, none, or none that could be one: 403, and no account is made."""
    unproven: tuple[object, ...] = (False, None, "yes", "false", 1, {})
    claims: list[dict[str, Any]] = [{"email_verified": value} for value in unproven]
    for number, lie in enumerate([*claims, {"email": None}, {"email": "nobody"}, {"email": 7}]):
        provider.lies = lie | {"jti": str(number)}
        assert id_token_login(api, provider).json()["code"] == "email_not_verified"
    with Browser(server) as browser:
        page = sign_in(browser, provider)
        assert page.status_code == 403
        assert "has not verified your email address" in page.text
    assert {event.kind for event in all_events(server)} & {"account_created", "signed_in"} == set()


def test_closed_doors(tmp_path: Path, clock: SettableClock, provider: ScriptedProvider) -> None:
    """Where `signup` is closed nobody gets in whom the operator has not added; a provider that is not set is 404."""
    settings: dict[str, Any] = {"providers": {"corp": provider.settings()}, "signup": "closed"}
    with running_server(tmp_path / "data", clock, **settings) as server, server.client() as api:
        assert id_token_login(api, provider).json()["code"] == "signup_closed"
        body = {"provider": "google", "id_token": provider.id_token()}
        assert api.post("/login", json=body).json()["code"] == "unknown_provider"
        assert api.get("/pages/login/with/google").status_code == 404
        shown = [{"id": "corp", "name": "corp", "url": f"{server.url}/pages/login/with/corp"}]
        assert api.get("/login/providers").json() == {"providers": shown}


def test_accounts_are_connected_listed_and_disconnected(
    server: RunningServer, api: httpx.Client, ann: dict[str, str], provider: ScriptedProvider
) -> None:
    """By the owner, freshly signed in; an account elsewhere opens one account here and no second one."""
    token = bearer(api.post("/login", json=ann).json()["token"])
    provider.person |= {"email": "ann@work.test", "email_verified": False}
    body = {"provider": "corp", "id_token": provider.id_token()}
    made = api.post("/account/identities", json=body, headers=token)
    assert made.status_code == 201
    assert api.post("/account/identities", json=body, headers=token).json()["code"] == "invalid_id_token"
    provider.lies = {"jti": "2"}
    assert jwt.peek(id_token_login(api, provider).json()["token"]).claims["amr"] == ["fed"]
    shown = api.get("/account/identities", headers=token).json()["identities"]
    exported = api.get("/account/export", headers=token).json()["identities"]
    assert [(each["issuer"], each["subject"]) for each in exported] == [(provider.url, "1001")]
    assert [(each["provider"], each["email"]) for each in shown] == [("corp", "ann@work.test")]
    assert shown[0]["used_at"] == int(server.clock())

    bob = {"email": "bob@example.test", "password": "another four words"}
    api.post("/signup", json=bob)
    other = bearer(api.post("/login", json=bob).json()["token"])
    provider.lies = {"jti": "3"}
    taken = api.post("/account/identities", json=body | {"id_token": provider.id_token()}, headers=other)
    assert (taken.status_code, taken.json()["code"]) == (409, "identity_taken")
    assert api.delete(f"/account/identities/{made.json()['id']}", headers=other).status_code == 404

    assert api.delete(f"/account/identities/{made.json()['id']}", headers=token).status_code == 204
    assert api.get("/account/identities", headers=token).json() == {"identities": []}
    server.clock.advance(server.settings.recent_sign_in_seconds + 1)
    for method, path in (("POST", "/account/identities"), ("DELETE", "/account/identities/idn_1")):
        late = api.request(method, path, json=body if method == "POST" else None, headers=token)
        assert late.json()["code"] == "recent_sign_in_required", late.text
    kinds = [event.kind for event in all_events(server)]
    assert kinds.count("provider_connected") == kinds.count("provider_disconnected") == 1


def test_the_page_connects_and_disconnects(
    server: RunningServer, ann: dict[str, str], provider: ScriptedProvider
) -> None:
    """The owner goes there by a page of ours, comes back connected, and disconnects by a button."""
    with Browser(server) as browser:
        browser.sign_in(ann)
        leaving = browser.post("/pages/account/identities/connect", at="/pages/account/identities", provider="corp")
        url = html.unescape(leaving.text.partition("0; url=")[2].partition('"')[0])
        done = come_back(browser, provider.authorize(url))
        assert (done.status_code, done.headers["location"]) == (303, "/pages/account/identities")
        page = browser.get("/pages/account/identities")
        assert "Disconnect Corp" in page.text
        gone = browser.post("/pages/account/identities/remove", at="/pages/account/identities")
        assert gone.status_code == 303
        assert "Disconnect" not in browser.get("/pages/account/identities").text


def test_the_last_way_in_stays(tmp_path: Path, clock: SettableClock, provider: ScriptedProvider) -> None:
    """Without a password, a passkey or mail the account elsewhere cannot be disconnected; with a password it can."""
    settings: dict[str, Any] = {"providers": {"corp": provider.settings()}, "trusted_proxy": ("192.0.2.1/32",)}
    with running_server(tmp_path / "data", clock, **settings) as server, server.client() as api:
        token = bearer(id_token_login(api, provider).json()["token"])
        identity = api.get("/account/identities", headers=token).json()["identities"][0]["id"]
        last = api.delete(f"/account/identities/{identity}", headers=token)
        assert (last.status_code, last.json()["code"]) == (409, "last_way_in")
        api.post("/account/password", json={"password": ANN["password"]}, headers=token)
        assert api.delete(f"/account/identities/{identity}", headers=token).status_code == 204


def test_a_mail_tells_of_it_and_takes_it_back(
    tmp_path: Path, clock: SettableClock, provider: ScriptedProvider, mailbox: Mailbox
) -> None:
    """The link "this wasn't me" disconnects every account elsewhere; nothing opens before there is a new password."""
    settings: dict[str, Any] = {"providers": {"corp": provider.settings(name="Corp")}, "smtp_url": mailbox.url}
    with running_server(tmp_path / "data", clock, **settings) as server, server.client() as api:
        token = bearer(id_token_login(api, provider).json()["token"])
        provider.person["sub"] = "a thief's"
        body = {"provider": "corp", "id_token": provider.id_token()}
        assert api.post("/account/identities", json=body, headers=token).status_code == 201
        mail = mailbox.next_to(ANN["email"])
        assert "Corp" in mail.text
        assert api.post("/account/lock", json={"token": mail.token}).status_code == 204
        provider.lies = {"jti": "2"}
        assert id_token_login(api, provider).json()["code"] == "account_locked"
        api.post("/password/forgotten", json={"email": ANN["email"]})
        mailbox.next_to(ANN["email"], 2)  # it says that the account is locked
        reset = {"token": mailbox.next_to(ANN["email"], 3).token, "password": ANN["password"]}
        assert api.post("/password/reset", json=reset).status_code == 204
        provider.lies = {"jti": "3"}
        assert id_token_login(api, provider).json()["code"] == "account_exists"


def test_a_provider_that_is_away(server: RunningServer, api: httpx.Client, provider: ScriptedProvider) -> None:
    """502 with Retry-After, the page says so; and it is not asked again at once, nor for long."""
    provider.answers["/.well-known/openid-configuration"] = lambda handler: handler.send_error(503)
    away = id_token_login(api, provider)
    assert (away.status_code, away.json()["code"], away.headers["retry-after"]) == (502, "provider_unavailable", "5")
    assert api.get("/pages/login/with/corp").status_code == 502
    assert len(provider.requests) == 1
    del provider.answers["/.well-known/openid-configuration"]
    server.clock.advance(5)
    assert id_token_login(api, provider).status_code == 200


def test_keys_are_kept_and_rotation_is_noticed(api: httpx.Client, provider: ScriptedProvider) -> None:
    """One fetch serves many tokens; a token under a key that nobody knows causes one more."""
    for number in range(3):
        assert id_token_login(api, provider, nonce=None).status_code == (200 if number == 0 else 403)
    assert provider.requests.count("GET /jwks") == 1
    provider.keys.insert(0, Key.generate("ES256"))
    assert id_token_login(api, provider).status_code == 200
    assert provider.requests.count("GET /jwks") == 2


def test_an_answer_that_is_sent_as_a_form(server: RunningServer, provider: ScriptedProvider) -> None:
    """Apple's way: browsers send no cookie with another site's form, so it goes on as a link, and only what counts."""
    with Browser(server) as browser:
        answer = provider.authorize(go_there(browser))
        with server.client() as without_cookies:
            form = answer | {"user": '{"name": "Ann"}'}
            headers = {"origin": provider.url, "sec-fetch-site": "cross-site"}
            posted = without_cookies.post("/pages/login/callback/corp", data=form, headers=headers)
        assert posted.status_code == 303
        location = posted.headers["location"]
        assert location.startswith("/pages/login/callback/corp?state=")
        assert "user" not in location
        first = browser.http.get(location, headers={"sec-fetch-site": "cross-site"})
        assert (first.status_code, "http-equiv" in first.text) == (200, True)  # the next request has every cookie
        assert browser.http.get(location).status_code == 303
        assert browser.refresh().status_code == 200


def test_a_session_that_was_there_is_replaced(server: RunningServer, provider: ScriptedProvider) -> None:
    """Signing in twice in one browser leaves one session."""
    with Browser(server) as browser:
        for _ in range(2):
            sign_in(browser, provider)
        token = browser.refresh().json()["token"]
        assert len(browser.http.get("/sessions", headers=bearer(token)).json()["sessions"]) == 1


def test_a_session_that_ends_meanwhile_connects_nothing(
    server: RunningServer, api: httpx.Client, ann: dict[str, str], provider: ScriptedProvider
) -> None:
    """The owner signs out everywhere while the provider is being asked: whoever was on the way gets no way in."""
    owner = bearer(api.post("/login", json=ann).json()["token"])
    make = provider.id_token

    def make_late(**changes: Any) -> str:  # noqa: ANN401 - any claim
        assert api.post("/logout/all", headers=owner).status_code == 204
        return make(**changes)

    with Browser(server) as thief:
        thief.sign_in(ann)
        leaving = thief.post("/pages/account/identities/connect", at="/pages/account/identities", provider="corp")
        answer = provider.authorize(html.unescape(leaving.text.partition("0; url=")[2].partition('"')[0]))
        provider.id_token = make_late  # type: ignore[method-assign]
        come_back(thief, answer)
        del provider.id_token
    owner = bearer(api.post("/login", json=ann).json()["token"])
    assert api.get("/account/identities", headers=owner).json() == {"identities": []}
