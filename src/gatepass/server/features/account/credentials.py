"""A person's second factors and passkeys: what there is, what is added and what is removed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.credentials.factor_proofs import totp_context
from gatepass.server.domain.credentials.passkeys.passkey import MAX_NAME_LENGTH, MOST_PER_PERSON, Passkey
from gatepass.server.domain.credentials.passkeys.relying_party import invalid_passkey
from gatepass.server.domain.credentials.recovery_codes import new_codes
from gatepass.server.domain.credentials.totp import TotpSecret, enrolment, new_secret, step_of
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import check_still, session_ended
from gatepass.server.domain.sessions.revoke import drop_factors
from gatepass.server.domain.sessions.session import TWO_FACTORS
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import CALLER, RECENT
from gatepass.server.web.pages import PageForm
from gatepass.server.web.parsing import parse_object
from gatepass.server.web.routing import Route, page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.factors import Factors
    from gatepass.server.domain.credentials.passkeys.relying_party import Json
    from gatepass.server.domain.credentials.trusted_devices import TrustedDevice
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call


class TotpShown(msgspec.Struct, frozen=True):
    """An authenticator application; `created_at` in seconds since 1970."""

    created_at: int


class PasskeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey; times in seconds since 1970. One that can be backed up may be on several devices."""

    id: str
    name: str
    created_at: int
    used_at: int | None
    can_be_backed_up: bool
    is_backed_up: bool


class DeviceShown(msgspec.Struct, frozen=True, kw_only=True):
    """A remembered device; times in seconds since 1970."""

    id: str
    address: str
    user_agent: str
    created_at: int
    expires_at: int


class FactorsShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the person has; of recovery codes the number that is left."""

    totp: TotpShown | None
    passkeys: tuple[PasskeyShown, ...]
    recovery_codes: int
    devices: tuple[DeviceShown, ...]


class TotpOffered(Confidential, frozen=True, kw_only=True):
    """What to tell an authenticator application: `uri` by the QR code, or `secret` by hand."""

    secret: str
    uri: str
    qr_svg: str


class CodeRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The code that the application shows."""

    code: str


class RecoveryCodesMade(Confidential, frozen=True):
    """Recovery codes, which are never shown again; none where the person has some."""

    recovery_codes: tuple[str, ...]


class CreationOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials.create` takes as `publicKey`, as JSON (`parseCreationOptionsFromJSON`)."""

    public_key: dict[str, Any]


class PasskeyRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `navigator.credentials.create` returned, as JSON, and what the person calls it."""

    credential: dict[str, Any]
    name: str = ""


class PasskeyMade(Confidential, frozen=True, kw_only=True):
    """The new passkey; recovery codes with the first factor."""

    id: str
    name: str
    recovery_codes: tuple[str, ...]


class RenameRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new name."""

    name: str


class TotpForm(PageForm, frozen=True, kw_only=True):
    """The code that the application shows."""

    code: str = ""


class PasskeyForm(PageForm, frozen=True, kw_only=True):
    """A new passkey, which the script fills in, and its name."""

    passkey: str = ""
    name: str = ""


class ThingForm(PageForm, frozen=True, kw_only=True):
    """The form beside a passkey or a device."""

    id: str = ""
    name: str = ""


class EmptyForm(PageForm, frozen=True, kw_only=True):
    """A form of one button."""


class CredentialChanges:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._proofs = core.proofs
        self._notices = core.notices
        self._data_key = core.data_key
        self._throttle = core.throttle
        self._pages = core.pages
        self._name = core.settings.site_name

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls and pages."""

        def call(method: str, path: str, handler: Any, summary: str, **more: Any) -> Route:  # noqa: ANN401
            return Route(method=method, path=path, handler=handler, auth=RECENT, summary=summary, **more)

        def form(path: str, handler: Any, fields: type[PageForm]) -> Route:  # noqa: ANN401
            return page_form(path, handler, fields, RECENT, show=self.show_page)

        return (
            Route(
                method="GET",
                path="/account/factors",
                handler=self.show,
                auth=CALLER,
                summary="My second factors, passkeys and remembered devices",
                answers={200: FactorsShown},
            ),
            call(
                "POST",
                "/account/totp",
                self.offer_totp,
                "Begin to set up an authenticator application",
                answers={201: TotpOffered},
                problems=("factor_exists",),
            ),
            call(
                "POST",
                "/account/totp/confirm",
                self.confirm_totp,
                "Set up the authenticator application with its first code",
                body=CodeRequest,
                answers={200: RecoveryCodesMade},
                problems=("invalid_code", "factor_not_found", "too_many_attempts"),
            ),
            call(
                "DELETE",
                "/account/totp",
                self.remove_totp,
                "Remove the authenticator application",
                answers={204: None},
                problems=("factor_not_found", "password_too_short"),
            ),
            call(
                "POST",
                "/account/recovery-codes",
                self.make_recovery_codes,
                "Make new recovery codes; the old ones are worth nothing any more",
                answers={200: RecoveryCodesMade},
                problems=("factor_not_found",),
            ),
            call(
                "POST",
                "/account/passkeys/options",
                self.offer_passkey,
                "What to ask a browser for to make a passkey",
                answers={200: CreationOptions},
                problems=("passkeys_unavailable",),
            ),
            call(
                "POST",
                "/account/passkeys",
                self.add_passkey,
                "Add a passkey",
                body=PasskeyRequest,
                answers={201: PasskeyMade},
                problems=("passkeys_unavailable", "invalid_passkey", "factor_exists", "too_many_passkeys"),
            ),
            call(
                "PATCH",
                "/account/passkeys/{id}",
                self.rename_passkey,
                "Rename a passkey",
                body=RenameRequest,
                answers={204: None},
                problems=("factor_not_found",),
            ),
            call(
                "DELETE",
                "/account/passkeys/{id}",
                self.remove_passkey,
                "Remove a passkey",
                answers={204: None},
                problems=("factor_not_found", "password_too_short"),
            ),
            Route(
                method="DELETE",
                path="/account/devices/{id}",
                handler=self.forget_device,
                auth=CALLER,
                summary="Forget a remembered device",
                answers={204: None},
                problems=("factor_not_found",),
            ),
            page("/pages/account/factors", self.show_page, RECENT),
            page("/pages/account/totp", self.show_totp, RECENT, show=self.show_page),
            page_form("/pages/account/totp", self.submit_totp, TotpForm, RECENT, show=self._show_totp_again),
            form("/pages/account/totp/remove", self.submit_totp_removal, EmptyForm),
            form("/pages/account/recovery-codes", self.submit_recovery_codes, EmptyForm),
            form("/pages/account/passkeys", self.submit_passkey, PasskeyForm),
            form("/pages/account/passkeys/rename", self.submit_name, ThingForm),
            form("/pages/account/passkeys/remove", self.submit_passkey_removal, ThingForm),
            form("/pages/account/devices/forget", self.submit_device, ThingForm),
        )

    # ── JSON ──

    async def show(self, call: Call, _body: None) -> Response:
        """Answer with all that there is."""
        user = call.caller.user
        return JsonResponse(await self._shown(user))

    async def offer_totp(self, call: Call, _body: None) -> Response:
        """Answer with a new secret, which opens nothing before it is confirmed."""
        user = call.caller.user
        return JsonResponse(await self._offer_totp(user), 201)

    async def confirm_totp(self, call: Call, body: CodeRequest) -> Response:
        """Confirm the secret."""
        caller = call.caller
        codes = await self._confirm_totp(call, caller.user, caller.session_id, body.code)
        return JsonResponse(RecoveryCodesMade(codes))

    async def remove_totp(self, call: Call, _body: None) -> Response:
        """Remove the application."""
        user = call.caller.user
        await self._remove_totp(call, user)
        return no_content()

    async def make_recovery_codes(self, call: Call, _body: None) -> Response:
        """Replace the recovery codes."""
        caller = call.caller
        codes = await self._make_recovery_codes(call, caller.user, caller.session_id)
        return JsonResponse(RecoveryCodesMade(codes))

    async def offer_passkey(self, call: Call, _body: None) -> Response:
        """Answer with the options for a new passkey."""
        user = call.caller.user
        return JsonResponse(CreationOptions(await self._options(user)))

    async def add_passkey(self, call: Call, body: PasskeyRequest) -> Response:
        """Add the passkey."""
        caller = call.caller
        made = await self._add_passkey(call, caller.user, caller.session_id, body.credential, body.name)
        return JsonResponse(made, 201)

    async def rename_passkey(self, call: Call, body: RenameRequest) -> Response:
        """Rename the passkey."""
        user = call.caller.user
        await self._rename(user, call.path_params["id"], body.name)
        return no_content()

    async def remove_passkey(self, call: Call, _body: None) -> Response:
        """Remove the passkey."""
        user = call.caller.user
        await self._remove_passkey(call, user, call.path_params["id"])
        return no_content()

    async def forget_device(self, call: Call, _body: None) -> Response:
        """Forget the device; this makes the account no weaker, so any sign-in will do."""
        user = call.caller.user
        await self._forget_device(call, user, call.path_params["id"])
        return no_content()

    # ── pages ──

    async def show_page(self, call: Call, _form: PageForm | None, error: GatepassError | None = None) -> Response:
        """Show all that there is, and forms."""
        user = call.caller.user
        shown = await self._shown(user)
        options = await self._options(user) if self._proofs.knows_passkeys else None
        return self._pages.page(
            call.request, "factors.html", error=error, factors=shown, options=options, scripted=options is not None
        )

    async def show_totp(self, call: Call, _body: None) -> Response:
        """Show a new secret as a QR code, and ask for its first code."""
        return self._totp_page(call, await self._offer_totp(call.caller.user))

    async def submit_totp(self, call: Call, form: TotpForm) -> Response:
        """Confirm the secret."""
        caller = call.caller
        codes = await self._confirm_totp(call, caller.user, caller.session_id, form.code)
        return self._codes_page(call, codes)

    async def _show_totp_again(self, call: Call, form: TotpForm, error: GatepassError) -> Response:
        """After a wrong code the same secret is shown again."""
        pending = await self._pending_totp(call.caller.user)
        if pending is None:
            return await self.show_page(call, form, error)
        return self._totp_page(call, pending, error)

    async def submit_totp_removal(self, call: Call, _form: EmptyForm) -> Response:
        """Remove the application."""
        await self._remove_totp(call, call.caller.user)
        return self._back()

    async def submit_recovery_codes(self, call: Call, _form: EmptyForm) -> Response:
        """Replace the recovery codes, and show them."""
        caller = call.caller
        codes = await self._make_recovery_codes(call, caller.user, caller.session_id)
        return self._codes_page(call, codes)

    async def submit_passkey(self, call: Call, form: PasskeyForm) -> Response:
        """Add the passkey."""
        caller = call.caller
        made = await self._add_passkey(call, caller.user, caller.session_id, parse_object(form.passkey), form.name)
        return self._codes_page(call, made.recovery_codes)

    async def submit_name(self, call: Call, form: ThingForm) -> Response:
        """Rename a passkey."""
        await self._rename(call.caller.user, form.id, form.name)
        return self._back()

    async def submit_passkey_removal(self, call: Call, form: ThingForm) -> Response:
        """Remove a passkey."""
        await self._remove_passkey(call, call.caller.user, form.id)
        return self._back()

    async def submit_device(self, call: Call, form: ThingForm) -> Response:
        """Forget a device."""
        await self._forget_device(call, call.caller.user, form.id)
        return self._back()

    def _totp_page(self, call: Call, offered: TotpOffered, error: GatepassError | None = None) -> Response:
        return self._pages.page(call.request, "totp.html", error=error, offered=offered)

    def _codes_page(self, call: Call, codes: tuple[str, ...]) -> Response:
        """Show recovery codes, if there are new ones."""
        return self._pages.page(call.request, "recovery_codes.html", codes=codes) if codes else self._back()

    def _back(self) -> Response:
        return self._pages.go_to(self._pages.path("account/factors"))

    # ── what both do ──

    async def _shown(self, user: User) -> FactorsShown:
        async def unit(tx: Transaction) -> tuple[TotpSecret | None, list[Passkey], Factors, list[TrustedDevice]]:
            return (
                await tx.totp.of(user.id),
                await tx.passkeys.of(user.id),
                await tx.factors.of(user.id),
                await tx.devices.of(user.id, tx.now),
            )

        totp, passkeys, counts, devices = await self._database.read(unit)
        is_set_up = totp is not None and totp.confirmed_at is not None
        return FactorsShown(
            totp=TotpShown(int(totp.created_at)) if totp is not None and is_set_up else None,
            passkeys=tuple(map(_passkey_shown, passkeys)),
            recovery_codes=counts.recovery_codes,
            devices=tuple(map(_device_shown, devices)),
        )

    async def _offer_totp(self, user: User) -> TotpOffered:
        secret = new_secret()
        sealed = self._data_key.seal(secret, totp_context(user.id))

        async def unit(tx: Transaction) -> Refusal | None:
            if await tx.totp.put(TotpSecret(user_id=user.id, sealed=sealed, last_step=0, created_at=tx.now)):
                return None
            return Refusal("factor_exists", "There is an authenticator application already; remove that one first.")

        await decide(self._database, unit)
        return self._offered(user, secret)

    async def _pending_totp(self, user: User) -> TotpOffered | None:
        async def unit(tx: Transaction) -> TotpSecret | None:
            return await tx.totp.of(user.id)

        found = await self._database.read(unit)
        if found is None or found.confirmed_at is not None:
            return None
        return self._offered(user, self._data_key.unseal(found.sealed, totp_context(user.id)))

    def _offered(self, user: User, secret: bytes) -> TotpOffered:
        told = enrolment(secret, account=user.email, issuer=self._name)
        return TotpOffered(secret=told.secret, uri=told.uri, qr_svg=_qr(told.uri))

    async def _confirm_totp(self, call: Call, user: User, session_id: str, code: str) -> tuple[str, ...]:
        """Take the application's first code: that proves it, so the session is one of two factors from now on."""
        where, language, codes = call.origin, call.language, new_codes()
        attempt = self._throttle.attempt("factor", user.id, where)

        async def unit(tx: Transaction) -> tuple[str, ...] | Refusal:
            session = await tx.sessions.live(session_id, tx.now)
            if session is None:
                return session_ended()
            if wait := await self._throttle.wait(tx, attempt):
                return too_many_attempts(wait)
            secret = await tx.totp.of(user.id)
            if secret is None or secret.confirmed_at is not None:
                return _not_found()
            step = step_of(self._data_key.unseal(secret.sealed, totp_context(user.id)), code, tx.now)
            if step is None:
                await self._throttle.failed(tx, attempt)
                return Refusal("invalid_code", "The code is not the one that the application shows now.")
            await self._throttle.succeeded(tx, attempt)
            at = tx.now
            await tx.totp.confirm(user.id, step, at)
            amr = tuple(dict.fromkeys((*session.amr, "otp", "mfa")))
            await tx.sessions.prove_again(session_id, acr=TWO_FACTORS, amr=amr, now=session.auth_time)
            return await self._added(tx, user, "totp", codes, at=at, call=call, language=language)

        return await decide(self._database, unit)

    async def _added(  # noqa: PLR0913 - all of it is told
        self,
        tx: Transaction,
        user: User,
        what: str,
        codes: tuple[str, ...],
        *,
        at: float,
        call: Call,
        language: str,
    ) -> tuple[str, ...]:
        """Record and tell what was added; with the first factor come recovery codes."""
        await record(tx, "factor_added", user.id, reason=what, where=call.origin)
        await self._notices.warn(tx, "factor_added", user, language=language, at=at)
        if (await tx.factors.of(user.id)).recovery_codes:
            return ()
        await tx.recovery_codes.replace(user.id, self._proofs.recovery_digests(user.id, codes))
        return codes

    @staticmethod
    async def _may_not_remove(tx: Transaction, user: User) -> Refusal | None:
        """The last factor stays while the password beside it is too short to stand alone."""
        factors = await tx.factors.of(user.id)
        if factors.passkeys + factors.totp > 1 or not await tx.passwords.is_short(user.id):
            return None
        return Refusal("password_too_short", "Alone this password would be too short: set a longer one first.")

    async def _removed(self, tx: Transaction, user: User, what: str, call: Call) -> None:
        """Record and tell what was removed; with the last factor go recovery codes and remembered devices."""
        await record(tx, "factor_removed", user.id, reason=what, where=call.origin)
        await self._notices.warn(tx, "factor_removed", user, language=call.language)
        if not (await tx.factors.of(user.id)).are_asked:
            await drop_factors(tx, user.id)

    async def _remove_totp(self, call: Call, user: User) -> None:
        async def unit(tx: Transaction) -> Refusal | None:
            if refused := await self._may_not_remove(tx, user):
                return refused
            if not await tx.totp.remove(user.id):
                return _not_found()
            await self._removed(tx, user, "totp", call)
            return None

        await decide(self._database, unit)

    async def _make_recovery_codes(self, call: Call, user: User, session_id: str) -> tuple[str, ...]:
        codes, where = new_codes(), call.origin

        async def unit(tx: Transaction) -> Refusal | None:
            if refused := await check_still(tx, user, session_id):
                return refused
            if not (await tx.factors.of(user.id)).are_asked:
                return Refusal("factor_not_found", "Recovery codes stand in for a second factor, and there is none.")
            await tx.recovery_codes.replace(user.id, self._proofs.recovery_digests(user.id, codes))
            await record(tx, "recovery_codes_made", user.id, where=where)
            return None

        await decide(self._database, unit)
        return codes

    async def _options(self, user: User) -> Json:
        return await self._proofs.creation_options("register", user.id, user_id=user.id, email=user.email)

    async def _add_passkey(self, call: Call, user: User, session_id: str, credential: Json, name: str) -> PasskeyMade:
        registered, answered = await self._proofs.register(credential, "register", user.id)
        codes, language = new_codes(), call.language

        async def unit(tx: Transaction) -> PasskeyMade | Refusal:
            if refused := await check_still(tx, user, session_id):
                return refused
            known = await tx.passkeys.of(user.id)
            if len(known) >= MOST_PER_PERSON:
                return Refusal("too_many_passkeys", f"A person has at most {MOST_PER_PERSON} passkeys.")
            if not await tx.used_once.use("passkey_challenge", answered.id, expires_at=answered.expires_at):
                return invalid_passkey()
            passkey = Passkey(
                id=new_id("psk"),
                user_id=user.id,
                name=_name(name) or f"Passkey {len(known) + 1}",
                created_at=tx.now,
                **msgspec.structs.asdict(registered),
            )
            if not await tx.passkeys.add(passkey):
                return Refusal("factor_exists", "This passkey is known already.")
            made = await self._added(tx, user, "passkey", codes, at=passkey.created_at, call=call, language=language)
            return PasskeyMade(id=passkey.id, name=passkey.name, recovery_codes=made)

        return await decide(self._database, unit)

    async def _rename(self, user: User, passkey_id: str, name: str) -> None:
        async def unit(tx: Transaction) -> Refusal | None:
            is_renamed = bool(_name(name)) and await tx.passkeys.rename(passkey_id, user.id, _name(name))
            return None if is_renamed else _not_found()

        await decide(self._database, unit)

    async def _remove_passkey(self, call: Call, user: User, passkey_id: str) -> None:
        async def unit(tx: Transaction) -> Refusal | None:
            if refused := await self._may_not_remove(tx, user):
                return refused
            if not await tx.passkeys.remove(passkey_id, user.id):
                return _not_found()
            await self._removed(tx, user, "passkey", call)
            return None

        await decide(self._database, unit)

    async def _forget_device(self, call: Call, user: User, device_id: str) -> None:
        async def unit(tx: Transaction) -> Refusal | None:
            if not await tx.devices.forget(device_id, user.id):
                return _not_found()
            await record(tx, "device_forgotten", user.id, where=call.origin)
            return None

        await decide(self._database, unit)


def _not_found() -> Refusal:
    return Refusal("factor_not_found", "You have nothing of this kind and id.")


def _name(text: str) -> str:
    """A name as it is kept: one line, not too long."""
    return " ".join(text.split())[:MAX_NAME_LENGTH]


def _qr(uri: str) -> str:
    """The QR code as an SVG element, black on white whatever the page's colours are."""
    import segno  # noqa: PLC0415 - seldom needed

    svg = io.BytesIO()
    segno.make(uri, micro=False).save(
        svg, kind="svg", xmldecl=False, svgns=True, scale=5, unit="px", dark="#000", light="#fff"
    )  # with a unit it has a viewBox, so that a page may show it larger or smaller
    return svg.getvalue().decode()


def _passkey_shown(passkey: Passkey) -> PasskeyShown:
    return PasskeyShown(
        id=passkey.id,
        name=passkey.name,
        created_at=int(passkey.created_at),
        used_at=None if passkey.used_at is None else int(passkey.used_at),
        can_be_backed_up=passkey.can_be_backed_up,
        is_backed_up=passkey.is_backed_up,
    )


def _device_shown(device: TrustedDevice) -> DeviceShown:
    return DeviceShown(
        id=device.id,
        address=device.address,
        user_agent=device.user_agent,
        created_at=int(device.created_at),
        expires_at=int(device.expires_at),
    )
