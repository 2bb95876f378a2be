"""The two ceremonies of a passkey, from our side (§7.1, §7.2): what a browser is asked, and what is made of its answer.

The person is verified by the authenticator every time (a PIN, a finger), so a passkey is two factors by itself.
Everything here is computed; what was asked and answered before is the caller's to know.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    from gatepass.server.domain.credentials.passkeys.passkey import Passkey

Json: TypeAlias = dict[str, Any]

TIMEOUT_SECONDS = 300


class RegisteredPasskey(msgspec.Struct, frozen=True, kw_only=True):
    """A new credential."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    can_be_backed_up: bool
    is_backed_up: bool
    aaguid: str
    transports: tuple[str, ...]


class Asserted(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that was used; whether its counter may be what it is now, the store knows."""

    sign_count: int
    is_backed_up: bool


class RelyingParty:
    """Us, as authenticators know us.

    Args:
        rp_id: the host that credentials are for.
        origins: whose pages may ask for them.
        name: what people read.
    """

    def __init__(self, *, rp_id: str, origins: Sequence[str], name: str) -> None:
        self._id = rp_id
        self.is_possible = not _is_address(rp_id)
        """Whether browsers make passkeys for us: they do for names only (WebAuthn §5.1.2, an RP ID is a domain)."""
        self._origins = list(origins)
        self._name = name

    def require(self) -> None:
        """Refuse where there can be no passkeys.

        Raises:
            Refusal: `passkeys_unavailable`.
        """
        if not self.is_possible:
            raise Refusal("passkeys_unavailable", "The issuer is an IP address, and passkeys are for names only.")

    # ── what a browser is asked ──

    def creation_options(self, challenge: bytes, *, user_id: str, email: str, known: Sequence[Passkey] = ()) -> Json:
        """Options for `navigator.credentials.create`: a credential that signs in without a name, on a new device."""
        import webauthn  # noqa: PLC0415 - takes 160 ms
        from webauthn.helpers import structs  # noqa: PLC0415

        options = webauthn.generate_registration_options(
            rp_id=self._id,
            rp_name=self._name,
            user_id=user_id.encode(),
            user_name=email,
            user_display_name=email,
            challenge=challenge,
            timeout=TIMEOUT_SECONDS * 1_000,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors(known),
        )
        return _plain(webauthn.options_to_json(options))

    def request_options(self, challenge: bytes, *, allowed: Sequence[Passkey] = ()) -> Json:
        """Options for `navigator.credentials.get`: one of these credentials, else any."""
        import webauthn  # noqa: PLC0415
        from webauthn.helpers import structs  # noqa: PLC0415

        options = webauthn.generate_authentication_options(
            rp_id=self._id,
            challenge=challenge,
            timeout=TIMEOUT_SECONDS * 1_000,
            allow_credentials=_descriptors(allowed),
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return _plain(webauthn.options_to_json(options))

    # ── what is made of its answer ──

    def register(self, credential: Json, challenge: bytes) -> RegisteredPasskey:
        """Verify the answer to `creation_options`. Which make the authenticator is, we do not ask.

        Raises:
            Refusal: `invalid_passkey`.
        """
        import webauthn  # noqa: PLC0415
        from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

        try:
            _refuse_embedded(credential)
            found = webauthn.verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._id,
                expected_origin=self._origins,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
            raise invalid_passkey() from error
        transports = credential["response"].get("transports") or ()
        return RegisteredPasskey(
            credential_id=found.credential_id,
            public_key=found.credential_public_key,
            sign_count=found.sign_count,
            can_be_backed_up=found.credential_device_type == "multi_device",
            is_backed_up=found.credential_backed_up,
            aaguid=found.aaguid,
            transports=tuple(each for each in transports if each in _TRANSPORTS),
        )

    def verify(self, credential: Json, challenge: bytes, passkey: Passkey) -> Asserted:
        """Verify the answer to `request_options` with the passkey that it names.

        Raises:
            Refusal: `invalid_passkey`.
        """
        import webauthn  # noqa: PLC0415
        from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

        try:
            _refuse_embedded(credential)
            _check_user_handle(credential, passkey.user_id)
            found = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._id,
                expected_origin=self._origins,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,  # the store compares, by the statement that writes it
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
            raise invalid_passkey() from error
        return Asserted(sign_count=found.new_sign_count, is_backed_up=found.credential_backed_up)


# ── reading what is not trusted yet ──


class _ClientData(msgspec.Struct, frozen=True, rename="camel"):
    challenge: str
    cross_origin: bool = False
    top_origin: str | None = None


def challenge_in(credential: Json) -> bytes:
    """The challenge that a credential claims to answer. Whether it is one of ours, its MAC tells.

    Raises:
        Refusal: `invalid_passkey`.
    """
    try:
        return _bytes(_client_data(credential).challenge)
    except (ValueError, TypeError, KeyError, AttributeError, msgspec.MsgspecError) as error:
        raise invalid_passkey() from error


def credential_id_in(credential: Json) -> bytes:
    """The credential that an answer names.

    Raises:
        Refusal: `invalid_passkey`.
    """
    try:
        return _bytes(credential["id"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise invalid_passkey() from error


def invalid_passkey() -> Refusal:
    """The one answer for every credential that is not what was asked for."""
    return Refusal("invalid_passkey", "The passkey is not known here, or its answer is not what was asked.")


_TRANSPORTS = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})


def _client_data(credential: Json) -> _ClientData:
    return msgspec.json.decode(_bytes(credential["response"]["clientDataJSON"]), type=_ClientData)


def _refuse_embedded(credential: Json) -> None:
    """§13.4.2: nobody is asked within a frame on another site's page; ours are never in one."""
    found = _client_data(credential)
    if found.cross_origin or found.top_origin is not None:
        raise ValueError("asked for in a frame of another origin")


def _check_user_handle(credential: Json, user_id: str) -> None:
    """§7.2, step 6: an answer that names its owner names the right one."""
    handle = credential["response"].get("userHandle")
    if handle and _bytes(handle) != user_id.encode():
        raise ValueError("another user's handle")


def _bytes(text: str) -> bytes:
    from webauthn.helpers import base64url_to_bytes  # noqa: PLC0415

    return base64url_to_bytes(text)


def _descriptors(passkeys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    from webauthn.helpers import structs  # noqa: PLC0415

    return [
        structs.PublicKeyCredentialDescriptor(
            id=each.credential_id,
            transports=[structs.AuthenticatorTransport(transport) for transport in each.transports],
        )
        for each in passkeys
    ]


def _plain(text: str) -> Json:
    plain: Json = msgspec.json.decode(text)
    return plain


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
