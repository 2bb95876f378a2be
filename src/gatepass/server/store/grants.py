"""The SQL of grants: the whole refresh table in one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.server.domain.sessions.grant import (
    ActiveOrganization,
    Advanced,
    ClientHold,
    Ended,
    EndedGrant,
    Held,
    Reissued,
    Same,
    Stolen,
    TokenOwner,
    TokenSubject,
    Unknown,
)
from gatepass.server.domain.sessions.logout_queue import Logout
from gatepass.server.domain.sessions.sector import sector_of
from gatepass.server.store.connection import has_word, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.sessions.grant import (
        Advance,
        Grant,
        RefreshCredential,
        RotationPolicy,
    )
    from gatepass.server.store.connection import Connection, Row, Value

SERIALS_TO_SKIP = 1_000_000
"""How far a grant's serial jumps when a serial comes back that the store does not know: past everything that was lost.

Only such a jump leaves so wide a gap between `spent` and `current`, so it shows that the client has not moved on since.
"""


class _Rule(NamedTuple):
    """One row of the table: when it applies, its name, and what it changes; columns left out stay as they are."""

    when: str
    verdict: str
    changes: dict[str, str]


# ?3 is the presented serial, ?4 now, ?5 the quiet time, ?6 the grace, ?7 the idle lifetime, ?8 the client, ?9 the key.
# The first row that applies counts.
_TABLE = (
    _Rule("ended_at IS NOT NULL OR expires_at <= ?4 OR answered_at + ?7 <= ?4", "ended", {}),
    # A theft was detected, but the server died before its consequences were written.
    _Rule("verdict = 'stolen'", "stolen", {}),
    _Rule(
        "?3 = current AND ?4 - touched_at >= ?5",
        "advanced",
        {"spent": "current", "current": "current + 1", "touched_at": "?4", "answered_at": "?4"},
    ),
    _Rule("?3 = current", "same", {"answered_at": "?4"}),
    # A client around the time of the lost writes may present any serial of the gap.
    _Rule(
        f"?3 >= spent AND ?3 < current AND current - spent >= {SERIALS_TO_SKIP}",
        "same",
        {"touched_at": "?4", "answered_at": "?4"},
    ),
    _Rule("?3 = spent AND ?4 - answered_at <= ?6", "same", {"touched_at": "?4", "answered_at": "?4"}),
    _Rule("?3 = spent", "reissued", {"current": "current + 1", "touched_at": "?4", "answered_at": "?4"}),
    _Rule("?3 < current", "stolen", {}),  # the session and its grants end in later statements
    _Rule(
        "?3 > current",
        "store_went_back",
        {"current": f"?3 + {SERIALS_TO_SKIP}", "touched_at": "?4", "answered_at": "?4"},
    ),
)


def _assignment(column: str) -> str:
    cases = " ".join(f"WHEN {rule.when} THEN {rule.changes.get(column, column)}" for rule in _TABLE)
    return f"{column} = CASE {cases} END"


_VERDICT = " ".join(f"WHEN {rule.when} THEN '{rule.verdict}'" for rule in _TABLE)
_CHANGED = ("spent", "current", "touched_at", "answered_at")
_BEARER = (
    "user_id",
    "session_id",
    "client_id",
    "audience",
    "scope",
    "status_list",
    "status_idx",
    "expires_at",
    "jkt",
    "claims",
    "browser_session_id",
)

_OF_ORGANIZATION = """organization_id,
    (SELECT slug FROM organizations WHERE organizations.id = grants.organization_id),
    (SELECT name FROM organizations WHERE organizations.id = grants.organization_id),
    (SELECT roles FROM organization_members AS member
        WHERE member.organization_id = grants.organization_id AND member.user_id = grants.user_id)
"""

# The user's roles, the facts of the sign-in and a registered client's current rights are read by primary key in the
# same statement, so that a refresh is one statement and returns data that was true when it was read.
_WHOLE_BEARER = f"""{", ".join(_BEARER)},
    (SELECT roles FROM users WHERE users.id = grants.user_id),
    (SELECT auth_time FROM sessions WHERE sessions.id = grants.session_id),
    (SELECT acr FROM sessions WHERE sessions.id = grants.session_id),
    (SELECT amr FROM sessions WHERE sessions.id = grants.session_id),
    (SELECT audience FROM clients WHERE clients.id = grants.client_id),
    (SELECT scope FROM clients WHERE clients.id = grants.client_id),
    (SELECT metadata FROM clients WHERE clients.id = grants.client_id),
    {_OF_ORGANIZATION}
