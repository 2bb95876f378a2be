"""Protect views of a Django application, synchronous and asynchronous ones.

bearer = Bearer(verifier)

@bearer.protect
def dashboard(request: HttpRequest, user: Principal) -> HttpResponse: ...

urlpatterns = [path("dashboard", dashboard), path("admin", bearer.require(role="admin").protect(Admin.as_view()))]
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import JsonResponse
from django.urls import path

from . import wsgi
from .errors import REQUIREMENTS_UNMET
from .guard import Cookie, Guard, Principal_co, Refused
from .resource import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponseBase
    from django.urls import URLPattern

    from gatepass.jose import JoseError

    from .principal import Principal

__all__ = ["Bearer", "Cookie", "Resource"]


class Bearer(Guard[Principal_co]):
    """Turns the token of a request into a `Principal`."""

    def __call__(self, request: HttpRequest) -> Principal_co:
        """Return the principal of the request.

        Raises:
            Refused: It is not let in; `protect` answers it.
        """
        return cast("Principal_co", self.admit(DjangoRequest(request)))

    def protect(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Return a view that passes the principal to this one, after the request itself.

        Django's own defence against forged requests is for its session cookie, which says nothing here; a token in
        a cookie has the defence of `Cookie`. So it is switched off, unless signing in is optional.
        """

        @wraps(view)
        def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # noqa: ANN401 - the view's
            try:
                return cast("HttpResponseBase", view(request, self(request), *args, **kwargs))
            except Refused as refused:
                return refusal(refused)
            except REQUIREMENTS_UNMET as error:
                return self.unmet(request, error)

        @wraps(view)
        async def aprotected(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # noqa: ANN401 - as above
            try:
                who = await self.aadmit(DjangoRequest(request))
                return cast("HttpResponseBase", await view(request, who, *args, **kwargs))
            except Refused as refused:
                return refusal(refused)
            except REQUIREMENTS_UNMET as error:
                return self.unmet(request, error)

        # Python's own does not know views that are marked, as a class's are, before 3.12.
        is_async = iscoroutinefunction(view) or _is_dispatch_of_async(view)  # pyright: ignore[reportDeprecated]
        chosen = aprotected if is_async else protected
        if not self._is_optional:
            vars(chosen)["csrf_exempt"] = True
        return chosen

    def unmet(self, request: HttpRequest, error: JoseError) -> JsonResponse:
        """Answer what `user.require(…)` raised."""
        return refusal(Refused(self.answer_to(error, DjangoRequest(request))))

    def optional(self) -> Bearer[Principal | None]:
        """Return a copy that admits requests without a token, as None; a bad token is still refused."""
        return cast("Bearer[Principal | None]", self._optional())

    def metadata_route(self) -> URLPattern:
        """Return the path of the API's metadata document (RFC 9728)."""

        def metadata(_: HttpRequest) -> JsonResponse:
            return JsonResponse(self.metadata())

        return path(self.resource.metadata_path.lstrip("/"), metadata)


def _is_dispatch_of_async(view: Callable[..., Any]) -> bool:
    """Tell whether `method_decorator` has handed over the `dispatch` of a class whose methods are asynchronous."""
    owner = getattr(getattr(view, "func", view), "__self__", None)
    return bool(getattr(owner, "view_is_async", False))


class DjangoRequest(wsgi.WsgiRequest):
    """A request of Django's, as `Guard` reads it; under ASGI it has the same `META`."""

    __slots__ = ("_request",)

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.META)
        self._request = request

    @property
    def url(self) -> str:
        """The URL."""
        return self._request.build_absolute_uri(self._request.path)


def refusal(refused: Refused) -> JsonResponse:
    """Make Django's answer to a request that is not let in."""
    status, headers, detail = refused.answer
    return JsonResponse({"detail": detail}, status=status, headers=headers)


def install_in_ninja(api: Any, bearer: Bearer[Any]) -> None:  # noqa: ANN401 - a NinjaAPI; we do not import it
    """Have a `NinjaAPI(auth=bearer)` give our answers; `request.auth` is then who makes the request."""

    def refuse(_: HttpRequest, refused: Refused) -> JsonResponse:
        return refusal(refused)

    api.add_exception_handler(Refused, refuse)
    for kind in REQUIREMENTS_UNMET:
        api.add_exception_handler(kind, bearer.unmet)
