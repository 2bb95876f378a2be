"""`/docs`: the route table as a page for developers."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from markupsafe import Markup, escape

from gatepass.server.web.errors import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatepass.server.web.routing import Route

_BACKTICKS = re.compile("`([^`]+)`")


def render_docs(routes: Iterable[Route], issuer: str) -> bytes:
    """The page as HTML."""
    import jinja2  # noqa: PLC0415 - takes 50 ms, and is only needed here

    source = files("gatepass.server.web").joinpath("templates/docs.html").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["marked"] = _marked
    template = environment.from_string(source)
    operations = [_operation(route) for route in routes if not route.page]
    page: str = template.render(issuer=issuer, base=urlsplit(issuer).path, operations=operations)
    return page.encode()


def static_file(name: str) -> bytes:
    """The stylesheet, the logo, or a script."""
    return files("gatepass.server.web").joinpath(f"static/{name}").read_bytes()


def _operation(route: Route) -> dict[str, Any]:
    return {
        "method": route.method,
        "path": route.path,
        "summary": route.summary,
        "secured": route.auth.by_person,
        "fields": _fields(route.body),
        "answers": [(status, [field["name"] for field in _fields(kind)]) for status, kind in route.answers.items()],
        "problems": [
            (code, PROBLEMS[code].status, PROBLEMS[code].meaning)
            for code in dict.fromkeys((*route.problems, *route.auth.problems))
        ],
    }


def _marked(text: str) -> Markup:
    """Render text between backticks as code."""
    return Markup(_BACKTICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _fields(kind: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a struct class, or None
    if kind is None:
        return []
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    required = schema.get("required", ())
    return [
        {"name": name, "type": _type_name(field), "required": name in required}
        for name, field in schema["properties"].items()
    ]


def _type_name(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type_name(option) for option in schema["anyOf"] if option.get("type") != "null")
    return str(schema.get("type", "object"))
