"""JSON Web Encryption in every serialisation (RFC 7516, RFC 7518 §4 and §5)."""

# ruff: noqa: ANN401 - hostile arguments are of any type

from __future__ import annotations

import hmac
import json
import zlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import given
from hypothesis import strategies as st

from gatepass.jose import Key, KeySet, Limits, algorithms, base64url, errors, jwe, jws, jwt

CONTENTS = tuple(algorithms.CONTENTS)
WRAPPED = ("A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW")
RSA = ("RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512")
AGREEMENT = ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW")
CURVES = ("P-256", "P-384", "P-521", "X25519", "X448")
PASSWORD = ("PBES2-HS256+A128KW", "PBES2-HS384+A192KW", "PBES2-HS512+A256KW")
PLAINTEXT = b"You can trust us to stick with you through thick and thin."
RSA_JWK = Key.generate("RSA-OAEP").to_jwk(private=True)


def recipients() -> dict[str, Key]:
    """Make a key for every algorithm, and for ECDH on every curve."""
    keys = {alg: Key.generate(alg) for alg in (*CONTENTS, *WRAPPED)}
    keys |= {alg: Key.from_jwk(RSA_JWK | {"alg": alg, "kid": alg}) for alg in RSA}
    keys |= {f"{alg} {crv}": Key.generate(alg, crv=crv) for alg in AGREEMENT for crv in CURVES}
    return keys | {alg: Key.from_password("correct horse", alg, iterations=1000) for alg in PASSWORD}


RECIPIENTS = recipients()
DIRECT = Key.from_secret(bytes(range(32)), "A256GCM")
WRAPPING = RECIPIENTS["A256KW"]


def public(key: Key) -> Key:
    """Return what a sender has of a key."""
    return key if key.is_secret else key.public()


@pytest.mark.parametrize("name", RECIPIENTS)
def test_every_algorithm_in_every_serialisation(name: str) -> None:
    """What is encrypted for a key, it decrypts: compact, flattened, and general beside another recipient."""
    key = RECIPIENTS[name]
    for enc in (key.alg,) if key.alg in CONTENTS else CONTENTS:
        done = jwe.decrypt(jwe.encrypt(PLAINTEXT, public(key), enc, {"x": 1}), key)
        assert (done.plaintext, done.key, done.headers["x"], done.headers["enc"]) == (PLAINTEXT, key, 1, enc)
        document = jwe.encrypt_json(PLAINTEXT, public(key), enc, {"x": 1}, unprotected={"y": 2}, aad=b"seen")
        assert "recipients" not in document
        opened = jwe.decrypt_json(json.dumps(document), key)
        assert (opened.plaintext, opened.aad, opened.unprotected["y"]) == (PLAINTEXT, b"seen", 2)
        if not key.is_direct:
            general = jwe.encrypt_json(PLAINTEXT, [WRAPPING, public(key)], enc)
            assert jwe.decrypt_json(json.dumps(general), key).plaintext == PLAINTEXT
            assert jwe.decrypt_json(general, KeySet([WRAPPING])).key is WRAPPING


@given(st.binary(max_size=300), st.sampled_from(CONTENTS))
def test_any_octets_survive(plaintext: bytes, enc: str) -> None:
    """Every length, with every mode, compressed and not."""
    token = jwe.encrypt(plaintext, WRAPPING, enc)
    assert jwe.decrypt(token, WRAPPING).plaintext == plaintext
    assert jwe.decrypt(jwe.encrypt(plaintext, WRAPPING, enc, {"zip": "DEF"}), WRAPPING).plaintext == plaintext


@pytest.mark.parametrize("alg", AGREEMENT)
def test_party_info_takes_part_in_the_agreement(alg: str) -> None:
    """RFC 7518 §4.6.2: `apu` and `apv` go into the key; another value gives another key."""
    key = Key.generate(alg)
    token = jwe.encrypt(PLAINTEXT, key, headers={"apu": "QWxpY2U", "apv": "Qm9i"})
    assert jwe.decrypt(token, key).headers["apu"] == "QWxpY2U"
    document = jwe.encrypt_json(PLAINTEXT, key, unprotected={"apu": "QWxpY2U"})
    assert jwe.decrypt_json(document, key).plaintext == PLAINTEXT
    with pytest.raises(errors.DecryptionFailedError):
        jwe.decrypt_json(document | {"unprotected": {"apu": "Qm9i"}}, key)


