"""An agent's delegation: random trees of exchanged tokens, in which exchanging races with revoking.

Nothing that a token is exchanged for is wider than it; whatever ends a grant leaves no survivor among the tokens that
came of it; and no token of another tree dies with it.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.stories.test_token_exchange import ORDERS, exchange, service
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN

from gatepass.jose import jwt

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

SCOPES = ("read", "write")
TREES, TOKENS_OF_A_TREE = 4, 18
"""Trees in a round, and tries to let each grow."""


class Token(NamedTuple):
    """A token in a tree."""

    text: str
    tree: int
    depth: int

    @property
    def claims(self) -> dict[str, Any]:
        """What it says."""
        return dict(jwt.peek(self.text).claims)


def grow(api: httpx.Client, services: list[RelyingParty], tree: list[Token], seed: int) -> None:
    """Exchange tokens of a tree, some for fewer scopes, for as long as it lives."""
    chance = random.Random(seed)  # noqa: S311 - a test that can be repeated
    for _ in range(TOKENS_OF_A_TREE):
        parent = chance.choice(tree)
        wanted = {"scope": "read"} if chance.random() < 0.3 else {}
        answer = exchange(api, chance.choice(services), parent.text, resource=ORDERS, **wanted)
        if answer.status_code == 200:
            tree.append(Token(answer.json()["access_token"], parent.tree, parent.depth + 1))
            check_narrower(parent, tree[-1])
        else:
            assert answer.json()["error"] in ("invalid_request", "invalid_scope"), answer.text


def check_narrower(parent: Token, child: Token) -> None:
    """A child has no scope, no time and no depth that its parent did not have."""
    before, after = parent.claims, child.claims
    assert set(after.get("scope", "").split()) <= set(before.get("scope", "").split())
    assert after["exp"] <= before["exp"]
    assert (after["sub"], after["status"]) == (before["sub"], before["status"])
    assert child.depth <= 4


@pytest.mark.soak
def test_trees_end_whole_and_alone(
    server: RunningServer, api: httpx.Client, effort: int, record_property: Callable[[str, object], None]
) -> None:
    """Half of the trees are cut while all of them grow: none of theirs is left, and every other token lives."""
    assert api.post("/signup", json=ANN).status_code == 201
    shop = add_relying_party(server, audience=(ORDERS,), scope=SCOPES)
    services = [service(server, ORDERS, ORDERS) for _ in range(3)]
    exchanged = 0
    for number in range(effort**2):  # some 10⁵ tokens at full size
        tokens = [shop.sign_in(api) for _ in range(TREES)]
        trees = [[Token(each["access_token"], tree, 0)] for tree, each in enumerate(tokens)]
        with ThreadPoolExecutor(TREES + 1) as threads:
            growing = [threads.submit(grow, api, services, tree, number * TREES + at) for at, tree in enumerate(trees)]
            cutting = threads.submit(cut, api, shop, [each["refresh_token"] for each in tokens[: TREES // 2]])
            for done in (*growing, cutting):
                done.result()
        for tree, grown in enumerate(trees):
            alive = {is_active(api, services[0], token.text) for token in grown}
            assert alive == {tree >= TREES // 2}, (number, tree)
            exchanged += len(grown) - 1
    record_property("figures", f"{effort**2 * TREES:,} trees, half of them cut; {exchanged:,} exchanged tokens")


def cut(api: httpx.Client, shop: RelyingParty, refresh_tokens: list[str]) -> None:
    """Revoke the grants that trees have come of."""
    for token in refresh_tokens:
        assert api.post("/oauth/revoke", data={"token": token, **shop.credentials}).status_code == 200


def is_active(api: httpx.Client, party: RelyingParty, token: str) -> bool:
    """Whether the server takes a token for good."""
    return bool(api.post("/oauth/introspect", data={"token": token, **party.credentials}).json()["active"])
