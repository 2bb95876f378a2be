"""The guides for those who come from another library: each line of their tables runs, with what such people have."""

from __future__ import annotations

import ast
import importlib
import re
import secrets
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gatepass.jose import Key, KeySet, errors, jwe, jws, jwt
from gatepass.verify import Verifier

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
LIBRARIES = {"from-pyjwt": "jwt", "from-python-jose": "jose.jwt", "from-joserfc": "joserfc.jwt"}
ISSUER, AUDIENCE = "https://auth.example.com", "orders"
KEY = Key.generate("RS256")


def lines(guide: str) -> list[str]:
    """The code in the right column of a guide's table."""
    rows = [line for line in (GUIDES / f"{guide}.md").read_text().splitlines() if line.startswith("| ")]
    return [code for row in rows[1:] for code in re.findall(r"`([^`]+)`", row.split(" | ")[-1])]


def what_people_have() -> dict[str, Any]:
    """The names in those lines: secrets as text, PEM documents, tokens of other libraries with `typ` and without."""
    claims = {"sub": "ada", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 900, "iat": int(time.time())}
    return {
        "jwt": jwt, "jws": jws, "jwe": jwe, "errors": errors, "Key": Key, "KeySet": KeySet, "Verifier": Verifier,
        "JoseError": errors.JoseError, "datetime": datetime, "timedelta": timedelta, "UTC": UTC,
        "secret": secrets.token_hex(32), "pem": KEY.to_pem(private=True).decode(), "public_pem": KEY.to_pem().decode(),
        "claims": claims, "issuer": ISSUER, "audience": AUDIENCE, "key": KEY,
        "token": jwt.sign(claims, KEY), "bare": jwt.sign(claims, KEY, typ=None),
        "document": KeySet([KEY]).to_jwks(), "data": {n: v for n, v in KEY.to_jwk().items() if n != "alg"},
    }  # fmt: skip


@pytest.mark.parametrize("guide", LIBRARIES)
def test_each_line_of_a_guide_runs(guide: str) -> None:
    """What stands in the column for Gatepass is an expression that works, or the name of something that there is."""
    ran = 0
    for code in lines(guide):
        try:
            ast.parse(code, mode="eval")
        except SyntaxError:
            continue  # an argument alone, or prose
        if code.isidentifier() or code.isnumeric():
            continue
        eval(code, what_people_have())  # noqa: S307 - our own documentation
        ran += 1
    assert ran >= 8


def test_the_guides_read_each_others_tokens() -> None:
    """Tokens of each library, with a secret as text, are read by the lines of its guide."""
    people = what_people_have()
    secret, now = people["secret"], datetime.now(UTC)
    pyjwt, python_jose = (importlib.import_module(LIBRARIES[name]) for name in ("from-pyjwt", "from-python-jose"))
    joserfc, joserfc_keys = importlib.import_module("joserfc.jwt"), importlib.import_module("joserfc.jwk")
    naive = (now + timedelta(hours=1)).replace(tzinfo=None)  # as datetime.utcnow() gave it
    claims = {"sub": "ada", "exp": naive}
    key = Key.from_secret(secret.encode(), "HS256")
    for token, typ in (
        (pyjwt.encode(claims, secret, algorithm="HS256"), "JWT"),
        (python_jose.encode(claims, secret, algorithm="HS256"), "JWT"),
        (pyjwt.encode(claims, secret, algorithm="HS256", headers={"typ": None}), None),
        (joserfc.encode({"alg": "HS256"}, people["claims"], joserfc_keys.OctKey.import_key(secret)), None),
    ):
        assert jwt.verify(token, key, issuer=None, audience=None, typ=typ)["sub"] == "ada"
    ours = jwt.sign({"sub": "ada", "exp": now + timedelta(hours=1)}, key)
    assert pyjwt.decode(ours, secret, algorithms=["HS256"])["sub"] == "ada"
    assert python_jose.decode(ours, secret, algorithms=["HS256"])["sub"] == "ada"


def test_what_the_guides_warn_of() -> None:
    """Text for a secret, a naive datetime and an absent `typ` are told apart, each by its own sentence."""
    people = what_people_have()
    with pytest.raises(errors.InvalidKeyError, match=r"text\.encode"):
        Key.from_secret(people["secret"], "HS256")
    with pytest.raises(errors.BadClaimError, match="time zone"):
        jwt.sign({"exp": datetime.now(UTC).replace(tzinfo=None)}, KEY)
    with pytest.raises(errors.WrongTypError):
        jwt.verify(people["bare"], KEY, issuer=None, audience=None, typ="JWT")
