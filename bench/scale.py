"""What 100 million sessions, 1,000 nodes and a million verifiers in three regions ask of us: `docs/scale.md`'s figures.

Bytes are measured on lists made here; fetches and messages are counted in a simulated hour; the rest is arithmetic on
the processor times that `make bench ARGS=postgres` finds. Nothing is served.
"""

from __future__ import annotations

import gzip
import heapq
import random
from typing import NamedTuple

from gatepass.tokens.status_list import SIZE, Bits

ACCESS_SECONDS, KEPT_SECONDS, TTL = 900, 3_900, 30
REFRESH_SECONDS = 562e-6
"""Processor time of a refresh, server and PostgreSQL together."""
MESSAGE_SECONDS = 11e-6
"""Processor time of a message to one of a thousand readers (`make bench ARGS=fanout`)."""
_MOST_WALKED = 1_000


class World(NamedTuple):
    """A deployment. `active` is the share of sessions that are in use at a busy moment."""

    sessions: int = 100_000_000
    active: float = 0.05
    nodes: int = 1_000
    verifiers: int = 1_000_000
    regions: int = 3
    logins_per_second: float = 300.0
    revocations_per_second: float = 60.0
    session_days: float = 30.0


class Figures(NamedTuple):
    """What the page says."""

    lists: int
    lists_with_bits: int
    bits_per_list: float
    list_bytes: int
    refreshes_per_second: float
    refresh_cores: float
    fetches_at_verifiers: float
    fetches_at_origin: float
    messages_per_second: float
    streams_per_node: int
    push_cores: float


def list_bytes(bits: int, chance: random.Random) -> int:
    """What a list of so many bits at random weighs on the wire: ZLIB in base64url, gzipped by the server."""
    compressed = Bits.of(chance.sample(range(SIZE), bits)).compress()
    return len(gzip.compress(compressed.encode(), 6))


def fetches(world: World, lists: int, seconds: int, chance: random.Random) -> tuple[float, float]:
    """Fetches a second of `lists` lists by the verifiers of a simulated time: at the CDN, and behind it at a node.

    Each verifier fetches each list that it knows when its copy is `TTL` old; each region's cache asks the origin once
    in that time. A thousand verifiers are walked at most, since they do not know of each other.
    """
    sample = max(1, min(_MOST_WALKED, world.verifiers // 10))
    due = [(chance.uniform(0, TTL), number) for number in range(sample)]
    heapq.heapify(due)
    cached_until = [0.0] * world.regions
    at_edge = at_origin = 0
    while due[0][0] < seconds:
        now, number = heapq.heappop(due)
        at_edge += 1
        region = number % world.regions
        if cached_until[region] <= now:
            cached_until[region] = now + TTL
            at_origin += 1
        heapq.heappush(due, (now + TTL * chance.uniform(0.9, 1.0), number))
    return at_edge * lists * (world.verifiers / sample) / seconds, at_origin * lists / seconds


def reckon(world: World, *, seconds: int = 3_600, seed: int = 7) -> Figures:
    """Reckon and simulate."""
    chance = random.Random(seed)  # noqa: S311 - the same world each time
    lists = round(world.logins_per_second * world.session_days * 86_400 / SIZE) + 1
    live = world.revocations_per_second * KEPT_SECONDS
    bits = min(SIZE, round(live / lists))
    at_edge, at_origin = fetches(world, lists, seconds, chance)
    refreshes = world.sessions * world.active / ACCESS_SECONDS
    return Figures(
        lists=lists,
        lists_with_bits=min(lists, round(live)),
        bits_per_list=live / lists,
        list_bytes=list_bytes(bits, chance),
        refreshes_per_second=refreshes,
        refresh_cores=refreshes * REFRESH_SECONDS,
        fetches_at_verifiers=at_edge,
        fetches_at_origin=at_origin,
        messages_per_second=world.revocations_per_second * world.verifiers,
        streams_per_node=world.verifiers // world.nodes,
        push_cores=world.revocations_per_second * world.verifiers / world.nodes * MESSAGE_SECONDS,
    )


def rows(figures: Figures) -> list[str]:
    """The table of the page."""
    return [
        f"| status lists, each of 2^20 indexes | {figures.lists:,} | estimated |",
        f"| bits set in each | {figures.bits_per_list:,.0f} | estimated |",
        f"| a list on the wire | {figures.list_bytes:,} bytes | measured |",
        f"| refreshes | {figures.refreshes_per_second:,.0f}/s | estimated |",
        f"| cores for them, PostgreSQL's included | {figures.refresh_cores:.1f} | estimated |",
        f"| list fetches at the CDN | {figures.fetches_at_verifiers:,.0f}/s | simulated |",
        f"| list fetches that reach a node | {figures.fetches_at_origin:,.1f}/s | simulated |",
        f"| messages to verifiers by push | {figures.messages_per_second:,.0f}/s | estimated |",
        f"| open streams on each node | {figures.streams_per_node:,} | estimated |",
        f"| cores for the messages, on each node | {figures.push_cores:.1f} | estimated |",
    ]


if __name__ == "__main__":
    print("\n".join(rows(reckon(World()))))
