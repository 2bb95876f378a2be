"""Keys and sets of keys (RFC 7517, 7518 §6, 7638, 8037)."""

# ruff: noqa: ANN401 - hostile arguments are of any type

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gatepass.jose import Key, KeySet, Limits, errors, jws, jwt

ASYMMETRIC = ("RS256", "PS384", "ES256", "ES384", "ES512", "ES256K", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-87")
SECRET = bytes(range(32))


@pytest.mark.parametrize("alg", [*ASYMMETRIC, "HS256", "HS512"])
def test_a_key_survives_jwk(alg: str) -> None:
    """Out as a JWK and in again: the same key, kid and algorithm, without naming any."""
    key = Key.generate(alg)
    again = Key.from_jwk(key.to_jwk(private=True))
    assert (again.alg, again.kid, again.is_private) == (alg, key.kid, True)
    assert jws.verify(jws.sign(b"x", again), key).payload == b"x"


@pytest.mark.parametrize("password", [None, b"correct horse"])
@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_a_key_survives_pem(alg: str, password: bytes | None) -> None:
    """Out as PEM and in again, in the clear and encrypted, private and public."""
    key = Key.generate(alg)
    private = Key.from_pem(key.to_pem(private=True, password=password), alg, password=password)
    public = Key.from_pem(key.to_pem().decode(), alg)
    assert private.kid == public.kid == key.kid
    assert jws.verify(jws.sign(b"x", private), public).payload == b"x"


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_the_public_part_says_nothing_private(alg: str) -> None:
    """public() and to_jwk() hold no private member, and the public part cannot sign."""
    key = Key.generate(alg)
    public = key.public()
    assert public.to_jwk() == key.to_jwk()
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key.to_jwk())
    assert public.public() is public
    with pytest.raises(errors.InvalidKeyError):
        public.sign(b"x")
    with pytest.raises(errors.InvalidKeyError):
        public.to_jwk(private=True)
    with pytest.raises(errors.InvalidKeyError):
        public.to_pem(private=True)


def test_a_secret_has_no_public_part() -> None:
    """Nothing of a secret can be published by mistake."""
    key = Key.from_secret(SECRET, "HS256")
    for attempt in (key.public, key.to_jwk, key.to_pem):
        with pytest.raises(errors.InvalidKeyError):
            attempt()
    assert KeySet([key, Key.generate("ES256")]).to_jwks()["keys"][0]["kty"] == "EC"
    assert len(KeySet([key]).to_jwks()["keys"]) == 0


def test_repr_shows_kid_and_alg_only() -> None:
    """What a log prints of a key is no secret."""
    assert repr(Key.from_secret(SECRET, "HS256", kid="k1")) == "Key(alg='HS256', kid='k1')"
    assert repr(KeySet([Key.from_secret(SECRET, "HS256")])) == "KeySet([Key(alg='HS256', kid=None)])"


@pytest.mark.parametrize("alg", ["HS256", "ES256", "RS256"])
def test_private_keys_are_not_pickled_or_copied(alg: str) -> None:
    """Pickling a private key is refused; a public one travels, and copies are the key itself."""
    key = Key.generate(alg)
    with pytest.raises(errors.InvalidKeyError):
        pickle.dumps(key)
    assert copy.deepcopy(key) is copy.copy(key) is key
    if not key.is_secret:
        again = pickle.loads(pickle.dumps(KeySet([key.public()])))  # noqa: S301 - our own
        assert again.get(key.kid).thumbprint() == key.thumbprint()


@pytest.mark.parametrize(
    "alg", ["none", "None", "nOnE", "", "HS1", "RS1", "hs256", "ES256K ", "dir", "HS256\0", 5, None, ["HS256"]]
)
def test_an_unknown_algorithm_makes_no_key(alg: Any) -> None:
    """A key is for one algorithm that exists; `none` does not."""
    with pytest.raises(errors.InvalidKeyError):
        Key.generate(alg)
    with pytest.raises(errors.InvalidKeyError):
        Key.from_secret(SECRET, alg)


