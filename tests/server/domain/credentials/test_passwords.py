"""Hashing passwords: the same cost for nobody, a bounded queue, the lowest priority."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import argon2
import pytest

from gatepass.server.base.errors import Refusal, Unavailable
from gatepass.server.domain.credentials.passwords.hashing import LOWEST_PRIORITY, Argon2Cost, PasswordHasher
from gatepass.server.domain.credentials.passwords.policy import check_new_password

if TYPE_CHECKING:
    from collections.abc import Generator

CHEAP = Argon2Cost(memory_kib=8, passes=1)


@pytest.fixture
def hasher() -> Generator[PasswordHasher]:
    """A cheap hasher with two threads and room for three more."""
    made = PasswordHasher(CHEAP, threads=2, queue_length=3)
    yield made
    made.close()


def test_the_default_cost_is_owasps() -> None:
    """19 MiB, two passes, one lane, Argon2id."""
    made = PasswordHasher(Argon2Cost())
    assert asyncio.run(made.hash("correct horse battery")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    made.close()


def test_a_password_matches_its_own_hash_only(hasher: PasswordHasher) -> None:
    """Right, wrong, and no hash at all."""
    known = asyncio.run(hasher.hash("correct horse battery"))
    assert asyncio.run(hasher.verify("correct horse battery", known)) is True
    assert asyncio.run(hasher.verify("correct horse batterx", known)) is False
    assert asyncio.run(hasher.verify("correct horse battery", None)) is False


def test_an_unknown_person_costs_one_verification_like_a_wrong_password(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a hash to check against, one hash of the same parameters is computed all the same."""
    known = asyncio.run(hasher.hash("correct horse battery"))
    checked: list[str] = []
    verify = argon2.PasswordHasher.verify

    def counting(self: argon2.PasswordHasher, password_hash: str, password: str) -> Any:  # noqa: ANN401
        checked.append(password_hash)
        return verify(self, password_hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counting)
    for password_hash in (known, None):
        asyncio.run(hasher.verify("wrong", password_hash))
    first, second = map(argon2.extract_parameters, checked)
    assert first == second


def test_more_than_the_queue_holds_is_told_to_come_back(hasher: PasswordHasher) -> None:
    """Two at work and three waiting; the sixth gets `busy` with Retry-After, and room comes back when they are done."""
    gate = threading.Event()

    async def run() -> None:
        waiting = [asyncio.create_task(hasher._run(gate.wait)) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as caught:
            await hasher.hash("one too many")
        assert (caught.value.code, caught.value.retry_after) == ("busy", 1)
        gate.set()
        await asyncio.gather(*waiting)
        assert await hasher.hash("there is room again")

    asyncio.run(run())


def test_who_hangs_up_still_holds_a_place_until_the_thread_is_done(hasher: PasswordHasher) -> None:
    """Cancelling the callers frees no core, so it frees no place either."""
    gate = threading.Event()

    async def run() -> None:
        tasks = [asyncio.create_task(hasher._run(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        held = [asyncio.create_task(hasher._run(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await hasher.hash("no room yet")
        gate.set()
        await asyncio.gather(*held)

    asyncio.run(run())


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is per thread on Linux only")
def test_hashing_gives_way_to_everything_else(hasher: PasswordHasher) -> None:
    """The threads run at the lowest priority; the rest of the process keeps its own."""

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    assert asyncio.run(hasher._run(niceness)) == LOWEST_PRIORITY
    assert niceness() == before


def test_a_hash_of_another_cost_is_to_be_made_anew(hasher: PasswordHasher) -> None:
    """Today's parameters, or not."""
    known = asyncio.run(hasher.hash("x"))
    assert not hasher.needs_rehash(known)
    other = PasswordHasher(Argon2Cost(memory_kib=16, passes=1))
    assert other.needs_rehash(known)
    other.close()


NFC, NFD = "cafe\u0301 au lait".replace("e\u0301", "\u00e9"), "cafe\u0301 au lait"


@pytest.mark.parametrize("typed", [NFC, NFD, NFC.replace(" ", "\u00a0"), NFD.replace(" ", "\u3000")])
def test_a_password_is_the_same_however_the_keyboard_spells_it(hasher: PasswordHasher, typed: str) -> None:
    """Composed or not, with this space or that: set in one spelling, right in every other."""
    for chosen in (NFC, NFD, typed):
        made = asyncio.run(hasher.hash(chosen))
        assert asyncio.run(hasher.verify(typed, made))
        assert not asyncio.run(hasher.verify(typed.upper(), made))


def test_an_older_hash_of_another_spelling_still_opens_and_is_made_anew(hasher: PasswordHasher) -> None:
    """What was hashed as it was typed is tried so once, and then hashed as all are."""
    old = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(NFD)
    assert asyncio.run(hasher.verify(NFD, old))
    assert not asyncio.run(hasher.verify(NFC, old))
    assert hasher.needs_rehash(old, NFD)
    assert not hasher.needs_rehash(asyncio.run(hasher.hash(NFD)), NFC)


def test_new_emoji_and_unassigned_letters_are_letters(hasher: PasswordHasher) -> None:
    """Nothing is refused because this Python does not know it yet."""
    for password in ("\U0001fae9 and more words", "\U000e0080 unassigned here"):
        check_new_password(password, min_length=15)
        assert asyncio.run(hasher.verify(password, asyncio.run(hasher.hash(password))))


def test_the_policy_counts_characters() -> None:
    """At least `min_length`, at most 1,024, of any kind."""
    check_new_password("some old horses", min_length=15)
    check_new_password("🐎🐄🐖🐑🐓" * 204 + "🐢🐢🐢🐢", min_length=15)
    for password, code in (("a" * 14, "password_too_short"), ("a" * 1_025, "password_too_long")):
        with pytest.raises(Refusal) as caught:
            check_new_password(password, min_length=15)
        assert caught.value.code == code
