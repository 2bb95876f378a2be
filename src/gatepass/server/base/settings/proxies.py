"""The proxies in front of the server."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.server import ServerSection
from gatepass.server.base.urls import is_loopback

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


class ProxySection(ServerSection, frozen=True, kw_only=True):
    """Which proxies are believed, and about what."""

    trusted_proxy: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks (CIDR) of proxies that serve HTTPS for this server and are trusted for client addresses."
        ),
    ] = ()
    trusted_header: Annotated[
        str,
        Meta(
            description="The header with the client address; `Forwarded` is read by RFC 7239, any other as a list of addresses."
        ),
    ] = "X-Forwarded-For"
    allow_undeclared_proxy: Annotated[
        bool,
        Meta(
            description="Whether to serve a public issuer from loopback without `trusted_proxy`; all users then appear to have one address."
        ),
    ] = False

    @property
    def has_undeclared_proxy(self) -> bool:
        """Whether a server on loopback must be behind a proxy that is not declared."""
        is_declared = bool(self.tls_cert or self.trusted_proxy)
        is_elsewhere = not is_loopback(urlsplit(self.issuer_url).hostname or "")
        return is_loopback(self.host) and is_elsewhere and not is_declared

    def check_proxy_is_declared(self) -> None:
        """Refuse to serve on loopback for a public issuer without a declared proxy.

        Raises:
            StartupError: when a proxy must be there that is not declared. All people would share its address, and with
                it the limits on guessing.
        """
        if self.has_undeclared_proxy and not self.allow_undeclared_proxy:
            raise StartupError(
                f"The issuer is {self.issuer_url}, and this server listens on {self.host} without a certificate, so there"
                " must be a proxy in front of it that is not declared.",
                "Give --trusted-proxy 127.0.0.1/32 if it runs on this machine and sends X-Forwarded-For.",
            )

    def check(self) -> None:
        """Check that nothing is served publicly over plain HTTP, and that proxies and their header are valid."""
        super().check()
        self._check_address()
        self._check_proxies()
        self._check_trusted_header()

    def _check_address(self) -> None:
        if is_loopback(self.host) or self.tls_cert or self.trusted_proxy:
            return
        raise StartupError(
            f"Will not serve plain HTTP on {self.host}: passwords and tokens would be readable on the network.",
            "Give --tls-cert and --tls-key, or --trusted-proxy with the CIDR of the proxy that serves HTTPS.",
        )

    def _check_proxies(self) -> None:
        for network in self.trusted_proxy:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise StartupError(
                    f"{network} is not a network: {error}.", "Write it like 10.0.0.0/8 or 192.0.2.7/32."
                ) from error

    def _check_trusted_header(self) -> None:
        if not _HEADER.fullmatch(self.trusted_header):
            raise StartupError(
                "`trusted_header` is not the name of a header.", "Use a name such as X-Forwarded-For or Forwarded."
            )