@pytest.mark.parametrize(("alg", "length"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash(alg: str, length: int) -> None:
    """RFC 7518 §3.2: shorter is refused, however it comes."""
    assert Key.from_secret(bytes(length), alg).alg == alg
    for short in (b"", bytes(length - 1)):
        with pytest.raises(errors.WeakKeyError):
            Key.from_secret(short, alg)
        with pytest.raises(errors.InvalidKeyError):
            Key.from_jwk({"kty": "oct", "k": "AA" if short else "", "alg": alg})


def test_where_the_algorithm_may_be_left_out() -> None:
    """A curve allows one algorithm; RSA keys and secrets allow several, and must say."""
    for alg in ("ES256", "ES384", "ES512", "ES256K", "Ed25519", "Ed448", "ML-DSA-65"):
        assert Key.from_pem(Key.generate(alg).to_pem()).alg == alg
    with pytest.raises(errors.InvalidKeyError):
        Key.from_pem(Key.generate("RS256").to_pem())
    for alg in ("RS256", "HS256"):
        jwk = {name: value for name, value in Key.generate(alg).to_jwk(private=True).items() if name != "alg"}
        with pytest.raises(errors.InvalidKeyError):
            Key.from_jwk(jwk)
        assert Key.from_jwk(jwk, alg).alg == alg


@pytest.mark.parametrize(
    ("made", "other"),
    [("ES256", "ES384"), ("ES256", "RS256"), ("RS256", "ES256"), ("RS256", "HS256"), ("Ed25519", "ES256")],
)
def test_a_key_of_another_type_is_refused(made: str, other: str) -> None:
    """Type and curve belong to the algorithm."""
    key = Key.generate(made)
    with pytest.raises(errors.InvalidKeyError):
        Key.from_pem(key.to_pem(), other)
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(key.to_jwk() | {"alg": other})
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(key.to_jwk(), other)


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"use": 5},
        {"use": None},
        {"key_ops": ["encrypt"]},
        {"key_ops": []},
        {"key_ops": "verify"},
        {"key_ops": 5},
        {"key_ops": ["verify", "verify"]},
        {"key_ops": ["verify", 5]},
        {"use": "sig", "key_ops": ["deriveKey"]},
        {"kid": 5},
        {"kid": None},
        {"alg": "none"},
        {"alg": 5},
        {"alg": None},
        {"kty": "EX"},
        {"kty": None},
        {"kty": ["EC"]},
        {"kty": "RSA"},
        {"crv": "P-384"},
        {"crv": "P-257"},
        {"crv": 5},
        {"x": ""},
        {"x": "AA"},
        {"y": 5},
        {"x": "+" * 43},
        {"d": "AA"},
        {"d": "A" * 43},
        {"y": "A" * 43},
    ],
)
def test_a_jwk_that_contradicts_itself_is_refused(members: dict[str, Any]) -> None:
    """`use`, `key_ops`, `alg` and the type bind, and every member has its type (RFC 7517 §4)."""
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(Key.generate("ES256").to_jwk() | members)


def test_key_ops_bind() -> None:
    """A key that may only verify does not sign, and one that may only sign does not verify."""
    private = Key.generate("ES256").to_jwk(private=True)
    verifying, signing = (Key.from_jwk(private | {"key_ops": [operation]}) for operation in ("verify", "sign"))
    token = jws.sign(b"x", signing)
    assert jws.verify(token, verifying).payload == b"x"
    assert jws.verify(token, signing.public()).payload == b"x"
    with pytest.raises(errors.InvalidKeyError):
        jws.sign(b"x", verifying)
    with pytest.raises(errors.InvalidKeyError):
        jws.verify(token, signing)


def test_text_of_a_jwk_is_strict() -> None:
    """A JWK as text is read as strictly as a token: a name twice is refused."""
    assert Key.from_jwk('{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","alg":"HS256"}').alg == "HS256"
    for text in ('{"kty":"oct","kty":"oct"}', b"\xff", "[]", "", "\ud800", 5, None, [("kty", "oct")]):
        with pytest.raises(errors.InvalidKeyError):
            Key.from_jwk(text)  # type: ignore[arg-type]


