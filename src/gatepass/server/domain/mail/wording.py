"""Rendering emails in the user's language, by the operator's template where there is one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gatepass.server.base.devices import device_of
from gatepass.server.base.texts import LANGUAGES, Texts, direction, time_in_words
from gatepass.server.domain.mail.message import Mail
from gatepass.server.domain.mail.own_templates import OwnTemplates

if TYPE_CHECKING:
    import jinja2

    from gatepass.server.base.settings import Settings
    from gatepass.server.base.texts import Translate
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
        facts = _facts(t, notice)
        paragraphs = [t(f"{key}.text", **notice.values)]
        if notice.code:
            paragraphs.append(f"    {notice.code[:4]} {notice.code[4:]}")
        if notice.link:
            paragraphs.append(f"{t(f'{key}.button')}:\n{notice.link}")
        if notice.seconds:
            paragraphs.append(t("mail.until", time=time_in_words(t, notice.at + notice.seconds)))
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
                until=time_in_words(t, notice.at + notice.seconds) if notice.seconds else "",
                site_name=self._site_name,
                language=language,
                direction=direction(language),
            ),
        )


def _facts(t: Translate, notice: Notice) -> list[tuple[str, str]]:
    """When, on which device and from where something was requested or done, as far as that is known.

    Only browsers that we know are named: what else a request says of itself may be an invitation to another site.
    """
    if not notice.at or not (notice.where.address or notice.where.user_agent):
        return []
    agent = notice.where.user_agent
    device = device_of(agent if agent.startswith("Mozilla/") else "")
    name = t("device.on", program=device.program, system=device.system) if all(device) else "".join(device)
    return [
        (t("mail.time"), time_in_words(t, notice.at)),
        (t("mail.device"), name or t("account.unknown_device")),
        *([(t("mail.address"), notice.where.address)] if notice.where.address else []),
    ]


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
