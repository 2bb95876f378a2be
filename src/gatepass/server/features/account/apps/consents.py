"""The acts of listing the applications that have access to one's account, and of disconnecting one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.redirect_uri import host_of
from gatepass.server.domain.sessions.revoke import withdraw_consent

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.consent import Consent
    from gatepass.server.domain.sessions.grant import ClientHold
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the acts use of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def settings(self) -> Settings: ...


class ConnectedApp(msgspec.Struct, frozen=True, kw_only=True):
    """A client that has access to the user's account. `since` in seconds since 1970.

    `remembered` says whether its next request is answered without asking, as far as it wants nothing more.
    """

    client_id: str
    name: str
    host: str
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    since: float
    remembered: bool


async def list_apps(needs: Needs, user_id: str) -> list[ConnectedApp]:
    """Every client that the person has allowed something, or that holds a grant of theirs; by name."""
    idle_seconds = needs.settings.session_idle_seconds

    async def unit(tx: Transaction) -> list[ConnectedApp]:
        apps = {each.client_id: _of_consent(each) for each in await tx.consents.all_of(user_id)}
        for hold in await tx.grants.held_by_clients(user_id, now=tx.now, idle_seconds=idle_seconds):
            app = apps.get(hold.client_id) or _of_client(await tx.clients.by_id(hold.client_id), hold)
            scope = tuple(dict.fromkeys((*app.scope, *hold.scope)))
            apps[hold.client_id] = msgspec.structs.replace(app, scope=scope, since=min(app.since, hold.since))
        return sorted(apps.values(), key=lambda app: (app.name.casefold(), app.client_id))

    return await needs.database.read(unit)


async def disconnect(needs: Needs, call: Call, client_id: str) -> None:
    """End all that a client holds of the caller, and ask them anew when it comes again.

    Raises:
        Refusal: `consent_not_found`.
    """
    user, origin = call.caller.user, call.origin

    async def unit(tx: Transaction) -> Refusal | None:
        # The built-in client is this server's own sign-in, which is ended by signing out.
        if client_id != FIRST_PARTY and await withdraw_consent(tx, user.id, client_id, where=origin):
            return None
        return Refusal("consent_not_found", "No application of this id has access to your account.")

    await decide(needs.database, unit, about=user.id)


def _of_consent(consent: Consent) -> ConnectedApp:
    """As the person was shown it."""
    return ConnectedApp(
        client_id=consent.client_id,
        name=consent.client_name,
        host=consent.host,
        scope=consent.scope,
        resource=consent.resource,
        since=consent.given_at,
        remembered=True,
    )


def _of_client(client: Client | None, hold: ClientHold) -> ConnectedApp:
    """As it is registered, where the person was not asked."""
    uris = client.metadata.redirect_uris if client is not None else ()
    return ConnectedApp(
        client_id=hold.client_id,
        name=client.name if client is not None else hold.client_id,
        host=host_of(uris[0]) if uris else "",
        scope=(),
        resource=(),
        since=hold.since,
        remembered=False,
    )
