"""Revocations known to the application: its own object instead of following the issuer."""

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
    """The application's in-memory revocations."""

    def is_revoked(self, principal: Principal) -> bool:
        """Whether a token is revoked. Called at every request."""
        ...


class Consulting:
    """Asks a denylist; takes the place of a `Follower` and its verdict."""

    kids: frozenset[str] = frozenset()

    def __init__(self, denylist: Denylist) -> None:
        """Ask this one."""
        self._denylist = denylist
        self.verdict = self

    def clears(self, principal: Principal, now: float) -> bool:  # noqa: ARG002 - as a Verdict
        """Whether a token is not revoked."""
        return not self._denylist.is_revoked(principal)

    def judge(self, principal: Principal) -> None:
        """Return if a token is not revoked.

        Raises:
            RevokedError: It is.
        """
        if self._denylist.is_revoked(principal):
            raise RevokedError("the token has been revoked")

    def settle(self, principal: Principal) -> Iterator[Wait]:  # noqa: ARG002 - as a Follower
        """Nothing to wait for."""
        return iter(())

    def prefetch(self, seconds: float) -> Iterator[Wait]:  # noqa: ARG002 - as a Follower
        """Nothing to fetch."""
        return iter(())

    def health(self, *, keys_fresh: bool, keys_usable: bool) -> Health:
        """Nothing is followed."""
        return Health(keys_fresh=keys_fresh, feed="off", ready=keys_usable)

    def learn_offer(self) -> None:
        """The issuer's offer is ignored."""

    def close(self, seconds: float) -> None:
        """Nothing to stop."""

    def after_fork(self) -> None:
        """Nothing to restart."""
