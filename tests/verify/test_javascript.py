"""The JavaScript verifier of clients/js/verify: its unit tests, and what it weighs."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.node import node

from gatepass.jose import Key, jwt

if TYPE_CHECKING:
    from collections.abc import Iterable

TESTS = Path(__file__).parent / "javascript"
FOLDER = Path(__file__).parents[2] / "clients" / "js" / "verify"


def test_the_unit_tests() -> None:
    """Shared cases, protocol vectors, the follower in every trouble, the handlers: in one process of Node.js."""
    done = subprocess.run([node(), TESTS / "all.mjs"], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]
    assert re.search(r"^# pass [1-9]", done.stdout, re.MULTILINE)
    assert "# fail 0" in done.stdout
    assert {path.name for path in TESTS.glob("*.test.mjs")} == set(
        re.findall(r"\./(\w+\.test\.mjs)", (TESTS / "all.mjs").read_text())
    )


def test_the_package_describes_it() -> None:
    """What the package lists exists, it depends on nothing, and README and types name what it exports."""
    package = json.loads((FOLDER / "package.json").read_text())
    assert all(list(FOLDER.glob(name)) for name in package["files"])
    assert all((FOLDER / path).is_file() for entry in package["exports"].values() for path in entry.values())
    assert not {"dependencies", "devDependencies", "scripts"} & set(package)
    readme = (FOLDER / "README.md").read_text()
    for path in FOLDER.glob("*.js"):
        code, types = without_comments(path.read_text()), path.with_suffix(".d.ts").read_text()
        exported = set(re.findall(r"export (?:async )?(?:function|const) (\w+)", code))
        exported |= {name.strip() for names in re.findall(r"export \{(.*?)\}", code) for name in names.split(",")}
        assert exported
        assert {name for name in exported if not re.search(rf"\b{name}\b", types) or name not in readme} == set()
    codes = {
        code
        for path in FOLDER.rglob("*.js")
        for code in re.findall(r'(?:VerifyError|refused|refusedClaim)\(\s*"([a-z_]+)"', path.read_text())
    }
    assert {"expired", "revoked", "unknown_key"} <= codes
    assert {code for code in codes if f"`{code}`" not in readme} == set()


def without_comments(text: str) -> str:
    """The code alone, counted as that of `clients/js/browser` is."""
    code = re.sub(r"/\*\*.*?\*/|(?:^|(?<=\s))//(?: .*?)?$", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join(line.rstrip() for line in code.splitlines() if line.strip())


def test_it_loads_nothing_else() -> None:
    """Every import is of a file beside it, so that the folder is the whole verifier."""
    for path in FOLDER.rglob("*.js"):
        for name in re.findall(r"(?:from|import\()\s*[\"']([^\"']+)[\"']", without_comments(path.read_text())):
            assert name.startswith("."), (path.name, name)
            assert (path.parent / name).is_file(), (path.name, name)


def weight(paths: Iterable[Path]) -> int:
    """What goes over the wire: gzipped, comments not counted."""
    text = "\n".join(without_comments(path.read_text()) for path in sorted(paths))
    return len(gzip.compress(text.encode(), mtime=0))


def loaded(path: Path, found: set[Path]) -> set[Path]:
    """What a file imports at once, and not when it is needed."""
    found.add(path)
    for name in re.findall(r"\bfrom \"(\.[^\"]+)\"", without_comments(path.read_text())):
        if (path.parent / name).resolve() not in found:
            loaded((path.parent / name).resolve(), found)
    return found


def test_it_is_small() -> None:
    """What verifies tokens is at most 12 KB; with the follower, DPoP and all handlers, 30 KB."""
    core = loaded(FOLDER / "index.js", set())
    assert {"verifier.js", "keys.js", "issuer.js"} <= {path.name for path in core}
    assert weight(core) <= 12 * 1024
    assert weight(FOLDER.rglob("*.js")) <= 30 * 1024


WITHOUT_A_PART = """
const [folder, jwks, token] = process.argv.slice(2);
const { Verifier } = await import(`${folder}/index.js`);
const verifier = new Verifier({
  issuer: "https://auth.example.com", audience: "api", keys: JSON.parse(jwks), revocation: "feed", log: () => {},
});
for (let tries = 0; tries < 3; tries += 1) await verifier.verify(token).catch(({ code }) => console.log(code));
await new Promise((resolve) => setTimeout(resolve, 10));
console.log("alive");
"""


def test_a_part_that_cannot_be_loaded_ends_no_process(tmp_path: Path) -> None:
    """A bundle without the follower: each token is refused, also the second time, and nothing is left unhandled."""
    folder = tmp_path / "verify"
    shutil.copytree(FOLDER, folder)
    (folder / "lib" / "follower.js").unlink()
    (tmp_path / "try.mjs").write_text(WITHOUT_A_PART)
    key, now = Key.generate("ES256"), int(time.time())
    claims = {"iss": "https://auth.example.com", "aud": "api", "sub": "ann", "client_id": "app", "jti": "1"}
    token = jwt.sign(claims | {"iat": now, "exp": now + 600}, key, typ="at+jwt")
    jwks = json.dumps({"keys": [key.public().to_jwk()]})
    done = subprocess.run(
        [node(), tmp_path / "try.mjs", folder, jwks, token], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.split()) == (0, ["ERR_MODULE_NOT_FOUND"] * 3 + ["alive"]), done.stderr
