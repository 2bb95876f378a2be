"""What a verifier says of tokens, in one file for all of them: docs/protocol/vectors/verifier.json."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from gatepass.jose import KeySet
from gatepass.jose.errors import JoseError
from gatepass.verify import DPoP, DPoPPolicy, Verifier

ROOT = Path(__file__).parents[2]
CASES: dict[str, Any] = json.loads((ROOT / "docs/protocol/vectors/verifier.json").read_text())
KEYS = KeySet.from_public_jwks(json.dumps(CASES["jwks"]).encode())


def _verifier(policy: dict[str, Any]) -> Verifier:
    given = dict(policy)
    if isinstance(given.get("roles"), list):
        given["roles"] = tuple(given["roles"])
    if given.pop("dpop_required", False):
        given["dpop"] = DPoPPolicy(required=True)
    usual = {"issuer": CASES["issuer"], "audience": CASES["audience"], "keys": KEYS, "clock": lambda: CASES["now"]}
    return Verifier(**usual | given)


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_a_token_is_judged_as_the_file_says(case: dict[str, Any]) -> None:
    """The same principal, or the same code."""
    dpop = DPoP(**case["dpop"]) if "dpop" in case else None
    verifier, token = _verifier(case.get("policy", {})), case["token"] * case.get("times", 1)
    if "error" in case:
        with pytest.raises(JoseError) as caught:
            verifier.verify(token, dpop)
        assert caught.value.code == case["error"]
        return
    told = verifier.verify(token, dpop).to_dict()
    for name, value in case["principal"].items():
        assert _sorted(told[name]) == value, name


def _sorted(value: Any) -> Any:  # noqa: ANN401 - JSON, and sets
    if isinstance(value, dict):
        return {name: _sorted(member) for name, member in value.items()}
    return sorted(value) if isinstance(value, (list, set, frozenset)) and value != ["pwd", "otp"] else value


def test_the_file_is_what_the_script_writes() -> None:
    """Anyone can make it again, from keys that are digests of their names."""
    spec = importlib.util.spec_from_file_location("verifier_cases", ROOT / "scripts/verifier_cases.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.OUT.read_text() == script.text()
