"""The SQL of grants: the refresh table as one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gatepass.server.grants import (
    Advanced,
    Bearer,
    Ended,
    Reissued,
    Same,
    Stolen,
    Unknown,
)
from gatepass.server.store.connection import words

if TYPE_CHECKING:
    from gatepass.server.grants import (
        Advance,
        Grant,
        Pace,
        Presented,
    )
    from gatepass.server.store.connection import Connection, Row, Value

SERIALS_TO_SKIP = 1_000
"""How far a grant jumps when a serial comes back that the store no longer knows of: past whatever else it forgot."""


class _Rule(NamedTuple):
    """When a row of the table applies, what it is called, and what it changes; what it leaves out stays as it is."""

    when: str
    verdict: str
    changes: dict[str, str]


# ?3 is the presented serial, ?4 now, ?5 the quiet time, ?6 the grace, ?7 the idle lifetime. The first to apply counts.
_TABLE = (
    _Rule("ended_at IS NOT NULL OR expires_at <= ?4 OR answered_at + ?7 <= ?4", "ended", {}),
    _Rule(
        "?3 = current AND ?4 - touched_at >= ?5",
        "advanced",
        {"spent": "current", "current": "current + 1", "touched_at": "?4", "answered_at": "?4"},
    ),
    _Rule("?3 = current", "same", {"answered_at": "?4"}),
    _Rule("?3 = spent AND ?4 - answered_at <= ?6", "same", {"touched_at": "?4", "answered_at": "?4"}),
    _Rule("?3 = spent", "reissued", {"current": "current + 1", "touched_at": "?4", "answered_at": "?4"}),
    _Rule("?3 < current", "stolen", {"ended_at": "?4"}),
    _Rule(
        "?3 > current",
        "store_went_back",
        {"spent": "?3", "current": f"?3 + {SERIALS_TO_SKIP}", "touched_at": "?4", "answered_at": "?4"},
    ),
)


def _assignment(column: str) -> str:
    cases = " ".join(f"WHEN {rule.when} THEN {rule.changes.get(column, column)}" for rule in _TABLE)
    return f"{column} = CASE {cases} END"


_VERDICT = " ".join(f"WHEN {rule.when} THEN '{rule.verdict}'" for rule in _TABLE)
_CHANGED = ("spent", "current", "touched_at", "answered_at", "ended_at")
_BEARER = ("user_id", "session_id", "client_id", "audience", "scope", "expires_at")

# The person's roles and the facts of the sign-in come along by primary key, so that a refresh is one statement.
_ADVANCE = f"""
UPDATE grants SET verdict = CASE {_VERDICT} END, {", ".join(map(_assignment, _CHANGED))}
WHERE id = ?1 AND secret_digest = ?2
RETURNING verdict, current, {", ".join(_BEARER)},
    (SELECT roles FROM users WHERE users.id = grants.user_id),
    (SELECT auth_time FROM sessions WHERE sessions.id = grants.session_id),
    (SELECT acr FROM sessions WHERE sessions.id = grants.session_id),
    (SELECT amr FROM sessions WHERE sessions.id = grants.session_id)
"""


class SqlGrants:
    """`gatepass.server.grants.Grants`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, grant: Grant) -> None:
        """Insert."""
        await self._connection.row(
            "INSERT INTO grants (id, session_id, user_id, client_id, audience, scope, secret_digest, current, spent,"
            " touched_at, answered_at, verdict, expires_at)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?9, 'new', ?10)",
            grant.id,
            grant.session_id,
            grant.user_id,
            grant.client_id,
            " ".join(grant.audience),
            " ".join(grant.scope),
            grant.secret_digest,
            grant.current,
            grant.touched_at,
            grant.expires_at,
        )

    async def advance(self, presented: Presented, *, pace: Pace, now: float) -> Advance:
        """Run the table."""
        row = await self._connection.row(
            _ADVANCE,
            presented.grant_id,
            presented.secret_digest,
            presented.serial,
            now,
            pace.quiet,
            pace.grace,
            pace.idle,
        )
        return _advance(row) if row else Unknown()

    async def session_of(self, presented: Presented) -> tuple[str, str] | None:
        """Find by primary key and secret."""
        row = await self._connection.row(
            "SELECT session_id, user_id FROM grants WHERE id = ?1 AND secret_digest = ?2",
            presented.grant_id,
            presented.secret_digest,
        )
        return (str(row[0]), str(row[1])) if row else None


def _advance(row: Row) -> Advance:
    verdict, current, *rest = row
    serial, bearer = int(current or 0), _bearer(rest)
    match verdict:
        case "advanced":
            return Advanced(serial, bearer)
        case "same":
            return Same(serial, bearer)
        case "reissued" | "store_went_back":
            return Reissued(serial, bearer, store_went_back=verdict == "store_went_back")
        case "stolen":
            return Stolen(bearer.user_id, bearer.session_id)
        case _:
            return Ended()


def _bearer(values: list[Value]) -> Bearer:
    user_id, session_id, client_id, audience, scope, expires_at, roles, auth_time, acr, amr = values
    return Bearer(
        user_id=str(user_id),
        session_id=str(session_id),
        client_id=str(client_id),
        audience=words(audience),
        scope=words(scope),
        expires_at=float(expires_at or 0),
        roles=words(roles),
        auth_time=float(auth_time or 0),
        acr=str(acr),
        amr=words(amr),
    )
