"""The life cycle of a signing key: pre-published, signing, retired, dropped. Decided from stored data alone.

The keys of one use are ordered by generation. The first one that is not retired signs; the others wait in the JWKS, so
that every verifier knows them before they sign. Retiring the first therefore promotes the second: one write, which
every node reads the same way.
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
"""Seconds for which a retired key still verifies: the longest life of a token, plus clock skew."""

HINTS_AFTER_RETIREMENT = 90 * 86_400
"""Seconds for which an ID token still identifies its user (`id_token_hint`): the longest life of a session."""

DOCUMENTS_ALG = "ES256"
"""What status lists and events are signed with, by a key that signs nothing else."""

_SPREADING_SECONDS = 60
"""Time until every node publishes a new key, and caches have dropped the JWKS without it."""

Use = Literal["sig", "documents", "id_token", "refresh"]
State = Literal["pre-published", "signing", "retired", "compromised"]


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A stored key, sealed. Times in seconds since 1970.

    `held` says where the private part is: `here`, sealed with the row, or `outside`, with the operator's signer.
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
    """The store of the server's keys."""

    async def all(self) -> list[StoredKey]:
        """Every key, newest first."""
        ...

    async def add(self, key: StoredKey) -> bool:
        """Add a key; False if another node has added one of the same generation."""
        ...

    async def retire(self, kid: str, now: float) -> None:
        """Retire a key that is not retired yet."""
        ...

    async def mark_compromised(self, kid: str, now: float) -> None:
        """Mark a key as compromised, and retire it."""
        ...

    async def drop(self, kid: str) -> None:
        """Delete a key."""
        ...

    async def sealed_data_key(self) -> bytes | None:
        """The sealed data key."""
        ...

    async def keep_data_key(self, sealed: bytes) -> None:
        """Store the data key, replacing the old one."""
        ...


class KeySchedule(msgspec.Struct, frozen=True, kw_only=True):
    """The pace of rotation, in seconds: a new key each `rotation` (0: never), published `prepublish` before."""

    rotation: float
    prepublish: float

    @classmethod
    def of(cls, *, rotation: float, prepublish: float, jwks_max_age: float) -> KeySchedule:
        """A key never signs before the last cached JWKS without it has expired."""
        return cls(rotation=rotation, prepublish=max(prepublish, jwks_max_age + _SPREADING_SECONDS))


class Publish(msgspec.Struct, frozen=True):
    """Publish a new key as the last of its use. It signs at once if there is no other."""

    at: float
    use: Use
    alg: str


class Retire(msgspec.Struct, frozen=True):
    """Retire a key: its successor's time has come, or it is no longer needed."""

    at: float
    kid: str


class Drop(msgspec.Struct, frozen=True):
    """Drop a key whose last token has expired."""

    at: float
    kid: str


Step: TypeAlias = Publish | Retire | Drop


def plan(stored: Sequence[StoredKey], pace: KeySchedule, *, alg: str, id_token_alg: str | None = None) -> list[Step]:
    """Every known future step with its time; the algorithms are for the very first keys only.

    A later key has the algorithm of the one before it, not of a setting: otherwise two nodes with different settings
    would keep replacing each other's keys. `id_token_alg` is None until ID tokens are needed.
    """
    steps = [
        *_plan_signing(stored, pace, alg),
        *_plan_documents(stored, pace),
        *_plan_id_tokens(stored, pace, id_token_alg),
    ]
    steps.extend(Drop(kept_until(key), key.kid) for key in stored if key.retired_at is not None)
    return steps


def due(
    stored: Sequence[StoredKey], pace: KeySchedule, *, alg: str, now: float, id_token_alg: str | None = None
) -> list[Step]:
    """The steps that are due."""
    return [step for step in plan(stored, pace, alg=alg, id_token_alg=id_token_alg) if step.at <= now]


def _plan_signing(stored: Iterable[StoredKey], pace: KeySchedule, alg: str) -> list[Step]:
    keys = line(stored, "sig")
    return _plan_line(keys, pace) if keys else [Publish(0, "sig", alg)]


def _plan_documents(stored: Sequence[StoredKey], pace: KeySchedule) -> list[Step]:
    keys = line(stored, "documents")
    return _plan_line(keys, pace) if keys else [Publish(0, "documents", DOCUMENTS_ALG)]


def _plan_id_tokens(stored: Sequence[StoredKey], pace: KeySchedule, alg: str | None) -> list[Step]:
    """ID tokens have a separate key if their algorithm differs from the access tokens'."""
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
    """The generation of the next key. Several processes may compute the same one; only one can store it."""
    return 1 + max((key.generation for key in stored if key.use == use), default=0)


def state_of(key: StoredKey, stored: Iterable[StoredKey]) -> State:
    """The state of a key among all."""
    if key.compromised_at is not None:
        return "compromised"
    if key.retired_at is not None:
        return "retired"
    return "signing" if line(stored, key.use)[0].kid == key.kid else "pre-published"


def still_verifies(key: StoredKey, now: float) -> bool:
    """Whether a token that the key signed may be valid now or later."""
    if key.compromised_at is not None:
        return False
    return key.retired_at is None or now < key.retired_at + PUBLISHED_AFTER_RETIREMENT


def kept_until(key: StoredKey) -> float:
    """When a key is dropped. Its private part no longer signs by then; its public part identifies old tokens."""
    if key.retired_at is None:
        return math.inf
    return key.retired_at + (HINTS_AFTER_RETIREMENT if key.use == "id_token" else PUBLISHED_AFTER_RETIREMENT)


def still_proves_hints(key: StoredKey, now: float) -> bool:
    """Whether an ID token that the key signed, expired or not, still identifies its user."""
    return key.use in ("sig", "id_token") and key.compromised_at is None and now < kept_until(key)


def rotates_by_itself(key: StoredKey) -> bool:
    """Whether it rotates on schedule: a shared secret is distributed by hand, and an outside key is made outside."""
    return key.held == "here" and not is_symmetric(key.alg)


def is_symmetric(alg: str) -> bool:
    """Whether the algorithm's key is a shared secret, which must never be in a JWKS."""
    return alg.startswith("HS")
