"""The examples of the API's description: each is a body that the server takes, or an answer that it gives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gatepass.server.app import open_server
from gatepass.server.base.settings import load
from gatepass.server.web.examples import NAMED, answer_example, body_example

if TYPE_CHECKING:
    from gatepass.server.web.routing import Route


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Route, ...]:
    """Every call."""

    async def read() -> tuple[Route, ...]:
        async with open_server(load(flags={"data_dir": str(tmp_path_factory.mktemp("examples"))})) as server:
            return tuple(route for route in server.routes if not route.page)

    return asyncio.run(read())


def test_every_body_is_taken(routes: tuple[Route, ...]) -> None:
    """Of each call, form and shape; none says nothing where there is something to say."""
    for route in routes:
        for kind in route.shapes or (route.body or route.form,):
            if kind is None:
                continue
            example = body_example(kind)
            assert example or not msgspec.structs.fields(kind), f"{route.path} {kind.__name__}"
            assert "" not in example.values(), f"{route.path} {kind.__name__} {example}"
            msgspec.convert(example, kind, strict=route.form is None)


def test_every_answer_could_be_given(routes: tuple[Route, ...]) -> None:
    """Its members have the types that the description names."""
    for kind in {kind for route in routes for kind in route.answers.values() if kind is not None}:
        example: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer_example(kind)))
        msgspec.convert(example, kind)


def test_every_struct_that_is_named_is_there(routes: tuple[Route, ...]) -> None:
    """Values of their own belong to structs of the description."""
    kinds = {
        kind for route in routes for kind in (route.body, route.form, *route.shapes, *route.answers.values()) if kind
    }
    _, components = msgspec.json.schema_components(sorted(kinds, key=repr))
    assert components.keys() >= NAMED
