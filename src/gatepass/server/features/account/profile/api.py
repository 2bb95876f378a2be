"""`/account/email`, `/account/password`, `/account/export` and `DELETE /account`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType  # noqa: TC002 - msgspec reads the annotations of a struct

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.accounts.export import Exported
from gatepass.server.domain.accounts.profile import (
    Locale,  # noqa: TC001 - msgspec reads the annotations of a struct
    PersonName,  # noqa: TC001 - msgspec reads the annotations of a struct
    ProfileChanges,
)
from gatepass.server.domain.accounts.registration import PASSWORD_PROBLEMS
from gatepass.server.features.account.overview.api import Me, me_of
from gatepass.server.features.account.profile.change_email import confirm_address, send_link
from gatepass.server.features.account.profile.change_password import set_password
from gatepass.server.features.account.profile.change_profile import change_profile
from gatepass.server.features.account.profile.delete_account import delete_account
from gatepass.server.features.account.profile.export import export
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import CALLER, RECENT
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call


class ChangeEmailRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The new address."""

    email: str


class EmailAsked(msgspec.Struct, frozen=True):
    """An email was sent to the new address."""

    email: str


class ConfirmEmailRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The token of the email's link."""

    token: str


class ChangePasswordRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The new password."""

    password: str


class ProfileRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of my profile; `metadata` by RFC 7396, so that null takes a member away."""

    name: PersonName | UnsetType = UNSET
    locale: Locale | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET


def routes(core: Core) -> tuple[Route, ...]:
    """The calls: a flat list."""
    return (
        Route(
            method="PATCH",
            path="/account",
            handler=partial(patch_profile, core),
            auth=CALLER,
            summary="Change my name, language or metadata",
            body=ProfileRequest,
            answers={200: Me},
            problems=("metadata_too_large",),
        ),
        Route(
            method="POST",
            path="/account/email",
            handler=partial(change_email, core),
            auth=RECENT,
            summary="Request a change or verification of my email address",
            body=ChangeEmailRequest,
            answers={202: EmailAsked},
            problems=(
                "invalid_email",
                "email_domain_not_allowed",
                "signup_denied",
                "hook_unavailable",
                "too_many_attempts",
                "mail_not_configured",
            ),
        ),
        Route(
            method="POST",
            path="/account/email/confirm",
            handler=partial(confirm_email, core),
            auth=CALLER,
            summary="Confirm an email address with the token of the email",
            body=ConfirmEmailRequest,
            answers={204: None},
            problems=("invalid_code", "signup_denied", "hook_unavailable"),
        ),
        Route(
            method="POST",
            path="/account/password",
            handler=partial(change_password, core),
            auth=RECENT,
            summary="Change the password, and end all other sessions",
            body=ChangePasswordRequest,
            answers={204: None},
            problems=PASSWORD_PROBLEMS,
        ),
        Route(
            method="GET",
            path="/account/export",
            handler=partial(show_export, core),
            auth=RECENT,
            summary="Export all data about me",
            answers={200: Exported},
        ),
        Route(
            method="DELETE",
            path="/account",
            handler=partial(delete, core),
            auth=RECENT,
            summary="Delete my account",
            answers={204: None},
        ),
    )


async def patch_profile(core: Core, call: Call, body: ProfileRequest) -> Response:
    """Change the profile, and answer with the account."""
    changes = ProfileChanges(name=body.name, locale=body.locale, metadata=body.metadata)
    return JsonResponse(me_of(call.caller.user, await change_profile(core.database, call, changes)))


async def change_email(core: Core, call: Call, body: ChangeEmailRequest) -> Response:
    """Send a link to the new address; nothing changes before it is used."""
    return JsonResponse(EmailAsked(await send_link(core, call, body.email)), 202)


async def confirm_email(core: Core, call: Call, body: ConfirmEmailRequest) -> Response:
    """Change the address."""
    await confirm_address(core, call, body.token)
    return no_content()


async def change_password(core: Core, call: Call, body: ChangePasswordRequest) -> Response:
    """Change the password."""
    await set_password(core, call, body.password)
    return no_content()


async def show_export(core: Core, call: Call, _body: None) -> Response:
    """Answer with all data about the user."""
    return JsonResponse(await export(core.database, call))


async def delete(core: Core, call: Call, _body: None) -> Response:
    """Delete the account."""
    await delete_account(core, call)
    return no_content()
