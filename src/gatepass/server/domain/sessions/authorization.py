"""What a person must be shown before an authorization request is answered: a pure function of what is known.

The rows of its table stand in one order: who it is, how strongly they proved it, whether they may go on, whether they
agree (OpenID Connect Core §3.1.2.3, §3.1.2.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from gatepass.server.domain.sessions.caller import Caller  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.domain.sessions.consent import Consent  # noqa: TC001 - as above
from gatepass.server.domain.sessions.grant import ActiveOrganization  # noqa: TC001 - as above
from gatepass.server.domain.sessions.redirect_uri import host_of, is_claimed_https

if TYPE_CHECKING:
    from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest
    from gatepass.server.domain.sessions.client import Client

RefusalCode = Literal[
    "access_denied",
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "login_required",
    "unmet_authentication_requirements",
]


class Issue(msgspec.Struct, frozen=True):
    """Nothing more is to be shown: answer with a code for these scopes."""

    scope: tuple[str, ...]


class SignIn(msgspec.Struct, frozen=True):
    """The sign-in page, or the one for creating an account; `again` although somebody is signed in."""

    again: bool = False
    create: bool = False


class StepUp(msgspec.Struct, frozen=True):
    """A second factor."""


class Choose(msgspec.Struct, frozen=True):
    """Which account to go on with."""


class AskConsent(msgspec.Struct, frozen=True):
    """Whether the person agrees; `known` is what they have agreed to before."""

    known: tuple[str, ...] = ()


class Refuse(msgspec.Struct, frozen=True):
    """Answer with an error."""

    code: RefusalCode


Step: TypeAlias = Issue | SignIn | StepUp | Choose | AskConsent | Refuse


class AuthorizationState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known at this moment. Times in seconds since 1970.

    Attributes:
        caller: Who is signed in in this browser.
        subject: How the client knows them.
        consent: What they have allowed the client before.
        began_at: When the interaction began.
        chosen: The session that was chosen in it.
        organization: The one that the request names, where they are a member.
        now: The time.
    """

    caller: Caller | None
    subject: str
    consent: Consent | None
    began_at: float
    chosen: str
    now: float
    organization: ActiveOrganization | None = None


def next_step(  # noqa: PLR0911 - the rows of a table
    request: AuthorizationRequest, client: Client, known: AuthorizationState
) -> Step:
    """Decide what comes next."""
    caller, consent = known.caller, known.consent
    is_silent = "none" in request.prompt
    if caller is None:
        return Refuse("login_required") if is_silent else SignIn(create="create" in request.prompt)
    is_fresh = caller.auth_time >= known.began_at
    if not is_fresh and _is_too_old(request, client, caller, known.now):
        return Refuse("login_required") if is_silent else SignIn(again=True)
    if request.subjects and known.subject not in request.subjects:
        return Refuse("login_required") if is_silent or is_fresh else SignIn(again=True)
    if request.acr_values and caller.acr < min(request.acr_values):  # one that is met is enough
        if is_silent:
            return Refuse("unmet_authentication_requirements")
        return StepUp()
    if "select_account" in request.prompt and not _is_chosen(request, caller, known):
        return Refuse("account_selection_required") if is_silent else Choose()
    if "create" in request.prompt and not is_fresh:
        return Refuse("interaction_required") if is_silent else SignIn(create=True)
    if caller.user.closed is not None or (request.organization and known.organization is None):
        return Refuse("access_denied")
    if _must_consent(request, client, consent):
        return Refuse("consent_required") if is_silent else AskConsent(known=consent.scope if consent else ())
    return Issue(scope=_without_unasked_offline(request, client, consent))


def _is_too_old(request: AuthorizationRequest, client: Client, caller: Caller, now: float) -> bool:
    """Whether the client wants the person to prove again who they are (`prompt=login`, `max_age`)."""
    max_age = client.metadata.default_max_age if request.max_age is None else request.max_age
    return "login" in request.prompt or (max_age is not None and caller.auth_time + max_age <= now)


def _is_chosen(request: AuthorizationRequest, caller: Caller, known: AuthorizationState) -> bool:
    """Whether the person has said that this is the account, or the client has named its address."""
    is_named = request.login_hint.lower() == caller.user.email
    is_fresh = caller.auth_time >= known.began_at
    return is_named or is_fresh or known.chosen == caller.session_id


def _must_consent(request: AuthorizationRequest, client: Client, consent: Consent | None) -> bool:
    """Whether the person is asked.

    An application on a device may be another than it says, unless it is reached by a domain that it owns, so it is
    never let in without a person who looks (RFC 8252 §8.6).
    """
    if "consent" in request.prompt:
        return True
    if client.metadata.application_type == "native" and not is_claimed_https(request.redirect_uri):
        return True
    match client.rules.consent:
        case "never":
            return False
        case "ask":
            return True
        case "first-time":
            host = host_of(request.redirect_uri)
            if consent is None or not consent.was_shown(client.name, host):
                return True
            return not consent.covers(request.scope_to_agree_to, resource_to_agree_to(request, client))


def resource_to_agree_to(request: AuthorizationRequest, client: Client) -> tuple[str, ...]:
    """What the tokens will be for: a request that names no resource asks for more than one that does."""
    return request.resource or client.audience


def _without_unasked_offline(request: AuthorizationRequest, client: Client, consent: Consent | None) -> tuple[str, ...]:
    """Leave offline access out where nobody was asked for it (OpenID Connect Core §11)."""
    allowed = client.rules.consent == "never" or (consent is not None and "offline_access" in consent.scope)
    return tuple(scope for scope in request.scope_to_agree_to if allowed or scope != "offline_access")