def test_certificates_in_a_jwk_are_carried() -> None:
    """`x5c` and its like go through a key unread (RFC 7517 §4.6-4.9)."""
    key = Key.from_jwk(Key.generate("ES256").to_jwk() | {"x5c": ["AAAA"], "x5t#S256": "BBBB", "use": "sig"})
    assert {name: key.to_jwk()[name] for name in ("x5c", "x5t#S256", "use")} == {
        "x5c": ["AAAA"],
        "x5t#S256": "BBBB",
        "use": "sig",
    }


def test_eddsa_is_the_old_name_of_ed25519() -> None:
    """RFC 9864: a key made as EdDSA is an Ed25519 key; it reads the old name, and writes it only when asked."""
    key = Key.from_jwk(Key.generate("Ed25519").to_jwk(private=True) | {"alg": "EdDSA"})
    assert key.alg == "Ed25519"
    assert jws.verify(jws.sign(b"x", key), key).headers["alg"] == "Ed25519"
    assert jws.verify(jws.sign(b"x", key, {"alg": "EdDSA"}), key).headers["alg"] == "EdDSA"


# ── sets ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_kid_finds_the_key() -> None:
    """A set verifies with the key of the token's kid, and refuses an unknown kid."""
    keys = [Key.generate(alg) for alg in ("ES256", "ES256", "Ed25519", "HS256")]
    for key in keys:
        assert jws.verify(jws.sign(b"x", key), KeySet(keys)).key is key
    with pytest.raises(errors.UnknownKeyError):
        jws.verify(jws.sign(b"x", Key.generate("ES256")), KeySet(keys))
    with pytest.raises(errors.UnknownKeyError):
        jws.verify(jws.sign(b"x", Key.from_secret(SECRET, "HS256", kid="?")), KeySet([]))


def test_without_kid_exactly_one_key_must_fit() -> None:
    """No kid: one key for the algorithm is found, of two neither, and none is another algorithm's."""
    key = Key.from_secret(SECRET, "HS256")
    other = Key.generate("HS256")
    assert jws.verify(jws.sign(b"x", key), KeySet([key, Key.generate("ES256")])).key is key
    with pytest.raises(errors.UnknownKeyError):
        jws.verify(jws.sign(b"x", key), KeySet([key, other]))
    with pytest.raises(errors.AlgNotAllowedError):
        jws.verify(jws.sign(b"x", key), KeySet([Key.generate("ES256")]))


def test_one_kid_of_two_algorithms() -> None:
    """RFC 7517 §4.5: keys of different types may share a kid; the token's alg tells them apart."""
    keys = KeySet([Key.generate("ES256", kid="k"), Key.generate("Ed25519", kid="k")])
    for key in keys:
        assert jws.verify(jws.sign(b"x", key), keys).key is key
    with pytest.raises(errors.AlgNotAllowedError):
        jws.verify(jws.sign(b"x", Key.generate("HS256", kid="k")), keys)


def test_members_that_cannot_be_used_are_skipped_and_counted() -> None:
    """RFC 7517 §5: unknown types, curves and uses do not spoil a set."""
    good = Key.generate("ES256").to_jwk()
    members = [good, {"kty": "EX"}, good | {"use": "enc"}, good | {"crv": "P-999"}, 5, None, {}, [], "text"]
    keys = KeySet.from_jwks({"keys": members, "more": 1})
    assert (len(keys), keys.skipped) == (1, 8)


@pytest.mark.parametrize("document", [{}, {"keys": {}}, {"keys": None}, {"keys": "x"}, "[]", b"", "{", None, 5, []])
def test_what_is_no_set_is_refused(document: Any) -> None:
    """A JWK Set is an object with an array `keys`."""
    with pytest.raises(errors.InvalidKeyError):
        KeySet.from_jwks(document)


def test_the_algorithm_of_members_that_name_none() -> None:
    """`alg=` speaks for members without one, and never against their own."""
    rsa = Key.generate("RS256").to_jwk()
    silent = {name: value for name, value in rsa.items() if name != "alg"}
    keys = KeySet.from_jwks({"keys": [silent | {"kid": "a"}, rsa | {"alg": "PS512", "kid": "b"}]}, alg="RS256")
    assert {key.kid: key.alg for key in keys} == {"a": "RS256", "b": "PS512"}


