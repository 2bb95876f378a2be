"""What others find out about this issuer by asking for it: one document, put together of what each module says.

RFC 8414 and OpenID Connect Discovery 1.0 name two places for the same members, so the same octets lie at both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Metadata: TypeAlias = "Mapping[str, object]"
"""Members by name. One that is absent says that the server does not do it."""

METADATA_PATHS = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
RESOURCE_PATH = "/.well-known/oauth-protected-resource"


def joined(parts: Iterable[Metadata]) -> dict[str, object]:
    """One document of several parts. Lists that several name are joined; anything else is said by one of them."""
    document: dict[str, object] = {}
    for part in parts:
        for name, value in part.items():
            if name not in document:
                document[name] = value
                continue
            before = document[name]
            assert _is_list(before), name
            assert _is_list(value), name
            both = (*cast("Sequence[object]", before), *cast("Sequence[object]", value))
            document[name] = tuple(dict.fromkeys(both))
    return document


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def paths_of(well_known: str, issuer: str) -> tuple[str, ...]:
    """Where a document about the issuer lies: between its host and its path, and after its path.

    The first is as RFC 8414 §3.1 and RFC 9728 §3.1 say, the second as OpenID Connect Discovery §4. Clients try both,
    and a proxy may pass on what is below the issuer and nothing else. Without a path the two are one.
    """
    path = urlsplit(issuer).path
    return tuple(dict.fromkeys((well_known + path, path + well_known)))
