"""Back-channel logout: what a client is told, and how often, when a sign-in ends; at a real HTTP receiver."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from tests.support.authorization import Flow, code_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import KeySet, jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.server.domain.sessions.logout_delivery import PAUSES
from gatepass.tokens import id_token, logout_token

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from http.server import BaseHTTPRequestHandler

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer, SettableClock

HEARS = "/backchannel"
BYE = "https://app.example.test/bye"


@pytest.fixture
def site() -> Generator[ScriptedSite]:
    """The client's own server, which takes every logout token."""
    with ScriptedSite() as site:
        site.put(HEARS, b"", status=204)
        yield site


@pytest.fixture
def browser(server: RunningServer, api: httpx.Client) -> Generator[Browser]:
    """A browser in which Ann has signed in."""
    assert api.post("/signup", json=ANN).status_code == 201
    with Browser(server) as browser:
        assert browser.sign_in(ANN).status_code == 303
        yield browser


@pytest.fixture
def party(server: RunningServer, site: ScriptedSite) -> RelyingParty:
    """A client that wants to hear of logouts."""
    return add(server, site)


def add(server: RunningServer, site: ScriptedSite, **metadata: Any) -> RelyingParty:  # noqa: ANN401 - of a client
    """Register one."""
    hears = ClientMetadata(
        redirect_uris=(CALLBACK,),
        post_logout_redirect_uris=(BYE,),
        backchannel_logout_uri=site.url + HEARS,
        **metadata,
    )
    return add_relying_party(server, scope=("openid", "email", "offline_access"), metadata=hears)


def sign_in(api: httpx.Client, browser: Browser, party: RelyingParty, scope: str = "openid email") -> dict[str, Any]:
    """Sign in at the client with the browser's session; its tokens."""
    flow = Flow(party, browser)
    prompt = "consent" if "offline_access" in scope else None
    answer = flow.follow(flow.ask(scope=scope, prompt=prompt))
    answer = flow.submit(answer, decision="allow") if answer.status_code == 200 else answer
    tokens: dict[str, Any] = flow.redeem(api, code_of(answer)).json()
    return tokens


def tokens_at(site: ScriptedSite) -> list[str]:
    """The logout tokens that came, in the order in which they came."""
    return [parse_qs(asked.body.decode())["logout_token"][0] for asked in site.asked]


def told(site: ScriptedSite, api: httpx.Client, count: int = 1) -> list[dict[str, Any]]:
    """Wait for so many logout tokens; their claims."""
    eventually(lambda: len(site.asked) >= count)
    assert len(site.asked) == count
    keys = KeySet.from_jwks(api.get("/.well-known/jwks.json").text)
    issuer = api.get("/.well-known/openid-configuration").json()["issuer"]
    clients = [str(jwt.peek(token).claims["aud"]) for token in tokens_at(site)]
    return [
        dict(jwt.verify(token, keys, issuer=issuer, audience=client, typ="logout+jwt", now=0))
        for token, client in zip(tokens_at(site), clients, strict=True)
    ]


def test_oidcc_backchannel_rp_initiated_logout(
    server: RunningServer, api: httpx.Client, browser: Browser, party: RelyingParty, site: ScriptedSite
) -> None:
    """A logout token of §2.4 comes as a form, with the person and the sign-in as the ID token named them."""
    tokens = sign_in(api, browser, party)
    named = jwt.peek(tokens["id_token"]).claims
    asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "s"}
    answer = Flow(party, browser).follow(browser.http.get("/oauth/logout", params=asked))
    assert answer.headers["location"] == f"{BYE}?state=s"
    [claims] = told(site, api)
    now = int(server.clock())
    assert {name: claims[name] for name in ("iss", "sub", "aud", "sid", "iat", "exp", "events")} == {
        "iss": server.url,
        "sub": named["sub"],
        "aud": party.id,
        "sid": named["sid"],
        "iat": now,
        "exp": now + 120,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }
    assert "nonce" not in claims
    [request] = site.asked
    assert (request.method, request.headers["content-type"]) == ("POST", "application/x-www-form-urlencoded")
    assert jwt.peek(tokens_at(site)[0]).headers["alg"] == jwt.peek(tokens["id_token"]).headers["alg"]
    metadata = api.get("/.well-known/openid-configuration").json()
    assert metadata["backchannel_logout_supported"]
    assert metadata["backchannel_logout_session_supported"]


