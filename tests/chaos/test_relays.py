"""What a verifier knows, and when, while its relays are frozen or killed: `make soak`."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.chaos.test_freshness import Site, seconds_until, told, verdict
from tests.support.relays import relay_process
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOAK = os.environ.get("SOAK") == "1"
ROUNDS = 10
NOTICED_SECONDS = 4.0
"""Two heartbeats: from then on the next relay is asked, which takes up to a second and a half more."""

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not SOAK, reason="seconds for each round: make soak")]


def test_a_relay_that_is_frozen(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Half-open, with a stream that says nothing: a revocation is known by the next relay."""
    took: list[float] = []
    with ExitStack() as stack:
        site = Site(tmp_path, stack)
        relays = [stack.enter_context(relay_process(site.proxy.url)) for _ in range(2)]
        for _ in range(ROUNDS):
            verifier = site.verifier(relays=[url for _, url in relays])
            token = site.sign_in()
            assert verdict(verifier, token) == "good"
            relays[0][0].send_signal(signal.SIGSTOP)
            site.log_out(token)
            took.append(seconds_until(lambda: verdict(verifier, token) == "revoked"))  # noqa: B023 - called at once
            relays[0][0].send_signal(signal.SIGCONT)
            verifier.close()
            time.sleep(1)  # the relay comes back to itself
    told(record_property, "the nearest relay is frozen", took)
    assert max(took) < NOTICED_SECONDS + 2


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_relay_of_three_levels_is_frozen(
    tmp_path: Path, record_property: Callable[[str, object], None], level: int
) -> None:
    """Whichever it is: those below go on to another one, and every follower knows of the revocation."""
    took: list[float] = []
    with ExitStack() as stack:
        site = Site(tmp_path, stack)
        spare = stack.enter_context(relay_process(site.proxy.url))[1]
        for _ in range(3):
            with ExitStack() as chain:
                relays = [chain.enter_context(relay_process(site.proxy.url))]
                for _ in range(2):
                    relays.append(chain.enter_context(relay_process(site.proxy.url, relays[-1][1], spare)))
                verifier = site.verifier(relays=[relays[-1][1], spare])
                token = site.sign_in()
                assert verdict(verifier, token) == "good"
                relays[level][0].send_signal(signal.SIGSTOP)
                site.log_out(token)
                took.append(seconds_until(lambda: verdict(verifier, token) == "revoked"))  # noqa: B023 - called at once
                eventually(lambda: verifier.health().feed == "live", seconds=60)  # noqa: B023 - as above
                verifier.close()
    told(record_property, f"relay {level + 1} of 3 is frozen", took)
    assert max(took) < NOTICED_SECONDS + 2


def test_a_relay_that_is_killed(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """The next one is asked at once."""
    took: list[float] = []
    with ExitStack() as stack:
        site = Site(tmp_path, stack)
        spare = stack.enter_context(relay_process(site.proxy.url))[1]
        for _ in range(ROUNDS):
            with relay_process(site.proxy.url) as (process, url):
                verifier = site.verifier(relays=[url, spare])
                token = site.sign_in()
                assert verdict(verifier, token) == "good"
                process.kill()
                site.log_out(token)
                took.append(seconds_until(lambda: verdict(verifier, token) == "revoked"))  # noqa: B023 - called at once
                verifier.close()
    told(record_property, "the nearest relay is killed", took)
    assert max(took) < NOTICED_SECONDS
