"""Token exchange (RFC 8693): services act for who called them, with less and less, and it ends with the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_dpop import OWNERS, Prover
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.features.oauth.token.token_exchange import ACCESS_TOKEN, GRANT_TYPE

if TYPE_CHECKING:
    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer, SettableClock

ORDERS, STOCK, BANK = "https://orders.test", "https://stock.test", "https://bank.test"


def service(server: RunningServer, own: str, *targets: str, **rules: Any) -> RelyingParty:  # noqa: ANN401 - rules
    """A service with an API of its own, which may exchange tokens for others'."""
    return add_relying_party(
        server,
        audience=(own,),
        scope=("read", "write"),
        grant_types=(GRANT_TYPE, "client_credentials"),
        metadata=ClientMetadata(),
        rules=ClientRules(consent="never", exchange_audience=targets, **rules),
    )


@pytest.fixture
def shop(server: RunningServer, api: httpx.Client) -> RelyingParty:
    """The application that Ann signs in to."""
    assert api.post("/signup", json=ANN).status_code == 201
    return add_relying_party(server, audience=(ORDERS,), scope=("read", "write", "admin"))


@pytest.fixture
def orders(server: RunningServer) -> RelyingParty:
    """The service that it calls."""
    return service(server, ORDERS, STOCK, BANK)


def exchange(api: httpx.Client, party: RelyingParty, token: str, **form: Any) -> httpx.Response:  # noqa: ANN401
    """Exchange a token."""
    usual = {"grant_type": GRANT_TYPE, "subject_token": token, "subject_token_type": ACCESS_TOKEN, "resource": STOCK}
    headers = form.pop("headers", {})
    sent = {name: value for name, value in {**usual, **party.credentials, **form}.items() if value is not None}
    return api.post("/oauth/token", data=sent, headers=headers)


def claims(answer: httpx.Response) -> dict[str, Any]:
    """What the new token says."""
    assert answer.status_code == 200, answer.text
    return dict(jwt.peek(answer.json()["access_token"]).claims)


def active(api: httpx.Client, party: RelyingParty, token: str) -> bool:
    """Whether a token is good."""
    asked = api.post("/oauth/introspect", data={"token": token, **party.credentials})
    return bool(asked.json()["active"])


def test_a_service_acts_for_who_called_it(
    server: RunningServer, api: httpx.Client, shop: RelyingParty, orders: RelyingParty
) -> None:
    """Same person, narrower, for the other API, no longer alive, and it says who acts; no refresh token."""
    first = shop.sign_in(api)["access_token"]
    answer = exchange(api, orders, first)
    assert answer.json()["issued_token_type"] == ACCESS_TOKEN
    assert "refresh_token" not in answer.json()
    before, after = dict(jwt.peek(first).claims), claims(answer)
    assert (after["sub"], after["sid"], after["status"]) == (before["sub"], before["sid"], before["status"])
    assert (after["aud"], after["client_id"], after["act"]) == (STOCK, orders.id, {"sub": orders.id})
    assert after["scope"] == "read write"
    assert after["exp"] <= before["exp"]
    stock = service(server, STOCK, BANK)
    further = claims(exchange(api, stock, answer.json()["access_token"], resource=BANK, scope="read"))
    assert further["act"] == {"sub": stock.id, "act": {"sub": orders.id}}
    assert further["scope"] == "read"
    assert claims(exchange(api, orders, first, resource=f"{STOCK}/"))["aud"] == STOCK