def test_too_many_members_are_refused() -> None:
    """A set of more keys than `Limits.keys` is refused before any is read."""
    with pytest.raises(errors.InvalidKeyError):
        KeySet.from_jwks({"keys": [{}] * 1001})


@pytest.mark.parametrize("keys", ["secret", b"secret", None, [Key.from_secret(SECRET, "HS256")], {}])
def test_keys_are_keys(keys: Any) -> None:
    """Bare bytes, text or lists are no keys: nothing is guessed."""
    with pytest.raises(errors.InvalidPolicyError):
        jws.verify(jws.sign(b"x", Key.from_secret(SECRET, "HS256")), keys)
    with pytest.raises(errors.JoseError):
        jwt.sign({}, keys)


# ── PEM ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "",
        b"",
        "-----BEGIN PUBLIC KEY-----",
        b"\xff\xfe",
        "\ud800",
        "x" * 200_000,
        5,
        None,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ],
)
def test_what_is_no_pem_is_refused(text: Any) -> None:
    """Anything but a PEM key is an invalid key."""
    with pytest.raises(errors.InvalidKeyError):
        Key.from_pem(text, "ES256")


def test_a_longer_pem_can_be_allowed() -> None:
    """`Limits.pem_length` bounds the document, and raises the bound."""
    pem = Key.generate("ES256").to_pem() + b"\n" * 200_000
    with pytest.raises(errors.InvalidKeyError):
        Key.from_pem(pem)
    assert Key.from_pem(pem, limits=Limits(pem_length=1_000_000)).alg == "ES256"


def test_a_jwk_as_text_is_bounded() -> None:
    """`Limits.jwks_length` bounds the text of a single key, too."""
    text = '{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","alg":"HS256"}'
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(text, limits=Limits(jwks_length=50))


def test_the_password_must_be_right() -> None:
    """A wrong, missing or needless password is an error."""
    key = Key.generate("ES256")
    locked, open_ = key.to_pem(private=True, password=b"right"), key.to_pem(private=True)
    for text, password in ((locked, None), (locked, b"wrong"), (locked, b""), (open_, b"right"), (locked, "right")):
        with pytest.raises(errors.InvalidKeyError):
            Key.from_pem(text, password=password)  # type: ignore[arg-type]


def test_secrets_among_public_keys_are_published_and_no_secrets() -> None:
    """A set that mixes them (Wycheproof MixedKeySet) keeps the public keys; a set of secrets keeps its secrets."""
    secret, public = Key.generate("HS256").to_jwk(private=True), Key.generate("ES256").to_jwk()
    keys = KeySet.from_jwks({"keys": [secret, public]})
    assert ([key.alg for key in keys], keys.skipped) == (["ES256"], 1)
    assert [key.alg for key in KeySet.from_jwks({"keys": [secret, secret | {"kid": "b"}]})] == ["HS256", "HS256"]


def test_two_keys_with_one_kid_and_algorithm_are_ambiguous() -> None:
    """Wycheproof DuplicateKid: neither is tried."""
    keys = [Key.generate("HS256", kid="k") for _ in range(2)]
    with pytest.raises(errors.UnknownKeyError):
        jws.verify(jws.sign(b"x", keys[0]), KeySet(keys))


