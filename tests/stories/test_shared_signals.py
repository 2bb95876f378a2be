"""Shared Signals: how a receiver finds the transmitter and manages its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import pytest
from tests.support.bridges import BEARER, running_bridge
from tests.support.factors import bearer, finish, set_up_totp, sign_in
from tests.support.ports import free_port
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN, RunningClock, running_server
from tests.support.signal_receiver import CAEP, EVERYTHING, POLL, PUSH, add_receiver, members
from tests.support.wait import eventually

from gatepass.bridge.settings import TransmitterSettings
from gatepass.cli.main import main
from gatepass.jose import jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer, SettableClock
    from tests.support.signal_receiver import SignalReceiver


@pytest.fixture
def clock() -> SettableClock:
    """The real time, by which commands go, and what stories let pass."""
    return RunningClock()


@pytest.fixture
def receiver(server: RunningServer, api: httpx.Client) -> SignalReceiver:
    """A receiver, at which Ann has an account."""
    assert api.post("/signup", json=ANN).status_code == 201
    return add_receiver(server, api)


def test_a_receiver_finds_makes_reads_changes_and_removes_a_stream(
    server: RunningServer, receiver: SignalReceiver
) -> None:
    """The metadata leads to the calls of SSF §8.1.1, and each answers with the whole stream."""
    api = receiver.api
    metadata = api.get("/.well-known/ssf-configuration").json()
    assert metadata["issuer"] == server.url
    assert metadata["spec_version"] == "1_0"
    assert metadata["delivery_methods_supported"] == [PUSH, POLL]
    assert metadata["authorization_schemes"] == [{"spec_urn": "urn:ietf:rfc:6749"}]
    assert metadata["default_subjects"] == "ALL"
    wanted = {"events_requested": [CAEP + "session-revoked", "https://example.com/unknown"], "description": "mine"}
    made = receiver.call("POST", "/ssf/streams", wanted)
    assert made.status_code == 201
    stream = made.json()
    assert stream == {
        "stream_id": stream["stream_id"],
        "iss": server.url,
        "aud": receiver.party.id,
        "delivery": {"method": POLL, "endpoint_url": f"{server.url}/ssf/poll/{stream['stream_id']}"},
        "events_supported": list(EVERYTHING),
        "events_requested": wanted["events_requested"],
        "events_delivered": [CAEP + "session-revoked"],
        "min_verification_interval": 60,
        "description": "mine",
    }
    stream_id = stream["stream_id"]
    assert receiver.call("GET", "/ssf/streams", stream_id=stream_id).json() == stream
    assert receiver.call("GET", "/ssf/streams").json() == [stream]
    changed = receiver.call("PATCH", "/ssf/streams", {"stream_id": stream_id, "description": "x" * 300})
    assert changed.json() == stream | {"description": "x" * 256}
    replaced = receiver.call("PUT", "/ssf/streams", stream | {"events_requested": [], "description": "ours"})
    assert replaced.json() == stream | {"events_requested": [], "events_delivered": [], "description": "ours"}
    assert receiver.call("DELETE", "/ssf/streams", stream_id=stream_id).status_code == 204
    assert receiver.call("DELETE", "/ssf/streams", stream_id=stream_id).status_code == 404
    assert receiver.call("GET", "/ssf/streams").json() == []


def test_what_cannot_be_is_refused_with_400(receiver: SignalReceiver) -> None:
    """SSF §8.1: a body that cannot be read, and what only the transmitter supplies, is a bad request."""
    stream_id = receiver.stream()
    refused = [
        receiver.call("POST", "/ssf/streams", {"events_requested": "all"}),
        receiver.call("POST", "/ssf/streams", {"delivery": {"method": "urn:example:carrier-pigeon"}}),
        receiver.call("PATCH", "/ssf/streams", {"description": "whose?"}),
        receiver.call("PATCH", "/ssf/streams", {"stream_id": stream_id, "aud": "https://other.example"}),
        receiver.call("PATCH", "/ssf/streams", {"stream_id": stream_id, "events_delivered": []}),
        receiver.call("POST", "/ssf/status", {"stream_id": stream_id, "status": "asleep"}),
        receiver.call("GET", "/ssf/status"),
        receiver.call("POST", "/ssf/subjects/add", {"stream_id": stream_id, "subject": {"format": "did", "url": "x"}}),
    ]
    assert {(each.status_code, each.json()["code"]) for each in refused} == {(400, "invalid_stream")}


def test_a_verification_repeats_the_state_and_is_not_asked_for_too_often(
    receiver: SignalReceiver, clock: SettableClock
) -> None:
    """SSF §8.1.4: the stream is the subject; the second request within the interval is 429."""
    stream_id = receiver.stream(())
    asked = {"stream_id": stream_id, "state": "VGhpcyBpcyBh"}
    assert receiver.call("POST", "/ssf/verification", asked).status_code == 204
    [(kind, claims)] = receiver.told(stream_id)
    assert kind == "verification"
    assert claims["sub_id"] == {"format": "opaque", "id": stream_id}
    assert members(claims) == {"state": "VGhpcyBpcyBh"}
    soon = receiver.call("POST", "/ssf/verification", asked)
    assert (soon.status_code, soon.json()["code"]) == (429, "verification_too_soon")
    assert 0 < int(soon.headers["retry-after"]) <= 61
    clock.advance(60)
    assert receiver.call("POST", "/ssf/verification", {"stream_id": stream_id}).status_code == 204
    [(_, claims)] = receiver.told(stream_id)
    assert members(claims) == {}


def test_what_becomes_of_a_person_is_told_as_the_table_says(
    server: RunningServer, api: httpx.Client, receiver: SignalReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each act, by whomever, is one event of CAEP or RISC with the members that its type asks for."""
    stream_id = receiver.stream()
    receiver.party.sign_in(api)
    place = server.place

    def told() -> list[tuple[str, dict[str, Any]]]:
        """What was told, without what every event has."""
        found = [(kind, dict(members(claims))) for kind, claims in receiver.told(stream_id)]
        for kind, event in found:
            if kind.startswith("account-"):
                continue
            assert abs(event.pop("event_timestamp") - server.clock()) < 60
            assert event.pop("reason_admin")["en"]
        return found

    application, _ = set_up_totp(server, api, ANN)
    app = {"credential_type": "app", "initiating_entity": "user"}
    assert told() == [("credential-change", app | {"change_type": "create"})]
    me = bearer(finish(api, sign_in(api, ANN), code=application.next_code()).json()["token"])
    assert api.delete("/account/totp", headers=me).status_code == 204
    assert told() == [("credential-change", app | {"change_type": "delete"})]
    main(["user", "verify", ANN["email"], *place])
    changed = {"initiating_entity": "admin", "claims": {"email_verified": True}}
    assert told() == [("token-claims-change", changed)]
    main(["user", "role", ANN["email"], "editor", *place])
    assert told() == [("token-claims-change", changed | {"claims": {"roles": ["editor"]}})]
    main(["user", "role", ANN["email"], "editor", "--remove", *place])
    assert told() == [("token-claims-change", changed | {"claims": {"roles": []}})]
    main(["user", "metadata", ANN["email"], '{"plan": "pro"}', *place])
    assert told() == []  # nothing that this client's tokens say
    ann = ANN | {"password": "another horse battery"}
    me = bearer(api.post("/login", json=ANN).json()["token"])
    assert api.post("/account/password", json={"password": ann["password"]}, headers=me).status_code == 204
    password = {"credential_type": "password", "change_type": "update", "initiating_entity": "user"}
    assert told() == [("session-revoked", {"initiating_entity": "user"}), ("credential-change", password)]
    receiver.sign_in(ann)
    main(["user", "disable", ann["email"], *place])
    assert told() == [("account-disabled", {}), ("session-revoked", {"initiating_entity": "admin"})]
    main(["user", "enable", ann["email"], *place])
    assert told() == [("account-enabled", {})]
    receiver.sign_in(ann)
    main(["user", "delete", ann["email"], "--yes", *place])
    assert told() == [("session-revoked", {"initiating_entity": "admin"}), ("account-purged", {})]
    capsys.readouterr()


