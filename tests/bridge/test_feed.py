"""The feed of a bridge as its readers have it: across restarts, gaps and an answer that a crash followed."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.bridges import SECRET, ForeignIssuer, bridge_process, bridged, judged, running_bridge, transmitters
from tests.support.ports import free_port
from tests.support.scripted_issuer import NOW, Clock
from tests.support.wait import eventually, soon

from gatepass.bridge.feed import MAX_RECENT, BridgeFeed
from gatepass.bridge.settings import BridgeSettingsError
from gatepass.bridge.shares import MAX_ENTRIES
from gatepass.bridge.store import BridgeStore
from gatepass.jose import Key, jwt
from gatepass.tokens import revocation_snapshot
from gatepass.tokens.bridge_entry import BridgeEntry, FeedSecret
from gatepass.tokens.revocation_event import Position
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """A bridge that is killed right after its answer has the entry when it is back, and the verifier learns of it."""
    port, config, data = free_port(), tmp_path / "bridge.toml", tmp_path / "data"
    url = f"http://127.0.0.1:{port}"
    (tmp_path / "secret").write_text(SECRET)
    with ForeignIssuer(clock=time.time) as issuer:
        config.write_text(
            f"""
            issuer = "{url}"
            port = {port}
            data_dir = "{data}"
            feed_secret_file = "{tmp_path}/secret"

            [[transmitters]]
            name = "logout"
            kind = "backchannel-logout"
            issuer = "{issuer.url}"
            audience = "app"
            """
        )
        now = int(time.time())
        token = issuer.access(iat=now, exp=now + 900)
        arguments: dict[str, Any] = {"feed_url": f"{url}/revocations", "feed_issuer": url, "feed_secret": SECRET}
        with bridge_process(config) as process:
            answer = httpx.post(f"{url}/notices/logout", data={"logout_token": issuer.logout_token(sid=None)})
            os.kill(process.pid, signal.SIGKILL)
            assert answer.status_code == 200
            process.wait(10)
        with (
            bridge_process(config),
            Verifier(issuer=issuer.url, audience="my-api", stale="refuse", **arguments) as verifier,
        ):
            verifier.start()
            assert judged(verifier, token) == "revoked"
            assert {path.name: oct(path.stat().st_mode)[-3:] for path in data.iterdir() if path.suffix != ".db-x"} == {
                "bridge.db": "600",
                "bridge.db-wal": "600",
                "signing-key.json": "600",
            }


def test_a_verifier_follows_across_a_restart(tmp_path: Path) -> None:
    """While the bridge is away, what was revoked stays so; when it is back, the verifier hears the next notice."""
    clock, port = Clock(), free_port()
    with ForeignIssuer(clock=clock) as issuer:
        made = transmitters(issuer.url, tmp_path)
        one, other = issuer.access(), issuer.access(sub="user_2", sid="s2", jti="t2")
        with running_bridge(tmp_path, *made, clock=clock, port=port) as bridge:
            verifier = Verifier(issuer=issuer.url, audience="my-api", clock=clock, **bridge.arguments())
            verifier.verify(one)
            assert bridge.log_out(issuer.logout_token()).status_code == 200
            soon(lambda: judged(verifier, one) == "revoked")
        with verifier:
            assert judged(verifier, one) == "revoked"
            with running_bridge(tmp_path, *made, clock=clock, port=port) as bridge:
                assert len(bridge.entries()) == 1
                assert bridge.log_out(issuer.logout_token(sub="user_2", sid=None, jti="other")).status_code == 200
                eventually(lambda: judged(verifier, other) == "revoked")
                assert judged(verifier, one) == "revoked"


def test_a_deaf_bridge_makes_the_verifier_stale(tmp_path: Path) -> None:
    """With `stale="refuse"` no token is taken when the bridge has been away for `stale_after`; with `serve` it is."""
    clock = Clock()
    with ForeignIssuer(clock=clock) as issuer:
        with running_bridge(tmp_path, *transmitters(issuer.url, tmp_path), clock=clock) as bridge:
            found = [
                Verifier(issuer=issuer.url, audience="my-api", clock=clock, stale=stale, **bridge.arguments())
                for stale in ("refuse", "serve")
            ]
            for verifier in found:
                verifier.verify(issuer.access())
        clock.advance(61)
        refuses, serves = found
        with refuses, serves:
            with pytest.raises(Exception, match="not known") as refusal:
                refuses.verify(issuer.access())
            assert getattr(refusal.value, "code", "") == "revocation_stale"
            assert not refuses.health().ready
            assert serves.verify(issuer.access()).subject == "user_1"
            assert serves.health().feed == "stale"


def test_entries_are_forgotten_when_no_token_can_live(tmp_path: Path) -> None:
    """After the longest life of a token, and the most leeway, an entry is gone: from the feed, and from the file."""
    with bridged(tmp_path, token_seconds=600) as all_:
        assert all_.bridge.log_out(all_.issuer.logout_token()).status_code == 200
        assert list(all_.bridge.entries().values()) == [[int(NOW), int(NOW) + 900]]
        issuer, clock = all_.issuer, all_.clock
        clock.advance(901)
        port = free_port()
    with running_bridge(tmp_path, *transmitters(issuer.url, tmp_path), clock=clock, port=port) as bridge:
        eventually(lambda: bridge.entries() == {})
        again = issuer.logout_token(sid=None)  # and the file takes notices on
        assert again


def feed_of(count: int) -> BridgeFeed:
    """A feed with so many entries."""
    entries = {f"{number:022}": BridgeEntry(int(NOW), int(NOW) + 86_400) for number in range(count)}
    return BridgeFeed("https://bridge.example.com", Key.generate("ES256"), entries, clock=Clock())


def test_a_full_feed_is_still_a_snapshot_that_readers_take() -> None:
    """With every entry that there may be, the snapshot is within the bound of the protocol."""
    feed = feed_of(MAX_ENTRIES)
    assert len(feed.snapshot()) <= revocation_snapshot.MAX_LENGTH


def test_a_reader_gets_what_it_missed_in_one_message() -> None:
    """From its position on; a reader that missed too much, or comes from another epoch, starts over."""
    feed = feed_of(0)
    epoch = feed.position.epoch
    for number in range(5):
        feed.add({f"d{number}": BridgeEntry(1, 2)})
    feed.add({"d0": BridgeEntry(1, 2)})  # nothing new: no event
    assert feed.position == Position(epoch, 5)
    text = feed.welcome(Position(epoch, 3)).decode()
    event = jwt.peek(next(line for line in text.splitlines() if line.startswith("data: ey")).removeprefix("data: "))
    assert event.claims["jti"] == f"{epoch}:5"
    revoked = event.claims["events"]["urn:gatepass:revoked"]
    assert (revoked["after"], set(revoked["issued_before"])) == (3, {"d3", "d4"})
    assert b"event: hello" in feed.welcome(Position(epoch, 5))
    assert b"resync" not in feed.welcome(None)
    for strange in (Position("other", 3), Position(epoch, 6)):
        assert feed.welcome(strange).startswith(b"event: resync")
    feed.add({f"many{number}": BridgeEntry(1, 2) for number in range(MAX_RECENT)})
    assert feed.welcome(Position(epoch, 4)).startswith(b"event: resync")
    assert len(feed.welcome(Position(epoch, 5))) < 512 * 1024


def test_a_full_bridge_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When there is no room, a notice about somebody new is to be sent again (503); one about a known name is taken."""
    with bridged(tmp_path, max_entries=1) as all_:
        assert all_.bridge.log_out(all_.issuer.logout_token()).status_code == 200
        full = all_.bridge.log_out(all_.issuer.logout_token(sid="other"))
        assert (full.status_code, full.headers["retry-after"]) == (503, "5")
        all_.clock.advance(5)
        assert all_.bridge.log_out(all_.issuer.logout_token()).status_code == 200
        assert all_.bridge.counts("logout") == {"taken": 2, "not_taken": 1, "full": 1}
        assert all_.bridge.read("/status").json()["shares"]["logout"] == {"entries": 1, "max_entries": 1}
    assert "a notice of logout is not taken, and what it revokes is accepted: it has 1 of the 1 entries" in caplog.text


