"""What every framework's `Bearer` does with a request. The framework's own module only hands it over.

A request becomes a `Principal`, or `Refused` with the answer to give. All decisions are here, and none is in the
modules beside this one.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from gatepass.jose import JoseError
from gatepass.jose.errors import InvalidPolicyError

from .authorization import credentials
from .challenge import challenge
from .dpop import DPoP
from .errors import CrossSiteRequestError, InsufficientScopeError, InvalidRequestError, MissingTokenError
from .require import Requirement, check_all

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Self

    from .challenge import Challenge
    from .dpop import DPoPPolicy
    from .principal import Principal
    from .resource import Resource

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault  # in `typing` since Python 3.13

    Who_co = TypeVarWithDefault("Who_co", covariant=True, default=Principal)
else:
    Who_co = TypeVar("Who_co", covariant=True)
"""`Principal`, or on routes where signing in is optional `Principal | None`."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_REQUEST_HEADER = "gatepass-request"


class TokenVerifier(Protocol):
    """Whoever turns a token into a principal: `Verifier`, `Verifier.any_of(…)`, `Introspector`."""

    clock: Callable[[], float]
    dpop: DPoPPolicy

    @property
    def issuers(self) -> tuple[str, ...]:
        """Whose tokens."""
        ...

    def verify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Verify a token in a thread."""
        ...

    async def averify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Verify a token in an event loop."""
        ...


class Asked(Protocol):
    """A request, as far as it is looked at."""

    @property
    def method(self) -> str:
        """The method; `GET` for a WebSocket's handshake."""
        ...

    @property
    def url(self) -> str:
        """The URL, as the application sees it. It is read for DPoP only."""
        ...

    @property
    def is_websocket(self) -> bool:
        """Whether it is a WebSocket's handshake, to which a page can add no header."""
        ...

    def header(self, name: str) -> Sequence[str]:
        """Return every value of a header, whose name is in lower case."""
        ...


class Cookie(msgspec.Struct, frozen=True, kw_only=True):
    """Take the token from a cookie where the request has no `Authorization`, if a page of our own sent it.

    A browser sends cookies along whoever made it send a request. So a request that bears one needs the header
    `Gatepass-Request: 1`, which another site's page cannot send, and unless it only reads, an `Origin` of ours; a
    WebSocket's handshake, which can have no such header, an `Origin` of ours always.

    Attributes:
        name: The cookie. With `__Host-` before it no sister host can plant one (RFC 6265bis).
        origins: Where our pages are, such as `https://app.example.com`, besides the API's own `Resource`.
    """

    name: str = "__Host-gatepass-access"
    origins: tuple[str, ...] = ()


class Refused(Exception):
    """The request is not let in.

    Attributes:
        answer: How to answer it.
    """

    def __init__(self, answer: Challenge) -> None:
        super().__init__(answer.detail)
        self.answer = answer


