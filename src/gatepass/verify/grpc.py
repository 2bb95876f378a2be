# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Its types are stubs of somebody else's, with gaps.
"""Protect the methods of a gRPC server (`grpc.aio`).

bearer = Bearer(verifier)
admin = bearer.require(role="admin")
server = grpc.aio.server(interceptors=[bearer.interceptor({"/orders.Orders/Delete": admin})])

async def List(self, request, context):
    user = principal()
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio

from .errors import MissingTokenError
from .guard import Cookie, Guard, Refused, Who_co
from .resource import Resource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .principal import Principal

__all__ = ["Bearer", "Cookie", "Resource", "principal"]

_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    503: grpc.StatusCode.UNAVAILABLE,
}

_principal: ContextVar[Principal | None] = ContextVar("gatepass_principal", default=None)


def principal() -> Principal:
    """Return who makes the call that is being handled.

    Raises:
        MissingTokenError: Nobody has said, for signing in is optional here.
    """
    found = _principal.get()
    if found is None:
        raise MissingTokenError("the call has no token")
    return found


class Bearer(Guard[Who_co]):
    """Turns the token of a call, in its metadata `authorization`, into a `Principal`."""

    async def __call__(self, details: grpc.HandlerCallDetails) -> Who_co:
        """Return who makes the call.

        Raises:
            Refused: It is not let in.
        """
        return cast("Who_co", await self.aadmit(Asked(details)))

    def interceptor(
        self, methods: Mapping[str, Bearer[Principal] | Bearer[Principal | None]] | None = None
    ) -> grpc.aio.ServerInterceptor[Any, Any]:
        """Return an interceptor that lets in whom this one lets in, and refuses the others.

        Args:
            methods: Who lets in to methods that ask for something else, by full name, such as `/orders.Orders/Delete`.
        """
        return _Interceptor(self, methods or {})

    def optional(self) -> Bearer[Principal | None]:
        """Return one that lets calls without a token in, as nobody; a bad token is refused all the same."""
        return cast("Bearer[Principal | None]", self._optional())


class Asked:
    """A call, as `Guard` reads it. It does not know its own host: DPoP needs `resource`."""

    __slots__ = ("_details",)

    method = "POST"
    is_websocket = False

    def __init__(self, details: grpc.HandlerCallDetails) -> None:
        self._details = details

    @property
    def url(self) -> str:
        """The method's path."""
        return self._details.method

    def header(self, name: str) -> list[str]:
        """Return every value of a metadata key."""
        metadata = self._details.invocation_metadata or ()
        return [value for key, value in metadata if key == name and isinstance(value, str)]


class _Interceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # pyright: ignore[reportMissingTypeArgument] - it takes none
    def __init__(self, bearer: Guard[Any], methods: Mapping[str, Guard[Any]]) -> None:
        self._bearer = bearer
        self._methods = methods

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        handler = await continuation(handler_call_details)
        bearer = self._methods.get(handler_call_details.method, self._bearer)
        try:
            _principal.set(await bearer.aadmit(Asked(handler_call_details)))
        except Refused as refused:
            return _refusing(handler, refused)
        return handler


def _refusing(handler: grpc.RpcMethodHandler[Any, Any], refused: Refused) -> grpc.RpcMethodHandler[Any, Any]:
    """Return a handler of the same kind that answers the refusal."""
    status, headers, detail = refused.answer
    trailers = tuple((name.lower(), value) for name, value in headers.items())

    async def refuse(_: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(_STATUS[status], detail, trailers)

    kinds: dict[tuple[bool, bool], Callable[..., grpc.RpcMethodHandler[Any, Any]]] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make = kinds[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(refuse, handler.request_deserializer, handler.response_serializer)
