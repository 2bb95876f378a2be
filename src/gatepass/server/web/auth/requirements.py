"""Who may make a call: what a route asks for, and whom the dispatcher has found before any body was converted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # one of a kind each, and looked up at each request
class Auth:
    """What a call asks of whoever makes it, and `needs` says that in a sentence.

    `problems` are the codes that it may answer with before anything else. `by_person`: a person is signed in, by an
    access token at the API and by a cookie at a page. `in_body`: the proof may be in the body, which is then split
    first, and nothing of it looked at but the proof.
    """

    name: str
    needs: str = ""
    problems: tuple[str, ...] = ()
    by_person: bool = False
    in_body: bool = False


_PERSON = ("missing_token", "invalid_token", "insufficient_scope", "session_ended")

ANYONE = Auth(name="anyone")
CALLER = Auth(name="caller", needs="Takes a bearer token.", problems=_PERSON, by_person=True)
"""A person whose session lives, by a token of a first-party sign-in, or one with the scope `gatepass:account`."""
RECENT = Auth(
    name="recent",
    needs="Takes a bearer token of a recent sign-in.",
    problems=(*_PERSON, "recent_sign_in_required", "second_factor_required"),
    by_person=True,
)
"""The same, who has proved lately who they are, by as much as their account asks."""
OPENID_TOKEN = Auth(
    name="openid token",
    needs="Takes an access token with the scope `openid`.",
    problems=("missing_token", "invalid_request", "invalid_token", "insufficient_scope"),
    in_body=True,
)
"""A client that somebody has signed in at, by the access token that it was given for that."""
REFRESH = Auth(name="refresh", in_body=True)
"""A refresh token, in the body or the cookie."""
SESSION = Auth(
    name="session",
    needs="Takes a bearer token or a refresh token.",
    problems=("missing_token", "invalid_token", "insufficient_scope"),
    in_body=True,
)
"""Any token of a session, which may have ended."""
CLIENT = Auth(
    name="client",
    needs="Takes a client's secret or signature.",
    problems=("invalid_request", "invalid_client"),
    in_body=True,
)
"""A registered client that proves to be itself."""
ANY_CLIENT = Auth(
    name="any client",
    needs="Takes a client's secret or signature, or the `client_id` of a public client.",
    problems=("invalid_request", "invalid_client"),
    in_body=True,
)
"""The same, or a public client (RFC 6749 §2.1), whose name anyone can send."""
METRICS = Auth(name="metrics", needs="For this machine, or with the `metrics_token` as bearer token.")
THIS_MACHINE = Auth(name="this machine", needs="For this machine.")


class SplitBody(msgspec.Struct, frozen=True):
    """A body where the proof may be, split and not converted.

    `fields` are the texts that stand in it once, by name; there are none where it cannot be split. `check` raises what
    is wrong with the whole of it: that is for who has shown no proof at all, where the body was the place for it.
    """

    fields: Mapping[str, str]
    check: Callable[[], object]


NO_BODY = SplitBody({}, lambda: None)


_FOUND = "gatepass.found"


def note(request: Request, found: object) -> None:
    """Keep in the request whom it comes from."""
    request.scope[_FOUND] = found


def found(request: Request) -> Any:  # noqa: ANN401 - what it is, the route's `auth` says
    """Whom the gate has found. `web.call.Call` says this with types."""
    return request.scope[_FOUND]
