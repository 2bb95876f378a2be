"""`/docs`: the route table as pages for developers, an index and one page for each group of calls."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from markupsafe import Markup, escape

from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.errors import PROBLEMS
from gatepass.server.web.examples import answer_example, body_example

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gatepass.server.web.routing import Route

_BACKTICKS = re.compile("`([^`]+)`")


class Group(NamedTuple):
    """Calls that are on one page."""

    slug: str
    title: str
    prefixes: tuple[str, ...]


GROUPS = (
    Group("sign-in", "Sign up, sign in, sign out", ("/signup", "/login", "/password", "/refresh", "/logout")),
    Group("account", "The user's own account", ("/me", "/sessions", "/account", "/reauthenticate")),
    Group("organizations", "Organizations of the user", ("/organizations",)),
    Group("oauth", "OAuth and OpenID Connect", ("/oauth",)),
    Group("shared-signals", "Shared Signals: receivers and their streams", ("/ssf",)),
    Group("admin-users", "Operators: users and roles", ("/admin/users", "/admin/roles")),
    Group("admin-organizations", "Operators: organizations", ("/admin/organizations",)),
    Group("admin", "Operators: clients, APIs, keys, webhooks, events", ("/admin",)),
    Group("server", "The server", ("/",)),
)
"""The first that a path begins with is its page; the last takes what is left."""

DOCUMENTS = (
    ("/.well-known/oauth-authorization-server", "Metadata of the issuer (RFC 8414)"),
    ("/.well-known/jwks.json", "Public keys (RFC 7517)"),
    ("/.well-known/ssf-configuration", "Metadata of the transmitter of Shared Signals"),
    ("/revocations/snapshot", "Revoked tokens and keys that no status list covers"),
    ("/openapi.json", "These pages for programs (OpenAPI 3.1)"),
)
"""What is published beside the calls."""
ENDLESS = "/revocations"
"""A stream, which a browser would wait for forever."""


def render_docs(routes: Iterable[Route], issuer: str) -> dict[str, bytes]:
    """The pages as HTML, by their path."""
    import jinja2  # noqa: PLC0415 - takes 50 ms, and is only needed here

    loader = jinja2.PackageLoader("gatepass.server.web")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, loader=loader, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["marked"] = _marked
    groups = _grouped(routes, issuer)
    shown = {"issuer": issuer, "base": urlsplit(issuer).path, "groups": groups}
    index = environment.get_template("docs.html")
    page = environment.get_template("docs_group.html")
    pages = {f"/docs/{group.slug}": page.render(shown, group=group, calls=calls) for group, calls in groups}
    pages["/docs"] = index.render(shown, documents=DOCUMENTS, problems=PROBLEMS.items())
    return {path: text.encode() for path, text in pages.items()}


def static_file(name: str) -> bytes:
    """The stylesheet, the logo, or a script."""
    return files("gatepass.server.web").joinpath(f"static/{name}").read_bytes()


def _grouped(routes: Iterable[Route], issuer: str) -> list[tuple[Group, list[dict[str, Any]]]]:
    calls: dict[Group, list[dict[str, Any]]] = {group: [] for group in GROUPS}
    for route in routes:
        if not route.page:
            calls[group_of(route.path)].append(_call(route, issuer))
    return list(calls.items())


def group_of(path: str) -> Group:
    """The page that a call is on."""
    return next(group for group in GROUPS if any(_is_below(path, prefix) for prefix in group.prefixes))


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix.rstrip('/')}/")


def _call(route: Route, issuer: str) -> dict[str, Any]:
    kind = route.body or route.form
    return {
        "id": anchor(route),
        "method": route.method,
        "path": route.path,
        "summary": route.summary,
        "needs": route.auth.needs,
        "fields": _fields(kind) if kind is not None else [],
        "query": [field["name"] for field in _fields(route.query)] if route.query is not None else [],
        "request": " \\\n  ".join(_request(route, issuer)),
        "answers": [(status, _shown(answer_example(each)) if each else "") for status, each in route.answers.items()],
        "problems": list(dict.fromkeys((*route.problems, *route.auth.problems))),
        "can_be_tried": can_be_tried(route),
    }


def anchor(route: Route) -> str:
    """The name of a call within its page."""
    return re.sub(r"[^a-z0-9]+", "-", f"{route.method} {route.path}".lower()).strip("-")


def can_be_tried(route: Route) -> bool:
    """Whether a form without a secret can make the call: anyone may, and it changes nothing."""
    return route.method == "GET" and route.auth is ANYONE and "{" not in route.path and route.path != ENDLESS


def _request(route: Route, issuer: str) -> Iterator[str]:
    """The call as a command."""
    is_default = route.method == ("POST" if route.body or route.form else "GET")
    yield f"curl {issuer}{route.path}" if is_default else f"curl -X {route.method} {issuer}{route.path}"
    if route.auth.needs.startswith("Takes a") and not route.auth.in_body:
        yield '-H "Authorization: Bearer $TOKEN"'
    if route.body is not None:
        yield '-H "Content-Type: application/json"'
        yield f"-d '{json.dumps(body_example((route.shapes or (route.body,))[0]))}'"
    elif route.form is not None:
        yield from (f"-d '{name}={value}'" for name, value in body_example(route.form).items())


def _shown(example: object) -> str:
    return json.dumps(example, ensure_ascii=False)


def _marked(text: str) -> Markup:
    """Render text between backticks as code."""
    return Markup(_BACKTICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _fields(kind: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a struct class
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
