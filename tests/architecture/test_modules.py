"""A capability is a module: a folder, and one name in `MODULES`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from tests.support.server import running_server
from tests.support.wait import eventually

from gatepass.server import app, server
from gatepass.server.module import Job, Module
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import ANYONE, CALLER
from gatepass.server.web.routing import Route, page

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call


class Hello(msgspec.Struct, frozen=True):
    """What the call answers."""

    issuer: str


def test_a_module_is_put_in_place_by_its_name_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its route and its page answer, who may call them is decided for it, its job runs and its expiry is asked."""
    done: list[str] = []

    def dummy(core: Core) -> Module:
        async def hello(_call: Call, _body: None) -> Response:
            return JsonResponse(Hello(core.settings.issuer_url))

        async def show(call: Call, _body: None) -> Response:
            return core.pages.message(call.request, "deleted")

        async def work() -> None:
            done.append("job")

        async def forget(tx: Transaction) -> None:
            done.append(f"expiry at {tx.now > 0}")

        return Module(
            routes=(
                Route(method="GET", path="/dummy", handler=hello, auth=ANYONE, summary="Say hello"),
                Route(method="GET", path="/dummy/mine", handler=hello, auth=CALLER, summary="Say hello to somebody"),
                page("/pages/dummy", show, ANYONE),
            ),
            jobs=(Job(every=0.01, run=work),),
            expiry=(forget,),
        )

    monkeypatch.setattr(app, "MODULES", (*app.MODULES, dummy))
    monkeypatch.setattr(server, "_EXPIRY_SECONDS", 0.01)
    with running_server(tmp_path) as running, running.client() as api:
        assert api.get("/dummy").json() == {"issuer": running.url}
        assert api.get("/dummy/mine").status_code == 401
        assert "<h1>" in api.get("/pages/dummy").text
        assert "/dummy" in api.get("/openapi.json").json()["paths"]
        eventually(lambda: {"job", "expiry at True"} <= set(done))
