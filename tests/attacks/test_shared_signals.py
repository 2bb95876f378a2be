"""Two receivers of Shared Signals, each of whom would like to know more than its own people's."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authorization import Flow
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.scripted_site import ScriptedSite
from tests.support.server import running_server
from tests.support.signal_receiver import CAEP, EVERYTHING, PUSH, add_receiver, members
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import KeySet, jwt
from gatepass.jose.errors import JoseError
from gatepass.server.domain.public_fetch import PublicFetch
from gatepass.server.domain.sessions import client_policy
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.server.domain.shared_signals import changes, queue
from gatepass.server.domain.shared_signals.push import PAUSES
from gatepass.server.features.shared_signals.api import poll

if TYPE_CHECKING:
    from collections.abc import Generator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer
    from tests.support.signal_receiver import SignalReceiver

PASSWORD = "correct horse battery"
HEARS = "/events"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for all: each test has receivers and people of its own."""
    with running_server(tmp_path_factory.mktemp("signals"), dynamic_registration="open") as server:
        yield server


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client without cookies."""
    server.clock.now = float(int(time.time()))
    with server.client() as api:
        yield api


@pytest.fixture
def shop(server: RunningServer, api: httpx.Client) -> SignalReceiver:
    """A receiver."""
    return add_receiver(server, api)


@pytest.fixture
def rival(server: RunningServer, api: httpx.Client) -> SignalReceiver:
    """Another."""
    return add_receiver(server, api)


@pytest.fixture
def site() -> Generator[ScriptedSite]:
    """A receiver's own server, which takes every token."""
    with ScriptedSite() as site:
        site.put(HEARS, b"", status=202)
        yield site


def person(api: httpx.Client, name: str) -> dict[str, str]:
    """Somebody who has an account."""
    credentials = {"email": f"{name}@example.com", "password": PASSWORD}
    assert api.post("/signup", json=credentials).status_code == 201
    return credentials


def sign_out(api: httpx.Client, credentials: dict[str, str]) -> None:
    """End all that they have."""
    token = api.post("/login", json=credentials).json()["token"]
    assert api.post("/logout/all", headers={"authorization": f"Bearer {token}"}).status_code == 204


def refused(answers: list[httpx.Response]) -> set[tuple[int, str]]:
    """What came of calls."""
    return {(each.status_code, each.json()["code"]) for each in answers}


def every_call_about(receiver: SignalReceiver, stream_id: str, sub: str = "usr_x") -> list[httpx.Response]:
    """Each call that names a stream, in the name of a receiver."""
    subject = {"format": "iss_sub", "iss": receiver.party.server.url, "sub": sub}
    named = {"stream_id": stream_id}
    return [
        receiver.call("GET", "/ssf/streams", **named),
        receiver.call("PATCH", "/ssf/streams", named | {"description": "mine now"}),
        receiver.call("PUT", "/ssf/streams", named | {"events_requested": list(EVERYTHING)}),
        receiver.call("GET", "/ssf/status", **named),
        receiver.call("POST", "/ssf/status", named | {"status": "disabled"}),
        receiver.call("POST", "/ssf/subjects/add", named | {"subject": subject}),
        receiver.call("POST", "/ssf/subjects/remove", named | {"subject": subject}),
        receiver.call("POST", "/ssf/verification", named),
        receiver.call("POST", f"/ssf/poll/{stream_id}", {"returnImmediately": True}),
        receiver.call("POST", f"/ssf/poll/{stream_id}", {"ack": ["anything"], "maxEvents": 0}),
        receiver.call("POST", f"/ssf/poll/{stream_id}", {"setErrs": {"a": {"err": "invalid_key"}}, "maxEvents": 0}),
        receiver.call("DELETE", "/ssf/streams", **named),
    ]


