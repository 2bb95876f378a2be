"""`/admin/keys`: the server's signing keys."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations of a struct
from functools import partial
from typing import TYPE_CHECKING, Literal

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.keys.rotation import compromise, pace_of, rotate, stored_keys
from gatepass.server.domain.keys.schedule import kept_until, state_of
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import OPERATOR_READ, OPERATOR_WRITE
from gatepass.server.web.paging import rfc3339
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.keys.schedule import StoredKey
    from gatepass.server.web.call import Call


class KeyResource(msgspec.Struct, frozen=True, kw_only=True):
    """A key: what it is for, whether it signs, waits, or only verifies, and since and until when."""

    kid: str
    alg: str
    use: str
    state: str
    created_at: datetime
    signs_from: datetime
    retired_at: datetime | None
    dropped_at: datetime | None


class KeyList(msgspec.Struct, frozen=True):
    """Every key, newest first."""

    keys: tuple[KeyResource, ...]


class KeyRotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to rotate; `now` does not wait until every verifier can know the new key."""

    use: Literal["sig", "id_token"] = "sig"
    now: bool = False


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="GET",
            path="/admin/keys",
            handler=partial(list_keys, core),
            auth=OPERATOR_READ,
            summary="List the signing keys",
            answers={200: KeyList},
        ),
        Route(
            method="POST",
            path="/admin/keys/rotate",
            handler=partial(rotate_key, core),
            auth=OPERATOR_WRITE,
            summary="Add a signing key, which is published now and signs once every verifier can know it",
            body=KeyRotation,
            answers={200: KeyList},
            problems=("key_not_found",),
        ),
        Route(
            method="POST",
            path="/admin/keys/{kid}/compromise",
            handler=partial(compromise_key, core),
            auth=OPERATOR_WRITE,
            summary="Withdraw a key that may be stolen: within a second its tokens are refused",
            answers={200: KeyList},
            problems=("key_not_found",),
        ),
    )


async def list_keys(core: Core, _call: Call, _body: None) -> Response:
    """Answer with all of them."""
    return await _answer(core)


async def rotate_key(core: Core, call: Call, body: KeyRotation) -> Response:
    """Rotate, and take over the new key."""
    if body.use == "id_token" and not any(key.use == "id_token" for key in await stored_keys(core.database)):
        raise _not_found()
    pace = pace_of(core.settings)
    await rotate(core.database, core.data_key, pace, at_once=body.now, use=body.use, actor=call.operator.id)
    return await _answer(core)


async def compromise_key(core: Core, call: Call, _body: None) -> Response:
    """Withdraw one, and publish that."""
    signing = await compromise(core.database, core.data_key, call.path_params["kid"], actor=call.operator.id)
    if signing is None:
        raise _not_found()
    return await _answer(core)


async def _answer(core: Core) -> Response:
    await core.replica.catch_up()
    stored = await stored_keys(core.database)
    shown = [key for key in reversed(stored) if key.use != "refresh"]
    return JsonResponse(KeyList(tuple(_resource(key, stored) for key in shown)))


def _resource(key: StoredKey, stored: Sequence[StoredKey]) -> KeyResource:
    return KeyResource(
        kid=key.kid,
        alg=key.alg,
        use=key.use,
        state=state_of(key, list(stored)),
        created_at=rfc3339(key.created_at),
        signs_from=rfc3339(key.signs_from),
        retired_at=None if key.retired_at is None else rfc3339(key.retired_at),
        dropped_at=None if key.retired_at is None else rfc3339(kept_until(key)),
    )


def _not_found() -> Refusal:
    return Refusal("key_not_found", "There is no such key.")
