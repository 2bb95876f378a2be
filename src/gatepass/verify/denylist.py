"""What is revoked, by word of the application itself: an object of its own in place of following the issuer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .errors import RevokedError
from .following.health import Health

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .principal import Principal
    from .waiting import Wait


@runtime_checkable
class Denylist(Protocol):
    """Knows in memory what has been revoked."""

    def is_revoked(self, principal: Principal) -> bool:
        """Tell whether a token must not be accepted any more. It is asked at every request."""
        ...


class Consulting:
    """Asks a denylist; a verifier uses it as it uses a `Follower`, whose verdict it is as well."""

    kids: frozenset[str] = frozenset()

    def __init__(self, denylist: Denylist) -> None:
        """Ask this one."""
        self._denylist = denylist
        self.verdict = self

    def clears(self, principal: Principal, now: float) -> bool:  # noqa: ARG002 - as a Verdict
        """Tell whether a token is not revoked."""
        return not self._denylist.is_revoked(principal)

    def judge(self, principal: Principal) -> None:
        """Return if a token is not revoked.

        Raises:
            RevokedError: It is.
        """
        if self._denylist.is_revoked(principal):
            raise RevokedError("the token has been revoked")

    def settle(self, principal: Principal) -> Iterator[Wait]:  # noqa: ARG002 - as a Follower
        """Nothing is worth waiting for."""
        return iter(())

    def prefetch(self, seconds: float) -> Iterator[Wait]:  # noqa: ARG002 - as a Follower
        """Nothing has to be fetched."""
        return iter(())

    def health(self, *, keys_fresh: bool, keys_usable: bool) -> Health:
        """Nothing is followed."""
        return Health(keys_fresh=keys_fresh, feed="off", ready=keys_usable)

    def learn_offer(self) -> None:
        """What the issuer offers is not taken."""

    def close(self, seconds: float) -> None:
        """There is nothing to end."""

    def after_fork(self) -> None:
        """There is nothing to begin anew."""
