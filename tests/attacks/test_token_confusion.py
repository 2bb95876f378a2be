"""Token confusion: an issuer signs many kinds of JWT with one key, and only access tokens are access tokens.

RFC 8725bis §3.12. Each kind has the shape that its specification gives it; some are as close to an access token as an
issuer could make them.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.scripted_issuer import NOW, Clock

from gatepass.jose import JoseError, Key, jwt
from gatepass.verify import Verifier

ISSUER, API, CLIENT = "https://auth.example.com", "my-api", "spa"
KEY = Key.generate("ES256")
TIMES: dict[str, Any] = {"iat": int(NOW), "exp": int(NOW) + 300}
ACCESS_TOKEN: dict[str, Any] = TIMES | {"iss": ISSUER, "sub": "ann", "aud": API, "client_id": CLIENT, "jti": "t"}
BACK_CHANNEL: dict[str, object] = {"http://schemas.openid.net/event/backchannel-logout": {}}

# kind -> typ, claims, the code with which a verifier refuses it that takes any typ
KINDS: dict[str, tuple[str | None, dict[str, Any], str]] = {
    "ID token": (
        "JWT",
        TIMES | {"iss": ISSUER, "sub": "ann", "aud": CLIENT, "nonce": "n", "at_hash": "h"},
        "wrong_audience",
    ),
    "ID token for a client named like the API": ("JWT", ACCESS_TOKEN | {"at_hash": "h"}, "wrong_typ"),
    "ID token of the hybrid flow": (None, ACCESS_TOKEN | {"c_hash": "h"}, "wrong_typ"),
    "logout token": (
        "logout+jwt",
        TIMES | {"iss": ISSUER, "sub": "ann", "aud": API, "jti": "t", "sid": "s", "events": BACK_CHANNEL},
        "wrong_typ",
    ),
    "security event": (
        "secevent+jwt",
        {"iss": ISSUER, "aud": API, "iat": int(NOW), "jti": "t", "events": {"urn:x": {}}},
        "missing_claim",
    ),
    "status list": (
        "statuslist+jwt",
        TIMES | {"iss": ISSUER, "sub": ISSUER + "/status/1", "status_list": {"bits": 1, "lst": "eNrbuRgAAhcBXQ"}},
        "missing_claim",
    ),
    "DPoP proof": (
        "dpop+jwt",
        {"jti": "t", "htm": "GET", "htu": "https://api.example.com/", "iat": int(NOW)},
        "missing_claim",
    ),
    "client assertion": (
        "client-authentication+jwt",
        TIMES | {"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "t"},
        "wrong_issuer",
    ),
    "introspection answer": (
        "token-introspection+jwt",
        {"iss": ISSUER, "aud": API, "iat": int(NOW), "token_introspection": {"active": True, "sub": "ann"}},
        "missing_claim",
    ),
    "request object": (
        "oauth-authz-req+jwt",
        TIMES | {"iss": CLIENT, "aud": ISSUER, "client_id": CLIENT, "response_type": "code"},
        "missing_claim",
    ),
    "access token bound by DPoP": ("at+jwt", ACCESS_TOKEN | {"cnf": {"jkt": "x"}}, "unproven_cnf"),
    "access token bound to a certificate": ("at+jwt", ACCESS_TOKEN | {"cnf": {"x5t#S256": "x"}}, "unproven_cnf"),
    "access token for another API": ("at+jwt", ACCESS_TOKEN | {"aud": "other-api"}, "wrong_audience"),
}


def refusal(typ: str | None, token: str) -> str:
    """Say with which code a token is refused."""
    verifier = Verifier(issuer=ISSUER, audience=API, keys=KEY.public(), typ=typ, clock=Clock())
    with pytest.raises(JoseError) as caught:
        verifier.verify(token)
    return caught.value.code


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_kind_of_token_is_an_access_token(kind: str) -> None:
    """With the default policy `typ` tells, before any claim is looked at."""
    typ, claims, code = KINDS[kind]
    assert refusal("at+jwt", jwt.sign(claims, KEY, typ=typ)) == (code if typ == "at+jwt" else "wrong_typ")


@pytest.mark.parametrize("kind", KINDS)
def test_not_even_where_typ_does_not_tell(kind: str) -> None:
    """For an issuer whose `typ` says nothing, audience, required claims and the marks of other kinds tell."""
    typ, claims, code = KINDS[kind]
    assert refusal(None, jwt.sign(claims, KEY, typ=typ)) == code


def test_the_access_token_itself_is_one() -> None:
    """The table's starting point passes, so what is refused is refused for its difference."""
    for policy, typ in (("at+jwt", "at+jwt"), (None, "JWT"), (None, None)):
        verifier = Verifier(issuer=ISSUER, audience=API, keys=KEY.public(), typ=policy, clock=Clock())
        assert verifier.verify(jwt.sign(ACCESS_TOKEN, KEY, typ=typ)).subject == "ann"
