"""100,000 people at `GET /admin/users`: pages, searches and filters over HTTP, on SQLite and on PostgreSQL.

One client calls one server, one call after the other. Memory is that of the process, which has the client in it too.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support.organizations import Operating
from tests.support.server import running_server

from _databases import databases, seconds
from gatepass.server.domain.accounts.profile import UserProfile
from gatepass.server.domain.accounts.user import User
from gatepass.server.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from tests.support.server import RunningServer

    from gatepass.server.domain.ports import Transaction

PEOPLE, AT_ONCE, CALLS = 100_000, 5_000, 300
NAMES = ("Ada", "Grace", "Alan", "Barbara", "Edsger", "Frances", "Kurt", "Leslie", "Margaret", "Niklaus")


def main() -> None:
    """Measure both databases."""
    print(f"{'ms':58} p50     p99")
    for name, database in databases():
        with (
            database as url,
            tempfile.TemporaryDirectory() as folder,
            running_server(Path(folder), database=url) as server,
            server.client() as api,
        ):
            asyncio.run(fill(server))
            measure(name, server, api)


def person(number: int) -> User:
    """One of the people: one in a hundred is an editor, one in a thousand disabled."""
    first = NAMES[number % len(NAMES)].lower()
    return User(
        id=f"usr_{number:026}",
        email=f"{first}.{number:06}@example.test",
        created_at=0.0,
        roles=("editor",) if number % 100 == 0 else (),
        disabled_at=1.0 if number % 1_000 == 0 else None,
    )


async def fill(server: RunningServer) -> None:
    """Write the people; every tenth has a name."""
    async with open_store(server.settings, server.clock) as (database, _):
        for start in range(0, PEOPLE, AT_ONCE):

            async def unit(tx: Transaction, start: int = start) -> None:
                for number in range(start, start + AT_ONCE):
                    await tx.users.add(person(number))
                    if number % 10 == 0:
                        await tx.profiles.put(
                            person(number).id, UserProfile(name=f"{NAMES[number // 10 % 10]} {number}")
                        )

            await database.transaction(unit)


def measure(name: str, server: RunningServer, api: httpx.Client) -> None:
    """Call, and print how long it took."""
    ops = Operating.at(server, api)
    numbers = count()

    def read(**query: str) -> Callable[[int], None]:
        def call(_at: int) -> None:
            number = next(numbers) * 331 % PEOPLE
            asked = {key: value.format(number=f"{number:06}", id=f"{number:026}") for key, value in query.items()}
            answer = api.get("/admin/users", params=asked, headers=ops.header)
            assert answer.status_code == 200, answer.text

        return call

    def walk() -> None:
        cursor: str | None = ""
        while cursor is not None:
            cursor = api.get("/admin/users", params={"limit": "200", "cursor": cursor}, headers=ops.header).json()[
                "next"
            ]

    rows = {
        "the first 50": read(),
        "one by the address": read(search="ada.{number}"),
        "a tenth by the address": read(search="ada"),
        "by the name": read(search="grace 1"),
        "by the id": read(search="usr_{id}"),
        "found nothing": read(search="nobody at all"),
        "with a role": read(role="editor"),
        "with a role that no one has": read(role="nothing"),
        "with a role, by the address": read(role="editor", search="ada.09"),
        "disabled": read(disabled="true"),
    }
    for what, call in rows.items():
        took = sorted(seconds(call, number) for number in range(CALLS))
        print(f"{name + ': ' + what:58} {took[CALLS // 2] * 1e3:5.2f}  {took[CALLS * 99 // 100] * 1e3:6.2f}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    walk()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{name}: all {PEOPLE:,} by pages of 200: {grown:,} KiB more memory at most")


if __name__ == "__main__":
    main()
