"""Attacks with an operator's token in another person's name: it outlives them, grows, or passes for a sign-in."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.support.commands import add_client
from tests.support.factors import bearer, finish, sign_in
from tests.support.operators import add_operator
from tests.support.server import OUTBOX, running_server
from tests.support.wait import eventually

from gatepass.jose import JoseError, jwt
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.commands import Registered
    from tests.support.operators import OperatorInPerson
    from tests.support.server import RunningServer

IMPERSONATE = "admin:impersonate"


class Scene(NamedTuple):
    """An operator's token for impersonation, a person who is signed in, and a verifier of the API."""

    server: RunningServer
    api: httpx.Client
    verifier: Verifier
    operator: OperatorInPerson
    operator_token: str
    person: dict[str, str]
    person_token: str
    person_id: str

    def impersonate(self, **body: object) -> httpx.Response:
        """Ask for a token in the person's name."""
        return self.impersonate_who(self.person_id, **body)

    def impersonate_who(self, user_id: str, **body: object) -> httpx.Response:
        """Ask for one in anybody's name."""
        asked = {"audience": "orders"} | body
        return self.api.post(f"/admin/users/{user_id}/impersonate", json=asked, headers=bearer(self.operator_token))

    def token(self) -> str:
        """One in the person's name."""
        answer = self.impersonate()
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["token"]
        return token

    def verifies(self, token: str) -> bool:
        """Whether the API takes it."""
        try:
            self.verifier.verify(token)
        except JoseError as error:
            if error.code != "revoked":
                raise
            return False
        return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for all of these, with two APIs beside the issuer."""
    data = tmp_path_factory.mktemp("impersonation") / "data"
    with running_server(
        data, audience=("orders", "billing"), scopes=("orders:read", "openid"), impersonation=True
    ) as running:
        yield running


@pytest.fixture(scope="module")
def verifier(server: RunningServer) -> Generator[Verifier]:
    """The verifier of one of them, which follows the feed."""
    with Verifier(issuer=server.url, audience="orders", clock=server.clock) as verifier:
        yield verifier


@pytest.fixture
def scene(server: RunningServer, verifier: Verifier) -> Generator[Scene]:
    """Everybody."""
    operator = add_operator(server, f"{secrets.token_hex(4)}@ops.test")
    person = {"email": f"{secrets.token_hex(4)}@example.test", "password": "correct horse battery"}
    with server.client() as api:
        person_id = api.post("/signup", json=person).json()["id"]
        token = sign_in(api, person).json()["token"]
        right = operator.token(api, IMPERSONATE)
        yield Scene(server, api, verifier, operator, right, person, token, person_id)


def test_it_says_who_acts_and_proves_no_sign_in(scene: Scene) -> None:
    """It is the person's, names the operator, is for one API, lives 15 minutes at most, and has no `amr` or `acr`."""
    answer = scene.impersonate(scope="orders:read").json()
    assert "refresh_token" not in answer
    assert answer["expires_in"] == 900
    claims = jwt.peek(answer["token"]).claims
    assert (claims["sub"], claims["act"]) == (scene.person_id, {"sub": scene.operator.id})
    assert (claims["aud"], claims["scope"]) == ("orders", "orders:read")
    assert not {"amr", "acr", "auth_time"} & set(claims)
    assert scene.verifier.verify(answer["token"]).subject == scene.person_id


def test_it_opens_nothing_at_this_server(scene: Scene) -> None:
    """Neither the person's account nor the operators' calls, and it ends no session."""
    token = scene.token()
    for method, path in (("GET", "/me"), ("GET", "/sessions"), ("POST", "/logout/all"), ("GET", "/admin/users")):
        assert scene.api.request(method, path, headers=bearer(token)).status_code == 401, path
    assert scene.verifies(token)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"audience": "ISSUER"}, "invalid_audience"),
        ({"audience": "ISSUER/admin"}, "invalid_audience"),
        ({"audience": "nowhere"}, "invalid_audience"),
        ({"scope": "admin:read"}, "invalid_audience"),
        ({"scope": IMPERSONATE}, "invalid_audience"),
        ({"scope": "gatepass:account"}, "invalid_scope"),
    ],
)
def test_no_right_at_this_server_is_asked_for(scene: Scene, asked: dict[str, str], code: str) -> None:
    """The issuer is no audience, and its scopes are none."""
    body = {name: value.replace("ISSUER", scene.server.url) for name, value in asked.items()}
    assert scene.impersonate(**body).json()["code"] == code


def test_it_is_not_exchanged(scene: Scene) -> None:
    """A service that it was sent to gets no token of its own for it, with which the end would be further away."""
    service = add_client(
        scene.server, "orders", "--grant", "urn:ietf:params:oauth:grant-type:token-exchange", "--audience", "orders",
        "--exchange-audience", "billing",
    )  # fmt: skip
    assert exchange(scene.api, service, scene.person_token).status_code == 200
    refused = exchange(scene.api, service, scene.token())
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


def exchange(api: httpx.Client, service: Registered, token: str) -> httpx.Response:
    """Let a service trade a token that it was sent."""
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    }
    return api.post("/oauth/token", data=form, headers=service.basic)