def test_operators_see_streams_and_remove_them(
    server: RunningServer, api: httpx.Client, receiver: SignalReceiver
) -> None:
    """`/admin/streams` lists what there is and how much waits; one that is removed is gone for its receiver."""
    stream_id = receiver.stream()
    receiver.party.sign_in(api)
    api.post("/logout/all", headers=bearer(api.post("/login", json=ANN).json()["token"]))
    service = add_relying_party(
        server, scope=("admin:read", "admin:write"), grant_types=("client_credentials",), metadata=ClientMetadata()
    )
    asked = {"grant_type": "client_credentials", "scope": "admin:write", **service.credentials}
    operator = bearer(api.post("/oauth/token", data=asked).json()["access_token"])
    [stream] = api.get("/admin/streams", headers=operator).json()["streams"]
    assert (stream["id"], stream["client_id"], stream["waiting"]) == (stream_id, receiver.party.id, 1)
    assert api.delete(f"/admin/streams/{stream_id}", headers=operator).status_code == 204
    assert api.delete(f"/admin/streams/{stream_id}", headers=operator).status_code == 404
    assert receiver.call("GET", "/ssf/streams", stream_id=stream_id).status_code == 404


def test_the_scopes_are_found_by_the_metadata_of_the_resource(server: RunningServer, api: httpx.Client) -> None:
    """CAEP Interoperability Profile §2.7.2: a client finds them at the protected resource (RFC 9728)."""
    metadata = api.get("/.well-known/oauth-protected-resource/ssf").json()
    assert metadata["resource"] == f"{server.url}/ssf"
    assert metadata["authorization_servers"] == [server.url]
    assert metadata["scopes_supported"] == ["ssf.manage", "ssf.read"]


