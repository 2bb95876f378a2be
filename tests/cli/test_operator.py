"""`gatepass user …`, `key …` and `serve`, as their operator types them, beside a running server."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import httpx
import pytest
from tests.support.published import token_keys
from tests.support.server import ANN, CHEAP_ARGON2, SettableClock, gatepass_serve, running_server
from tests.support.tls import self_signed
from tests.support.wait import eventually

import gatepass
from gatepass.cli.main import main
from gatepass.cli.serve import warnings
from gatepass.jose import Key, KeySet, jwt
from gatepass.server.base.settings import Settings
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.server import RunningServer

GATEPASS = str(Path(sys.executable).with_name("gatepass"))


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


class Run(Protocol):
    """Runs a command on the data folder of the test."""

    def __call__(self, *words: str, stdin: str = "") -> Done:
        """Run it with a text on its standard input."""
        ...


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `gatepass …` in this process."""
    for name, value in CHEAP_ARGON2.items():
        monkeypatch.setenv(f"GATEPASS_{name.upper()}", str(value))

    def run_(*words: str, stdin: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = 0
        try:
            main([*words, "--data-dir", str(tmp_path)])
        except SystemExit as end:
            status = int(end.code or 0)
        return Done(status, *capsys.readouterr())

    return run_


def test_add_a_person_who_can_then_log_in(run: Run, tmp_path: Path) -> None:
    """The id is the result, on stdout; the password comes from the first line of the standard input."""
    done = run("user", "add", "Ann@example.test", "--role", "admin", stdin=f"{ANN['password']}\nmore\n")
    assert (done.status, done.err) == (0, "Added ann@example.test.\n")
    with running_server(tmp_path) as server, server.client() as api:
        claims = jwt.peek(api.post("/login", json=ANN).json()["token"]).claims
    assert (claims["sub"], claims["roles"]) == (done.out.strip(), ["admin"])


@pytest.mark.parametrize(
    ("email", "password", "options", "error"),
    [
        ("ann", "correct horse battery", [], "error: This is not a valid email address."),
        ("ann@example.test", "short", [], "error: A password has at least 15 characters."),
        ("ann@example.test", "correct horse battery", ["--role", "two words"], "error: A role is 1 to 64 letters"),
    ],
)
def test_what_cannot_be_added(run: Run, email: str, password: str, options: list[str], error: str) -> None:
    """`error:` and `hint:` on stderr, nothing on stdout, status 1, and nobody was added."""
    done = run("user", "add", email, *options, stdin=password)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(error)
    assert "\nhint: " in done.err
    assert password not in done.err
    assert json.loads(run("user", "list", "--json").out) == []


def test_list_and_show(run: Run) -> None:
    """As columns for people, as JSON for programs; no hash is shown."""
    run("user", "add", "bob@example.test", stdin="bob has a long password")
    run("user", "add", "ann@example.test", "--role", "admin", "--role", "staff", stdin=ANN["password"])
    lines = run("user", "list").out.splitlines()
    assert lines[0].split() == ["id", "email", "state", "verified", "factors", "roles"]
    assert lines[1].split()[1:] == ["ann@example.test", "active", "no", "-", "admin", "staff"]
    assert lines[2].split()[1:] == ["bob@example.test", "active", "no", "-", "-"]
    shown = json.loads(run("user", "show", "ann@example.test", "--json").out)
    assert (shown["email"], shown["roles"], shown["sessions"]) == ("ann@example.test", ["admin", "staff"], [])
    assert "argon2" not in run("user", "show", "ann@example.test").out


@pytest.mark.parametrize("command", ["show", "disable", "enable", "logout", "password"])
def test_nobody_of_that_address(run: Run, command: str) -> None:
    """Each command says so, with a hint."""
    run("user", "add", "somebody@example.test", stdin="a password of good length")
    done = run("user", command, "nobody@example.test", stdin="a password of good length")
    assert (done.status, done.out) == (1, "")
    assert done.err == "error: No user has this email address.\nhint: `gatepass user list` shows every user.\n"


@pytest.fixture
def server(tmp_path: Path) -> Generator[RunningServer]:
    """A running server over the same data. Commands have the real time, so it has too."""
    with running_server(tmp_path, SettableClock(time.time())) as running:
        yield running


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client of it."""
    with server.client() as client:
        client.post("/signup", json=ANN)
        yield client


def refreshing(api: httpx.Client, pair: dict[str, str]) -> str:
    """Refresh; `ok` or the code of the refusal."""
    code: str = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json().get("code", "ok")
    return code


def test_disable_ends_the_sessions_and_keeps_the_person_out(run: Run, api: httpx.Client) -> None:
    """The running server refuses the refresh and the right password at once; `enable` lets them in again."""
    pair = api.post("/login", json=ANN).json()
    assert run("user", "disable", ANN["email"]).err == "Disabled ann@example.test; 1 session ended.\n"
    assert refreshing(api, pair) == "session_ended"
    assert api.post("/login", json=ANN).json()["code"] == "account_disabled"
    assert api.post("/login", json=ANN | {"password": "wrong wrong wrong"}).json()["code"] == "invalid_credentials"
    assert run("user", "enable", ANN["email"]).status == 0
    assert api.post("/login", json=ANN).status_code == 200


def test_logout_and_password_end_the_sessions(run: Run, api: httpx.Client) -> None:
    """After `user logout` and after `user password` no earlier refresh token works; the new password does."""
    pairs = [api.post("/login", json=ANN).json() for _ in range(2)]
    assert run("user", "logout", ANN["email"]).err == "2 sessions ended.\n"
    assert {refreshing(api, pair) for pair in pairs} == {"session_ended"}
    pair = api.post("/login", json=ANN).json()
    assert run("user", "password", ANN["email"], stdin="another long password").status == 0
    assert refreshing(api, pair) == "session_ended"
    assert api.post("/login", json=ANN).json()["code"] == "invalid_credentials"
    assert api.post("/login", json=ANN | {"password": "another long password"}).status_code == 200


def test_roles_come_and_go(run: Run, api: httpx.Client) -> None:
    """The next refresh carries them."""
    pair = api.post("/login", json=ANN).json()

    def roles() -> object:
        answer = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()
        return jwt.peek(answer["token"]).claims.get("roles")

    assert run("user", "role", ANN["email"], "admin").err == "ann@example.test has the roles: admin.\n"
    run("user", "role", ANN["email"], "staff")
    assert roles() == ["admin", "staff"]
    run("user", "role", ANN["email"], "admin", "--remove")
    assert roles() == ["staff"]
    assert "none" in run("user", "role", ANN["email"], "staff", "--remove").err
    assert roles() is None


def kid_of_a_new_token(api: httpx.Client) -> object:
    """The key that the server signs with."""
    return jwt.peek(api.post("/login", json=ANN).json()["token"]).headers["kid"]


def states(run: Run) -> dict[str, str]:
    """The state of each key that is listed, without the one that signs documents."""
    keys = json.loads(run("key", "list", "--json").out)
    return {key["kid"]: key["state"] for key in keys if key["use"] != "documents"}


def published(api: httpx.Client) -> set[str | None]:
    """The keys in the JWKS that sign tokens."""
    return {key.kid for key in token_keys(api)}


def test_a_rotation_tells_everybody_first(run: Run, api: httpx.Client, server: RunningServer) -> None:
    """The new key is in the JWKS of the running server and does not sign before its time; asking again changes nothing.

    To sign at once would be the wrong default: whoever keeps the JWKS for as long as it says would refuse the tokens.
    """
    old_kid = kid_of_a_new_token(api)
    done = run("key", "rotate")
    new_kid = done.out.strip()
    assert "signs from" in done.err
    eventually(lambda: published(api) == {old_kid, new_kid})
    assert kid_of_a_new_token(api) == old_kid
    assert states(run) == {new_kid: "pre-published", old_kid: "signing"}
    assert run("key", "rotate").out.strip() == new_kid
    server.clock.advance(86_460)
    eventually(lambda: kid_of_a_new_token(api) == new_kid)


def test_a_rotation_at_once_reaches_the_running_server(run: Run, api: httpx.Client, server: RunningServer) -> None:
    """`--now`: new tokens are signed with the new key; those of the old one still verify, and both are published."""
    old = api.post("/login", json=ANN).json()["token"]
    old_kid = jwt.peek(old).headers["kid"]
    new_kid = run("key", "rotate", "--now").out.strip()
    eventually(lambda: kid_of_a_new_token(api) == new_kid)
    assert published(api) == {new_kid, old_kid}
    assert api.get("/me", headers={"authorization": f"Bearer {old}"}).status_code == 200
    assert states(run) == {new_kid: "signing", old_kid: "retired"}
    assert new_kid in run("key", "list").out


def test_a_rotation_at_once_takes_the_key_that_is_known(run: Run, api: httpx.Client) -> None:
    """With a key pre-published, `--now` signs with that one."""
    new_kid = run("key", "rotate").out.strip()
    assert run("key", "rotate", "--now").out.strip() == new_kid
    eventually(lambda: kid_of_a_new_token(api) == new_kid)


def test_a_rotation_can_change_the_algorithm(run: Run, api: httpx.Client, server: RunningServer) -> None:
    """`--alg` makes a key of another kind beside the old one, and the server keeps to it until it starts anew."""
    run("key", "rotate", "--now", "--alg", "Ed25519")
    eventually(lambda: jwt.peek(api.post("/login", json=ANN).json()["token"]).headers["alg"] == "Ed25519")
    assert {key["alg"] for key in api.get("/.well-known/jwks.json").json()["keys"]} == {"ES256", "Ed25519"}


def test_a_key_is_retired(run: Run, api: httpx.Client) -> None:
    """`key retire` of the key that signs makes another sign; the tokens of the former verify."""
    token = api.post("/login", json=ANN).json()["token"]
    old_kid = jwt.peek(token).headers["kid"]
    assert run("key", "retire", old_kid).err.startswith(f"Retired {old_kid}; ")
    eventually(lambda: kid_of_a_new_token(api) != old_kid)
    assert states(run)[old_kid] == "retired"
    assert api.get("/me", headers={"authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("command", ["retire", "compromise"])
def test_a_key_that_is_not_there(run: Run, api: httpx.Client, command: str) -> None:
    """Refused, with a hint; nor is the secret of the refresh tokens a key that can be withdrawn."""
    assert api.post("/login", json=ANN).status_code == 200
    done = run("key", command, "nothing")
    assert (done.status, done.out) == (1, "")
    assert done.err == "error: There is no signing key 'nothing'.\nhint: `gatepass key list` shows all keys.\n"


def test_no_command_prints_a_private_key(run: Run, api: httpx.Client) -> None:
    """What is listed and told holds no private part, sealed or not."""
    kid = str(kid_of_a_new_token(api))
    said = [run("key", *words) for words in (["rotate", "--json"], ["list", "--json"], ["list"], ["compromise", kid])]
    for done in said:
        assert "sealed" not in done.out + done.err
        assert '"d"' not in done.out + done.err


def test_the_master_key_is_changed(run: Run, api: httpx.Client, tmp_path: Path) -> None:
    """`key rewrap`: another key is in the file, it is not shown, and the server goes on."""
    before = (tmp_path / "master.key").read_text()
    done = run("key", "rewrap")
    after = (tmp_path / "master.key").read_text()
    assert (done.status, done.out, before != after) == (0, "", True)
    assert after.strip() not in done.err
    assert before.strip() not in done.err
    assert api.post("/login", json=ANN).status_code == 200
    assert run("key", "rotate").status == 0


def test_the_master_key_of_the_environment_is_changed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new one is in the file that is named, for the operator to put into the environment; it is not shown."""
    monkeypatch.setenv("GATEPASS_MASTER_KEY", base64.urlsafe_b64encode(bytes(32)).decode())
    run("user", "add", "somebody@example.test", stdin="a password of good length")
    kid = run("key", "rotate").out
    assert run("key", "rewrap").err.splitlines()[0] == "error: The master key is in the environment."
    done = run("key", "rewrap", "--new-master-key-file", str(tmp_path / "new.key"))
    assert "set GATEPASS_MASTER_KEY to the line in" in done.err
    assert (tmp_path / "new.key").read_text().strip() not in done.out + done.err
    assert run("key", "rotate").status == 1
    monkeypatch.setenv("GATEPASS_MASTER_KEY", (tmp_path / "new.key").read_text())
    assert run("key", "rotate").out == kid
    assert not (tmp_path / "master.key").exists()


def test_the_hs256_secret_goes_to_the_one_api(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`key export` writes a JWK that only we can read, over no existing file; a Verifier takes it."""
    monkeypatch.setenv("GATEPASS_ALG", "HS256")
    monkeypatch.setenv("GATEPASS_AUDIENCE", "https://api.test")
    file = tmp_path / "secret.jwk"
    with running_server(tmp_path, alg="HS256", audience=("https://api.test",)) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = api.post("/login", json=ANN).json()["token"]
        assert run("key", "export", str(file)).status == 0
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        keys = KeySet([Key.from_jwk(file.read_bytes())])
        verifier = Verifier(issuer=server.url, audience="https://api.test", keys=keys, clock=server.clock)
        assert verifier.verify(token).client_id == "first-party"
    again = run("key", "export", str(file))
    assert (again.status, again.err.splitlines()[0]) == (1, f"error: Cannot write {file}: File exists.")


def test_a_private_key_never_leaves(run: Run, tmp_path: Path) -> None:
    """`key export` with an asymmetric algorithm is refused, with the JWKS as the hint."""
    done = run("key", "export", str(tmp_path / "out"))
    assert done.status == 1
    assert "private keys are never exported" in done.err
    assert "jwks.json" in done.err
    assert not (tmp_path / "out").exists()


def test_serve_says_where_it_is_and_what_to_type_next(tmp_path: Path) -> None:
    """The address, the data, the next command; SIGTERM ends it in order, with status 0 and nothing more to say."""
    with gatepass_serve(tmp_path / "data") as (process, url):
        assert httpx.get(f"{url}/health").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        rest = process.stderr.read()
        assert process.wait() == 0
    assert str(tmp_path / "data" / "gatepass.db") in rest
    assert "next: gatepass user add you@example.com --data-dir" in rest
    assert "Traceback" not in rest


def test_a_request_in_flight_is_finished_at_shutdown(tmp_path: Path) -> None:
    """SIGTERM while a login waits for its hash: it is answered, and then the server ends."""
    slow = {"GATEPASS_ARGON2_PASSES": "40", "GATEPASS_ARGON2_MEMORY_KIB": "19456"}
    with gatepass_serve(tmp_path / "data", **slow) as (process, url), httpx.Client(base_url=url) as api:
        import threading  # noqa: PLC0415

        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(api.post("/login", json=ANN, timeout=30).status_code))
        thread.start()
        eventually(lambda: _threads_at_work(process.pid))
        process.send_signal(signal.SIGTERM)
        thread.join()
        assert process.wait() == 0
    assert answers == [401]


def test_a_request_that_outlasts_the_shutdown_is_told_so(tmp_path: Path) -> None:
    """A login that hashes for longer than `shutdown_seconds` is answered 503, and to be sent again."""
    slow = {"GATEPASS_ARGON2_PASSES": "250", "GATEPASS_ARGON2_MEMORY_KIB": "19456", "GATEPASS_SHUTDOWN_SECONDS": "1"}
    with (
        gatepass_serve(tmp_path / "data", **slow) as (process, url),
        httpx.Client(base_url=url, timeout=30) as api,
        ThreadPoolExecutor(1) as threads,
    ):
        login = threads.submit(api.post, "/login", json=ANN)
        eventually(lambda: _threads_at_work(process.pid))
        process.send_signal(signal.SIGTERM)
        answer = login.result()
    assert (answer.status_code, answer.json()["code"]) == (503, "shutting_down")
    assert answer.headers["retry-after"] == "1"


def _threads_at_work(pid: int) -> bool:
    """Whether a hashing thread exists: the first login starts one."""
    names = [(task / "comm").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return any(name.startswith("argon2") for name in names) or len(names) > 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--host", "0.0.0.0"], "error: Will not serve plain HTTP on 0.0.0.0"),  # noqa: S104
        (["--issuer", "https://auth.example.com"], "error: The issuer is https://auth.example.com, and this server"),
        (["--alg", "HS256"], "error: HS256 allows only one API"),
        (["--alg", "none"], "error: A setting is not valid"),
        (["--port", "x"], "error: "),
        (["--prot", "1"], "error: "),
        (["--config", "/nowhere.toml"], "error: Cannot read /nowhere.toml"),
    ],
)
def test_serve_refuses_to_start(tmp_path: Path, arguments: list[str], error: str) -> None:
    """`error:` and `hint:` on stderr, status 1, no stack trace, and no file is made."""
    done = subprocess.run(
        [GATEPASS, "serve", "--data-dir", str(tmp_path / "data"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(error)
    assert "\nhint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["user", "list"],
        ["user", "show", "ann@example.test"],
        ["user", "disable", "ann@example.test"],
        ["client", "list"],
        ["events", "export"],
        ["key", "list"],
        ["key", "rotate"],
        ["backup", "copy"],
        ["restore", "--in-place"],
    ],
)
def test_commands_that_look_make_nothing(tmp_path: Path, words: list[str]) -> None:
    """Where there is no data they say so, and there is none after them."""
    done = subprocess.run([GATEPASS, *words], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: There is no data"), done.stderr
    assert "\nhint: " in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_commands_that_look_leave_an_empty_file_as_it_is(tmp_path: Path) -> None:
    """A database of no octets is no data: what has cut it off is told, and nothing is begun anew in its place."""
    (tmp_path / "gatepass-data").mkdir()
    file = tmp_path / "gatepass-data" / "gatepass.db"
    file.touch()
    done = subprocess.run([GATEPASS, "user", "list"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "gatepass.db is empty" in done.stderr
    assert file.stat().st_size == 0


def test_a_file_of_settings_that_leads_nowhere_is_not_passed_over(tmp_path: Path) -> None:
    """`./gatepass.toml` is a link to what has not been mounted: nothing runs without the settings in it."""
    (tmp_path / "gatepass.toml").symlink_to("not-mounted.toml")
    done = subprocess.run([GATEPASS, "serve"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        "error: Cannot read gatepass.toml: No such file or directory.",
    )


@pytest.mark.parametrize(
    "words", [["user", "add", b"\xff@example.test"], ["client", "add", b"\xed\xa0\x80"], ["backup", b"\xff"]]
)
def test_arguments_that_are_no_text(tmp_path: Path, words: list[str | bytes]) -> None:
    """Octets that are not UTF-8 are refused with the error's manners, whichever command they are for."""
    done = subprocess.run([GATEPASS, *words], capture_output=True, check=False, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, b"error: An argument is not valid UTF-8.")


def test_a_result_that_cannot_be_written(tmp_path: Path) -> None:
    """A full disk behind standard output is an error with a hint, and no trace of ours."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [GATEPASS, "openapi"], stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: Cannot write the result: No space left on device.\nhint: ")


def test_a_name_that_no_file_can_have(run: Run) -> None:
    """The system's own word for it, and no trace of ours."""
    done = run("user", "import", "a" * 5_000)
    assert done.status == 1
    assert "File name too long" in done.err


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "a\u202eb", "a\x00", "a" * 201])
def test_a_client_has_a_name_that_can_be_read(run: Run, name: str) -> None:
    """Whoever looks at a list, or is asked for consent, sees one line that says what it says."""
    done = run("client", "add", name)
    assert (done.status, done.out) == (1, "")
    assert "name is one line" in done.err