def test_a_receiver_cannot_touch_anothers_stream(shop: SignalReceiver, rival: SignalReceiver) -> None:
    """THREATS 34: to every call another client's stream is not there, just as one that nobody has."""
    stream_id = shop.stream()
    before = shop.call("GET", "/ssf/streams").json()
    theirs, nobodys = every_call_about(rival, stream_id), every_call_about(rival, "str_nothing")
    assert refused(theirs) == {(404, "stream_not_found")}
    assert [each.json()["detail"] for each in theirs] == [each.json()["detail"] for each in nobodys]
    assert rival.call("GET", "/ssf/streams").json() == []
    assert shop.call("GET", "/ssf/streams").json() == before
    assert shop.call("GET", "/ssf/status", stream_id=stream_id).json()["status"] == "enabled"


def test_a_receiver_hears_of_nobody_who_has_not_signed_in_there(
    server: RunningServer, api: httpx.Client, shop: SignalReceiver, rival: SignalReceiver
) -> None:
    """Whatever happens to somebody is told where they have signed in, and nowhere else."""
    shop_stream, rival_stream = shop.stream(), rival.stream()
    cleo = person(api, "cleo")
    shop.sign_in(cleo)
    main(["user", "disable", cleo["email"], *server.place])
    assert [kind for kind, _ in shop.told(shop_stream)] == ["account-disabled", "session-revoked"]
    assert rival.told(rival_stream) == []


def test_a_receiver_hears_only_of_sign_ins_that_were_its_own(
    api: httpx.Client, shop: SignalReceiver, rival: SignalReceiver
) -> None:
    """Somebody who is signed in at both takes back the access of one: the other is told nothing."""
    shop_stream, rival_stream = shop.stream(), rival.stream()
    cora = person(api, "cora")
    shop.sign_in(cora)
    refresh_token = rival.sign_in(cora)["refresh_token"]
    token = api.post("/login", json=cora).json()["token"]
    headers = {"authorization": f"Bearer {token}"}
    assert api.delete(f"/account/consents/{shop.party.id}", headers=headers).status_code == 204
    [(kind, claims)] = shop.told(shop_stream)
    assert (kind, members(claims)["initiating_entity"]) == ("session-revoked", "user")
    assert rival.told(rival_stream) == []
    assert rival.party.refresh(api, refresh_token)


def test_two_receivers_cannot_find_out_that_they_mean_the_same_person(server: RunningServer, api: httpx.Client) -> None:
    """With pairwise names nothing but the time is the same in what two sites are told: no sub, sid, jti, txn or aud."""
    dora = person(api, "dora")
    told: list[dict[str, Any]] = []
    receivers = [
        add_receiver(
            server,
            api,
            subject_type="pairwise",
            sector_identifier_uri=f"https://{host}/clients.json",
        )
        for host in ("one.example", "two.example")
    ]
    streams = [receiver.stream() for receiver in receivers]
    known = [jwt.peek(receiver.sign_in(dora)["id_token"]).claims for receiver in receivers]
    sign_out(api, dora)
    for receiver, stream_id, claims in zip(receivers, streams, known, strict=True):
        [(_, signal)] = receiver.told(stream_id)
        assert signal["sub_id"]["user"]["sub"] == claims["sub"]
        assert signal["sub_id"]["session"]["id"] == claims["sid"]
        told.append(signal)
    shared = set(words(told[0])) & set(words(told[1]))
    assert not any(name in text for text in shared for name in ("usr_", "ses_", "evt_", "cli_", "str_"))
    for receiver in receivers:
        receiver.sign_in(dora)
    main(["user", "disable", dora["email"], *server.place])
    disabled = [receiver.told(stream_id)[0][1] for receiver, stream_id in zip(receivers, streams, strict=True)]
    for one, two in (told, disabled):
        assert not any(one[name] == two[name] for name in ("jti", "txn", "aud"))


def words(value: object) -> Generator[str]:
    """Every text in a document."""
    if isinstance(value, dict):
        for each in value.values():
            yield from words(each)
    elif isinstance(value, str):
        yield value


