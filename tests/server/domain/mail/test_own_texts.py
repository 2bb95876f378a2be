"""The operator's own words: files of texts in other languages, and templates of emails; mistakes are found at start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.support.pages import Browser
from tests.support.server import running_server

from gatepass.cli.main import main
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load
from gatepass.server.base.texts import Texts, direction, texts
from gatepass.server.domain.mail.facts import facts_of
from gatepass.server.domain.mail.message import message_of
from gatepass.server.domain.mail.own_templates import KINDS, example
from gatepass.server.domain.mail.queue import Notice
from gatepass.server.domain.mail.wording import MailWording

if TYPE_CHECKING:
    from gatepass.server.domain.mail.queue import NoticeKind

ARABIC = Path(__file__).parents[3] / "vectors" / "texts" / "ar.toml"
LINK = "https://auth.example.test/pages/reset?token=abc&x=1"
INVITATION = """Subject: Welcome to {{ site_name }}

Hello {{ to }},
{{ link }}
"""


def write(folder: Path, **files: str) -> str:
    """A folder of templates; a double underscore in a name stands for a dot."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return str(folder)


def wording(folder: str, *files: str) -> MailWording:
    """The words of emails with these templates and files of texts."""
    return MailWording(site_name="A <site>", texts=Texts(files), templates=folder)


def reset(language: str = "en", kind: NoticeKind = "reset") -> Notice:
    """An email."""
    return Notice(kind=kind, to="ann@example.test", language=language, link=LINK)


# ── texts ──


def test_a_file_adds_a_language_and_what_it_lacks_is_english() -> None:
    """Pages and emails are in it as far as it goes; how it is written comes from the language."""
    known = Texts([str(ARABIC)])
    assert known.languages == ("en", "de", "fr", "ar")
    assert known.of("ar")["login.title"] == "تسجيل الدخول"
    assert known.of("ar")["lock.title"] == texts("en")["lock.title"]
    assert "lock.title" in known.missing["ar"]
    assert "login.title" not in known.missing["ar"]
    assert known.preferred("ar-EG, de;q=0.5") == "ar"
    assert [direction(language) for language in ("ar", "he", "en")] == ["rtl", "rtl", "ltr"]
    mail = wording("", str(ARABIC)).render(reset("ar"))
    assert mail.subject == "تعيين كلمة مرور جديدة"
    assert '<html lang="ar" dir="rtl">' in mail.html
    assert wording("").render(reset("ar")).subject == "Set a new password"


def test_a_file_changes_some_of_our_texts(tmp_path: Path) -> None:
    """All others stay; ours are complete, so nothing is missing."""
    file = tmp_path / "de.toml"
    file.write_text('[mail.reset]\nsubject = "Neues Passwort für den Laden"\n')
    changed = wording("", str(file))
    assert changed.render(reset("de")).subject == "Neues Passwort für den Laden"
    assert changed.texts.of("de")["login.title"] == texts("de")["login.title"]
    assert changed.texts.missing == {}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('[login]\n\ntitel = "x"', "line 3: there is no text `login.titel`"),
        ('[login]\nprovider = "with {nam}"', "line 2: `login.provider` has an unknown value {nam}"),
        ('[login]\nprovider = "with {name.x}"', "line 2: `login.provider` has an unknown value {name.x}"),
        ('[login]\nprovider = "with {name"', "line 2: in `login.provider`"),
        ("[login]\ntitle = 7", "line 2: `login.title` is not a text"),
        ('[date]\nmonths = "a b"', "line 2: `date.months` has not twelve words"),
        ('[login\ntitle = "x"', "at line 1"),
    ],
)
def test_a_mistake_in_a_file_of_texts_is_told_with_its_line(tmp_path: Path, source: str, said: str) -> None:
    """The server does not start with a text that would fail when a person needs it."""
    file = tmp_path / "nl.toml"
    file.write_text(source)
    with pytest.raises(StartupError) as error:
        load(flags={"text_files": [str(file)]})
    assert said in error.value.message
    assert error.value.message.startswith(str(file))


def test_a_file_is_named_after_its_language(tmp_path: Path) -> None:
    """Anything else is a mistake, and so is a file that is not there."""
    for name in ("texts.toml", "ar.txt", "nl.toml"):
        with pytest.raises(StartupError):
            Texts([str(tmp_path / name)])


# ── templates ──


