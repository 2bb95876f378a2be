"""`gatepass serve`."""

from __future__ import annotations

import asyncio
import stat
import sys
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import structlog
import uvloop
from cyclopts import App, Parameter

from gatepass.cli.common import Place
from gatepass.cli.output import how_to_type_it, say
from gatepass.server.base.urls import is_loopback
from gatepass.server.process.serving import serve as serve_until_stopped
from gatepass.server.process.workers import serve_with_workers

if TYPE_CHECKING:
    from pathlib import Path

    from gatepass.server.base.settings import Settings

_SLOW_MESSAGE_SECONDS = 10
"""How long a message may take on a slow network; `docs/security/refresh.md` explains what follows from it."""

app = App(name="serve", help="Start the authentication server.")


@app.default
def serve(  # noqa: PLR0913 - one for each flag
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on [localhost].")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on [8000]; 0 takes a free one.")] = None,
    issuer: Annotated[str | None, Parameter(help="This server's public URL [http://localhost:PORT].")] = None,
    audience: Annotated[
        tuple[str, ...] | None, Parameter(help="An API that accepts the tokens, besides this server; may be repeated.")
    ] = None,
    alg: Annotated[str | None, Parameter(help="Algorithm of the access tokens [ES256].")] = None,
    tls_cert: Annotated[str | None, Parameter(help="Certificate chain for HTTPS, a PEM file.")] = None,
    tls_key: Annotated[str | None, Parameter(help="Private key for HTTPS, a PEM file.")] = None,
    trusted_proxy: Annotated[
        tuple[str, ...] | None,
        Parameter(help="Network (CIDR) of a proxy that serves HTTPS for this server; may be repeated."),
    ] = None,
    workers: Annotated[int | None, Parameter(help="Server processes behind one socket [1].")] = None,
    place: Place = Place(),  # noqa: B008 - frozen
) -> None:
    """Run the authentication server until SIGTERM or Ctrl-C."""
    settings = place.settings(
        host=host,
        port=port,
        issuer=issuer,
        audience=audience,
        alg=alg,
        tls_cert=tls_cert,
        tls_key=tls_key,
        trusted_proxy=trusted_proxy,
        workers=workers,
    )
    settings.check_proxy_is_declared()
    tell = partial(announce, file=place.file)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if settings.workers > 1:
        serve_with_workers(settings, on_ready=tell)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_until_stopped(settings, on_ready=tell))


def announce(settings: Settings, file: Path | None = None) -> None:
    """Print where the server listens, where its data is, and what to run next."""
    scheme = "https" if settings.tls_cert else "http"
    url = f"{scheme}://{settings.host}:{settings.port}"
    say(f"Gatepass {version('gatepass')}")
    say(f"  listening  {url}" + ("" if settings.issuer_url == url else f"  (issuer {settings.issuer_url})"))
    if file is not None:
        say(f"  settings   {file}")
    say(f"  data       {settings.database_shown}")
    say(f"  API        {settings.issuer_url}/docs")
    say(f"  pages      {settings.issuer_url}/pages/account")
    if settings.mail == "outbox":
        say(f"  mails      {settings.outbox_url}")
    for warning in warnings(settings):
        say(f"  warning    {warning}")
    say("next: gatepass user add you@example.com" + _place(settings))
    if hint := how_to_type_it():
        say(f"      {hint}")


def is_open_to_others(path: Path) -> bool:
    """Whether the file exists and other users of this machine can read or change it."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool(mode & (stat.S_IRWXG | stat.S_IRWXO))


def warnings(settings: Settings) -> list[str]:
    """Warnings about settings that are allowed but risky."""
    found: list[str] = []
    if settings.alg == "HS256":
        found.append("HS256: the API that shares the secret can forge tokens; `gatepass key export FILE` hands it over")
    if not settings.issuer and not is_loopback(settings.host):
        found.append(f"the issuer is {settings.issuer_url}, which other machines cannot reach: --issuer https://…")
    if settings.has_undeclared_proxy:
        found.append(
            "there is a proxy in front of this server that is not declared: all users appear to have its address, and"
            " share one limit on failed sign-ins: --trusted-proxy CIDR"
        )
    if settings.refresh_quiet_seconds > 2 * settings.refresh_grace_seconds:
        found.append(
            "the theft of a refresh token may stay unnoticed: refresh_quiet_seconds is over twice refresh_grace_seconds"
        )
    longest = min(settings.refresh_quiet_seconds / 4, settings.refresh_grace_seconds / 2)
    if longest < _SLOW_MESSAGE_SECONDS:
        found.append(
            f"users may be signed out by mistake when a message takes over {longest:g} s: set refresh_quiet_seconds to"
            " four times, and refresh_grace_seconds to twice, what it may take"
        )
    if not settings.is_on_postgres and is_open_to_others(settings.sqlite_path):
        found.append(f"other users of this machine can read {settings.sqlite_path}: chmod 600 {settings.sqlite_path}*")
    if settings.signup == "open" and not is_loopback(settings.host):
        found.append("anyone who can reach this server can sign up: GATEPASS_SIGNUP=closed prevents that")
    if settings.mail == "none":
        found.append("no email can be sent, so users cannot reset passwords: set GATEPASS_SMTP_URL")
    return found


def _place(settings: Settings) -> str:
    where = "" if settings.data_dir == "gatepass-data" else f" --data-dir {settings.data_dir}"
    return where + (f" --database {settings.database_shown}" if settings.database else "")
