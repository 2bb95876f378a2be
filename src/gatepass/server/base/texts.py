"""The texts of pages and emails, by key and language. `t("login.title")` is a text; `{name}` in it is a value.

Ours are in three languages. A file of the operator's changes some, or adds a language; what it lacks is English.
"""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Annotated, Protocol, TypeAlias, cast

from msgspec import Meta

from gatepass.server.base.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


LANGUAGES = ("en", "de", "fr")
"""The supported languages; the first is the default."""

_MOST_PREFERENCES = 20
_LANGUAGE = re.compile(r"[a-z]{2,3}")
"""The primary subtag (BCP 47); browsers that want a variant get it too."""
_RIGHT_TO_LEFT = frozenset(("ar", "arc", "ckb", "dv", "fa", "he", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"))
_NAME, _MONTHS = "site.language", "date.months"
_MONTHS_OF_A_YEAR = 12


Language: TypeAlias = Annotated[str, Meta(pattern=f"^{_LANGUAGE.pattern}$", description="A language with texts.")]


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


class Texts:
    """The texts of every language that a server speaks.

    Attributes:
        languages: Ours, and those that the files add.
        missing: For each language that a file adds, the keys of the texts that it lacks.
    """

    def __init__(self, text_files: Sequence[str] = ()) -> None:
        """Read the files, each named after its language: `ar.toml`.

        Raises:
            StartupError: a file cannot be read, or says what there is no place for, with its line.
        """
        self._changed: dict[str, Mapping[str, str]] = {}
        self.missing: dict[str, tuple[str, ...]] = {}
        for name in text_files:
            language, given = _read_file(Path(name))
            if language not in LANGUAGES:
                self.missing[language] = tuple(key for key in texts(LANGUAGES[0]) if key not in given)
                given = {_NAME: language} | given
            self._changed[language] = {**self.of(language), **given}
        self.languages = tuple(dict.fromkeys((*LANGUAGES, *self._changed)))

    def of(self, language: str) -> Mapping[str, str]:
        """Every text of a language, under keys such as `login.title`; English for a language that is not there."""
        return self._changed.get(language) or texts(language if language in LANGUAGES else LANGUAGES[0])

    def translate(self, language: str) -> Translate:
        """The texts of a language, as a function."""
        known = self.of(language)

        def t(key: str, /, **values: object) -> str:
            return known[key].format_map(values) if values else known[key]

        return t

    def preferred(self, accepted: str) -> str:
        """Choose by Accept-Language (RFC 9110 §12.5.4): the language here with the highest weight."""
        wanted: list[tuple[float, str]] = []
        for part in accepted.split(",")[:_MOST_PREFERENCES]:
            name, _, weight = part.strip().partition(";q=")
            language = primary(name)
            if language in self.languages:
                wanted.append((_weight(weight), language))
        best = max(wanted, key=lambda preference: preference[0], default=(0.0, LANGUAGES[0]))
        return best[1] if best[0] > 0 else LANGUAGES[0]


def primary(tag: str) -> str:
    """The primary subtag of a language tag (BCP 47)."""
    return tag.split("-", maxsplit=1)[0].lower()


def day_in_words(t: Translate, at: float) -> str:
    """A date in UTC, from seconds since 1970."""
    date = datetime.fromtimestamp(at, UTC)
    return t("date.day", day=date.day, month=t("date.months").split()[date.month - 1], year=date.year)


def time_in_words(t: Translate, at: float) -> str:
    """A date and a time in UTC, from seconds since 1970."""
    return t("date.time", day=day_in_words(t, at), time=f"{datetime.fromtimestamp(at, UTC):%H:%M}")


def direction(language: str) -> str:
    """How a language is written, as HTML's `dir`."""
    return "rtl" if language in _RIGHT_TO_LEFT else "ltr"


def placeholders(text: str) -> set[str]:
    """The names of the values in a text. Raises ValueError where braces do not match."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _read_file(file: Path) -> tuple[str, dict[str, str]]:
    """The language of a file and its texts."""
    if not _LANGUAGE.fullmatch(file.stem) or file.suffix != ".toml":
        raise StartupError(f"{file} is not named after a language.", "Name it as the language's tag: ar.toml")
    try:
        source = file.read_text("utf-8")
        given = dict(_flat(tomllib.loads(source), ""))
    except (OSError, ValueError) as error:  # TOML and UTF-8 errors are ValueErrors, and name the line
        raise StartupError(f"{file} cannot be read: {error}.", "It is a TOML file of texts, in UTF-8.") from error
    for key, text in given.items():
        if wrong := _mistake(key, text, texts(LANGUAGES[0])):
            raise StartupError(f"{file}, line {_line_of(key, source)}: {wrong[0]}", wrong[1])
    return file.stem, given


def _mistake(key: str, text: object, english: Mapping[str, str]) -> tuple[str, str] | None:
    """What is wrong with a text, and what to do about it."""
    if key not in english:
        near = get_close_matches(key, english, 1)
        return f"there is no text `{key}`.", f"Did you mean `{near[0]}`?" if near else "The guide lists the texts."
    if not isinstance(text, str):
        return f"`{key}` is not a text.", "Put it in quotes."
    expected = placeholders(english[key])
    try:
        unknown = placeholders(text) - expected
    except ValueError as error:
        return f"in `{key}`, {error}.", "A brace that is part of the text is written twice: {{ }}"
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in sorted(expected)) or "no value"
        return f"`{key}` has an unknown value {{{min(unknown)}}}.", f"It can have {known}."
    if key == _MONTHS and len(text.split()) != _MONTHS_OF_A_YEAR:
        return f"`{key}` has not twelve words.", "Separate the months by blanks."
    return None


def _line_of(key: str, source: str) -> int:
    """The line on which a key is set, as far as it is written in the usual way; otherwise the first."""
    table, _, name = key.rpartition(".")
    current = ""
    for number, line in enumerate(source.splitlines(), start=1):
        if header := re.fullmatch(r"\s*\[([^\[\]]+)\]\s*(#.*)?", line):
            current = header[1].strip()
        elif re.match(rf"\s*(\"?{re.escape(name)}\"?|{re.escape(key)})\s*=", line) and current in (table, ""):
            return number
    return 1


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def _flat(tree: Mapping[str, object], prefix: str) -> list[tuple[str, str]]:
    """The leaves of nested tables; what is no text is found out later."""
    found: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            found += _flat(cast("Mapping[str, object]", value), f"{prefix}{name}.")
        else:
            found.append((prefix + name, cast("str", value)))
    return found


OURS = Texts()
"""The texts without any file."""
translate = OURS.translate
preferred_language = OURS.preferred