def test_an_alg_that_agrees_in_other_words() -> None:
    """`dir` in a JWK says that the caller names the `enc`; EdDSA and the curve's own name are one algorithm."""
    jwk = {"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "alg": "dir"}
    assert Key.from_jwk(jwk, "A256GCM").alg == "A256GCM"
    for alg in (None, "A256KW", "HS256"):
        with pytest.raises(errors.InvalidKeyError):
            Key.from_jwk(jwk, alg)
    edwards = Key.generate("Ed448").to_jwk()
    assert Key.from_jwk(edwards | {"alg": "EdDSA"}, "Ed448").alg == "Ed448"
    assert Key.from_jwk(edwards, "EdDSA").alg == "Ed448"
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(edwards | {"alg": "EdDSA"}, "Ed25519")


def test_a_key_does_not_change() -> None:
    """No attribute can be set: a key stays bound to what it was made for."""
    key = Key.generate("RS256")
    for name in ("alg", "algs", "kid", "is_private", "_material", "_verify", "known_headers"):
        with pytest.raises(AttributeError):
            setattr(key, name, "HS256")


@pytest.mark.parametrize("password", [5, None, bytearray(b"correct horse"), "\ud800" * 8])
def test_a_password_is_text_or_octets(password: Any) -> None:
    """Anything else is refused, a number above all, which bytes() would take for a length."""
    with pytest.raises(errors.InvalidKeyError):
        Key.from_password(password, "PBES2-HS256+A128KW")


@pytest.mark.parametrize("password", ["text", 5, b"x" * 2000])
def test_a_pem_password_is_octets(password: Any) -> None:
    """What cannot encrypt is refused, rather than the key written in the clear."""
    with pytest.raises(errors.InvalidKeyError):
        Key.generate("ES256").to_pem(private=True, password=password)


def test_sizes_are_numbers() -> None:
    """A size of another type is out of bounds."""
    sizes: tuple[Any, ...] = ("2048", None, 2048.0)
    for bits in sizes:
        with pytest.raises(errors.WeakKeyError):
            Key.generate("RS256", bits=bits)


def test_a_certificate_gives_its_key() -> None:
    """An X.509 certificate as PEM is read for its key; nobody has checked who signed it."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example")])
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), 1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
        .sign(private, hashes.SHA256())
    )
    key = Key.from_pem(certificate.public_bytes(serialization.Encoding.PEM))
    assert (key.alg, key.is_private) == ("ES256", False)
    key.verify(b"x", Key.from_pem(pem_of(private), "ES256").sign(b"x"))


def pem_of(private: ec.EllipticCurvePrivateKey, form: Any = serialization.PrivateFormat.PKCS8) -> bytes:
    """Write a private key in the clear."""
    return private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def test_the_older_forms_of_pem() -> None:
    """PKCS #1 and SEC 1, private and public, are the same keys as PKCS #8."""
    curve, rsa_ = ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)
    old = serialization.PrivateFormat.TraditionalOpenSSL
    assert Key.from_pem(pem_of(curve, old)).kid == Key.from_pem(pem_of(curve)).kid
    text = rsa_.private_bytes(serialization.Encoding.PEM, old, serialization.NoEncryption())
    public = rsa_.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    assert Key.from_pem(text, "PS256").kid == Key.from_pem(public, "PS256").kid


def test_curves_that_jose_does_not_name() -> None:
    """A readable key on a curve without a JOSE name is refused, with and without an algorithm."""
    text = pem_of(ec.generate_private_key(ec.SECP224R1()))
    for alg in (None, "ES256"):
        with pytest.raises(errors.InvalidKeyError):
            Key.from_pem(text, alg)


def test_rsa_members() -> None:
    """RFC 7518 §6.3.2: `d` alone is enough, some of the others are not, and more than two primes are not read."""
    jwk = Key.generate("RS256").to_jwk(private=True)
    short = {name: jwk[name] for name in ("kty", "alg", "n", "e", "d")}
    assert Key.from_jwk(short).to_jwk(private=True) | {"p": "", "q": ""} != jwk
    assert jws.verify(jws.sign(b"x", Key.from_jwk(short)), Key.from_jwk(jwk)).payload == b"x"
    for members in (short | {"p": jwk["p"]}, jwk | {"oth": []}, {n: jwk[n] for n in jwk if n != "d"}):
        with pytest.raises(errors.InvalidKeyError):
            Key.from_jwk(members)


def test_other_arguments_that_make_no_key() -> None:
    """A curve that is not the algorithm's, a secret for a key pair, text for a secret, a set of something else."""
    keys: Any = ["key"]
    text: Any = "0123456789abcdef0123456789abcdef"
    for attempt in (
        lambda: Key.generate("ES256", crv="P-384"),
        lambda: Key.generate("ECDH-ES", crv="secp256k1"),
        lambda: Key.from_secret(SECRET, "ES256"),
        lambda: Key.from_secret(text, "HS256"),
        lambda: KeySet(keys),
    ):
        with pytest.raises(errors.InvalidKeyError):
            attempt()
