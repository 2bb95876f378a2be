"""An authorization request whose every parameter has been checked (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1)."""

from __future__ import annotations

from typing import Literal

from gatepass.server.base.confidential import Confidential

ResponseMode = Literal["query", "form_post", "jwt", "query.jwt", "form_post.jwt"]
Prompt = Literal["none", "login", "consent", "select_account", "create"]

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"
_ORGANIZATION = "organization:"
"""Begins, among what a person agrees to, the organization that a client is told of."""


class AuthorizationRequest(Confidential, frozen=True, kw_only=True, omit_defaults=True):
    """What a client asks of a person, as data: it is kept sealed, or with the code that answers it.

    Attributes:
        client_id: Who asks.
        redirect_uri: Where the answer goes.
        scope: The scopes that the client may have of those that it asked for.
        response_mode: How the answer gets there.
        state: What the client wants to have back; None where it sent none.
        nonce: What the ID token repeats.
        resource: The resources that it named (RFC 8707).
        code_challenge: S256 of the verifier (RFC 7636); empty where the client may leave it out.
        prompt: Which pages it wants to be shown.
        max_age: Seconds since which the person must have proved who they are.
        acr_values: How strongly, of the values that we know; one of them is enough.
        login_hint: Which account it expects, for the sign-in page.
        ui_locales: The languages it prefers.
        claims: The `claims` parameter as JSON (OpenID Connect Core §5.5); empty where there is none.
        claims_scope: The scopes that tell what it asks for there, beside those that it asks for by name.
        subjects: Whom it expects, as it knows them, by `id_token_hint` or a `sub` among the claims; none for anyone.
        dpop_jkt: The key that the code is bound to (RFC 9449 §10).
        organization: The id, or at first the slug, of the organization that tokens are to be for; empty for none.
    """

    client_id: str
    redirect_uri: str
    scope: tuple[str, ...]
    response_mode: ResponseMode = "query"
    state: str | None = None
    nonce: str = ""
    resource: tuple[str, ...] = ()
    code_challenge: str = ""
    prompt: tuple[Prompt, ...] = ()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    login_hint: str = ""
    ui_locales: tuple[str, ...] = ()
    claims: str = ""
    claims_scope: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    dpop_jkt: str = ""
    organization: str = ""

    @property
    def scope_to_agree_to(self) -> tuple[str, ...]:
        """What a person is asked for: a claim by its name, and an organization, tell no less than a scope does."""
        organization = (self.organization_scope,) if self.organization else ()
        return (*self.scope, *self.claims_scope, *organization)

    @property
    def organization_scope(self) -> str:
        """What stands for the organization among the scopes that a person agrees to."""
        return f"{_ORGANIZATION}{self.organization}"


def is_organization(scope: str) -> bool:
    """Whether what a person agrees to is that a client is told of their organization."""
    return scope.startswith(_ORGANIZATION)
