"""The texts of pages and emails, by key and language. `t("login.title")` is a text; `{name}` in it is a value."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping


LANGUAGES = ("en", "de", "fr")
"""The supported languages; the first is the default."""

_MOST_PREFERENCES = 20


class Translate(Protocol):
    """Returns the text of a key in one language."""

    def __call__(self, key: str, /, **values: object) -> str:
        """The text with its values in place.

        Raises:
            KeyError: when there is no such text, which the tests rule out.
        """
        ...


@cache
def texts(language: str) -> Mapping[str, str]:
    """Every text of a language, under keys such as `login.title`."""
    source = files("gatepass.server.base").joinpath(f"messages/{language}.toml").read_text("utf-8")
    return dict(_flat(tomllib.loads(source), ""))


def translate(language: str) -> Translate:
    """The texts of a language, as a function."""
    known = texts(language)

    def t(key: str, /, **values: object) -> str:
        return known[key].format_map(values) if values else known[key]

    return t


def preferred_language(accepted: str) -> str:
    """Choose by Accept-Language (RFC 9110 §12.5.4): the supported language with the highest weight."""
    wanted: list[tuple[float, str]] = []
    for part in accepted.split(",")[:_MOST_PREFERENCES]:
        name, _, weight = part.strip().partition(";q=")
        language = name.split("-")[0].lower()
        if language in LANGUAGES:
            wanted.append((_weight(weight), language))
    best = max(wanted, key=lambda preference: preference[0], default=(0.0, LANGUAGES[0]))
    return best[1] if best[0] > 0 else LANGUAGES[0]


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def _flat(tree: Mapping[str, object], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, str):
            found.append((prefix + name, value))
        else:
            found += _flat(cast("Mapping[str, object]", value), f"{prefix}{name}.")
    return found
