"""Readable names of browsers and devices from the User-Agent. For display only: it can be forged."""

from __future__ import annotations

import re
from typing import NamedTuple

# The first match wins: nearly every browser also claims to be some of the later ones.
_PROGRAMS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_PRODUCT = re.compile(r"([\w.-]{1,40})(?:/[\w.-]*)?", re.ASCII)
"""RFC 9110 §10.1.5."""


class DeviceNames(NamedTuple):
    """A program and its operating system; either is empty if unknown."""

    program: str
    system: str


def device_of(user_agent: str) -> DeviceNames:
    """Name a device: browsers by their usual name, other programs by the first word they send."""
    if user_agent.startswith("Mozilla/"):
        return DeviceNames(_first(_PROGRAMS, user_agent), _first(_SYSTEMS, user_agent))
    product = _PRODUCT.match(user_agent)
    return DeviceNames(product[1] if product else "", "")


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in names if mark in user_agent), "")
