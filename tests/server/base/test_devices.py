"""The names of devices that people see beside their sessions."""

from __future__ import annotations

import pytest

from gatepass.server.base.devices import device_of

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
AGENTS = {
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/142.0.0.0 Safari/537.36": ("Chrome", "Windows"),
    f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/142.0.0.0 Safari/537.36 Edg/142.0": (
        "Edge",
        "Windows",
    ),
    f"Mozilla/5.0 (Linux; Android 15) {_WEBKIT} Chrome/142.0.0.0 Mobile Safari/537.36": ("Chrome", "Android"),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1": (
        "Safari",
        "iPhone",
    ),
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/19.0 Safari/605.1.15": ("Safari", "macOS"),
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": ("Firefox", "Linux"),
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/142.0.0.0 Safari/537.36": ("Chrome", "ChromeOS"),
    "Mozilla/5.0 (a refrigerator)": ("", ""),
    "python-httpx/0.28.1": ("python-httpx", ""),
    "curl/8.5.0": ("curl", ""),
    "<script>": ("", ""),
    "": ("", ""),
}


@pytest.mark.parametrize("user_agent", AGENTS)
def test_a_device_has_the_name_that_its_owner_knows(user_agent: str) -> None:
    """The browser and the system; of a program its own name; of what is neither, nothing."""
    assert device_of(user_agent) == AGENTS[user_agent]
