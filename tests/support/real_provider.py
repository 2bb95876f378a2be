"""An OpenID provider that is not ours (npm `oidc-provider`), in a process of its own on loopback."""

from __future__ import annotations

import fcntl
import hashlib
import html
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx

SECRET = "colon: plus + and & too"
_ROOT = Path(__file__).parents[2]
_SOURCE = Path(__file__).with_name("openid_provider")
_OLDEST_NODE = 20
_FORM = re.compile(r'<form[^>]*action="([^"]*)"[^>]*method="post"')
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')


@contextmanager
def real_provider() -> Generator[str]:
    """Run it until the block ends; gives its issuer. Skips the test where it cannot be had."""
    command = [_node(), str(_installed() / "provider.mjs")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://127.0.0.1:"), "the provider did not start"
        yield issuer
    finally:
        process.kill()
        process.communicate()


def provider_settings(issuer: str) -> dict[str, object]:
    """What the server is told of it."""
    return {"corp": {"name": "Corp", "issuer": issuer, "client_id": "gatepass", "client_secret": SECRET}}


def sign_in_there(http: httpx.Client, answer: httpx.Response, name: str) -> str:
    """Fill in the provider's forms for sign-in and consent; gives the URL that it sends the browser back to."""
    for _ in range(8):
        if answer.is_redirect:
            url = str(answer.headers["location"])
            if "/pages/login/callback/" in url:
                return url
            answer = http.get(answer.url.join(url))
            continue
        form = _FORM.search(answer.text)
        assert form is not None, answer.text
        fields = {key: html.unescape(value) for key, value in _HIDDEN.findall(answer.text)}
        answer = http.post(answer.url.join(html.unescape(form[1])), data=fields | {"login": name, "password": "any"})
    raise AssertionError("the provider goes round in circles")


def _node() -> str:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.skip("the real OpenID provider needs Node.js and npm, which are not here")
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        pytest.skip(f"the real OpenID provider needs Node.js {_OLDEST_NODE}, and this is {version.strip()}")
    return node


def _installed() -> Path:
    """The folder where it is installed, by its lock; done once, whichever test process comes first."""
    digest = hashlib.sha256((_SOURCE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = _ROOT / ".cache"
    folder = cache / f"openid-provider-{digest}"
    cache.mkdir(exist_ok=True)
    with (cache / "openid-provider.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(_SOURCE, folder)
            npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(npm, cwd=folder, check=False, capture_output=True, text=True, timeout=120)
            if done.returncode:
                pytest.skip(f"the real OpenID provider cannot be installed: {done.stderr[-300:]}")
            (folder / "done").touch()
    shutil.copy(_SOURCE / "provider.mjs", folder)
    return folder
