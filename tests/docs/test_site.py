"""The documentation's site: its navigation, its pictures, and what its search finds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INDEX = ROOT / "site" / "search.json"
PICTURES = ("road.svg", "refresh.svg", "origins.svg", "deployment.svg")
SOUGHT = {
    "custom claim": "guides/claims/",
    "nginx": "operate/nginx/",
    "roles": "guides/claims/",
    "docker": "operate/containers/",
    "kubernetes": "operate/kubernetes/",
    "logout everywhere": "guides/logout/",
    "cors": "guides/cors/",
    "google": "guides/google/",
    "troubleshooting": "troubleshooting/",
}


def is_up_to_date() -> bool:
    """Whether the site was built from the pages as they are, as `make check` does before it runs this."""
    return INDEX.exists() and all(INDEX.stat().st_mtime > page.stat().st_mtime for page in DOCS.rglob("*.md"))


def found(index: list[dict[str, Any]], query: str) -> list[str]:
    """The places that have every word, those first that have them in a title, then those that have them oftenest."""
    words = [word.removesuffix("s") for word in query.split()]

    def rank(item: dict[str, Any]) -> tuple[int, int, int]:
        title, text = item["title"].lower(), item["text"].lower()
        in_title = sum(word in title for word in words)
        return in_title, -item["level"], sum(text.count(word) for word in words)

    hits = [item for item in index if all(word in f"{item['title']} {item['text']}".lower() for word in words)]
    return [item["location"] for item in sorted(hits, key=rank, reverse=True)]


@pytest.mark.skipif(not is_up_to_date(), reason="`make site` has not built it")
@pytest.mark.parametrize("query", SOUGHT)
def test_what_people_search_for_leads_to_the_page(query: str) -> None:
    """It is among the first three places in the built search index."""
    index = json.loads(INDEX.read_text())["items"]
    places = found(index, query)[:3]
    assert any(place.startswith(SOUGHT[query]) for place in places), places


def test_the_navigation_has_four_groups_and_every_page() -> None:
    """What a reader does, in this order; no page is left out."""
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    assert [name for group in nav for name in group] == ["Start", "Build", "Operate", "Reference"]
    listed = set(re.findall(r"'([\w/.-]+\.md)'", str(nav)))
    assert listed == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_follows_light_and_dark_and_is_shown(name: str) -> None:
    """It is well formed, says what it shows, has colors for both, and stands on a page."""
    text = (DOCS / "images" / name).read_text()
    picture = ET.fromstring(text)  # noqa: S314 - ours
    assert all(picture.findtext(f"{{http://www.w3.org/2000/svg}}{tag}") for tag in ("title", "desc"))
    assert "@media (prefers-color-scheme: dark)" in text
    assert any(f"images/{name})" in page.read_text() for page in DOCS.rglob("*.md"))


def block(page: str, language: str) -> str:
    """The first block of a language on a page."""
    match = re.search(rf"^```{language}[^\n]*\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate and its key in one file."""
    made, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", key, "-out", made], check=True, capture_output=True)
    made.write_text(made.read_text() + key.read_text())
    return made


@pytest.mark.skipif(not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()), reason="no nginx here")
def test_nginx_takes_its_sample(tmp_path: Path, certificate: Path) -> None:
    """`nginx -t` has nothing to say against it."""
    server = re.sub(r"/etc/ssl/\S+(?=;)", str(certificate), block("operate/nginx.md", "nginx"))
    config = tmp_path / "nginx.conf"
    config.write_text(f"pid {tmp_path}/pid; error_log stderr; events {{}}\nhttp {{ access_log off;\n{server}\n}}\n")
    command = [shutil.which("nginx") or "/usr/sbin/nginx", "-t", "-c", str(config)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not (shutil.which("haproxy") or Path("/usr/sbin/haproxy").exists()), reason="no HAProxy here")
def test_haproxy_takes_its_sample(tmp_path: Path, certificate: Path) -> None:
    """`haproxy -c` has nothing to say against it."""
    config = tmp_path / "haproxy.cfg"
    config.write_text(re.sub(r"/etc/haproxy/\S+", str(certificate), block("operate/haproxy.md", "text")))
    command = [shutil.which("haproxy") or "/usr/sbin/haproxy", "-c", "-f", str(config)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.skipif(shutil.which("caddy") is None, reason="no Caddy here")
def test_caddy_takes_its_sample(tmp_path: Path) -> None:
    """`caddy adapt` understands it."""
    config = tmp_path / "Caddyfile"
    config.write_text(block("operate/caddy.md", "text"))
    command = ["caddy", "adapt", "--adapter", "caddyfile", "--config", str(config)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert '"flush_interval":-1' in done.stdout
