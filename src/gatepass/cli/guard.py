"""`gatepass guard`: forward authentication for a reverse proxy."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import uvloop
from cyclopts import App, Parameter

from gatepass.cli.output import fail, say
from gatepass.guard.serving import Listening, serve
from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import access_token
from gatepass.verify import Principal, Verifier
from gatepass.verify.guard import Guard

if TYPE_CHECKING:
    from types import ModuleType

app = App(name="guard", help="Tell a reverse proxy whether a request's token is good.")

_JOINED = ("scope", "permission", "acr", "amr")
"""What may be required several times: all are needed, or of `acr` one."""
_ONCE = ("organization", "max_age")


@app.default
def guard(  # noqa: PLR0913 - one for each flag
    *,
    issuer: Annotated[str, Parameter(help="The issuer of the tokens: your Gatepass server's public URL.")],
    audience: Annotated[tuple[str, ...], Parameter(help="The API behind the proxy, as tokens name it in `aud`.")],
    require: Annotated[
        tuple[str, ...],
        Parameter(
            help="What every request needs: scope=…, role=…, permission=…, organization=…, acr=…, amr=… or max_age=…;"
            " may be repeated, and all are needed. Of role=editor|admin one is enough."
        ),
    ] = (),
    host: Annotated[str, Parameter(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="The port to listen on; 0 for one that is free.")] = 8081,
    unix: Annotated[Path | None, Parameter(help="A Unix socket to listen on in place of host and port.")] = None,
    proxy: Annotated[
        tuple[str, ...],
        Parameter(
            help="An address or network of proxies whose X-Forwarded-Method, -Proto, -Host and -Uri are believed, which"
            " DPoP needs; may be repeated. Their sample configurations overwrite what a client sends."
        ),
    ] = (),
    stale: Annotated[
        Literal["refuse", "serve"],
        Parameter(help="What becomes of tokens while it is not known what has been revoked."),
    ] = "refuse",
    relay: Annotated[
        tuple[str, ...],
        Parameter(
            help="A relay to learn of revocations from, by its URL; may be repeated, and the first is the nearest. When"
            " none of them serves, the issuer itself is asked."
        ),
    ] = (),
    typ: Annotated[
        str, Parameter(help="The `typ` of the tokens' header, for issuers that do not follow RFC 9068: JWT, or any.")
    ] = access_token.TYP,
    feed_url: Annotated[
        str | None, Parameter(help="The feed of a bridge that tells what an issuer without a feed has revoked.")
    ] = None,
    feed_issuer: Annotated[str | None, Parameter(help="The bridge's own URL, which signs that feed.")] = None,
    feed_secret_file: Annotated[
        Path | None, Parameter(help="The file with what the bridge shares with readers.")
    ] = None,
    feed_subject: Annotated[
        str | None, Parameter(help="The claim by which notices name the subject, where that is not sub: oid, uid.")
    ] = None,
    client_id: Annotated[str | None, Parameter(help="A client of the issuer, whose place at the feed is kept.")] = None,
    client_secret_file: Annotated[Path | None, Parameter(help="The file with that client's secret.")] = None,
    ca_file: Annotated[Path | None, Parameter(help="A PEM file of the only certificate authorities to trust.")] = None,
    allow_http_in_development: Annotated[
        bool, Parameter(negative="", help="Fetch without TLS within a development network.")
    ] = False,
) -> None:
    """Answer until SIGTERM or Ctrl-C: 200 with X-Auth-… headers, or 401 or 403 with the challenge, or 503."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    # httpx has a command line and serves trio, too. Their libraries take 8 MB; it does without where they are not.
    for unused in ("click", "trio"):
        sys.modules.setdefault(unused, cast("ModuleType", None))
    listening = Listening(host=host, port=port, unix=None if unix is None else str(unix), proxies=proxy)
    try:
        verifier = Verifier(
            issuer=issuer,
            audience=audience,
            stale=stale,
            relays=relay,
            typ=None if typ == "any" else typ,
            feed_url=feed_url,
            feed_issuer=feed_issuer,
            feed_secret=None if feed_secret_file is None else _secret(feed_secret_file),
            feed_subject=feed_subject,
            client_id=client_id,
            client_secret=None if client_secret_file is None else _secret(client_secret_file),
            ca_file=None if ca_file is None else str(ca_file),
            allow_http_in_development=allow_http_in_development,
        )
        admits = requiring(Guard[Principal](verifier), require)
        _ = listening.networks
    except (InvalidPolicyError, ValueError) as error:
        fail(f"{error}.", "gatepass guard --help lists what there is.")
    needs = ", ".join(require) or "a valid token"

    def tell(where: str) -> None:
        say(f"gatepass guard listens on {where}")
        say(f"issuer {issuer}, audience {' '.join(audience)}, needs {needs}")
        if (problem := verifier.health().keys_problem) is not None:
            say(f"warning: the issuer's keys are not there yet, and every request gets 503: {problem}")

    with verifier, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve(admits, verifier, listening, on_ready=tell))
        except OSError as error:
            fail(f"Cannot listen: {error}.", "Another program may listen there: choose another --port or --unix.")


def requiring(guard: Guard[Principal], words: tuple[str, ...]) -> Guard[Principal]:
    """A guard that requires what is named as `scope=…` and so on.

    Raises:
        InvalidPolicyError: for another name, or what no principal could satisfy.
    """
    named: dict[str, list[str]] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in (*_JOINED, *_ONCE, "role") or not value or (name in _ONCE and name in named):
            raise InvalidPolicyError(f"--require {word} is not one of scope=, role=, permission=, organization=, acr=")
        named.setdefault(name, []).append(value)
    needed: dict[str, Any] = {name: " ".join(named[name]) for name in _JOINED if name in named}
    if "organization" in named:
        needed["organization"] = named["organization"][0]
    if "max_age" in named:
        needed["max_age"] = int(named["max_age"][0])
    guard = guard.require(**needed) if needed else guard
    for role in named.get("role", []):
        guard = guard.require(role=role.split("|"), organization=needed.get("organization"))
    return guard


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"Cannot read {file}: {error}.", "Name the file with the secret.")
