"""The example of a plugin, installed as its own `pyproject.toml` says, in a server."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.stories.test_outside_signer import install
from tests.support.commands import add_client
from tests.support.factors import bearer
from tests.support.server import ANN, running_server
from tests.support.wait import eventually

from gatepass.jose import jwt

if TYPE_CHECKING:
    from types import ModuleType

    import httpx
    import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"


def test_each_hook_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address is denied, a person is let in, refused and told why, the token has the claim, the file the events."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    ((name, where),) = project["entry-points"]["gatepass.plugins"].items()
    install(tmp_path, "customers_plugin", f"{name} = {where}")
    monkeypatch.setenv("CUSTOMERS_JOURNAL", str(tmp_path / "journal"))
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(EXAMPLE), *sys.path])
    try:
        with running_server(tmp_path / "data", is_awaited=False) as server, server.client() as api:
            denied = api.post("/signup", json=ANN | {"email": "ann@mailinator.com"})
            assert (denied.status_code, denied.json()["code"]) == (403, "throwaway_address")
            user_id = api.post("/signup", json=ANN).json()["id"]
            assert jwt.peek(api.post("/login", json=ANN).json()["token"]).claims["discount"] == 0
            ops = add_client(server, "ops", "--scope", "admin:read", "--scope", "admin:write")
            form = {"grant_type": "client_credentials", "scope": "admin:write"}
            headers = bearer(api.post("/oauth/token", data=form, headers=ops.basic).json()["access_token"])

            def sign_in_with(plan: str) -> httpx.Response:
                change = {"app_metadata": {"plan": plan}}
                assert api.patch(f"/admin/users/{user_id}", json=change, headers=headers).status_code == 200
                return api.post("/login", json=ANN)

            assert jwt.peek(sign_in_with("pro").json()["token"]).claims["discount"] == 10
            assert sign_in_with("suspended").json()["code"] == "invoice_unpaid"
            module: ModuleType = sys.modules["customers_plugin"]

            def kinds() -> list[str]:
                lines = module.JOURNAL.read_text().splitlines() if module.JOURNAL.exists() else []
                return [json.loads(line)["kind"] for line in lines if json.loads(line)["user"] == user_id]

            eventually(lambda: kinds()[-1:] == ["sign_in_refused"])
            assert kinds()[:2] == ["account_created", "signed_in"]
    finally:
        sys.modules.pop("customers_plugin", None)
