"""`gatepass relay`: pass on what an issuer revokes."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import uvloop
from cyclopts import App, Parameter
from cyclopts.validators import Number

from gatepass.cli.output import fail, say
from gatepass.jose.errors import InvalidPolicyError
from gatepass.relay.relaying import Relay
from gatepass.relay.serving import RelayListening, serve

app = App(name="relay", help="Pass on what an issuer revokes to many verifiers.")


@app.default
def relay(  # noqa: PLR0913 - one for each flag
    *,
    issuer: Annotated[str, Parameter(help="The issuer of the tokens: your Gatepass server's public URL.")],
    upstream: Annotated[
        tuple[str, ...],
        Parameter(
            help="Another relay to follow, by its URL; may be repeated, and the first is the nearest. When none of them"
            " serves, and without any, the issuer itself is followed."
        ),
    ] = (),
    host: Annotated[str, Parameter(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="The port to listen on; 0 for one that is free.")] = 8082,
    tls_cert: Annotated[Path | None, Parameter(help="A PEM file with a certificate, to serve TLS.")] = None,
    tls_key: Annotated[Path | None, Parameter(help="The PEM file with the certificate's key.")] = None,
    ca_file: Annotated[Path | None, Parameter(help="A PEM file of the only certificate authorities to trust.")] = None,
    connections_per_address: Annotated[
        int | None,
        Parameter(
            validator=Number(gte=1),
            help="How many connections one address may have; without it, half of what the limit of open files allows."
            " Raise it where all readers come from one address, as behind a proxy or a NAT.",
        ),
    ] = None,
    allow_http_in_development: Annotated[
        bool, Parameter(negative="", help="Fetch without TLS within a development network.")
    ] = False,
) -> None:
    """Relay until SIGTERM or Ctrl-C: the stream, the snapshot and the status lists, under the issuer's own paths."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    listening = RelayListening(
        host=host,
        port=port,
        tls_cert=None if tls_cert is None else str(tls_cert),
        tls_key=None if tls_key is None else str(tls_key),
        most_per_address=connections_per_address,
    )
    try:
        relaying = Relay(
            issuer,
            upstream,
            ca_file=None if ca_file is None else str(ca_file),
            allow_http=allow_http_in_development,
        )
    except InvalidPolicyError as error:
        fail(f"{error}.", "gatepass relay --help lists what there is.")

    def tell(where: str) -> None:
        say(f"gatepass relay listens on {where}")
        say(f"issuer {issuer}, follows {relaying.upstream}")
        if not relaying.is_live:
            problem = relaying.health().keys_problem or "there is no proof of it yet"
            say(f"warning: it is not up to date, and every stream gets 503: {problem}")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            published = runner.run(serve(relaying, listening, on_ready=tell))
        except OSError as error:
            fail(f"Cannot listen: {error}.", "Another program may listen there, or a file is missing: choose --port.")
    if not published:
        fail(f"{issuer} publishes no revocations.", "Only a Gatepass server does: there is nothing to relay.")