def test_operators_are_not_impersonated(scene: Scene) -> None:
    """Not even by one another."""
    other = add_operator(scene.server, f"{secrets.token_hex(4)}@ops.test")
    refused = scene.impersonate_who(other.id)
    assert (refused.status_code, refused.json()["code"]) == (403, "operator_protected")


def test_other_rights_do_not_impersonate(scene: Scene) -> None:
    """Who may change everything may not act in others' names, and no client can ever."""
    token = scene.operator.token(scene.api)
    refused = scene.api.post(
        f"/admin/users/{scene.person_id}/impersonate", json={"audience": "orders"}, headers=bearer(token)
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    with pytest.raises(SystemExit):
        add_client(scene.server, "ops", "--scope", IMPERSONATE)


def test_where_it_is_off_the_right_is_not_given(server: RunningServer, scene: Scene) -> None:
    """It is off by default: neither is the scope given, nor is a token that has it already of use."""
    off = running_server(
        Path(server.settings.data_dir),
        server.clock,
        issuer=server.url,
        audience=("orders", "billing"),
        scopes=("openid",),
    )
    with off as elsewhere, elsewhere.client() as api:
        refused = finish_or_refusal(api, scene)
        assert refused.json()["code"] == "invalid_scope"
        late = api.post(
            f"/admin/users/{scene.person_id}/impersonate",
            json={"audience": "orders"},
            headers=bearer(scene.operator_token),
        )
        assert (late.status_code, late.json()["code"]) == (403, "impersonation_off")


def finish_or_refusal(api: httpx.Client, scene: Scene) -> httpx.Response:
    """Ask for the right."""
    answer = sign_in(api, scene.operator.credentials, scope=IMPERSONATE)
    is_due = answer.json()["code"] == "second_factor_required"
    return finish(api, answer, code=scene.operator.app.next_code()) if is_due else answer


def test_the_person_is_told(scene: Scene) -> None:
    """By mail, in their events, and among their sessions, where they can end it."""
    token = scene.token()
    assert "acted on your behalf" in scene.api.get(OUTBOX, headers={"host": scene.server.url.partition("//")[2]}).text
    events = scene.api.get("/account/events", headers=bearer(scene.person_token)).json()["events"]
    assert ("impersonated", "orders") in [(each["kind"], each["reason"]) for each in events]
    (shown,) = (
        each
        for each in scene.api.get("/sessions", headers=bearer(scene.person_token)).json()["sessions"]
        if each["kind"] == "impersonation"
    )
    assert scene.api.delete(f"/sessions/{shown['id']}", headers=bearer(scene.person_token)).status_code == 204
    eventually(lambda: not scene.verifies(token))


def administer(scene: Scene, boss: OperatorInPerson, user_id: str, method: str, path: str, body: object) -> None:
    """Let another operator do something to one of them."""
    headers = bearer(boss.token(scene.api))
    answer = scene.api.request(method, f"/admin/users/{user_id}{path}", json=body, headers=headers)
    assert answer.status_code in (200, 204), answer.text


EVENTS: dict[str, tuple[str, str, object]] = {
    "signed out": ("DELETE", "/sessions", None),
    "loses a role": ("PATCH", "", {"roles": []}),
    "is disabled": ("PATCH", "", {"disabled": True}),
    "is deleted": ("DELETE", "", None),
}


@pytest.fixture(scope="module")
def boss(server: RunningServer) -> OperatorInPerson:
    """Another operator."""
    return add_operator(server, "boss@ops.test")


@pytest.mark.parametrize("later", [0, 600], ids=["at once", "after the operator's own token has expired"])
@pytest.mark.parametrize("whose", ["operator", "person"])
@pytest.mark.parametrize("event", EVENTS)
def test_ending_either_sign_in_ends_it(
    scene: Scene, boss: OperatorInPerson, event: str, whose: str, later: int
) -> None:
    """The kill matrix for both people: it is refused offline, too when the operator's five minutes are over."""
    administer(scene, boss, scene.person_id, "PATCH", "", {"roles": ["buyer"]})
    token = scene.token()
    scene.server.clock.advance(later)
    assert scene.verifies(token)
    administer(scene, boss, scene.operator.id if whose == "operator" else scene.person_id, *EVENTS[event])
    eventually(lambda: not scene.verifies(token))


def test_signing_out_ends_it(scene: Scene) -> None:
    """The operator ends the session of the right, the person all of theirs: each in their own account."""
    first = scene.token()
    mine = finish(scene.api, sign_in(scene.api, scene.operator.credentials), code=scene.operator.app.next_code()).json()
    right = jwt.peek(scene.operator_token).claims["sid"]
    assert scene.api.delete(f"/sessions/{right}", headers=bearer(mine["token"])).status_code == 204
    eventually(lambda: not scene.verifies(first))
    assert scene.impersonate().json()["code"] == "invalid_token"
    scene = scene._replace(operator_token=scene.operator.token(scene.api, IMPERSONATE))
    second = scene.token()
    assert scene.verifies(second)
    assert scene.api.post("/logout/all", headers=bearer(scene.person_token)).status_code == 204
    eventually(lambda: not scene.verifies(second))
