"""Rendering emails in the user's language."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gatepass.server.base.texts import translate
from gatepass.server.domain.mail.message import Mail

if TYPE_CHECKING:
    import jinja2

    from gatepass.server.domain.mail.queue import Notice


def in_words(notice: Notice, *, site_name: str) -> Mail:
    """Render an email, in text and in HTML."""
    t = translate(notice.language)
    key = f"mail.{notice.kind}"
    paragraphs = [t(f"{key}.text", **notice.values)]
    if notice.code:
        paragraphs.append(f"    {notice.code[:4]} {notice.code[4:]}")
    if notice.link:
        paragraphs += [f"{t(f'{key}.button')}:\n{notice.link}", t("mail.ignore")]
    if notice.lock:
        paragraphs.append(f"{t('mail.lock')}\n{notice.lock}")
    paragraphs.append(f"-- \n{site_name}")
    return Mail(
        to=notice.to,
        subject=t(f"{key}.subject"),
        text="\n\n".join(paragraphs) + "\n",
        html=_template().render(t=t, key=key, notice=notice, site_name=site_name),
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