"""
_BEARER_AT = f"SELECT {_WHOLE_BEARER} FROM grants WHERE status_list = ?1 AND status_idx = ?2 AND ended_at IS NULL"
_OWNER_AT = (
    f"SELECT user_id, session_id, client_id, claims, {_OF_ORGANIZATION} FROM grants"
    " WHERE status_list = ?1 AND status_idx = ?2 AND ended_at IS NULL"
)
_LOGOUT = "client_id, user_id, CASE WHEN browser_session_id = '' THEN session_id ELSE browser_session_id END"
"""What a client is told when its grant ends: the session by which it knows the sign-in."""
_ALL_MEMBERS = "user_id IN (SELECT user_id FROM organization_members WHERE organization_id = ?1)"
_ADVANCE = f"""
UPDATE grants SET verdict = CASE {_VERDICT} END, {", ".join(map(_assignment, _CHANGED))}
WHERE id = ?1 AND secret_digest = ?2 AND client_id = ?8 AND (jkt = '' OR jkt = ?9)
RETURNING verdict, current, {_WHOLE_BEARER}
"""


class SqlGrants:
    """`gatepass.server.domain.sessions.grant.Grants`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, grant: Grant) -> None:
        """Insert."""
        await self._connection.row(
            "INSERT INTO grants (id, session_id, user_id, client_id, audience, scope, secret_digest, current, spent,"
            " touched_at, answered_at, verdict, expires_at, status_list, status_idx, jkt, claims, browser_session_id,"
            " organization_id)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?9, 'new', ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
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
            grant.status.list,
            grant.status.idx,
            grant.jkt or "",
            grant.claims,
            grant.browser_session_id,
            grant.organization_id,
        )

    async def advance(self, refresh_credential: RefreshCredential, *, pace: RotationPolicy, now: float) -> Advance:
        """Run the table."""
        row = await self._connection.row(
            _ADVANCE,
            refresh_credential.grant_id,
            refresh_credential.secret_digest,
            refresh_credential.serial,
            now,
            pace.quiet,
            pace.grace,
            pace.idle,
            refresh_credential.client_id,
            refresh_credential.jkt or "",
        )
        return _advance(row) if row else Unknown()

    async def held_by(self, refresh_credential: RefreshCredential) -> Held | None:
        """Find by primary key and secret."""
        row = await self._connection.row(
            "SELECT id, session_id, user_id, client_id, audience, scope,"
            " ended_at IS NULL AND (current = ?3 OR spent = ?3), expires_at, answered_at, jkt"
            " FROM grants WHERE id = ?1 AND secret_digest = ?2",
            refresh_credential.grant_id,
            refresh_credential.secret_digest,
            refresh_credential.serial,
        )
        return _held(row) if row else None

    async def bearer_at(self, status: StatusIndex) -> TokenSubject | None:
        """Find by the unique index."""
        row = await self._connection.row(_BEARER_AT, status.list, status.idx)
        return None if row is None else _subject(list(row))

    async def owner_at(self, status: StatusIndex) -> TokenOwner | None:
        """Find by the unique index."""
        row = await self._connection.row(_OWNER_AT, status.list, status.idx)
        return None if row is None else _owner(list(row))

    async def at(self, status: StatusIndex) -> str | None:
        """Find by the unique index."""
        row = await self._connection.row(
            "SELECT id FROM grants WHERE status_list = ?1 AND status_idx = ?2 AND ended_at IS NULL",
            status.list,
            status.idx,
        )
        return None if row is None else str(row[0])

    async def choose_organization(self, grant_id: str, organization_id: str) -> tuple[StatusIndex, int]:
        """Update by primary key; the former one is noted with those from before."""
        row = await self._connection.row(
            "UPDATE grants SET organization_id = ?2, organizations_named = CASE"
            " WHEN organization_id = '' OR organization_id = ?2"
            f" OR {has_word('organizations_named', 'organization_id')} THEN organizations_named"
            " ELSE organizations_named || ' ' || organization_id END WHERE id = ?1"
            " RETURNING status_list, status_idx, organizations_named",
            grant_id,
            organization_id,
        )
        status_list, status_idx, named = row or (0, 0, "")
        return StatusIndex(int(status_list or 0), int(status_idx or 0)), len(words(named))

    async def first_party_of(self, session_id: str) -> str | None:
        """Select by session."""
        row = await self._connection.row(
            "SELECT id FROM grants WHERE session_id = ?1 AND client_id = ?2 AND ended_at IS NULL",
            session_id,
            FIRST_PARTY,
        )
        return None if row is None else str(row[0])

    async def organization_in(self, session_id: str) -> str:
        """Select by session."""
        row = await self._connection.row(
            "SELECT organization_id FROM grants WHERE session_id = ?1 AND client_id = ?2 AND ended_at IS NULL",
            session_id,
            FIRST_PARTY,
        )
        return "" if row is None else str(row[0])

    async def naming(
        self, organization_id: str, now: float, *, user_id: str | None = None
    ) -> list[tuple[str, StatusIndex]]:
        """Select by user."""
        whose = _ALL_MEMBERS if user_id is None else "user_id = ?3"
        values = () if user_id is None else (user_id,)
        return await self._live(
            f"{whose} AND (organization_id = ?1 OR {has_word('organizations_named', '?1')})",
            organization_id,
            now,
            *values,
        )

    async def leave_organization(self, organization_id: str, *, user_id: str | None = None) -> None:
        """Update by user."""
        whose = _ALL_MEMBERS if user_id is None else "user_id = ?2"
        values = () if user_id is None else (user_id,)
        await self._connection.row(
            f"UPDATE grants SET organization_id = '' WHERE {whose} AND organization_id = ?1", organization_id, *values
        )

    async def session_of(self, grant_id: str) -> str | None:
        """Find by primary key."""
        row = await self._connection.row("SELECT session_id FROM grants WHERE id = ?1", grant_id)
        return None if row is None else str(row[0])

    async def end(self, grant_id: str, now: float) -> list[EndedGrant]:
        """Update by primary key."""
        return await self._end("id = ?1", grant_id, now)

    async def end_of_session(self, session_id: str, now: float) -> list[EndedGrant]:
        """Update by session."""
        return await self._end("session_id = ?1", session_id, now)

    async def end_of_user(self, user_id: str, now: float, *, keep_session: str = "") -> list[EndedGrant]:
        """Update by user."""
        return await self._end("user_id = ?1 AND session_id <> ?3", user_id, now, keep_session)

    async def end_of_client(self, client_id: str, now: float) -> list[EndedGrant]:
        """Update by client."""
        return await self._end("client_id = ?1", client_id, now)

    async def end_at_client(self, user_id: str, client_id: str, now: float) -> list[EndedGrant]:
        """Update by user and client."""
        return await self._end("user_id = ?1 AND client_id = ?3", user_id, now, client_id)

    async def end_all(self, now: float, *, answered_after: float) -> list[EndedGrant]:
        """Update in two steps, because only one of them returns status indexes."""
        ended = await self._end("answered_at > ?1", answered_after, now)
        await self._connection.row("UPDATE grants SET ended_at = ?1 WHERE ended_at IS NULL", now)
        return ended

    async def carry_over(self, session_id: str, to: str, *, known_as: str) -> None:
        """Update by session."""
        await self._connection.row(
            "UPDATE grants SET session_id = ?2,"
            " browser_session_id = CASE WHEN browser_session_id = '' THEN ?3 ELSE browser_session_id END"
            " WHERE session_id = ?1 AND client_id <> ?4 AND ended_at IS NULL",
            session_id,
            to,
            known_as,
            FIRST_PARTY,
        )

    async def given_in(self, session_id: str, user_id: str, now: float) -> list[Logout]:
        """Select by user."""
        rows = await self._connection.rows(
            f"SELECT DISTINCT {_LOGOUT} FROM grants"
            " WHERE user_id = ?1 AND browser_session_id = ?2 AND ended_at IS NULL AND expires_at > ?3",
            user_id,
            session_id,
            now,
        )
        return [_logout(*row) for row in rows]

    async def outliving(self, session_id: str, user_id: str) -> list[str]:
        """Select by user."""
        rows = await self._connection.rows(
            "SELECT id FROM grants WHERE user_id = ?1 AND ended_at IS NULL AND (browser_session_id = ?2"
            " OR session_id IN (SELECT id FROM sessions WHERE user_id = ?1 AND approved_in = ?2))",
            user_id,
            session_id,
        )
        return [str(grant_id) for (grant_id,) in rows]

    async def live_of_user(self, user_id: str, now: float) -> list[tuple[str, StatusIndex]]:
        """Select by user."""
        return await self._live("user_id = ?1", user_id, now)

    async def live_of_client(self, client_id: str, now: float) -> list[tuple[str, StatusIndex]]:
        """Select by client."""
        return await self._live("client_id = ?1", client_id, now)

    async def held_by_clients(self, user_id: str, *, now: float, idle_seconds: float) -> list[ClientHold]:
        """Select by user, one row for each client and scope."""
        rows = await self._connection.rows(
            "SELECT grants.client_id, grants.scope, MIN(sessions.auth_time)"
            " FROM grants JOIN sessions ON sessions.id = grants.session_id"
            " WHERE grants.user_id = ?1 AND grants.client_id <> ?2 AND grants.ended_at IS NULL"
            " AND grants.expires_at > ?3 AND grants.answered_at > ?4 GROUP BY grants.client_id, grants.scope",
            user_id,
            FIRST_PARTY,
            now,
            now - idle_seconds,
        )
        return [ClientHold(str(client_id), words(scope), float(since or 0)) for client_id, scope, since in rows]

    async def _live(self, condition: str, value: str, now: float, *more: str) -> list[tuple[str, StatusIndex]]:
        rows = await self._connection.rows(
            "SELECT id, status_list, status_idx FROM grants"
            f" WHERE {condition} AND ended_at IS NULL AND expires_at > ?2",
            value,
            now,
            *more,
        )
        return [(str(grant_id), StatusIndex(int(number or 0), int(idx or 0))) for grant_id, number, idx in rows]

    async def remove_all_of(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM grants WHERE user_id = ?1", user_id)

    async def move(self, grants: Sequence[tuple[str, StatusIndex]]) -> None:
        """Update each by primary key."""
        for grant_id, status in grants:
            await self._connection.row(
                "UPDATE grants SET status_list = ?2, status_idx = ?3, organizations_named = '' WHERE id = ?1",
                grant_id,
                status.list,
                status.idx,
            )

    async def _end(self, condition: str, value: str | float, now: float, *more: str) -> list[EndedGrant]:
        rows = await self._connection.rows(
            f"UPDATE grants SET ended_at = ?2 WHERE {condition} AND ended_at IS NULL AND expires_at > ?2"
            f" RETURNING status_list, status_idx, {_LOGOUT}",
            value,
            now,
            *more,
        )
        return [EndedGrant(StatusIndex(int(number or 0), int(idx or 0)), _logout(*row)) for number, idx, *row in rows]


def _logout(client_id: Value, user_id: Value, session_id: Value) -> Logout:
    return Logout(str(client_id), str(user_id), str(session_id))


def _advance(row: Row) -> Advance:
    verdict, current, *rest = row
    serial, subject = int(current or 0), _subject(rest)
    match verdict:
        case "advanced":
            return Advanced(serial, subject)
        case "same":
            return Same(serial, subject)
        case "reissued" | "store_went_back":
            return Reissued(serial, subject, store_went_back=verdict == "store_went_back")
        case "stolen":
            return Stolen(subject.user_id, subject.session_id)
        case _:
            return Ended()


def _held(row: Row) -> Held:
    grant_id, session_id, user_id, client_id, audience, scope, is_usable, expires_at, answered_at, jkt = row
    return Held(
        grant_id=str(grant_id),
        session_id=str(session_id),
        user_id=str(user_id),
        client_id=str(client_id),
        audience=words(audience),
        scope=words(scope),
        is_usable=bool(is_usable),
        expires_at=float(expires_at or 0),
        answered_at=float(answered_at or 0),
        jkt=str(jkt) or None,
    )


def _subject(values: list[Value]) -> TokenSubject:
    user_id, session_id, client_id, audience, scope, status_list, status_idx, expires_at, jkt, claims, *rest = values
    browser_session_id, roles, auth_time, acr, amr, client_audience, client_scope, client_metadata, *organization = rest
    return TokenSubject(
        user_id=str(user_id),
        session_id=str(session_id),
        client_id=str(client_id),
        audience=words(audience),
        scope=words(scope),
        status=StatusIndex(int(status_list or 0), int(status_idx or 0)),
        expires_at=float(expires_at or 0),
        jkt=str(jkt) or None,
        claims=str(claims),
        browser_session_id=str(browser_session_id),
        roles=words(roles),
        auth_time=float(auth_time or 0),
        acr=str(acr),
        amr=words(amr),
        client_sector=_sector(str(client_metadata or ""), str(client_id)),
        client_audience=None if client_audience is None else words(client_audience),
        client_scope=None if client_scope is None else words(client_scope),
        organization=_organization(organization),
    )


def _owner(values: list[Value]) -> TokenOwner:
    user_id, session_id, client_id, claims, *organization = values
    return TokenOwner(
        user_id=str(user_id),
        session_id=str(session_id),
        client_id=str(client_id),
        claims=str(claims),
        organization=_organization(organization),
    )


def _organization(values: list[Value]) -> ActiveOrganization | None:
    """None where there is none, and where the person is no longer a member."""
    organization_id, slug, name, roles = values
    if slug is None or roles is None:
        return None
    return ActiveOrganization(id=str(organization_id), slug=str(slug), name=str(name), roles=words(roles))


def _sector(metadata: str, client_id: str) -> str:
    """Nearly no client has one, and the text tells: it is read at each refresh."""
    if "pairwise" not in metadata:
        return ""
    return sector_of(msgspec.json.decode(metadata, type=ClientMetadata), client_id)
