"""`/gatepass.js` as a file: the package's too, small, described, and open to pages of any origin."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.server import running_server

if TYPE_CHECKING:
    import httpx

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "clients" / "js" / "browser"
SOURCE = ROOT / "src/gatepass/server/features/browser_client/gatepass.js"
MOST_BYTES = 6 * 1024


def test_the_server_has_the_very_same_file(api: httpx.Client) -> None:
    """The media type that modules need, for pages of any origin, revalidated by its ETag, compressed."""
    answer = api.get("/gatepass.js", headers={"origin": "https://app.example.net"})
    assert answer.content == SOURCE.read_bytes()
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"].startswith("public, max-age=")
    assert answer.headers["content-encoding"] == "gzip"
    again = api.get("/gatepass.js", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_it_lies_under_the_issuers_path(tmp_path: Path) -> None:
    """A module's own address says who its issuer is, so one of an issuer with a path is there too."""
    with running_server(tmp_path, issuer="http://localhost:1/auth") as server, server.client() as api:
        assert api.get("/auth/gatepass.js").status_code == 200
        assert api.get("/gatepass.js").status_code == 404


def test_it_is_small() -> None:
    """At most 6 KB go over the wire, comments not counted, and it loads nothing else."""
    text = SOURCE.read_text()
    code = re.sub(r"/\*\*.*?\*/|(?:^|(?<=\s))//(?: .*?)?$", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = "\n".join(line.rstrip() for line in code.splitlines() if line.strip())
    assert "createClient" in lines
    assert "//" not in re.sub(r"https?://", "", lines)
    assert len(gzip.compress(lines.encode(), mtime=0)) <= MOST_BYTES
    assert not re.search(r"\bimport\s*[({'\"\w]", lines.replace("import.meta", ""))


def test_the_package_describes_it() -> None:
    """It has the server's own file and depends on nothing; types and README name each member of a client."""
    package = json.loads((FOLDER / "package.json").read_text())
    assert package["files"] == ["gatepass.js", "gatepass.d.ts"]
    copied = re.search(r"copyFileSync\('(.+?)', 'gatepass.js'\)", package["scripts"].pop("prepare"))
    assert copied
    assert (FOLDER / copied[1]).resolve() == SOURCE
    assert package["scripts"] == {}
    assert not {"dependencies", "devDependencies"} & set(package)
    types = (FOLDER / "gatepass.d.ts").read_text()
    declared = re.search(r"interface Client \{(.*?)\n\}", types, re.DOTALL)
    made = re.search(r"const client = \{(.*?)\n  \};", SOURCE.read_text(), re.DOTALL)
    assert declared
    assert made
    named = set(re.findall(r"^  (?:readonly )?(\w+)[(:?]", declared[1], re.MULTILINE))
    assert named == set(re.findall(r"^    (?:get |async )?(\w+)[(:]", made[1], re.MULTILINE))
    readme = (FOLDER / "README.md").read_text()
    assert {name for name in named if f"`{name}" not in readme and f"client.{name}" not in readme} == set()
