"""Rendering emails in the user's language, by the operator's template where there is one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gatepass.server.base.texts import LANGUAGES, Texts, direction
from gatepass.server.domain.mail.facts import facts_of
from gatepass.server.domain.mail.message import Mail
from gatepass.server.domain.mail.own_templates import OwnTemplates

if TYPE_CHECKING:
    import jinja2

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.mail.queue import Notice


class MailWording:
    """The words of emails.

    Raises:
        StartupError: a file of texts or a template cannot be used.
    """

    def __init__(self, *, site_name: str, texts: Texts, templates: str = "") -> None:
        self.texts = texts
        self._site_name = site_name
        self._own = OwnTemplates(templates, texts, site_name=site_name) if templates else None

    @classmethod
    def of(cls, settings: Settings) -> MailWording:
        """Those of the settings."""
        return cls(site_name=settings.site_name, texts=Texts(settings.text_files), templates=settings.mail_templates)

    def render(self, notice: Notice) -> Mail:
        """Render an email, in text and in HTML."""
        language = notice.language if notice.language in self.texts.languages else LANGUAGES[0]
        if self._own is not None and (mail := self._own.render(notice, language)) is not None:
            return mail
        return self._by_texts(notice, language)

    def _by_texts(self, notice: Notice, language: str) -> Mail:
        t = self.texts.translate(language)
        key = f"mail.{notice.kind}"
        known = facts_of(t, notice)
        listed = {"mail.time": known.time, "mail.device": known.device, "mail.address": known.address}
        facts = [(t(name), fact) for name, fact in listed.items() if fact]
        paragraphs = [t(f"{key}.text", **notice.values)]
        if notice.code:
            paragraphs.append(f"    {notice.code[:4]} {notice.code[4:]}")
        if notice.link:
            paragraphs.append(f"{t(f'{key}.button')}:\n{notice.link}")
        if known.until:
            paragraphs.append(t("mail.until", time=known.until))
        if facts:
            paragraphs.append("\n".join(f"{name}: {fact}" for name, fact in facts))
        if notice.link:
            paragraphs.append(t("mail.ignore"))
        if notice.lock:
            paragraphs.append(f"{t('mail.lock')}\n{notice.lock}")
        paragraphs.append(f"-- \n{self._site_name}")
        return Mail(
            to=notice.to,
            subject=t(f"{key}.subject"),
            text="\n\n".join(paragraphs) + "\n",
            html=_template().render(
                t=t,
                key=key,
                notice=notice,
                facts=facts,
                until=known.until,
                site_name=self._site_name,
                language=language,
                direction=direction(language),
            ),
        )


@cache
def _template() -> jinja2.Template:
    import jinja2  # noqa: PLC0415 - as in `pages`

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gatepass.server.domain.mail"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("notice.html")
