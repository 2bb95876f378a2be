"""What every framework's `Bearer` does with a request. The framework's own module only hands it over.

A request becomes a `Principal`, or `Refused` with the answer to give. Every decision is made here; the modules of the
frameworks make none.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast
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

    Principal_co = TypeVarWithDefault("Principal_co", covariant=True, default=Principal)
else:
    Principal_co = TypeVar("Principal_co", covariant=True)
"""`Principal`, or on routes where signing in is optional `Principal | None`."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_REQUEST_HEADER = "gatepass-request"


class TokenVerifier(Protocol):
    """Anything that verifies tokens: a `Verifier`, `Verifier.any_of(…)`, an `Introspector`."""

    clock: Callable[[], float]
    dpop: DPoPPolicy

    @property
    def issuers(self) -> tuple[str, ...]:
        """The issuers whose tokens it accepts."""
        ...

    def verify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Verify a token in a thread."""
        ...

    async def averify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Verify a token in an event loop."""
        ...


class IncomingRequest(Protocol):
    """The parts of a request that are needed to authenticate it."""

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
    """Accept the token from a cookie when a request has no `Authorization` header and comes from one of our own pages.

    A browser attaches cookies to every request, even to those that another site's page triggers. So a request with the
    cookie must have the header `Gatepass-Request: 1`, which other sites cannot send, and, unless it only reads, one of
    our origins in `Origin`. A WebSocket handshake cannot have that header, so it always needs one of our origins.

    Attributes:
        name: The cookie's name. The prefix `__Host-` keeps other subdomains from setting it (RFC 6265bis).
        origins: The origins of our pages, such as `https://app.example.com`. That of the API's `Resource` is added.
    """

    name: str = "__Host-gatepass-access"
    origins: tuple[str, ...] = ()


class Refused(Exception):
    """The request is denied.

    Attributes:
        answer: The response to send.
    """

    def __init__(self, answer: Challenge) -> None:
        super().__init__(answer.detail)
        self.answer = answer


