"""Keys and sets of keys. A key is bound to exactly one algorithm when it is made (RFC 8725bis §3.1)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm

from . import algorithms, base64url, jwk, pem, strict_json, weakness, wrapping
from .errors import AlgNotAllowedError, InvalidKeyError, InvalidPolicyError, JoseError, UnknownKeyError
from .limits import DEFAULT
from .material import generate, is_private, kind_of, public_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from . import signing
    from .limits import Limits
    from .material import Material

_WRAPPING = {"encrypt", "wrapKey", "deriveKey", "deriveBits"}
_UNWRAPPING = {"decrypt", "unwrapKey", "deriveKey", "deriveBits"}
_PUBLIC_OPERATION = {"sign": "verify", "decrypt": "encrypt", "unwrapKey": "wrapKey"}
_CARRIED = ("use", "key_ops", "x5c", "x5t", "x5t#S256", "x5u", "urn:gatepass:signs")


class Header(msgspec.Struct, frozen=True):
    """A header that came with a good signature, and the key that it was found to be for.

    Attributes:
        key: The key.
        verify: The key's own `verify`.
        parameters: The header parameters.
        typ: The parameter `typ`, or None.
    """

    key: Key
    verify: signing.Verify
    parameters: dict[str, Any]
    typ: str | None


class Key:
    """One key, bound to one algorithm; private, public or a secret. It does not change once it is made.

    Make one with `generate`, `from_secret`, `from_pem` or `from_jwk`.

    Attributes:
        alg: The `alg` value of the one algorithm that the key is for.
        kid: The key ID, or None. Unless told, it is the RFC 7638 thumbprint; a secret that the caller supplied has
            none, since a thumbprint in a header would help to guess a secret that is not random (RFC 7638 §7).
        algs: The `alg` values that a token for this key may carry: `alg`, and its older alias where there is one.
        is_private: Whether the key holds something secret, and so can sign.
        is_secret: Whether it is a shared secret, which has no public part.
        use: `"sig"` or `"enc"`.
    """

    __slots__ = (
        "__weakref__",
        "_algorithm",
        "_carried",
        "_material",
        "_password",
        "_sign",
        "_unwrap",
        "_verify",
        "_wrap",
        "alg",
        "algs",
        "encoded_headers",
        "is_private",
        "is_secret",
        "kid",
        "known_headers",
        "use",
    )

    alg: str
    algs: tuple[str, ...]
    kid: str | None
    is_private: bool
    is_secret: bool
    use: str
    _sign: signing.Sign | None
    _verify: signing.Verify | None
    _wrap: wrapping.Wrap | None
    _unwrap: wrapping.Unwrap | None

    def __init__(
        self,
        material: Material,
        algorithm: algorithms.Algorithm,
        kid: str | None,
        carried: dict[str, Any] | None = None,
        *,
        password: wrapping.Password | None = None,
    ) -> None:
        """Bind material to an algorithm; for the constructors below, which check more than this does."""
        if kind_of(material) not in algorithm.kinds:
            raise InvalidKeyError(f"this type of key is not for {algorithm.name}")
        signs = isinstance(algorithm, algorithms.SignatureAlgorithm)
        weakness.check(material, algorithm.bits, exact=not signs and password is None)
        self.alg = algorithm.name
        self.algs = (algorithm.alg, algorithm.alias) if algorithm.alias else (algorithm.alg,)
        self.kid = kid
        self.use = "sig" if signs else "enc"
        self.is_private = is_private(material)
        self.is_secret = isinstance(material, bytes)
        self._material = material
        self._algorithm = algorithm
        self._carried = carried or {}
        self._password = password
        self._sign = self._verify = self._wrap = self._unwrap = None
        try:
            self._prepare()
        except UnsupportedAlgorithm:
            raise InvalidKeyError(f"the installed cryptography does not have {algorithm.name}") from None
        # Both are filled by headers.py: what writes this key's tokens, and which headers good signatures came with.
        self.encoded_headers: dict[object, Callable[[bytes], str]] = {}
        self.known_headers: dict[str, Header] = {}

    def _prepare(self) -> None:
        """Do once what every token would need again."""
        public = public_part(self._material)
        if isinstance(self._algorithm, algorithms.SignatureAlgorithm):
            scheme = self._algorithm.scheme
            if self.is_private and self._permits("sign"):
                self._sign = scheme.signer(self._material)
            if self._permits("verify"):
                self._verify = scheme.verifier(public)
        else:
            mechanism = self._algorithm.mechanism
            if self._permits(*_WRAPPING):
                self._wrap = mechanism.wrapper(self._password or public)
            if self.is_private and self._permits(*_UNWRAPPING):
                self._unwrap = mechanism.unwrapper(self._password or self._material)

    # ── making ──

    @classmethod
    def generate(cls, alg: str, *, kid: str | None = None, bits: int = 2048, crv: str | None = None) -> Key:
        """Make a new random key.

        Args:
            alg: The algorithm it is for, such as `"ES256"`.
            kid: The key ID; by default the RFC 7638 thumbprint.
            bits: The length of an RSA modulus; other algorithms have their own sizes.
            crv: The curve of an ECDH key; `"P-256"` by default. Other algorithms have their own.

        Raises:
            InvalidKeyError: `alg` is not an algorithm, or not one with this curve, or is for passwords.
            WeakKeyError: `bits` is out of bounds.
        """
        algorithm = _keyed(_algorithm(alg))
        kinds = [kind for kind in algorithm.kinds if crv in (None, kind[1])]
        if not kinds:
            raise InvalidKeyError(f"this curve is not for {algorithm.name}")
        if kinds[0] == ("oct", None):
            material: Material = secrets.token_bytes(algorithm.bits // 8)
        else:
            material = generate(*kinds[0], weakness.checked_rsa_bits(bits))
        return cls(material, algorithm, jwk.thumbprint(material) if kid is None else _checked_kid(kid))

    @classmethod
    def from_secret(cls, secret: bytes, alg: str, *, kid: str | None = None) -> Key:
        """Use a shared secret.

        Args:
            secret: Random octets: for HMAC at least as many as its hash yields (RFC 7518 §3.2), which are 32, 48 or
                64; for encryption exactly as many as the algorithm says.
            alg: `"HS256"`, `"HS384"`, `"HS512"`, `"A256KW"` and its like; or an `enc` value such as `"A256GCM"`, with
                which the secret encrypts content directly (`dir`).
            kid: The key ID; none by default.

        Raises:
            WeakKeyError: The secret is too short.
            InvalidKeyError: `alg` takes no secret, or the secret looks like another kind of key (a PEM, DER, SSH or
                JWK document): whoever has the public key could sign with it (CVE-2015-9235).
        """
        algorithm = _keyed(_algorithm(alg))
        if algorithm.kinds != (("oct", None),):
            raise InvalidKeyError(f"{algorithm.name} takes no secret")
        if not isinstance(cast("object", secret), (bytes, bytearray)):
            raise InvalidKeyError("a secret is bytes: decode its base64 or hex, or pass text.encode()")
        return cls(bytes(secret), algorithm, None if kid is None else _checked_kid(kid))

    @classmethod
    def from_password(
        cls,
        password: str | bytes,
        alg: str,
        *,
        iterations: int = 600_000,
        max_iterations: int = wrapping.MAX_ITERATIONS,
        kid: str | None = None,
    ) -> Key:
        """Encrypt under a password (RFC 7518 §4.8). The only way to PBES2: whoever calls this knows what it costs.

        Reading a token takes as many rounds of PBKDF2 as the token asks for, up to `max_iterations`: about half a
        second at the default. Do not let strangers send tokens to such a key.

        Args:
            password: The password; text is taken as UTF-8. 8 octets at least.
            alg: `"PBES2-HS256+A128KW"`, `"PBES2-HS384+A192KW"` or `"PBES2-HS512+A256KW"`.
            iterations: The rounds for tokens that we write.
            max_iterations: The most rounds that a token may ask of us.
            kid: The key ID; none by default.

        Raises:
            InvalidKeyError: `alg` takes no password, or the rounds are out of bounds.
            WeakKeyError: The password is too short.
        """
        algorithm = _algorithm(alg)
        if not (isinstance(algorithm, algorithms.KeyManagementAlgorithm) and algorithm.is_password):
            raise InvalidKeyError(f"{algorithm.name} takes no password")
        work = wrapping.Password(_password_octets(password), iterations, max_iterations)
        if not wrapping.MIN_ITERATIONS <= iterations <= max_iterations:
            raise InvalidKeyError("the iterations are out of bounds")
        return cls(work.octets, algorithm, None if kid is None else _checked_kid(kid), password=work)

    @classmethod
    def from_pem(
        cls,
        text: bytes | str,
        alg: str | None = None,
        *,
        password: bytes | None = None,
        kid: str | None = None,
        limits: Limits = DEFAULT,
    ) -> Key:
        """Read a PEM document: PKCS #8 (encrypted or not), PKCS #1, SEC 1, SubjectPublicKeyInfo or X.509.

        Where a private key stands beside its certificate or its public key, it is the private one.

        Args:
            text: The document.
            alg: The algorithm the key is for; may be left out where the key allows just one (EC and Edwards keys).
            password: Decrypts a private key.
            kid: The key ID; by default the RFC 7638 thumbprint.
            limits: Bounds on the document.

        Raises:
            InvalidKeyError: The document is too long or cannot be read, or the key is not for `alg`.
            WeakKeyError: The key must not be used.
        """
        return cls._of(pem.read(text, password, limits), alg, kid)

    @classmethod
    def from_jwk(
        cls, document: Mapping[str, Any] | str | bytes, alg: str | None = None, *, limits: Limits = DEFAULT
    ) -> Key:
        """Read a JWK (RFC 7517). Its `alg`, `use` and `key_ops` bind; certificates in it are carried, never trusted.

        Args:
            document: The JWK, parsed or as JSON text.
            alg: The algorithm the key is for, where the JWK does not say and its type leaves a choice.
            limits: Bounds on the text.

        Raises:
            InvalidKeyError: The JWK is malformed, contradicts itself or `alg`, or does not say what it is for.
            WeakKeyError: The key must not be used.
        """
        members = _members(document, limits)
        if "keys" in members and "kty" not in members:
            raise InvalidKeyError("this is a JWK Set, which KeySet.from_jwks reads")
        return cls._of(jwk.read(members), _bound_alg(members, alg), _jwk_kid(members), members)

    @classmethod
    def from_public_jwk(
        cls, document: Mapping[str, Any] | str | bytes, alg: str | None = None, *, limits: Limits = DEFAULT
    ) -> Key:
        """Read a JWK that somebody else sent: a public key. One with private members is refused by their names.

        Checking a private key costs up to a second, and one that has been sent to others is not private any more.

        Args:
            document: The JWK, parsed or as JSON text.
            alg: As for `from_jwk`.
            limits: Bounds on the text.

        Raises:
            InvalidKeyError: As for `from_jwk`, or the JWK has private members.
            WeakKeyError: The key must not be used.
        """
        members = _members(document, limits)
        if jwk.has_private_members(members):
            raise InvalidKeyError("the key has private members")
        return cls.from_jwk(members, alg)

    @classmethod
    def _of(cls, material: Material, alg: str | None, kid: str | None, members: Mapping[str, Any] | None = None) -> Key:
        algorithm = _keyed(_algorithm(alg, *kind_of(material)))
        carried = _checked_carried(members, algorithm) if members is not None else None
        if kid is not None:
            kid = _checked_kid(kid)
        elif not isinstance(material, bytes):
            kid = jwk.thumbprint(material)
        return cls(material, algorithm, kid, carried)

    # ── using ──

    def sign(self, message: bytes) -> bytes:
        """Sign octets; the answer is the octets of a JWS signature (RFC 7518 §3).

        Raises:
            InvalidKeyError: The key is public, or its `key_ops` do not include `sign`.
        """
        if self._sign is None:
            raise InvalidKeyError("this key cannot sign")
        return self._sign(message)

    def writer(self, header: str) -> Callable[[bytes], str]:
        """Return what signs one payload after the other under an encoded header, as compact tokens.

        Raises:
            InvalidKeyError: The key is public, or its `key_ops` do not include `sign`.
        """
        if self._sign is None:
            raise InvalidKeyError("this key cannot sign")
        return base64url.signer(header.encode() + b".", self._sign)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return if the octets of a JWS signature belong to the message.

        Raises:
            BadSignatureError: They do not.
            InvalidKeyError: The key's `key_ops` do not include `verify`.
        """
        if self._verify is None:
            raise InvalidKeyError("this key cannot verify")
        self._verify(message, signature)

    @property
    def is_direct(self) -> bool:
        """Whether the key, or what it agrees on, encrypts content itself, so that no encrypted key travels."""
        return isinstance(self._algorithm, algorithms.KeyManagementAlgorithm) and self._algorithm.mechanism.direct

    @property
    def can_unwrap(self) -> bool:
        """Whether the key may decrypt at all."""
        return self._unwrap is not None

    def wrap(self, cek: bytes, header: Mapping[str, Any]) -> wrapping.Wrapped:
        """Send a content encryption key to this key (RFC 7516 §5.1 steps 2-6); `jwe` calls it.

        Raises:
            InvalidKeyError: The key is for signatures, or its `key_ops` do not allow it.
        """
        if self._wrap is None:
            raise InvalidKeyError("this key cannot encrypt")
        return self._wrap(cek, header)

    def unwrap(self, encrypted_key: bytes, header: Mapping[str, Any], size: int) -> bytes:
        """Receive a content encryption key (RFC 7516 §5.2 steps 6-11); `jwe` calls it, and hides why it failed.

        Raises:
            InvalidKeyError: The key is public or for signatures, or its `key_ops` do not allow it.
        """
        if self._unwrap is None:
            raise InvalidKeyError("this key cannot decrypt")
        return self._unwrap(encrypted_key, header, size)

    def share(self, header: Mapping[str, Any]) -> float:
        """What `unwrap` would take of all that one document may cost, from 0 to 1; more is refused before it begins."""
        if not isinstance(self._algorithm, algorithms.KeyManagementAlgorithm):
            return 0
        return self._algorithm.mechanism.share(self._password or self._material, header)

    def select(self, alg: str, kid: str | None) -> Key:  # noqa: ARG002 - the set's counterpart looks at both
        """Return itself if it reads `alg`; the caller chose the key, and `kid` is only a hint (RFC 7515 §4.1.4).

        Raises:
            AlgNotAllowedError: The key is bound to another algorithm.
        """
        if alg not in self.algs:
            raise AlgNotAllowedError(f"the key is for {self.alg} only")
        return self

    # ── writing ──

    def public(self) -> Key:
        """Return the public part, which verifies what this key signs.

        Raises:
            InvalidKeyError: The key is a secret and has no public part.
        """
        if self.is_secret:
            raise InvalidKeyError("a secret has no public part")
        if not self.is_private:
            return self
        return Key(public_part(self._material), self._algorithm, self.kid, self._public_carried())

    def thumbprint(self) -> str:
        """Return the RFC 7638 thumbprint: base64url of SHA-256 over the required members."""
        return jwk.thumbprint(self._material)

    def thumbprint_uri(self) -> str:
        """Return the RFC 9278 URI of the thumbprint."""
        return f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{self.thumbprint()}"

    def to_jwk(self, *, private: bool = False) -> dict[str, Any]:
        """Write the key as a JWK.

        Args:
            private: Whether to write the secret members too.

        Raises:
            InvalidKeyError: The key is a secret and `private` is false, or it is public and `private` is true.
        """
        self._check_exportable(private=private)
        members: dict[str, Any] = dict(jwk.write(self._material, private=private))
        if self.kid is not None:
            members["kid"] = self.kid
        members["alg"] = self.alg
        return members | (self._carried if private or not self.is_private else self._public_carried())

    def to_pem(self, *, private: bool = False, password: bytes | None = None) -> bytes:
        """Write the key as PEM: PKCS #8, or SubjectPublicKeyInfo.

        Args:
            private: Whether to write the private key instead of the public one.
            password: Encrypts the private key.

        Raises:
            InvalidKeyError: The key is a secret, which has no PEM form, or is public and `private` is true.
        """
        self._check_exportable(private=private)
        return pem.write(self._material if private else public_part(self._material), password)

    def _check_exportable(self, *, private: bool) -> None:
        if self._password is not None:
            raise InvalidKeyError("a password is not exported")
        if private and not self.is_private:
            raise InvalidKeyError("a public key has no private part")
        if not private and self.is_secret:
            raise InvalidKeyError("a secret has no public part")

    def _permits(self, *operations: str) -> bool:
        """RFC 7517 §4.3: without `key_ops`, everything is permitted."""
        return "key_ops" not in self._carried or any(name in self._carried["key_ops"] for name in operations)

    def _public_carried(self) -> dict[str, Any]:
        """What the private JWK carried, fit for its public part: `sign` becomes `verify`, and so on."""
        carried = dict(self._carried)
        if "key_ops" in carried:
            carried["key_ops"] = list(dict.fromkeys(_PUBLIC_OPERATION.get(name, name) for name in carried["key_ops"]))
        return carried

    @property
    def signs(self) -> str | None:
        """The only thing that the key signs, by the JWK's member `urn:gatepass:signs`, such as `"revocations"`."""
        only = self._carried.get("urn:gatepass:signs")
        return only if isinstance(only, str) else None

    # ── Python's own ──

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, "known_headers"):  # which is set last
            raise AttributeError("a Key does not change")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"Key(alg={self.alg!r}, kid={self.kid!r})"

    def __copy__(self) -> Key:
        return self

    def __deepcopy__(self, _: dict[int, object]) -> Key:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self.is_private:
            raise InvalidKeyError("a private key is not pickled; export it with to_jwk(private=True)")
        return Key.from_jwk, (self.to_jwk(),)


