"""`/account/factors`, `/account/totp`, `/account/recovery-codes`, `/account/passkeys` and `/account/devices`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.features.account.credentials import passkeys, totp
from gatepass.server.features.account.credentials.passkeys import PasskeyMade
from gatepass.server.features.account.credentials.recovery_codes import replace_recovery_codes
from gatepass.server.features.account.credentials.totp import TotpOffered
from gatepass.server.features.account.credentials.trusted_devices import forget_device
from gatepass.server.features.account.credentials.view import FactorsShown, read_credentials
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import CALLER, RECENT
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call


class CodeRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The current code of the authenticator app."""

    code: str


class TotpRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """Nothing, but for an operator's first factor the code that the command line printed."""

    enrollment_code: str = ""


class RecoveryCodesMade(Confidential, frozen=True):
    """New recovery codes, shown only once; empty if the user already has some."""

    recovery_codes: tuple[str, ...]


class CreationOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials.create` takes as `publicKey`, as JSON (`parseCreationOptionsFromJSON`)."""

    public_key: dict[str, Any]


class PasskeyRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `navigator.credentials.create` returned, as JSON, and the passkey's name."""

    credential: dict[str, Any]
    name: str = ""
    enrollment_code: str = ""


class RenameRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new name."""

    name: str


def routes(core: Core) -> tuple[Route, ...]:
    """The calls, by what they change: a flat list."""
    return (
        Route(
            method="GET",
            path="/account/factors",
            handler=partial(show, core),
            auth=CALLER,
            summary="List my second factors, passkeys and trusted devices",
            answers={200: FactorsShown},
        ),
        Route(
            method="POST",
            path="/account/totp",
            handler=partial(offer_totp, core),
            auth=RECENT,
            summary="Start setting up an authenticator app",
            body=TotpRequest,
            answers={201: TotpOffered},
            problems=("factor_exists", "enrollment_code_required"),
        ),
        Route(
            method="POST",
            path="/account/totp/confirm",
            handler=partial(confirm_totp, core),
            auth=RECENT,
            summary="Confirm the authenticator app with its first code",
            body=CodeRequest,
            answers={200: RecoveryCodesMade},
            problems=("invalid_code", "factor_not_found", "too_many_attempts"),
        ),
        Route(
            method="DELETE",
            path="/account/totp",
            handler=partial(remove_totp, core),
            auth=RECENT,
            summary="Remove the authenticator app",
            answers={204: None},
            problems=("factor_not_found", "password_too_short"),
        ),
        Route(
            method="POST",
            path="/account/recovery-codes",
            handler=partial(make_recovery_codes, core),
            auth=RECENT,
            summary="Create new recovery codes, which replace the old ones",
            answers={200: RecoveryCodesMade},
            problems=("factor_not_found",),
        ),
        Route(
            method="POST",
            path="/account/passkeys/options",
            handler=partial(offer_passkey, core),
            auth=RECENT,
            summary="Get options for creating a passkey",
            answers={200: CreationOptions},
            problems=("passkeys_unavailable",),
        ),
        Route(
            method="POST",
            path="/account/passkeys",
            handler=partial(add_passkey, core),
            auth=RECENT,
            summary="Add a passkey",
            body=PasskeyRequest,
            answers={201: PasskeyMade},
            problems=(
                "passkeys_unavailable",
                "invalid_passkey",
                "factor_exists",
                "too_many_passkeys",
                "enrollment_code_required",
            ),
        ),
        Route(
            method="PATCH",
            path="/account/passkeys/{id}",
            handler=partial(rename_passkey, core),
            auth=RECENT,
            summary="Rename a passkey",
            body=RenameRequest,
            answers={204: None},
            problems=("factor_not_found",),
        ),
        Route(
            method="DELETE",
            path="/account/passkeys/{id}",
            handler=partial(remove_passkey, core),
            auth=RECENT,
            summary="Remove a passkey",
            answers={204: None},
            problems=("factor_not_found", "password_too_short"),
        ),
        Route(
            method="DELETE",
            path="/account/devices/{id}",
            handler=partial(remove_device, core),
            auth=CALLER,
            summary="Remove a trusted device",
            answers={204: None},
            problems=("factor_not_found",),
        ),
    )


async def show(core: Core, call: Call, _body: None) -> Response:
    """Answer with all factors."""
    return JsonResponse(await read_credentials(core.database, call.caller.user.id))


async def offer_totp(core: Core, call: Call, body: TotpRequest) -> Response:
    """Answer with a new secret."""
    return JsonResponse(await totp.offer_totp(core, call.caller.user, body.enrollment_code), 201)


async def confirm_totp(core: Core, call: Call, body: CodeRequest) -> Response:
    """Confirm the secret."""
    return JsonResponse(RecoveryCodesMade(await totp.confirm_totp(core, call, body.code)))


async def remove_totp(core: Core, call: Call, _body: None) -> Response:
    """Remove the authenticator app."""
    await totp.remove_totp(core, call)
    return no_content()


async def make_recovery_codes(core: Core, call: Call, _body: None) -> Response:
    """Replace the recovery codes."""
    return JsonResponse(RecoveryCodesMade(await replace_recovery_codes(core, call)))


async def offer_passkey(core: Core, call: Call, _body: None) -> Response:
    """Answer with the options for a new passkey."""
    return JsonResponse(CreationOptions(await passkeys.creation_options(core, call.caller.user)))


async def add_passkey(core: Core, call: Call, body: PasskeyRequest) -> Response:
    """Add the passkey."""
    return JsonResponse(await passkeys.add_passkey(core, call, body.credential, body.name, body.enrollment_code), 201)


async def rename_passkey(core: Core, call: Call, body: RenameRequest) -> Response:
    """Rename the passkey."""
    await passkeys.rename_passkey(core, call.caller.user, call.path_params["id"], body.name)
    return no_content()


async def remove_passkey(core: Core, call: Call, _body: None) -> Response:
    """Remove the passkey."""
    await passkeys.remove_passkey(core, call, call.path_params["id"])
    return no_content()


async def remove_device(core: Core, call: Call, _body: None) -> Response:
    """Remove the device; this does not weaken the account, so any sign-in may do it."""
    await forget_device(core.database, call, call.path_params["id"])
    return no_content()
