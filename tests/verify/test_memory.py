"""The memory of verified tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.support.offline_verifier import offline, refusal, signed
from tests.support.scripted_issuer import NOW, Clock

from gatepass.verify.memory import LONGEST_REMEMBERED


def test_a_token_seen_before_is_not_verified_again() -> None:
    """The second answer is the first one's principal."""
    verifier, token = offline(), signed()
    assert verifier.verify(token) is verifier.verify(token)


def test_memory_can_be_turned_off() -> None:
    """With `cache_size=0` every token is verified each time."""
    verifier, token = offline(cache_size=0), signed()
    assert verifier.verify(token) is not verifier.verify(token)


def test_a_remembered_token_ends_when_it_says() -> None:
    """A verdict never outlives `exp`, with the same leeway as at first."""
    clock = Clock()
    for leeway in (0, 5):
        clock.now = NOW
        verifier, token = offline(clock=clock, leeway=leeway), signed()
        verifier.verify(token)
        clock.advance(900 + leeway - 0.5)
        assert verifier.verify(token).subject == "user_1"
        clock.advance(0.5)
        assert refusal(verifier, token) == "expired"


def test_memory_is_bounded() -> None:
    """When it is full the oldest token is forgotten, and is verified again if it comes back."""
    verifier = offline(cache_size=3)
    tokens = [signed(jti=f"t{n}") for n in range(4)]
    first, *rest = [verifier.verify(token) for token in tokens]
    assert len(verifier._memory.seen) == 3
    assert [verifier.verify(token) for token in tokens[1:]] == rest
    assert verifier.verify(tokens[0]) is not first


def test_a_token_that_two_threads_verify_at_once_pushes_nobody_out() -> None:
    """The second to remember it finds it there, and the others stay."""
    verifier = offline(cache_size=2)
    tokens = [signed(jti=f"t{n}") for n in range(2)]
    for token in (*tokens, tokens[1]):
        verifier._attempt(token)
    assert list(verifier._memory.seen) == tokens


def test_many_threads_share_a_small_memory() -> None:
    """Eight threads that push each other's tokens out get right answers, and the bound holds."""
    verifier = offline(cache_size=5)
    tokens = [signed(jti=f"t{n}") for n in range(20)]

    def reads(start: int) -> bool:
        order = [(start + step) % len(tokens) for step in range(200)]
        return all(verifier.verify(tokens[n]).token_id == f"t{n}" for n in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(reads, range(8)))
    assert len(verifier._memory.seen) == 5


def test_a_very_long_token_is_not_remembered() -> None:
    """What is remembered has a known size."""
    verifier = offline()
    verifier.verify(signed(note="x" * LONGEST_REMEMBERED))
    assert verifier._memory.seen == {}


def test_a_refusal_is_never_remembered() -> None:
    """A token that was too early is good once its time has come."""
    clock = Clock()
    verifier, token = offline(clock=clock), signed(nbf=int(NOW) + 10)
    assert refusal(verifier, token) == "not_yet_valid"
    clock.advance(10)
    assert verifier.verify(token).subject == "user_1"


def test_a_token_is_remembered_whole() -> None:
    """Another signature over the same message is another token, and is verified."""
    verifier, token = offline(), signed()
    verifier.verify(token)
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    assert refusal(verifier, forged) == "bad_signature"
