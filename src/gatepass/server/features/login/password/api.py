"""`POST /login`: a password or another site's ID token, for a token pair."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.identity_linking import Existing
from gatepass.server.features.login.foreign.sign_in import trade
from gatepass.server.features.login.password.sign_in import sign_in
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.login_responses import SecondFactorRequired
from gatepass.server.web.routing import Route
from gatepass.server.web.token_responses import TokenPair

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.providers.provider import ProvenIdentity
    from gatepass.server.domain.sessions.login import LoginResult
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.web.call import Call


class LoginRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sign-in with `email` and `password`, with a `provider` and its `id_token`, or with a `foreign_token`.

    `nonce` is what was sent to the provider. `audience` narrows the token to one API, `scope` (blank-separated) to some
    scopes. `organization` is the id or slug of the one that the tokens are for.
    """

    email: str | None = None
    password: str | None = None
    provider: str | None = None
    id_token: str | None = None
    nonce: str | None = None
    foreign_token: str | None = None
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None
    organization: str = ""


class PasswordLogin(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By email address and password."""

    email: str
    password: str
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None
    organization: str = ""


class ProviderLogin(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By an ID token that the application got from a provider."""

    provider: str
    id_token: str
    nonce: str | None = None
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None
    organization: str = ""


class ForeignTokenLogin(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By an access token of the system that the user was imported from (`foreign_tokens`), once."""

    foreign_token: str
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None
    organization: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The call."""
    return (
        Route(
            method="POST",
            path="/login",
            handler=partial(login, core),
            auth=ANYONE,
            summary="Sign in with email address and password, or with a provider's ID token",
            body=LoginRequest,
            shapes=(PasswordLogin, ProviderLogin, ForeignTokenLogin),
            answers={200: TokenPair, 403: SecondFactorRequired},
            problems=(
                "login_denied",
                "hook_unavailable",
                "invalid_credentials",
                "account_disabled",
                "account_locked",
                "second_factor_required",
                "too_many_attempts",
                "invalid_email",
                "password_too_long",
                "unknown_client",
                "invalid_audience",
                "invalid_scope",
                "not_a_member",
                "provider_required",
                "cross_site_request",
                "invalid_dpop_proof",
                "use_dpop_nonce",
                "unknown_provider",
                "invalid_id_token",
                "invalid_foreign_token",
                "provider_denied",
                "provider_unavailable",
                "email_not_verified",
                "account_exists",
                "signup_closed",
                "invitation_required",
                "email_domain_not_allowed",
                "signup_denied",
                "busy",
            ),
        ),
    )


async def login(core: Core, call: Call, body: LoginRequest) -> Response:
    """Check the one proof, open a session, answer with its tokens."""
    if body.cookie:
        core.browser.check_login(call.request)
    token_request = await call.token_request(
        client_id=body.client_id,
        audience=body.audience,
        scope=body.scope,
        organization=body.organization,
        cookie=body.cookie,
    )
    match body:
        case LoginRequest(
            email=None, password=None, provider=None, id_token=None, nonce=None, foreign_token=str(foreign_token)
        ):
            result = await trade(core, call, foreign_token, token_request)
        case LoginRequest(foreign_token=str()):
            raise Refusal("invalid_body", "Send `foreign_token` without another proof.")
        case LoginRequest(email=str(email), password=str(text), provider=None, id_token=None, nonce=None):
            result = await sign_in(core, call, email, text, token_request)
        case LoginRequest(email=None, password=None, provider=str(provider), id_token=str(id_token)):
            proven = await core.linking.check_id_token(provider, id_token, body.nonce)
            result = await _sign_in_elsewhere(core, call, proven, token_request)
        case _:
            raise Refusal("invalid_body", "Send `email` and `password`, `provider` and `id_token`, or `foreign_token`.")
    return await core.login_responses.answer(result)


async def _sign_in_elsewhere(
    core: Core, call: Call, proven: ProvenIdentity, token_request: TokenRequest
) -> LoginResult:
    """Open a session for the user of the provider's ID token."""
    result = await core.linking.sign_in(
        proven, token_request=token_request, where=call.origin, device=call.device, language=call.language
    )
    if isinstance(result, Existing):
        raise Refusal(
            "account_exists",
            "There is already an account with this email address: sign in to it, then connect the two.",
        )
    return result