class KeySet:
    """Keys that may verify a token, found by `kid` (RFC 7517 §5). It does not change once it is made.

    Attributes:
        skipped: How many members `from_jwks` left out because it could not use them.
        reasons: Why, in words; each reason once.
    """

    __slots__ = ("__weakref__", "_by_alg", "_by_kid", "_keys", "known_headers", "reasons", "skipped")

    def __init__(self, keys: Iterable[Key], *, skipped: int = 0, reasons: tuple[str, ...] = ()) -> None:
        self._keys = tuple(keys)
        self.skipped = skipped
        self.reasons = reasons
        self._by_kid: dict[str, list[Key]] = {}
        self._by_alg: dict[str, list[Key]] = {}
        for key in self._keys:
            if not isinstance(cast("object", key), Key):
                raise InvalidKeyError("a KeySet holds Keys")
            if key.kid is not None:
                self._by_kid.setdefault(key.kid, []).append(key)
            for alg in key.algs:
                self._by_alg.setdefault(alg, []).append(key)
        self.known_headers: dict[str, Header] = {}

    @classmethod
    def from_jwks(
        cls, document: Mapping[str, Any] | str | bytes, alg: str | None = None, *, limits: Limits = DEFAULT
    ) -> KeySet:
        """Read a JWK Set. Members that cannot be used are skipped and counted (RFC 7517 §5).

        So are secrets and private keys among public ones, by the names of their members: whoever publishes them lets
        everyone sign. In a set of private keys, RSA keys need their primes, which only `Key.from_jwk` computes.

        Args:
            document: The set, parsed or as JSON text.
            alg: The algorithm of members that name none and whose type leaves a choice.
            limits: Bounds on the document.

        Raises:
            InvalidKeyError: The document is not a JWK Set, or has more members than `limits.keys`.
        """
        return cls._of_jwks(document, alg, limits, may_be_private=True)

    @classmethod
    def from_public_jwks(
        cls, document: Mapping[str, Any] | str | bytes, alg: str | None = None, *, limits: Limits = DEFAULT
    ) -> KeySet:
        """Read a JWK Set that somebody else published: as `from_jwks`, and nothing private is ever read.

        Args:
            document: The set, parsed or as JSON text.
            alg: The algorithm of members that name none and whose type leaves a choice.
            limits: Bounds on the document.

        Raises:
            InvalidKeyError: The document is not a JWK Set, or has more members than `limits.keys`.
        """
        return cls._of_jwks(document, alg, limits, may_be_private=False)

    @classmethod
    def _of_jwks(cls, document: object, alg: str | None, limits: Limits, *, may_be_private: bool) -> KeySet:
        members = _members(document, limits).get("keys")
        if not isinstance(members, list):
            raise InvalidKeyError("not a JWK Set, which has keys; a single JWK is read by Key.from_jwk")
        members = cast("list[object]", members)
        if len(members) > limits.keys:
            raise InvalidKeyError("the JWK Set has too many members")
        reasons: dict[str, None] = {}
        keys = _usable(members, alg, reasons, private=False)
        if not keys and may_be_private:
            reasons.clear()
            keys = _usable(members, alg, reasons, private=True)
        return cls(keys, skipped=len(members) - len(keys), reasons=tuple(reasons))

    def to_jwks(self) -> dict[str, list[dict[str, Any]]]:
        """Write the public parts as a JWK Set. Secrets have none, and are left out."""
        return {"keys": [key.public().to_jwk() for key in self._keys if not key.is_secret]}

    def get(self, kid: str) -> Key | None:
        """Return the first key with this `kid`."""
        found = self._by_kid.get(kid)
        return found[0] if found else None

    def select(self, alg: str, kid: str | None) -> Key:
        """Return the one key for a token's header.

        Args:
            alg: The token's algorithm.
            kid: The token's key ID. Without it, a key is found only if exactly one is for `alg`.

        Raises:
            UnknownKeyError: No key has the `kid`, or several keys fit.
            AlgNotAllowedError: The keys that might fit are for other algorithms.
        """
        candidates = self._by_alg.get(alg, []) if kid is None else self._by_kid.get(kid, [])
        if not candidates and kid is not None:
            raise UnknownKeyError(f"no key has this kid{self._why()}")
        fitting = [key for key in candidates if alg in key.algs]
        if not fitting:
            raise AlgNotAllowedError(f"no key here is for this alg{self._why()}")
        if len(fitting) > 1 and len({key.thumbprint() for key in fitting}) > 1:
            raise UnknownKeyError("more than one key fits")
        return fitting[0]  # the same key several times leaves no doubt about which one is meant

    @property
    def left_out(self) -> str | None:
        """How many members of the document this set does not hold, and why; None if it holds all."""
        if not self.skipped:
            return None
        return f"{self.skipped} of {self.skipped + len(self)} published keys are not used: {'; '.join(self.reasons)}"

    def _why(self) -> str:
        return f" ({self.left_out})" if self.reasons else ""

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"KeySet({list(self._keys)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return KeySet, (self._keys,)