class Guard(Generic[Who_co]):
    """Lets requests in, or not: what the `Bearer`s of all frameworks have in common."""

    def __init__(
        self,
        verifier: TokenVerifier,
        *,
        cookie: Cookie | None = None,
        resource: Resource | None = None,
    ) -> None:
        """Protect with a verifier.

        Args:
            verifier: Who_co verifies tokens.
            cookie: Take tokens from a cookie, too.
            resource: What the API says of itself; with it challenges name its metadata document.

        Raises:
            InvalidPolicyError: With `cookie`, no page could ever be ours.
        """
        self._verifier = verifier
        self._cookie = cookie
        self._resource = resource
        self._requirements: tuple[Requirement, ...] = ()
        self._is_optional = False
        self._origins = frozenset(cookie.origins if cookie is not None else ())
        if cookie is not None and resource is not None:
            self._origins |= {resource.origin}
        if cookie is not None and not self._origins:
            raise InvalidPolicyError("a cookie needs the origins of the pages that may use it, or a resource")

    def require(
        self,
        *,
        scope: str | None = None,
        role: str | Collection[str] | None = None,
        acr: str | None = None,
        amr: str | None = None,
        max_age: int | None = None,
    ) -> Self:
        """Return one that also asks for what is named.

        Args:
            scope: Scopes separated by spaces; all are needed.
            role: A role; or several, of which one is enough.
            acr: Authentication context classes separated by spaces; one is enough.
            amr: Ways to prove who one is, separated by spaces; all are needed.
            max_age: Seconds since the person last proved who they are.

        Raises:
            InvalidPolicyError: An argument can hold for nobody, or signing in is optional.
        """
        if self._is_optional:
            raise InvalidPolicyError("where signing in is optional nothing can be required")
        requirement = Requirement.of(scope=scope, role=role, acr=acr, amr=amr, max_age=max_age)
        changed = copy.copy(self)
        changed._requirements = (*self._requirements, requirement)  # noqa: SLF001 - it is of this very class
        return changed

    def __deepcopy__(self, _: dict[int, object]) -> Self:
        """Return itself, for it does not change and its verifier lives once; Litestar copies a router's handlers."""
        return self

    def _optional(self) -> Self:
        """Return one that lets requests without a token in, as nobody; a bad token is refused all the same."""
        if self._requirements:
            raise InvalidPolicyError("where something is required signing in is not optional")
        changed = copy.copy(self)
        changed._is_optional = True  # noqa: SLF001 - it is of this very class
        return changed

    # ── requests ──

    def admit(self, asked: Asked) -> Principal | None:
        """Return who makes the request; None where that is optional and it has no token.

        Raises:
            Refused: It is not let in.
        """
        try:
            presented = self._presented(asked)
            if presented is None:
                return None
            principal = self._verifier.verify(*presented)
            if self._requirements:
                check_all(self._requirements, principal, self._verifier.clock())
        except JoseError as error:
            raise self._refused(error, asked) from error
        return principal

    async def aadmit(self, asked: Asked) -> Principal | None:
        """Do as `admit` does, in an event loop.

        Raises:
            Refused: It is not let in.
        """
        try:
            presented = self._presented(asked)
            if presented is None:
                return None
            principal = await self._verifier.averify(*presented)
            if self._requirements:
                check_all(self._requirements, principal, self._verifier.clock())
        except JoseError as error:
            raise self._refused(error, asked) from error
        return principal

    def demand(self, principal: Principal | None, alternatives: Sequence[Sequence[str]], asked: Asked) -> None:
        """Return if a principal has what the framework itself has declared for the route, and shows in its OpenAPI.

        Args:
            principal: Who makes the request.
            alternatives: Lists of scopes, of one of which all are needed; none of them: nothing was declared.
            asked: The request.

        Raises:
            Refused: A scope is missing, or there is no principal.
        """
        try:
            if not alternatives:
                return
            if principal is None:
                raise MissingTokenError("the request has no token")
            if not any(principal.scopes.issuperset(scopes) for scopes in alternatives):
                raise InsufficientScopeError("a scope is missing", scope=" ".join(alternatives[0]))
        except JoseError as error:
            raise self._refused(error, asked) from error

    def answer_to(self, error: JoseError, asked: Asked) -> Challenge:
        """Return how to answer a request whose handler has found that something is missing."""
        return self._refused(error, asked).answer

    @staticmethod
    def is_preflight(asked: Asked) -> bool:
        """Tell whether a browser asks whether a page of another origin may send a request, which has no token yet.

        Fetch standard, "CORS-preflight request".
        """
        return (
            asked.method == "OPTIONS"
            and len(asked.header("origin")) == 1
            and len(asked.header("access-control-request-method")) == 1
        )

    def _presented(self, asked: Asked) -> tuple[str, DPoP | None] | None:
        """Return the request's token, and the proof that belongs to it."""
        values = asked.header("authorization")
        try:
            token, is_dpop = credentials(values)
        except MissingTokenError:
            # RFC 6750 §2: one way at a time; an Authorization of another scheme is not ours to judge.
            cookie = self._cookie_of(asked) if self._cookie is not None and not values else None
            if cookie is not None:
                return cookie, None
            if self._is_optional:
                return None
            raise
        return token, self._proof_of(asked) if is_dpop else None

    def _proof_of(self, asked: Asked) -> DPoP:
        """RFC 9449 §4.3, 1: there is exactly one proof."""
        proofs = asked.header("dpop")
        if len(proofs) != 1 or "," in proofs[0]:
            raise InvalidRequestError("there is not exactly one DPoP proof")
        url = asked.url
        if self._resource is not None:
            url = self._resource.origin + _path_of(url)
        return DPoP(proofs[0].strip(), asked.method, url)

    def _cookie_of(self, asked: Asked) -> str | None:
        """Return the cookie's token, once it is sure that a page of ours sent it."""
        name = self._cookie.name if self._cookie is not None else ""
        pairs = [pair.strip().partition("=") for line in asked.header("cookie") for pair in line.split(";")]
        tokens = [value for found, _, value in pairs if found == name]
        if not tokens:
            return None
        if len(tokens) > 1:
            raise InvalidRequestError("the cookie is there more than once")
        if not self._is_from_our_page(asked):
            raise CrossSiteRequestError("the cookie is for our own pages: send Gatepass-Request: 1 from there")
        return tokens[0]

    def _is_from_our_page(self, asked: Asked) -> bool:
        origins = asked.header("origin")
        is_ours = len(origins) == 1 and origins[0] in self._origins
        if asked.is_websocket:
            return is_ours
        if list(asked.header(_REQUEST_HEADER)) != ["1"]:
            return False
        return is_ours or (not origins and asked.method in _SAFE_METHODS)

    def _refused(self, error: JoseError, asked: Asked) -> Refused:
        resource_metadata = None if self._resource is None else self._resource.metadata_url
        return Refused(
            challenge(
                error,
                resource_metadata=resource_metadata,
                dpop=any(value.strip()[:5].lower() == "dpop " for value in asked.header("authorization")),
                dpop_required=self._verifier.dpop.required,
            )
        )

    # ── the metadata document ──

    @property
    def resource(self) -> Resource:
        """What the API says of itself.

        Raises:
            InvalidPolicyError: Nothing was said.
        """
        if self._resource is None:
            raise InvalidPolicyError("without resource= there is no metadata document")
        return self._resource

    def metadata(self) -> dict[str, Any]:
        """Return the metadata document (RFC 9728 §2), for `resource.metadata_path`."""
        return self.resource.metadata(self._verifier.issuers, self._verifier.dpop)


def _path_of(url: str) -> str:
    """Return the path of a request's URL, whose host may be anything that a client wrote."""
    try:
        return urlsplit(url).path
    except ValueError:
        raise InvalidRequestError("the request's Host is none") from None
