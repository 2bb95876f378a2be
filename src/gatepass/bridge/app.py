"""What a bridge answers: notices for anybody who may send them, the feed for its readers, its keys for all."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gatepass.bridge import answers
from gatepass.bridge.receiving import NotTakenError
from gatepass.fanout.readers import END
from gatepass.jose.errors import JoseError
from gatepass.tokens import published_keys, revocation_snapshot
from gatepass.tokens.revocation_event import Position

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from gatepass.bridge.feed import BridgeFeed
    from gatepass.bridge.notices.global_revocation import RevocationAssertion
    from gatepass.bridge.receiving import Receiver
    from gatepass.bridge.shares import Shares
    from gatepass.bridge.transmitter import Transmitter
    from gatepass.fanout.readers import Mailbox
    from gatepass.jose import KeySet
    from gatepass.tokens.bridge_entry import FeedSecret

MAX_BODY_BYTES = 65_536
"""The maximum size of a notice."""

_VERSIONS = ("1.1", "1.0")
_MAX_FORM_FIELDS = 16
_BODY_SECONDS = 10.0
_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would buffer events
_FORM = "application/x-www-form-urlencoded"
_SET = "application/secevent+jwt"


class _OfOurVersions:
    """Refuses other versions of HTTP (RFC 9112 §2.3): h11 takes any for HTTP/1.1, and without a Host."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["http_version"] in _VERSIONS:
            await self._app(scope, receive, send)
            return
        answer = answers.bad("", "invalid_request", "this is neither HTTP/1.0 nor HTTP/1.1")
        answer.headers["Connection"] = "close"
        await answer(scope, receive, send)