def test_a_share_is_free_again_when_its_entries_have_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not by a restart: who entered what is stored, also beside entries of an earlier version."""
    monkeypatch.setattr("gatepass.bridge.serving._FORGET_SECONDS", 0.05)
    data = tmp_path / "bridge" / "bridge.db"
    data.parent.mkdir()
    with closing(sqlite3.connect(data)) as before:
        before.execute(
            "CREATE TABLE entries (digest TEXT PRIMARY KEY, before INTEGER NOT NULL, until INTEGER NOT NULL)"
            " STRICT, WITHOUT ROWID"
        )
        before.execute("INSERT INTO entries VALUES ('of-an-earlier-version', ?, ?)", (int(NOW), int(NOW) + 100))
        before.commit()
    clock = Clock()
    with ForeignIssuer(clock=clock) as issuer:
        made = transmitters(issuer.url, tmp_path, max_entries=1, token_seconds=600)
        with running_bridge(tmp_path, *made, clock=clock) as bridge:
            assert bridge.log_out(issuer.logout_token()).status_code == 200
            assert "of-an-earlier-version" in bridge.entries()
        with running_bridge(tmp_path, *made, clock=clock) as bridge:
            assert bridge.log_out(issuer.logout_token(sid="other")).status_code == 503
            clock.advance(600 + 301)
            eventually(lambda: bridge.entries() == {})
            assert bridge.log_out(issuer.logout_token(sid="other")).status_code == 200


def test_one_process_has_the_data(tmp_path: Path) -> None:
    """A second bridge with the same folder does not start, nor one with another secret."""
    store = BridgeStore(tmp_path, FeedSecret(SECRET))
    with pytest.raises(BridgeSettingsError, match="cannot be opened"):
        BridgeStore(tmp_path, FeedSecret(SECRET))
    store.close()
    with pytest.raises(BridgeSettingsError, match="another feed secret"):
        BridgeStore(tmp_path, FeedSecret(SECRET + "x"))
    BridgeStore(tmp_path, FeedSecret(SECRET)).close()


def test_a_bridge_without_its_disk_takes_no_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be stored is not acknowledged (503), and not published; heartbeats say how old its reading is."""
    opened: list[BridgeStore] = []
    made = BridgeStore.__init__

    def noted(self: BridgeStore, folder: Path, secret: FeedSecret) -> None:
        made(self, folder, secret)
        opened.append(self)

    monkeypatch.setattr(BridgeStore, "__init__", noted)
    with bridged(tmp_path) as all_:
        soon(lambda: all_.verifier.health().feed == "live")
        opened[0]._connection.close()
        assert all_.bridge.log_out(all_.issuer.logout_token()).status_code == 503
        assert all_.bridge.entries() == {}
        assert all_.judge(all_.issuer.access()) == "good"
        all_.clock.advance(61)
        eventually(lambda: all_.verifier.health().feed == "stale")