def test_an_acknowledgement_counts_once_and_at_its_own_stream(
    api: httpx.Client, shop: SignalReceiver, rival: SignalReceiver
) -> None:
    """A replayed one does nothing, and one for a token of another stream neither, be it one's own or another's."""
    eve = person(api, "eve")
    shop_stream, other_stream, rival_stream = shop.stream(), shop.stream(), rival.stream()
    shop.sign_in(eve)
    rival.sign_in(eve)
    sign_out(api, eve)
    [jti] = shop.fetch(shop_stream)["sets"]
    rival.fetch(rival_stream, ack=[jti])
    shop.fetch(other_stream, ack=[jti])
    assert list(shop.fetch(shop_stream)["sets"]) == [jti]
    assert shop.fetch(shop_stream, ack=[jti]) == {"sets": {}}
    rest = [rival.fetch(rival_stream), shop.fetch(other_stream)]
    assert shop.fetch(shop_stream, ack=[jti] * 3) == {"sets": {}}
    assert [rival.fetch(rival_stream).keys(), shop.fetch(other_stream).keys()] == [each.keys() for each in rest]
    assert all(len(each["sets"]) == 1 for each in rest)


def test_only_a_receivers_own_token_opens_streams(
    server: RunningServer, api: httpx.Client, shop: SignalReceiver
) -> None:
    """Not an everyday token of the client, nor a person's, nor an operator's; and `ssf.read` changes nothing."""
    stream_id = shop.stream()
    fay = person(api, "fay")
    everyday = {"grant_type": "client_credentials", "scope": "openid", **shop.party.credentials}
    service = add_relying_party(
        server, scope=("admin:read", "admin:write"), grant_types=("client_credentials",), metadata=ClientMetadata()
    )
    operator = {"grant_type": "client_credentials", "scope": "admin:write", **service.credentials}
    tokens = [
        api.post("/oauth/token", data=everyday).json()["access_token"],
        api.post("/oauth/token", data=operator).json()["access_token"],
        shop.sign_in(fay)["access_token"],
        api.post("/login", json=fay).json()["token"],
    ]
    answers = [
        api.get("/ssf/streams", headers={"authorization": f"Bearer {token}"}, params={"stream_id": stream_id})
        for token in tokens
    ]
    assert {each.status_code for each in answers} <= {401, 403}
    reading = shop.bearer("ssf.read")
    assert api.get("/ssf/streams", headers=reading).status_code == 200
    changing = [
        api.post("/ssf/streams", headers=reading, json={}),
        api.post("/ssf/status", headers=reading, json={"stream_id": stream_id, "status": "disabled"}),
        api.delete("/ssf/streams", headers=reading, params={"stream_id": stream_id}),
    ]
    assert refused(changing) == {(403, "insufficient_scope")}
    assert 'scope="ssf.manage"' in changing[0].headers["www-authenticate"]


def test_a_receivers_token_opens_nothing_else(server: RunningServer, api: httpx.Client, shop: SignalReceiver) -> None:
    """Its audience is the streams alone: no API takes it, nor any other call of the server."""
    headers = shop.bearer()
    claims = jwt.peek(headers["authorization"].removeprefix("Bearer ")).claims
    assert claims["aud"] == f"{server.url}/ssf"
    assert set(str(claims["scope"]).split()) == {"ssf.manage", "ssf.read"}
    for path in ("/me", "/admin/users", "/admin/streams", "/oauth/userinfo"):
        assert api.get(path, headers=headers).status_code == 401
    mixed = {"grant_type": "client_credentials", "scope": "ssf.read openid", **shop.party.credentials}
    assert api.post("/oauth/token", data=mixed).json()["error"] == "invalid_scope"


