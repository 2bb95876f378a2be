"""What an application's own claims may be called, where they come from, and what they may hold.

The settings are checked by it at the start, and what plugins return at each token: a claim with the name of one of
ours, `sub` say, or with that of one that a verifier reads, would say something that nobody has checked.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec

from gatepass.tokens.access_token import AccessToken, OtherAccessToken
from gatepass.tokens.id_token import IdToken
from gatepass.tokens.logout_token import LogoutToken

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_DEPTH = 8
_NAME = re.compile(r"[!-~]{1,128}")
_RESERVED_PREFIXES = ("org_", "gatepass", "_claim_")
_OF_OUR_TOKENS = frozenset(
    field for kind in (AccessToken, OtherAccessToken, IdToken, LogoutToken) for field in kind.__struct_fields__
)
_OF_PROTOCOLS = frozenset(
    {
        *("nbf", "act", "may_act", "permissions", "typ", "token_use", "token_type", "active", "username"),
        *("c_hash", "s_hash", "at_hash", "nonce", "events", "toe", "txn", "sub_id", "sub_jwk"),
        *("htm", "htu", "ath", "jkt", "authorization_details", "status_list", "ttl"),
    }
)
_OF_USERINFO = frozenset({"email", "email_verified"})
"""What ID tokens and UserInfo say by themselves, besides what access tokens do."""

_OF_THE_USER = ("id", "email", "email_verified", "name", "locale", "created_at")
_RIGHTS = ("roles", "permissions")
_OF_THE_ORGANIZATION = frozenset(f"organization.{name}" for name in ("id", "slug", "name", "roles", "permissions"))
_OF_THE_SIGN_IN = ("session.id", "session.auth_time", "session.acr", "session.amr", "client.id")


class ClaimMistake(Exception):
    """What is wrong with a claim, and what to write instead."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class ClaimSource(msgspec.Struct, frozen=True):
    """Where a claim comes from: a path such as `user.app_metadata.plan`, or without one a literal."""

    path: tuple[str, ...] = ()
    value: Any = None

    @property
    def is_of_user(self) -> bool:
        """Whether the account has to be read for it."""
        return self.path[:1] == ("user",) and self.path != ("user", "id")

    @property
    def is_of_organization(self) -> bool:
        """Whether the organization has to be read for it."""
        return self.path[:2] == ("organization", "metadata")


ClaimMap: TypeAlias = "Mapping[str, ClaimSource]"


class ClaimKind(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand in one kind of token."""

    paths: frozenset[str]
    metadata: tuple[str, ...]
    """What of the user's own documents: its members are named one by one."""
    reserved: frozenset[str]


_RESERVED = _OF_OUR_TOKENS | _OF_PROTOCOLS
_USER_PATHS = frozenset(f"user.{name}" for name in _OF_THE_USER)
FOR_ACCESS_TOKENS = ClaimKind(
    paths=_USER_PATHS | _OF_THE_ORGANIZATION | {*_RIGHTS, *_OF_THE_SIGN_IN},
    metadata=("app_metadata",),
    reserved=_RESERVED,
)
"""People edit `metadata`, and with it they could give themselves a plan or a role: it is not here."""
FOR_ID_TOKENS = ClaimKind(
    paths=_USER_PATHS | _OF_THE_ORGANIZATION | {*_RIGHTS},
    metadata=("app_metadata", "metadata"),
    reserved=_RESERVED | _OF_USERINFO,
)


def read_map(table: Mapping[str, object], kind: ClaimKind) -> ClaimMap:
    """Read a table of claims.

    Raises:
        ClaimMistake: one has a name that is taken, or comes from nowhere.
    """
    for name in table:
        check_name(name, kind.reserved)
    return {name: _read_source(name, source, kind) for name, source in table.items()}


def check_claims(claims: Mapping[str, object], kind: ClaimKind = FOR_ACCESS_TOKENS) -> None:
    """Check what a plugin returned.

    Raises:
        ClaimMistake: a name is taken, or a value cannot stand in a token.
    """
    for name, value in claims.items():
        check_name(name, kind.reserved)
        check_json(name, value)


def check_name(name: object, reserved: frozenset[str]) -> None:
    """Raises ClaimMistake where no claim of an application can be called so."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ClaimMistake(f"{name!r:.100} is not the name of a claim", "Use up to 128 characters of ASCII, no spaces.")
    if name in reserved or name.startswith(_RESERVED_PREFIXES):
        raise ClaimMistake(
            f"{name} is reserved", "Use another name: one that begins with your own URL meets nobody else's."
        )


def check_json(name: str, value: object, depth: int = MOST_DEPTH) -> None:
    """Raises ClaimMistake where a value is not JSON, or too deep."""
    if depth < 0:
        raise ClaimMistake(f"{name} is nested more than {MOST_DEPTH} deep", "Make it flatter.")
    match value:
        case None | bool():
            return
        case str():
            _check_text(name, value)
        case int() | float():
            _check_number(name, value)
        case list() | tuple():
            for each in cast("list[object]", value):
                check_json(name, each, depth - 1)
        case dict():
            for key, each in cast("dict[object, object]", value).items():
                _check_text(name, key)
                check_json(name, each, depth - 1)
        case _:
            raise ClaimMistake(
                f"{name} holds {type(value).__name__}, which is not JSON", "Use text, numbers, lists and objects."
            )


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise ClaimMistake(f"{name} has a member whose name is not text", "Use text.")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ClaimMistake(f"{name} holds text that is not Unicode", "Remove the surrogates.")


def _check_number(name: str, number: float) -> None:
    """RFC 8259 §6: what is the same number at every reader."""
    match number:
        case int() if abs(number) >= 2**53:
            raise ClaimMistake(f"{name} holds a number of more than 53 bits", "Write it as text.")
        case float() if not math.isfinite(number):
            raise ClaimMistake(f"{name} holds a number that JSON does not have", "Leave it out.")
        case _:
            return


def _read_source(name: str, source: object, kind: ClaimKind) -> ClaimSource:
    if isinstance(source, str):
        return _read_path(name, source, kind)
    members = cast("dict[str, object]", source) if isinstance(source, dict) else {}
    if members.keys() != {"value"}:
        raise ClaimMistake(
            f"{name} comes from nowhere", f'Write {name} = "user.email", or a literal: {name} = {{ value = "…" }}'
        )
    check_json(name, members["value"])
    return ClaimSource((), members["value"])


def _read_path(name: str, path: str, kind: ClaimKind) -> ClaimSource:
    parts = tuple(path.split("."))
    if path in kind.paths:
        return ClaimSource(parts)
    match parts:
        case ("user", document, *members) if document in kind.metadata and members and all(members):
            return ClaimSource(parts)
        case ("user", "metadata", *_):
            raise ClaimMistake(
                f"{name} comes from {path}, which people edit themselves",
                "Use user.app_metadata, which only operators change.",
            )
        case ("organization", "metadata", *members) if members and all(members):
            return ClaimSource(parts)
        case _:
            known = ", ".join(
                sorted((*kind.paths, *(f"user.{each}.NAME" for each in kind.metadata), "organization.metadata.NAME"))
            )
            raise ClaimMistake(f"{name} comes from {path}, which is unknown", f"What is known: {known}.")
