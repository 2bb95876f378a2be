"""`Verifier` offline: what it takes, and what it shows of itself."""

from __future__ import annotations

import asyncio
import time
from typing import cast

import pytest
from tests.support.offline_verifier import ISSUER, KEY, offline, refusal, signed
from tests.support.scripted_issuer import NOW

from gatepass.jose import JoseError, Key
from gatepass.jose.errors import MalformedError
from gatepass.verify import Verifier


def test_averify_is_verify() -> None:
    """Both ways give the same principal and the same refusal."""
    verifier = offline()
    assert asyncio.run(verifier.averify(signed())) == verifier.verify(signed())
    with pytest.raises(JoseError) as caught:
        asyncio.run(verifier.averify(signed(exp=int(NOW))))
    assert caught.value.code == "expired"


def test_the_clock_is_the_systems_by_default() -> None:
    """Without `clock` tokens are judged by the present."""
    now = int(time.time())
    verifier = Verifier(issuer=ISSUER, audience="my-api", keys=KEY.public())
    assert verifier.verify(signed(iat=now, exp=now + 60)).subject == "user_1"
    assert refusal(verifier, signed(iat=now - 60, exp=now)) == "expired"


def test_a_shared_secret_is_given_never_fetched() -> None:
    """HS256 works with `keys=`."""
    secret = Key.from_secret(b"s" * 32, "HS256")
    assert offline(keys=secret).verify(signed(key=secret)).subject == "user_1"
    assert refusal(offline(keys=secret), signed()) == "alg_not_allowed"


@pytest.mark.parametrize("token", [None, 7, b"", [], {}, object()])
def test_what_is_no_text_is_no_token(token: object) -> None:
    """A wrong type is a refusal like any other, hashable or not."""
    with pytest.raises(MalformedError):
        offline().verify(cast("str", token))


def test_a_verifiers_repr_shows_its_policy() -> None:
    """Issuer and audience, and nothing else."""
    assert repr(offline()) == f"Verifier(issuer='{ISSUER}', audience='my-api')"
