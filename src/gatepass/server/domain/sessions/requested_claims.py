"""What a client may be told about a person: by the scopes it was given, and the claims it asked for one by one.

OpenID Connect Core 1.0 §5.4 and §5.5. What we do not keep of anybody is left out, and never written as null or "".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from gatepass.jose import strict_json
from gatepass.jose.errors import MalformedError
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import application_roles

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gatepass.server.domain.accounts.user import User

MOST_BYTES = 4_096
"""Of the parameter: it is kept with the grant."""
_DEPTH = 6
"""The document, the place, the claim, its `values`, and an address among them."""

CLAIMS_OF_SCOPES: Mapping[str, tuple[str, ...]] = {
    "profile": (
        "name",
        "family_name",
        "given_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
    "roles": ("roles",),
}
"""§5.4, and a scope of ours."""

KEPT_CLAIMS = ("email", "email_verified", "roles")
"""What there is to tell about people, besides who they are and how they signed in."""


class RequestedClaim(msgspec.Struct, frozen=True, kw_only=True):
    """§5.5.1: how a claim is asked for."""

    essential: bool = False
    values: tuple[Any, ...] | None = None
    """What it may be; None where anything will do."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Those of the values that a claim of text could have."""
        return tuple(value for value in self.values or () if isinstance(value, str))

    def takes(self, value: object) -> bool:
        """Whether this value is asked for."""
        return self.values is None or value in self.values


class RequestedClaims(msgspec.Struct, frozen=True, kw_only=True):
    """The parameter `claims` (§5.5)."""

    userinfo: dict[str, RequestedClaim] = {}
    id_token: dict[str, RequestedClaim] = {}

    @property
    def subjects(self) -> tuple[str, ...] | None:
        """Who may sign in, as the client knows them; None where anybody may (§5.5.1)."""
        asked = [each["sub"] for each in (self.id_token, self.userinfo) if "sub" in each]
        named = [set(each.texts) for each in asked if each.values is not None]
        return tuple(sorted(named[0].intersection(*named))) if named else None

    @property
    def essential_acr(self) -> tuple[str, ...] | None:
        """The authentication contexts of which one must be met (§5.5.1.1); None where any will do."""
        acr = self.id_token.get("acr")
        return acr.texts if acr is not None and acr.essential and acr.values is not None else None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that tell the same. Whoever is asked for their consent is asked for these."""
        names = {*self.userinfo, *self.id_token} & set(KEPT_CLAIMS)
        return tuple(scope for scope, claims in CLAIMS_OF_SCOPES.items() if names.intersection(claims))


NO_CLAIMS = RequestedClaims()


def read_claims(text: str) -> RequestedClaims:
    """Read the parameter, or what was kept of it; the empty text stands for none.

    Members that nobody knows are ignored (§5.5), and so are claims in a language (`name#de`).

    Raises:
        Refusal: `invalid_request`.
    """
    if not text:
        return NO_CLAIMS
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise Refusal("invalid_request", f"The parameter claims has at most {MOST_BYTES} bytes.")
    try:
        document = strict_json.decode_object(text.encode(), _DEPTH)
    except (MalformedError, UnicodeEncodeError):
        raise Refusal("invalid_request", "The parameter claims is a JSON object.") from None
    return RequestedClaims(userinfo=_read_place(document, "userinfo"), id_token=_read_place(document, "id_token"))


def limited_to(scope: Collection[str], text: str) -> str:
    """The parameter without the claims about people that these scopes do not tell. Raises as `read_claims`."""
    if not text:
        return text
    withheld = set(KEPT_CLAIMS) - claims_of(scope)
    document = strict_json.decode_object(text.encode(), _DEPTH)
    for place in ("userinfo", "id_token"):
        for name in withheld & set(document.get(place) or ()):
            del document[place][name]
    return msgspec.json.encode(document).decode()


def _read_place(document: Mapping[str, Any], place: str) -> dict[str, RequestedClaim]:
    members = document.get(place)
    if members is None:
        return {}
    if not isinstance(members, dict):
        raise Refusal("invalid_request", f"In the parameter claims, {place} is an object or null.")
    asked = cast("dict[str, object]", members)
    return {name: _read_claim(how) for name, how in asked.items() if "#" not in name}


class _Asked(msgspec.Struct, frozen=True):
    essential: bool = False
    value: Any = msgspec.UNSET
    values: tuple[Any, ...] | msgspec.UnsetType = msgspec.UNSET


def _read_claim(how: object) -> RequestedClaim:
    try:
        asked = msgspec.convert({} if how is None else how, _Asked)
    except msgspec.ValidationError:
        raise Refusal(
            "invalid_request",
            "In the parameter claims, each is asked for by essential, value and values, or null.",
        ) from None
    one = () if asked.value is msgspec.UNSET else (asked.value,)
    several = () if asked.values is msgspec.UNSET else asked.values
    is_any = asked.value is msgspec.UNSET and asked.values is msgspec.UNSET
    return RequestedClaim(essential=asked.essential, values=None if is_any else (*one, *several))


def claims_of(scopes: Collection[str]) -> frozenset[str]:
    """The claims that scopes open (§5.4)."""
    return frozenset(name for scope in scopes for name in CLAIMS_OF_SCOPES.get(scope, ()))


def allowed_by(client_scope: Collection[str], asked: Mapping[str, RequestedClaim]) -> dict[str, RequestedClaim]:
    """Those of the claims that the client could have by one of its scopes: asking by name opens no more than these."""
    open_to_client = claims_of(client_scope)
    return {name: how for name, how in asked.items() if name in open_to_client}


def released(user: User, names: Collection[str], asked: Mapping[str, RequestedClaim]) -> dict[str, object]:
    """What is told about a person: of these claims and those that were asked for, what we keep, as it was asked for."""
    return {
        name: value
        for name, value in _kept(user).items()
        if (name in names or name in asked) and (name not in asked or asked[name].takes(value))
    }


def _kept(user: User) -> dict[str, object]:
    kept: dict[str, object] = {"email": user.email, "email_verified": user.email_verified_at is not None}
    roles = application_roles(user.roles)
    return kept | {"roles": list(roles)} if roles else kept
