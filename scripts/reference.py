"""Write docs/reference/*.md from the code, or with `--check` say which of them differ from it.

What is written here is written nowhere else by hand, so it cannot fall behind.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from cyclopts.docs.markdown import generate_markdown_docs

from gatepass.cli.main import app
from gatepass.jose import algorithms as jose_algorithms
from gatepass.jose import errors as jose_errors
from gatepass.jose.errors import JoseError
from gatepass.server.app import open_server
from gatepass.server.base.settings import Settings, load
from gatepass.server.base.settings.claims import ApiSettings
from gatepass.server.base.settings.foreign_tokens import ForeignTokenSettings
from gatepass.server.base.settings.providers import ProviderKind, ProviderSettings
from gatepass.server.base.settings.roles import RoleSettings
from gatepass.server.base.settings.trusted_issuers import TrustedIssuerSettings
from gatepass.server.web.errors import PROBLEMS
from gatepass.server.web.openapi import problems_of
from gatepass.tokens import access_token, dpop_proof
from gatepass.verify import errors as verify_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from msgspec import Meta
    from msgspec.structs import FieldInfo

    from gatepass.server.web.routing import Route

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
NOTE = "<!-- Written by `make reference` from the code; change it there. -->\n\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def first_paragraph(thing: object) -> str:
    """Return the first paragraph of a docstring, on one line, its code in Markdown's."""
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def with_urls_as_code(text: str) -> str:
    """Keep an example of a URL from becoming a link."""
    return re.sub(r"(?<![\w`(/])((?:https?|sqlite)://[\w./:-]*\w)", r"`\1`", text)


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def error_rows(module: ModuleType) -> list[list[str]]:
    """Describe the errors that a module defines, in its order, without those that are only a base of others."""
    defined = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]
    return [
        [f"`{one.code}`", f"`{one.__name__}`", first_paragraph(one)]
        for one in defined
        if issubclass(one, JoseError) and not first_paragraph(one).startswith("The base of")
    ]


def problem_rows() -> list[list[str]]:
    """Describe the server's problems."""
    return [[f"`{code}`", str(kind.status), kind.title, kind.meaning] for code, kind in PROBLEMS.items()]


def errors() -> str:
    """Every code of every layer."""
    return f"""# Errors

Compare codes, not texts: a code is stable, a text may get better.

## `gatepass.jose`

Each is a class in `gatepass.jose.errors`, a subclass of `JoseError`, with the code as its `.code`. Errors about one
claim are `ClaimError`s and name it in `.claim`.

{table(["code", "class", "when"], error_rows(jose_errors))}
## `gatepass.verify`

Also `JoseError`s, in `gatepass.verify.errors`, and two in `gatepass.tokens`. `gatepass.verify.challenge` turns either
kind into a status and a `WWW-Authenticate` header.

{table(["code", "class", "when"], [*error_rows(verify_errors), *error_rows(access_token), *error_rows(dpop_proof)])}
## The server

The `code` of a problem document, `application/problem+json` (RFC 9457).

{table(["code", "status", "title", "when"], problem_rows())}"""


# ── algorithms ──────────────────────────────────────────────────────────────────────────────────────────────────────


def algorithms() -> str:
    """Every row of the table."""
    rows = [
        [f"`{row.name}`", row.kty, row.crv or f"{row.bits:,} bits at least"]
        for row in jose_algorithms.SIGNATURES.values()
    ]
    key_management = [
        [
            f"`{row.name}`",
            ", ".join(crv or kty for kty, crv in row.kinds),
            f"{row.bits:,} bits{'' if row.kinds[0][0] == 'oct' and not row.is_password else ' at least'}"
            if row.bits
            else "",
        ]
        for row in jose_algorithms.KEY_MANAGEMENT.values()
        if row.alg == row.name
    ]
    contents = [[f"`{row.name}`", f"{row.bits}"] for row in jose_algorithms.CONTENTS.values()]
    return f"""# Algorithms

A key has exactly one of these ([why](../adr/0003-one-algorithm-per-key.md)). `none` is not among them.

{table(["`alg`", "key type", "curve or size"], rows)}
## Encryption

A key for encryption has one of these. A secret may also have one of the `enc` values, and then encrypts content
directly (`alg: dir`). PBES2 keys come from `Key.from_password` only. `RSA1_5` is not among them.

{table(["`alg`", "key types and curves", "size"], key_management)}
{table(["`enc`", "bits of the key"], contents)}"""


