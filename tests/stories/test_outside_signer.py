"""The signing key is in another process; the code of both sides is that of docs/guides/outside-signer.md."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.published import token_keys
from tests.support.server import ANN, CHEAP_ARGON2, first_url, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import Key, jwt
from gatepass.server.base.errors import StartupError, Unavailable
from gatepass.server.domain.keys import signer as signer_module
from gatepass.server.domain.keys.signer import OutsideKey
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Generator

    from gatepass.server.domain.keys.signer import Signer

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "outside-signer.md"
PROGRAMS = dict(re.findall(r'```py title="(\w+\.py)"\n(.*?)```', GUIDE.read_text(), re.DOTALL))


class Keeper:
    """The process that holds the key."""

    def __init__(self, folder: Path, alg: str = "ES256") -> None:
        self._folder = folder
        self.socket = folder / "keeper.sock"
        (folder / "keeper.py").write_text(PROGRAMS["keeper.py"])
        (folder / "private.pem").write_bytes(Key.generate(alg).to_pem(private=True))
        self.start()

    def start(self) -> None:
        """Start it, with the key that it had."""
        self.socket.unlink(missing_ok=True)
        arguments = [str(self._folder / "keeper.py"), str(self.socket), str(self._folder / "private.pem")]
        self._process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        lines = iter(self._process.stdout.readline, "-----END PUBLIC KEY-----\n")
        self.public_key = Key.from_pem("".join(lines) + "-----END PUBLIC KEY-----\n")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.communicate()

    def outside_key(self) -> OutsideKey:
        """What a server is given."""
        names: dict[str, Any] = {}
        exec(compile(PROGRAMS["signer.py"], "signer.py", "exec"), names)  # noqa: S102 - our own page
        signer: Signer = names["SocketSigner"](str(self.socket), self.public_key)
        return OutsideKey(signer, self.public_key)


@contextmanager
def keeping(folder: Path) -> Generator[Keeper]:
    """A keeper that ends with the block."""
    folder.mkdir()
    keeper = Keeper(folder)
    try:
        yield keeper
    finally:
        keeper.end()


@pytest.fixture
def keeper(tmp_path: Path) -> Generator[Keeper]:
    """A keeper."""
    with keeping(tmp_path / "keeper") as running:
        yield running


def kids(api: httpx.Client) -> list[str | None]:
    """The keys in the JWKS that sign tokens."""
    return [key.kid for key in token_keys(api)]


def test_tokens_are_signed_elsewhere(tmp_path: Path, keeper: Keeper) -> None:
    """The public key is the JWKS, the tokens verify, and no file of the server holds the private one."""
    with running_server(tmp_path / "data", outside_keys=[keeper.outside_key()]) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = api.post("/login", json=ANN).json()["token"]
        assert kids(api) == [keeper.public_key.kid] == [jwt.peek(token).headers["kid"]]
        verifier = Verifier(issuer=server.url, audience=server.url, clock=server.clock)
        assert verifier.verify(token).client_id == "first-party"
        assert api.get("/me", headers={"authorization": f"Bearer {token}"}).status_code == 200
        assert jwt.peek(api.get("/revocations/snapshot").text).headers["kid"] != keeper.public_key.kid


def test_a_key_outside_follows_one_inside(tmp_path: Path, keeper: Keeper) -> None:
    """It is published a day before it signs; the former goes on verifying, and compromising it brings one inside."""
    with running_server(tmp_path / "data") as server, server.client() as api:
        api.post("/signup", json=ANN)
        old = jwt.peek(api.post("/login", json=ANN).json()["token"]).headers["kid"]
        clock = server.clock
    with (
        running_server(tmp_path / "data", clock, outside_keys=[keeper.outside_key()]) as server,
        server.client() as api,
    ):

        def signing() -> object:
            return jwt.peek(api.post("/login", json=ANN).json()["token"]).headers["kid"]

        assert signing() == old
        assert sorted(map(str, kids(api))) == sorted([str(old), str(keeper.public_key.kid)])
        clock.advance(86_400)
        eventually(lambda: signing() == keeper.public_key.kid)
        clock.advance(40 * 86_400)
        eventually(lambda: kids(api) == [keeper.public_key.kid])
        main(["key", "compromise", str(keeper.public_key.kid), "--data-dir", str(tmp_path / "data")])
        eventually(lambda: keeper.public_key.kid not in kids(api))
        assert signing() not in (old, keeper.public_key.kid)


def test_a_dead_signer_is_503_and_nothing_is_lost(
    tmp_path: Path, keeper: Keeper, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sign-in and refresh say when to try again; once the signer is back the same refresh token brings a token."""
    with running_server(tmp_path / "data", outside_keys=[keeper.outside_key()]) as server, server.client() as api:
        api.post("/signup", json=ANN)
        pair = api.post("/login", json=ANN).json()
        keeper.end()
        server.clock.advance(61)  # the refresh token is to move on
        for call, body in (("/login", ANN), ("/refresh", {"refresh_token": pair["refresh_token"]})):
            answer = api.post(call, json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "signer_unavailable")
            assert answer.headers["retry-after"] == "5"
        assert api.get("/me", headers={"authorization": f"Bearer {pair['token']}"}).status_code == 200
        keeper.start()
        again = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()
        assert jwt.peek(again["token"]).claims["sid"] == jwt.peek(pair["token"]).claims["sid"]
        assert api.post("/refresh", json={"refresh_token": again["refresh_token"]}).status_code == 200
    said = capsys.readouterr().out
    assert f"the signer of {keeper.public_key.kid}: ConnectionRefusedError" in said
    assert pair["refresh_token"] not in said


