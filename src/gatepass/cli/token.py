"""`gatepass token …`: inspect, verify and sign tokens. No server is needed; only `verify` may contact an issuer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
from cyclopts import App, Parameter

from gatepass.cli.output import Json, counted, fail, result, result_json, say, time_in_words
from gatepass.jose import JoseError, Key, KeySet, jwt
from gatepass.jose.headers import media_type
from gatepass.tokens.access_token import MAX_CLOCK_LEAD, REQUIRED, TYP
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from rich.text import Text

app = App(name="token", help="Inspect, verify and sign tokens.")

_TIMES = frozenset({"exp", "nbf", "iat", "auth_time", "updated_at"})
_UNITS = ((86400 * 365, "year"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_COLOURS = ("red", "magenta", "cyan")

_HINTS = {
    "malformed": "A token has three parts of letters, digits, - and _, joined by dots. Check that it was copied whole.",
    "expired": "Get a new token; `gatepass token inspect` shows when this one expired.",
    "wrong_issuer": "`gatepass token inspect` shows its `iss`; --issuer must be the same, with any final slash.",
    "wrong_audience": "`gatepass token inspect` shows its `aud`; --audience must be one of these.",
    "wrong_typ": "It is another type of token. --typ names the type; `--typ any` accepts all, for other issuers.",
    "missing_claim": "RFC 9068 requires more claims than some issuers write; `--typ any` requires fewer.",
    "unproven_cnf": "The token is valid only together with a proof of the key that it is bound to.",
    "not_yet_valid": "It becomes valid later, or the clocks differ; `gatepass token inspect` shows when.",
    "issued_in_future": "Check this machine's clock; `gatepass token inspect` shows when the token was issued.",
    "alg_not_allowed": "The key is not for the token's `alg`. `none` is never accepted.",
    "unknown_key": "The issuer does not publish this key, or no longer does. Check --issuer.",
    "bad_signature": "The token was changed, or signed with another key: get a new one.",
    "issuer_unavailable": "Check that the issuer is running and has a metadata document, or give its keys: --jwks URL",
    "invalid_policy": "An issuer is an https URL (http on this machine only). --jwks FILE reads its keys from a file.",
    "invalid_key": "Check that the file holds a key, and a private one for signing. RSA keys need --alg.",
    "weak_key": "Make a strong key: openssl ecparam -name prime256v1 -genkey -noout",
}

_STDIN = "-"

Token = Annotated[
    str,
    Parameter(
        help="The token; - reads it from standard input, which keeps it out of the shell's history.",
        allow_leading_hyphen=True,
    ),
]


@app.command
def inspect(token: Token = _STDIN, /, *, json: Json = False) -> None:
    """Show the content of a token. Nothing is verified: anyone could have written it."""
    text = _text_of(token)
    try:
        seen = jwt.peek(text)
    except JoseError as error:
        _refuse(error)
    say("NOT VERIFIED: anyone could have written this token.")
    if json:
        result_json({"verified": False, "header": seen.headers, "claims": seen.claims})
    else:
        _show(text, seen)


@app.command
def verify(  # noqa: PLR0913 - a command has as many options as it has
    token: Token,
    /,
    *,
    issuer: Annotated[str, Parameter(help="The expected `iss`; its keys are fetched from there.")],
    audience: Annotated[str, Parameter(help="The expected `aud`.")],
    jwks: Annotated[str | None, Parameter(help="The keys: a URL, or a file (JWK Set, JWK or PEM).")] = None,
    typ: Annotated[str, Parameter(help="The expected `typ`; `any` for issuers that do not set it.")] = TYP,
    json: Json = False,
) -> None:
    """Verify an access token as an API does; a refused token ends with status 1."""
    text = _text_of(token)
    is_url = jwks is not None and jwks.startswith(("https://", "http://"))
    try:
        verifier = Verifier(
            issuer=issuer,
            audience=audience,
            keys=None if jwks is None or is_url else _keys_in(Path(jwks)),
            jwks_url=jwks if is_url else None,
            typ=None if typ == "any" else typ,
        )
        verifier.verify(text)
    except JoseError as error:
        _refuse(error)
    seen = jwt.peek(text)
    say("Verified: signature, issuer, audience, type and times are valid.")
    if json:
        result_json({"verified": True, "header": seen.headers, "claims": seen.claims})
    else:
        _show(text, seen)


@app.command
def explain(
    token: Token = _STDIN,
    /,
    *,
    issuer: Annotated[str | None, Parameter(help="The expected `iss`.")] = None,
    audience: Annotated[str | None, Parameter(help="The expected `aud`.")] = None,
    typ: Annotated[str, Parameter(help="The expected `typ`; `any` for issuers that do not set it.")] = TYP,
    json: Json = False,
) -> None:
    """Explain each claim, and list every reason, signature aside, for which an API would refuse the token."""
    text = _text_of(token)
    try:
        seen = jwt.peek(text)
    except JoseError as error:
        _refuse(error)
    reasons = reasons_to_refuse(seen, issuer=issuer, audience=audience, typ=None if typ == "any" else typ, now=time())
    say("NOT VERIFIED: `gatepass token verify` checks the signature too.")
    if json:
        claims = {name: {"value": value, "meaning": meaning_of(name)} for name, value in seen.claims.items()}
        result_json({"verified": False, "claims": claims, "reasons": reasons})
        return
    for name, value in seen.claims.items():
        result(f"{_plain(name)}  {_value(name, value, time())}")
        result(f"    {meaning_of(name)}")
    for reason in reasons:
        result(f"refused: {reason}")
    if not reasons:
        result("No reason to refuse it was found in its header and claims.")


@app.command
def sign(
    *,
    key: Annotated[Path, Parameter(help="A file with the private key or secret: PEM, or a JWK.")],
    claims: Annotated[
        str,
        Parameter(help="The claims as a JSON object; - reads them from standard input.", allow_leading_hyphen=True),
    ],
    alg: Annotated[str | None, Parameter(help="The algorithm, if the key allows several, as RSA keys do.")] = None,
    typ: Annotated[str, Parameter(help="The `typ` of the header.")] = "JWT",
) -> None:
    """Sign claims, exactly as given, and print the token."""
    try:
        private = _key_of(_read(key), alg)
        result(jwt.sign(_claims_of(claims), private, typ=typ))
    except JoseError as error:
        _refuse(error)


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _text_of(token: str) -> str:
    """The token, without whitespace and `Bearer` that were copied with it."""
    if token.startswith("-") and token != _STDIN:
        fail(f"Unknown option: {token.partition('=')[0]}.", "gatepass token --help")
    return (_stdin() if token == _STDIN else token).strip().removeprefix("Bearer ").strip()


def _stdin() -> str:
    if sys.stdin.isatty():
        say("Paste the token, then press Ctrl-D on a new line.")
    return sys.stdin.read()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        fail(f"Cannot read {file}: {error.strerror}.", "Name a file that holds a key as PEM, JWK or JWK Set.")


def _keys_in(file: Path) -> Key | KeySet:
    document = _read(file)
    if b'"keys"' not in document:
        return _key_of(document)
    return KeySet.from_jwks(document)


def _key_of(document: bytes, alg: str | None = None) -> Key:
    return Key.from_jwk(document, alg) if document.lstrip().startswith(b"{") else Key.from_pem(document, alg)


def _claims_of(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(_stdin() if text == _STDIN else text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError):
        fail("The claims are not a JSON object.", """Write, for example: --claims '{"sub": "ann", "aud": "my-api"}'""")


def _refuse(error: JoseError) -> NoReturn:
    fail(f"{error.code}: {error}", _HINTS.get(error.code, f"`docs/reference/errors.md` explains {error.code}."))


# ── explaining ──────────────────────────────────────────────────────────────────────────────────────────────────────

_MEANINGS = {
    "iss": "the issuer (RFC 7519 §4.1.1)",
    "sub": "the user or client that it is about (RFC 7519 §4.1.2)",
    "aud": "the APIs that may accept it (RFC 7519 §4.1.3)",
    "exp": "when it expires (RFC 7519 §4.1.4)",
    "nbf": "when it becomes valid (RFC 7519 §4.1.5)",
    "iat": "when it was issued (RFC 7519 §4.1.6)",
    "jti": "its own id, by which it can be revoked (RFC 7519 §4.1.7)",
    "client_id": "the application that it was issued to (RFC 8693 §4.3)",
    "sid": "the session that it belongs to",
    "scope": "what it allows (RFC 8693 §4.2)",
    "permissions": "what these roles permit",
    "org_id": "the organization that it is for",
    "org_slug": "what that organization is called in URLs",
    "org_roles": "the roles of its subject in that organization",
    "org_permissions": "what these permit there",
    "roles": "the roles of its subject (RFC 9068 §2.2.3.1)",
    "auth_time": "when the user last signed in (RFC 9068 §2.2.1)",
    "acr": "how strong that sign-in was (RFC 9068 §2.2.1)",
    "amr": "how the user signed in (RFC 8176)",
    "cnf": "the key that its sender must prove to hold (RFC 7800, RFC 9449)",
    "status": "its index in a status list, which says whether it is revoked (Token Status List)",
    "azp": "the application that it was issued to (OpenID Connect Core §2)",
    "nonce": "links an ID token to the request for it (OpenID Connect Core §2)",
    "email": "the user's email address (OpenID Connect Core §5.1)",
}


def meaning_of(claim: str) -> str:
    """What a claim means."""
    return _MEANINGS.get(claim, "a claim defined by its issuer")


def reasons_to_refuse(
    seen: jwt.Unverified, *, issuer: str | None, audience: str | None, typ: str | None, now: float
) -> list[str]:
    """Every reason to refuse the token that can be found without a key; `verify` stops at the first."""
    claims, header = seen.claims, seen.headers
    named = claims.get("aud")
    is_meant = audience is None or audience == named or (isinstance(named, list) and audience in named)
    exp, nbf, iat = (claims.get(name) for name in ("exp", "nbf", "iat"))
    is_right_kind = typ is None or media_type(header.get("typ")) == media_type(typ)
    missing = [name for name in REQUIRED if name not in claims] if typ == TYP else []
    checks: list[tuple[bool, str]] = [
        (str(header.get("alg")).lower() == "none", "alg_not_allowed: the token is not signed"),
        (not is_right_kind, f"wrong_typ: it is not {typ}"),
        (issuer is not None and claims.get("iss") != issuer, f"wrong_issuer: `iss` is not {issuer}"),
        (not is_meant, f"wrong_audience: `aud` does not name {audience}"),
        (bool(missing), f"missing_claim: {', '.join(missing)}"),
        (isinstance(exp, int | float) and exp <= now, "expired: `exp` is in the past"),
        (isinstance(nbf, int | float) and nbf > now, "not_yet_valid: `nbf` is in the future"),
        (isinstance(iat, int | float) and iat > now + MAX_CLOCK_LEAD, "issued_in_future: `iat` is in the future"),
        ("cnf" in claims, "unproven_cnf: it needs a proof of the key that it is bound to"),
    ]
    return [reason for applies, reason in checks if applies]


# ── showing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _show(token: str, seen: jwt.Unverified) -> None:
    """Print the three parts, each in its color if the terminal has colors."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, and not needed for JSON

    Console(highlight=False, soft_wrap=True).print(in_colours(token, seen, now=time()))