def checked_key(key: object, use: str = "sig") -> Key:
    """Refuse what is not a Key for this use before it is asked to sign or encrypt."""
    if not isinstance(key, Key):
        raise InvalidPolicyError("a Key is needed")
    if key.use != use:
        raise InvalidKeyError("the key is for something else")
    return key


# ── checks of what a caller or a JWK says ───────────────────────────────────────────────────────────────────────────


def _algorithm(name: str | None, kty: str | None = None, crv: str | None = None) -> algorithms.Algorithm:
    """Find the row for a name, or for the only algorithm that a type of key is for."""
    if name is None:
        row: algorithms.Algorithm | None = algorithms.implied_by(kty or "", crv)
        if row is None:
            raise InvalidKeyError("this type of key is for several algorithms, and alg= does not name one")
        return row
    row = algorithms.named(name, crv) if isinstance(cast("object", name), str) else None
    if row is None:
        raise InvalidKeyError("unknown alg")
    return row


def _keyed(algorithm: algorithms.Algorithm) -> algorithms.Algorithm:
    """Refuse an algorithm that takes a password, which is not a key."""
    if isinstance(algorithm, algorithms.KeyManagementAlgorithm) and algorithm.is_password:
        raise InvalidKeyError(f"{algorithm.name} takes a password: see Key.from_password")
    return algorithm


