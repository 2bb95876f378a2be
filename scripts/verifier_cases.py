"""Write docs/protocol/vectors/verifier.json: tokens and proofs, and what a verifier says of each. `--check` compares.

The verdicts are written down here by hand. tests/verify/test_shared_cases.py holds `gatepass.verify` to them, and the
verifier of clients/js/verify.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gatepass.jose import Key, base64url
from gatepass.tokens import dpop_proof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "protocol" / "vectors" / "verifier.json"

ISSUER, AUDIENCE = "https://auth.example.com", "my-api"
NOW = 1_800_000_000
LIST = f"{ISSUER}/status/1"
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def _key(alg: str, name: str) -> Key:
    """A private key that is a digest of its name; RSA keys are that of RFC 7515 App. A.2."""
    if alg in CURVES:
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()) >> 1
        private: Any = ec.derive_private_key(number, CURVES[alg])
    elif alg == "Ed25519":
        private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    else:
        examples = json.loads((ROOT / "tests/vectors/rfc7515.json").read_text())["compact"]
        members = next(one["key"] for one in examples if one["key"]["kty"] == "RSA")
        return Key.from_jwk({**members, "kid": name, "alg": alg})
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Key.from_pem(pem, alg, kid=name)


KEYS = {
    name: _key(alg, name)
    for name, alg in {
        "es256": "ES256", "es384": "ES384", "es512": "ES512", "ed25519": "Ed25519",
        "rs256": "RS256", "twin": "ES256", "stranger": "ES256", "holder": "ES256", "other holder": "Ed25519",
    }.items()
}  # fmt: skip
RS384, RS512 = (_key(alg, "rs256") for alg in ("RS384", "RS512"))


def _jwks() -> dict[str, Any]:
    """What the issuer publishes: good keys, and members that no verifier uses."""
    members = {name: {**key.public().to_jwk(), "use": "sig"} for name, key in KEYS.items()}
    published = [members[name] for name in ("es256", "es384", "es512", "ed25519", "rs256")]
    no_alg = {name: value for name, value in members["twin"].items() if name != "alg"} | {"kid": "no alg"}
    return {
        "keys": [
            *published,
            no_alg,
            {**members["es384"], "kid": "two"},
            {**members["es512"], "kid": "two"},
            {**members["twin"], "kid": "for encryption", "use": "enc"},
            {**KEYS["twin"].to_jwk(private=True), "kid": "private"},
            {**members["twin"], "kid": "off the curve", "y": members["es256"]["y"]},
            {**members["twin"], "kid": "short", "x": members["twin"]["x"][:40]},
            {"kty": "RSA", "n": base64url.encode(b"\xc1" * 128), "e": "AQAB", "kid": "weak", "alg": "RS256"},
            {"kty": "oct", "k": base64url.encode(b"k" * 32), "kid": "secret", "alg": "HS256"},
            {**members["rs256"], "kid": "ps only", "alg": "PS256"},
        ]
    }


# ── tokens ──────────────────────────────────────────────────────────────────────────────────────────────────────────

CLAIMS: dict[str, Any] = {
    "iss": ISSUER, "sub": "user_1", "aud": AUDIENCE, "exp": NOW + 900, "iat": NOW, "jti": "tok_1", "client_id": "app",
}  # fmt: skip


def written(header: object, payload: object, key: Key) -> str:
    """Write a token of octets or JSON, whatever they say."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    message = ".".join(map(base64url.encode, parts))
    return f"{message}.{base64url.encode(key.sign(message.encode()))}"


def token(key: str = "es256", /, *, header: Any = None, **changes: object) -> str:  # noqa: ANN401 - any parameters
    """Write a good token with some claims and header parameters changed; `...` takes one away."""
    found = KEYS[key]
    parameters = {"alg": found.alg, "typ": "at+jwt", "kid": key} | (header or {})
    return written(_given(parameters), _given(CLAIMS | changes), found)


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not ...}


