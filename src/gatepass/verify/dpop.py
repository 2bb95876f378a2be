"""DPoP (RFC 9449) at an API: which proofs are accepted, how nonces are issued, and which proofs were used before."""

from __future__ import annotations

import hashlib
import hmac
import math
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gatepass.jose import base64url
from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import dpop_proof
from gatepass.tokens.dpop_proof import InvalidProofError

from .clocks import LONG_AGO, Moment
from .errors import ReplaysUnavailableError, UseNonceError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from gatepass.tokens.dpop_proof import DPoPProof

    from .waiting import Wait

PROOF_SECONDS = 60
"""How far a proof's `iat` may be from our clock, in either direction."""

NONCE_SECONDS = 300
"""How long a nonce is issued; it is accepted for up to twice as long."""

MAX_REPLAYS = 500_000
"""Proofs that are remembered in memory, in each of two generations of some two minutes."""

_MAX_PROOF_SECONDS = 300
_SHORTEST_SECRET = 32
_TAG_BYTES = 16
_REPLAYS_SECONDS = 2.0
_RETRY_SECONDS = 5


class DPoP(NamedTuple):
    """The proof of a request, and the request it must match.

    Attributes:
        proof: The value of the request's one `DPoP` header.
        method: The request's method.
        url: The request's URL, as the client wrote it: behind a proxy not always what the application sees.
    """

    proof: str
    method: str
    url: str


class Replays(Protocol):
    """The store of used proofs; the processes that serve one API share it."""

    def spend(self, name: str, seconds: float) -> bool | Future[bool]:
        """Record a use, atomically.

        Args:
            name: Who used which proof; 43 characters.
            seconds: How long to keep it.

        Returns:
            Whether it was new; or a future of that, where it takes more than a moment.
        """
        ...


class InMemoryReplays:
    """The proofs that this process has seen, in two generations; a proof older than both has expired.

    A generation lasts by both clocks: a wall clock that is set back makes old proofs young again.

    If a generation is full, no proof is accepted until it ends: dropping some would allow their reuse.
    """

    def __init__(self, *, size: int = MAX_REPLAYS, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty.

        Args:
            size: How many to remember in each generation.
            clock: The time, in seconds, by a clock that is never set.
        """
        self._size = size
        self._clock = clock
        self._seconds = 0.0
        self._began = LONG_AGO
        self._young: set[str] = set()
        self._old: set[str] = set()
        self._lock = threading.Lock()

    def spend(self, name: str, seconds: float, *, wall: float | None = None) -> bool:
        """Record a use; tell whether it is the first.

        Args:
            name: Who used which proof.
            seconds: How long to keep it.
            wall: The time by which proofs are judged, in seconds since 1970.

        Raises:
            ReplaysUnavailableError: There is no room for it.
        """
        with self._lock:
            run = self._clock()
            self._turn(Moment(run if wall is None else wall, run), seconds)
            if name in self._young or name in self._old:
                return False
            if len(self._young) >= self._size:
                raise ReplaysUnavailableError("too many proofs to remember", retry_after=math.ceil(self._seconds))
            self._young.add(name)
            return True

    def after_fork(self) -> None:
        """Replace a lock whose holder is in the parent process."""
        self._lock = threading.Lock()

    def _turn(self, now: Moment, seconds: float) -> None:
        """Start a new generation when the last one is old enough."""
        self._seconds = max(self._seconds, seconds)
        lasted = now.surely_since(self._began)
        if lasted < self._seconds:
            return
        self._old = set() if lasted >= 2 * self._seconds else self._young
        self._young = set()
        self._began = now


class DPoPPolicy:
    """Which proofs a verifier accepts.

    Attributes:
        required: Whether a token that is not bound to a key is refused.
    """

    def __init__(
        self,
        *,
        required: bool = False,
        seconds: float = PROOF_SECONDS,
        replays: Replays | None = None,
        nonce_secret: bytes | None = None,
    ) -> None:
        """Fix the policy.

        Args:
            required: Refuse tokens that are not bound to a key.
            seconds: How far a proof's `iat` may be from our clock, in either direction.
            replays: The store of used proofs; by default the memory of this process.
            nonce_secret: 32 random bytes, the same in every process that serves the API: proofs must then repeat a
                nonce that they authenticate, so proofs cannot be made in advance.

        Raises:
            InvalidPolicyError: An argument makes no sense.
        """
        if not 0 < seconds <= _MAX_PROOF_SECONDS:
            raise InvalidPolicyError(f"seconds is between 0 and {_MAX_PROOF_SECONDS}")
        if nonce_secret is not None and len(nonce_secret) < _SHORTEST_SECRET:
            raise InvalidPolicyError(f"nonce_secret is {_SHORTEST_SECRET} random bytes")
        self.required = required
        self._seconds = seconds
        self._replays = InMemoryReplays() if replays is None else replays
        self._secret = nonce_secret

    def check(self, dpop: DPoP, token: str, now: float) -> DPoPProof:
        """Check everything about a proof except whether it was already used.

        Raises:
            InvalidProofError: It shows nothing about this request.
            UseNonceError: It must repeat a nonce.
        """
        proof = dpop_proof.check(
            dpop.proof, method=dpop.method, url=dpop.url, token=token, now=now, seconds=self._seconds
        )
        if self._secret is not None and not self._is_ours(proof.nonce, now):
            raise UseNonceError("the proof must repeat our nonce", nonce=self.nonce(now) or "")
        return proof

    def spend(self, proof: DPoPProof, now: float) -> Generator[Wait, None, None]:
        """Record that a proof is used, yielding what to wait for.

        Raises:
            InvalidProofError: It was used before.
            ReplaysUnavailableError: The store does not answer.
        """
        name = base64url.encode(hashlib.sha256(f"{proof.thumbprint}.{proof.jti}".encode()).digest())
        seconds, replays = proof.iat + self._seconds - now + 1, self._replays
        if isinstance(replays, InMemoryReplays):
            is_new: bool | Future[bool] = replays.spend(name, seconds, wall=now)
        else:
            is_new = replays.spend(name, seconds)
        if isinstance(is_new, Future):
            yield is_new, _REPLAYS_SECONDS
            is_new = _outcome(is_new)
        if not is_new:
            raise InvalidProofError("the proof was used before")

    def after_fork(self) -> None:
        """Start over in a process that forked."""
        if isinstance(self._replays, InMemoryReplays):
            self._replays.after_fork()

    def nonce(self, now: float) -> str | None:
        """Return what proofs must repeat now, or None where they need not."""
        return None if self._secret is None else self._nonce(int(now // NONCE_SECONDS))

    def _is_ours(self, nonce: str | None, now: float) -> bool:
        slot = int(now // NONCE_SECONDS)
        return nonce is not None and any(
            hmac.compare_digest(nonce.encode(), self._nonce(one).encode()) for one in (slot, slot - 1)
        )

    def _nonce(self, slot: int) -> str:
        return base64url.encode(hmac.digest(self._secret or b"", b"dpop nonce %d" % slot, "sha256")[:_TAG_BYTES])


def _outcome(asked: Future[bool]) -> bool:
    try:
        return asked.result(0)
    except Exception as error:  # noqa: BLE001 - whatever a store raises, an unchecked proof is refused
        raise ReplaysUnavailableError(
            f"used proofs cannot be looked up: {type(error).__name__}", retry_after=_RETRY_SECONDS
        ) from None
