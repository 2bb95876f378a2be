"""Claims of the application in tokens: `[claims]`, `[id_claims]` and `[apis.NAME.claims]`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gatepass.server.base.custom_claims import FOR_ACCESS_TOKENS, FOR_ID_TOKENS, ClaimMap, ClaimMistake, read_map
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.roles import RoleSection
from gatepass.server.base.settings.tokens import NAME, is_own_scope


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What tokens for one API say."""

    claims: Annotated[
        dict[str, Any], Meta(description="Claims of access tokens that are for this API, besides `[claims]`.")
    ] = msgspec.field(default_factory=dict[str, Any])
    claims_scope: Annotated[
        str,
        Meta(
            description="A scope with which tokens of other applications have these claims too. Empty: only first-party tokens have them."
        ),
    ] = ""


class ClaimSection(RoleSection, frozen=True, kw_only=True):
    """The claims."""

    claims: Annotated[
        dict[str, Any],
        Meta(
            description='Claims of first-party access tokens, as a table `[claims]`: `plan = "user.app_metadata.plan"`, or `region = { value = "eu" }`; JSON in the environment.'
        ),
    ] = msgspec.field(default_factory=dict[str, Any])
    id_claims: Annotated[
        dict[str, Any],
        Meta(
            description="Claims of ID tokens and UserInfo, as a table `[id_claims]`: each where the client has the scope that tells it."
        ),
    ] = msgspec.field(default_factory=dict[str, Any])
    apis: Annotated[
        dict[str, ApiSettings],
        Meta(
            description='What tokens for an API say besides, each a table by its audience: `[apis."https://api.example.com".claims]`.'
        ),
    ] = msgspec.field(default_factory=dict[str, ApiSettings])

    @property
    def claim_maps(self) -> dict[str, ClaimMap]:
        """The claims of access tokens by the setting that names them."""
        maps = {"claims": read_map(self.claims, FOR_ACCESS_TOKENS)}
        return maps | {
            f"apis.{audience}.claims": read_map(api.claims, FOR_ACCESS_TOKENS) for audience, api in self.apis.items()
        }

    @property
    def id_claim_map(self) -> ClaimMap:
        """Those of ID tokens and UserInfo."""
        return read_map(self.id_claims, FOR_ID_TOKENS)

    def check(self) -> None:
        """Names are free, and paths lead somewhere."""
        super().check()
        tables = {"claims": (self.claims, FOR_ACCESS_TOKENS), "id_claims": (self.id_claims, FOR_ID_TOKENS)}
        tables |= {f"apis.{audience}.claims": (api.claims, FOR_ACCESS_TOKENS) for audience, api in self.apis.items()}
        for setting, (table, kind) in tables.items():
            try:
                read_map(table, kind)
            except ClaimMistake as mistake:
                raise StartupError(f"`{setting}` has a mistake: {mistake.what}.", mistake.hint) from None
        self._check_apis()

    def _check_apis(self) -> None:
        seen = dict.fromkeys(self.claims, "claims")
        for audience, api in self.apis.items():
            where = f"apis.{audience}"
            if not NAME.fullmatch(audience):
                raise StartupError(
                    f"`{where}` is not an audience.", 'Name the API\'s: [apis."https://api.example.com"]'
                )
            if api.claims_scope and (not NAME.fullmatch(api.claims_scope) or is_own_scope(api.claims_scope)):
                raise StartupError(f"`{where}.claims_scope` is not a scope.", "Name one scope of the API.")
            for name in api.claims:
                # A token can be for several APIs, and has each claim once.
                if seen.setdefault(name, where) != where and api.claims[name] != self._first(name):
                    raise StartupError(
                        f"`{where}.claims` and `{seen[name]}` mean different things by {name}.",
                        "Give one of them another name, such as https://example.com/name.",
                    )

    def _first(self, name: str) -> object:
        tables = (self.claims, *(api.claims for api in self.apis.values()))
        return next(table[name] for table in tables if name in table)
