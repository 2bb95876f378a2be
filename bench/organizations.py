"""1,000 organizations of 100 people each: tokens with and without an organization, and the lists that operators read.

One client calls one server over HTTP, one call after the other, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support.organizations import Operating
from tests.support.server import running_server

from _databases import databases, seconds
from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.organizations.organization import Organization
from gatepass.server.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from tests.support.server import RunningServer

    from gatepass.server.domain.ports import Transaction

ORGANIZATIONS, PEOPLE_OF_EACH = 1_000, 100
SIGNED_IN = 100
"""People with a session, one in each of so many organizations."""
ROUNDS = 10
PASSWORD = "correct horse battery"


def main() -> None:
    """Measure both databases."""
    print(f"{'ms':58} p50     p99")
    for name, database in databases():
        with (
            database as url,
            tempfile.TemporaryDirectory() as folder,
            running_server(Path(folder), database=url, attempts_per_address=1_000_000) as server,
            server.client() as api,
        ):
            asyncio.run(fill(server))
            measure(name, server, api)


def person(number: int) -> User:
    """One of the people."""
    return User(id=f"usr_{number:08}", email=f"person{number:08}@example.test", created_at=0.0)


async def fill(server: RunningServer) -> None:
    """Write the organizations, with 100 members each, as the server would have left them."""
    async with open_store(server.settings, server.clock) as (database, _):
        for number in range(ORGANIZATIONS):

            async def unit(tx: Transaction, number: int = number) -> None:
                organization = Organization(
                    id=f"org_{number:06}", slug=f"organization-{number:06}", name=f"Number {number}", created_at=0.0
                )
                await tx.organizations.add(organization)
                for one in range(number * PEOPLE_OF_EACH, (number + 1) * PEOPLE_OF_EACH):
                    await tx.users.add(person(one))
                    await tx.members.add(organization.id, person(one).id, ("editor",), 0.0)

            await database.transaction(unit)


def measure(name: str, server: RunningServer, api: httpx.Client) -> None:
    """Call, and print how long it took."""
    ops = Operating.at(server, api)
    pairs: list[tuple[str, str]] = []
    for number in range(SIGNED_IN):
        who = person(number * PEOPLE_OF_EACH)
        api.patch(f"/admin/users/{who.id}", json={"password": PASSWORD}, headers=ops.header)
        answer = api.post("/login", json={"email": who.email, "password": PASSWORD}).json()
        pairs.append((f"org_{number:06}", answer["refresh_token"]))

    def refresh(at: int, **more: str) -> None:
        answer = api.post("/refresh", json={"refresh_token": pairs[at][1], **more})
        assert answer.status_code == 200, answer.text
        pairs[at] = (pairs[at][0], answer.json()["refresh_token"])

    def read(path: str) -> Callable[[int], None]:
        def call(at: int) -> None:
            answer = api.get(path.format(f"org_{at * 7 % ORGANIZATIONS:06}"), headers=ops.header)
            assert answer.status_code == 200, answer.text

        return call

    rows: dict[str, Callable[[int], object]] = {
        "refresh, no organization": refresh,
        "refresh that switches to an organization": lambda at: refresh(at, organization=pairs[at][0]),
        "refresh, in an organization": refresh,
        "50 of the members of one": read("/admin/organizations/{}/members"),
        "members by the beginning of an address": read("/admin/organizations/{}/members?search=person000"),
        "50 people of one, GET /admin/users": read("/admin/users?organization={}"),
        "one with the number of its members": read("/admin/organizations/{}"),
        "50 organizations": read("/admin/organizations"),
    }
    for what, call in rows.items():
        took = sorted(seconds(call, number % SIGNED_IN) for number in range(SIGNED_IN * ROUNDS))
        print(f"{name + ': ' + what:58} {took[len(took) // 2] * 1e3:5.2f}  {took[len(took) * 99 // 100] * 1e3:6.2f}")


if __name__ == "__main__":
    main()
