"""Rendering emails in the user's language."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gatepass.server.base.texts import translate
from gatepass.server.domain.mail.message import Mail

if TYPE_CHECKING:
    import jinja2

    from gatepass.server.domain.mail.letter import Letter


def in_words(letter: Letter, *, site_name: str) -> Mail:
    """Render an email, in text and in HTML."""
    t = translate(letter.language)
    key = f"mail.{letter.kind}"
    paragraphs = [t(f"{key}.text", **letter.values)]
    if letter.code:
        paragraphs.append(f"    {letter.code[:4]} {letter.code[4:]}")
    if letter.link:
        paragraphs += [f"{t(f'{key}.button')}:\n{letter.link}", t("mail.ignore")]
    if letter.lock:
        paragraphs.append(f"{t('mail.lock')}\n{letter.lock}")
    paragraphs.append(f"-- \n{site_name}")
    return Mail(
        to=letter.to,
        subject=t(f"{key}.subject"),
        text="\n\n".join(paragraphs) + "\n",
        html=_template().render(t=t, key=key, letter=letter, site_name=site_name),
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
    return environment.get_template("letter.html")
