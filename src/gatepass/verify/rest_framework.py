"""Protect views of Django REST framework.

bearer = Bearer(verifier)

class Orders(APIView):
    authentication_classes = [bearer.require(scope="orders:read").authentication]

    def get(self, request): request.user.subject
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException

from . import django
from .errors import MissingTokenError
from .guard import Cookie, Principal_co, Refused
from .principal import answering
from .resource import Resource

if TYPE_CHECKING:
    from rest_framework.request import Request

    from .challenge import Challenge
    from .principal import Principal

__all__ = ["Bearer", "Cookie", "Resource"]


class NotLetIn(APIException):
    """A refusal, with the members that REST framework makes the headers of."""

    def __init__(self, answer: Challenge) -> None:
        status, headers, detail = answer
        super().__init__(detail)
        self.status_code = status
        self.auth_header = headers.get("WWW-Authenticate")
        self.wait = int(headers["Retry-After"]) if "Retry-After" in headers else None


class Bearer(django.Bearer[Principal_co]):
    """Turns the token of a request into `request.user`, a `Principal`.

    `protect` works too, as for any Django view. It is the one to take with DPoP nonces, for whose header REST
    framework has no place.
    """

    @property
    def authentication(self) -> type[BaseAuthentication]:
        """A class for `authentication_classes` that admits the requests that this one admits."""
        bearer = self

        class Authentication(BaseAuthentication):
            def authenticate(self, request: Request) -> tuple[Principal, None] | None:
                incoming = django.DjangoRequest(request._request)  # noqa: SLF001 - as REST framework does itself
                try:
                    who = bearer.admit(incoming)
                except Refused as refused:
                    raise NotLetIn(refused.answer) from refused
                if who is None:
                    return None
                return answering(who, lambda error: NotLetIn(bearer.answer_to(error, incoming))), None

            def authenticate_header(self, request: Request) -> str:
                """The challenge if signing in is optional and a permission requires it: 401, not 403."""
                incoming = django.DjangoRequest(request._request)  # noqa: SLF001 - as above
                return bearer.answer_to(MissingTokenError("the request has no token"), incoming).headers[
                    "WWW-Authenticate"
                ]

        return Authentication

    def optional(self) -> Bearer[Principal | None]:
        """Return a copy that admits requests without a token as an anonymous user; a bad token is still refused."""
        return cast("Bearer[Principal | None]", self._optional())
