"""The pages of second factors, passkeys and trusted devices."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from gatepass.server.features.account.credentials.passkeys import (
    add_passkey,
    creation_options,
    remove_passkey,
    rename_passkey,
)
from gatepass.server.features.account.credentials.recovery_codes import replace_recovery_codes
from gatepass.server.features.account.credentials.totp import confirm_totp, offer_totp, pending_totp, remove_totp
from gatepass.server.features.account.credentials.trusted_devices import forget_device
from gatepass.server.features.account.credentials.view import read_credentials
from gatepass.server.web.auth.requirements import RECENT
from gatepass.server.web.pages import PageForm
from gatepass.server.web.parsing import parse_object
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.features.account.credentials.totp import TotpOffered
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


Submit: TypeAlias = "Callable[[Core, Call, Any], Awaitable[Response]]"
"""A handler of one kind of form."""


class TotpForm(PageForm, frozen=True, kw_only=True):
    """The current code of the authenticator app."""

    code: str = ""


class PasskeyForm(PageForm, frozen=True, kw_only=True):
    """A new passkey, which the script fills in, and its name."""

    passkey: str = ""
    name: str = ""
    enrollment_code: str = ""


class EnrollmentForm(PageForm, frozen=True, kw_only=True):
    """The code that an operator's first factor needs."""

    enrollment_code: str = ""


class CredentialForm(PageForm, frozen=True, kw_only=True):
    """The form beside a passkey or a device."""

    id: str = ""
    name: str = ""


class ButtonForm(PageForm, frozen=True, kw_only=True):
    """A form of one button."""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages and their forms; most forms are on the overview page."""
    everything = partial(show, core)

    def form(path: str, handler: Submit, fields: type[PageForm]) -> Route:
        return page_form(path, partial(handler, core), fields, RECENT, show=everything)

    return (
        page("/pages/account/factors", everything, RECENT),
        page("/pages/account/totp", partial(show_totp, core), RECENT, show=everything),
        page_form(
            "/pages/account/totp", partial(submit_totp, core), TotpForm, RECENT, show=partial(_show_totp_again, core)
        ),
        form("/pages/account/totp/start", start_totp, EnrollmentForm),
        form("/pages/account/totp/remove", submit_totp_removal, ButtonForm),
        form("/pages/account/recovery-codes", submit_recovery_codes, ButtonForm),
        form("/pages/account/passkeys", submit_passkey, PasskeyForm),
        form("/pages/account/passkeys/rename", submit_name, CredentialForm),
        form("/pages/account/passkeys/remove", submit_passkey_removal, CredentialForm),
        form("/pages/account/devices/forget", submit_device, CredentialForm),
    )


async def show(core: Core, call: Call, _form: PageForm | None, error: GatepassError | None = None) -> Response:
    """Show all factors, with forms."""
    user = call.caller.user
    options = await creation_options(core, user) if core.proofs.knows_passkeys else None
    return core.pages.page(
        call.request,
        "factors.html",
        error=error,
        factors=await read_credentials(core.database, user.id),
        options=options,
        scripted=options is not None,
    )


async def show_totp(core: Core, call: Call, _body: None) -> Response:
    """Show a new secret as a QR code, and ask for its first code."""
    return _totp_page(core, call, await offer_totp(core, call.caller.user))


async def start_totp(core: Core, call: Call, form: EnrollmentForm) -> Response:
    """Show a new secret to an operator who has the code for it."""
    return _totp_page(core, call, await offer_totp(core, call.caller.user, form.enrollment_code))


async def submit_totp(core: Core, call: Call, form: TotpForm) -> Response:
    """Confirm the secret."""
    return _codes_page(core, call, await confirm_totp(core, call, form.code))


async def _show_totp_again(core: Core, call: Call, form: TotpForm, error: GatepassError) -> Response:
    """Show the same secret again after a wrong code."""
    pending = await pending_totp(core, call.caller.user)
    if pending is None:
        return await show(core, call, form, error)
    return _totp_page(core, call, pending, error)


async def submit_totp_removal(core: Core, call: Call, _form: ButtonForm) -> Response:
    """Remove the authenticator app."""
    await remove_totp(core, call)
    return _go_back(core)


async def submit_recovery_codes(core: Core, call: Call, _form: ButtonForm) -> Response:
    """Replace the recovery codes, and show them."""
    return _codes_page(core, call, await replace_recovery_codes(core, call))


async def submit_passkey(core: Core, call: Call, form: PasskeyForm) -> Response:
    """Add the passkey."""
    made = await add_passkey(core, call, parse_object(form.passkey), form.name, form.enrollment_code)
    return _codes_page(core, call, made.recovery_codes)


async def submit_name(core: Core, call: Call, form: CredentialForm) -> Response:
    """Rename a passkey."""
    await rename_passkey(core, call.caller.user, form.id, form.name)
    return _go_back(core)


async def submit_passkey_removal(core: Core, call: Call, form: CredentialForm) -> Response:
    """Remove a passkey."""
    await remove_passkey(core, call, form.id)
    return _go_back(core)


async def submit_device(core: Core, call: Call, form: CredentialForm) -> Response:
    """Remove a trusted device."""
    await forget_device(core.database, call, form.id)
    return _go_back(core)


def _totp_page(core: Core, call: Call, offered: TotpOffered, error: GatepassError | None = None) -> Response:
    return core.pages.page(call.request, "totp.html", error=error, offered=offered)


def _codes_page(core: Core, call: Call, codes: tuple[str, ...]) -> Response:
    """Show recovery codes, if there are new ones."""
    return core.pages.page(call.request, "recovery_codes.html", codes=codes) if codes else _go_back(core)


def _go_back(core: Core) -> Response:
    return core.pages.go_to(core.pages.path("account/factors"))
