"""The guides that say how to move from another system: their commands work on files that the system has written."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.server import CHEAP_ARGON2

from gatepass.cli.main import main
from gatepass.server.base.settings import load

ROOT = Path(__file__).parents[2]
GUIDES = sorted(
    page for page in (ROOT / "docs" / "guides").glob("from-*.md") if "gatepass user import" in page.read_text()
)


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def beside_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the other systems' files, where the commands run."""
    shutil.copytree(ROOT / "tests" / "vectors" / "imports", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for name, value in CHEAP_ARGON2.items():
        monkeypatch.setenv(f"GATEPASS_{name.upper()}", str(value))
    return tmp_path


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
@pytest.mark.usefixtures("beside_the_files")
def test_the_commands_of_a_guide_import_the_file(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """First the dry run, then the import, which does what the dry run said."""
    said: list[str] = []
    for line in "".join(blocks(page, "sh")).splitlines():
        if not line.startswith("gatepass "):
            continue  # how the other system writes its file
        words = shlex.split(line)
        with suppress(SystemExit):  # a row of the fixture has no address
            main(words[1:])
        said.append(capsys.readouterr().err.splitlines()[-1])
    dry, real = said
    assert dry.replace("Would import", "Imported") == real
    assert not real.startswith("Imported 0")


@pytest.mark.parametrize("page", [page for page in GUIDES if blocks(page, "toml")], ids=lambda page: page.stem)
def test_the_settings_of_a_guide_are_settings(page: Path, beside_the_files: Path) -> None:
    """With the secret in its file, the server would start."""
    (beside_the_files / "secret.txt").write_text("a secret of thirty-two octets, at least")
    for block in blocks(page, "toml"):
        assert load(flags=tomllib.loads(block)).foreign_tokens


def test_profiles_and_hashes_of_auth0_are_joined(beside_the_files: Path) -> None:
    """By the command of the guide, where jq is there."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    (command,) = (text for text in blocks(ROOT / "docs" / "guides" / "from-auth0.md", "sh") if text.startswith("jq"))
    subprocess.run(["sh", "-ec", command], check=True)
    assert (beside_the_files / "joined.ndjson").read_text().count("\n") == 3
