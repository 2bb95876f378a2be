"""What a site makes of the pages: languages, its name, its logo, its colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.pages import Browser
from tests.support.server import ANN, OUTBOX, running_server

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer

NAME = "Pears & <Sons>"
STYLE = ":root { --accent: light-dark(#0b6e4f, #7fd6a0); }"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A site with everything of its own."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "logo.png").write_bytes(PNG)
    (folder / "site.css").write_text(STYLE)
    logo, style = str(folder / "logo.png"), str(folder / "site.css")
    with running_server(folder / "data", site_name=NAME, site_logo=logo, site_style=style) as running:
        yield running


@pytest.fixture
def browser(server: RunningServer) -> Generator[Browser]:
    """A browser that nobody knows yet."""
    with Browser(server) as browser:
        yield browser


def title(page: str) -> str:
    """What stands in the page's heading, after its language."""
    language = page.partition('<html lang="')[2].partition('"')[0]
    heading = page.partition("<h1>")[2].partition("</h1>")[0]
    return f"{language}: {heading}"


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("de-AT, en;q=0.5", "de: Anmelden"),
        ("fr", "fr: Connexion"),
        ("pl, nl;q=0.5", "en: Sign in"),
        ("", "en: Sign in"),
    ],
)
def test_pages_speak_the_browsers_language(browser: Browser, accepted: str, expected: str) -> None:
    """By Accept-Language; English where there is none of those."""
    page = browser.get("/pages/login", **{"accept-language": accepted})
    assert title(page.text) == expected


def test_somebody_chooses_another_language(browser: Browser) -> None:
    """The link at the foot of a page keeps the choice, leads back to the same page, and beats Accept-Language."""
    page = browser.get("/pages/login?return_to=%2Fpages%2Faccount").text
    link = page.partition('<a href="/pages/language?to=fr')[2].partition('"')[0].replace("&amp;", "&")
    chosen = browser.get(f"/pages/language?to=fr{link}", **{"accept-language": "de"})
    assert title(chosen.text) == "fr: Connexion"
    assert chosen.url.query == b"return_to=%2Fpages%2Faccount"
    assert title(browser.get("/pages/signup", **{"accept-language": "de"}).text) == "fr: Créer un compte"


def test_a_choice_leads_nowhere_else(browser: Browser) -> None:
    """No open redirect, and no cookie for a language that there is not."""
    for path in ("https://evil.test/", "//evil.test", "/\\evil.test"):
        answer = browser.http.get("/pages/language", params={"to": "de", "return_to": path})
        assert (answer.status_code, answer.headers["location"]) == (303, "/pages/account")
    answer = browser.http.get("/pages/language", params={"to": "xx"})
    assert "set-cookie" not in answer.headers


def test_mails_speak_the_language_too(server: RunningServer, browser: Browser) -> None:
    """A letter is in the language of who asked for it, and is from the site by its name."""
    with server.client() as api:
        assert api.post("/signup", json=ANN).status_code == 201
    browser.get("/pages/language?to=de")
    browser.post("/pages/forgotten", email=ANN["email"])
    outbox = browser.get(OUTBOX).text
    assert "Neues Passwort festlegen" in outbox
    assert "-- \nPears &amp; &lt;Sons&gt;" in outbox


def test_a_site_has_its_name_logo_and_colours(browser: Browser) -> None:
    """The name stands in every page as text; the logo has its type; the site's style comes after ours."""
    page = browser.get("/pages/login").text
    assert "<span>Pears &amp; &lt;Sons&gt;</span>" in page
    assert page.index("/static/gatepass.css") < page.index("/static/site.css")
    logo, style = browser.get("/static/logo"), browser.get("/static/site.css")
    assert (logo.headers["content-type"], logo.content) == ("image/png", PNG)
    assert (style.headers["content-type"], style.text) == ("text/css; charset=utf-8", STYLE)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("site_logo", "nothing.png"), ("site_style", "nothing.css"), ("site_name", "two\nlines"), ("site_name", "")],
)
def test_a_look_that_cannot_be_is_told_at_the_start(setting: str, value: str) -> None:
    """A file that is not there, or a name that is none."""
    with pytest.raises(StartupError):
        load(flags={setting: value})


def test_a_logo_is_a_picture(tmp_path: Path) -> None:
    """By the end of its name, which says what browsers are told that it is."""
    page = tmp_path / "logo.html"
    page.write_text("<script>")
    with pytest.raises(StartupError, match="site_logo"):
        load(flags={"site_logo": str(page)})