def test_a_file_of_settings_that_is_there_is_taken_and_named(tmp_path: Path) -> None:
    """`./gatepass.toml` without being asked for; the server says so, and an error names it."""
    file = tmp_path / "gatepass.toml"
    file.write_text('site_name = "Pears"\nport = 0\n')
    with subprocess.Popen([GATEPASS, "serve"], stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        try:
            assert any(line.split() == ["settings", "gatepass.toml"] for line in process.stderr)
        finally:
            process.terminate()
    file.write_text("prot = 1\n")
    done = subprocess.run([GATEPASS, "user", "list"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stderr.startswith("error: Unknown setting in gatepass.toml: prot.")


def test_without_the_server_s_packages_the_command_says_what_to_install(tmp_path: Path) -> None:
    """A base installation has the command, and a sentence in place of a stack trace; the version is there too."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['cyclopts'] = None\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([GATEPASS], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr.endswith("hint: pip install 'gatepass[server]'\n")
    assert "Traceback" not in done.stderr
    assert gatepass.__version__ == version("gatepass")
    with pytest.raises(AttributeError):
        _ = gatepass.nothing


def test_an_undeclared_proxy_is_allowed_aloud(tmp_path: Path) -> None:
    """With `allow_undeclared_proxy` it serves, and says what that means."""
    with gatepass_serve(tmp_path, "--issuer", "https://auth.example.com", GATEPASS_ALLOW_UNDECLARED_PROXY="true") as (
        process,
        _,
    ):
        assert process.stderr is not None
        assert any("a proxy in front of this server that is not declared" in line for line in process.stderr)


def test_serve_refuses_a_port_that_is_taken(tmp_path: Path) -> None:
    """The error names address and port."""
    with running_server(tmp_path / "one") as server:
        done = subprocess.run(
            [GATEPASS, "serve", "--data-dir", str(tmp_path / "two"), "--port", str(server.settings.port)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: Cannot listen on localhost:{server.settings.port}: Address already in use.")


def test_an_unknown_setting_in_the_environment_refuses_to_start(tmp_path: Path) -> None:
    """With the nearest name as the hint."""
    done = subprocess.run(
        [GATEPASS, "serve", "--data-dir", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GATEPASS_SINGUP": "open"},
    )
    assert done.stderr == (
        "error: Unknown setting in the environment: GATEPASS_SINGUP.\nhint: Did you mean GATEPASS_SIGNUP?\n"
    )


def test_serve_under_tls(tmp_path: Path) -> None:
    """With certificate and key it serves HTTPS, and its issuer says so."""
    certificate, key = self_signed(tmp_path)
    with running_server(tmp_path / "data", tls_cert=certificate, tls_key=key) as server:
        assert server.url.startswith("https://localhost:")
        with server.client(verify=ssl.create_default_context(cafile=certificate)) as api:
            answer = api.get("/.well-known/oauth-authorization-server")
    assert answer.json()["issuer"] == server.url
    assert answer.headers["strict-transport-security"]


def test_serve_warns_of_what_is_allowed_and_yet_worth_knowing() -> None:
    """A shared secret, an issuer that others cannot reach, sign-up that is open to the world."""
    quiet = Settings(port=8_000)
    assert warnings(quiet) == []
    (hs256,) = warnings(Settings(alg="HS256", audience=("https://api.test",)))
    assert "forge" in hs256
    (thief,) = warnings(Settings(refresh_quiet_seconds=61))
    assert "theft" in thief
    (slow,) = warnings(Settings(refresh_quiet_seconds=1, refresh_grace_seconds=300))
    assert "over 0.25 s" in slow
    issuer, signup, mail = warnings(Settings(host="192.0.2.7", tls_cert="cert.pem", tls_key="key.pem"))
    assert "GATEPASS_SMTP_URL" in mail
    assert "--issuer" in issuer
    assert "GATEPASS_SIGNUP" in signup


def test_an_address_is_verified_and_changed(run: Run) -> None:
    """A new address is unverified unless the operator knows better; one that is taken stays with its user."""
    run("user", "add", "ann@example.test", stdin=ANN["password"])
    run("user", "add", "bob@example.test", stdin=ANN["password"])
    assert run("user", "verify", "ann@example.test").err == "The address ann@example.test counts as verified.\n"
    assert json.loads(run("user", "show", "ann@example.test", "--json").out)["email_verified"] is True
    assert run("user", "rename", "ann@example.test", "Anna@example.test").status == 0
    assert json.loads(run("user", "show", "anna@example.test", "--json").out)["email_verified"] is False
    taken = run("user", "rename", "anna@example.test", "bob@example.test")
    assert (taken.status, taken.err.splitlines()[0]) == (
        1,
        "error: There is already an account with this email address.",
    )
    run("user", "rename", "anna@example.test", "ann@example.test", "--verified")
    assert json.loads(run("user", "show", "ann@example.test", "--json").out)["email_verified"] is True


def test_deleting_asks_first(run: Run) -> None:
    """Without a terminal it needs --yes; then nothing of the user is left."""
    run("user", "add", "ann@example.test", stdin=ANN["password"])
    done = run("user", "delete", "ann@example.test")
    assert (done.status, "--yes" in done.err) == (1, True)
    exported = json.loads(run("user", "export", "ann@example.test").out)
    assert [event["kind"] for event in exported["events"]] == ["account_created", "data_exported"]
    assert run("user", "delete", "ann@example.test", "--yes").status == 0
    assert run("user", "show", "ann@example.test").status == 1


def test_a_list_is_searched(run: Run) -> None:
    """By how an address begins, and by role."""
    run("user", "add", "ann@example.test", "--role", "editor", stdin=ANN["password"])
    run("user", "add", "bob@example.test", stdin=ANN["password"])
    for options in (("--search", "a"), ("--role", "editor")):
        assert [user["email"] for user in json.loads(run("user", "list", "--json", *options).out)] == [
            "ann@example.test"
        ]


def test_an_invitation_needs_mail(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no mail can be sent, nobody is added who could never sign in."""
    monkeypatch.setenv("GATEPASS_ISSUER", "https://auth.example.test")
    refused = run("user", "invite", "ann@example.test")
    assert (refused.status, refused.err.splitlines()[0]) == (
        1,
        "error: This server cannot send email: ask its operator.",
    )
