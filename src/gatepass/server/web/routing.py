"""The route table: a dictionary look-up for a fixed path, and a comparison of segments for the few with parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.web.auth.requirements import Auth
    from gatepass.server.web.call import Call

Handler: TypeAlias = "Callable[[Call, Any], Awaitable[Response]]"
Show: TypeAlias = "Callable[[Call, Any, GatepassError], Awaitable[Response]]"
"""Shows a page again, with the submitted values and the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A call or page: what the dispatcher needs, and what the API's description says.

    `body`, `form` and the values of `answers` are msgspec structs; a call with a `form` takes a form and answers errors
    as OAuth does (RFC 6749 §5.2). `query` is a struct of the parameters of its URL. `auth` is what it requires of the
    caller, checked before the body is converted. `problems` are error codes beyond those of `auth` and those common to
    all calls. `shapes` are structs, one for each variant of a `body` that has several. With `page` it is an HTML page:
    its form is checked for CSRF, unless another site sends it (`from_elsewhere`), and its errors are pages: the one
    that `show` renders, or a plain error page. `shown_once` are the members of an answer that are secrets, which no
    repeat of the request shows again; `takes_idempotency_key` says that it can be repeated. `malformed` is the code for
    a body or query that cannot be read, where the call's specification has a status of its own for that.
    """

    method: str
    path: str
    handler: Handler
    auth: Auth
    summary: str
    answers: Mapping[int, Any] = field(default_factory=dict[int, Any])
    body: Any = None
    form: Any = None
    query: Any = None
    problems: tuple[str, ...] = ()
    page: bool = False
    from_elsewhere: bool = False
    show: Show | None = None
    shapes: tuple[Any, ...] = ()
    open_to_pages: bool = False
    shown_once: tuple[str, ...] = ()
    takes_idempotency_key: bool = False
    malformed: str = ""


MALFORMED = ("malformed_request", "invalid_body", "invalid_query")
"""What `Route.malformed` stands in for."""


def page(path: str, handler: Handler, auth: Auth, *, show: Show | None = None) -> Route:
    """A page that is viewed."""
    return Route(method="GET", path=path, handler=handler, auth=auth, summary="", page=True, show=show)


def page_form(  # noqa: PLR0913 - each says one thing of the page
    path: str,
    handler: Handler,
    form: Any,  # noqa: ANN401 - the form's struct
    auth: Auth,
    *,
    show: Show | None = None,
    from_elsewhere: bool = False,
) -> Route:
    """A submitted form of a page; `show` is the page it is on."""
    return Route(
        method="POST",
        path=path,
        handler=handler,
        auth=auth,
        summary="",
        form=form,
        page=True,
        show=show,
        from_elsewhere=from_elsewhere,
    )


class NoRoute(Exception):
    """There is no route at this path, or not for this method: then `allowed` lists the methods."""

    def __init__(self, allowed: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.allowed = allowed


class RouteTable:
    """Finds the route of a request."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.routes = routes
        self._fixed: dict[str, dict[str, Route]] = {}
        self._patterns: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in routes:
            if "{" in route.path:
                self._patterns.setdefault(tuple(route.path.split("/")), {})[route.method] = route
            else:
                self._fixed.setdefault(route.path, {})[route.method] = route

    def find(self, method: str, path: str, raw_path: bytes = b"") -> tuple[Route, dict[str, str]]:
        """Return the route and its path's parameters.

        `raw_path` is the path as it was sent: a slash that is encoded in it belongs to a parameter (RFC 3986 §2.2).

        Raises:
            NoRoute: with the allowed methods when only the method is wrong.
        """
        methods, parameters = self._at(path, raw_path)
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            raise NoRoute(tuple(sorted(methods)))
        return route, parameters

    def methods_at(self, path: str) -> tuple[str, ...]:
        """The methods of the path; empty if there is no such path."""
        return tuple(sorted(self._at(path)[0]))

    def is_open_to_pages(self, path: str) -> bool:
        """Whether a page of any origin may call what is at the path."""
        return any(route.open_to_pages for route in self._at(path)[0].values())

    def _at(self, path: str, raw_path: bytes = b"") -> tuple[dict[str, Route], dict[str, str]]:
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed, {}
        has_encoded_slash = b"%2f" in raw_path.lower()
        segments = list(map(unquote, raw_path.decode("latin-1").split("/"))) if has_encoded_slash else path.split("/")
        for pattern, methods in self._patterns.items():
            parameters = _match(pattern, segments)
            if parameters is not None:
                return methods, parameters
        return {}, {}


def _match(pattern: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    parameters: dict[str, str] = {}
    for expected, found in zip(pattern, segments, strict=True):
        if expected.startswith("{") and found:
            parameters[expected[1:-1]] = found
        elif expected != found:
            return None
    return parameters
