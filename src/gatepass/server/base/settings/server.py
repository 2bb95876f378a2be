"""Where the server listens, its public URL, and how it starts and stops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.section import Section
from gatepass.server.base.urls import as_browsers_write, host_of_url, is_loopback

DEFAULT_PORT = 8000


class ServerSection(Section, frozen=True, kw_only=True):
    """Host and port, issuer, TLS, workers."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "localhost"
    port: Annotated[int, Meta(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = DEFAULT_PORT
    issuer: Annotated[
        str,
        Meta(description="This server's public URL, the `iss` of every token. Empty: http://localhost:PORT."),
    ] = ""
    tls_cert: Annotated[str, Meta(description="Certificate chain for HTTPS, a PEM file.")] = ""
    tls_key: Annotated[str, Meta(description="Private key for HTTPS, a PEM file.")] = ""
    workers: Annotated[int, Meta(ge=1, le=256, description="Server processes on this machine, behind one socket.")] = 1
    drain_seconds: Annotated[
        int,
        Meta(
            ge=0,
            description="How long to keep serving after SIGTERM while /ready fails, in seconds, so that load balancers notice.",
        ),
    ] = 0
    shutdown_seconds: Annotated[
        int, Meta(ge=0, description="How long requests in flight may take to finish at shutdown, in seconds.")
    ] = 10

    @property
    def issuer_url(self) -> str:
        """The issuer: as set, or the loopback URL that this server listens on."""
        scheme = "https" if self.tls_cert else "http"
        return self.issuer or f"{scheme}://localhost:{self.port}"

    def check(self) -> None:
        """The issuer is a URL as browsers write it; HTTPS needs both of its files."""
        super().check()
        self._check_issuer()
        self._check_tls()

    def _check_issuer(self) -> None:
        host = host_of_url(self.issuer_url)
        if not host:
            raise StartupError(
                "The issuer is not a URL.",
                "Use a URL such as https://auth.example.com, with or without a path (RFC 8414 §2).",
            )
        if self.issuer_url.endswith("/"):
            raise StartupError("The issuer ends with a slash.", f"Write {self.issuer_url.rstrip('/')}")
        if (plain := as_browsers_write(self.issuer_url)) != self.issuer_url:
            raise StartupError(
                "The issuer's host must be in lower case, and a default port must be left out.",
                f"Write {plain}",
            )
        if self.issuer_url.startswith("http:") and not is_loopback(host):
            raise StartupError(
                "The issuer is http on an address that is not loopback.", "Tokens need HTTPS: --issuer https://…"
            )

    def _check_tls(self) -> None:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise StartupError("HTTPS requires both a certificate and its key.", "Give both --tls-cert and --tls-key.")
        for name in (self.tls_cert, self.tls_key):
            if name and not Path(name).is_file():
                raise StartupError(f"There is no file {name}.", "Give --tls-cert and --tls-key PEM files.")
