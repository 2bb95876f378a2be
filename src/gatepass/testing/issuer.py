"""An in-process issuer: it signs what a test needs, and verifiers fetch from it instead of the network."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from gatepass.jose import Key, KeySet, jwt
from gatepass.tokens import dpop_proof
from gatepass.verify import AnyOf, Fetched, FetchError, Verifier
from gatepass.verify.issuer import MAX_BACKOFF_SECONDS, UNKNOWN_KID_SECONDS

from .clock import Clock

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

    from gatepass.verify import Principal

_METADATA = "/.well-known/oauth-authorization-server"
_KEYS = "/keys"


class _Issued(NamedTuple):
    kid: str | None
    session_id: object


class Issuer:
    """Signs access tokens like a Gatepass server's, valid or invalid in any way a test needs.

    Attributes:
        url: Its name, in `iss`.
        audience: What `aud` says unless told otherwise, and what `verifier()` asks for.
        clock: Its time, and that of its verifiers.
        keys: What it publishes; the first one signs.
    """

    def __init__(
        self,
        url: str = "https://auth.example.test",
        *,
        audience: str = "my-api",
        alg: str = "ES256",
        typ: str | None = "at+jwt",
        clock: Clock | None = None,
    ) -> None:
        """Make an issuer with a fresh key.

        Args:
            url: Its URL; it is never contacted.
            audience: The API under test.
            alg: The algorithm of its keys.
            typ: The header's `typ` of its tokens; `"JWT"` or None to be like another issuer.
            clock: The time; by default a clock that stands still.
        """
        self.url = url
        self.audience = audience
        self.clock = Clock() if clock is None else clock
        self.keys = [Key.generate(alg)]
        self._alg = alg
        self._typ = typ
        self._numbers = count(1)
        self._issued: dict[str, _Issued] = {}
        self._revoked: set[str] = set()
        self._ended: set[object] = set()
        self._stolen: set[str | None] = set()
        self._is_down = False

    # ── tokens ──

    def token(  # noqa: PLR0913 - each is named where it is called
        self,
        *,
        sub: str = "user_1",
        scope: str | None = None,
        roles: Collection[str] = (),
        permissions: Collection[str] = (),
        expires_in: float = 900,
        audience: str | list[str] | None = None,
        key: Key | None = None,
        bound_to: Key | None = None,
        **claims: Any,  # noqa: ANN401 - any claim
    ) -> str:
        """Sign an access token.

        Args:
            sub: The subject.
            scope: Its scopes, separated by spaces.
            roles: The subject's roles.
            permissions: What these permit.
            expires_in: Seconds until it expires; -1 for one that has just expired.
            audience: Which API it is for; by default the issuer's `audience`.
            key: What signs it; by default the issuer's own key. Another one makes a forged token.
            bound_to: The sender's key, for DPoP.
            claims: More claims, or others in place of those that it has by default; None takes one away.
        """
        now = int(self.clock())
        made: dict[str, Any] = {
            "iss": self.url,
            "sub": sub,
            "aud": self.audience if audience is None else audience,
            "exp": now + int(expires_in),
            "iat": min(now, now + int(expires_in)),
            "jti": f"token_{next(self._numbers)}",
            "client_id": "first-party",
            "sid": f"session_of_{sub}",
            "scope": scope,
            "roles": list(roles) or None,
            "permissions": list(permissions) or None,
            "auth_time": now,
            "cnf": None if bound_to is None else {"jkt": bound_to.thumbprint()},
        }
        made = {name: value for name, value in (made | claims).items() if value is not None}
        signer = self.keys[0] if key is None else key
        if isinstance(made.get("jti"), str):
            self._issued[made["jti"]] = _Issued(signer.kid, made.get("sid"))
        return jwt.sign(made, signer, typ=self._typ)

    def headers(self, **token: Any) -> dict[str, str]:  # noqa: ANN401 - the arguments of `token`
        """Return the headers of a request with a token; the arguments are those of `token`."""
        return {"Authorization": f"Bearer {self.token(**token)}"}

    def dpop_headers(self, key: Key, method: str, url: str, **token: Any) -> dict[str, str]:  # noqa: ANN401 - as above
        """Return the headers of one request with a token that is bound to a key, and the proof for it."""
        made = self.token(bound_to=key, **token)
        proof = dpop_proof.make(key, method=method, url=url, token=made, now=self.clock())
        return {"Authorization": f"DPoP {made}", "DPoP": proof}

    # ── verifiers ──

    def verifier(self, **policy: Any) -> Verifier:  # noqa: ANN401 - any argument of `Verifier`
        """Make a verifier that asks this issuer; the arguments are those of `Verifier`."""
        own: dict[str, Any] = {
            "issuer": self.url,
            "audience": self.audience,
            "typ": self._typ,
            "fetch": self.fetch,
            "revocation": self,
            "clock": self.clock,
        }
        return Verifier(**own | policy)

    def fetch(self, url: str) -> Fetched:
        """Answer a verifier's fetch: the metadata and the keys.

        Raises:
            FetchError: The issuer is down.
        """
        if self._is_down:
            raise FetchError("the issuer is down")
        if url.endswith(_KEYS):
            document: object = KeySet(key for key in self.keys if key.kid not in self._stolen).to_jwks()
        elif _METADATA in url:
            document = {"issuer": self.url, "jwks_uri": self.url + _KEYS}
        else:
            return Fetched(404, {}, b"")
        return Fetched(200, {"cache-control": "max-age=3600"}, json.dumps(document).encode())

    def is_revoked(self, principal: Principal) -> bool:
        """Whether a token has been revoked."""
        name = principal.token_id
        kid, session_id = self._issued.get(name or "", (None, principal.session_id))
        return name in self._revoked or session_id in self._ended or (kid is not None and kid in self._stolen)

    # ── events ──

    def revoke(self, token: str) -> None:
        """Revoke a token; its verifiers know at once."""
        self._revoked.add(jwt.peek(token).claims["jti"])

    def end_session(self, token: str) -> None:
        """Sign out: revoke every token of the session that a token belongs to."""
        self._ended.add(jwt.peek(token).claims["sid"])

    def rotate(self, *, compromised: bool = False) -> None:
        """Sign with a new key. Half a minute passes, so that verifiers ask for it.

        Args:
            compromised: The old key was stolen: what it signed is refused from now on.
        """
        if compromised:
            self._stolen.add(self.keys[0].kid)
        self.keys.insert(0, Key.generate(self._alg))
        self.clock.advance(UNKNOWN_KID_SECONDS)

    def go_down(self) -> None:
        """Stop answering. Verifiers that have the keys keep working; one that never had them answers 503."""
        self._is_down = True

    def come_back(self) -> None:
        """Answer again. A minute passes, after which verifiers have tried again."""
        self._is_down = False
        self.clock.advance(MAX_BACKOFF_SECONDS)

    def __repr__(self) -> str:
        return f"Issuer({self.url!r})"


@contextmanager
def issuer_for(verifier: Verifier | AnyOf, url: str | None = None) -> Generator[Issuer]:
    """Make an existing verifier of the application use an in-process issuer until the block ends.

    Args:
        verifier: The application's own; its policy stays as it is. Or one of `Verifier.any_of`.
        url: Of several issuers the one to be; by default the first. Nest the calls to be more than one.
    """
    if isinstance(verifier, AnyOf):
        with issuer_for(verifier.of(url or verifier.issuers[0])) as issuer:
            clock, verifier.clock = verifier.clock, issuer.clock
            try:
                yield issuer
            finally:
                verifier.clock = clock
        return
    audience = verifier.audience if isinstance(verifier.audience, str) else verifier.audience[0]
    issuer = Issuer(verifier.issuer, audience=audience, typ=verifier.typ)
    stand_in = issuer.verifier(audience=verifier.audience, leeway=verifier.leeway, dpop=verifier.dpop)
    # Including roles and audience_claim: the application's own policy is what is tested.
    vars(stand_in)["_policy"] = vars(verifier)["_policy"]
    own = dict(vars(verifier))
    # Instance attributes take precedence over methods, so all users of the verifier call the other one.
    methods = ("start", "astart", "verify", "averify", "verified", "remembered", "at_once", "health")
    vars(verifier).update({name: getattr(stand_in, name) for name in methods}, clock=stand_in.clock)
    try:
        yield issuer
    finally:
        vars(verifier).clear()
        vars(verifier).update(own)
