"""`gatepass bridge`: let the tokens of other issuers die at our verifiers."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Annotated

import uvloop
from cyclopts import App, Parameter

from gatepass.bridge.serving import serve
from gatepass.bridge.settings import BridgeSettingsError, load
from gatepass.cli.output import fail, result, say

app = App(name="bridge", help="Take other issuers' notices of revocation, and pass them on to verifiers.")


@app.default
def bridge(
    *,
    config: Annotated[Path, Parameter(help="The TOML file with its settings.")],
    check: Annotated[
        bool, Parameter(negative="", help="Check the settings and the files that they name, and end.")
    ] = False,
) -> None:
    """Receive notices and publish the feed until SIGTERM or Ctrl-C."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        settings = load(config)
        secret = settings.secret(os.environ)
        for each in settings.transmitters:
            each.bearer_digest()
            if each.client_id is not None:
                each.client_secret()
        if check:
            result(f"{config} is good: {len(settings.transmitters)} transmitters")
            return
    except BridgeSettingsError as error:
        fail(error.message, error.hint)

    def tell(where: str) -> None:
        say(f"gatepass bridge listens on {where}")
        for each in settings.transmitters:
            how = f"fetched from {each.poll_url}" if each.poll_url else f"at {settings.issuer}/notices/{each.name}"
            say(f"{each.kind} of {each.signed_by}, {how}")
        say(f"verifiers: feed_url={settings.issuer}/revocations feed_issuer={settings.issuer}")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve(settings, secret, on_ready=tell))
        except BridgeSettingsError as error:
            fail(error.message, error.hint)
        except OSError as error:
            fail(f"Cannot serve: {error}.", "Another program may listen there: choose another port.")
