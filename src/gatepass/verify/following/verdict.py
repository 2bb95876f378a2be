"""Deciding whether a token is accepted: fast for nearly all, with reasons for the others."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from gatepass.jose.errors import BadClaimError
from gatepass.verify.errors import RevocationStaleError, RevokedError

from .document import MIN_TTL_SECONDS

if TYPE_CHECKING:
    from gatepass.tokens.status_list import StatusReference
    from gatepass.verify.clocks import Moment
    from gatepass.verify.principal import Principal

    from .known import Known
    from .status_lists import Copy

WINDOW_SECONDS = 1.0
"""For how long `clears` may use one reading of the clocks; the thread reads them several times a second."""

_SLEW_SECONDS = 0.05
"""How far a clock may move back before `clears` stops answering: the usual corrections."""


class Verdict:
    """Judges principals.

    Attributes:
        clears_from: From when on `clears` may go by what is known, in seconds since 1970.
        clears_until: Until when it may.
    """

    __slots__ = ("_bridged", "_held", "_known", "_names", "clears_from", "clears_until")

    def __init__(self, known: Known) -> None:
        """Use what is known."""
        self.clears_from, self.clears_until = inf, -inf
        self._known = known
        self._names = known.names
        self._held = known.lists.held
        self._bridged = known.bridged

    def clears(self, principal: Principal, wall: float) -> bool:  # noqa: PLR0911 - the fast path takes no detours
        """Whether a token is known not to be revoked, as fast as possible; if False, ask `judge`."""
        if not self.clears_from <= wall < self.clears_until or principal.token_id in self._names.jtis:
            return False
        if self._bridged is not None:
            return not self._bridged.revokes(principal)
        if principal.actor_statuses:  # rare
            return False
        status = principal.status
        if status is None:
            return True
        copy = self._held.get(status.uri)
        if copy is None or wall >= copy.clears_until:
            return False
        index = status.idx
        try:
            return not copy.octets[index >> 3] >> (index & 7) & 1
        except IndexError:
            return False

    def judge(self, principal: Principal, now: Moment) -> None:
        """Return if a token is accepted by what is known now.

        Raises:
            RevokedError: It has been revoked.
            BadClaimError: Its index is out of the list's bounds.
            RevocationStaleError: We are not up to date, and `stale` is `"refuse"`.
        """
        known = self._known
        if principal.token_id in self._names.jtis:
            raise RevokedError("the token has been revoked")
        if self._bridged is not None and self._bridged.revokes(principal):
            raise RevokedError("the token's subject or sign-in was revoked after it was issued")
        is_listed = True
        for status in known.statuses_of(principal):  # all of them: a list that is missing says nothing of the next one
            is_listed &= self._is_listed_as_good(status, now)
        if known.stale == "refuse" and not (is_listed and known.are_names_fresh(now)):
            raise RevocationStaleError(f"the revocations of {known.issuer} are not known", retry_after=MIN_TTL_SECONDS)

    def _is_listed_as_good(self, status: StatusReference, now: Moment) -> bool:
        """Whether a fresh list has the token's grant, or a client that has exchanged it, as valid.

        Raises:
            RevokedError: It has it as revoked, however old it is.
            BadClaimError: It does not have it.
        """
        copy = self._held.get(status.uri)
        if copy is None:
            return False
        copy.wanted_at, copy.is_resting = now.run, False
        if status.idx >> 3 >= len(copy.octets):
            raise BadClaimError("status has an index that the list does not have", claim="status")
        if copy.octets[status.idx >> 3] >> (status.idx & 7) & 1:
            raise RevokedError("the token's grant has been revoked")
        return self._known.age_of(copy, now) < self._known.stale_after

    # ── validity of `clears` ──

    def look(self, now: Moment, *, is_awake: bool = True) -> None:
        """Read both clocks, and let `clears` use what is fresh for a moment, unless the process has just slept."""
        self._look_at_names(now, is_awake=is_awake)
        for copy in self._held.values():
            self.look_at(copy, now)

    def look_at(self, copy: Copy, now: Moment) -> None:
        """Let `clears` use a list while it is fresh, unless we need to see whether it is in use."""
        is_open = not copy.is_resting and self._known.age_of(copy, now) < self._known.stale_after
        copy.clears_until = inf if is_open else -inf

    def close(self) -> None:
        """Disable `clears` until the next reading of the clocks."""
        self.clears_from, self.clears_until = inf, -inf

    def _look_at_names(self, now: Moment, *, is_awake: bool) -> None:
        left = min(self._known.stale_after - self._known.age_of_names(now), WINDOW_SECONDS)
        if self._known.has_no_names:
            left = inf if self._known.is_idle else WINDOW_SECONDS  # there are no ids to follow
        if left <= 0 or not is_awake:
            self.close()
        else:
            self.clears_from = -inf if left == inf else now.wall - _SLEW_SECONDS
            self.clears_until = now.wall + left
