"""An OpenID provider that is not ours (npm `oidc-provider`), in a process of its own on loopback."""

from __future__ import annotations

import html
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.node import installed, node

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx

SECRET = "colon: plus + and & too"
_SOURCE = Path(__file__).with_name("openid_provider")
_FORM = re.compile(r'<form[^>]*action="([^"]*)"[^>]*method="post"')
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')


@contextmanager
def real_provider() -> Generator[str]:
    """Run it until the block ends; gives its issuer. Skips the test where it cannot be had."""
    command = [node(), str(installed(_SOURCE) / "provider.mjs")]
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