class Guard(Generic[Principal_co]):
    """Admits or denies requests: what the `Bearer`s of all frameworks have in common."""

    def __init__(
        self,
        verifier: TokenVerifier,
        *,
        cookie: Cookie | None = None,
        resource: Resource | None = None,
    ) -> None:
        """Protect with a verifier.

        Args:
            verifier: What verifies the tokens.
            cookie: Accept tokens from a cookie, too.
            resource: The API's metadata; challenges then point to its document.

        Raises:
            InvalidPolicyError: `cookie` is given, and no origin for it.
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

    def require(  # noqa: PLR0913 - the call reads as its policy
        self,
        *,
        scope: str | None = None,
        role: str | Collection[str] | None = None,
        permission: str | None = None,
        organization: str | None = None,
        acr: str | None = None,
        amr: str | None = None,
        max_age: int | None = None,
    ) -> Self:
        """Return a copy that also requires what is named.

        Args:
            scope: Scopes separated by spaces; all are needed.
            role: A role; or several, of which one is enough.
            permission: Permissions separated by spaces; all are needed.
            organization: The id of an organization, or `"*"` for whichever the token is for. Then `role` and
                `permission` are those in it; without it, rights in an organization never count.
            acr: Authentication context classes separated by spaces; one is enough.
            amr: Authentication methods separated by spaces; all are needed.
            max_age: The maximum age in seconds of the user's sign-in.

        Raises:
            InvalidPolicyError: No principal could satisfy an argument, or signing in is optional.
        """
        if self._is_optional:
            raise InvalidPolicyError("nothing can be required where signing in is optional")
        requirement = Requirement.of(
            scope=scope,
            role=role,
            permission=permission,
            organization=organization,
            acr=acr,
            amr=amr,
            max_age=max_age,
        )
        changed = copy.copy(self)
        changed._requirements = (*self._requirements, requirement)  # noqa: SLF001 - it is of this very class
        return changed

    def __deepcopy__(self, _: dict[int, object]) -> Self:
        """Return itself: it is immutable, and Litestar's copies of a handler must share one verifier."""
        return self

    def _optional(self) -> Self:
        """Return a copy that admits requests without a token as anonymous; a bad token is still refused."""
        if self._requirements:
            raise InvalidPolicyError("signing in cannot be optional where something is required")
        changed = copy.copy(self)
        changed._is_optional = True  # noqa: SLF001 - it is of this very class
        return changed

    # ── requests ──

    def admit(self, incoming: IncomingRequest) -> Principal | None:
        """Return the principal of a request; None if signing in is optional and it has no token.

        Raises:
            Refused: It is denied.
        """
        try:
            presented = self._presented(incoming)
            if presented is None:
                return None
            principal = self._verifier.verify(*presented)
            if self._requirements:
                check_all(self._requirements, principal, self._verifier.clock())
        except JoseError as error:
            raise self._refused(error, incoming) from error
        return principal

    async def aadmit(self, incoming: IncomingRequest) -> Principal | None:
        """Do as `admit` does, in an event loop.

        Raises:
            Refused: It is denied.
        """
        try:
            presented = self._presented(incoming)
            if presented is None:
                return None
            principal = await self._verifier.averify(*presented)
            if self._requirements:
                check_all(self._requirements, principal, self._verifier.clock())
        except JoseError as error:
            raise self._refused(error, incoming) from error
        return principal

    def admit_at_once(self, incoming: IncomingRequest) -> Principal | None:
        """Return the principal of a request with a bearer token, if that takes no waiting; None: `aadmit` decides.

        Raises:
            Refused: It is denied.
        """
        at_once = getattr(self._verifier, "at_once", None)
        try:
            token, is_dpop = credentials(incoming.header("authorization"))
            principal = None if is_dpop or at_once is None else cast("Principal | None", at_once(token))
            if principal is not None and self._requirements:
                check_all(self._requirements, principal, self._verifier.clock())
        except MissingTokenError:
            return None  # a cookie may have one
        except JoseError as error:
            raise self._refused(error, incoming) from error
        return principal

    def demand(
        self, principal: Principal | None, alternatives: Sequence[Sequence[str]], incoming: IncomingRequest
    ) -> None:
        """Return if a principal has the scopes that the route declares to the framework, which shows them in OpenAPI.

        Args:
            principal: The principal of the request.
            alternatives: Lists of scopes: all scopes of at least one list are needed. Empty: nothing is declared.
            incoming: The request.

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
            raise self._refused(error, incoming) from error

    def answer_to(self, error: JoseError, incoming: IncomingRequest) -> Challenge:
        """Return the response to a request whose handler found that a scope, role, permission or sign-in is missing."""
        return self._refused(error, incoming).answer

    @staticmethod
    def is_preflight(incoming: IncomingRequest) -> bool:
        """Fetch standard, "CORS-preflight request": tell whether this is one; it never has a token."""
        return (
            incoming.method == "OPTIONS"
            and len(incoming.header("origin")) == 1
            and len(incoming.header("access-control-request-method")) == 1
        )

    def _presented(self, incoming: IncomingRequest) -> tuple[str, DPoP | None] | None:
        """Return the request's token, and its DPoP proof if it has one."""
        values = incoming.header("authorization")
        try:
            token, is_dpop = credentials(values)
        except MissingTokenError:
            # RFC 6750 §2: one way at a time; an Authorization of another scheme is not ours to judge.
            cookie = self._cookie_of(incoming) if self._cookie is not None and not values else None
            if cookie is not None:
                return cookie, None
            if self._is_optional:
                return None
            raise
        return token, self._proof_of(incoming) if is_dpop else None

    def _proof_of(self, incoming: IncomingRequest) -> DPoP:
        """RFC 9449 §4.3, 1: there is exactly one proof."""
        proofs = incoming.header("dpop")
        if len(proofs) != 1 or "," in proofs[0]:
            raise InvalidRequestError("a request must have exactly one DPoP proof")
        url = incoming.url
        if self._resource is not None:
            url = self._resource.origin + _path_of(url)
        return DPoP(proofs[0].strip(), incoming.method, url)

    def _cookie_of(self, incoming: IncomingRequest) -> str | None:
        """Return the cookie's token, once it is certain that one of our pages sent it."""
        name = self._cookie.name if self._cookie is not None else ""
        pairs = [pair.strip().partition("=") for line in incoming.header("cookie") for pair in line.split(";")]
        tokens = [value for found, _, value in pairs if found == name]
        if not tokens:
            return None
        if len(tokens) > 1:
            raise InvalidRequestError("the cookie was sent more than once")
        if not self._is_from_our_page(incoming):
            raise CrossSiteRequestError("the cookie is for our own pages: send Gatepass-Request: 1 from there")
        return tokens[0]

    def _is_from_our_page(self, incoming: IncomingRequest) -> bool:
        origins = incoming.header("origin")
        is_ours = len(origins) == 1 and origins[0] in self._origins
        if incoming.is_websocket:
            return is_ours
        if list(incoming.header(_REQUEST_HEADER)) != ["1"]:
            return False
        return is_ours or (not origins and incoming.method in _SAFE_METHODS)

    def _refused(self, error: JoseError, incoming: IncomingRequest) -> Refused:
        resource_metadata = None if self._resource is None else self._resource.metadata_url
        return Refused(
            challenge(
                error,
                resource_metadata=resource_metadata,
                dpop=any(value.strip()[:5].lower() == "dpop " for value in incoming.header("authorization")),
                dpop_required=self._verifier.dpop.required,
            )
        )

    # ── the metadata document ──

    @property
    def resource(self) -> Resource:
        """The API's metadata.

        Raises:
            InvalidPolicyError: None was given.
        """
        if self._resource is None:
            raise InvalidPolicyError("without resource= there is no metadata document")
        return self._resource

    def metadata(self) -> dict[str, Any]:
        """Return the metadata document (RFC 9728 §2), for `resource.metadata_path`."""
        return self.resource.metadata(self._verifier.issuers, self._verifier.dpop)


def _path_of(url: str) -> str:
    """Return the path of a request's URL; its host is whatever the client wrote."""
    try:
        return urlsplit(url).path
    except ValueError:
        raise InvalidRequestError("the request's Host is not valid") from None
