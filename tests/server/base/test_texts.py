"""The texts that people read."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

from gatepass.server.base.texts import LANGUAGES, OURS, preferred_language, texts, translate
from gatepass.server.domain.events.event import EventKind
from gatepass.server.domain.mail.queue import Notice, NoticeKind
from gatepass.server.domain.mail.wording import MailWording

KEY = re.compile(r'\bt\("([\w.]+)"[,)]')


def places(text: str) -> set[str | None]:
    """The values that a text has places for."""
    return {name for _, name, _, _ in Formatter().parse(text)} - {None}


SAME_IN_ENGLISH = {
    "de": {
        "factors.passkeys",
        "factors.passkey_name",
        "account.passkeys",
        "field.code",
        "admin.webhook",
        "admin.api_name",
        "admin.apis",
        "admin.audience",
        "admin.scopes",
        "admin.webhooks",
        "debugger.token",
        "debugger.header",
        "debugger.payload",
    },
    "fr": {"admin.audience", "field.code", "admin.webhook", "admin.webhooks", "debugger.signature"},
}
"""Words that another language took over."""


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_nothing_is_left_in_english(language: str) -> None:
    """A text that reads the same in two languages was not translated, except for a few words."""
    english = texts("en")
    same = {key for key, text in texts(language).items() if text == english[key] and not _is_a_form(text)}
    assert same == SAME_IN_ENGLISH[language]


def _is_a_form(text: str) -> bool:
    """Only values and marks between them, as in a date."""
    return re.search(r"[a-z]", re.sub(r"\{\w+\}|UTC", "", text)) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_has_a_text_of_its_own(language: str) -> None:
    """Two causes are never told in the same words, or the user could not tell them apart."""
    errors = [text for key, text in texts(language).items() if key.startswith("error.")]
    assert sorted(errors) == sorted(set(errors))


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_twelve_months(language: str) -> None:
    """One for each."""
    assert len(texts(language)["date.months"].split()) == 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same_things(language: str) -> None:
    """The same keys in each, with places for the same values, and nothing left empty."""
    first, other = texts(LANGUAGES[0]), texts(language)
    assert set(other) == set(first)
    assert {key: places(text) for key, text in other.items()} == {key: places(text) for key, text in first.items()}
    assert all(text.strip() for text in other.values())


def test_every_text_that_a_template_names_is_there() -> None:
    """No page meets a key that the catalogue does not have."""
    pages = Path(str(files("gatepass.server"))).rglob("templates/*.html")
    used = {key for page in pages for key in KEY.findall(page.read_text("utf-8"))}
    assert used
    assert used <= set(texts("en"))


def test_every_event_has_a_name() -> None:
    """What is recorded can be shown."""
    t = translate("en")
    assert all(t(f"event.{kind}") for kind in get_args(EventKind))


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("en-GB,en;q=0.8", "en"),
        ("xx, yy;q=0.5", "en"),
        ("en;q=0", "en"),
        ("de, en;q=0.9", "de"),
        ("fr-CA;q=0.8, de;q=0.7", "fr"),
        ("en;q=0.1, de;q=0", "en"),
        ("en;q=x", "en"),
        (";;,,=", "en"),
    ],
)
def test_the_language_is_the_browsers_choice(accepted: str, language: str) -> None:
    """The first of the wanted languages that there is; English where there is none, whatever the header says."""
    assert preferred_language(accepted) == language


@pytest.mark.parametrize("kind", get_args(NoticeKind))
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_notice_can_be_written(kind: NoticeKind, language: str) -> None:
    """In text and in HTML, with all that is in it; and what somebody chose stays text."""
    link = "https://auth.example.test/pages/x?token=abc&return_to=%2F"
    notice = Notice(
        kind=kind,
        to="ann@example.test",
        language=language,
        link=link if f"mail.{kind}.button" in texts(language) else "",
        code="12345678",
        lock="https://auth.example.test/pages/lock?token=def",
        values={name or "": "<b>new</b>@example.test" for name in places(texts(language)[f"mail.{kind}.text"])},
    )
    mail = MailWording(site_name="A <site>", texts=OURS).render(notice)
    assert mail.subject
    assert notice.link in mail.text
    assert "1234 5678" in mail.text
    assert "1234 5678" in mail.html
    assert notice.lock in mail.text
    assert notice.lock in mail.html
    assert "<b>new" not in mail.html
    assert "A &lt;site&gt;" in mail.html
    if notice.link:
        assert link.replace("&", "&amp;") in mail.html
