"""The email domains of an organization: proved by a record in the DNS, and looked at again every day."""

from __future__ import annotations

import secrets
from typing import Protocol

import msgspec
from email_validator import EmailNotValidError, validate_email

from gatepass.server.base.errors import Refusal

RECORD_NAME = "_gatepass-challenge"
_RECORD_PREFIX = "gatepass-domain-verification="
_CHALLENGE_BYTES = 24
CHECK_AGAIN_SECONDS = 86_400.0
LOST_AFTER_SECONDS = 3 * 86_400.0
"""How long the record may be missing before the domain is lost: longer than a mistake in a zone goes unnoticed."""


class OrganizationDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain. Times in seconds since 1970.

    `provider` is that by which its people must sign in; empty: they join by themselves. `checked_at` is when the record
    was last looked for with an answer, `missed_at` since when it is missing.
    """

    organization_id: str
    domain: str
    challenge: str
    created_at: float
    provider: str = ""
    verified_at: float | None = None
    checked_at: float | None = None
    missed_at: float | None = None

    @property
    def record_name(self) -> str:
        """The name of the TXT record, in ASCII (RFC 5890, A-labels)."""
        found = validate_email(f"anybody@{self.domain}", check_deliverability=False, test_environment=True)
        return f"{RECORD_NAME}.{found.ascii_domain}"

    @property
    def record_value(self) -> str:
        """What the record has to say."""
        return f"{_RECORD_PREFIX}{self.challenge}"

    def is_current(self, now: float) -> bool:
        """Whether the record was there when it was last looked for, and that was lately."""
        return (
            self.verified_at is not None
            and self.missed_at is None
            and self.checked_at is not None
            and now - self.checked_at < LOST_AFTER_SECONDS
        )


class OrganizationDomains(Protocol):
    """The store of domains; several organizations may claim one, and one of them proves it."""

    async def add(self, domain: OrganizationDomain) -> bool:
        """Add a domain; False if the organization has it, and then nothing is written."""
        ...

    async def find(self, organization_id: str, domain: str) -> OrganizationDomain | None:
        """One domain of an organization."""
        ...

    async def of_organization(self, organization_id: str) -> list[OrganizationDomain]:
        """All of an organization, by name."""
        ...

    async def verified(self, domain: str) -> OrganizationDomain | None:
        """Whose the domain is, proved."""
        ...

    async def of_provider(self, provider: str) -> list[OrganizationDomain]:
        """The domains whose people are to sign in with a provider, proved or not."""
        ...

    async def dedicate(self, provider: str) -> None:
        """Remember that a domain has named the provider: it is an organization's own from now on."""
        ...

    async def is_dedicated(self, provider: str) -> bool:
        """Whether any domain, which may be gone, has ever named the provider."""
        ...

    async def put(self, domain: OrganizationDomain) -> bool:
        """Replace what is known of it; False if it is another organization's by now, and then nothing is written."""
        ...

    async def due(self, checked_before: float, limit: int) -> list[OrganizationDomain]:
        """Proved domains that were last looked at before then, drawn at random: dead zones hold nobody else up."""
        ...

    async def remove(self, organization_id: str, domain: str) -> bool:
        """Remove one; False if there is none."""
        ...

    async def remove_all(self, organization_id: str) -> None:
        """Remove those of an organization."""
        ...


class DnsRecords(Protocol):
    """Looks up TXT records."""

    async def texts(self, name: str) -> list[str]:
        """The texts at a name; nothing where there is no such name.

        Raises:
            Unavailable: `dns_unavailable`, where nobody answers: that says nothing about the record.
        """
        ...


def new_challenge() -> str:
    """What the record of a domain has to hold."""
    return secrets.token_urlsafe(_CHALLENGE_BYTES)


def normalise_domain(text: str) -> str | Refusal:
    """A domain as addresses have it: in lower case, and in Unicode where it is international."""
    try:
        address = validate_email(
            f"anybody@{text.strip()}", check_deliverability=False, test_environment=True
        ).normalized
    except (EmailNotValidError, UnicodeError):
        return Refusal("invalid_domain", "This is not a domain that email addresses can have.")
    domain = domain_of(address.lower())
    return domain or Refusal("invalid_domain", "This is not a domain that email addresses can have.")


def domain_of(email: str) -> str:
    """The domain of a normalized address."""
    return email.rpartition("@")[2]
