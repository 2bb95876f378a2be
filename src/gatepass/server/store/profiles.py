"""The SQL of profiles: columns of users that no sign-in reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.accounts.profile import UserProfile

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection


class SqlProfiles:
    """`gatepass.server.domain.accounts.profile.Profiles`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, user_id: str) -> UserProfile:
        """Find by primary key."""
        row = await self._connection.row(
            "SELECT name, locale, metadata, app_metadata FROM users WHERE id = ?1", user_id
        )
        if row is None:
            return UserProfile()
        name, locale, metadata, app_metadata = map(str, row)
        return UserProfile(
            name=name,
            locale=locale,
            metadata=msgspec.json.decode(metadata),
            app_metadata=msgspec.json.decode(app_metadata),
        )

    async def put(self, user_id: str, profile: UserProfile) -> None:
        """Update the columns."""
        await self._connection.row(
            "UPDATE users SET name = ?2, name_key = ?6, locale = ?3, metadata = ?4, app_metadata = ?5 WHERE id = ?1",
            user_id,
            profile.name,
            profile.locale,
            msgspec.json.encode(profile.metadata).decode(),
            msgspec.json.encode(profile.app_metadata).decode(),
            profile.name.lower(),
        )
