"""`/docs`: every call is found, linked, shown with examples, and can be tried where that needs no secret."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest
from tests.support.server import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

LARGEST = 60_000


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server, and a client of it."""
    with running_server(tmp_path_factory.mktemp("docs"), is_awaited=False) as server, server.client() as client:
        yield client


@pytest.fixture(scope="module")
def pages(api: httpx.Client) -> dict[str, str]:
    """The index and the pages that it links to."""
    index = api.get("/docs").text
    linked = dict.fromkeys(re.findall(r'href="(/docs/[\w-]+)["#]', index))
    return {"/docs": index} | {path: api.get(path).raise_for_status().text for path in linked}


def test_every_call_is_on_the_index_and_on_a_page(api: httpx.Client, pages: dict[str, str]) -> None:
    """What the description for programs has, with its request; and each link leads to a place on a page."""
    ids = {path: set(re.findall(r' id="([^"]+)"', text)) for path, text in pages.items()}
    for path, text in pages.items():
        for page, fragment in re.findall(r'href="(/docs[\w/-]*)?#([^"]+)"', text):
            assert fragment in ids[page or path], (path, page, fragment)
    everything = html.unescape("".join(text for path, text in pages.items() if path != "/docs"))
    for path, methods in api.get("/openapi.json").json()["paths"].items():
        assert f"<code>{path}</code>" in pages["/docs"]
        assert f"{api.base_url}{path}".rstrip("/") in everything or path in everything
        assert all(
            f'<span class="method">{method.upper()}</span> <code>{path}</code></h2>' in everything for method in methods
        )


def test_a_page_is_small_and_needs_no_scripts(pages: dict[str, str]) -> None:
    """At most 60 KB each, uncompressed."""
    assert {path: len(text.encode()) for path, text in pages.items() if len(text.encode()) > LARGEST} == {}
    assert not any("<script" in text for text in pages.values())


def test_the_example_of_a_login_is_a_command(pages: dict[str, str]) -> None:
    """A request to copy, and the answer that it gets."""
    text = html.unescape(pages["/docs/sign-in"])
    assert re.search(r"curl http://\S+/login \\\n  -H \"Content-Type: application/json\" \\\n  -d '\{\"email\": ", text)
    assert '"token_type": "Bearer"' in text


def test_what_needs_no_secret_can_be_tried(api: httpx.Client, pages: dict[str, str]) -> None:
    """The forms make calls that are answered; no form asks for a password or a token."""
    forms = [form for text in pages.values() for form in re.findall(r'<form method="get" action="([^"]+)"', text)]
    assert {"/health", "/login/providers", "/.well-known/jwks.json"} <= set(forms)
    assert {path: status for path in forms if (status := api.get(path).status_code) != 200} == {}
    assert "password" not in "".join(re.findall(r"<input[^>]*>", "".join(pages.values())))