@pytest.mark.parametrize("end", ["logout", "reuse"])
def test_the_whole_tree_ends_with_the_first(
    server: RunningServer, api: httpx.Client, shop: RelyingParty, orders: RelyingParty, end: str
) -> None:
    """One cut kills what came of it, and nobody remembers what did."""
    tokens = shop.sign_in(api)
    stock, bank = service(server, STOCK, BANK), service(server, BANK)
    second = exchange(api, orders, tokens["access_token"]).json()["access_token"]
    third = exchange(api, stock, second, resource=BANK).json()["access_token"]
    assert active(api, stock, second)
    assert active(api, bank, third)
    what = tokens["refresh_token"] if end == "logout" else tokens["access_token"]
    assert api.post("/oauth/revoke", data={"token": what, **shop.credentials}).status_code == 200
    assert not active(api, stock, second)
    assert not active(api, bank, third)
    assert exchange(api, orders, tokens["access_token"]).json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "words", [("disable",), ("remove",), ("rotate-secret",), ("edit", "--exchange-audience", BANK)]
)
def test_a_service_that_is_cut_off(
    server: RunningServer, api: httpx.Client, shop: RelyingParty, orders: RelyingParty, words: tuple[str, ...]
) -> None:
    """What it has exchanged dies with it, and what others have exchanged that for; the person's own token lives."""
    first = shop.sign_in(api)["access_token"]
    stock, bank = service(server, STOCK, BANK), service(server, BANK)
    second = exchange(api, orders, first).json()["access_token"]
    third = exchange(api, stock, second, resource=BANK).json()["access_token"]
    beside = exchange(api, service(server, ORDERS, STOCK), first).json()["access_token"]
    assert claims(exchange(api, stock, second, resource=BANK))["status"] == jwt.peek(first).claims["status"]
    what, *options = words
    main(["client", what, orders.id, *options, *server.place])
    eventually(lambda: not active(api, stock, second))
    assert not active(api, bank, third)
    assert exchange(api, stock, second, resource=BANK).json()["error"] == "invalid_request"
    assert active(api, stock, beside)
    assert active(api, shop, first)


