"""What an account says of a person besides their address: what they edit, and what only operators do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Protocol, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType  # noqa: TC002 - msgspec reads the annotations of a struct

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.custom_claims import ClaimMistake, check_json
from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MOST_BYTES = 16_384
"""Of each document, as JSON."""

PersonName = Annotated[str, Meta(max_length=200, description="What the person is called; empty for nothing.")]
Locale = Annotated[
    str,
    Meta(
        max_length=35,
        pattern=r"^([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*)?$",
        description="A language tag (BCP 47); or empty.",
    ),
]
Document = dict[str, Any]


class UserProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A person's profile. `metadata` is theirs; `app_metadata` only operators change."""

    name: str = ""
    locale: str = ""
    metadata: Document = {}
    app_metadata: Document = {}


class ProfileChanges(Confidential, frozen=True, kw_only=True):
    """What changes of a profile: documents by RFC 7396, so that null takes a member away."""

    name: PersonName | UnsetType = UNSET
    locale: Locale | UnsetType = UNSET
    metadata: Document | UnsetType | None = UNSET
    app_metadata: Document | UnsetType | None = UNSET

    def applied_to(self, profile: UserProfile) -> UserProfile | Refusal:
        """The profile after the changes; refused as `invalid_body` or `metadata_too_large`."""
        name = profile.name if self.name is UNSET else self.name.strip()
        if not name.isprintable():
            return Refusal("invalid_body", "A name is one line.")
        after = UserProfile(
            name=name,
            locale=profile.locale if self.locale is UNSET else self.locale,
            metadata=patched(profile.metadata, self.metadata),
            app_metadata=patched(profile.app_metadata, self.app_metadata),
        )
        return too_large("metadata", after.metadata) or too_large("app_metadata", after.app_metadata) or after


class Profiles(Protocol):
    """The store of profiles: every account has one."""

    async def of(self, user_id: str) -> UserProfile:
        """The profile; an empty one where there is no account."""
        ...

    async def put(self, user_id: str, profile: UserProfile) -> None:
        """Replace it."""
        ...


def changed_members(before: UserProfile, after: UserProfile) -> tuple[str, ...]:
    """The names of what differs."""
    return tuple(name for name in UserProfile.__struct_fields__ if getattr(before, name) != getattr(after, name))


def differ_at(paths: Collection[tuple[str, ...]], before: Document, after: Document) -> bool:
    """Whether two documents differ at one of the paths; the empty path is the whole."""
    return any(found_at(path, before) != found_at(path, after) for path in paths)


def found_at(path: tuple[str, ...], document: Document) -> object:
    """What is there, or None."""
    found: object = document
    for name in path:
        if not isinstance(found, dict):
            return None
        found = cast("dict[str, object]", found).get(name)
    return found


def patched(kept: Document, patch: Document | UnsetType | None) -> Document:
    """A document after a merge patch (RFC 7396); null empties it."""
    if patch is UNSET:
        return kept
    return {} if patch is None else _merged(kept, patch)


def too_large(name: str, document: Document) -> Refusal | None:
    """The refusal of a document that is too large or too deep to keep."""
    try:
        check_json(name, document)
    except ClaimMistake as mistake:
        return Refusal("metadata_too_large", f"{mistake.what}. {mistake.hint}")
    if len(msgspec.json.encode(document)) > MOST_BYTES:
        return Refusal("metadata_too_large", f"{name} has at most {MOST_BYTES} bytes, as JSON.")
    return None


def _merged(kept: object, patch: Mapping[str, object]) -> Document:
    """RFC 7396 §2. The depth is that of the request, which is bounded."""
    after: Document = dict(cast("Document", kept)) if isinstance(kept, dict) else {}
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, dict):
            after[name] = _merged(after.get(name), cast("Document", value))
        else:
            after[name] = value
    return after
