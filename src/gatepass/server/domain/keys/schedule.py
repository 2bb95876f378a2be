"""The life of a signing key: pre-published, signing, retired, dropped. Decided here, from what is stored alone.

Keys of one use stand in a line, by generation. Of those that are not retired the first signs, and the others wait in
the JWKS, so that every verifier knows them before they sign. Retiring the first therefore promotes the second: one
write, which every node reads the same.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

from gatepass.tokens.access_token import MAX_LIFETIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PUBLISHED_AFTER_RETIREMENT = MAX_LIFETIME + 300
"""Seconds for which a retired key still verifies: the longest life of a token, and time for clocks that differ."""

HINTS_AFTER_RETIREMENT = 90 * 86_400
"""Seconds for which an ID token still tells whom it was about (`id_token_hint`): the longest life of a session."""

DOCUMENTS_ALG = "ES256"
"""What status lists and events are signed with where the tokens' key is a shared secret."""

_SPREADING_SECONDS = 60
"""Until every node publishes a new key, and caches on the way have let go of the JWKS without it."""

Use = Literal["sig", "documents", "id_token", "refresh"]
State = Literal["pre-published", "signing", "retired", "compromised"]


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as the database keeps it, sealed. Times in seconds since 1970.

    `held` says where the private part is: `here`, sealed with the rest, or `outside`, with a signer of the operator's.
    """

    kid: str
    use: Use
    alg: str
    sealed: bytes
    created_at: float
    signs_from: float
    retired_at: float | None = None
    compromised_at: float | None = None
    held: Literal["here", "outside"] = "here"
    generation: int = 0

    def __repr__(self) -> str:
        """Show what is public."""
        return f"StoredKey(kid={self.kid!r}, use={self.use!r}, alg={self.alg!r}, retired_at={self.retired_at})"


class StoredKeys(Protocol):
    """Where the server's keys are kept."""

    async def all(self) -> list[StoredKey]:
        """Every key, newest first."""
        ...

    async def add(self, key: StoredKey) -> bool:
        """Keep a new key; False when another node has put one at its place in the line."""
        ...

    async def retire(self, kid: str, now: float) -> None:
        """Retire a key that is not retired yet."""
        ...

    async def mark_compromised(self, kid: str, now: float) -> None:
        """Mark a key as compromised, and retire it."""
        ...

    async def drop(self, kid: str) -> None:
        """Forget a key for good."""
        ...

    async def sealed_data_key(self) -> bytes | None:
        """What the keys are sealed under, sealed itself."""
        ...

    async def keep_data_key(self, sealed: bytes) -> None:
        """Keep the data key, in place of what is kept."""
        ...


class KeySchedule(msgspec.Struct, frozen=True, kw_only=True):
    """How fast keys follow each other, in seconds: a new one each `rotation` (0: never), known `prepublish` before."""

    rotation: float
    prepublish: float

    @classmethod
    def of(cls, *, rotation: float, prepublish: float, jwks_max_age: float) -> KeySchedule:
        """Never let a key sign before the last cached JWKS without it has expired."""
        return cls(rotation=rotation, prepublish=max(prepublish, jwks_max_age + _SPREADING_SECONDS))


class Publish(msgspec.Struct, frozen=True):
    """Put a new key at the end of its line. It signs at once when nothing else does."""

    at: float
    use: Use
    alg: str


class Retire(msgspec.Struct, frozen=True):
    """Take a key out of the line: its successor's time has come, or it is needed no more."""

    at: float
    kid: str


class Drop(msgspec.Struct, frozen=True):
    """Forget a key whose last token has ended."""

    at: float
    kid: str


Step: TypeAlias = Publish | Retire | Drop


def plan(stored: Sequence[StoredKey], pace: KeySchedule, *, alg: str, id_token_alg: str | None = None) -> list[Step]:
    """Every step that is known to come, each with its time; the algorithms are for the very first keys only.

    A later key takes after the one before it, not after a setting: two nodes with different settings would otherwise
    make keys against each other. `id_token_alg` is None where nobody wants ID tokens yet.
    """
    steps = [
        *_plan_signing(stored, pace, alg),
        *_plan_documents(stored, pace, alg),
        *_plan_id_tokens(stored, pace, id_token_alg),
    ]
    steps.extend(Drop(kept_until(key), key.kid) for key in stored if key.retired_at is not None)
    return steps