def test_an_exchanged_token_is_revoked_alone(
    server: RunningServer, api: httpx.Client, shop: RelyingParty, orders: RelyingParty
) -> None:
    """Its holder gives it up, and neither the person nor another service loses anything."""
    first = shop.sign_in(api)["access_token"]
    stock = service(server, STOCK)
    one, other = (exchange(api, orders, first).json()["access_token"] for _ in range(2))
    assert api.post("/oauth/revoke", data={"token": one, **orders.credentials}).status_code == 200
    assert not active(api, stock, one)
    assert active(api, stock, other)
    assert active(api, orders, first)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token": "nonsense"}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token": "nonsense"}, "invalid_request"),
        ({"actor_token": "nonsense", "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({"resource": "https://elsewhere.test"}, "invalid_target"),
        ({"resource": None}, "invalid_target"),
        ({"scope": "admin"}, "invalid_scope"),
    ],
)
def test_what_is_refused(
    api: httpx.Client, shop: RelyingParty, orders: RelyingParty, form: dict[str, str | None], error: str
) -> None:
    """RFC 8693 §2.2.2; two targets, so one has to be named."""
    answer = exchange(api, orders, shop.sign_in(api)["access_token"], **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_whoever_sees_a_token_cannot_trade_it(
    server: RunningServer, api: httpx.Client, shop: RelyingParty, orders: RelyingParty
) -> None:
    """It has to be for the service's own API; and a client without the grant trades nothing."""
    first = shop.sign_in(api)["access_token"]
    assert exchange(api, service(server, BANK, STOCK), first).json()["error"] == "invalid_request"
    assert exchange(api, shop, first).json()["error"] == "unauthorized_client"
    homeless = add_relying_party(
        server, grant_types=(GRANT_TYPE,), rules=ClientRules(consent="never", exchange_audience=(STOCK,))
    )
    for_the_issuer = api.post("/login", json=ANN).json()["token"]
    assert exchange(api, homeless, for_the_issuer).json()["error"] == "invalid_request"
    assert exchange(api, orders, first).status_code == 200


def test_actors_are_four_at_most(server: RunningServer, api: httpx.Client, shop: RelyingParty) -> None:
    """Each one more is one more that acts in a person's name."""
    ring = [service(server, ORDERS, ORDERS) for _ in range(5)]
    token = shop.sign_in(api)["access_token"]
    for each in ring[:4]:
        token = exchange(api, each, token, resource=ORDERS).json()["access_token"]
    assert exchange(api, ring[4], token, resource=ORDERS).json()["error"] == "invalid_request"


def test_an_actor_token_is_the_clients_own(api: httpx.Client, shop: RelyingParty, orders: RelyingParty) -> None:
    """Who acts can be named by a token, but by nobody else's."""
    form = {"grant_type": "client_credentials", **orders.credentials}
    own = api.post("/oauth/token", data=form).json()["access_token"]
    first = shop.sign_in(api)["access_token"]
    acted = claims(exchange(api, orders, first, actor_token=own, actor_token_type=ACCESS_TOKEN))
    assert acted["act"] == {"sub": orders.id}
    assert len(acted["act_status"]) == 1
    stolen = exchange(api, orders, first, actor_token=first, actor_token_type=ACCESS_TOKEN)
    assert stolen.json()["error"] == "invalid_request"


def test_what_is_exchanged_dies_with_whom_it_acts_for(
    server: RunningServer, api: httpx.Client, shop: RelyingParty
) -> None:
    """The token ends with the sign-in of its actor, too, and so does what is made of it."""
    desk = add_relying_party(
        server,
        audience=(ORDERS,),
        scope=("read",),
        grant_types=(GRANT_TYPE, "authorization_code", "refresh_token"),
        rules=ClientRules(consent="never", exchange_audience=(STOCK,)),
    )
    agent = desk.sign_in(api)
    first = shop.sign_in(api)["access_token"]
    acting = {"actor_token": agent["access_token"], "actor_token_type": ACCESS_TOKEN}
    second = exchange(api, desk, first, **acting).json()["access_token"]
    stock = service(server, STOCK, BANK)
    third = exchange(api, stock, second, resource=BANK).json()["access_token"]
    assert (active(api, stock, second), active(api, service(server, BANK), third)) == (True, True)
    assert len(jwt.peek(second).claims["act_status"]) == 2
    revoked = api.post("/oauth/revoke", data={"token": agent["refresh_token"], **desk.credentials})
    assert revoked.status_code == 200
    assert (active(api, stock, second), active(api, service(server, BANK), third)) == (False, False)
    assert active(api, shop, first)


def test_leaving_out_who_acts_is_the_operators_to_allow(
    server: RunningServer, api: httpx.Client, shop: RelyingParty
) -> None:
    """Impersonation: only with a flag that no client can set, and it is recorded."""
    trusted = service(server, ORDERS, STOCK, may_impersonate=True)
    assert "act" not in claims(exchange(api, trusted, shop.sign_in(api)["access_token"]))
    assert shop.read("SELECT actor FROM events WHERE kind = ?1", "impersonated") == trusted.id


def test_bound_never_becomes_bearer(
    server: RunningServer, api: httpx.Client, shop: RelyingParty, orders: RelyingParty
) -> None:
    """A token that is bound to a key is exchanged for one that is bound to the service's."""
    prove = Prover(server, OWNERS)
    bound = api.post("/login", json={**ANN, "client_id": shop.id}, headers=prove("/login")).json()["token"]
    assert exchange(api, orders, bound).json()["error"] == "invalid_request"
    again = exchange(api, orders, bound, headers=prove("/oauth/token"))
    assert again.json()["token_type"] == "DPoP"
    assert claims(again)["cnf"] == {"jkt": OWNERS.thumbprint()}


def test_it_lives_no_longer_than_the_first(
    api: httpx.Client, shop: RelyingParty, orders: RelyingParty, clock: SettableClock
) -> None:
    """RFC 8693 §2.2.1: late exchanges are short ones."""
    first = shop.sign_in(api)["access_token"]
    clock.advance(800)
    assert claims(exchange(api, orders, first))["exp"] == jwt.peek(first).claims["exp"]
