"""`docs/security/kill-matrix.md`, written from what the two kill matrices have proved.

`WRITE_DOCS=1 pytest tests/stories/test_kill_matrix_page.py` writes it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.stories import test_kill_matrix as matrix
from tests.stories import test_kill_matrix_of_applications as of_applications
from tests.stories import test_kill_matrix_of_bridges as of_bridges
from tests.stories import test_kill_matrix_of_followers as of_followers
from tests.stories import test_kill_matrix_of_newcomers as of_newcomers
from tests.support import organization_matrix as organizations

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

PAGE = Path(__file__).parents[2] / "docs" / "security" / "kill-matrix.md"
DEAD, ALIVE = "dead", "·"
MEASURED = "On two cores that ran other tests besides, on both databases: 140 tokens, p99 0.50 s."
"""What `delays` prints at the end; write it anew when it changes."""
AT_FOLLOWERS = {
    of_followers.PYTHON: "p50 67 and 26 ms, p99 178 and 103 ms",
    of_followers.RELAYED: "p50 72 and 11 ms, p99 106 and 82 ms",
    of_followers.NODE: "p50 89 and 34 ms, p99 303 and 116 ms",
    "nginx and guard": "p50 75 and 32 ms, p99 135 and 112 ms",
    "Caddy and guard": "p50 77 and 35 ms, p99 151 and 111 ms",
    "HAProxy and guard": "p50 79 and 35 ms, p99 219 and 108 ms",
}
"""The same of followers, on SQLite and on PostgreSQL: the figures that the test ends with."""

BEHIND_A_BRIDGE = (
    "From the end of the event until the refusal, on two cores that did other work besides: 14 tokens, p50 84 ms, "
    "max 215 ms."
)
"""The figures that the test ends with."""


def test_the_page_shows_what_was_proved() -> None:
    """`docs/security/kill-matrix.md` is these tables, cell by cell."""
    text = page()
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(text)
    assert PAGE.read_text() == text


def page() -> str:
    """Write the page."""
    of_own = ((each.title, matrix.applicable_to(each), each.kills) for each in matrix.EVENTS)
    elsewhere = ((each.title, each.artefacts, each.kills) for each in of_applications.ENDINGS)
    in_organizations = ((each.title, organizations.ARTEFACTS, each.kills) for each in organizations.ENDINGS)
    followers = of_followers.FOLLOWERS
    at_followers = (
        (each.title, followers, () if each.kills.isdisjoint(of_followers.JUDGED) else followers)
        for each in matrix.EVENTS
    )
    newcomers = ((each.title, each.artefacts, each.kills) for each in of_newcomers.ENDINGS)
    lines = [
        "<!-- Written by tests/stories/test_kill_matrix_page.py; change it there. -->",
        "",
        "# The kill matrix",
        "",
        "What is dead and what lives on (·) after each event. Every cell is proved by",
        "`tests/stories/test_kill_matrix.py`, with the event at one server or by a command, the check at another",
        "server on the same database, on SQLite and on PostgreSQL, and a verifier that never asks about a token.",
        "What an operator does by a command is proved beside two workers on one socket too. Dead means within",
        "a second by the",
        "stream of events, and within `status_list_seconds` for a verifier that only fetches lists.",
        "",
        *table(matrix.ARTEFACTS, of_own),
        "Where a client holds the grant, its tokens are not for the server's own calls, so `/me` says nothing of them.",
        "Once-only tokens are client assertions and the links and codes of mails: a client that is removed or has",
        "another secret proves nothing by one any more; a link to set a new password dies as a sign-in link does.",
        "",
        "## Sign-ins at applications",
        "",
        "What registered clients hold of somebody who signed in at them through this server. Every cell is proved by",
        "`tests/stories/test_kill_matrix_of_applications.py`, with the event at one server or by a command and the",
        "check at another, on SQLite and on PostgreSQL. Clients that want to hear of it are told besides",
        "([signing out](../guides/logout.md)).",
        "",
        *table(of_applications.ARTEFACTS, elsewhere),
        "Where a cell is empty, what lives for a minute has expired by the end of the event. A code that was given or",
        "approved, and not redeemed, dies with the session in which it was.",
        "",
        "## Applications that register themselves",
        "",
        "The same of applications that no operator has looked at: one that has registered itself, and one that is the",
        "URL of its metadata document. `tests/stories/test_kill_matrix_of_newcomers.py` proves every cell. A document",
        "that is gone for a day ends what `gatepass client remove` ends",
        "(`tests/stories/test_client_documents.py::test_a_document_that_is_gone`).",
        "",
        *table(of_newcomers.ARTEFACTS, newcomers),
        "## Organizations",
        "",
        "What a member of two organizations holds, when something happens in one of them.",
        "`tests/stories/test_kill_matrix.py::test_what_each_event_in_an_organization_kills` proves every cell.",
        "",
        *table(organizations.ARTEFACTS, in_organizations),
        "## Verifiers of every kind",
        "",
        "Whether a token that the event is about is refused at an API behind each of them. They follow another server",
        "than the one where the event happens. `tests/stories/test_kill_matrix_of_followers.py` proves every cell, and",
        "that what the event does not kill is taken still.",
        "",
        *table(followers, at_followers),
        "From the end of the event until the refusal, over 24 tokens, on SQLite and on PostgreSQL, on two cores that",
        "did other work besides:",
        "",
        *(f"- {name}: {AT_FOLLOWERS[name]}" for name in followers),
        "",
        "## Behind a bridge",
        "",
        "What dies where a verifier knows an issuer by its notices alone: `gatepass bridge` is told by back-channel",
        "logout, and the issuer is a Gatepass server whose own feed is not followed.",
        "`tests/stories/test_kill_matrix_of_bridges.py` proves every cell. Other issuers send fewer notices, or more;",
        "[bridges](../guides/bridge.md) have what can be promised.",
        "",
        *table(of_bridges.ARTEFACTS, ((title, of_bridges.ARTEFACTS, dead) for title, dead in of_bridges.KILLS.items())),
        BEHIND_A_BRIDGE,
        "",
        "## How long it takes",
        "",
        "Each test of the second and third table measures the time from the end of the event until the verifier, which",
        "follows another server, refuses the token, and fails when that is more than a second.",
        MEASURED,
        "",
    ]
    return "\n".join(lines)


def table(columns: Mapping[str, str], rows: Iterable[tuple[str, Collection[str], Collection[str]]]) -> Iterable[str]:
    """Write a table, and what its columns are."""
    yield "| event | " + " | ".join(columns) + " |"
    yield "| --- |" + " :---: |" * len(columns)
    for title, applicable, kills in rows:
        marks = [" " if name not in applicable else DEAD if name in kills else ALIVE for name in columns]
        yield f"| {title} | " + " | ".join(marks) + " |"
    yield from ("", "The columns:", "")
    yield from (f"- **{name}**: {meaning}" for name, meaning in columns.items())
    yield ""
