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
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

import flask
from werkzeug.exceptions import HTTPException

from . import wsgi
from .guard import Cookie, Guard, Refused, Who_co
from .resource import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from .principal import Principal

__all__ = ["Bearer", "Cookie", "Resource"]

P = ParamSpec("P")
T = TypeVar("T")


class Bearer(Guard[Who_co]):
    """Turns the token of a request into a `Principal`."""

    def __call__(self) -> Who_co:
        """Return who makes the request that Flask is handling.

        Raises:
            HTTPException: 400, 401, 403 or 503 with the headers of `challenge`.
        """
        try:
            return cast("Who_co", self.admit(wsgi.Asked(flask.request.environ)))
        except Refused as refused:
            status, headers, detail = refused.answer
            answer = flask.jsonify(detail=detail)
            answer.status_code = status
            answer.headers.update(headers)
            raise HTTPException(detail, answer) from refused

    def protect(self, view: Callable[Concatenate[Any, P], T]) -> Callable[P, T]:
        """Return a view that hands whoever makes the request to this one, as its first argument."""

        @wraps(view)
        def protected(*args: P.args, **kwargs: P.kwargs) -> T:
            who = self()
            result: T = flask.current_app.ensure_sync(view)(who, *args, **kwargs)
            return result

        return protected

    def optional(self) -> Bearer[Principal | None]:
        """Return one that lets requests without a token in, as None; a bad token is refused all the same."""
        return cast("Bearer[Principal | None]", self._optional())

    def metadata_route(self) -> flask.Blueprint:
        """Return a blueprint with the route of the API's metadata document (RFC 9728)."""
        blueprint = flask.Blueprint("gatepass", __name__)
        blueprint.add_url_rule(
            self.resource.metadata_path, "metadata", lambda: flask.jsonify(self.metadata()), methods=["GET"]
        )
        return blueprint
