"""Operators manage webhooks by HTTP and in the console: the same acts as the command line's."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks.webhooks import Webhook as Receiver
from tests.stories.test_console import OLGA, olga
from tests.support.commands import add_client
from tests.support.events import all_events
from tests.support.factors import bearer
from tests.support.pages import Browser
from tests.support.scripted_site import ScriptedSite
from tests.support.server import SettableClock, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.operators import OperatorInPerson
    from tests.support.server import RunningServer

__all__ = ["olga"]  # a fixture
PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for all of these, with the time that receivers have: they refuse old messages."""
    data, clock = tmp_path_factory.mktemp("webhooks") / "data", SettableClock(time.time())
    with running_server(data, clock, is_awaited=False) as running:
        yield running


@pytest.fixture
def site() -> Generator[ScriptedSite]:
    """A receiver, which takes everything."""
    with ScriptedSite() as site:
        site.put("/hook", b"", status=204)
        yield site


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client with the rights of operators."""
    client = add_client(server, "ops", "--scope", "admin:read", "--scope", "admin:write")
    with server.client() as api:
        form = {"grant_type": "client_credentials", "scope": "admin:write"}
        token = api.post("/oauth/token", data=form, headers=client.basic).json()["access_token"]
        api.headers.update(bearer(token))
        yield api


def add(api: httpx.Client, url: str, *events: str) -> dict[str, Any]:
    """Add a webhook: its resource, and its secret."""
    made = api.post("/admin/webhooks", json={"url": url, "events": list(events)})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def test_a_webhook_from_its_making_to_its_end(server: RunningServer, api: httpx.Client, site: ScriptedSite) -> None:
    """Made, told, tested, changed, given another secret and removed; each is an event with its actor."""
    made = add(api, f"{site.url}/hook", "user.created")
    path, first = f"/admin/webhooks/{made['webhook']['id']}", made["secret"]
    assert made["webhook"] in api.get("/admin/webhooks").json()["webhooks"]
    assert api.get(path).json() == made["webhook"]
    body = {"email": "told@example.test", "password": PASSWORD}
    user_id = api.post("/admin/users", json=body).json()["id"]
    eventually(lambda: len(site.asked) == 1)
    assert Receiver(first).verify(site.asked[0].body, site.asked[0].headers)["data"]["user_id"] == user_id

    rotated = api.post(f"{path}/secret")
    assert rotated.status_code == 200, rotated.text
    queued = api.post(f"{path}/test")
    assert queued.status_code == 202, queued.text
    eventually(lambda: len(site.asked) == 2)
    assert site.asked[1].headers["webhook-id"] == queued.json()["delivery_id"]
    for secret in (first, rotated.json()["secret"]):
        assert Receiver(secret).verify(site.asked[1].body, site.asked[1].headers)["type"] == "webhook.test"

    changed = api.patch(path, json={"events": ["user.disabled"], "url": f"{site.url}/other"})
    assert (changed.json()["events"], changed.json()["url"]) == (["user.disabled"], f"{site.url}/other")
    site.put("/other", b"", status=204)
    api.patch(f"/admin/users/{user_id}", json={"disabled": True})
    eventually(lambda: site.times("/other") == 1)

    assert api.delete(path).status_code == 204
    assert (api.get(path).status_code, api.get(path).json()["code"]) == (404, "webhook_not_found")
    kinds = [event.kind for event in all_events(server) if event.reason == made["webhook"]["id"]]
    assert kinds == [
        "webhook_added",
        "webhook_secret_rotated",
        "webhook_tested",
        "webhook_changed",
        "webhook_removed",
    ]
    (actor,) = {event.actor for event in all_events(server) if event.reason == made["webhook"]["id"]}
    assert actor.startswith("cli_")


def test_deliveries_are_listed_by_pages_and_sent_again(
    server: RunningServer, api: httpx.Client, site: ScriptedSite, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is on one page, newest first; one that failed says how, `gatepass doctor` too, until it is delivered."""
    site.put("/hook", b"a secret of the network", status=503)
    webhook_id = add(api, f"{site.url}/hook", "user.created")["webhook"]["id"]
    path = f"/admin/webhooks/{webhook_id}"
    queued = [api.post(f"{path}/test").json()["delivery_id"] for _ in range(3)]
    eventually(lambda: len(site.asked) == 3)

    def pages() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = api.get(f"{path}/deliveries", params={"limit": 2, "cursor": cursor}).json()
            found += page["deliveries"]
            cursor = page["next"]
        return found

    eventually(lambda: all(each["error"] for each in pages()))
    assert [each["id"] for each in pages()] == queued[::-1]
    assert {(each["event"], each["status"], each["error"], each["tries"]) for each in pages()} == {
        ("webhook.test", "waiting", "status_503", 1)
    }
    main(["doctor", *server.place])
    assert f"{webhook_id} lacks 3" in capsys.readouterr().out
    assert "secret of the network" not in json.dumps(pages())

    site.put("/hook", b"", status=204)
    for delivery_id in queued:
        assert api.post(f"{path}/deliveries/{delivery_id}/repeat").status_code == 202
    eventually(lambda: {each["status"] for each in pages()} == {"delivered"})
    other = add(api, f"{site.url}/hook", "user.created")["webhook"]["id"]
    for wrong in (f"/admin/webhooks/{other}/deliveries/{queued[0]}/repeat", f"{path}/deliveries/msg_none/repeat"):
        assert api.post(wrong).json()["code"] == "delivery_not_found"
    for cursor in ("x", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"):
        assert api.get(f"{path}/deliveries", params={"cursor": cursor}).json()["code"] == "invalid_query"


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://shop.example.com/", "events": ["user.created"]},
        {"url": "https://shop.example.com/", "events": []},
        {"url": "https://shop.example.com/", "events": ["user.exploded"]},
        {"url": "https://me:secret@shop.example.com/", "events": ["user.created"]},
        {"url": "ftp://shop.example.com/", "events": ["user.created"]},
    ],
    ids=["in the clear", "of nothing", "of what there is not", "with a password", "by another protocol"],
)
def test_what_could_never_be_told_is_refused(api: httpx.Client, body: dict[str, object]) -> None:
    """When it is added, and when it is changed."""
    added = api.post("/admin/webhooks", json=body)
    assert (added.status_code, added.json()["code"]) == (422, "invalid_webhook")
    webhook_id = add(api, "https://shop.example.com/", "user.created")["webhook"]["id"]
    assert api.patch(f"/admin/webhooks/{webhook_id}", json=body).json()["code"] == "invalid_webhook"


