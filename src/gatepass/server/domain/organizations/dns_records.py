"""Looking up TXT records, by dnspython."""

from __future__ import annotations

from gatepass.server.base.errors import Unavailable

_DEADLINE_SECONDS = 5.0
_PORT = 53


class DnsLookup:
    """`gatepass.server.domain.organizations.domain.DnsRecords`, at the system's DNS servers or at others.

    Args:
        servers: Addresses, each with or without a port; nothing stands for the system's.
    """

    def __init__(self, servers: tuple[str, ...]) -> None:
        self._servers = servers

    async def texts(self, name: str) -> list[str]:
        """Ask for the records. A server that fails says nothing about them."""
        # Takes 80 ms, and most servers never need it.
        from dns.asyncresolver import Resolver  # noqa: PLC0415 - as said
        from dns.exception import DNSException  # noqa: PLC0415 - as said
        from dns.nameserver import Do53Nameserver  # noqa: PLC0415 - as said
        from dns.resolver import NXDOMAIN, NoAnswer  # noqa: PLC0415 - as said

        try:
            resolver = Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = [Do53Nameserver(*address_of(server)) for server in self._servers]
            found = await resolver.resolve(name, "TXT", search=False, lifetime=_DEADLINE_SECONDS)
        except (NXDOMAIN, NoAnswer):
            return []
        except (DNSException, OSError, ValueError) as error:
            raise Unavailable(
                "dns_unavailable",
                "The DNS does not answer just now: try again shortly.",
                private=f"TXT records of {name} cannot be looked up: {type(error).__name__}",
                retry_after=30,
            ) from error
        return [b"".join(record.strings).decode("utf-8", "replace") for record in found]


def address_of(server: str) -> tuple[str, int]:
    """The address and port of a DNS server, as settings spell it: 192.0.2.1, 192.0.2.1:5353, or [2001:db8::1]:5353.

    Raises:
        ValueError: it is none.
    """
    from ipaddress import ip_address  # noqa: PLC0415 - beside the look-up alone

    host, colon, port = server.rpartition(":")
    if not colon or "[" in port or (":" in host and not host.endswith("]")):
        host, port = server, str(_PORT)
    return str(ip_address(host.strip("[]"))), int(port)