def plain(**changes: object) -> bytes:
    """The payload of a good token, as text that a case can spoil."""
    return json.dumps(_given(CLAIMS | changes)).encode()


GOOD_HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": "es256"}


def payload(octets: bytes) -> str:
    """Sign a payload as it is."""
    return written(GOOD_HEADER, octets, KEYS["es256"])


def header(octets: bytes | dict[str, Any]) -> str:
    """Sign under a header as it is."""
    return written(octets, CLAIMS, KEYS["es256"])


def spoiled(part: int, what: str) -> str:
    """Replace a part of a good token."""
    parts = token().split(".")
    parts[part] = what
    return ".".join(parts)


class Case(NamedTuple):
    """A token, and what is to be said of it: an error code, or the members of its principal.

    Attributes:
        name: What is special.
        token: It.
        verdict: An error's code, or members of the principal.
        policy: Arguments of the verifier that are not as usual.
        dpop: The proof, method and URL of the request.
        times: How often the token is to be repeated.
    """

    name: str
    token: str
    verdict: str | dict[str, Any]
    policy: Mapping[str, Any] = MappingProxyType({})
    dpop: tuple[str, str, str] | None = None
    times: int = 1

    def written(self) -> dict[str, Any]:
        """As the file has it."""
        verdict = {"error": self.verdict} if isinstance(self.verdict, str) else {"principal": self.verdict}
        more: dict[str, Any] = {"policy": dict(self.policy)} if self.policy else {}
        if self.dpop is not None:
            more["dpop"] = dict(zip(("proof", "method", "url"), self.dpop, strict=True))
        if self.times > 1:
            more["times"] = self.times
        return {"name": self.name, "token": self.token, **more, **verdict}


GOOD = {"subject": "user_1", "client_id": "app", "token_id": "tok_1", "expires_at": NOW + 900}


def _shape() -> Iterator[Case]:
    good = token()
    yield Case("empty", "", "malformed")
    yield Case("no periods", "abc", "malformed")
    yield Case("two parts", "a.b", "malformed")
    yield Case("four parts", f"{good}.a", "malformed")
    yield Case("a period at the end", f"{good}.", "malformed")
    yield Case("padded base64url", f"{good}=", "malformed")
    yield Case("base64 that is not for URLs", good.replace(".", ".+", 1), "malformed")
    yield Case("blanks", f" {good}", "malformed")
    yield Case("a line end", f"{good}\n", "malformed")
    yield Case("not ASCII", f"é{good}", "malformed")
    yield Case("a length that no octets have", spoiled(2, "AAAAA"), "malformed")
    yield Case("stray bits", spoiled(0, "eyJhbGciOiJFUzI1NiJ9Qh"), "malformed")
    yield Case("an empty signature", spoiled(2, ""), "bad_signature")
    yield Case("a short signature", spoiled(2, "AAAA"), "bad_signature")
    yield Case("a signature of zeros", spoiled(2, base64url.encode(bytes(64))), "bad_signature")
    yield Case("a signature in DER", spoiled(2, base64url.encode(b"\x30\x06\x02\x01\x01\x02\x01\x01")), "bad_signature")
    yield Case("another payload", spoiled(1, base64url.encode(plain(sub="admin"))), "bad_signature")
    yield Case("an empty payload", spoiled(1, ""), "bad_signature")
    yield Case("longer than 250,000 characters", "a", "token_too_long", times=250_001)
    yield Case("a header of more than 20,000 characters", f"{'A' * 20_001}.e30.AAAA", "token_too_long")