def _password_octets(password: object) -> bytes:
    try:
        octets = password.encode() if isinstance(password, str) else password
    except UnicodeEncodeError:
        raise InvalidKeyError("the password is not UTF-8") from None
    if not isinstance(octets, bytes):
        raise InvalidKeyError("a password is str or bytes")
    return octets


def _members(document: object, limits: Limits) -> Mapping[str, Any]:
    if isinstance(document, (str, bytes)):
        if len(document) > limits.jwks_length:
            raise InvalidKeyError("the document is too long")
        text = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
        try:
            return strict_json.decode_object(text, limits.depth)
        except JoseError:
            is_pem = b"-----BEGIN" in text[:1000]
            cure = ", but PEM, which Key.from_pem reads" if is_pem else ""
            raise InvalidKeyError(f"the document is not strict JSON{cure}") from None
    return _object(document)


def _object(document: object) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise InvalidKeyError("a JWK is a JSON object")
    return cast("Mapping[str, Any]", document)


def _usable(members: list[object], alg: str | None, reasons: dict[str, None], *, private: bool) -> list[Key]:
    """Return the public keys among the members of a set, or the private ones; `reasons` says why not the others."""
    keys: list[Key] = []
    for member in members:
        try:
            keys.append(_key_of_set(_object(member), alg, private=private))
        except JoseError as error:
            reasons[str(error)] = None
    return keys


