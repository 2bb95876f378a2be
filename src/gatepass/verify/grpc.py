# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Its types come from third-party stubs, with gaps.
"""Protect the methods of a gRPC server (`grpc.aio`).

bearer = Bearer(verifier)
admin = bearer.require(role="admin")
server = grpc.aio.server(interceptors=[bearer.interceptor({"/orders.Orders/Delete": admin})])

async def List(self, request, context):
    user = principal()

A server with threads (`grpc.server`) takes `bearer.sync_interceptor(…)`.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio

from gatepass.jose.errors import InvalidPolicyError

from .errors import REQUIREMENTS_UNMET, MissingTokenError
from .guard import Cookie, Guard, Principal_co, Refused
from .resource import Resource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from .challenge import Challenge
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
    """Return the principal of the call that is being handled.

    Raises:
        MissingTokenError: There is none, because signing in is optional here.
    """
    found = _principal.get()
    if found is None:
        raise MissingTokenError("the call has no token")
    return found


class Bearer(Guard[Principal_co]):
    """Turns the token of a call, in its metadata `authorization`, into a `Principal`."""

    async def __call__(self, details: grpc.HandlerCallDetails) -> Principal_co:
        """Return the principal of the call.

        Raises:
            Refused: It is not let in.
        """
        return cast("Principal_co", await self.aadmit(GrpcRequest(details)))

    def sync_interceptor(
        self, methods: Mapping[str, Bearer[Principal] | Bearer[Principal | None]] | None = None
    ) -> grpc.ServerInterceptor[Any, Any]:
        """Return what `interceptor` does, for a server with threads (`grpc.server`).

        Args:
            methods: As for `interceptor`.
        """
        return _SyncInterceptor(self, methods or {})

    def interceptor(
        self, methods: Mapping[str, Bearer[Principal] | Bearer[Principal | None]] | None = None
    ) -> grpc.aio.ServerInterceptor[Any, Any]:
        """Return an interceptor that admits the calls that this one admits, and refuses the others.

        Args:
            methods: Another `Bearer` for single methods, by full name, such as `/orders.Orders/Delete`.
        """
        return _Interceptor(self, methods or {})

    def optional(self) -> Bearer[Principal | None]:
        """Return a copy that admits calls without a token as anonymous; a bad token is still refused."""
        return cast("Bearer[Principal | None]", self._optional())


class GrpcRequest:
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

    def intercept_service(  # pyright: ignore[reportIncompatibleMethodOverride] - not async, so that it can refuse
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Coroutine[Any, Any, grpc.RpcMethodHandler[Any, Any]]:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise InvalidPolicyError(
                "interceptor() is for grpc.aio.server; give grpc.server(…) sync_interceptor()"
            ) from None
        return self._intercept(continuation, handler_call_details)

    async def _intercept(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        handler = await continuation(handler_call_details)
        if cast("object", handler) is None:  # there is no such method; the server answers that itself
            return handler
        bearer = self._methods.get(handler_call_details.method, self._bearer)
        try:
            _principal.set(await bearer.aadmit(GrpcRequest(handler_call_details)))
        except Refused as refused:
            return _refusing(handler, refused)
        return handler


def _refusing(handler: grpc.RpcMethodHandler[Any, Any], refused: Refused) -> grpc.RpcMethodHandler[Any, Any]:
    """Return a handler of the same kind that answers the refusal."""
    status, detail, trailers = _spelled(refused.answer)

    async def refuse(_: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(status, detail, trailers)

    return _like(handler, refuse)


def _spelled(answer: Challenge) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str], ...]]:
    """Convert an answer to gRPC: a status, details and trailing metadata."""
    trailers = tuple((name.lower(), value) for name, value in answer.headers.items())
    return _STATUS[answer.status], answer.detail, trailers


def _like(handler: grpc.RpcMethodHandler[Any, Any], behavior: Callable[..., Any]) -> grpc.RpcMethodHandler[Any, Any]:
    """Return a handler of the same kind with another behavior."""
    kinds: dict[tuple[bool, bool], Callable[..., grpc.RpcMethodHandler[Any, Any]]] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make = kinds[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(behavior, handler.request_deserializer, handler.response_serializer)


class _SyncInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg] # pyright: ignore[reportMissingTypeArgument] - it takes none
    def __init__(self, bearer: Guard[Any], methods: Mapping[str, Guard[Any]]) -> None:
        self._bearer = bearer
        self._methods = methods

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        bearer = self._methods.get(handler_call_details.method, self._bearer)
        incoming = GrpcRequest(handler_call_details)
        names = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
        own = next(found for name in names if (found := getattr(handler, name)) is not None)

        def behavior(request: object, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - the handler's
            # In the thread of the call, because the thread that accepts all calls must not block.
            try:
                _principal.set(bearer.admit(incoming))
                return own(request, context)
            except Refused as refused:
                answer = refused.answer
            except REQUIREMENTS_UNMET as error:
                answer = bearer.answer_to(error, incoming)
            status, detail, trailers = _spelled(answer)
            context.set_trailing_metadata(trailers)
            return context.abort(status, detail)

        return _like(handler, behavior)
