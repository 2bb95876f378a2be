"""The fuzz targets themselves, on inputs that need no fuzzer: seeds, and what hypothesis makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.targets import TARGETS, seeds

ALL_SEEDS = [(name, seed) for name in TARGETS for seed in seeds(name)]


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a target and a seed with a piece replaced, removed, doubled or put in."""
    name = draw(st.sampled_from(sorted(TARGETS)))
    octets = draw(st.sampled_from(seeds(name)))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(octets)))
        end = draw(st.integers(start, min(len(octets), start + 8)))
        octets = octets[:start] + draw(st.binary(max_size=4) | st.just(octets[start:end] * 2)) + octets[end:]
    return name, octets


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_answered(name: str) -> None:
    """Every seed keeps the target's word."""
    for seed in seeds(name):
        TARGETS[name](seed)


@given(spoilt())
@settings(max_examples=300, deadline=None)
def test_spoilt_seeds_are_refused_or_answered(drawn: tuple[str, bytes]) -> None:
    """Nothing but a JoseError comes out, whatever was spoilt."""
    name, octets = drawn
    TARGETS[name](octets)


@given(st.sampled_from(sorted(TARGETS)), st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_octets_are_refused_or_answered(name: str, octets: bytes) -> None:
    """The same for octets that were never a token."""
    TARGETS[name](octets)
