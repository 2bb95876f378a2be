"""Texts on pages: of errors, with times in them, and as HTML where a value is HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gatepass.server.base.texts import day_in_words, time_in_words

if TYPE_CHECKING:
    from jinja2.runtime import Context

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.base.texts import Translate

FIELDS = dict.fromkeys(
    ("invalid_email", "email_taken", "email_domain_not_allowed", "confirmation_differs"), "email"
) | {
    **dict.fromkeys(("password_too_short", "password_too_long", "password_too_common", "password_leaked"), "password"),
    "invalid_credentials": "password",
    "invalid_code": "code",
    "invalid_user_code": "user_code",
    "enrollment_code_required": "enrollment_code",
}
"""Which field an error is about."""


def with_markup(t: Translate) -> Translate:
    """The texts, which are HTML as soon as a value is."""

    def translate(key: str, /, **values: object) -> str:
        if not any(hasattr(value, "__html__") for value in values.values()):
            return t(key, **values)
        from markupsafe import Markup, escape  # noqa: PLC0415 - comes with the templates

        marks = {name: f"\N{NULL}{number}\N{NULL}" for number, name in enumerate(values)}
        text = str(escape(t(key, **marks)))
        for name, mark in marks.items():
            text = text.replace(mark, str(escape(values[name])))
        return Markup(text)  # noqa: S704 - every part is escaped

    return translate


def time_of(context: Context, at: float) -> str:
    """A time in UTC, which the pages' script puts into the browser's own time."""
    from markupsafe import Markup  # noqa: PLC0415 - comes with the templates

    when = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return Markup('<time datetime="{}">{}</time>').format(when, time_in_words(context["t"], at))


def day_of(context: Context, at: float) -> str:
    """A date in words, in UTC."""
    return day_in_words(context["t"], at)


def error_text(t: Translate, error: GatepassError, *, origin: str) -> str:
    """The text of an error: the catalogue's for its code, or the error's own."""
    try:
        return t(f"error.{error.code}", origin=origin)
    except KeyError:
        return error.detail