def _key_of_set(member: Mapping[str, Any], alg: str | None, *, private: bool) -> Key:
    alg = None if "alg" in member else alg
    if not private:
        return Key.from_public_jwk(member, alg)
    if not jwk.has_private_members(member):
        raise InvalidKeyError("a public key among private ones")
    if jwk.lacks_primes(member):
        raise InvalidKeyError("the key does not hold its primes: read it by Key.from_jwk")
    return Key.from_jwk(member, alg)


def _bound_alg(members: Mapping[str, Any], alg: str | None) -> str | None:
    """RFC 7517 §4.4: what the JWK says binds; the caller may only agree, or say which `enc` a `dir` key is for."""
    if "alg" not in members:
        return alg
    own = members["alg"]
    if not isinstance(own, str):
        raise InvalidKeyError("the JWK's alg is not a string")
    if alg in (None, own) or (own == "dir" and alg in algorithms.CONTENTS):
        return own if alg is None else alg
    if "EdDSA" in (own, alg) and members.get("crv") in (own, alg):
        return own
    raise InvalidKeyError("the JWK is for another alg")


def _jwk_kid(members: Mapping[str, Any]) -> str | None:
    return None if "kid" not in members else _checked_kid(members["kid"])


def _checked_kid(kid: object) -> str:
    if not isinstance(kid, str):
        raise InvalidKeyError("kid is not a string")
    return kid


def _checked_carried(members: Mapping[str, Any], algorithm: algorithms.Algorithm) -> dict[str, Any]:
    """RFC 7517 §4.2 and §4.3: `use` and `key_ops` must allow something that the algorithm does."""
    signs = isinstance(algorithm, algorithms.SignatureAlgorithm)
    use, permitted = ("sig", {"sign", "verify"}) if signs else ("enc", _WRAPPING | _UNWRAPPING)
    if members.get("use", use) != use:
        raise InvalidKeyError("the JWK's use is not the algorithm's")
    if "key_ops" in members and not permitted & _checked_key_ops(members["key_ops"]):
        raise InvalidKeyError("the JWK's key_ops are not the algorithm's")
    return {name: members[name] for name in _CARRIED if name in members}


def _checked_key_ops(operations: object) -> set[str]:
    names = cast("list[object]", operations) if isinstance(operations, (list, tuple)) else []
    different = {name for name in names if isinstance(name, str)}
    if len(different) != len(names) or not names:
        raise InvalidKeyError("the JWK's key_ops are not a list of different names")
    return different