@pytest.mark.parametrize("name", RECIPIENTS)
def test_nothing_can_be_changed(name: str) -> None:
    """A bit flipped in any part, a part missing or doubled: an error, never a plaintext."""
    key = RECIPIENTS[name]
    parts = (
        jwe.encrypt(PLAINTEXT, public(key)).split(".")
        if key.alg not in CONTENTS
        else jwe.encrypt(PLAINTEXT, key).split(".")
    )
    for index, part in enumerate(parts):
        octets = base64url.decode(part)
        for changed in (
            bytes([octets[0] ^ 1]) + octets[1:] if octets else b"\0",
            octets[:-1] + bytes([octets[-1] ^ 0x80]) if octets else b"\0\0",
            octets[:-1],
            octets + b"\0",
            b"",
        ):
            if changed != octets:
                token = ".".join((*parts[:index], base64url.encode(changed), *parts[index + 1 :]))
                with pytest.raises(errors.JoseError):
                    jwe.decrypt(token, key)


@pytest.mark.parametrize(
    "name",
    [
        "A256KW",
        "A128GCMKW",
        "RSA-OAEP",
        "RSA-OAEP-512",
        "ECDH-ES P-256",
        "ECDH-ES+A128KW X25519",
        "A256GCM",
        "A128CBC-HS256",
    ],
)
def test_one_error_for_every_failure_to_decrypt(name: str) -> None:
    """Whether key, tag, ciphertext or padding is wrong: one class, one text (RFC 7516 §11.5)."""
    key = RECIPIENTS[name]
    header, encrypted, iv, ciphertext, tag = jwe.encrypt(PLAINTEXT, public(key)).split(".")
    changed = [
        (header, encrypted and flipped(encrypted), iv, ciphertext, tag),
        (header, encrypted and base64url.encode(b"x" * 24), iv, ciphertext, tag),
        (header, encrypted, flipped(iv), ciphertext, tag),
        (header, encrypted, iv, flipped(ciphertext), tag),
        (header, encrypted, iv, "", tag),
        (header, encrypted, iv, ciphertext, flipped(tag)),
    ]
    texts: set[str] = set()
    for parts in changed if encrypted else changed[2:]:
        with pytest.raises(errors.DecryptionFailedError) as caught:
            jwe.decrypt(".".join(parts), key)
        texts.add(f"{caught.value} {caught.value.__cause__} {caught.value.__suppress_context__}")
    assert len(texts) == 1


def flipped(part: str) -> str:
    """Flip a bit of a part."""
    octets = base64url.decode(part)
    return base64url.encode(bytes([octets[0] ^ 1]) + octets[1:])


def test_keys_do_what_they_are_for() -> None:
    """Keys for signatures, public keys and keys whose key_ops forbid it neither encrypt nor decrypt."""
    token = jwe.encrypt(PLAINTEXT, WRAPPING)
    with pytest.raises(errors.AlgNotAllowedError):
        jwe.decrypt(token, Key.generate("HS256"))
    for alg in ("HS256", "ES256"):
        with pytest.raises(errors.InvalidKeyError):
            jwe.encrypt(PLAINTEXT, Key.generate(alg))
        with pytest.raises(errors.InvalidKeyError):
            jwe.encrypt_json(PLAINTEXT, [WRAPPING, Key.generate(alg)])
    with pytest.raises(errors.InvalidKeyError):
        jws.sign(b"x", WRAPPING)
    with pytest.raises(errors.AlgNotAllowedError):
        jws.verify(jws.sign(b"x", Key.generate("HS256")), WRAPPING)
    key = RECIPIENTS["RSA-OAEP"]
    with pytest.raises(errors.InvalidKeyError):
        jwe.decrypt(jwe.encrypt(PLAINTEXT, key), key.public())
    only = Key.from_jwk(RSA_JWK | {"key_ops": ["unwrapKey"]})
    with pytest.raises(errors.InvalidKeyError):
        jwe.encrypt(PLAINTEXT, only)
    assert jwe.decrypt(jwe.encrypt(PLAINTEXT, only.public()), only).plaintext == PLAINTEXT
    for members in ({"use": "sig"}, {"key_ops": ["sign"]}):
        with pytest.raises(errors.InvalidKeyError):
            Key.from_jwk(RSA_JWK | members)


