"""The file of a bridge: what is wrong in it is said before it starts, with the name of the setting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from starlette.routing import Route
from tests.support.bridges import SECRET

from gatepass.bridge.app import BridgeApp
from gatepass.bridge.settings import BridgeSettings, BridgeSettingsError, TransmitterSettings, load
from gatepass.cli.main import main
from gatepass.jose import KeySet
from gatepass.tokens.bridge_entry import FeedSecret

if TYPE_CHECKING:
    import msgspec

GOOD = """
issuer = "https://bridge.example.com"
data_dir = "data"
feed_secret_file = "secret"

[[transmitters]]
name = "sso"
kind = "backchannel-logout"
issuer = "https://sso.example.com/realms/staff"
audience = "app"
"""
MORE = '\n[[transmitters]]\nname = "more"\nissuer = "https://sso.example.com"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file and the secrets are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEPASS_FEED_SECRET", raising=False)
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "bearer").write_text("b")
    return tmp_path


def test_shares_leave_something_to_everybody(folder: Path) -> None:
    """Equal ones unless the file says otherwise; more than there is, or nothing for somebody, is refused."""
    more = MORE + 'kind = "global-revocation"\ntoken_file = "bearer"\n'
    for first, second, shares in (
        ("", "", [25_000, 25_000]),
        ("max_entries = 40_000\n", "", [40_000, 10_000]),
        ("max_entries = 50_000\n", "", None),
        ("max_entries = 40_000\n", "max_entries = 20_000\n", None),
    ):
        (folder / "bridge.toml").write_text(GOOD + first + more + second)
        if shares is None:
            with pytest.raises(BridgeSettingsError, match="max_entries"):
                load(folder / "bridge.toml")
        else:
            assert list(load(folder / "bridge.toml").shares().values()) == shares


def test_a_good_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` says so, and starts nothing."""
    (folder / "bridge.toml").write_text(
        GOOD
        + MORE
        + 'kind = "ssf-push"\naudience = "x"\ntoken_sha256 = "'
        + "0" * 64
        + '"\n'
        + MORE.replace("more", "polled")
        + 'kind = "ssf-poll"\naudience = "x"\ntoken_file = "bearer"\n'
        'poll_url = "https://sso.example.com/poll"\n'
        + MORE.replace("more", "global")
        + 'kind = "global-revocation"\ntoken_file = "bearer"\n'
    )
    main(["bridge", "--config", "bridge.toml", "--check"])
    assert capsys.readouterr().out == "bridge.toml is good: 4 transmitters\n"
    assert not (folder / "data").exists()


