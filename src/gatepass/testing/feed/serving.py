"""The scripted issuers over HTTP, all on one port of loopback; and another port, which is another origin."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gatepass.tokens import revocation_snapshot, status_list

from .stage import Answer
from .trial import FeedTrials

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from starlette.requests import Request

    from .scenario import Scenario
    from .stage import Stage

_HOST = "127.0.0.1"
_START_POLL_SECONDS = 0.005
_WELL_KNOWN = "/.well-known/oauth-authorization-server/{name}"
_MEDIA_TYPES = {"list": status_list.MEDIA_TYPE, "snapshot": revocation_snapshot.MEDIA_TYPE}
_EVENT_STREAM = "text/event-stream"


@asynccontextmanager
async def serving(
    scenarios: Sequence[Scenario], *, port: int = 0, size: int | None = None
) -> AsyncGenerator[FeedTrials]:
    """Serve the issuers of scenarios until the block ends.

    Args:
        scenarios: Which.
        port: The port; 0 for one that is free.
        size: How many lists a scenario of many has.

    Raises:
        OSError: The port is taken.
    """
    own, other = _listen(port), _listen(0)
    origin, elsewhere = (f"http://{_HOST}:{each.getsockname()[1]}" for each in (own, other))
    trials = FeedTrials(scenarios, origin=origin, elsewhere=elsewhere, **({} if size is None else {"size": size}))
    config = uvicorn.Config(
        _application(trials), log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[own, other]))
    try:
        while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(_START_POLL_SECONDS)
        yield trials
    finally:
        trials.give_up()
        server.should_exit = True
        await running


def _listen(port: int) -> socket.socket:
    listening = socket.create_server((_HOST, port))
    # Connections inherit it. asyncio sets it for sockets only that name their protocol; without, each answer of two
    # writes waits some 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _application(trials: FeedTrials) -> Starlette:
    """The routes."""

    async def listed(_: Request) -> Response:
        return JSONResponse(trials.listed())

    async def report(_: Request) -> Response:
        return JSONResponse(trials.report())

    async def steps(request: Request) -> Response:
        said = await _said(request)
        if said is None:
            return JSONResponse({"error": "post a JSON object"}, 400)
        name = request.path_params["name"]
        if name not in trials.trials:
            return JSONResponse({"error": "there is no such scenario"}, 404)
        return JSONResponse(await trials.next_step(name, said))

    async def document(request: Request) -> Response:
        trial = trials.trials.get(request.path_params["name"])
        if trial is None:
            return Response(status_code=404)
        path = request.path_params.get("path", "")
        is_elsewhere = str(request.base_url).rstrip("/") != trials.origin
        return await _document(trial.stage, request, path, is_elsewhere=is_elsewhere)

    return Starlette(
        routes=[
            Route("/testing", listed),
            Route("/testing/report", report),
            Route("/{name}/testing", steps, methods=["POST"]),
            Route(_WELL_KNOWN, document),
            Route("/{name}/{path:path}", document),
        ]
    )


async def _said(request: Request) -> dict[str, Any] | None:
    try:
        said = json.loads(await request.body() or b"{}")
    except ValueError:
        return None
    return cast("dict[str, Any]", said) if isinstance(said, dict) else None


async def _document(stage: Stage, request: Request, path: str, *, is_elsewhere: bool) -> Response:
    """Answer the follower."""
    kind = _kind(path)
    last = request.headers.get("last-event-id") or request.query_params.get("after", "")
    stage.visit("elsewhere" if is_elsewhere else kind, path or "metadata", last)
    script = stage.answers.get(path) or stage.answers.get(kind)
    if script is not None:
        return _response(await script(), kind)
    if kind == "stream":
        return StreamingResponse(stage.new_line(last).chunks(), media_type=_EVENT_STREAM)
    return _response(_truth(stage, kind, path), kind)


def _kind(path: str) -> str:
    if path.startswith("status/"):
        return "list"
    if path in {"", ".well-known/openid-configuration"}:
        return "metadata"
    return path if path in {"jwks", "snapshot", "stream"} else "unknown"


def _truth(stage: Stage, kind: str, path: str) -> Answer:
    """The document as it should be."""
    feed = stage.feed
    match kind:
        case "metadata":
            return Answer(json.dumps({name: value for name, value in feed.metadata.items() if value is not None}))
        case "jwks":
            return Answer(json.dumps(feed.jwks))
        case "snapshot":
            return Answer(feed.snapshot())
        case "list" if (number := path.removeprefix("status/")).isdecimal():
            return Answer(feed.status_list(int(number)))
        case _:
            return Answer(status=404)


def _response(answer: Answer, kind: str) -> Response:
    headers = {"content-type": _MEDIA_TYPES.get(kind, "application/json"), "cache-control": "no-store"} | {
        name.lower(): value for name, value in answer.headers.items()
    }
    if answer.chunks is not None:
        return StreamingResponse(answer.chunks, answer.status, headers)
    return Response(answer.body, answer.status, headers)