@pytest.mark.parametrize("alg", [*CONTENTS, *WRAPPED])
def test_secrets_have_exactly_the_right_length(alg: str) -> None:
    """RFC 7518 §4.4-4.7 and §5: neither shorter nor longer."""
    size = len(base64url.decode(RECIPIENTS[alg].to_jwk(private=True)["k"]))
    for wrong in (0, size - 1, size + 1, size * 2):
        with pytest.raises(errors.InvalidKeyError):
            Key.from_secret(bytes(wrong), alg)


def test_a_direct_key_is_bound_to_its_enc() -> None:
    """`dir` with a key for A256GCM takes A256GCM only, although A128CBC-HS256 has keys of that length."""
    assert jwe.decrypt(jwe.encrypt(PLAINTEXT, DIRECT), DIRECT).headers == {"alg": "dir", "enc": "A256GCM"}
    with pytest.raises(errors.InvalidPolicyError):
        jwe.encrypt(PLAINTEXT, DIRECT, "A128CBC-HS256")
    other = Key.from_secret(bytes(range(32)), "A128CBC-HS256")
    with pytest.raises(errors.AlgNotAllowedError):
        jwe.decrypt(jwe.encrypt(PLAINTEXT, other), DIRECT)


def test_passwords_are_asked_for_by_name() -> None:
    """PBES2 keys come from from_password only, bound what a token may cost, and are never exported."""
    for attempt in (
        lambda: Key.generate(PASSWORD[0]),
        lambda: Key.from_secret(bytes(32), PASSWORD[0]),
        lambda: Key.from_jwk({"kty": "oct", "k": "A" * 43, "alg": PASSWORD[0]}),
        lambda: Key.from_password("correct horse", "A256KW"),
        lambda: Key.from_password("correct horse", PASSWORD[0], iterations=999),
        lambda: Key.from_password("correct horse", PASSWORD[0], max_iterations=5000),
        lambda: Key.from_password("short", PASSWORD[0]),
        lambda: RECIPIENTS[PASSWORD[0]].to_jwk(private=True),
    ):
        with pytest.raises(errors.InvalidKeyError):
            attempt()
    assert Key.from_password("correct horse", PASSWORD[0]).kid is None


def test_more_rounds_than_allowed_are_not_computed() -> None:
    """RFC 8725bis §3.13: `p2c` above the key's limit is refused, whatever it is."""
    key = Key.from_password("correct horse", PASSWORD[0], iterations=1000, max_iterations=2000)
    eager = Key.from_password("correct horse", PASSWORD[0], iterations=2001, max_iterations=3000)
    with pytest.raises(errors.MalformedError):
        jwe.decrypt(jwe.encrypt(PLAINTEXT, eager), key)
    header, *rest = jwe.encrypt(PLAINTEXT, key).split(".")
    for p2c in (999, 0, -1, 2**31, 10**30, 1.5e3, "1000", None, True):
        changed = json.loads(base64url.decode(header)) | {"p2c": p2c}
        with pytest.raises(errors.MalformedError):
            jwe.decrypt(".".join((base64url.encode(json.dumps(changed).encode()), *rest)), key)


