"""`gatepass token …`: look at a token, verify one, sign one. No server is needed, and none is asked but an issuer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
from cyclopts import App, Parameter

from gatepass.cli.output import Json, fail, result, result_json, say, time_in_words
from gatepass.jose import JoseError, Key, KeySet, jwt
from gatepass.jose.headers import media_type
from gatepass.tokens.access_token import MAX_CLOCK_LEAD, REQUIRED, TYP
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from rich.text import Text

app = App(name="token", help="Look at tokens, verify and sign them.")

_TIMES = frozenset({"exp", "nbf", "iat", "auth_time", "updated_at"})
_UNITS = ((86400 * 365, "year"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_COLOURS = ("red", "magenta", "cyan")

_HINTS = {
    "malformed": "A token is three parts of letters, digits, - and _, joined by dots. Was it copied whole?",
    "expired": "Ask for a new one; `gatepass token inspect` shows when it ended.",
    "wrong_issuer": "`gatepass token inspect` shows its `iss`; --issuer must be the same, to the last slash.",
    "wrong_audience": "`gatepass token inspect` shows its `aud`; --audience must be one of these.",
    "wrong_typ": "It is another kind of token. --typ names the kind; `--typ any` takes all, for other issuers.",
    "missing_claim": "RFC 9068 asks for more claims than other issuers write; `--typ any` asks for less.",
    "unproven_cnf": "The token works only together with a proof of the key that it is bound to.",
    "not_yet_valid": "It begins later, or the clocks differ; `gatepass token inspect` shows when.",
    "issued_in_future": "Is this machine's clock right? `gatepass token inspect` shows when it was made.",
    "alg_not_allowed": "The key is for another `alg` than the token's. `none` is never accepted.",
    "unknown_key": "The issuer does not publish this key (any more). Is it the right issuer?",
    "bad_signature": "The token was changed, or another key signed it.",
    "issuer_unavailable": "Does the issuer run, and has it a metadata document? Else say where its keys are: --jwks",
    "invalid_policy": "An issuer is an https URL (http on this machine only). --jwks FILE reads its keys from a file.",
    "invalid_key": "Is it a key, and the private one where a token is to be signed? RSA keys need --alg.",
    "weak_key": "`openssl ecparam -name prime256v1 -genkey` makes a good one.",
}

_STDIN = "-"

Token = Annotated[
    str,
    Parameter(
        help="The token; - reads it from the standard input, out of the shell's history.", allow_leading_hyphen=True
    ),
]


@app.command
def inspect(token: Token = _STDIN, /, *, json: Json = False) -> None:
    """Show what a token says of itself. Nothing is verified: anybody could have written it."""
    text = _text_of(token)
    try:
        seen = jwt.peek(text)
    except JoseError as error:
        _refuse(error)
    say("NOT VERIFIED: this is what the token says of itself. Anybody could have written it.")
    if json:
        result_json({"verified": False, "header": seen.headers, "claims": seen.claims})
    else:
        _show(text, seen)


@app.command
def verify(  # noqa: PLR0913 - a command has as many options as it has
    token: Token,
    /,
    *,
    issuer: Annotated[str, Parameter(help="What `iss` must be; its keys are found there.")],
    audience: Annotated[str, Parameter(help="What `aud` must name.")],
    jwks: Annotated[str | None, Parameter(help="Where the keys are: a URL, or a file (JWK Set, JWK or PEM).")] = None,
    typ: Annotated[str, Parameter(help="The kind of token; `any` for issuers that do not say.")] = TYP,
    json: Json = False,
) -> None:
    """Verify an access token as an API would; a refusal ends with status 1."""
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
    say("Verified: signature, issuer, audience, kind and times are good.")
    if json:
        result_json({"verified": True, "header": seen.headers, "claims": seen.claims})
    else:
        _show(text, seen)


@app.command
def explain(
    token: Token = _STDIN,
    /,
    *,
    issuer: Annotated[str | None, Parameter(help="What `iss` should be.")] = None,
    audience: Annotated[str | None, Parameter(help="What `aud` should name.")] = None,
    typ: Annotated[str, Parameter(help="The kind of token; `any` for issuers that do not say.")] = TYP,
    json: Json = False,
) -> None:
    """Say what each claim means, and every reason for which an API would refuse the token, signature aside."""
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
        result("Nothing that it says of itself is a reason to refuse it.")


@app.command
def sign(
    *,
    key: Annotated[Path, Parameter(help="A file with the private key or secret: PEM, or a JWK.")],
    claims: Annotated[
        str,
        Parameter(help="The claims as a JSON object; - reads them from the standard input.", allow_leading_hyphen=True),
    ],
    alg: Annotated[str | None, Parameter(help="The algorithm, where the key leaves a choice, as RSA does.")] = None,
    typ: Annotated[str, Parameter(help="The kind of token that the header names.")] = "JWT",
) -> None:
    """Sign claims, exactly as given, and print the token."""
    try:
        private = _key_of(_read(key), alg)
        result(jwt.sign(_claims_of(claims), private, typ=typ))
    except JoseError as error:
        _refuse(error)


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _text_of(token: str) -> str:
    """The token, without what people copy along with it."""
    if token.startswith("-") and token != _STDIN:
        fail(f"Unknown option: {token.partition('=')[0]}.", "gatepass token --help")
    return (_stdin() if token == _STDIN else token).strip().removeprefix("Bearer ").strip()


def _stdin() -> str:
    if sys.stdin.isatty():
        say("Paste it, then press Ctrl-D on a new line.")
    return sys.stdin.read()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        fail(f"Cannot read {file}: {error.strerror}.", "Name a file with a key: PEM, a JWK, or a JWK Set.")


def _keys_in(file: Path) -> Key | KeySet:
    document = _read(file)
    return KeySet.from_jwks(document) if b'"keys"' in document else _key_of(document)


def _key_of(document: bytes, alg: str | None = None) -> Key:
    return Key.from_jwk(document, alg) if document.lstrip().startswith(b"{") else Key.from_pem(document, alg)


def _claims_of(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(_stdin() if text == _STDIN else text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError):
        fail("The claims are not a JSON object.", """For instance: --claims '{"sub": "ann", "aud": "my-api"}'""")


def _refuse(error: JoseError) -> NoReturn:
    fail(f"{error.code}: {error}", _HINTS.get(error.code, f"`docs/reference/errors.md` tells about {error.code}."))


# ── explaining ──────────────────────────────────────────────────────────────────────────────────────────────────────

_MEANINGS = {
    "iss": "who issued it (RFC 7519 §4.1.1)",
    "sub": "whom it speaks for (RFC 7519 §4.1.2)",
    "aud": "which APIs may take it (RFC 7519 §4.1.3)",
    "exp": "when it ends (RFC 7519 §4.1.4)",
    "nbf": "before when it is not to be taken (RFC 7519 §4.1.5)",
    "iat": "when it was issued (RFC 7519 §4.1.6)",
    "jti": "its own name, by which it can be revoked (RFC 7519 §4.1.7)",
    "client_id": "the application that it was given to (RFC 8693 §4.3)",
    "sid": "the sign-in that it belongs to",
    "scope": "what it allows (RFC 8693 §4.2)",
    "roles": "what its subject is (RFC 9068 §2.2.3.1)",
    "auth_time": "when the person last proved who they are (RFC 9068 §2.2.1)",
    "acr": "how strongly they proved it (RFC 9068 §2.2.1)",
    "amr": "by which means they proved it (RFC 8176)",
    "cnf": "the key that its sender must prove to have (RFC 7800, RFC 9449)",
    "status": "where its revocation can be read (Token Status List)",
    "azp": "the party it was issued to (OpenID Connect Core §2)",
    "nonce": "ties an ID token to the request for it (OpenID Connect Core §2)",
    "email": "the person's e-mail address (OpenID Connect Core §5.1)",
}


def meaning_of(claim: str) -> str:
    """Say what a claim is for."""
    return _MEANINGS.get(claim, "a claim of its issuer's own")


def reasons_to_refuse(
    seen: jwt.Unverified, *, issuer: str | None, audience: str | None, typ: str | None, now: float
) -> list[str]:
    """Every reason that shows without a key; `verify` stops at the first."""
    claims, header = seen.claims, seen.headers
    named = claims.get("aud")
    is_meant = audience is None or audience == named or (isinstance(named, list) and audience in named)
    exp, nbf, iat = (claims.get(name) for name in ("exp", "nbf", "iat"))
    is_right_kind = typ is None or media_type(header.get("typ")) == media_type(typ)
    missing = [name for name in REQUIRED if name not in claims] if typ == TYP else []
    checks: list[tuple[bool, str]] = [
        (str(header.get("alg")).lower() == "none", "alg_not_allowed: `none` is no signature"),
        (not is_right_kind, f"wrong_typ: it is not {typ}"),
        (issuer is not None and claims.get("iss") != issuer, f"wrong_issuer: `iss` is not {issuer}"),
        (not is_meant, f"wrong_audience: `aud` does not name {audience}"),
        (bool(missing), f"missing_claim: {', '.join(missing)}"),
        (isinstance(exp, int | float) and exp <= now, "expired: `exp` is past"),
        (isinstance(nbf, int | float) and nbf > now, "not_yet_valid: `nbf` is to come"),
        (isinstance(iat, int | float) and iat > now + MAX_CLOCK_LEAD, "issued_in_future: `iat` is to come"),
        ("cnf" in claims, "unproven_cnf: it comes with a proof of its key, or not at all"),
    ]
    return [reason for applies, reason in checks if applies]


# ── showing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _show(token: str, seen: jwt.Unverified) -> None:
    """Print the three parts, each in its colour where there are colours."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, and not needed for JSON

    Console(highlight=False, soft_wrap=True).print(in_colours(token, seen, now=time()))


def in_colours(token: str, seen: jwt.Unverified, *, now: float) -> Text:
    """Lay out a token for people: header, claims with times in words, and the size of the signature."""
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
    """A value as text that cannot move the cursor, change colours or turn the direction of writing."""
    if isinstance(value, str) and value.isprintable():
        return value
    return json.dumps(value)


def in_words(seconds: float) -> str:
    """Say how far a moment is: "in 14 minutes", "2 days ago", "now"."""
    distance = abs(seconds)
    for size, unit in _UNITS:
        if distance >= size:
            count = int(distance // size)
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "now"