def due(
    stored: Sequence[StoredKey], pace: KeySchedule, *, alg: str, now: float, id_token_alg: str | None = None
) -> list[Step]:
    """The steps whose time has come."""
    return [step for step in plan(stored, pace, alg=alg, id_token_alg=id_token_alg) if step.at <= now]


def _plan_signing(stored: Iterable[StoredKey], pace: KeySchedule, alg: str) -> list[Step]:
    keys = line(stored, "sig")
    return _plan_line(keys, pace) if keys else [Publish(0, "sig", alg)]


def _plan_documents(stored: Sequence[StoredKey], pace: KeySchedule, alg: str) -> list[Step]:
    """Documents have a key of their own while a token's key is a secret, which no document may be signed by."""
    keys = line(stored, "documents")
    if not any(map(is_symmetric, [key.alg for key in line(stored, "sig")] or [alg])):
        return [Retire(0, key.kid) for key in keys]
    return _plan_line(keys, pace) if keys else [Publish(0, "documents", DOCUMENTS_ALG)]


def _plan_id_tokens(stored: Sequence[StoredKey], pace: KeySchedule, alg: str | None) -> list[Step]:
    """ID tokens have a key of their own where the access tokens' is of another algorithm than theirs."""
    keys, signing = line(stored, "id_token"), line(stored, "sig")[:1]
    if keys and [key.alg for key in signing] == [keys[-1].alg]:
        return [Retire(0, key.kid) for key in keys]
    if keys:
        return _plan_line(keys, pace)
    return [Publish(0, "id_token", alg)] if alg is not None and signing and signing[0].alg != alg else []


def _plan_line(keys: Sequence[StoredKey], pace: KeySchedule) -> list[Step]:
    steps: list[Step] = [Retire(second.signs_from, first.kid) for first, second in pairwise(keys)]
    if pace.rotation and rotates_by_itself(newest := keys[-1]):
        steps.append(Publish(newest.signs_from + max(pace.rotation - pace.prepublish, 0), newest.use, newest.alg))
    return steps


def line(stored: Iterable[StoredKey], use: Use) -> list[StoredKey]:
    """The keys of a use that are not retired: the one that signs, then those that will."""
    return sorted((key for key in stored if key.use == use and key.retired_at is None), key=lambda key: key.generation)


def next_generation(stored: Iterable[StoredKey], use: Use) -> int:
    """The place of the next new key. Whoever else has read the same wants the same place, and only one gets it."""
    return 1 + max((key.generation for key in stored if key.use == use), default=0)


def state_of(key: StoredKey, stored: Iterable[StoredKey]) -> State:
    """The state of a key among all."""
    if key.compromised_at is not None:
        return "compromised"
    if key.retired_at is not None:
        return "retired"
    return "signing" if line(stored, key.use)[0].kid == key.kid else "pre-published"


def still_verifies(key: StoredKey, now: float) -> bool:
    """Whether a token that the key signed may be alive, or comes to be."""
    if key.compromised_at is not None:
        return False
    return key.retired_at is None or now < key.retired_at + PUBLISHED_AFTER_RETIREMENT


def kept_until(key: StoredKey) -> float:
    """When a key is forgotten for good. Its private part signs nothing by then; its public part tells whose it was."""
    if key.retired_at is None:
        return math.inf
    return key.retired_at + (HINTS_AFTER_RETIREMENT if key.use == "id_token" else PUBLISHED_AFTER_RETIREMENT)


def still_proves_hints(key: StoredKey, now: float) -> bool:
    """Whether an ID token that the key signed, alive or not, still tells whom it was about."""
    return key.use in ("sig", "id_token") and key.compromised_at is None and now < kept_until(key)


def rotates_by_itself(key: StoredKey) -> bool:
    """A secret that an API shares is handed over by hand, and a key held outside is made there."""
    return key.held == "here" and not is_symmetric(key.alg)


def is_symmetric(alg: str) -> bool:
    """Whether the algorithm's key is a shared secret, which no JWKS may ever hold."""
    return alg.startswith("HS")
