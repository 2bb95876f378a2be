"""Which passwords are taken, and the look-up of leaked ones against a server that does what the test says."""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.support.server import ANN, running_server

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.passwords.common import common_passwords
from gatepass.server.domain.credentials.passwords.leaked import DEADLINE_SECONDS, LeakedPasswordRanges
from gatepass.server.domain.credentials.passwords.policy import check_new_password

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

PASSWORD = "quite good words of one's own"
DIGEST = hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).hexdigest().upper()
KNOWN = ("ann.lovelace@example.test", "https://auth.example.test")


@pytest.mark.parametrize(
    "password",
    [
        "manchesterunited",
        "MANCHESTERUNITED",
        "passwordpassword",
        "sunshine20261124!",
        "!!!!!!!!monkey!!",
        "aaaaaaaaaaaaaaaaaaaa",
        "1234567890123456",
        "qwertyuiopasdfghjkl",
        "abcdefghijklmnopqrstu",
        "ann.lovelace2026",
        "lovelace-lovelace",
        "auth.example.test",
    ],
)
def test_what_is_tried_first_is_refused(password: str) -> None:
    """Listed, repeated, padded, along the keyboard, or made of what everybody knows of the person."""
    with pytest.raises(Refusal) as refused:
        check_new_password(password, min_length=15, context=KNOWN)
    assert refused.value.code == "password_too_common"


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "lovelace sings at the station",
        "nur kleine buchstaben",
        "    leading and trailing    ",
        "密码是一个很长的中文句子没有空格啊",
        "ಠ_ಠ ಠ_ಠ but with words",
        "x" * 14 + "y 1 z",
    ],
)
def test_no_rules_of_composition(password: str) -> None:
    """Any characters do, in any mixture, blanks and other scripts included."""
    check_new_password(password, min_length=15, context=KNOWN)


def test_the_list_is_large_and_in_lower_case() -> None:
    """Tens of thousands, and every one could be met: no upper case, no blanks around, not too short."""
    listed = common_passwords()
    assert len(listed) > 30_000
    assert all(word == word.lower().strip() and len(word) >= 6 for word in listed)


# ── leaked passwords ──


class Ranges:
    """A scripted range service."""

    def __init__(self, answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.url = ""


@contextmanager
def serving(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Generator[Ranges]:
    """Serve on loopback."""
    ranges = Ranges(answer)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ranges.asked.append(self.path)
            ranges.answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        ranges.url = f"http://127.0.0.1:{server.server_port}/range/"
        try:
            yield ranges
        finally:
            server.shutdown()
            thread.join()


def text(body: str, status: int = 200) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    """Answer with a text."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return answer


OTHERS = "\r\n".join(f"{number:035X}:{number + 1}" for number in range(800))


def has(ranges: Ranges) -> bool:
    """Look the password up."""
    return asyncio.run(LeakedPasswordRanges(ranges.url).has(PASSWORD))


def test_only_five_digits_leave() -> None:
    """The path ends with the first five digits of the SHA-1; the rest is compared here."""
    with serving(text(f"{OTHERS}\r\n{DIGEST[5:]}:7\r\n")) as ranges:
        assert has(ranges)
    assert ranges.asked == [f"/range/{DIGEST[:5]}"]


@pytest.mark.parametrize("body", [OTHERS, f"{DIGEST[5:]}:0", "", f"{DIGEST[5:-1]}:3", "<html>sorry</html>"])
def test_what_is_not_in_the_range_is_taken(body: str) -> None:
    """Padding, whose count is 0, is no hit."""
    with serving(text(body)) as ranges:
        assert not has(ranges)


@pytest.mark.parametrize("answer", [text(f"{DIGEST[5:]}:9", 500), text(f"{DIGEST[5:]}:9", 302), text("A" * (2 << 20))])
def test_trouble_of_the_service_is_nobody_elses(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> None:
    """An error, a redirect, a flood: the password is taken."""
    with serving(answer) as ranges:
        assert not has(ranges)


def test_a_service_that_is_away_or_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits longer than the deadline; a service that drips is cut off by it as well."""
    assert not asyncio.run(LeakedPasswordRanges("http://127.0.0.1:9/").has(PASSWORD))
    monkeypatch.setattr("gatepass.server.domain.credentials.passwords.leaked.DEADLINE_SECONDS", 0.2)
    stop = threading.Event()

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        while not stop.wait(0.02):
            try:
                handler.wfile.write(b"\n")
            except OSError:
                return

    with serving(drip) as ranges:
        began = time.monotonic()
        assert not has(ranges)
        assert time.monotonic() - began < DEADLINE_SECONDS
        stop.set()


def test_the_policy_holds_at_sign_up(tmp_path: Path) -> None:
    """`password_too_common`, `password_leaked`; whatever the service says, it is asked about acceptable ones only."""
    with (
        serving(text(f"{DIGEST[5:]}:1")) as ranges,
        running_server(tmp_path, leaked_passwords_url=ranges.url) as server,
        server.client() as api,
    ):
        common = api.post("/signup", json=ANN | {"password": "passwordpassword"})
        assert (common.status_code, common.json()["code"]) == (422, "password_too_common")
        assert ranges.asked == []
        leaked = api.post("/signup", json=ANN | {"password": PASSWORD})
        assert (leaked.status_code, leaked.json()["code"]) == (422, "password_leaked")
        assert api.post("/signup", json=ANN).status_code == 201