def test_inflating_is_bounded() -> None:
    """A megabyte of zeros in a kilobyte is refused (RFC 8725bis §3.15); `Limits` raises the bound."""
    token = jwe.encrypt(bytes(1_000_000), DIRECT, headers={"zip": "DEF"})
    assert len(token) < 2_000
    with pytest.raises(errors.TokenTooLongError):
        jwe.decrypt(token, DIRECT)
    assert len(jwe.decrypt(token, DIRECT, limits=Limits(inflated_length=1_000_000)).plaintext) == 1_000_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        zlib.compress(b"x"),
        zlib.compress(b"x", wbits=-15) + b"y",
        zlib.compress(b"xyz" * 99, wbits=-15)[:-2],
    ],
)
def test_what_does_not_inflate(content: bytes) -> None:
    """Other formats, trailing octets and unfinished streams are malformed."""
    header = base64url.encode(b'{"alg":"dir","enc":"A256GCM","zip":"DEF"}')
    mode = algorithms.CONTENTS["A256GCM"].mode
    ciphertext, tag = mode.seal(bytes(range(32)), bytes(12), content, header.encode())
    token = ".".join((header, "", *map(base64url.encode, (bytes(12), ciphertext, tag))))
    with pytest.raises(errors.MalformedError):
        jwe.decrypt(token, DIRECT)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"alg": "none"}, errors.AlgNotAllowedError),
        ({"alg": "RSA1_5"}, errors.AlgNotAllowedError),
        ({"alg": "HS256"}, errors.AlgNotAllowedError),
        ({"alg": "A256KW"}, errors.AlgNotAllowedError),
        ({"alg": None}, errors.MalformedError),
        ({"alg": 5}, errors.MalformedError),
        ({"enc": "A128GCM"}, errors.AlgNotAllowedError),
        ({"enc": "A512GCM"}, errors.AlgNotAllowedError),
        ({"enc": None}, errors.MalformedError),
        ({"enc": ["A256GCM"]}, errors.MalformedError),
        ({"zip": "GZ"}, errors.MalformedError),
        ({"zip": 5}, errors.MalformedError),
        ({"crit": ["x"], "x": 1}, errors.UnsupportedCritError),
        ({"crit": ["b64"], "b64": True}, errors.UnsupportedCritError),
        ({"crit": []}, errors.MalformedError),
        ({"kid": 5}, errors.MalformedError),
    ],
)
def test_headers_that_are_refused(change: dict[str, Any], error: type[errors.JoseError]) -> None:
    """Types, `alg`, `enc`, `zip` and `crit` are checked before anything is decrypted."""
    header, *rest = jwe.encrypt(PLAINTEXT, DIRECT).split(".")
    changed = json.loads(base64url.decode(header)) | change
    with pytest.raises(error):
        jwe.decrypt(".".join((base64url.encode(json.dumps(changed).encode()), *rest)), DIRECT)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "....",
        "a.b.c.d",
        "a.b.c.d.e",
        "a.b.c.d.e.f",
        b"\xff....",
        "\ud800....",
        5,
        None,
        [],
        jws.sign(b"x", Key.generate("HS256")),
    ],
)
def test_what_is_no_compact_token(token: Any) -> None:
    """Anything else is malformed, a signed token too."""
    with pytest.raises(errors.MalformedError):
        jwe.decrypt(token, DIRECT)


@pytest.mark.parametrize(
    "change",
    [
        {"protected": 5},
        {"protected": ""},
        {"protected": "e30"},
        {"iv": None},
        {"iv": "AAAA"},
        {"tag": "AAAA"},
        {"tag": "="},
        {"ciphertext": 5},
        {"aad": 5},
        {"unprotected": 5},
        {"unprotected": {"enc": "A256GCM"}},
        {"unprotected": {"zip": "DEF"}},
        {"unprotected": {"crit": ["x"]}},
        {"header": []},
        {"header": {"alg": "A256KW", "enc": "A256GCM"}},
        {"encrypted_key": 5},
        {"encrypted_key": ""},
        {"recipients": []},
        {"recipients": [{}]},
    ],
)
def test_a_document_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    """Wrong types, odd IVs, short tags, parameters in two places, flattened and general at once."""
    document = jwe.encrypt_json(PLAINTEXT, WRAPPING) | change
    for form in (document, json.dumps(document)):
        with pytest.raises(errors.MalformedError):
            jwe.decrypt_json(form, WRAPPING)


@pytest.mark.parametrize("recipients", [[], {}, 5, None, [5], [[]], [{}], [{"header": 5}], [{"encrypted_key": 5}]])
def test_a_list_of_recipients_of_another_shape_is_refused(recipients: object) -> None:
    """`recipients` is a list with objects in it."""
    document = jwe.encrypt_json(PLAINTEXT, [WRAPPING])
    with pytest.raises(errors.MalformedError):
        jwe.decrypt_json(document | {"recipients": recipients}, WRAPPING)


def test_recipients_that_do_not_go_together() -> None:
    """`dir` and ECDH-ES are for one recipient; `enc` is one for all; 16 recipients are enough."""
    agreement = RECIPIENTS["ECDH-ES P-256"]
    for keys in ([DIRECT, WRAPPING], [WRAPPING, agreement], []):
        with pytest.raises(errors.InvalidPolicyError):
            jwe.encrypt_json(PLAINTEXT, keys)
    document = jwe.encrypt_json(PLAINTEXT, [WRAPPING])
    direct = {"header": {"alg": "dir"}}
    with pytest.raises(errors.MalformedError):
        jwe.decrypt_json(document | {"recipients": [*document["recipients"], direct]}, WRAPPING)
    crowd = jwe.encrypt_json(PLAINTEXT, [WRAPPING] * 17)
    with pytest.raises(errors.TokenTooLongError):
        jwe.decrypt_json(crowd, WRAPPING)
    assert jwe.decrypt_json(crowd, WRAPPING, limits=Limits(recipients=17)).plaintext == PLAINTEXT


