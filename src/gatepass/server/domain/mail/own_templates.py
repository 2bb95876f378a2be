"""The operator's own templates of emails: Jinja files in a folder, checked when the server starts.

`KIND.txt` begins with `Subject: …`, and what follows is the text; `KIND.html` beside it is the same in HTML.
`KIND.LANGUAGE.txt` is for one language. Files whose names begin with `_` are for the others to include.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec

from gatepass.server.base.errors import StartupError
from gatepass.server.base.texts import LANGUAGES, placeholders
from gatepass.server.domain.events.event import Origin
from gatepass.server.domain.mail.facts import NAMES, facts_of
from gatepass.server.domain.mail.message import Mail
from gatepass.server.domain.mail.queue import Notice, NoticeKind

if TYPE_CHECKING:
    import jinja2
    from jinja2.nodes import Template

    from gatepass.server.base.texts import Texts

KINDS: tuple[NoticeKind, ...] = get_args(NoticeKind)
_KINDS_BY_NAME: dict[str, NoticeKind] = {kind: kind for kind in KINDS}
_SUBJECT = "Subject:"
_EXAMPLE_AT, _EXAMPLE_SECONDS = 1_767_225_600.0, 3_600.0
_ALWAYS = ("to", "language", "site_name", "link", "code", "lock", *NAMES)
"""What every template knows; what an email has none of is empty."""


class OwnTemplates:
    """The templates of a folder.

    Raises:
        StartupError: a file has a name, a syntax or a value that there is no place for, or lacks what it needs; with
            its line.
    """

    def __init__(self, folder: str, texts: Texts, *, site_name: str) -> None:
        import jinja2.sandbox  # noqa: PLC0415 - as in `pages`

        self._folder = Path(folder)
        self._texts = texts
        self._site_name = site_name
        self._environment = jinja2.sandbox.SandboxedEnvironment(
            loader=jinja2.FileSystemLoader(self._folder),
            autoescape=_is_html,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._names = frozenset(file.name for file in sorted(self._folder.iterdir()) if file.is_file())
        self._texts_of: dict[str, tuple[jinja2.Template, jinja2.Template]] = {}
        for name in sorted(self._names, key=lambda name: (name.endswith(".txt"), name)):  # examples need the HTML
            self._check(name)

    def render(self, notice: Notice, language: str) -> Mail | None:
        """Render an email by the template of this language, or by that of all; None where there is neither."""
        stem = next((each for each in (f"{notice.kind}.{language}", notice.kind) if f"{each}.txt" in self._names), None)
        return None if stem is None else self._rendered(stem, notice, language)

    def _rendered(self, stem: str, notice: Notice, language: str) -> Mail:
        values = (
            msgspec.structs.asdict(facts_of(self._texts.translate(language), notice))
            | {
                "to": notice.to,
                "language": language,
                "site_name": self._site_name,
                "link": notice.link,
                "code": notice.code,
                "lock": notice.lock,
            }
            | notice.values
        )
        subject, text = self._texts_of[stem]
        has_html = f"{stem}.html" in self._names
        return Mail(
            to=notice.to,
            subject=" ".join(subject.render(values).removeprefix(_SUBJECT).split()),
            text=text.render(values).lstrip("\n"),
            html=self._environment.get_template(f"{stem}.html").render(values) if has_html else "",
        )

    # ── checking ──

    def _check(self, name: str) -> None:
        """Check one file, also by an example."""
        import jinja2  # noqa: PLC0415 - as above

        file = self._folder / name
        try:
            source = file.read_text("utf-8")
            tree = self._environment.parse(source, name, str(file))
            if not name.startswith("_") and file.suffix == ".txt":
                subject, _, text = source.partition("\n")
                # The empty line stands for the subject, so that errors name the lines of the file.
                self._texts_of[file.stem] = (
                    self._environment.from_string(subject),
                    self._environment.from_string(f"\n{text}"),
                )
        except jinja2.TemplateSyntaxError as error:
            raise _mistake(file, error.lineno, f"{error.message}.", "See the template's syntax: Jinja.") from error
        except (OSError, UnicodeDecodeError) as error:
            raise StartupError(f"{file} cannot be read: {error}.", "Templates are texts in UTF-8.") from error
        if name.startswith("_"):
            return
        kind, language = self._parts(file)
        self._check_values(file, kind, tree)
        if file.suffix == ".html":
            if f"{file.stem}.txt" not in self._names:
                raise StartupError(f"{file} has no {file.stem}.txt beside it.", "It has the subject, and the text.")
            return
        if not source.startswith(_SUBJECT):
            raise _mistake(file, 1, "there is no subject.", f"The first line is: {_SUBJECT} …")
        self._check_example(file, example(kind, language or LANGUAGES[0], self._texts))

    def _parts(self, file: Path) -> tuple[NoticeKind, str]:
        """The kind of email and the language of a file, by its name."""
        stem, _, language = file.stem.partition(".")
        kind = _KINDS_BY_NAME.get(stem)
        if kind is None or file.suffix not in (".txt", ".html"):
            raise StartupError(f"{file} is no template of an email.", f"There are: {', '.join(KINDS)}.")
        if language and language not in self._texts.languages:
            raise StartupError(
                f"{file} is for a language without texts.", f"There are: {', '.join(self._texts.languages)}."
            )
        return kind, language

    def _check_values(self, file: Path, kind: NoticeKind, tree: Template) -> None:
        from jinja2 import meta, nodes  # noqa: PLC0415 - as above

        known = (*_ALWAYS, *sorted(_values(kind, self._texts)))
        for name in sorted(meta.find_undeclared_variables(tree) - set(known)):
            line = next((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), 1)
            raise _mistake(file, line, f"there is no value `{name}`.", f"There are: {', '.join(known)}.")

    def _check_example(self, file: Path, notice: Notice) -> None:
        import jinja2  # noqa: PLC0415 - as above

        try:
            mail = self._rendered(file.stem, notice, notice.language)
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise StartupError(f"{file} cannot be rendered: {error}.", "Try it: gatepass mail preview") from error
        if not mail.subject:
            raise _mistake(file, 1, "the subject is empty.", f"The first line is: {_SUBJECT} …")
        for text in filter(None, (mail.text, mail.html)):
            if notice.link not in text and (not notice.code or notice.code not in text):
                raise StartupError(f"{file}, or its HTML, lacks the link.", "Write {{ link }} where it belongs.")


def example(kind: NoticeKind, language: str, texts: Texts) -> Notice:
    """An email of this kind with values that are none of anybody's."""
    has_link = f"mail.{kind}.button" in texts.of(language)
    return Notice(
        kind=kind,
        to="ann@example.com",
        language=language,
        link="https://auth.example.com/pages/example?token=example" if has_link else "",
        code="12345678" if kind == "sign_in" else "",
        lock="" if has_link else "https://auth.example.com/pages/lock?token=example",
        where=Origin(
            address="203.0.113.7", user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        ),
        at=_EXAMPLE_AT,
        seconds=_EXAMPLE_SECONDS if has_link else 0,
        values={name: f"({name})" for name in sorted(_values(kind, texts))},
    )


def _values(kind: NoticeKind, texts: Texts) -> set[str]:
    """The values that an email of this kind has: those of our own text."""
    return placeholders(texts.of(LANGUAGES[0])[f"mail.{kind}.text"])


def _is_html(name: str | None) -> bool:
    return name is not None and name.endswith(".html")


def _mistake(file: Path, line: int, what: str, hint: str) -> StartupError:
    return StartupError(f"{file}, line {line}: {what}", hint)
