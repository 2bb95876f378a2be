"""Recovery codes beside the codes of an authenticator application."""

from __future__ import annotations

import pytest

from gatepass.server.domain.credentials.recovery_codes import new_codes, tell_apart


@pytest.mark.parametrize("typed", ["cj33-4v2b-u2v5-cfff", "CJ33 4V2B U2V5 CFFF", "abcd efgh-jkmn2345"])
def test_a_recovery_code_however_it_is_typed(typed: str) -> None:
    """Hyphens, blanks and capitals do not count; what is said of it is the text as typed."""
    assert tell_apart(typed) == (None, typed)


@pytest.mark.parametrize("typed", ["123456", "123 456", "", "abcd-efgh", "x" * 17])
def test_anything_else_is_a_code_of_an_application(typed: str) -> None:
    """Whatever has not the length of a recovery code, wrong ones too: one answer for all of them."""
    assert tell_apart(typed) == (typed, None)


def test_every_code_that_is_made_is_taken_for_one() -> None:
    """Whatever they are made of, none is taken for six digits."""
    assert all(tell_apart(code) == (None, code) for code in new_codes())