def test_a_recipient_among_strangers() -> None:
    """Entries for others are passed over; if none is for us, it says so; if ours fails, it says only that."""
    stranger = Key.generate("A256KW")
    document = jwe.encrypt_json(PLAINTEXT, [stranger, WRAPPING])
    assert jwe.decrypt_json(document, KeySet([WRAPPING])).key is WRAPPING
    with pytest.raises(errors.UnknownKeyError):
        jwe.decrypt_json(jwe.encrypt_json(PLAINTEXT, [stranger]), KeySet([WRAPPING]))
    with pytest.raises(errors.DecryptionFailedError):
        jwe.decrypt_json(document | {"tag": base64url.encode(bytes(16))}, KeySet([WRAPPING]))


@pytest.mark.parametrize(
    "headers",
    [
        {"alg": "dir"},
        {"enc": "A128GCM"},
        {"crit": ["x"]},
        {"epk": {}},
        {"p2c": 5},
        {"apu": 5},
        {"apv": "="},
        {"zip": "GZ"},
        {"kid": 5},
        {"x": float("nan")},
        {"x": object()},
    ],
)
def test_headers_that_are_not_written(headers: dict[str, Any]) -> None:
    """We write only headers that our own reader would take."""
    with pytest.raises(errors.InvalidPolicyError):
        jwe.encrypt(PLAINTEXT, WRAPPING, headers=headers)
    with pytest.raises(errors.InvalidPolicyError):
        jwe.encrypt_json(PLAINTEXT, WRAPPING, headers=headers)


def test_other_arguments_that_make_no_sense() -> None:
    """An unknown enc, text for octets, a parameter twice, an unprotected zip, no keys."""
    for attempt in (
        lambda: jwe.encrypt(PLAINTEXT, WRAPPING, "A512GCM"),
        lambda: jwe.encrypt("text", WRAPPING),  # type: ignore[arg-type]
        lambda: jwe.encrypt_json(PLAINTEXT, WRAPPING, headers={"x": 1}, unprotected={"x": 1}),
        lambda: jwe.encrypt_json(PLAINTEXT, WRAPPING, unprotected={"zip": "DEF"}),
        lambda: jwe.encrypt_json(PLAINTEXT, WRAPPING, aad="text"),  # type: ignore[arg-type]
        lambda: jwe.encrypt(PLAINTEXT, WRAPPING, ["A256GCM"]),  # type: ignore[arg-type]
        lambda: jwe.encrypt(PLAINTEXT, WRAPPING, headers=5),  # type: ignore[arg-type]
        lambda: jwe.encrypt(PLAINTEXT, "key"),  # type: ignore[arg-type]
        lambda: jwe.decrypt(jwe.encrypt(PLAINTEXT, WRAPPING), "key"),  # type: ignore[arg-type]
        lambda: jwe.decrypt_json(jwe.encrypt_json(PLAINTEXT, WRAPPING), None),  # type: ignore[arg-type]
    ):
        with pytest.raises(errors.InvalidPolicyError):
            attempt()


# ── nested ──────────────────────────────────────────────────────────────────────────────────────────────────────────

SIGNER = Key.generate("ES256")
RECIPIENT = Key.generate("ECDH-ES+A256KW", crv="X25519")
CLAIMS = {"iss": "https://a.example", "aud": "api", "exp": 2_000_000_000}


def opened(token: str, **policy: Any) -> Any:
    """Open a nested token with a policy that CLAIMS satisfies, unless told otherwise."""
    expected: dict[str, Any] = {"issuer": "https://a.example", "audience": "api", "typ": "JWT", "now": 1_900_000_000}
    return jwt.decrypt_and_verify(token, RECIPIENT, SIGNER.public(), **(expected | policy))


def test_a_nested_token_is_checked_in_both_layers() -> None:
    """Signed, then encrypted: it opens; with another signer, audience or time it does not."""
    token = jwt.sign_and_encrypt(CLAIMS, SIGNER, RECIPIENT.public())
    assert opened(token) == CLAIMS
    with pytest.raises(errors.WrongAudienceError):
        opened(token, audience="other")
    with pytest.raises(errors.ExpiredError):
        opened(token, now=2_000_000_000)
    with pytest.raises(errors.BadSignatureError):
        opened(jwt.sign_and_encrypt(CLAIMS, Key.generate("ES256"), RECIPIENT.public()))