def _headers() -> Iterator[Case]:
    good = GOOD_HEADER
    yield Case("alg none", header(good | {"alg": "none"}), "alg_not_allowed")
    yield Case(
        "alg none without a signature", header(good | {"alg": "none"}).rpartition(".")[0] + ".", "alg_not_allowed"
    )
    yield Case("alg NONE", header(good | {"alg": "NONE"}), "alg_not_allowed")
    yield Case("alg in lower case", header(good | {"alg": "es256"}), "alg_not_allowed")
    yield Case("alg of encryption", header(good | {"alg": "RSA-OAEP"}), "alg_not_allowed")
    yield Case("HS256 by the name of a public key", header(good | {"alg": "HS256"}), "alg_not_allowed")
    yield Case("HS256 by a published secret", header(good | {"alg": "HS256", "kid": "secret"}), "unknown_key")
    yield Case("RS256 by the name of an EC key", header(good | {"alg": "RS256"}), "alg_not_allowed")
    yield Case("ES384 by the name of a key for ES256", header(good | {"alg": "ES384"}), "alg_not_allowed")
    yield Case("no alg", header({"typ": "at+jwt", "kid": "es256"}), "malformed")
    yield Case("alg null", header(good | {"alg": None}), "malformed")
    yield Case("alg in a list", header(good | {"alg": ["ES256"]}), "malformed")
    yield Case("kid a number", header(good | {"kid": 1}), "malformed")
    yield Case("typ null", header(good | {"typ": None}), "malformed")
    yield Case("crit with an unknown extension", header(good | {"crit": ["x"], "x": 1}), "unsupported_crit")
    yield Case("crit with b64", header(good | {"crit": ["b64"], "b64": True}), "unsupported_crit")
    yield Case("crit of nothing", header(good | {"crit": []}), "malformed")
    yield Case("crit of what is absent", header(good | {"crit": ["x"]}), "malformed")
    yield Case("crit of a registered name", header(good | {"crit": ["kid"]}), "malformed")
    yield Case("crit twice the same", header(good | {"crit": ["x", "x"], "x": 1}), "malformed")
    yield Case("crit null", header(good | {"crit": None}), "malformed")
    yield Case("b64 false", header(good | {"b64": False}), "malformed")
    yield Case("alg twice", header(b'{"alg":"ES256","typ":"at+jwt","kid":"es256","alg":"ES256"}'), "malformed")
    yield Case("a header that is a list", header(b"[]"), "malformed")
    yield Case("a header with a byte order mark", header(b"\xef\xbb\xbf" + json.dumps(good).encode()), "malformed")
    yield Case(
        "an escaped name twice", header(b'{"alg":"ES256","\\u0061lg":"none","typ":"at+jwt","kid":"es256"}'), "malformed"
    )
    yield Case("an unknown parameter", header(good | {"x": {"y": [1, None]}}), GOOD)
    yield Case("jku and jwk, which are not followed", header(good | {"jku": "https://evil.example", "jwk": {}}), GOOD)
    yield Case("blanks in the header", header(b'{ "alg":"ES256",\n"typ":"at+jwt", "kid":"es256"}'), GOOD)


def _keys() -> Iterator[Case]:
    for name in ("es384", "es512", "ed25519", "rs256"):
        yield Case(f"signed by {name}", token(name), GOOD)
    yield Case("EdDSA, the old name", token("ed25519", header={"alg": "EdDSA"}), GOOD)
    yield Case("a key that names no alg", token("twin", header={"kid": "no alg"}), GOOD)
    yield Case("two keys of one name, told apart by alg", token("es384", header={"kid": "two"}), GOOD)
    yield Case("no kid, and one key for the alg", token("rs256", header={"kid": ...}), GOOD)
    yield Case("no kid, and one key under two names", token("es512", header={"kid": ...}), GOOD)
    yield Case("no kid, and two keys", token(header={"kid": ...}), "unknown_key")
    yield Case("no kid, and no key for the alg", token(header={"kid": ..., "alg": "RS512"}), "alg_not_allowed")
    yield Case("a stranger's key", token("stranger"), "unknown_key")
    yield Case("a stranger's key under an honest name", token("stranger", header={"kid": "es256"}), "bad_signature")
    yield Case(
        "another algorithm of the same RSA key",
        written({"alg": "RS384", "typ": "at+jwt", "kid": "rs256"}, CLAIMS, RS384),
        "alg_not_allowed",
    )
    yield Case(
        "RS512 of the same RSA key",
        written({"alg": "RS512", "typ": "at+jwt", "kid": "rs256"}, CLAIMS, RS512),
        "alg_not_allowed",
    )
    yield Case("PKCS #1 by a key that is for PSS", token("rs256", header={"kid": "ps only"}), "alg_not_allowed")
    for name in ("for encryption", "private", "off the curve", "short", "weak"):
        yield Case(f"a key that is not used: {name}", token("twin", header={"kid": name}), "unknown_key")
    yield Case("a kid that every object has", token(header={"kid": "constructor"}), "unknown_key")


