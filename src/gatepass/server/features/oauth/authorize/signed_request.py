"""The parameters of a request that its client has signed (RFC 9101, by value; OpenID Connect Core §6.1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.jose import jwt
from gatepass.jose.errors import JoseError
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.limits.used_once import use_name
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions import fapi
from gatepass.server.features.oauth.authorize.parameters import Parameters
from gatepass.tokens import request_object

if TYPE_CHECKING:
    from gatepass.jose import KeySet
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.tokens.request_object import RequestObject


async def signed_parameters(core: Core, client: Client, parameters: Parameters) -> Parameters:
    """What counts of a request: what its client has signed where there is a `request`, and nothing beside it (§6.3).

    Raises:
        Refusal: `invalid_request_object`.
    """
    if "request" in parameters.repeated:
        raise _refused("There is more than one.")
    token = parameters.get("request")
    if not token:
        return parameters
    now = core.clock()
    try:
        _check_algorithm(client, token)
        signed = await core.client_keys.check(
            client, partial(_checked, token, client_id=client.id, issuer=core.settings.issuer_url, now=now), now=now
        )
    except JoseError as error:
        raise _refused(f"It is refused: {error.code}.") from error
    if not signed.is_dated and not fapi.may_be_undated(client):
        raise _refused("It has to say since when it counts (nbf).")
    await _use_up(core, client, signed)
    return Parameters.of(signed.parameters, is_signed=True)


def _check_algorithm(client: Client, token: str) -> None:
    """RFC 9101 §10.5, RFC 7591 §2: the algorithm that the client has registered, if it has; never none."""
    if len(token) > request_object.MAX_LENGTH:
        raise _refused(f"It has at most {request_object.MAX_LENGTH} characters.")
    alg = jwt.peek(token).headers.get("alg")
    if client.metadata.request_object_signing_alg not in ("", alg) or not fapi.may_sign(client, alg):
        raise _refused("It is signed by another algorithm than the client has registered.")


def _checked(token: str, keys: KeySet, *, client_id: str, issuer: str, now: float) -> RequestObject:
    return request_object.check(token, keys, client_id=client_id, issuer=issuer, now=now)


async def _use_up(core: Core, client: Client, signed: RequestObject) -> None:
    """One with a name is good once: whoever sees it on its way cannot send another browser with it."""
    jti = signed.jti
    if jti is None:
        return

    async def unit(tx: Transaction) -> Refusal | None:
        is_first = await use_name(tx, "request_object", client.id, jti, expires_at=signed.expires_at)
        return None if is_first else _refused("It was sent before.")

    await decide(core.database, unit, is_lone_statement=True)


def _refused(why: str) -> Refusal:
    return Refusal("invalid_request_object", f"The request object is not valid. {why}")
