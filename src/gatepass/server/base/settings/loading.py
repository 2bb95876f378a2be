"""Reading the settings: flags over the environment over a TOML file."""

from __future__ import annotations

import difflib
import logging
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, get_origin, get_type_hints

import msgspec

from gatepass.jose.errors import MalformedError
from gatepass.jose.strict_json import decode_object
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.settings import Settings, marked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger("gatepass")

ENVIRONMENT_PREFIX = "GATEPASS_"
IN_FILES = tuple(marked("in_file"))
"""Settings with secrets: each can be in a file instead, which `NAME_file` names."""
_HINTS = get_type_hints(Settings)
_LISTS = {name for name, kind in _HINTS.items() if kind == tuple[str, ...]}
_TABLES = {name for name, kind in _HINTS.items() if get_origin(kind) is dict}
_NAMES = (*Settings.__struct_fields__, *(f"{name}_file" for name in IN_FILES))
_TABLE_DEPTH = 8
_UTF_8 = "utf-8-sig"
"""The encoding of files written by people: the byte order mark of some editors and PowerShell is ignored."""
_IP = r"(\d{1,3}(\.\d{1,3}){3}|\[?[0-9a-f:]+(\.\d+){0,3}\]?)"
_SERVICE_LINKS = tuple(
    (re.compile(rf"GATEPASS(_[A-Z0-9_]+)?_{name}", re.ASCII), re.compile(value, re.ASCII))
    for name, value in (
        ("SERVICE_HOST", _IP),
        (r"SERVICE_PORT(_[A-Z0-9_]+)?", r"\d+"),
        (r"PORT(_\d+_(TCP|UDP|SCTP))?", rf"(tcp|udp|sctp)://{_IP}:\d+"),
        (r"PORT_\d+_(TCP|UDP|SCTP)_PROTO", "tcp|udp|sctp"),
        (r"PORT_\d+_(TCP|UDP|SCTP)_PORT", r"\d+"),
        (r"PORT_\d+_(TCP|UDP|SCTP)_ADDR", _IP),
    )
)
"""The variables that Kubernetes sets in every container for each Service, which begin like ours if it is named so."""


def load(
    *, flags: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None, file: Path | None = None
) -> Settings:
    """Merge flags over environment over file, and check the whole.

    Args:
        flags: by field name; `None` means not given.
        environment: only names that begin with `GATEPASS_` count; lists are separated by commas.
        file: a TOML file of the same names.

    Raises:
        StartupError: an unknown name, a value of the wrong type or out of range, or settings that contradict each other.
    """
    merged: dict[str, object] = {}
    if file is not None:
        merged |= _known(_with_secrets_from_files(_read_toml(file), f"in {file}"), f"in {file}")
    from_environment = _with_secrets_from_files(_from_environment(environment or {}), "in the environment")
    merged |= _known(from_environment, "in the environment", spelled=_variable)
    merged |= {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise StartupError(
            f"A setting is not valid: {error}.", "`docs/reference/settings.md` lists them all."
        ) from error
    settings.check()
    return settings


def _read_toml(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding=_UTF_8))
    except OSError as error:
        raise StartupError(f"Cannot read {file}: {error.strerror}.", "Give --config an existing file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StartupError(
            f"{file} is not TOML: {error}.", 'Write lines such as: port = 8000, or: audience = ["api"]'
        ) from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    environment = {variable: text for variable, text in environment.items() if variable.startswith(ENVIRONMENT_PREFIX)}
    links = sorted(variable for variable, text in environment.items() if _is_service_link(variable, text))
    if links:
        log.debug("ignored what Kubernetes says of its services: %s", ", ".join(links))
    found: dict[str, object] = {}
    for variable in sorted(environment.keys() - links):
        name, text = variable.removeprefix(ENVIRONMENT_PREFIX).lower(), environment[variable]
        if name in _TABLES:
            found[name] = _table(variable, text)
        else:
            found[name] = tuple(filter(None, (part.strip() for part in text.split(",")))) if name in _LISTS else text
    return found


def _is_service_link(variable: str, text: str) -> bool:
    """Whether Kubernetes has set it for a Service whose name begins with `gatepass`, judged by name and value."""
    return any(name.fullmatch(variable) and value.fullmatch(text) for name, value in _SERVICE_LINKS)


def _with_secrets_from_files(values: dict[str, object], where: str) -> dict[str, object]:
    """Read each secret that is in a file, such as `smtp_password_file`."""
    found = dict(values)
    for name in IN_FILES:
        file = found.pop(f"{name}_file", None)
        if not file:  # what Compose passes for an unset variable
            continue
        if found.get(name):
            raise StartupError(f"Both {name} and {name}_file are set {where}.", "Set one of them.")
        text = _secret_in(file, f"{name}_file")
        found[name] = _table(f"{name}_file", text) if name in _TABLES else text
    return found


def _secret_in(file: object, setting: str) -> str:
    """The content of a file, without the final newline."""
    try:
        text = Path(str(file)).read_text(encoding=_UTF_8).rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise StartupError(
            f"Cannot read {file}, which `{setting}` names: {why}.",
            "Name a readable file that holds the secret on one line.",
        ) from error
    if not text:
        raise StartupError(f"{file}, which `{setting}` names, is empty.", "The file must hold the secret on one line.")
    return text


def _table(variable: str, text: str) -> dict[str, object]:
    try:
        return decode_object((text or "{}").encode(), _TABLE_DEPTH)
    except (MalformedError, UnicodeEncodeError) as error:
        raise StartupError(
            f"{variable} is not a JSON object.", 'Write an object such as {"google": {"client_id": "…"}}'
        ) from error


def _known(values: dict[str, object], where: str, *, spelled: Callable[[str], str] = str) -> dict[str, object]:
    """Return the values if there are such settings; `spelled` is how a name is written there."""
    for name in values:
        if name not in Settings.__struct_fields__:
            near = difflib.get_close_matches(name, _NAMES, n=1)
            hint = f"Did you mean {spelled(near[0])}?" if near else "`docs/reference/settings.md` lists them all."
            raise StartupError(f"Unknown setting {where}: {spelled(name)}.", hint)
    return values


def _variable(name: str) -> str:
    """The variable that a setting has in the environment."""
    return f"{ENVIRONMENT_PREFIX}{name.upper()}"
