"""Secrets in logs: somebody reads the log, or an error tracker that shows the values in an exception's frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.server import ANN

from gatepass.server.domain.credentials.passwords.hashing import PasswordHasher
from gatepass.server.features.login.password.api import LoginRequest
from gatepass.server.features.session.api import LogoutRequest, RefreshRequest
from gatepass.server.features.signup.sign_up import SignupRequest
from gatepass.server.web.token_responses import TokenPair

if TYPE_CHECKING:
    import httpx

SECRET = "correct horse battery"


async def _fail(*_: object) -> bool:
    raise RuntimeError("a defect")


def test_a_defect_is_logged_without_the_password_that_met_it(
    api: httpx.Client, ann: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """500 with an id; the log has the traceback under that id, and not one value of its frames."""
    assert ann == ANN
    monkeypatch.setattr(PasswordHasher, "verify", _fail)
    answer = api.post("/login", json=ann)
    said = "".join(capsys.readouterr())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.json()["request_id"] in said
    assert "RuntimeError: a defect" in said
    assert "Traceback" in said
    assert ann["password"] not in said
    assert ann["email"] not in said


@pytest.mark.parametrize(
    "message",
    [
        LoginRequest(email="ann@example.test", password=SECRET),
        LoginRequest(foreign_token=SECRET),
        SignupRequest("ann@example.test", SECRET),
        RefreshRequest(SECRET),
        LogoutRequest(SECRET),
        TokenPair(token=SECRET, expires_in=1, token_type="Bearer", refresh_token=SECRET),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_carries_a_secret_does_not_show_it(message: object) -> None:
    """Neither `repr` nor `str` of a request or answer with a password or a token shows it."""
    assert SECRET not in repr(message) + str(message)
    assert type(message).__name__ in repr(message)
