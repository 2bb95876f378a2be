"""Protect routes of a Flask application.

bearer = Bearer(verifier)

@app.get("/dashboard")
@bearer.protect
def dashboard(user: Principal) -> str: ...

@app.delete("/orders/<int:number>")
@bearer.require(scope="orders:write").protect
def delete(user: Principal, number: int) -> str: ...
"""

from __future__ import annotations

from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar, cast

import flask
from werkzeug.exceptions import HTTPException

from gatepass.jose import JoseError

from . import wsgi
from .errors import REQUIREMENTS_UNMET
from .guard import Cookie, Guard, Principal_co, Refused
from .resource import Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .challenge import Challenge
    from .principal import Principal

__all__ = ["Bearer", "Cookie", "Resource"]

T = TypeVar("T")


class Bearer(Guard[Principal_co]):
    """Turns the token of a request into a `Principal`."""

    def __call__(self) -> Principal_co:
        """Return who makes the request that Flask is handling; None for a CORS preflight, which has no token.

        Raises:
            HTTPException: 400, 401, 403 or 503 with the headers of `challenge`.
        """
        incoming = wsgi.WsgiRequest(flask.request.environ)
        if self.is_preflight(incoming):
            return cast("Principal_co", None)
        try:
            principal = self.admit(incoming)
        except Refused as refused:
            raise HTTPException(refused.answer.detail, _answer(refused.answer)) from refused
        flask.g.principal, flask.g.gatepass_guard = principal, self
        _answer_what_is_unmet()
        return cast("Principal_co", principal)

    def before_request(self) -> None:
        """Let the request in, for `app.before_request` or a blueprint's; who makes it is `flask.g.principal`.

        Raises:
            HTTPException: As for a call.
        """
        self()

    def protect(self, view: Callable[..., T]) -> Callable[..., T]:
        """Return a view that passes the principal to this one, as its first argument.

        It is for functions, for the methods of a `MethodView`, and as one of its `decorators`.
        """
        is_of_class = view.__qualname__.startswith(_OF_CLASS)

        @wraps(view)
        def protected(*args: Any, **kwargs: Any) -> T:  # noqa: ANN401 - the view's
            who = self()
            if is_of_class:
                result: T = flask.current_app.ensure_sync(view)(**{_first_name(kwargs): who}, **kwargs)
            else:
                result = flask.current_app.ensure_sync(view)(*args, who, **kwargs)  # a method has itself before
            return result

        return protected

    def optional(self) -> Bearer[Principal | None]:
        """Return a copy that admits requests without a token, as None; a bad token is still refused."""
        return cast("Bearer[Principal | None]", self._optional())

    def metadata_route(self) -> flask.Blueprint:
        """Return a blueprint with the route of the API's metadata document (RFC 9728)."""
        blueprint = flask.Blueprint("gatepass", __name__)
        blueprint.add_url_rule(
            self.resource.metadata_path, "metadata", lambda: flask.jsonify(self.metadata()), methods=["GET"]
        )
        return blueprint


_OF_CLASS = "View.as_view.<locals>."
"""How the function begins that Flask makes of a class, which takes no argument but by name."""


def _first_name(kwargs: Mapping[str, object]) -> str:
    """How the class that answers the request calls its first argument, after itself."""
    function: Any = flask.current_app.view_functions[flask.request.endpoint or ""]
    view = function.view_class
    method = flask.request.method.lower()
    handler = getattr(view, method, None) or (getattr(view, "get", None) if method == "head" else None)
    names = [name for name in list(signature(handler or view.dispatch_request).parameters)[1:] if name not in kwargs]
    return names[0] if names else "user"


def _answer(answer: Challenge) -> flask.Response:
    status, headers, detail = answer
    response = flask.jsonify(detail=detail)
    response.status_code = status
    response.headers.update(headers)
    return response


def _answer_what_is_unmet() -> None:
    """Answer errors of `user.require(…)` in a view, unless the application handles them itself."""
    by_class = flask.current_app.error_handler_spec[None][None]
    if JoseError not in by_class:
        for kind in REQUIREMENTS_UNMET:
            by_class.setdefault(kind, _answer_unmet)


def _answer_unmet(error: JoseError) -> flask.Response:
    guard: Guard[object] = flask.g.gatepass_guard
    return _answer(guard.answer_to(error, wsgi.WsgiRequest(flask.request.environ)))
