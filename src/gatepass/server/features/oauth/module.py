"""OAuth's endpoints for registered clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.sessions.authorization_code import KEPT_SECONDS
from gatepass.server.domain.sessions.device_code import DEVICE_SECONDS
from gatepass.server.domain.sessions.interaction import INTERACTION_SECONDS
from gatepass.server.domain.sessions.logout_delivery import LogoutDelivery
from gatepass.server.features.oauth import end_session, introspect, par, revoke, userinfo
from gatepass.server.features.oauth.authorize import api as authorize
from gatepass.server.features.oauth.authorize.interactions import AuthorizationPages
from gatepass.server.features.oauth.device import api as device
from gatepass.server.features.oauth.device import pages as device_pages
from gatepass.server.features.oauth.device.user_codes import UserCodes
from gatepass.server.features.oauth.metadata import (
    of_authorization,
    of_devices,
    of_logout,
    of_openid,
    of_own_api,
    of_pushing,
    of_registration,
    of_tokens,
)
from gatepass.server.features.oauth.registration import register
from gatepass.server.features.oauth.registration.access import RegistrationAccess
from gatepass.server.features.oauth.registration.register import forget_unused
from gatepass.server.features.oauth.token import api as token
from gatepass.server.module import Job, Module
from gatepass.server.web.auth.openid import OpenIdAuth
from gatepass.server.web.auth.requirements import MAY_REGISTER, OPENID_TOKEN, REGISTRATION
from gatepass.server.web.metadata import RESOURCE_PATH, joined, paths_of

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction


_LOGOUT_SECONDS = 0.25
"""How often to check whether a client is to be told of a logout; a check takes some microseconds."""


def module(core: Core) -> Module:
    """Tokens (RFC 6749), revocation (RFC 7009), introspection (RFC 7662) and UserInfo (OpenID Connect)."""
    issuer = core.settings.issuer_url
    own_api = core.documents.make(msgspec.json.encode(of_own_api(core.settings)))
    for path in paths_of(RESOURCE_PATH, issuer):
        core.documents.publish_at_root(path, own_api)

    async def forget_known() -> None:
        core.apis.forget()
        core.clients.forget()

    async def forget_codes(tx: Transaction) -> None:
        await tx.authorization_codes.forget_before(tx.now - KEPT_SECONDS)
        await tx.device_codes.forget_before(tx.now - DEVICE_SECONDS)
        await tx.pushed_requests.forget_before(tx.now - INTERACTION_SECONDS)

    pages, user_codes = AuthorizationPages(core), UserCodes(core)
    logouts = LogoutDelivery(
        core.database, core.fetch, core.id_token_signers, core.subjects, keys=core.keys, settings=core.settings
    )
    registration = RegistrationAccess(core)
    return Module(
        routes=(
            *authorize.routes(core, pages),
            *pages.routes(),
            *device.routes(core, user_codes),
            *device_pages.routes(core, user_codes),
            *(
                route
                for part in (par, register, end_session, token, revoke, introspect, userinfo)
                for route in part.routes(core)
            ),
        ),
        templates=__package__,
        expiry=(forget_codes, forget_unused),
        jobs=(Job(every=_LOGOUT_SECONDS, run=logouts.send_due),),
        drain=logouts.close,
        proofs={
            OPENID_TOKEN: OpenIdAuth(core.bearer_auth, core.revocation_check).identify,
            MAY_REGISTER: registration.newcomer,
            REGISTRATION: registration.registered,
        },
        catch_up=forget_known,
        metadata=joined(
            (
                of_tokens(core.settings),
                of_authorization(issuer, core.pages.texts.languages),
                of_pushing(core.settings),
                of_devices(issuer),
                of_logout(issuer),
                of_openid(core.settings),
                of_registration(core.settings),
            )
        ),
    )
