"""The token request, its response, and the refusals common to all grant types."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.client import ClientForm

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.responses import Response

    from gatepass.server.domain.sessions.grant import RefreshCredential
    from gatepass.server.domain.sessions.token_issuer import IssuedToken


class TokenForm(ClientForm, frozen=True, kw_only=True):
    """RFC 6749 §4.1.3, §4.4.2, §6, RFC 7636 §4.5, RFC 8628 §3.4, RFC 8693 §2.1, RFC 7523 §2.1.

    Fields that we do not know are ignored (RFC 6749 §3.2).

    `resource` is RFC 8707's name for an audience, `audience` a common alternative; only these may be repeated.
    """

    grant_type: str
    code: str | None = None
    redirect_uri: str | None = None
    code_verifier: str | None = None
    device_code: str | None = None
    refresh_token: str | None = None
    assertion: str | None = None
    subject_token: str | None = None
    subject_token_type: str | None = None
    actor_token: str | None = None
    actor_token_type: str | None = None
    requested_token_type: str | None = None
    scope: str | None = None
    audience: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()

    @property
    def target(self) -> tuple[str, ...]:
        """The requested audience."""
        return (*self.resource, *self.audience)


class TokenAnswer(Confidential, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 6749 §5.1; `expires_in` in seconds."""

    access_token: str
    expires_in: int
    token_type: str
    refresh_token: str | None = None
    scope: str | None = None
    id_token: str | None = None


def answer(issued: IssuedToken, refresh: str | None = None, id_token: str | None = None) -> Response:
    """Answer with what was issued."""
    return JsonResponse(
        TokenAnswer(
            access_token=issued.token,
            token_type=issued.token_type,
            expires_in=issued.expires_in,
            refresh_token=refresh,
            scope=issued.scope,
            id_token=id_token,
        )
    )


def invalid_grant(why: str) -> Refusal:
    """RFC 6749 §5.2; the description has our own error code, for the client's log."""
    return Refusal("invalid_grant", why)


class FailedGrant(Refusal):
    """A code, refresh token or assertion that is no good here: told in the same way, and counted.

    Args:
        why: as for `invalid_grant`.
        user_id: whose it is, where that is known.
        presents: the refresh token, if it is one of ours.
    """

    def __init__(self, why: str, *, user_id: str = "", presents: RefreshCredential | None = None) -> None:
        super().__init__("invalid_grant", why)
        self.user_id = user_id
        self.presents = presents


@contextmanager
def as_invalid_target() -> Generator[None]:
    """OAuth's error for an audience that is not allowed (RFC 8707 §2)."""
    try:
        yield
    except Refusal as error:
        raise Refusal("invalid_target" if error.code == "invalid_audience" else error.code, error.detail) from error
