"""What a route requires of its caller, and the caller that was authenticated before the body was converted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.settings.tokens import (
    ADMIN_IMPERSONATE,
    ADMIN_READ,
    ADMIN_WRITE,
    SESSIONS_REVOKE,
    STREAM_MANAGE,
    STREAM_READ,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # singletons, looked up at each request
class Auth:
    """What a call requires of its caller; `needs` says it in a sentence.

    `problems` are the codes that it may answer with before anything else. `by_person`: a user is signed in, by an
    access token at the API and by a cookie at a page. `scope` is what its token must have, as a challenge says.
    `in_body`: the proof may be in the body, which is then split first, without reading anything else of it.
    """

    name: str
    needs: str = ""
    problems: tuple[str, ...] = ()
    by_person: bool = False
    scope: str = ""
    in_body: bool = False


_PERSON = ("missing_token", "invalid_token", "insufficient_scope", "session_ended")

ANYONE = Auth(name="anyone")
CALLER = Auth(name="caller", needs="Takes a bearer token.", problems=_PERSON, by_person=True)
"""A user with an active session, by a first-party token, or one with the scope `gatepass:account`."""
RECENT = Auth(
    name="recent",
    needs="Takes a bearer token of a recent sign-in.",
    problems=(*_PERSON, "recent_sign_in_required", "second_factor_required"),
    by_person=True,
)
"""The same, with a recent sign-in, as strong as the account requires."""
OPENID_TOKEN = Auth(
    name="openid token",
    needs="Takes an access token with the scope `openid`.",
    problems=("missing_token", "invalid_request", "invalid_token", "insufficient_scope"),
    in_body=True,
)
"""A client with a signed-in user, by the access token that it got for that."""
REFRESH = Auth(name="refresh", in_body=True)
"""A refresh token, in the body or the cookie."""
SESSION = Auth(
    name="session",
    needs="Takes a bearer token or a refresh token.",
    problems=("missing_token", "invalid_token", "insufficient_scope"),
    in_body=True,
)
"""Any token of a session, even an ended one."""
CLIENT = Auth(
    name="client",
    needs="Takes a client's secret or signature.",
    problems=("invalid_request", "invalid_client"),
    in_body=True,
)
"""A registered client that authenticates."""
ANY_CLIENT = Auth(
    name="any client",
    needs="Takes a client's secret or signature, or the `client_id` of a public client.",
    problems=("invalid_request", "invalid_client"),
    in_body=True,
)
"""The same, or a public client (RFC 6749 §2.1), whose id anyone can send."""
MAY_REGISTER = Auth(
    name="may register",
    needs="Takes a token of `gatepass client registration-token`, unless `dynamic_registration` is open.",
    problems=("registration_closed", "invalid_token"),
)
"""Whoever may register a client."""
REGISTRATION = Auth(
    name="registration",
    needs="Takes the client's registration access token.",
    problems=("invalid_token",),
)
"""A client that has registered itself, by the token that it was given then (RFC 7592 §3)."""
_OPERATOR = ("missing_token", "invalid_token", "insufficient_scope", "invalid_query")
OPERATOR_READ = Auth(
    name="operator read",
    needs="Takes an operator's token with the scope `admin:read`.",
    problems=_OPERATOR,
    scope=ADMIN_READ,
)
OPERATOR_WRITE = Auth(
    name="operator write",
    needs="Takes an operator's token with the scope `admin:write`.",
    problems=_OPERATOR,
    scope=ADMIN_WRITE,
)
"""A person with the role `gatepass-operator`, or a client with the scope: `domain.sessions.operator`."""
OPERATOR_IMPERSONATE = Auth(
    name="operator impersonate",
    needs="Takes the token of an operator in person, with the scope `admin:impersonate`.",
    problems=_OPERATOR,
    scope=ADMIN_IMPERSONATE,
)
"""A person with the role `gatepass-operator` alone."""
OPERATOR_REVOKE = Auth(
    name="operator revoke",
    needs="Takes an operator's token with the scope `sessions:revoke` or `admin:write`.",
    problems=_OPERATOR,
    scope=SESSIONS_REVOKE,
)
"""As to write, or a client that may do nothing else, such as an identity provider."""
_RECEIVER = ("missing_token", "invalid_token", "insufficient_scope")
RECEIVER_READ = Auth(
    name="receiver read",
    needs="Takes a client's own token with the scope `ssf.read` or `ssf.manage`.",
    problems=_RECEIVER,
    scope=STREAM_READ,
)
RECEIVER_MANAGE = Auth(
    name="receiver manage",
    needs="Takes a client's own token with the scope `ssf.manage`.",
    problems=_RECEIVER,
    scope=STREAM_MANAGE,
)
"""A client that receives Shared Signals, by a token that it got for that alone."""
_ORGANIZATION = (*_PERSON, "organization_not_found", "not_organization_admin")
ORGANIZATION_READ = Auth(
    name="organization read",
    needs="Takes a bearer token of an admin of the organization.",
    problems=_ORGANIZATION,
    by_person=True,
)
ORGANIZATION_WRITE = Auth(
    name="organization write",
    needs="Takes a bearer token of a recent sign-in of an admin of the organization.",
    problems=(*_ORGANIZATION, "recent_sign_in_required", "second_factor_required"),
    by_person=True,
)
"""A member with the role `admin` in the organization that the path names, by a first-party token."""
OPERATOR_PAGE = Auth(name="operator page", needs="For operators.", by_person=True)
"""A page for a person with the role `gatepass-operator`, who has proved two factors lately."""
METRICS = Auth(name="metrics", needs="For this machine, or with the `metrics_token` as bearer token.")
THIS_MACHINE = Auth(name="this machine", needs="For this machine.")


class SplitBody(msgspec.Struct, frozen=True):
    """A body that may hold the proof, split but not converted.

    `fields` are the strings that appear once in it, by name; empty if it cannot be split. `check` raises what is wrong
    with the whole body, for callers without any proof.
    """

    fields: Mapping[str, str]
    check: Callable[[], object]


NO_BODY = SplitBody({}, lambda: None)


_FOUND = "gatepass.found"


def note(request: Request, found: object) -> None:
    """Store the caller in the request."""
    request.scope[_FOUND] = found


def found(request: Request) -> Any:  # noqa: ANN401 - what it is, the route's `auth` says
    """The caller that the gate has found. `web.call.Call` says this with types."""
    return request.scope[_FOUND]
