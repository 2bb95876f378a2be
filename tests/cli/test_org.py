"""`gatepass org`: organizations, members, invitations and domains, without a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gatepass.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - a call
    """Run a command, and read what it prints as JSON."""
    monkeypatch.setenv("GATEPASS_ARGON2_MEMORY_KIB", "8")
    monkeypatch.setenv("GATEPASS_ROLES", '{"editor": {}}')
    monkeypatch.setenv("GATEPASS_CLAIMS", '{"plan": "organization.metadata.plan"}')

    def call(*words: str, text: bool = False) -> Any:  # noqa: ANN401 - JSON
        main([*words, "--data-dir", str(tmp_path), *(() if text else ("--json",))])
        said = capsys.readouterr()
        return said.out + said.err if text else json.loads(said.out)

    return call


def test_an_organization_from_its_beginning_to_its_end(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 - a call
    """Everything that an operator does by HTTP, as JSON and as text; what goes wrong names the command to try next."""
    made = run("org", "add", "acme", "Acme Inc.")
    assert (made["slug"], made["name"]) == ("acme", "Acme Inc.")
    assert [each["id"] for each in run("org", "list", "--search", "ac")] == [made["id"]]
    changed = run("org", "edit", "acme", "--name", "Acme", "--metadata", '{"plan": "pro"}')
    assert (changed["name"], changed["metadata"], changed["members"]) == ("Acme", {"plan": "pro"}, 0)
    monkeypatch.setattr("gatepass.cli.user._new_password", lambda: "correct horse battery")
    user = run("user", "add", "ann@example.test")["id"]
    member = run("org", "add-member", "acme", "ann@example.test", "--role", "editor")
    assert (member["id"], member["roles"]) == (user, ["editor"])
    assert run("org", "set-roles", "acme", user, "--role", "admin")["roles"] == ["admin"]
    assert run("org", "set-roles", "acme", "Ann@example.test", "--role", "admin")["id"] == user
    assert [each["email"] for each in run("org", "members", "acme")] == ["ann@example.test"]
    assert [each["id"] for each in run("user", "list", "--organization", made["id"])] == [user]
    assert [(each["slug"], each["roles"]) for each in run("org", "of", "ann@example.test")] == [("acme", ["admin"])]
    invited = run("org", "invite", "acme", "bob@example.test", "--role", "editor")
    assert [each["id"] for each in run("org", "invitations", "acme")] == [invited["id"]]
    assert "Withdrew" in run("org", "withdraw", "acme", invited["id"], text=True)
    domain = run("org", "add-domain", "acme", "acme.test")
    assert (domain["record_name"], domain["verified"]) == ("_gatepass-challenge.acme.test", False)
    assert [each["domain"] for each in run("org", "domains", "acme")] == ["acme.test"]
    assert run("org", "set-domain", "acme", "acme.test", "--provider", "")["provider"] == ""
    assert "Removed" in run("org", "remove-domain", "acme", "acme.test", text=True)
    assert "Removed" in run("org", "remove-member", "acme", "ann@example.test", text=True)
    assert "Acme" in run("org", "show", "acme", text=True)
    assert "Removed" in run("org", "remove", "acme", text=True)
    assert run("org", "list") == []


def test_what_goes_wrong_names_what_to_try(run: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401 - a call
    """Nothing is a stack trace."""
    run("org", "add", "acme", "Acme")
    for words, said in (
        (("org", "show", "other"), "gatepass org list"),
        (("org", "add", "No Slug", "x"), "acme-inc"),
        (("org", "edit", "acme", "--metadata", "[]"), "not a JSON object"),
        (("org", "set-roles", "acme", "usr_x"), "gatepass org members"),
    ):
        with pytest.raises(SystemExit):
            run(*words)
        assert said in capsys.readouterr().err
