"""RFC 6238, Appendix B: the codes of the SHA-1 secret, of which applications show the last six digits."""

from __future__ import annotations

import pytest

from gatepass.server.domain.credentials.totp import enrolment, new_secret, step_of

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_appendix_b(seconds: int, code: str) -> None:
    """Each code belongs to the step of its time, is found one step around it, and nowhere else."""
    step = seconds // 30
    assert step_of(SECRET, code[-6:], seconds) == step
    assert step_of(SECRET, f" {code[2:5]} {code[5:]} ", seconds) == step
    assert step_of(SECRET, code[-6:], seconds + 30) == step
    assert step_of(SECRET, code[-6:], seconds + 60) is None
    assert step_of(SECRET, code[-6:], seconds + 6_000) is None


@pytest.mark.parametrize("typed", ["", "94287", "942870820", "٩٤٢٨٧٠", "28708²", "287082x"])
def test_what_is_no_code(typed: str) -> None:
    """Six ASCII digits and nothing else."""
    assert step_of(SECRET, typed, 59) is None


def test_a_secret_is_told_in_base32() -> None:
    """160 bits (RFC 4226 §4, R6), as applications read them."""
    told = enrolment(SECRET, account="ann@example.test", issuer="Gatepass")
    assert told.secret == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert told.uri == f"otpauth://totp/Gatepass:ann%40example.test?secret={told.secret}&issuer=Gatepass"
    assert len({new_secret() for _ in range(100)}) == 100
    assert len(new_secret()) == 20