def test_the_scope_counts_in_a_token_for_streams_alone(
    server: RunningServer, api: httpx.Client, shop: SignalReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose audience is wider, which any API that gets it could send on, opens nothing."""
    monkeypatch.setattr(client_policy, "streams_audience", lambda _issuer: server.url)
    answer = api.get("/ssf/streams", headers=shop.bearer())
    assert refused([answer]) == {(401, "invalid_token")}


def test_an_api_with_the_shared_secret_makes_no_receiver(tmp_path: Path) -> None:
    """Under HS256 an API can sign whatever it likes; the calls about streams take nothing of the kind."""
    with running_server(tmp_path / "data", alg="HS256", audience=("orders",)) as server, server.client() as api:
        answer = api.get("/ssf/streams", headers=add_receiver(server, api).bearer())
        assert refused([answer]) == {(401, "invalid_token")}


def test_nobody_takes_the_right_to_receive(server: RunningServer, api: httpx.Client, shop: SignalReceiver) -> None:
    """Not by registering with it, nor for a person's token; and who has lost it is let in no more, at once."""
    asked = {"redirect_uris": ["https://x.example/cb"], "scope": "openid ssf.manage"}
    registered = api.post("/oauth/register", json=asked)
    assert "ssf.manage" not in registered.json().get("scope", "")
    gus = person(api, "gus")
    with Browser(server) as browser:
        browser.sign_in(gus)
        answer = Flow(shop.party, browser).ask(scope="openid ssf.manage")
        assert "error=invalid_scope" in answer.headers["location"]
    headers, stream_id = shop.bearer(), shop.stream()
    shop.sign_in(gus)
    shop.party.write("UPDATE clients SET scope = 'openid email' WHERE id = ?1", shop.party.id)
    eventually(lambda: api.get("/ssf/streams", headers=headers).status_code == 403)
    sign_out(api, gus)
    count = shop.party.read("SELECT COUNT(*) FROM signals WHERE stream_id = ?1", stream_id)
    assert count == 0


def test_no_address_of_the_network_within_is_pushed_to(
    api: httpx.Client, shop: SignalReceiver, site: ScriptedSite
) -> None:
    """SSRF: a private address is not reached, a redirect is not followed, and a URL that could never be is refused."""
    hal = person(api, "hal")
    with ScriptedSite() as within:
        within.put(HEARS, b"", status=202)
        site.put(HEARS, b"", status=307, headers={"Location": within.url + HEARS})
        streams = [shop.stream(method=PUSH, endpoint_url=url) for url in (site.url + HEARS, "https://10.0.0.1/events")]
        shop.sign_in(hal)
        sign_out(api, hal)
        for stream_id in streams:
            eventually(
                lambda stream_id=stream_id: (  # type: ignore[misc]
                    shop.party.read("SELECT due_at FROM signals WHERE stream_id = ?1", stream_id)
                    == shop.party.server.clock() + 5
                )
            )
        assert within.asked == []
    never = [
        {"method": PUSH, "endpoint_url": url}
        for url in ("", "ftp://x.example/", "http://x.example/", "https://user@x.example/", "https://x.example/\r\nx")
    ]
    answers = [shop.call("POST", "/ssf/streams", {"delivery": each}) for each in never]
    assert refused(answers) == {(400, "invalid_stream")}


def test_the_header_of_a_push_adds_no_other_and_is_never_shown(shop: SignalReceiver, capfd: Any) -> None:  # noqa: ANN401
    """A line break would begin another header; what is kept is sealed, and neither receiver nor operator reads it."""
    push = {"method": PUSH, "endpoint_url": "https://x.example/events"}
    for value in ("Bearer x\r\nHost: other", "Bearer \n", "Bearer \u00e9", "x" * 5_000):
        answer = shop.call("POST", "/ssf/streams", {"delivery": push | {"authorization_header": value}})
        assert refused([answer]) == {(400, "invalid_stream")}
    stream_id = shop.stream(**push, authorization_header="Bearer kept-by-the-shop")
    assert "kept-by" not in shop.call("GET", "/ssf/streams").text
    kept = shop.party.read("SELECT authorization_header FROM signal_streams WHERE id = ?1", stream_id)
    assert b"kept-by" not in bytes(kept)
    capfd.readouterr()
    main(["stream", "list", "--json", *shop.party.server.place])
    shown = capfd.readouterr().out
    assert stream_id in shown
    assert "kept-by" not in shown
    main(["stream", "remove", stream_id, *shop.party.server.place])
    assert shop.call("GET", "/ssf/streams", stream_id=stream_id).status_code == 404


def test_one_person_fills_no_more_than_their_share(
    api: httpx.Client, shop: SignalReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's own doings push out what happened to others: of each the latest are kept."""
    monkeypatch.setattr(queue, "MOST_OF_ONE", 3)
    ida, joe = person(api, "ida"), person(api, "joe")
    stream_id = shop.stream()
    shop.sign_in(joe)
    sign_out(api, joe)
    for _ in range(5):
        shop.sign_in(ida)
        sign_out(api, ida)
    subjects = [claims["sub_id"]["user"]["sub"] for _, claims in shop.told(stream_id)]
    assert [subjects.count(each) for each in dict.fromkeys(subjects)] == [1, 3]


def test_a_queue_that_is_full_says_so(api: httpx.Client, shop: SignalReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is dropped in silence: the stream is disabled, and its last token tells that, until it is enabled."""
    monkeypatch.setattr(queue, "MOST_WAITING", 2)
    kim = person(api, "kim")
    stream_id = shop.stream()
    for _ in range(4):
        shop.sign_in(kim)
        sign_out(api, kim)
    [(kind, claims)] = shop.told(stream_id)
    assert kind == "stream-updated"
    assert claims["sub_id"] == {"format": "opaque", "id": stream_id}
    assert members(claims) == {"status": "disabled", "reason": "The queue of the stream was full"}
    assert shop.call("GET", "/ssf/status", stream_id=stream_id).json()["status"] == "disabled"
    shop.call("POST", "/ssf/status", {"stream_id": stream_id, "status": "enabled"})
    shop.sign_in(kim)
    sign_out(api, kim)
    assert [kind for kind, _ in shop.told(stream_id)] == ["session-revoked"]


def test_a_receiver_keeps_within_bounds(shop: SignalReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams, what one can ask for, states, removed people and acknowledgements are all counted.

    Who is removed again at the bound is removed, as before.
    """
    monkeypatch.setattr(changes, "MOST_STREAMS", 2)
    monkeypatch.setattr(changes, "MOST_EXCLUDED", 1)
    monkeypatch.setattr(poll, "MOST_EVENTS", 1)
    stream_id = shop.stream()
    shop.stream()
    assert refused([shop.call("POST", "/ssf/streams", {})]) == {(409, "too_many_signal_streams")}
    named = {"stream_id": stream_id}
    too_much = [
        shop.call("PATCH", "/ssf/streams", named | {"events_requested": [f"urn:{n}" for n in range(65)]}),
        shop.call("PATCH", "/ssf/streams", named | {"events_requested": ["urn:" + "x" * 3_000]}),
        shop.call("POST", "/ssf/verification", named | {"state": "x" * 2_000}),
        shop.call("POST", f"/ssf/poll/{stream_id}", {"ack": ["x"] * 1_001, "maxEvents": 0}),
        shop.call("POST", f"/ssf/poll/{stream_id}", {"maxEvents": -1}),
    ]
    assert refused(too_much) == {(400, "invalid_stream")}
    assert shop.call("POST", f"/ssf/poll/{stream_id}", {"ack": ["x" * 200_000]}).status_code == 413
    server = shop.party.server.url
    subjects = [{"format": "iss_sub", "iss": server, "sub": f"usr_{n}"} for n in range(2)]
    removed = [
        shop.call("POST", "/ssf/subjects/remove", named | {"subject": each}) for each in (*subjects, subjects[0])
    ]
    assert [each.status_code for each in removed] == [204, 403, 204]


def test_removing_a_subject_shows_nothing_of_anybody(api: httpx.Client, shop: SignalReceiver) -> None:
    """SSF §9.1: the answers are the same for those who are known and those who are not; and it ends at the stream."""
    lea, mia = person(api, "lea"), person(api, "mia")
    stream_id, other = shop.stream(), shop.stream()
    subs = [str(jwt.peek(shop.sign_in(each)["id_token"]).claims["sub"]) for each in (lea, mia)]
    issuer = shop.party.server.url
    simple = {"format": "iss_sub", "iss": issuer, "sub": subs[0]}
    whole = {"format": "complex", "user": simple, "session": {"format": "opaque", "id": "ses_1"}}
    stranger = simple | {"sub": "usr_nobody"}
    for path, status in (("remove", 204), ("add", 200), ("remove", 204)):
        for subject in (simple, whole, stranger):
            answer = shop.call("POST", f"/ssf/subjects/{path}", {"stream_id": stream_id, "subject": subject})
            assert (answer.status_code, answer.content) == (status, b"")
    sign_out(api, lea)
    sign_out(api, mia)
    assert [claims["sub_id"]["user"]["sub"] for _, claims in shop.told(stream_id)] == [subs[1]]
    assert [claims["sub_id"]["user"]["sub"] for _, claims in shop.told(other)] == subs


def test_a_receiver_hears_of_nobody_removed_also_when_they_leave(
    server: RunningServer, api: httpx.Client, shop: SignalReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deleting the account tells nobody who removed the person; a name of another sector's still shows nothing."""
    paired = add_receiver(server, api, subject_type="pairwise")
    pia = person(api, "pia")
    heard, heard_paired = shop.stream(), paired.stream()
    public = str(jwt.peek(shop.sign_in(pia)["id_token"]).claims["sub"])
    paired.sign_in(pia)
    subject = {"format": "iss_sub", "iss": server.url, "sub": public}
    for receiver, stream_id in ((shop, heard), (paired, heard_paired)):
        removed = receiver.call("POST", "/ssf/subjects/remove", {"stream_id": stream_id, "subject": subject})
        assert removed.status_code == 204
    main(["user", "delete", pia["email"], "--yes", *server.place])
    capsys.readouterr()
    assert shop.told(heard) == []
    assert [kind for kind, _ in paired.told(heard_paired)] == ["session-revoked", "account-purged"]


def test_a_claim_is_told_to_those_who_may_know_it(
    server: RunningServer, api: httpx.Client, shop: SignalReceiver
) -> None:
    """`token-claims-change` says what the scopes of the person's grants there tell; without any it is not sent."""
    blind = add_receiver(server, api, scope=("openid", "ssf.manage", "ssf.read"))
    shop_stream, blind_stream = (each.stream((CAEP + "token-claims-change",)) for each in (shop, blind))
    nia = person(api, "nia")
    shop.sign_in(nia)
    blind.sign_in(nia)
    main(["user", "rename", nia["email"], "nia.new@example.com", *server.place])
    assert members(shop.told(shop_stream)[0][1])["claims"]["email"] == "nia.new@example.com"
    assert blind.told(blind_stream) == []
    assert shop.party.read("SELECT COUNT(*) FROM signals WHERE stream_id = ?1", blind_stream) == 0


def test_a_signal_passes_for_no_other_token(server: RunningServer, api: httpx.Client, shop: SignalReceiver) -> None:
    """It has a `typ` of its own, no `sub` and no `exp`: neither the server nor a verifier of other tokens takes it."""
    oda = person(api, "oda")
    stream_id = shop.stream()
    shop.sign_in(oda)
    sign_out(api, oda)
    [token] = shop.fetch(stream_id)["sets"].values()
    for path in ("/me", "/ssf/streams", "/oauth/userinfo"):
        assert api.get(path, headers={"authorization": f"Bearer {token}"}).status_code == 401
    keys = KeySet.from_jwks(api.get("/.well-known/jwks.json").text)
    for typ in ("at+jwt", "JWT", "logout+jwt"):
        with pytest.raises(JoseError):
            jwt.verify(token, keys, issuer=server.url, audience=shop.party.id, typ=typ, now=server.clock())


def test_a_receiver_that_is_disabled_is_told_nothing(
    server: RunningServer, api: httpx.Client, shop: SignalReceiver, site: ScriptedSite
) -> None:
    """What was on its way is not sent either, and a client that is removed takes its streams with it."""
    site.put(HEARS, b"", status=503)
    stream_id = shop.stream(method=PUSH, endpoint_url=site.url + HEARS)
    pia = person(api, "pia")
    shop.sign_in(pia)
    sign_out(api, pia)
    eventually(lambda: len(site.asked) == 1)
    eventually(
        lambda: shop.party.read("SELECT due_at FROM signals WHERE stream_id = ?1", stream_id) == server.clock() + 5
    )
    main(["client", "disable", shop.party.id, *server.place])
    server.clock.advance(5)
    eventually(lambda: shop.party.read("SELECT COUNT(*) FROM signals WHERE stream_id = ?1", stream_id) == 0)
    assert len(site.asked) == 1
    main(["client", "remove", shop.party.id, *server.place])
    assert shop.party.read("SELECT COUNT(*) FROM signal_streams WHERE id = ?1", stream_id) == 0


def test_one_person_s_poison_holds_up_nobody(api: httpx.Client, shop: SignalReceiver, site: ScriptedSite) -> None:
    """A receiver that fails at one token is told the next at once: it would never hear that somebody was disabled."""
    shop.stream(method=PUSH, endpoint_url=site.url + HEARS)
    site.put(HEARS, json.dumps({"oops": "a secret of the network"}).encode(), status=500)
    ron = person(api, "ron")
    shop.sign_in(ron)
    sign_out(api, ron)
    eventually(lambda: len(site.asked) == 1)
    site.put(HEARS, b"", status=202)
    shop.sign_in(ron)
    sign_out(api, ron)
    eventually(lambda: len(site.asked) == 2)


def test_a_defect_of_ours_is_a_try_as_any_other(
    api: httpx.Client, shop: SignalReceiver, site: ScriptedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was claimed is tried again after a pause, and not for ever by whoever claims it next."""

    async def broken(*_: object, **__: object) -> None:
        raise LookupError

    stream = shop.stream(method=PUSH, endpoint_url=site.url + HEARS)
    with monkeypatch.context() as patch:
        patch.setattr(PublicFetch, "send", broken)
        may = person(api, "may")
        shop.sign_in(may)
        sign_out(api, may)
        next_try = shop.party.server.clock() + PAUSES[0]
        eventually(lambda: shop.party.read("SELECT due_at FROM signals WHERE stream_id = ?1", stream) == next_try)
    assert site.times(HEARS) == 0


def test_a_receiver_that_never_answers_holds_up_no_other(
    api: httpx.Client, shop: SignalReceiver, rival: SignalReceiver, site: ScriptedSite
) -> None:
    """While one exchange hangs, every other receiver is told at once, again and again."""

    def hang(_handler: BaseHTTPRequestHandler) -> None:
        site.released.wait(30)

    site.answers["/tarpit"] = hang
    slow = shop.stream(method=PUSH, endpoint_url=site.url + "/tarpit")
    rival.stream(method=PUSH, endpoint_url=site.url + HEARS)
    sue, tom = person(api, "sue"), person(api, "tom")
    shop.sign_in(sue)
    sign_out(api, sue)
    eventually(lambda: site.times("/tarpit") == 1)
    for count in (1, 2):
        rival.sign_in(tom)
        sign_out(api, tom)
        eventually(lambda count=count: site.times(HEARS) == count)  # type: ignore[misc]
    due_at = shop.party.read("SELECT due_at FROM signals WHERE stream_id = ?1", slow)
    assert due_at == shop.party.server.clock() + 120  # still in the hands of the node
    site.released.set()