def test_a_slow_signer_is_503(tmp_path: Path, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signer that does not answer in time is as good as dead; other calls are answered meanwhile."""
    with running_server(tmp_path / "data", outside_keys=[keeper.outside_key()]) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = api.post("/login", json=ANN).json()["token"]
        monkeypatch.setattr(signer_module, "SIGN_SECONDS", 0.2)
        keeper.send(signal.SIGSTOP)
        assert api.post("/login", json=ANN).json()["code"] == "signer_unavailable"
        assert api.get("/me", headers={"authorization": f"Bearer {token}"}).status_code == 200
        keeper.send(signal.SIGCONT)
        eventually(lambda: api.post("/login", json=ANN).status_code == 200)


def test_what_is_revoked_meanwhile_is_told_at_once(tmp_path: Path, keeper: Keeper) -> None:
    """A logout while nobody signs tokens: the list says so all the same, since its key is another one, and inside."""
    with running_server(tmp_path / "data", outside_keys=[keeper.outside_key()]) as server, server.client() as api:
        api.post("/signup", json=ANN)
        pair = api.post("/login", json=ANN).json()
        place = jwt.peek(pair["token"]).claims["status"]["status_list"]["uri"]
        before = api.get(place).text
        keeper.end()
        assert api.post("/logout", headers={"authorization": f"Bearer {pair['token']}"}).status_code == 204
        assert api.get("/me", headers={"authorization": f"Bearer {pair['token']}"}).status_code == 401
        eventually(lambda: _bits(api.get(place).text) != _bits(before))
        keeper.start()


def _bits(token: str) -> object:
    return jwt.peek(token).claims["status_list"]


class Wrong:
    """A signer with another key than it says."""

    def __init__(self, public_key: Key) -> None:
        self.alg = public_key.alg
        self.kid = str(public_key.kid)

    async def sign(self, message: bytes) -> bytes:
        """Sign with a key that nobody knows."""
        return Key.generate("ES256").sign(message)


def test_a_signature_that_does_not_verify_is_never_sent() -> None:
    """A signer with the wrong key would make tokens that everybody refuses; that is its fault, and a 503."""
    public_key = Key.generate("ES256").public()
    guarded = signer_module.GuardedSigner(Wrong(public_key), public_key)
    with pytest.raises(Unavailable, match="signer_unavailable") as caught:
        asyncio.run(guarded.sign(b"message"))
    assert caught.value.private == f"the signer of {public_key.kid}: BadSignatureError"


def test_a_server_without_the_signer_does_not_start(tmp_path: Path, keeper: Keeper) -> None:
    """It says which key it lacks, and a key inside can take over."""
    with running_server(tmp_path, outside_keys=[keeper.outside_key()]):
        pass
    with pytest.raises(StartupError, match="an outside signer, which is not configured"), running_server(tmp_path):
        pass
    main(["key", "rotate", "--now", "--data-dir", str(tmp_path)])
    with running_server(tmp_path) as server, server.client() as api:
        assert len(kids(api)) == 2


def test_signer_and_public_key_go_together(tmp_path: Path, keeper: Keeper) -> None:
    """Another key's signer, or a private key where the public one belongs, is refused at the start."""
    mine = Key.generate("ES256")
    for wrong in (mine.public(), mine):
        signer = Wrong(mine) if wrong is mine else keeper.outside_key().signer
        with (
            pytest.raises(StartupError, match="does not match"),
            running_server(tmp_path, outside_keys=[OutsideKey(signer, wrong)]),
        ):
            pass


def test_the_guide_as_it_stands(tmp_path: Path) -> None:
    """Its three programs, put into files and started, sign somebody in."""
    with keeping(tmp_path / "app") as keeper:
        folder = tmp_path / "app"
        (folder / "public.pem").write_bytes(keeper.public_key.to_pem())
        for name in ("signer.py", "main.py"):
            (folder / name).write_text(PROGRAMS[name])
        settings = {f"GATEPASS_{name.upper()}": str(value) for name, value in CHEAP_ARGON2.items()}
        process = subprocess.Popen(
            [sys.executable, "main.py"],
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings, "GATEPASS_PORT": "0"},
        )
        try:
            with httpx.Client(base_url=first_url(process)) as api:
                api.post("/signup", json=ANN)
                token = api.post("/login", json=ANN).json()["token"]
        finally:
            process.kill()
            process.communicate()
    assert jwt.peek(token).headers["kid"] == keeper.public_key.kid


