"""The site as a whole: its health, language, look, and tools for developers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gatepass.server.base.settings.site import LOGO_TYPES
from gatepass.server.features.site import debugger, landing, language
from gatepass.server.features.site.health import HealthChecks
from gatepass.server.module import Job, Module
from gatepass.server.web.auth.requirements import METRICS
from gatepass.server.web.docs_page import static_file
from gatepass.server.web.headers import DEBUGGER_SCRIPT, FORM_POST_SCRIPT, PASSKEYS_SCRIPT

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.web.metrics import Gauges


def module(core: Core) -> Module:
    """Health, metrics, the look of the pages, their language and the debugger."""
    health = HealthChecks(core)
    _publish_look(core)

    def gauges() -> Gauges:
        return {
            "gatepass_connections": ("Open connections.", len(core.connections)),
            "gatepass_up_to_date": ("Whether the store could be followed lately.", core.replica.is_up_to_date()),
        }

    return Module(
        templates=__package__,
        routes=(*landing.routes(core), *language.routes(core), *debugger.routes(core)),
        at_root=health.routes(),
        proofs={METRICS: health.check_metrics},
        jobs=(Job(every=1, run=core.metrics.write_down),),
        warm_up=partial(core.pages.warm_up, "login.html", "signup.html", "account.html"),
        gauges=gauges,
        metadata={"service_documentation": f"{core.settings.issuer_url}/docs"},
    )


def _publish_look(core: Core) -> None:
    """Publish styles and scripts, and the configured logo and style, or our logo."""
    settings, documents = core.settings, core.documents

    def publish(name: str, body: bytes, media_type: str) -> None:
        documents.publish(f"/static/{name}", documents.make(body, media_type))

    publish("gatepass.css", static_file("gatepass.css"), "text/css; charset=utf-8")
    for script in (PASSKEYS_SCRIPT, DEBUGGER_SCRIPT, FORM_POST_SCRIPT):
        publish(script, static_file(script), "text/javascript; charset=utf-8")
    logo = Path(settings.site_logo) if settings.site_logo else None
    publish("logo", logo.read_bytes() if logo else static_file("logo.svg"), LOGO_TYPES[logo.suffix if logo else ".svg"])
    if settings.site_style:
        publish("site.css", Path(settings.site_style).read_bytes(), "text/css; charset=utf-8")
