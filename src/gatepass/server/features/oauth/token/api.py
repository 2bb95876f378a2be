"""`POST /oauth/token`: a dictionary of grant types."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.device_code import GRANT_TYPE
from gatepass.server.features.oauth.token import jwt_bearer as bearer
from gatepass.server.features.oauth.token import token_exchange as exchange
from gatepass.server.features.oauth.token.authorization_code import authorization_code
from gatepass.server.features.oauth.token.client_credentials import client_credentials
from gatepass.server.features.oauth.token.device_code import device_code
from gatepass.server.features.oauth.token.failures import count_failure
from gatepass.server.features.oauth.token.refresh_token import refresh
from gatepass.server.features.oauth.token.request import FailedGrant, TokenAnswer, TokenForm
from gatepass.server.web.auth.dpop import unbound
from gatepass.server.web.auth.requirements import ANY_CLIENT
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.web.call import Call


Grant: TypeAlias = "Callable[[Core, Client, TokenForm, str | None], Awaitable[Response]]"
"""The client, its request, and the thumbprint of its proved key, if any."""

GRANTS: Mapping[str, Grant] = {
    "authorization_code": authorization_code,
    "client_credentials": client_credentials,
    GRANT_TYPE: device_code,
    bearer.GRANT_TYPE: bearer.jwt_bearer,
    exchange.GRANT_TYPE: exchange.token_exchange,
    "refresh_token": refresh,
}
"""The handler of each grant type, called after checking that the client may use it."""


def routes(core: Core) -> tuple[Route, ...]:
    """The call. Its errors are those of RFC 6749 §5.2."""
    return (
        Route(
            method="POST",
            path="/oauth/token",
            handler=partial(token, core),
            auth=ANY_CLIENT,
            summary="Get a token (OAuth 2)",
            form=TokenForm,
            answers={200: TokenAnswer},
            problems=(
                "invalid_grant",
                "unauthorized_client",
                "unsupported_grant_type",
                "invalid_scope",
                "invalid_target",
                "invalid_dpop_proof",
                "use_dpop_nonce",
                "too_many_attempts",
            ),
            open_to_pages=True,
        ),
    )


async def token(core: Core, call: Call, form: TokenForm) -> Response:
    """Serve the requested grant type."""
    grant = GRANTS.get(form.grant_type)
    if grant is None:
        raise Refusal("unsupported_grant_type", "The server does not support this grant type.")
    if form.grant_type not in call.client.grant_types:
        raise Refusal("unauthorized_client", "The client may not use this grant type.")
    jkt = await core.dpop.thumbprint(call.request)
    if jkt is None and call.client.metadata.dpop_bound_access_tokens:
        raise unbound()
    try:
        return await grant(core, call.client, form, jkt)
    except FailedGrant as failed:
        raise await count_failure(core, call.client, call.origin, failed) from failed
