"""Somebody signs up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.server import ANN, running_server

if TYPE_CHECKING:
    from pathlib import Path

    import httpx


def test_signing_up_makes_an_account_that_can_log_in(api: httpx.Client) -> None:
    """`POST /signup` answers 201 with id and address, and the password works at once."""
    answer = api.post("/signup", json=ANN)
    assert answer.status_code == 201
    assert answer.json() == {"id": answer.json()["id"], "email": "ann@example.test"}
    assert answer.json()["id"].startswith("usr_")
    assert api.post("/login", json=ANN).status_code == 200


def test_an_address_belongs_to_one_account(api: httpx.Client, ann: dict[str, str]) -> None:
    """The same address, also in other case, is refused with 409, and the first password stays."""
    for email in (ann["email"], "ANN@Example.TEST"):
        answer = api.post("/signup", json={"email": email, "password": "another long password"})
        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert api.post("/login", json=ann).status_code == 200


@pytest.mark.parametrize(
    ("email", "password", "code"),
    [
        ("ann", "correct horse battery", "invalid_email"),
        ("ann@", "correct horse battery", "invalid_email"),
        ("ann@exa mple.test", "correct horse battery", "invalid_email"),
        ("ann@example.test\r\nBcc: x@example.test", "correct horse battery", "invalid_email"),
        (f"{'a' * 300}@example.test", "correct horse battery", "invalid_email"),
        (f"{'a' * 65}@example.test", "correct horse battery", "invalid_email"),
        (f"{'é' * 33}@example.test", "correct horse battery", "invalid_email"),
        ("ann@example.test", "x" * 14, "password_too_short"),
        ("ann@example.test", "x" * 1_025, "password_too_long"),
    ],
)
def test_what_cannot_be_an_account_is_refused(api: httpx.Client, email: str, password: str, code: str) -> None:
    """An address that is none and a password out of bounds get 422 with their code, and nothing is written."""
    answer = api.post("/signup", json={"email": email, "password": password})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert password not in answer.text
    assert api.post("/signup", json=ANN).status_code == 201


def test_a_password_of_the_bounds_themselves_is_taken(api: httpx.Client) -> None:
    """15 and 1,024 characters are allowed, of any script; they are counted in characters."""
    for number, password in enumerate(("x y z " * 2 + "and", "fünf " * 204 + "süße")):
        person = {"email": f"p{number}@example.test", "password": password}
        assert api.post("/signup", json=person).status_code == 201
        assert api.post("/login", json=person).status_code == 200


def test_the_operator_can_close_sign_up(tmp_path: Path) -> None:
    """With `signup = "closed"` the call is refused with 403."""
    with running_server(tmp_path, signup="closed") as server, server.client() as api:
        answer = api.post("/signup", json=ANN)
    assert (answer.status_code, answer.json()["code"]) == (403, "signup_closed")


def test_blanks_around_an_address_are_not_a_part_of_it(api: httpx.Client) -> None:
    """A telephone's keyboard puts one after it: signed up with, signed in without, and the other way around."""
    typed = ANN | {"email": f" {ANN['email']}\u00a0"}
    assert api.post("/signup", json=typed).json()["email"] == ANN["email"]
    for body in (typed, ANN, ANN | {"email": f"{ANN['email']} "}):
        assert api.post("/login", json=body).status_code == 200
    longest = ANN | {"email": f"{'a' * 64}@example.test"}
    assert api.post("/signup", json=longest).status_code == 201