def test_an_issuer_with_a_path(tmp_path: Path) -> None:
    """SSF §7.2.1: the well-known path comes between host and path, and what it names lies below the issuer."""
    port = free_port()
    with running_server(tmp_path, port=port, issuer=f"http://localhost:{port}/id") as server, server.client() as api:
        metadata = api.get("/.well-known/ssf-configuration/id").json()
        assert metadata["issuer"] == server.url
        assert metadata["configuration_endpoint"] == f"{server.url}/ssf/streams"
        assert api.get("/id/ssf/streams").status_code == 401


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_signal_has_the_algorithm_of_the_client(server: RunningServer, api: httpx.Client, alg: str) -> None:
    """CAEP Interoperability Profile §2.6 wants RS256, which ID tokens have by default; a client may choose another."""
    receiver = add_receiver(server, api, id_token_signed_response_alg="" if alg == "RS256" else alg)
    stream_id = receiver.stream()
    receiver.call("POST", "/ssf/verification", {"stream_id": stream_id})
    [token] = receiver.fetch(stream_id)["sets"].values()
    assert receiver.verified(token)
    assert jwt.peek(token).headers["alg"] == alg


BridgeKind = Literal["ssf-push", "ssf-poll"]


@pytest.mark.parametrize("kind", get_args(BridgeKind))
def test_a_bridge_takes_what_is_told(
    server: RunningServer,
    api: httpx.Client,
    receiver: SignalReceiver,
    tmp_path: Path,
    kind: Literal["ssf-push", "ssf-poll"],
) -> None:
    """`gatepass bridge`, made for other transmitters, ends the tokens of what is pushed to it, or what it fetches."""
    port = free_port()
    push = {
        "method": PUSH,
        "endpoint_url": f"http://localhost:{port}/notices/ours",
        "authorization_header": f"Bearer {BEARER}",
    }
    stream_id = receiver.stream(**(push if kind == "ssf-push" else {}))
    sent = BEARER if kind == "ssf-push" else receiver.bearer("ssf.read")["authorization"].removeprefix("Bearer ")
    (tmp_path / "bearer").write_text(sent)
    ours = TransmitterSettings(
        name="ours",
        kind=kind,
        issuer=server.url,
        audience=receiver.party.id,
        token_file=str(tmp_path / "bearer"),
        poll_url=f"{server.url}/ssf/poll/{stream_id}" if kind == "ssf-poll" else None,
    )
    known = jwt.peek(receiver.party.sign_in(api)["id_token"]).claims
    with running_bridge(tmp_path, ours, clock=server.clock, port=port) as bridge:
        api.post("/logout/all", headers=bearer(api.post("/login", json=ANN).json()["token"]))
        session = bridge.secret.digest_of_session(server.url, str(known["sid"]))
        eventually(lambda: session in bridge.entries())
        receiver.party.sign_in(api)
        main(["user", "disable", ANN["email"], *server.place])
        person = bridge.secret.digest_of_subject(server.url, str(known["sub"]))
        eventually(lambda: person in bridge.entries())
        eventually(lambda: receiver.party.read("SELECT COUNT(*) FROM signals") == 0)
