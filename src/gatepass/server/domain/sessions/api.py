"""APIs: what tokens can be for (resource indicators, RFC 8707), and what each can be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.tokens import NAME, is_own_scope
from gatepass.server.domain.sessions.client import Client  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction


class ApiScope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A scope of an API; `text` is what people read when they are asked for it."""

    name: str
    text: str = ""


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """An API. `created_at` in seconds since 1970.

    Attributes:
        audience: What stands in `aud` of its tokens: its URL, or any name.
        name: What people read.
        scopes: What it can be asked for.
        is_public: Whether clients that have registered themselves may ask for tokens for it.
        created_at: When it was added.
    """

    audience: str
    name: str
    scopes: tuple[ApiScope, ...]
    is_public: bool
    created_at: float

    @property
    def scope(self) -> tuple[str, ...]:
        """The names of its scopes."""
        return tuple(each.name for each in self.scopes)


class Apis(Protocol):
    """Where APIs are kept."""

    async def put(self, api: Api) -> None:
        """Keep an API, in the place of the one of the same audience."""
        ...

    async def all(self) -> list[Api]:
        """Every API, by audience."""
        ...

    async def remove(self, audience: str) -> bool:
        """Remove one; False when there is none."""
        ...


def check_api(api: Api) -> None:
    """Refuse an API that no token can be for.

    Raises:
        Refusal: `invalid_audience`, `invalid_scope` or `invalid_body`.
    """
    if not NAME.fullmatch(api.audience) or "#" in api.audience:
        raise Refusal(
            "invalid_audience", f"An audience is one word of ASCII, without quotes or #: not {api.audience!r}."
        )
    for scope in api.scope:
        if not NAME.fullmatch(scope) or is_own_scope(scope):
            raise Refusal("invalid_scope", f"An API cannot have the scope {scope!r}.")
    if not api.name.isprintable() or any(not each.text.isprintable() for each in api.scopes):
        raise Refusal("invalid_body", "Names and texts are one line each.")


async def client_today(tx: Transaction, client_id: str) -> Client | None:
    """A client as the store has it at this moment, with all that it may ask for."""
    client = await tx.clients.by_id(client_id)
    if client is None or not client.is_self_registered:
        return client
    return with_public_apis(client, await tx.apis.all())


def with_public_apis(client: Client, apis: list[Api]) -> Client:
    """What a client that has registered itself may ask for: every API that is open to anyone, as it is today."""
    public = [api for api in apis if api.is_public]
    if not client.is_self_registered or not public:
        return client
    audience = dict.fromkeys((*client.audience, *(api.audience for api in public)))
    scope = dict.fromkeys((*client.scope, *(each for api in public for each in api.scope)))
    return msgspec.structs.replace(client, audience=tuple(audience), scope=tuple(scope))