def _json() -> Iterator[Case]:
    good = plain()
    yield Case("a claim twice", payload(good[:-1] + b',"sub":"admin"}'), "malformed")
    yield Case("a claim twice, deep inside", payload(good[:-1] + b',"x":[{"a":1,"b":{"c":1,"c":2}}]}'), "malformed")
    yield Case("the same name at two levels", payload(good[:-1] + b',"x":{"sub":{"sub":1}}}'), GOOD)
    yield Case("a list", payload(b"[]"), "malformed")
    yield Case("null", payload(b"null"), "malformed")
    yield Case("not JSON", payload(b"It\xe2\x80\x99s a dangerous business"), "malformed")
    yield Case("a comma at the end", payload(good[:-1] + b",}"), "malformed")
    yield Case("NaN", payload(good[:-1] + b',"x":NaN}'), "malformed")
    yield Case("a number larger than any double", payload(good[:-1] + b',"x":1e999}'), "malformed")
    yield Case("an integer larger than any double", payload(good[:-1] + b',"x":1' + b"0" * 400 + b"}"), "malformed")
    yield Case("not UTF-8", payload(good[:-1] + b',"x":"\xff"}'), "malformed")
    yield Case("half a surrogate pair", payload(good[:-1] + b',"x":"\\ud800"}'), "malformed")
    yield Case("a surrogate pair", payload(good[:-1] + b',"x":"\\ud83d\\ude00"}'), GOOD)
    yield Case("nested 32 deep", payload(good[:-1] + b',"x":' + b"[" * 31 + b"]" * 31 + b"}"), GOOD)
    yield Case("nested 33 deep", payload(good[:-1] + b',"x":' + b"[" * 32 + b"]" * 32 + b"}"), "malformed")
    yield Case("nested 5,000 deep", payload(good[:-1] + b',"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}"), "malformed")
    yield Case("a name that objects have", payload(good[:-1] + b',"__proto__":{"sub":"admin"},"constructor":1}'), GOOD)
    yield Case("blanks and line ends", payload(b" " + good.replace(b", ", b" ,\n\t") + b"\n"), GOOD)


def _claims() -> Iterator[Case]:
    yield Case("good", token(), GOOD)
    for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id"):
        yield Case(f"without {name}", token(**{name: ...}), "missing_claim")
        yield Case(f"{name} null", token(**{name: None}), "bad_claim")
    for name in ("iss", "sub", "jti"):
        yield Case(f"{name} a number", token(**{name: 1}), "bad_claim")
    for name in ("exp", "iat", "nbf"):
        yield Case(f"{name} a text", token(**{name: str(NOW)}), "bad_claim")
        yield Case(f"{name} true", token(**{name: True}), "bad_claim")
        yield Case(f"{name} too large for a moment", token(**{name: 2**60}), "bad_claim")
        yield Case(f"{name} an integer that no double has", token(**{name: 2**53 + 1}), "bad_claim")
    for name in ("sub", "jti", "client_id"):
        yield Case(f"{name} empty", token(**{name: ""}), "bad_claim")
    yield Case("expired", token(exp=NOW - 1), "expired")
    yield Case("expires now", token(exp=NOW), "expired")
    yield Case("expires in half a second", token(exp=NOW + 0.5), GOOD | {"expires_at": NOW + 0.5})
    yield Case("expired within the leeway", token(exp=NOW - 9), GOOD | {"expires_at": NOW - 9}, {"leeway": 10})
    yield Case("expired at the end of the leeway", token(exp=NOW - 10), "expired", {"leeway": 10})
    yield Case("not valid yet", token(nbf=NOW + 1), "not_yet_valid")
    yield Case("valid from now on", token(nbf=NOW), GOOD)
    yield Case("not valid yet, within the leeway", token(nbf=NOW + 10), GOOD, {"leeway": 10})
    yield Case("made a minute ahead", token(iat=NOW + 60), GOOD)
    yield Case("made more than a minute ahead", token(iat=NOW + 61), "issued_in_future")
    yield Case("another issuer", token(iss="https://evil.example.com"), "wrong_issuer")
    yield Case("the issuer with a slash", token(iss=f"{ISSUER}/"), "wrong_issuer")
    yield Case("another audience", token(aud="your-api"), "wrong_audience")
    yield Case("a longer audience", token(aud=f"{AUDIENCE}-2"), "wrong_audience")
    yield Case("several audiences", token(aud=["your-api", AUDIENCE]), GOOD)
    yield Case("several audiences, and none is ours", token(aud=["a", "b"]), "wrong_audience")
    yield Case("no audience in the list", token(aud=[]), "wrong_audience")
    yield Case("an audience that is no text", token(aud=[AUDIENCE, 1]), "bad_claim")
    yield Case("one of several that we accept", token(aud="b"), GOOD, {"audience": ["a", "b"]})
    for typ, verdict in (("AT+JWT", GOOD), ("application/at+jwt", GOOD), ("JWT", "wrong_typ"), (..., "wrong_typ"),
                         ("secevent+jwt", "wrong_typ"), ("", "wrong_typ")):  # fmt: skip
        yield Case(f"typ {typ}", token(header={"typ": typ}), verdict)
    for name, value in (("sid", 1), ("scope", ["read"]), ("roles", "admin"), ("roles", None), ("roles", [1]),
                        ("auth_time", "1"), ("acr", 1), ("amr", "pwd"), ("act", "x"), ("act_status", {}),
                        ("status", "x")):  # fmt: skip
        yield Case(f"{name} {value}", token(**{name: value}), "bad_claim")
    yield Case(
        "what a principal is made of",
        token(sid="s", scope="read  write ",
              roles=["admin", "editor"], permissions=["a:b"], auth_time=NOW - 9.5,
              acr="2", amr=["pwd", "otp"], org_id="org_1", org_slug="acme", org_roles=["owner"],
              org_permissions=["c:d"]),
        GOOD | {"session_id": "s", "scopes": ["read", "write"], "roles": ["admin", "editor"],
                "permissions": ["a:b"], "auth_time": NOW - 10, "acr": "2", "amr": ["pwd", "otp"],
                "organization": {"id": "org_1", "slug": "acme", "roles": ["owner"], "permissions": ["c:d"]}},
    )  # fmt: skip
    yield Case("only spaces separate scopes", token(scope="a\tb c"), GOOD | {"scopes": ["a\tb", "c"]})
    yield Case("permissions that are no list grant nothing", token(permissions="all"), GOOD | {"permissions": []})
    yield Case("an organization that is no text is none", token(org_id=7), GOOD | {"organization": None})
    yield Case("a status", token(status={"status_list": {"idx": 9, "uri": LIST}}), GOOD)
    yield Case("a status at 9.0", token(status={"status_list": {"idx": 9.0, "uri": LIST}}), GOOD)
    yield Case(
        "a status with other members", token(status={"status_list": {"idx": 9, "uri": LIST, "x": 1}, "y": 2}), GOOD
    )
    yield Case("a status of something else", token(status={"other": 1}), GOOD)
    members: tuple[object, ...] = (
        {"idx": -1, "uri": LIST},
        {"idx": "9", "uri": LIST},
        {"idx": 9},
        {"idx": 1.5, "uri": LIST},
        {"idx": True, "uri": LIST},
        {"idx": 1 << 53, "uri": LIST},
        {"idx": 9, "uri": None},
        [],
        None,
    )
    for member in members:
        yield Case(f"a status at {member}", token(status={"status_list": member}), "bad_claim")
    yield Case("an actor's status at nothing", token(act_status=[{}]), "bad_claim")


def _others() -> Iterator[Case]:
    """Issuers that do not follow RFC 9068."""

    def other(**changes: object) -> str:
        return token(header={"typ": "JWT"}, **{"client_id": ..., "jti": ...} | changes)

    any_typ, jwt = {"typ": None}, {"typ": "JWT"}
    who = {"subject": "user_1", "client_id": None, "token_id": None}
    yield Case("any typ", other(), who, any_typ)
    yield Case("the typ that is asked for", other(), who, jwt)
    yield Case("another typ", token(), "wrong_typ", jwt)
    yield Case("no audience", other(aud=...), "missing_claim", any_typ)
    yield Case(
        "the audience in another claim",
        other(aud=..., azp=AUDIENCE),
        who | {"client_id": AUDIENCE},
        any_typ | {"audience_claim": "azp"},
    )
    yield Case(
        "another audience in another claim", other(azp="x"), "wrong_audience", any_typ | {"audience_claim": "azp"}
    )
    yield Case("no other claim with the audience", other(), "missing_claim", any_typ | {"audience_claim": "azp"})
    for name in ("events", "at_hash", "c_hash"):
        yield Case(f"an ID token or event: {name}", other(**{name: {}}), "wrong_typ", any_typ)
    yield Case("an ID token of Cognito", other(token_use="id"), "wrong_typ", any_typ)  # noqa: S106 - a claim
    yield Case("a refresh token of Keycloak", other(typ="Refresh"), "wrong_typ", any_typ)
    yield Case("other names", other(azp="spa", scp=["read", "write"], session_id="s"),
               who | {"client_id": "spa", "scopes": ["read", "write"], "session_id": "s"}, any_typ)  # fmt: skip
    yield Case("claims of other types grant nothing", other(scope=7, roles=7, acr=7, amr=7, sid=7),
               who | {"scopes": [], "roles": [], "acr": None, "amr": []}, any_typ)  # fmt: skip
    yield Case("roles that are text, and amr of objects", other(roles="admin", amr=[{"method": "otp", "timestamp": 1}]),
               who | {"roles": ["admin"], "amr": ["otp"]}, any_typ)  # fmt: skip
    yield Case(
        "roles inside",
        other(realm_access={"roles": ["admin"]}),
        who | {"roles": ["admin"]},
        any_typ | {"roles": ["realm_access", "roles"]},
    )
    yield Case(
        "roles as an object",
        other(groups={"a": {}, "b": None, "c": False}),
        who | {"roles": ["a"]},
        any_typ | {"roles": "groups"},
    )
    yield Case("no roles inside", other(), who | {"roles": []}, any_typ | {"roles": ["realm_access", "roles"]})
    yield Case(
        "roles inside of no object",
        other(realm_access="x"),
        "bad_claim",
        any_typ | {"roles": ["realm_access", "roles"]},
    )
    yield Case("roles that are numbers", other(groups=[1]), "bad_claim", any_typ | {"roles": "groups"})


OTHER_TARGETS = {
    "a backslash": "https://api.example.com\\orders",
    "no URL": "orders",
    "a path with dots": "https://api.example.com/a/../orders",
    "a path with encoded dots": "https://api.example.com/a/%2e%2e/orders",
    "an empty user name": "https://@api.example.com/orders",
    "one slash": "https:/api.example.com/orders",
    "three slashes": "https:///api.example.com/orders",
    "a tab in the host": "https://api.exam\tple.com/orders",
    "an encoded host": "https://%61pi.example.com/orders",
}


ODD_HOSTS = {
    "a host of five numbers": "https://1.2.3.4.5/orders",
    "a host of a number too large": "https://256.256.256.256/orders",
    "a host that is no punycode": "https://xn--a/orders",
    "a host with marks": "https://a_b~c!d/orders",
}
"""RFC 3986 §3.2.2 allows them as names, which are compared as they are; parsers of URLs for browsers do not."""

NO_HOSTS = {
    "a host with a character that no URI has": "https://a<b/orders",
    "a host in braces": "https://{api}/orders",
    "brackets around a name": "https://[api]/orders",
    "no host": "https://:443/orders",
    "half an escape in the host": "https://a%2/orders",
    "a port too large": "https://api.example.com:65536/orders",
    "a port that is no number": "https://api.example.com:4a3/orders",
    "another scheme that is not HTTP's": "ftp://api.example.com/orders",
}


def _proofs() -> Iterator[Case]:
    holder = KEYS["holder"]
    thumbprint, url = holder.thumbprint(), "https://api.example.com/orders?a=b"
    bound = token(cnf={"jkt": thumbprint})
    whole = {
        "jti": "p",
        "htm": "GET",
        "htu": "https://api.example.com/orders",
        "iat": NOW,
        "ath": dpop_proof.token_hash(bound),
    }
    jwk = {name: value for name, value in holder.public().to_jwk().items() if name not in ("kid", "alg")}

    def proof(key: Key = holder, /, *, head: Any = None, **changes: object) -> str:  # noqa: ANN401 - any parameters
        return written(
            _given({"typ": "dpop+jwt", "alg": key.alg, "jwk": jwk} | (head or {})), _given(whole | changes), key
        )

    def case(  # noqa: PLR0913 - each is named where it is called
        name: str,
        made: str,
        verdict: str | dict[str, Any] = "invalid_dpop_proof",
        *,
        method: str = "GET",
        at: str = url,
        of: str = bound,
        **policy: object,
    ) -> Case:
        return Case(f"DPoP: {name}", of, verdict, policy, (made, method, at))

    good = GOOD | {"key_thumbprint": thumbprint}
    yield case("good", proof(), good)
    yield case("a kid beside the key", proof(head={"kid": "whatever"}), good)
    yield Case("DPoP: no proof", bound, "unproven_cnf")
    yield Case("DPoP: bound to a certificate", token(cnf={"x5t#S256": "x"}), "unproven_cnf")
    yield Case("DPoP: bound to nothing", token(cnf=None), "unproven_cnf")
    yield Case("DPoP: bound to an empty object", token(cnf={}), "unproven_cnf")
    yield case(
        "bound to more than a key",
        proof(ath=dpop_proof.token_hash(token(cnf={"jkt": thumbprint, "x": 1}))),
        "unproven_cnf",
        of=token(cnf={"jkt": thumbprint, "x": 1}),
    )
    yield case("a token that is not bound", proof(ath=dpop_proof.token_hash(token())), "unproven_cnf", of=token())
    other = KEYS["other holder"]
    theirs = {name: value for name, value in other.public().to_jwk().items() if name not in ("kid", "alg")}
    yield case("another key", proof(other, head={"jwk": theirs}), "unproven_cnf")
    yield case("signed by another key", proof(KEYS["twin"]))
    yield case("another method", proof(), method="POST")
    yield case("the method in lower case", proof(htm="get"))
    yield case("another path", proof(), at="https://api.example.com/order")
    yield case("another host", proof(), at="https://evil.example.com/orders")
    yield case("another scheme", proof(), at="http://api.example.com/orders")
    yield case("another port", proof(), at="https://api.example.com:444/orders")
    yield case("another spelling", proof(htu="HTTPS://API.example.com:443/%6Frders#x"), good)
    yield case("an encoded slash", proof(htu="https://api.example.com%2Forders"))
    yield case(
        "an encoded slash in the path", proof(htu="https://api.example.com/a%2Fb"), at="https://api.example.com/a/b"
    )
    yield from _targets(proof, case, good)
    yield from _operations(proof, case, good, jwk)
    yield case("as old as it may be", proof(iat=NOW - 60), good)
    yield case("too old", proof(iat=NOW - 61))
    yield case("from the future", proof(iat=NOW + 61))
    yield case("expired", proof(exp=NOW))
    yield case("without ath", proof(ath=...))
    yield case("of another token", proof(ath=dpop_proof.token_hash("x")))
    for name in ("jti", "htm", "htu", "iat"):
        yield case(f"without {name}", proof(**{name: ...}))
    yield case("an empty jti", proof(jti=""))
    yield case("a long jti", proof(jti="a" * 257))
    yield case("a jti of 256 characters beyond the first plane", proof(jti="\U0001f600" * 256), good)
    yield case("iat a text", proof(iat=str(NOW)))
    yield case("another typ", proof(head={"typ": "JWT"}))
    yield case("no key", proof(head={"jwk": ...}))
    yield case("a private key", proof(head={"jwk": {**jwk, "d": "AA"}}))
    yield case("a secret", proof(head={"alg": "HS256"}))
    yield case("alg none", proof(head={"alg": "none"}))
    yield case("not a token", "x")
    yield case("longer than 8,192 characters", proof(x="a" * 7_000))
    yield Case("DPoP: required, and there is none", token(), "unproven_cnf", {"dpop_required": True})


def _targets(proof: Callable[..., str], case: Callable[..., Case], good: dict[str, Any]) -> Iterator[Case]:
    """URLs that no parser may repair, and odd ones that are what they are."""
    yield case("user information", proof(htu="https://api.example.com@evil.example/orders"))
    yield from (case(name, proof(htu=htu)) for name, htu in OTHER_TARGETS.items())
    yield from (case(name, proof(htu=htu), good, at=htu) for name, htu in ODD_HOSTS.items())
    yield from (case(name, proof(htu=htu), at=htu) for name, htu in NO_HOSTS.items())
    yield case("an empty port", proof(htu="https://api.example.com:/orders"), good)
    yield case("a port with zeros", proof(htu="https://api.example.com:00443/orders"), good)
    yield case(
        "IPv6 in capitals", proof(htu="https://[2001:DB8::1]/orders"), good, at="https://[2001:db8::1]:443/orders"
    )


def _operations(
    proof: Callable[..., str], case: Callable[..., Case], good: dict[str, Any], jwk: dict[str, Any]
) -> Iterator[Case]:
    """What `key_ops` says of the key of a proof (RFC 7517 §4.3)."""
    for name, operations, verdict in (
        ("for verifying", ["verify"], good),
        ("named twice", ["verify", "verify"], "invalid_dpop_proof"),
        ("for signing alone", ["sign"], "invalid_dpop_proof"),
        ("none", [], "invalid_dpop_proof"),
        ("a text", "verify", "invalid_dpop_proof"),
        ("one that is no text", ["verify", 1], "invalid_dpop_proof"),
    ):
        yield case(f"key_ops {name}", proof(head={"jwk": {**jwk, "key_ops": operations}}), verdict)


def cases() -> list[Case]:
    """All of them."""
    return [*_claims(), *_shape(), *_headers(), *_keys(), *_json(), *_others(), *_proofs()]


def text() -> str:
    """The file."""
    document = {
        "about": "What a verifier says of tokens; written by scripts/verifier_cases.py",
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "now": NOW,
        "jwks": _jwks(),
        "cases": [case.written() for case in cases()],
    }
    return json.dumps(document, indent=1) + "\n"


def main() -> int:
    """Write the file, or compare it."""
    if "--check" in sys.argv[1:]:
        return int(OUT.read_text() != text())
    OUT.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
