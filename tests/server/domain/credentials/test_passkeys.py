"""The rules of passkeys, against authenticators and browsers that lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authenticator import BE, BS, UP, UV, Authenticator, b64, unb64

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.passkeys.challenge import CHALLENGE_SECONDS, new_challenge, read_challenge
from gatepass.server.domain.credentials.passkeys.passkey import Passkey
from gatepass.server.domain.credentials.passkeys.relying_party import RelyingParty

if TYPE_CHECKING:
    from tests.support.authenticator import Json

ORIGIN = "https://auth.example.test"
PARTY = RelyingParty(rp_id="auth.example.test", origins=(ORIGIN,), name="Gatepass")
CHALLENGE = b"c" * 40
KEY = b"k" * 32


def registered(authenticator: Authenticator, **lies: Any) -> Passkey:  # noqa: ANN401 - whatever a test wants to say
    """Register at our party."""
    options = PARTY.creation_options(CHALLENGE, user_id="usr_ann", email="ann@example.test")
    made = PARTY.register(authenticator.create(options, **lies), CHALLENGE)
    return Passkey(
        id="psk_1",
        user_id="usr_ann",
        name="",
        created_at=0,
        credential_id=made.credential_id,
        public_key=made.public_key,
        sign_count=made.sign_count,
        can_be_backed_up=made.can_be_backed_up,
        is_backed_up=made.is_backed_up,
        aaguid=made.aaguid,
        transports=made.transports,
    )


def test_what_a_browser_is_asked() -> None:
    """A credential that needs no name typed, with the person verified; known ones are not made twice."""
    authenticator = Authenticator(ORIGIN)
    passkey = registered(authenticator)
    options = PARTY.creation_options(CHALLENGE, user_id="usr_ann", email="ann@example.test", known=(passkey,))
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    assert unb64(options["user"]["id"]) == b"usr_ann"
    assert [each["id"] for each in options["excludeCredentials"]] == [b64(authenticator.id)]
    wanted = PARTY.request_options(CHALLENGE, allowed=(passkey,))
    assert wanted["rpId"] == "auth.example.test"
    assert wanted["userVerification"] == "required"
    assert wanted["allowCredentials"][0]["transports"] == ["internal", "hybrid"]
    assert PARTY.request_options(CHALLENGE)["allowCredentials"] == []


def test_a_passkey_that_is_what_it_says() -> None:
    """Counter and backup state come along, at registration and at each use."""
    authenticator = Authenticator(ORIGIN, count=4, flags=UP | UV | BE)
    passkey = registered(authenticator)
    assert (passkey.sign_count, passkey.can_be_backed_up, passkey.is_backed_up) == (4, True, False)
    authenticator.flags |= BS
    asserted = PARTY.verify(authenticator.get(PARTY.request_options(CHALLENGE)), CHALLENGE, passkey)
    assert (asserted.sign_count, asserted.is_backed_up) == (5, True)


LIES: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://auth.example.test.evil.test"},
    "a sister origin": {"origin": "https://app.example.test"},
    "no TLS": {"origin": "http://auth.example.test"},
    "another party": {"rp_id": "example.test"},
    "another challenge": {"challenge": b64(b"d" * 40)},
    "another ceremony": {"type": "webauthn.other"},
    "nobody verified": {"flags": UP},
    "nobody there": {"flags": UV},
    "backed up and cannot be": {"flags": UP | UV | BS},
    "in a frame": {"cross_origin": True},
    "under another page": {"more": {"topOrigin": "https://evil.test"}},
}


@pytest.mark.parametrize("lies", LIES.values(), ids=LIES)
def test_lies_are_refused(lies: dict[str, Any]) -> None:
    """At registration and at sign-in, with the one answer for all of them."""
    authenticator = Authenticator(ORIGIN)
    passkey = registered(authenticator)
    made = Authenticator(ORIGIN).create(
        PARTY.creation_options(CHALLENGE, user_id="usr_ann", email="ann@example.test"), **lies
    )
    with pytest.raises(Refusal) as refused:
        PARTY.register(made, CHALLENGE)
    assert refused.value.code == "invalid_passkey"
    with pytest.raises(Refusal) as refused:
        PARTY.verify(authenticator.get(PARTY.request_options(CHALLENGE), **lies), CHALLENGE, passkey)
    assert refused.value.code == "invalid_passkey"


@pytest.mark.parametrize("lies", [{"signature": b"\x30\x06\x02\x01\x00\x02\x01\x00"}, {"user_handle": b"usr_bob"}])
def test_an_answer_that_is_another_keys_or_another_persons(lies: dict[str, Any]) -> None:
    """The signature is the key's, and the handle the owner's (§7.2, step 6)."""
    authenticator = Authenticator(ORIGIN)
    passkey = registered(authenticator)
    with pytest.raises(Refusal):
        PARTY.verify(authenticator.get(PARTY.request_options(CHALLENGE), **lies), CHALLENGE, passkey)
    other = Authenticator(ORIGIN)
    other.user_handle = b"usr_ann"
    with pytest.raises(Refusal):
        PARTY.verify(other.get(PARTY.request_options(CHALLENGE)), CHALLENGE, passkey)


GARBAGE: list[Json] = [
    {},
    {"id": 1},
    {"id": "", "response": {}},
    {"id": "AA", "response": {"clientDataJSON": "AA"}},
    {"id": "AA", "response": {"clientDataJSON": b64(b"[]")}},
    {"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": b64(b'{"challenge":"AA"}')}},
    {"id": "ü", "response": []},
]


@pytest.mark.parametrize("credential", GARBAGE)
def test_what_is_no_credential_is_refused(credential: Json) -> None:
    """No JSON makes another exception come out."""
    passkey = registered(Authenticator(ORIGIN))
    for call in (
        lambda: PARTY.register(credential, CHALLENGE),
        lambda: PARTY.verify(credential, CHALLENGE, passkey),
    ):
        with pytest.raises(Refusal) as refused:
            call()
        assert refused.value.code == "invalid_passkey"


def test_a_challenge_is_for_one_purpose_one_party_and_a_while() -> None:
    """Anything changed about it, and it is not ours."""
    challenge = new_challenge(KEY, "sign_in", "ann", now=1_000)
    answered = read_challenge(KEY, "sign_in", "ann", challenge, now=1_000)
    assert answered is not None
    assert answered.expires_at == 1_000 + CHALLENGE_SECONDS
    assert new_challenge(KEY, "sign_in", "ann", now=1_000) != challenge
    assert read_challenge(KEY, "register", "ann", challenge, now=1_000) is None
    assert read_challenge(KEY, "sign_in", "bob", challenge, now=1_000) is None
    assert read_challenge(b"l" * 32, "sign_in", "ann", challenge, now=1_000) is None
    assert read_challenge(KEY, "sign_in", "ann", challenge, now=answered.expires_at) is None
    for position in range(len(challenge)):
        changed = bytearray(challenge)
        changed[position] ^= 1
        assert read_challenge(KEY, "sign_in", "ann", bytes(changed), now=1_000) is None
    assert read_challenge(KEY, "sign_in", "ann", b"", now=1_000) is None