def in_colours(token: str, seen: jwt.Unverified, *, now: float) -> Text:
    """Format a token: header, claims with times in words, and the size of the signature."""
    from rich.text import Text  # noqa: PLC0415

    signature = len(token.rpartition(".")[2]) * 3 // 4
    parts = (
        ("header", _lines(seen.headers, now)),
        ("claims", _lines(seen.claims, now)),
        ("signature", [f"{signature} bytes"]),
    )
    text = Text()
    for (name, lines), colour in zip(parts, _COLOURS, strict=True):
        text.append(f"{name}\n", style=f"bold {colour}")
        text.append("".join(f"  {line}\n" for line in lines), style=colour)
    text.rstrip()
    return text


def _lines(members: dict[str, Any], now: float) -> list[str]:
    width = max((len(_plain(name)) for name in members), default=0)
    return [f"{_plain(name):{width}}  {_value(name, value, now)}" for name, value in members.items()]


def _value(name: str, value: object, now: float) -> str:
    if name in _TIMES and isinstance(value, int | float):
        try:
            return f"{time_in_words(value)} ({in_words(value - now)})"
        except (ValueError, OverflowError, OSError):
            return f"{value} (no date)"
    return _plain(value)


def _plain(value: object) -> str:
    """A value as text without control characters, which could move the cursor or change colors."""
    if isinstance(value, str) and value.isprintable():
        return value
    return json.dumps(value)


def in_words(seconds: float) -> str:
    """The distance to a moment in words: "in 14 minutes", "2 days ago", "now"."""
    distance = abs(seconds)
    for size, unit in _UNITS:
        if distance >= size:
            words = counted(int(distance // size), unit)
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "now"