class BridgeApp:
    """The routes."""

    def __init__(  # noqa: PLR0913 - what it answers from
        self,
        issuer: str,
        keys: KeySet,
        secret: FeedSecret,
        *,
        feed: BridgeFeed,
        shares: Shares,
        receiver: Receiver,
        transmitters: Mapping[str, Transmitter],
    ) -> None:
        """Answer from these."""
        self._issuer = issuer
        self._keys = keys
        self._bearer = secret.bearer.encode()
        self._feed = feed
        self._shares = shares
        self._receiver = receiver
        self._transmitters = transmitters

    def starlette(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/.well-known/oauth-authorization-server", self.metadata),
                Route("/jwks.json", self.jwks),
                Route("/revocations", self.stream),
                Route("/revocations/snapshot", self.snapshot),
                Route("/status", self.status),
                Route("/notices/{name}", self.notice, methods=["POST"]),
            ],
            middleware=[Middleware(_OfOurVersions)],
        )

    # ── for all ──

    async def metadata(self, _request: Request) -> Response:
        """Where the keys and the feed are."""
        return JSONResponse(
            {
                "issuer": self._issuer,
                "jwks_uri": f"{self._issuer}/jwks.json",
                "revocations_uri": f"{self._issuer}/revocations",
                "revocations_snapshot_uri": f"{self._issuer}/revocations/snapshot",
            }
        )

    async def jwks(self, _request: Request) -> Response:
        """The keys that sign the feed."""
        marked = {key.kid for key in self._keys}  # they sign documents of revocation, and no token
        return JSONResponse(
            {"keys": published_keys.members(self._keys, marked)}, headers={"Cache-Control": "max-age=60"}
        )

    # ── for readers ──

    async def stream(self, request: Request) -> Response:
        """The stream."""
        if not self._may_read(request):
            return answers.unauthorized()
        after = Position.parse(request.headers.get("last-event-id") or request.query_params.get("after", ""))
        mailbox = self._feed.readers.join()
        first = self._feed.welcome(after)
        return StreamingResponse(
            self._messages(mailbox, first), media_type="text/event-stream", headers=_STREAM_HEADERS
        )

    async def _messages(self, mailbox: Mailbox, first: bytes) -> AsyncGenerator[bytes]:
        try:
            message = first
            while message != END:
                yield message
                message = await mailbox.take()
        finally:
            self._feed.readers.leave(mailbox)

    async def snapshot(self, request: Request) -> Response:
        """The snapshot."""
        if not self._may_read(request):
            return answers.unauthorized()
        return Response(self._feed.snapshot(), headers=answers.NO_STORE, media_type=revocation_snapshot.MEDIA_TYPE)

    async def status(self, request: Request) -> Response:
        """How many entries and readers there are, what became of each transmitter's notices, and how full its share is.

        `full` counts notices since the start that there was no room for: what they revoke is accepted.
        """
        if not self._may_read(request):
            return answers.unauthorized()
        counts = {name: dict(each.counts) for name, each in self._transmitters.items()}
        shares = {
            name: {"entries": self._shares.held[name], "max_entries": most} for name, most in self._shares.most.items()
        }
        told = {
            "entries": len(self._feed.entries),
            "readers": len(self._feed.readers),
            "transmitters": counts,
            "shares": shares,
        }
        return JSONResponse(told, headers=answers.NO_STORE)

    def _may_read(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode("utf-8"), self._bearer)

    # ── for transmitters ──

    async def notice(self, request: Request) -> Response:  # noqa: PLR0911 - one for each way that it can end
        """A notice: who sends it is looked at first, then how long it is, then what it says."""
        transmitter = self._transmitters.get(request.path_params["name"])
        if transmitter is None or transmitter.settings.kind == "ssf-poll":
            return JSONResponse({"error": "not_found"}, 404)
        kind = transmitter.settings.kind
        if not transmitter.has_sent(request.headers.get("authorization")):
            transmitter.counts["refused"] += 1
            return answers.unauthorized(kind)
        try:
            assertion = await self._assertion(transmitter, request)
        except JoseError:
            return answers.unauthorized(kind)
        except NotTakenError:
            return answers.later(kind)
        try:
            body = await _body(request)
        except TimeoutError:
            transmitter.counts["refused"] += 1
            return answers.bad(kind, "invalid_request", "the notice took too long", status=408)
        if body is None:
            transmitter.counts["refused"] += 1
            return answers.bad(kind, "invalid_request", f"a notice has at most {MAX_BODY_BYTES} bytes", status=413)
        try:
            return await self._take(transmitter, request.headers.get("content-type", ""), body, assertion)
        except JoseError as error:
            return answers.refused(kind, error)
        except NotTakenError:
            return answers.later(kind)

    async def _assertion(self, transmitter: Transmitter, request: Request) -> RevocationAssertion | None:
        """Check the signed JWT of a request for global revocation, where that is what tells who sends it.

        Raises:
            JoseError: It is refused.
            NotTakenError: It cannot be checked now.
        """
        if transmitter.settings.kind != "global-revocation" or transmitter.settings.audience is None:
            return None
        token = request.headers.get("authorization", "").partition(" ")[2].strip()
        return await self._receiver.check_assertion(transmitter, token)

    async def _take(
        self, transmitter: Transmitter, content_type: str, body: bytes, assertion: RevocationAssertion | None
    ) -> Response:
        """Take a notice of the transmitter's kind.

        Raises:
            JoseError: It is refused.
            NotTakenError: It cannot be taken now.
        """
        kind, media_type = transmitter.settings.kind, content_type.partition(";")[0].strip().lower()
        if kind == "global-revocation":
            if await self._receiver.take_request(transmitter, body, assertion):
                return answers.taken(kind)
            return answers.bad(kind, "invalid_request", "tokens do not name anybody in this way", status=422)
        token = _logout_token(body, media_type) if kind == "backchannel-logout" else _set(body, media_type)
        if token is None:
            transmitter.counts["refused"] += 1
            return answers.bad(kind, "invalid_request", "this is not how a notice is sent")
        await self._receiver.take_token(transmitter, token)
        return answers.taken(kind)


async def _body(request: Request) -> bytes | None:
    """The body; None for one that is too long, which is not read to its end.

    Raises:
        TimeoutError: It is too slow.
    """
    body = bytearray()
    async with asyncio.timeout(_BODY_SECONDS):
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return None
    return bytes(body)


def _logout_token(body: bytes, media_type: str) -> str | None:
    """OpenID Connect Back-Channel Logout §2.5: a form with one token; other parameters are ignored."""
    if media_type != _FORM:
        return None
    try:
        form = parse_qs(body.decode("ascii"), max_num_fields=_MAX_FORM_FIELDS)
    except ValueError:
        return None
    tokens = form.get("logout_token", [])
    return tokens[0] if len(tokens) == 1 else None


def _set(body: bytes, media_type: str) -> str | None:
    """RFC 8935 §2.1: the token is the body."""
    if media_type != _SET:
        return None
    try:
        return body.decode("ascii").strip()
    except UnicodeDecodeError:
        return None