def test_own_templates_are_used_and_all_other_emails_are_ours(tmp_path: Path) -> None:
    """By language where there is one for it; in HTML only what is written in HTML, and nothing in it is markup."""
    folder = write(
        tmp_path / "mails",
        reset__txt="Subject: New password\n\n{{ link }}\n",
        reset__html='{% include "_head.html" %}<a href="{{ link | e }}">{{ site_name }}</a>{{ link }}',
        reset__de__txt="Subject: Neues Passwort\n\n{{ link }}\n",
        _head__html="<h1>Shop</h1>",
    )
    own = wording(folder)
    english, german = own.render(reset()), own.render(reset("de"))
    assert (english.subject, english.text) == ("New password", f"{LINK}\n")
    assert "<h1>Shop</h1>" in english.html
    assert "A &lt;site&gt;" in english.html
    assert (german.subject, german.html) == ("Neues Passwort", "")
    message = message_of(german, sender="a@example.test", sender_name="A", mail_id="m", now=0)
    assert message.get_content_type() == "text/plain"
    assert own.render(reset(kind="invitation")).subject == "You have been invited"


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("reset.txt", "{{ link }}", "reset.txt, line 1: there is no subject"),
        ("reset.txt", "Subject: {# #}\n{{ link }}", "line 1: the subject is empty"),
        ("reset.txt", "Subject: x\n\n{{ lnik }}", "line 3: there is no value `lnik`"),
        ("reset.txt", "Subject: x\n\n{{ provider }}", "line 3: there is no value `provider`"),
        ("reset.txt", "Subject: x\n{% if link %}", "line 2: "),
        ("reset.txt", "Subject: x\n\nHello", "lacks the link"),
        ("reset.txt", "Subject: x\n{{ link.nothing.at_all }}", "cannot be rendered"),
        ("reset.txt", "Subject: x\n{{ link }}{{ 1 // 0 }}", "cannot be rendered"),
        ("reset.txt", 'Subject: x\n{{ link }}{% include "_none.txt" %}', "cannot be rendered"),
        ("reset.html", "<p>{{ link }}</p>", "has no reset.txt"),
        ("rest.txt", "Subject: x", "rest.txt is no template"),
        ("reset.md", "Subject: x", "reset.md is no template"),
        ("reset.xx.txt", "Subject: x\n{{ link }}", "a language without texts"),
        ("_part.txt", "{{ ", "_part.txt, line 1"),
    ],
)
def test_a_mistake_in_a_template_is_told_with_its_line(tmp_path: Path, name: str, source: str, said: str) -> None:
    """A mail that would not be sent, or would lead nowhere, is found before anyone waits for it."""
    (tmp_path / name).write_text(source)
    with pytest.raises(StartupError) as error:
        wording(str(tmp_path))
    assert said in error.value.message


def test_a_template_reaches_nothing_but_its_values(tmp_path: Path) -> None:
    """No attribute of Python's leads from a value to the process."""
    (tmp_path / "reset.txt").write_text("Subject: x\n{{ link }}{{ link.__class__.__mro__ }}")
    with pytest.raises(StartupError):
        wording(str(tmp_path))


@pytest.mark.parametrize("kind", KINDS)
def test_every_email_can_have_a_template(tmp_path: Path, kind: NoticeKind) -> None:
    """With all values that our own has: also who asked for it, when and from where, and how long it works."""
    notice = example(kind, "en", Texts())
    facts = msgspec.structs.asdict(facts_of(Texts().translate("en"), notice))
    assert [name for name, fact in facts.items() if not fact] == ([] if notice.link else ["until"])
    values = " ".join(f"{{{{ {name} }}}}" for name in ("link", "code", "lock", *facts, *notice.values))
    (tmp_path / f"{kind}.txt").write_text(f"Subject: x\n{values}")
    text = wording(str(tmp_path)).render(notice).text
    assert all(
        value in text for value in (notice.link, notice.code, notice.lock, *facts.values(), *notice.values.values())
    )


# ── as they are used ──


def test_pages_and_mails_of_a_server_with_its_own_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From right to left in Arabic; the same words in the preview and in the outbox; doctor says what is missing."""
    folder = write(tmp_path / "mails", invitation__txt="Subject: For {{ to }}\n\nOpen {{ link }}\n")
    settings = tmp_path / "gatepass.toml"
    settings.write_text(f"text_files = [{json.dumps(str(ARABIC))}]\nmail_templates = {json.dumps(folder)}\n")
    place = ("--config", str(settings), "--data-dir", str(tmp_path / "data"))
    with (
        running_server(tmp_path / "data", text_files=(str(ARABIC),), mail_templates=folder) as server,
        Browser(server) as browser,
    ):
        browser.http.headers["accept-language"] = "ar"
        arabic = browser.get("/pages/login")
        assert '<html lang="ar" dir="rtl">' in arabic.text
        assert "تسجيل الدخول" in arabic.text
        assert 'lang="en" dir="ltr"' in arabic.text
        assert "ar" in browser.get("/.well-known/openid-configuration").json()["ui_locales_supported"]
        main(["user", "invite", "ann@example.test", "--language", "ar", *place])
        with pytest.raises(SystemExit):
            main(["user", "invite", "bob@example.test", "--language", "xx", *place])
        assert "For ann@example.test" in browser.get(server.settings.outbox_url.removeprefix(server.url)).text
    capsys.readouterr()
    main(["mail", "preview", "invitation", "--json", *place])
    assert json.loads(capsys.readouterr().out)["invitation"]["subject"] == "For ann@example.com"
    main(["mail", "preview", "--language", "ar", *place])
    shown = capsys.readouterr().out
    assert all(f"── {kind} ──" in shown for kind in KINDS)
    assert 'dir="rtl"' in shown
    for wrong in (["rest"], ["reset", "--language", "xx"]):
        with pytest.raises(SystemExit):
            main(["mail", "preview", *wrong, *place])
    capsys.readouterr()
    main(["doctor", "--json", *place])
    told = [each for each in json.loads(capsys.readouterr().out) if each["what"] == "texts"]
    assert [each["level"] for each in told] == ["warning", "ok"]
    assert "ar lacks" in told[0]["text"]
