"""`gatepass mail …`: look at the emails before anyone gets them."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter
from msgspec.structs import asdict

from gatepass.cli.common import Place
from gatepass.cli.output import Json, fail, result, result_json
from gatepass.server.base.texts import LANGUAGES
from gatepass.server.domain.mail.own_templates import KINDS, example
from gatepass.server.domain.mail.wording import MailWording

app = App(name="mail", help="Look at the emails that are sent.")

_HERE = Place()


@app.command
def preview(
    name: Annotated[str | None, Parameter(help="Which email, such as invitation [all].")] = None,
    *,
    language: Annotated[str, Parameter(help="Its language.")] = LANGUAGES[0],
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Print the subject, the text and the HTML of emails, by your own templates and texts where there are any."""
    wording = MailWording.of(place.settings())
    if name is not None and name not in KINDS:
        fail(f"There is no email {name}.", f"There are: {', '.join(KINDS)}")
    if language not in wording.texts.languages:
        fail(f"There are no texts in {language}.", f"There are: {', '.join(wording.texts.languages)}")
    kinds = KINDS if name is None else (name,)
    mails = {kind: wording.render(example(kind, language, wording.texts)) for kind in kinds}
    if json:
        result_json({kind: asdict(mail) for kind, mail in mails.items()})
        return
    for kind, mail in mails.items():
        result(f"── {kind} ──\nTo: {mail.to}\nSubject: {mail.subject}\n\n{mail.text}")
        if mail.html:
            result(f"── {kind}, in HTML ──\n{mail.html}")
