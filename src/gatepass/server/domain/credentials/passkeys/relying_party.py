"""The two passkey ceremonies on the server's side (§7.1, §7.2): the options for a browser, and checking its answer.

The authenticator verifies the user every time (by PIN, fingerprint or face), so a passkey counts as two factors.
Everything here is computed; the caller knows which challenges exist and were used.
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
    """A newly created credential."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    can_be_backed_up: bool
    is_backed_up: bool
    aaguid: str
    transports: tuple[str, ...]


class Asserted(msgspec.Struct, frozen=True, kw_only=True):
    """A verified use of a credential; the store decides whether its counter is acceptable."""

    sign_count: int
    is_backed_up: bool


class RelyingParty:
    """This server as a WebAuthn relying party.

    Args:
        rp_id: the host that credentials are for.
    """

    def __init__(self, *, rp_id: str, origins: Sequence[str], name: str) -> None:
        self._id = rp_id
        self.is_possible = not _is_address(rp_id)
        """Whether browsers create passkeys for this server: only for domain names (WebAuthn §5.1.2, RP ID)."""
        self._origins = list(origins)
        self._name = name

    def require(self) -> None:
        """Refuse if passkeys are not available.

        Raises:
            Refusal: `passkeys_unavailable`.
        """
        if not self.is_possible:
            raise Refusal(
                "passkeys_unavailable", "Passkeys are not available: the issuer is an IP address, not a domain name."
            )

    # ── options for the browser ──

    def creation_options(self, challenge: bytes, *, user_id: str, email: str, known: Sequence[Passkey] = ()) -> Json:
        """Options for `navigator.credentials.create`: a discoverable credential, on a device that has none yet."""
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
        """Options for `navigator.credentials.get`: one of these credentials, or any."""
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

    # ── checking the answer ──

    def register(self, credential: Json, challenge: bytes) -> RegisteredPasskey:
        """Verify the answer to `creation_options`. No attestation is requested.

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
                credential_current_sign_count=0,  # the store compares counters in the statement that writes them
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
            raise invalid_passkey() from error
        return Asserted(sign_count=found.new_sign_count, is_backed_up=found.credential_backed_up)


# ── reading unverified input ──


class _ClientData(msgspec.Struct, frozen=True, rename="camel"):
    challenge: str
    cross_origin: bool = False
    top_origin: str | None = None


def challenge_in(credential: Json) -> bytes:
    """The challenge that a credential claims to answer; not verified yet.

    Raises:
        Refusal: `invalid_passkey`.
    """
    try:
        return _bytes(_client_data(credential).challenge)
    except (ValueError, TypeError, KeyError, AttributeError, msgspec.MsgspecError) as error:
        raise invalid_passkey() from error


def credential_id_in(credential: Json) -> bytes:
    """The id of the credential that an answer names.

    Raises:
        Refusal: `invalid_passkey`.
    """
    try:
        return _bytes(credential["id"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise invalid_passkey() from error


def invalid_passkey() -> Refusal:
    """The one refusal for every credential that does not match."""
    return Refusal("invalid_passkey", "The passkey is unknown, or its response does not match the challenge.")


_TRANSPORTS = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})


def _client_data(credential: Json) -> _ClientData:
    return msgspec.json.decode(_bytes(credential["response"]["clientDataJSON"]), type=_ClientData)


def _refuse_embedded(credential: Json) -> None:
    """§13.4.2: refuse a ceremony in a frame of another origin; our pages are never framed."""
    found = _client_data(credential)
    if found.cross_origin or found.top_origin is not None:
        raise ValueError("asked for in a frame of another origin")


def _check_user_handle(credential: Json, user_id: str) -> None:
    """§7.2, step 6: if the answer has a user handle, it must be the passkey's user."""
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