# ── by a plugin ──


def install(folder: Path, package: str, entry_point: str) -> None:
    """Put what an installer writes beside a package: where its plugin is."""
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[gatepass.plugins]\n{entry_point}\n")


@contextmanager
def serving(folder: Path, *flags: str) -> Generator[subprocess.Popen[str]]:
    """`gatepass serve` in a folder whose packages are installed."""
    settings = {f"GATEPASS_{name.upper()}": str(value) for name, value in CHEAP_ARGON2.items()}
    process = subprocess.Popen(
        [Path(sys.executable).with_name("gatepass"), "serve", "--port", "0", *flags],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings, "PYTHONPATH": str(folder)},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_plugin_signs_in_every_worker(tmp_path: Path) -> None:
    """`gatepass serve --workers 2` finds the plugin of the page: each worker signs with the key that is elsewhere."""
    with keeping(tmp_path / "app") as keeper:
        folder = tmp_path / "app"
        (folder / "public.pem").write_bytes(keeper.public_key.to_pem())
        for name in ("signer.py", "our_kms.py"):
            (folder / name).write_text(PROGRAMS[name])
        install(folder, "our_kms", "our-kms = our_kms:plugin")
        with serving(folder, "--workers", "2") as process:
            url = first_url(process)
            httpx.post(f"{url}/signup", json=ANN)
            logins = [httpx.post(f"{url}/login", json=ANN).json() for _ in range(8)]  # by connections of their own
    assert {jwt.peek(login["token"]).headers["kid"] for login in logins} == {keeper.public_key.kid}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise RuntimeError('the module is old')", "cannot be loaded: RuntimeError: the module is old"),
        ("plugin = object()", "is not a gatepass.server.Plugin"),
        (
            (
                "from gatepass.server import Plugin\n"
                "plugin = Plugin('broken')\n"
                "@plugin.signing_keys\n"
                "async def keys():\n    raise OSError('of secret:secret@kms')\n"
            ),
            "gives no signing keys: OSError.",
        ),
    ],
    ids=["raises", "is none", "gives no keys"],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_broken_plugin_keeps_the_server_from_starting(tmp_path: Path, code: str, message: str, workers: str) -> None:
    """It says which plugin it is and what to do; nothing signs with other keys instead, and no secret is told."""
    (tmp_path / "broken.py").write_text(code)
    install(tmp_path, "broken", "broken = broken:plugin")
    with serving(tmp_path, "--workers", workers) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(30) == 1
    assert said.startswith("error: The plugin broken ")
    assert message in said
    assert "\nhint: " in said
    assert "secret" not in said
