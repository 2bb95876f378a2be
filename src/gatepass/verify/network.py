"""How to reach an issuer: with httpx, or by the caller's function."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import revocation_snapshot

from .http_client import HttpxFetch
from .issuer import is_same_origin
from .oauth_client import basic_credentials

if TYPE_CHECKING:
    from typing import Self

    from .follow import Listen
    from .http_client import Fetch


class Network(NamedTuple):
    """How an issuer is reached; the arguments of `Verifier`.

    Attributes:
        fetch: Gets a URL in place of httpx, or None.
        ca_file: A PEM file of the only certificate authorities to trust.
        proxy: The URL of a proxy to go through.
        authorization: What proves to the push stream which client this is, or "".
    """

    fetch: Fetch | None
    ca_file: str | None
    proxy: str | None
    authorization: str

    @classmethod
    def of(
        cls,
        *,
        fetch: Fetch | None,
        ca_file: str | None,
        proxy: str | None,
        client_id: str | None,
        client_secret: str | None,
    ) -> Self:
        """Check a caller's arguments.

        Raises:
            InvalidPolicyError: Two contradict each other, or one is missing.
        """
        if fetch is not None and (ca_file is not None or proxy is not None):
            raise InvalidPolicyError("ca_file and proxy are for the built-in fetch: leave them out, or fetch")
        if (client_id is None) != (client_secret is None):
            raise InvalidPolicyError("client_id and client_secret go together")
        authorization = (
            "" if client_id is None or client_secret is None else basic_credentials(client_id, client_secret)
        )
        return cls(fetch, ca_file, proxy, authorization)

    def for_keys(self) -> Fetch:
        """The fetcher of the metadata and keys.

        Raises:
            InvalidPolicyError: httpx is needed and not installed, or the file cannot be read.
        """
        return self.fetch or HttpxFetch(ca_file=self.ca_file, proxy=self.proxy)

    def for_documents(self) -> Fetch:
        """The fetcher of the snapshot and status lists, which keeps connections, because they are large and frequent.

        Raises:
            InvalidPolicyError: As for `for_keys`.
        """
        return self.fetch or HttpxFetch(
            ca_file=self.ca_file, proxy=self.proxy, max_bytes=revocation_snapshot.MAX_LENGTH, keep_alive=True
        )

    def for_bridge(self, bearer: str) -> tuple[HttpxFetch, Fetch, Listen]:
        """The client for a bridge's feed, with the fetcher of its snapshot and the listener of its stream.

        Args:
            bearer: What proves to it that we may read.

        Raises:
            InvalidPolicyError: As for `for_keys`.
        """
        authorization = f"Bearer {bearer}"
        client = HttpxFetch(
            ca_file=self.ca_file, proxy=self.proxy, max_bytes=revocation_snapshot.MAX_LENGTH, keep_alive=True
        )
        stream = HttpxFetch(ca_file=self.ca_file, proxy=self.proxy)
        return (
            client,
            partial(client.get, headers={"Authorization": authorization}),
            partial(stream.listen, authorization=authorization),
        )

    def for_stream(self, issuer: str) -> Listen | None:
        """The listener of the push stream; None with a caller's function, which cannot listen.

        Over a new connection, because a kept one may be as dead as the stream to be replaced. Which client this is, is
        proved to the issuer only, and to no relay.

        Raises:
            InvalidPolicyError: As for `for_keys`.
        """
        if self.fetch is not None:
            return None
        listen = HttpxFetch(ca_file=self.ca_file, proxy=self.proxy).listen
        return lambda url, last_event_id: listen(
            url, last_event_id, authorization=self.authorization if is_same_origin(url, issuer) else ""
        )