def test_a_secret_is_shown_once(api: httpx.Client) -> None:
    """No read has it, and an idempotent repeat of the call that made it has none."""
    key = {"idempotency-key": "add-once"}
    body = {"url": "https://shop.example.com/", "events": ["user.created"]}
    first, again = (api.post("/admin/webhooks", json=body, headers=key) for _ in range(2))
    assert first.json()["webhook"] == again.json()["webhook"]
    secret = first.json()["secret"]
    path = f"/admin/webhooks/{first.json()['webhook']['id']}"
    reads = [again, *(api.get(each) for each in ("/admin/webhooks", path, f"{path}/deliveries", "/admin/events"))]
    assert all(secret not in read.text and read.status_code < 400 for read in reads)


def test_the_console_has_the_same_acts(server: RunningServer, olga: OperatorInPerson, site: ScriptedSite) -> None:
    """Without scripts: add one, see its secret once, test it, send that again, remove it."""
    with Browser(server) as browser:
        browser.sign_in(OLGA)
        assert browser.post("/pages/login/factor", code=olga.app.next_code()).status_code == 303
        wrong = browser.post("/pages/admin/webhooks", url=f"{site.url}/hook", events="user.exploded")
        assert "user.exploded" in wrong.text
        made = browser.post("/pages/admin/webhooks", url=f"{site.url}/hook", events="user.created user.deleted")
        found = re.search(r"<code>(whsec_[\w+/=]+)</code>", made.text)
        assert found is not None, made.text
        listed = browser.get("/pages/admin/webhooks").text
        linked = re.search(rf'/admin/webhook\?id=(whk_\w+)">{re.escape(site.url)}/hook', listed)
        assert linked is not None, listed
        at = f"/pages/admin/webhook?id={linked[1]}"
        assert found[1] not in browser.get(at).text
        assert browser.post("/pages/admin/webhook/test", at=at, id=linked[1]).status_code == 303
        eventually(lambda: len(site.asked) == 1)
        Receiver(found[1]).verify(site.asked[0].body, site.asked[0].headers)
        eventually(lambda: "delivered" in browser.get(at).text)
        delivery = re.search(r'name="delivery" value="(msg_\w+)"', browser.get(at).text)
        assert delivery is not None
        form = {"id": linked[1], "delivery": delivery[1]}
        assert browser.post("/pages/admin/webhook/repeat", at=at, **form).status_code == 303
        eventually(lambda: len(site.asked) == 2)
        rotated = browser.post("/pages/admin/webhook/secret", at=at, id=linked[1])
        assert re.search(r"<code>whsec_[\w+/=]+</code>", rotated.text)
        assert browser.post("/pages/admin/webhook/remove", at=at, id=linked[1]).status_code == 303
        assert linked[1] not in browser.get("/pages/admin/webhooks").text
    assert {event.actor for event in all_events(server) if event.reason == linked[1]} == {olga.id}