def bearer(api: httpx.Client) -> dict[str, str]:
    """Another sign-in of Ann's."""
    return {"authorization": f"Bearer {api.post('/login', json=ANN).json()['token']}"}


def _log_out(api: httpx.Client, browser: Browser, _party: RelyingParty) -> None:
    assert browser.post("/pages/logout", at="/pages/account").status_code == 303


def _log_out_everywhere(api: httpx.Client, browser: Browser, _party: RelyingParty) -> None:
    assert api.post("/logout/all", headers=bearer(api)).status_code == 204


def _end_from_elsewhere(api: httpx.Client, browser: Browser, _party: RelyingParty) -> None:
    session = jwt.peek(browser.refresh().json()["token"]).claims["sid"]
    assert api.delete(f"/sessions/{session}", headers=bearer(api)).status_code == 204


def _new_password(api: httpx.Client, browser: Browser, _party: RelyingParty) -> None:
    new = {"password": "another good long password"}
    assert api.post("/account/password", json=new, headers=bearer(api)).status_code == 204


def _disconnect(api: httpx.Client, browser: Browser, party: RelyingParty) -> None:
    assert api.delete(f"/account/consents/{party.id}", headers=bearer(api)).status_code == 204


def _delete(api: httpx.Client, browser: Browser, _party: RelyingParty) -> None:
    assert api.delete("/account", headers=bearer(api)).status_code == 204


def _disable(_api: httpx.Client, browser: Browser, _party: RelyingParty) -> None:
    main(["user", "disable", ANN["email"], *browser.server.place])
    browser.server.clock.now = time.time() + 1  # a command goes by the real time


