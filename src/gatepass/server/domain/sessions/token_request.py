"""What a sign-in is for: the client, its audiences and scopes, and the key to bind its tokens to."""

from __future__ import annotations

import msgspec

from gatepass.server.domain.sessions.operator import is_for_operators
from gatepass.tokens import dpop_proof  # noqa: TC001 - msgspec reads the annotations of a struct


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client requested, checked against what it may have; `jkt` is the key to bind its tokens to.

    `named` is what it named of the audience, as grants keep it (see `rights`); nothing stands for all.
    `claims` are those that were asked for one by one, as grants keep them.
    `organization` is the id or slug of the one that tokens are to name; empty for none.
    `sector` is the host at which the client knows people by pairwise names; empty where it knows them by ours.
    `proof` shows that key, and has not been used up yet.
    """

    client_id: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    cookie: bool
    sector: str
    named: tuple[str, ...] = ()
    claims: str = ""
    organization: str = ""
    jkt: str | None = None
    proof: dpop_proof.DPoPProof | None = None

    @property
    def is_for_operator(self) -> bool:
        """Whether it asks for an operator's rights."""
        return is_for_operators(self.scope)
