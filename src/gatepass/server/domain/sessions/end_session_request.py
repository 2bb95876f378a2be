"""A logout request: what a client asks when it sends a browser here to be signed out (RP-Initiated Logout 1.0 §2).

What was checked of it stands in the URL of its page, sealed: nobody can change it, and a stranger's request writes
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.keys.sealed_box import SealedBox
from gatepass.server.domain.sessions.interaction import INTERACTION_SECONDS

if TYPE_CHECKING:
    from gatepass.server.domain.keys.master_key import DataKey

EndSessionProblem = Literal["", "invalid_request", "unknown_client", "invalid_id_token_hint", "invalid_redirect_uri"]


class EndSessionRequest(Confidential, frozen=True, kw_only=True, omit_defaults=True):
    """A checked request. Times in seconds since 1970.

    Attributes:
        began_at: When it came.
        client_id: Who asks; empty where nobody knows.
        redirect_uri: Where the browser goes afterwards, one that the client has registered; empty for nowhere.
        state: What the client gets back with it.
        subject: Whom the ID token that came along is about, as the client knows them; empty where none came.
        sid: The sign-in that it is about, likewise.
        problem: The code of what is wrong with it; then nothing else is known.
    """

    began_at: float
    client_id: str = ""
    redirect_uri: str = ""
    state: str | None = None
    subject: str = ""
    sid: str = ""
    problem: EndSessionProblem = ""

    def is_about(self, subject: str, sid: str) -> bool:
        """Whether the client has shown that it means this person's sign-in."""
        return bool(self.subject) and (self.subject, self.sid) == (subject, sid)


class EndSessionRequests:
    """Seals requests for the URLs of their pages, and opens them again."""

    def __init__(self, data_key: DataKey) -> None:
        self._box = SealedBox(EndSessionRequest, data_key, "logout", is_compressed=True)

    def seal(self, request: EndSessionRequest) -> str:
        """Write one as text for a URL."""
        return self._box.seal(request)

    def open(self, text: str, *, now: float) -> EndSessionRequest | None:
        """Read one back; None when it is none of ours, or too old."""
        request = self._box.open(text)
        return request if request is not None and now < request.began_at + INTERACTION_SECONDS else None