WAYS = {
    "logout": _log_out,
    "logout everywhere": _log_out_everywhere,
    "a session ended from another device": _end_from_elsewhere,
    "another password": _new_password,
    "the application disconnected": _disconnect,
    "the account deleted": _delete,
    "the person disabled": _disable,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_which_a_sign_in_ends_is_told(
    api: httpx.Client, browser: Browser, party: RelyingParty, site: ScriptedSite, way: str
) -> None:
    """One logout token for the sign-in, however many grants the client had of it."""
    happen: Callable[[httpx.Client, Browser, RelyingParty], None] = WAYS[way]
    named = [jwt.peek(sign_in(api, browser, party)["id_token"]).claims for _ in range(2)]
    happen(api, browser, party)
    [claims] = told(site, api)
    assert (claims["sub"], claims["sid"]) == (named[0]["sub"], named[0]["sid"])


def test_a_stolen_token_or_code_is_told(
    api: httpx.Client, clock: SettableClock, browser: Browser, party: RelyingParty, site: ScriptedSite
) -> None:
    """Reuse of a refresh token, or of a code, ends the grant; its client hears of that too."""
    first = sign_in(api, browser, party)
    current = first["refresh_token"]
    for _ in range(2):
        clock.advance(61)
        current = party.refresh(api, current)["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], **party.credentials}
    assert api.post("/oauth/token", data=form).status_code == 400
    told(site, api)
    flow = Flow(party, browser)
    code = code_of(flow.follow(flow.ask()))
    assert flow.redeem(api, code).status_code == 200
    clock.advance(30)
    assert flow.redeem(api, code).status_code == 400
    told(site, api, 2)


def test_a_client_that_revokes_its_own_token_is_not_told(
    api: httpx.Client, browser: Browser, party: RelyingParty, site: ScriptedSite
) -> None:
    """It knows; a logout token would sign its person out."""
    tokens = sign_in(api, browser, party)
    form = {"token": tokens["refresh_token"], **party.credentials}
    assert api.post("/oauth/revoke", data=form).status_code == 200
    sign_in(api, browser, party)
    _log_out(api, browser, party)
    assert len(told(site, api)) == 1


def test_clients_that_hold_nothing_of_it_are_not_told(
    server: RunningServer, api: httpx.Client, browser: Browser, party: RelyingParty, site: ScriptedSite
) -> None:
    """Neither another client, nor of another session, nor one that has registered no URI."""
    add(server, site)
    sign_in(api, browser, add_relying_party(server))
    sign_in(api, browser, party)
    with Browser(server) as other:
        assert other.sign_in(ANN).status_code == 303
        sign_in(api, other, party)
        _log_out(api, browser, party)
        [claims] = told(site, api)
        assert claims["sid"] != jwt.peek(other.refresh().json()["token"]).claims["sid"]


def test_with_offline_access_the_browsers_session_is_what_the_client_knows(
    api: httpx.Client, browser: Browser, party: RelyingParty, site: ScriptedSite
) -> None:
    """Back-Channel Logout §2.7: a logout is told, and what the client keeps offline lives on."""
    tokens = sign_in(api, browser, party, "openid offline_access")
    named = jwt.peek(tokens["id_token"]).claims
    assert named["sid"] == jwt.peek(browser.refresh().json()["token"]).claims["sid"]
    renewed = party.refresh(api, tokens["refresh_token"])
    assert jwt.peek(renewed["id_token"]).claims["sid"] == named["sid"]
    hint = {"id_token_hint": renewed["id_token"], "post_logout_redirect_uri": BYE}
    answer = Flow(party, browser).follow(browser.http.get("/oauth/logout", params=hint))
    assert answer.headers["location"] == BYE
    [claims] = told(site, api)
    assert claims["sid"] == named["sid"]
    assert party.refresh(api, renewed["refresh_token"])["access_token"]
    _log_out_everywhere(api, browser, party)
    assert told(site, api, 2)[1]["sid"] == named["sid"]


def test_signing_in_anew_in_the_same_browser_signs_nobody_out(
    server: RunningServer,
    api: httpx.Client,
    clock: SettableClock,
    browser: Browser,
    party: RelyingParty,
    site: ScriptedSite,
) -> None:
    """One application wants a fresh sign-in: the others' go on, by the same `sid`, until the person signs out."""
    online, offline = sign_in(api, browser, party), sign_in(api, browser, party, "openid offline_access")
    clock.advance(10)
    other = add(server, site)
    flow = Flow(other, browser)
    fresh = flow.redeem(api, code_of(flow.submit(flow.follow(flow.ask(prompt="login")), **ANN))).json()
    assert jwt.peek(fresh["id_token"]).claims["auth_time"] == int(clock())
    sids = {jwt.peek(tokens["id_token"]).claims["sid"] for tokens in (online, offline, fresh)}
    assert len(sids) == 1
    renewed = party.refresh(api, online["refresh_token"])
    assert {jwt.peek(renewed["id_token"]).claims["sid"]} == sids
    assert site.asked == []
    asked = {"id_token_hint": online["id_token"], "post_logout_redirect_uri": BYE}
    answer = flow.follow(browser.http.get("/oauth/logout", params=asked))
    assert answer.headers["location"] == BYE
    claims = told(site, api, 2)
    assert {each["aud"] for each in claims} == {party.id, other.id}
    assert {each["sid"] for each in claims} == sids
    for tokens, client in ((renewed, party), (fresh, other)):
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **client.credentials}
        assert api.post("/oauth/token", data=form).json()["error"] == "invalid_grant"
    assert party.refresh(api, offline["refresh_token"])["access_token"]


def test_a_pairwise_client_hears_of_the_person_whom_it_knows(
    server: RunningServer, api: httpx.Client, browser: Browser, site: ScriptedSite
) -> None:
    """`sub` and `sid` are those of its ID tokens."""
    party = add(server, site, subject_type="pairwise", id_token_signed_response_alg="ES256")
    named = jwt.peek(sign_in(api, browser, party)["id_token"]).claims
    _log_out(api, browser, party)
    [claims] = told(site, api)
    assert (claims["sub"], claims["sid"]) == (named["sub"], named["sid"])
    assert not claims["sub"].startswith("usr_")
    assert jwt.peek(tokens_at(site)[0]).headers["alg"] == "ES256"


def test_a_client_that_is_away_is_told_when_it_is_back(
    api: httpx.Client, clock: SettableClock, browser: Browser, party: RelyingParty, site: ScriptedSite
) -> None:
    """Again after 5 s, 30 s, 5 min, 1 h and 6 h, with a fresh token each; never before."""
    site.put(HEARS, b"", status=503)
    sign_in(api, browser, party)
    _log_out(api, browser, party)
    for count, pause in enumerate((5, 30, 300, 3_600), start=1):
        told(site, api, count)
        _waits(party, clock() + pause)
        clock.advance(pause)
    told(site, api, 5)
    _waits(party, clock() + 21_600)
    site.put(HEARS, b"", status=200)
    clock.advance(21_600)
    claims = told(site, api, 6)
    assert len({each["jti"] for each in claims}) == 6
    assert claims[5]["iat"] == int(clock())
    eventually(lambda: _due_in(party) is None)


def test_a_client_that_stays_away_is_given_up_and_told_of(
    api: httpx.Client,
    clock: SettableClock,
    browser: Browser,
    party: RelyingParty,
    site: ScriptedSite,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After the sixth try there is an event, and `gatepass doctor` names the client."""
    site.put(HEARS, b"", status=500)
    sign_in(api, browser, party)
    _log_out(api, browser, party)
    for count, pause in enumerate((5, 30, 300, 3_600, 21_600), start=1):
        told(site, api, count)
        eventually(lambda: (_due_in(party) or 0) > clock())
        clock.advance(pause)
    told(site, api, 6)
    eventually(lambda: _due_in(party) is None)
    _says_so(api, browser, party, capsys)


def test_a_defect_of_ours_is_a_try_as_any_other(
    api: httpx.Client,
    browser: Browser,
    party: RelyingParty,
    site: ScriptedSite,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A token that cannot be made is tried again with the usual pauses and given up in the end; the log has its class.

    It was claimed again each minute, without an end.
    """
    clock = browser.server.clock

    def broken(*_: object, **__: object) -> None:
        raise LookupError("hunter2")

    sign_in(api, browser, party)
    with monkeypatch.context() as patch:
        patch.setattr(logout_token, "signing_input", broken)
        _log_out(api, browser, party)
        for pause in PAUSES:
            _waits(party, clock() + pause)
            clock.advance(pause)
        eventually(lambda: _due_in(party) is None)
    assert site.asked == []
    said = capsys.readouterr().out
    assert "hunter2" not in said
    assert said.count("LookupError") == len(PAUSES) + 1
    _says_so(api, browser, party, capsys)


def test_a_client_that_refuses_is_given_up_at_once(
    api: httpx.Client,
    browser: Browser,
    party: RelyingParty,
    site: ScriptedSite,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """400 (§2.8) will be 400 the next time too."""
    site.put(HEARS, b"", status=400)
    sign_in(api, browser, party)
    _log_out(api, browser, party)
    told(site, api)
    eventually(lambda: _due_in(party) is None)
    _says_so(api, browser, party, capsys)


def _says_so(api: httpx.Client, browser: Browser, party: RelyingParty, capsys: pytest.CaptureFixture[str]) -> None:
    events = api.get("/account/events", headers=bearer(api)).json()["events"]
    assert ("logout_not_delivered", party.id) in [(each["kind"], each["reason"]) for each in events]
    capsys.readouterr()
    main(["doctor", *browser.server.place, "--json"])
    [finding] = [each for each in json.loads(capsys.readouterr().out) if each["what"] == "logouts"]
    assert finding["level"] == "warning"
    assert f"{party.id} missed 1" in finding["text"]


def _waits(party: RelyingParty, until: float) -> None:
    eventually(lambda: _due_in(party) == until)


def _due_in(party: RelyingParty) -> float | None:
    """When the one delivery that waits is due."""
    due: float | None = party.read("SELECT due_at FROM logout_deliveries")
    return due


def _never(site: ScriptedSite) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(_: BaseHTTPRequestHandler) -> None:
        site.released.wait()

    return answer


def test_a_client_that_is_slow_holds_up_no_other(
    server: RunningServer, api: httpx.Client, browser: Browser, party: RelyingParty, site: ScriptedSite
) -> None:
    """They are told side by side, also of what comes while one still hangs."""
    with ScriptedSite() as slow:
        slow.answers[HEARS] = _never(slow)
        for each in (add(server, slow), party):
            sign_in(api, browser, each)
        _log_out(api, browser, party)
        told(site, api)
        eventually(lambda: len(slow.asked) == 1)
        assert browser.sign_in(ANN).status_code == 303
        sign_in(api, browser, party)
        _log_out(api, browser, party)
        eventually(lambda: site.times(HEARS) == 2)


def test_a_client_that_was_removed_is_told_nothing(
    api: httpx.Client, browser: Browser, party: RelyingParty, site: ScriptedSite
) -> None:
    """Its registration says where, and it has none any more: what waits is dropped."""
    site.put(HEARS, b"", status=503)
    sign_in(api, browser, party)
    _log_out(api, browser, party)
    told(site, api)
    eventually(lambda: (_due_in(party) or 0) > browser.server.clock())
    main(["client", "remove", party.id, *browser.server.place])
    browser.server.clock.advance(5)
    eventually(lambda: _due_in(party) is None)
    assert len(site.asked) == 1


def test_no_address_of_the_network_within_is_asked(
    server: RunningServer, api: httpx.Client, browser: Browser, site: ScriptedSite
) -> None:
    """SSRF: a client's URI leads to public addresses only, and never by a redirect."""
    with ScriptedSite() as within:
        within.put(HEARS, b"", status=204)
        site.put(HEARS, b"", status=302, headers={"Location": within.url + HEARS})
        party = add(server, site)
        private = ClientMetadata(redirect_uris=(CALLBACK,), backchannel_logout_uri="https://10.0.0.1/backchannel")
        sign_in(api, browser, add_relying_party(server, metadata=private))
        sign_in(api, browser, party)
        _log_out(api, browser, party)
        told(site, api)
        eventually(lambda: (party.read("SELECT MIN(due_at) FROM logout_deliveries") or 0) > server.clock())
        assert party.read("SELECT COUNT(*) FROM logout_deliveries") == 2
        assert within.asked == []


def test_a_logout_token_passes_for_no_other(
    server: RunningServer, api: httpx.Client, browser: Browser, party: RelyingParty, site: ScriptedSite
) -> None:
    """Its `typ` is its own: no call, no hint and no client takes one for an access or ID token."""
    sign_in(api, browser, party)
    _log_out(api, browser, party)
    told(site, api)
    [token] = tokens_at(site)
    assert jwt.peek(token).headers["typ"] == logout_token.TYP != id_token.TYP
    assert api.get("/me", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert api.get("/oauth/userinfo", headers={"authorization": f"Bearer {token}"}).status_code == 401
    page = Flow(party, browser).follow(browser.http.get("/oauth/logout", params={"id_token_hint": token}))
    assert page.status_code == 400
