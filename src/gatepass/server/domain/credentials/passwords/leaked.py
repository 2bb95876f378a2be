"""Looking up leaked passwords with k-anonymity: only the first five digits of the SHA-1 leave the server.

The service returns the rest of every digest with that prefix. If the service is slow or down, the password is accepted,
so that its failure does not prevent sign-ups.
"""

from __future__ import annotations

import asyncio
import hashlib

import structlog

from gatepass.verify.tls import public_authorities

log = structlog.get_logger("gatepass")

PREFIX_DIGITS = 5
DEADLINE_SECONDS = 2.0
"""For the whole request."""
_MAX_BYTES = 1 << 20


class LeakedPasswordRanges:
    """`gatepass.server.domain.credentials.passwords.policy.LeakedPasswords`, over HTTPS."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def has(self, password: str) -> bool:
        """Request the range of the password's digest."""
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        prefix, rest = digest[:PREFIX_DIGITS], digest[PREFIX_DIGITS:]
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                listed = await self._fetch(prefix)
        except (TimeoutError, OSError, ValueError) as error:
            log.warning("leaked passwords could not be looked up", reason=type(error).__name__)
            return False
        return any(_names(line, rest) for line in listed.splitlines())

    async def _fetch(self, prefix: str) -> str:
        """Read at most a megabyte of text, without following redirects."""
        import httpx  # noqa: PLC0415 - only where it is set, and it takes 100 ms

        body = b""
        try:
            async with (
                httpx.AsyncClient(headers={"add-padding": "true"}, verify=public_authorities()) as client,
                client.stream("GET", self._url + prefix) as response,
            ):
                if not response.is_success:
                    raise ValueError("no list")
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_BYTES:
                        raise ValueError("too long a list")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OSError("no answer") from error
        return body.decode("ascii")


def _names(line: str, rest: str) -> bool:
    """Whether a line, `REST:COUNT`, is this digest; a count of 0 is padding that hides the length of the list."""
    found, _, count = line.strip().partition(":")
    return found.upper() == rest and count.strip() != "0"