def test_one_layer_is_not_enough() -> None:
    """Only signed, only encrypted, or encrypted without saying what is inside: refused."""
    for token in (
        jwt.sign(CLAIMS, SIGNER),
        jwe.encrypt(json.dumps(CLAIMS).encode(), RECIPIENT.public(), headers={"cty": "JWT"}),
        jwe.encrypt(jwt.sign(CLAIMS, SIGNER).encode(), RECIPIENT.public()),
    ):
        with pytest.raises(errors.MalformedError):
            opened(token)
    with pytest.raises(errors.MalformedError):
        jwt.verify(
            jwt.sign_and_encrypt(CLAIMS, SIGNER, RECIPIENT.public()), SIGNER, issuer=None, audience=None, typ=None
        )


def test_padding_is_checked_under_a_good_tag() -> None:
    """RFC 7518 §5.2.2: padding that only the sender could have written wrong fails like everything else."""
    cek = bytes(range(32))
    for padded in (b"x" * 15 + b"\0", b"x" * 15 + b"\x11", b"x" * 14 + b"\1\2", b"x" * 16):
        encryptor = Cipher(AES(cek[16:]), modes.CBC(bytes(16))).encryptor()
        ciphertext = encryptor.update(padded) + encryptor.finalize()
        tag = hmac.digest(cek[:16], bytes(16) + ciphertext + bytes(8), "sha256")[:16]
        with pytest.raises(errors.DecryptionFailedError):
            algorithms.CONTENTS["A128CBC-HS256"].mode.open(cek, bytes(16), ciphertext, tag, b"")


def test_parameters_of_key_management_have_types() -> None:
    """`iv`, `tag`, `apu`, `p2s` and the like are base64url strings of their length, or the token is malformed."""
    for alg, change in (
        ("A128GCMKW", {"iv": 5}),
        ("A128GCMKW", {"tag": None}),
        ("A128GCMKW", {"tag": "AAAA"}),
        ("ECDH-ES", {"apu": 5}),
        ("ECDH-ES+A128KW", {"apv": "="}),
    ):
        key = Key.generate(alg)
        header, *rest = jwe.encrypt(PLAINTEXT, key).split(".")
        changed = base64url.encode(json.dumps(json.loads(base64url.decode(header)) | change).encode())
        with pytest.raises(errors.MalformedError):
            jwe.decrypt(".".join((changed, *rest)), key)
    key = RECIPIENTS[PASSWORD[0]]
    header, *rest = jwe.encrypt(PLAINTEXT, key).split(".")
    for salt in (None, 5, "", "AAAAAAAAAA"):
        changed = base64url.encode(json.dumps(json.loads(base64url.decode(header)) | {"p2s": salt}).encode())
        with pytest.raises(errors.MalformedError):
            jwe.decrypt(".".join((changed, *rest)), key)


@pytest.mark.parametrize(("enc", "error"), [(None, errors.MalformedError), ("A512GCM", errors.AlgNotAllowedError)])
def test_a_document_needs_an_enc_that_is_known(enc: str | None, error: type[errors.JoseError]) -> None:
    """RFC 7516 §4.1.2: one of the six, in JSON and compact."""
    protected = base64url.encode(json.dumps({"alg": "A256KW"} | ({"enc": enc} if enc else {})).encode())
    document = jwe.encrypt_json(PLAINTEXT, WRAPPING)
    del document["header"]
    with pytest.raises(error):
        jwe.decrypt_json(document | {"protected": protected}, WRAPPING)
    with pytest.raises(error):
        jwe.decrypt(f"{protected}.AAAA.AAAA.AAAA.AAAA", WRAPPING)


def test_recipients_with_another_enc_each() -> None:
    """RFC 7516 §7.2.1: the content is encrypted once, so there is one `enc`."""
    document = jwe.encrypt_json(PLAINTEXT, [WRAPPING, WRAPPING])
    del document["protected"]
    for recipient, enc in zip(document["recipients"], ("A256GCM", "A128GCM"), strict=True):
        recipient["header"]["enc"] = enc
    with pytest.raises(errors.MalformedError):
        jwe.decrypt_json(document, WRAPPING)