WRONG = {
    "no TOML": ("x", "not TOML"),
    "nothing": ("", "issuer"),
    "an unknown setting": ("colour = 1\n" + GOOD, "colour"),
    "no transmitter": (GOOD.partition("[[")[0] + "transmitters = []\n", "transmitters"),
    "an issuer with a path": (GOOD.replace("bridge.example.com", "bridge.example.com/x"), "path"),
    "plain HTTP": (GOOD.replace("https://sso", "http://sso"), "issuer"),
    "an unknown kind": (GOOD.replace("backchannel-logout", "carrier-pigeon"), "kind"),
    "no audience": (GOOD.replace('audience = "app"', ""), "needs audience"),
    "a name with a slash": (GOOD.replace('"sso"', '"s/o"'), "name"),
    "the same name": (GOOD + GOOD.partition("[[")[2].join(("[[", "")), "Two transmitters"),
    "a token where none is sent": (GOOD + 'token_file = "bearer"\n', "no use for token_file"),
    "its own issuer": (
        GOOD.replace("https://sso.example.com/realms/staff", "https://bridge.example.com"),
        "own issuer",
    ),
    "no bearer": (GOOD + MORE + 'kind = "global-revocation"\n', "token_file or token_sha256"),
    "two proofs": (
        GOOD + MORE + 'kind = "global-revocation"\ntoken_file = "bearer"\naudience = "x"\n',
        "token_file or token_sha256",
    ),
    "no poll_url": (GOOD + MORE + 'kind = "ssf-poll"\naudience = "x"\ntoken_file = "bearer"\n', "poll_url"),
    "two ways to fetch": (
        GOOD
        + MORE
        + 'kind = "ssf-poll"\naudience = "x"\npoll_url = "https://a.example.com/p"\ntoken_file = "bearer"\n'
        + 'client_id = "c"\nclient_secret_file = "bearer"\n',
        "token_file, or client_id",
    ),
    "a client without its secret": (
        GOOD + MORE + 'kind = "ssf-poll"\naudience = "x"\npoll_url = "https://a.example.com/p"\nclient_id = "c"\n',
        "client_secret_file",
    ),
    "a digest that is none": (
        GOOD + MORE + 'kind = "ssf-push"\naudience = "x"\ntoken_sha256 = "abc"\n',
        "64 hexadecimal",
    ),
    "a token file that is not there": (GOOD + MORE + 'kind = "global-revocation"\ntoken_file = "gone"\n', "token_file"),
    "too long a life": (GOOD + "token_seconds = 604801\n", "604800"),
    "half of TLS": ('tls_cert = "c"\n' + GOOD, "tls_key"),
    "another address without TLS": ('host = "0.0.0.0"\n' + GOOD, "without TLS"),
}


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(folder: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An error that names the setting, a hint, and status 1."""
    (folder / "bridge.toml").write_text(text)
    with pytest.raises(SystemExit) as end:
        main(["bridge", "--config", "bridge.toml", "--check"])
    said = capsys.readouterr().err
    assert end.value.code == 1
    assert words in said
    assert "error: " in said
    assert "\nhint: " in said


def test_every_route_is_on_the_page() -> None:
    """`docs/guides/bridge.md` lists each route."""
    page = (Path(__file__).parents[2] / "docs" / "guides" / "bridge.md").read_text()
    routes = (
        BridgeApp("", KeySet([]), FeedSecret(SECRET), feed=Mock(), shares=Mock(), receiver=Mock(), transmitters={})
        .starlette()
        .routes
    )
    paths = [route.path for route in routes if isinstance(route, Route)]
    assert len(paths) == len(routes) > 0
    assert [path for path in paths if f" {path}`" not in page] == []


@pytest.mark.parametrize("part", [BridgeSettings, TransmitterSettings])
def test_every_setting_is_on_the_page(part: type[msgspec.Struct]) -> None:
    """`docs/guides/bridge.md` lists each setting by its name."""
    page = (Path(__file__).parents[2] / "docs" / "guides" / "bridge.md").read_text()
    listed = {name for line in page.splitlines() if line.startswith("| `") for name in line.split("|")[1].split("`")}
    assert set(part.__struct_fields__) <= listed


@pytest.mark.parametrize("secret", [None, "", "short"])
def test_there_is_no_feed_without_a_secret(
    folder: Path, secret: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It comes from a file or from the environment, is long enough, and is never an argument."""
    (folder / "bridge.toml").write_text(GOOD.replace('feed_secret_file = "secret"\n', ""))
    if secret is not None:
        monkeypatch.setenv("GATEPASS_FEED_SECRET", secret)
    with pytest.raises(SystemExit):
        main(["bridge", "--config", "bridge.toml", "--check"])
    assert "secret" in capsys.readouterr().err
    monkeypatch.setenv("GATEPASS_FEED_SECRET", SECRET)
    main(["bridge", "--config", "bridge.toml", "--check"])


def test_a_file_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named."""
    with pytest.raises(SystemExit):
        main(["bridge", "--config", "gone.toml"])
    assert "gone.toml" in capsys.readouterr().err


def test_other_addresses_with_a_proxy(folder: Path) -> None:
    """On another address a proxy that does TLS has to be declared."""
    file = Path("bridge.toml")
    file.write_text('host = "0.0.0.0"\n' + GOOD)
    with pytest.raises(BridgeSettingsError):
        load(file)
    file.write_text('host = "0.0.0.0"\nbehind_proxy = true\n' + GOOD)
    assert load(file).host == "0.0.0.0"  # noqa: S104 - it is what is tested
