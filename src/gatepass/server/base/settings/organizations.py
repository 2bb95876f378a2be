"""Organizations."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.foreign_tokens import ForeignTokenSection

_SERVER = re.compile(r"(\[[0-9a-fA-F:]+\]|[0-9.]+)(:[0-9]{1,5})?|[0-9a-fA-F:]+")


class OrganizationSection(ForeignTokenSection, frozen=True, kw_only=True):
    """How the domains of organizations are looked up."""

    dns_servers: Annotated[
        tuple[str, ...],
        Meta(
            description="DNS servers that are asked for the records of organizations' email domains, such as `192.0.2.53` or `[2001:db8::53]:5353`. Empty: the system's."
        ),
    ] = msgspec.field(default_factory=tuple[str, ...])

    def check(self) -> None:
        """Each is an address."""
        super().check()
        for server in self.dns_servers:
            if not _SERVER.fullmatch(server):
                raise StartupError(
                    f"`dns_servers` names {server}, which is no address.", "Write 192.0.2.53, or 192.0.2.53:5353."
                )
