"""What a hook is asked, and what it answers."""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias

import msgspec

from gatepass.server.domain.sessions.session import SessionKind  # noqa: TC001 - msgspec reads the annotations

SignupMethod: TypeAlias = Literal["password", "passkey", "provider", "invitation", "operator", "email_change"]
"""How an account gets its address: by the person's own sign-up, by an operator, or by a change of the address."""

MAX_TEXT = 500
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class BeforeSignupRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An account that is about to be made, or an address that one is about to get.

    Attributes:
        email: The address, normalized.
        email_verified: Whether it has been proved to be the person's.
        method: How. With `operator` and `invitation`, `actor` does it, and not the person.
        provider: The provider that vouches for the person, with the method `provider`.
        user_id: Whose address changes, with `email_change`; empty for a new account.
        actor: The operator or client that does it; empty where it is the person.
        address: The client's IP address; empty where it is unknown.
        user_agent: What the client says it is.
    """

    email: str
    email_verified: bool
    method: SignupMethod
    provider: str = ""
    user_id: str = ""
    actor: str = ""
    address: str = ""
    user_agent: str = ""


class BeforeLoginRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A person who has proved who they are, with every factor that is asked, and whose session is about to begin.

    Attributes:
        user_id: The person's id.
        email: Their address.
        email_verified: Whether they have proved it.
        roles: Their roles.
        app_metadata: What operators have written about them.
        amr: How they have signed in, as in the token: `pwd`, `otp`, `fed`, …
        acr: How strongly.
        client_id: The client that the session is for; empty for a browser's, which every client shares.
        kind: What session: a browser's, a device's, one for offline access, one by an assertion.
        address: The client's IP address; empty where it is unknown.
        user_agent: What the client says it is.
    """

    user_id: str
    email: str
    email_verified: bool
    roles: tuple[str, ...]
    app_metadata: dict[str, Any]
    amr: tuple[str, ...]
    acr: str
    client_id: str = ""
    kind: SessionKind = "browser"
    address: str = ""
    user_agent: str = ""


HookRequest: TypeAlias = BeforeSignupRequest | BeforeLoginRequest
HookName: TypeAlias = Literal["before_signup", "before_login"]
NAMES: dict[type[HookRequest], HookName] = {
    BeforeSignupRequest: "before_signup",
    BeforeLoginRequest: "before_login",
}


class Deny(msgspec.Struct, frozen=True):
    """No. Both reach the client: `code` is for programs, `text` is for people, one or two sentences.

    Raises:
        ValueError: when the code is not 1 to 64 of `a-z`, `0-9` and `_`, or the text is not 1 to 500 printable
            characters.
    """

    code: str
    text: str

    def __post_init__(self) -> None:
        """Check both."""
        if not _CODE.fullmatch(self.code):
            raise ValueError("the code of a denial is 1 to 64 lower-case letters, digits and underscores")
        if not (0 < len(self.text) <= MAX_TEXT and self.text.isprintable()):
            raise ValueError(f"the text of a denial is 1 to {MAX_TEXT} printable characters")