# ── settings ────────────────────────────────────────────────────────────────────────────────────────────────────────


def setting_type(hint: object, meta: Meta | None) -> str:
    """Say what a setting may be."""
    if get_origin(hint) is Literal:
        return " ".join(f"`{choice}`" for choice in get_args(hint))
    if get_origin(hint) is tuple:
        return "list"
    if get_origin(hint) is dict:
        return "tables"
    if get_origin(hint) is UnionType or hint == ProviderKind | None:
        return setting_type(get_args(hint)[0], meta)
    if hint is int and meta is not None:
        return f"{meta.ge:,} to {meta.le:,}" if meta.le is not None else f"{meta.ge:,} or more"
    return {str: "text", Path: "path", bool: "`true` `false`", datetime: "time"}[cast("type", hint)]


def setting_row(field: FieldInfo, hint: object) -> list[str]:
    """Describe one setting."""
    base, *metadata = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    description = next(meta.description for meta in metadata if meta.description)
    bounds = next((meta for meta in metadata if meta.ge is not None), None)
    given = "" if field.default in (msgspec.NODEFAULT, None) else field.default
    default = ", ".join(given) if isinstance(given, tuple) else str(given)
    return [
        f"`{field.name}`",
        setting_type(base, bounds),
        f"`{default}`" if default else "",
        with_urls_as_code(description),
    ]


_SETTING_COLUMNS = ("setting", "what it may be", "default", "meaning")


def setting_rows(struct: type[msgspec.Struct]) -> list[list[str]]:
    """Describe every field of a settings struct."""
    hints = get_type_hints(struct, include_extras=True)
    return [setting_row(field, hints[field.name]) for field in msgspec.structs.fields(struct)]


def settings() -> str:
    """Every setting, and what their tables may hold."""
    return f"""# Settings

Each can be set in three places. The first that has it wins:

1. a flag, where the command offers it: `gatepass serve --port 9000`
2. the environment: `GATEPASS_PORT=9000`
3. a TOML file: `port = 9000` in the file that `--config FILE` names

Lists are arrays in TOML (`audience = ["orders", "invoices"]`), a flag given several times, and separated by commas in
the environment. A name that is not in this table refuses to start the server, and the message suggests the nearest one.

{table(_SETTING_COLUMNS, setting_rows(Settings))}
## Providers

What the table of one provider may hold: `[providers.google]` in the file, or all of them as one JSON object in
`GATEPASS_PROVIDERS`. [Other sites to sign in with](../guides/social.md) shows how.

{table(_SETTING_COLUMNS, setting_rows(ProviderSettings))}
## Foreign tokens

What the table of one system may hold: `[foreign_tokens.shop]` in the file, or all of them as one JSON object in
`GATEPASS_FOREIGN_TOKENS`. [Moving from fastapi-users](../guides/from-fastapi-users.md) shows how.

{table(_SETTING_COLUMNS, setting_rows(ForeignTokenSettings))}
## Trusted issuers

What the table of one issuer may hold: `[trusted_issuers.corp]` in the file, or all of them as one JSON object in
`GATEPASS_TRUSTED_ISSUERS`. [Assertions of other issuers](../guides/jwt-bearer.md) shows how.

{table(_SETTING_COLUMNS, setting_rows(TrustedIssuerSettings))}
## Roles

What the table of one role may hold: `[roles.editor]` in the file, or all of them as one JSON object in
`GATEPASS_ROLES`. [Roles, permissions and claims](../guides/claims.md) shows how.

{table(_SETTING_COLUMNS, setting_rows(RoleSettings))}
## APIs

What the table of one API may hold: `[apis."https://api.example.com"]` in the file, by its audience, or all of them as
one JSON object in `GATEPASS_APIS`. [Roles, permissions and claims](../guides/claims.md) shows how.

{table(_SETTING_COLUMNS, setting_rows(ApiSettings))}"""


# ── HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def json_type(hint: object) -> str:
    """Say what a member of a JSON object is."""
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    if isinstance(hint, type) and hint in names:
        return names[hint]
    if get_origin(hint) in (tuple, list):
        return f"array of {json_type(get_args(hint)[0])}"
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(json_type(choice) for choice in get_args(hint))
    return "object"


def members(struct: type[msgspec.Struct]) -> str:
    """List the members of a body, and of the objects in it."""
    fields = msgspec.structs.fields(struct)
    rows = [[f"`{field.encode_name}`", json_type(field.type), "yes" if field.required else "no"] for field in fields]
    nested = [
        f"\nEach of `{field.encode_name}`: {members(inner)}"
        for field in fields
        for inner in get_args(field.type)
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct)
    ]
    return f"{first_paragraph(struct)}\n\n{table(['member', 'type', 'always there'], rows)}{''.join(nested)}"


def answer(status: int, kind: Any) -> str:  # noqa: ANN401 - the struct of a body, or None
    """Describe a good answer."""
    return f"Answers {status}, without a body.\n" if kind is None else f"Answers {status}. {members(kind)}"


def codes(names: Iterable[str]) -> str:
    """List problems, each with its status."""
    return ", ".join(f"`{name}` ({PROBLEMS[name].status})" for name in names)


def call(route: Route, known: frozenset[str]) -> str:
    """Describe one call; the problems that are `known` go without saying."""
    parts = [
        f"## `{route.method} {route.path}`\n",
        f"{route.summary}.{f' {route.auth.needs}' if route.auth.needs else ''}\n",
    ]
    if route.shapes:
        parts += ["Body: one of these.\n", *(f"{members(shape)}" for shape in route.shapes)]
    elif route.body is not None:
        parts.append(f"Body: {members(route.body)}")
    parts += [answer(status, kind) for status, kind in route.answers.items()]
    if own := [code for code in problems_of(route) if code not in known]:
        parts.append(f"Refusals: {codes(own)}\n")
    return "\n".join(parts)


async def served() -> tuple[Route, ...]:
    """Return the routes of a server with the default settings."""
    with TemporaryDirectory() as folder:
        async with open_server(load(flags={"data_dir": folder})) as server:
            return tuple(route for route in server.routes if not route.page)


def http() -> str:
    """Every call of the server."""
    routes = asyncio.run(served())
    anywhere = frozenset.intersection(*(frozenset(problems_of(route)) for route in routes))
    with_body = frozenset.intersection(*(frozenset(problems_of(route)) for route in routes if route.body is not None))
    return f"""# HTTP API

JSON in and out. Refusals are `application/problem+json` with a stable `code`; [Errors](errors.md#the-server) says what
each means.

A running server describes the same in `/openapi.json` (OpenAPI 3.1), and shows it to people at `/docs`. Its public keys
are at `/.well-known/jwks.json`, its metadata (RFC 8414) at `/.well-known/oauth-authorization-server`.

Any call may be refused with {codes(sorted(anywhere))}; one that takes a body also with
{codes(sorted(with_body - anywhere))}. A path that does not exist is {codes(["not_found"])}, a method that it does not
know {codes(["method_not_allowed"])}.

{chr(10).join(call(route, anywhere | with_body) for route in routes)}"""


# ── the command line ────────────────────────────────────────────────────────────────────────────────────────────────


def cli() -> str:
    """Every command with its options."""
    commands = generate_markdown_docs(
        app, heading_level=2, no_root_title=True, generate_toc=False, code_block_title=True
    )
    return f"# Command line\n\n{with_urls_as_code(commands)}"


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

PAGES: dict[str, Callable[[], str]] = {
    "algorithms.md": algorithms,
    "errors.md": errors,
    "settings.md": settings,
    "http.md": http,
    "cli.md": cli,
}


def main(arguments: list[str]) -> int:
    """Write or check, and return the exit code."""
    written = {FOLDER / name: NOTE + page().rstrip("\n") + "\n" for name, page in PAGES.items()}
    stale = [path for path, text in written.items() if not path.exists() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in stale:
            sys.stderr.write(f"error: docs/reference/{path.name} differs from the code\nhint: make reference\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(written[path])
        sys.stderr.write(f"wrote docs/reference/{path.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
