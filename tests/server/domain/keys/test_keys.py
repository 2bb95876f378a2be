"""The master key and the keys under it."""

from __future__ import annotations

import asyncio
import base64
import multiprocessing
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.support.published import token_keys
from tests.support.server import ANN, NOON, SettableClock, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.server import module
from gatepass.server.app import open_server
from gatepass.server.base.errors import StartupError, Unavailable
from gatepass.server.base.settings import load
from gatepass.server.domain.keys import data_key as data_key_module
from gatepass.server.domain.keys.data_key import change_master_key_file, open_data_key
from gatepass.server.domain.keys.keyring import KeyRing, LiveKeys, new_refresh_key, new_signing_key
from gatepass.server.domain.keys.master_key import DataKey, load_master_key, load_master_keys
from gatepass.server.domain.keys.rotation import make_first_keys, rotate, stored_keys
from gatepass.server.domain.keys.schedule import PUBLISHED_AFTER_RETIREMENT, KeySchedule
from gatepass.server.features.keys import module as key_module
from gatepass.server.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from gatepass.server.domain.keys.schedule import StoredKey
    from gatepass.server.domain.ports import Database

DATA_KEY = DataKey(bytes(range(32)))
PACE = KeySchedule(rotation=2_592_000, prepublish=86_400)


def test_the_master_key_is_made_once_and_only_we_can_read_it(tmp_path: Path) -> None:
    """A file with mode 600, base64url of 32 bytes; the next start takes the same."""
    path = tmp_path / "master.key"
    sealed = load_master_key(path).seal(b"secret", "kid")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(base64.urlsafe_b64decode(path.read_bytes())) == 32
    assert load_master_key(path).unseal(sealed, "kid") == b"secret"


def test_several_processes_that_start_at_once_agree_on_the_key(tmp_path: Path) -> None:
    """Whoever comes second takes the first one's key; no draft is left behind."""
    path = tmp_path / "master.key"
    with ThreadPoolExecutor(8) as pool:
        masters = list(pool.map(lambda _: load_master_key(path), range(8)))
    sealed = masters[0].seal(b"secret", "kid")
    assert {master.unseal(sealed, "kid") for master in masters} == {b"secret"}
    assert [each.name for each in tmp_path.iterdir()] == ["master.key"]


def test_a_master_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The hint is the command that mends it."""
    path = tmp_path / "master.key"
    load_master_key(path)
    path.chmod(0o644)
    with pytest.raises(StartupError, match="Other users of this machine") as caught:
        load_master_key(path)
    assert caught.value.hint == f"Restrict it: chmod 600 {path}"


def test_an_unpadded_master_key_is_taken(tmp_path: Path) -> None:
    """Many tools leave the padding of base64url out; it opens the same."""
    padded = base64.urlsafe_b64encode(bytes(range(32))).decode()
    (one,) = load_master_keys(padded, tmp_path / "master.key")
    (other,) = load_master_keys(padded.rstrip("="), tmp_path / "master.key")
    assert other.unseal(one.seal(b"secret", "kid"), "kid") == b"secret"


def everything_in(folder: Path) -> dict[str, bytes]:
    """The files of a folder, and what is in them; without SQLite's log, which comes and goes with who has it open."""
    return {each.name: each.read_bytes() for each in folder.iterdir() if not each.name.endswith(("-wal", "-shm"))}


def test_a_lost_master_key_leaves_the_folder_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The start and every command are refused, and no new key stands where the right one is to be put back."""
    with running_server(tmp_path / "data"):
        pass
    kept = (tmp_path / "data" / "master.key").rename(tmp_path / "kept")
    main(["backup", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "data")])
    before = everything_in(tmp_path / "data")
    with pytest.raises(StartupError, match="The master key is missing"), running_server(tmp_path / "data"):
        pass
    for words in (["user", "list"], ["key", "list"], ["key", "rewrap"], ["restore", str(tmp_path / "backup")]):
        with pytest.raises(SystemExit):
            main([*words, "--data-dir", str(tmp_path / "data")])
        assert "error: The master key is missing" in capsys.readouterr().err
    assert everything_in(tmp_path / "data") == before
    with pytest.raises(SystemExit):
        main(["restore", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "elsewhere")])
    assert not (tmp_path / "elsewhere" / "master.key").exists()
    kept.rename(tmp_path / "data" / "master.key")
    with running_server(tmp_path / "data"):
        pass


def test_a_master_key_that_is_none_makes_no_database(tmp_path: Path) -> None:
    """What is refused for its key has not begun a database."""

    async def start() -> None:
        async with open_server(load(flags={"data_dir": str(tmp_path / "data"), "master_key": "nonsense"})):
            pass

    with pytest.raises(StartupError):
        asyncio.run(start())
    assert not (tmp_path / "data").exists()


def test_the_setting_comes_before_the_file(tmp_path: Path) -> None:
    """With GATEPASS_MASTER_KEY no file is made; a wrong one is refused."""
    path = tmp_path / "master.key"
    assert len(load_master_keys(base64.urlsafe_b64encode(os.urandom(32)).decode(), path)) == 1
    assert not path.exists()
    for wrong in ("x", "A" * 40, "é" * 44, base64.urlsafe_b64encode(bytes(16)).decode()):
        with pytest.raises(StartupError):
            load_master_keys(wrong, path)


def test_a_mark_of_the_encoding_is_no_part_of_the_master_key(tmp_path: Path) -> None:
    """An editor may have put one before it."""
    path, key = tmp_path / "master.key", base64.urlsafe_b64encode(os.urandom(32)).decode()
    path.touch(mode=0o600)
    path.write_text(f"{key}\r\n", encoding="utf-8-sig")
    from_file, from_setting = load_master_keys("", path)[0], load_master_keys(key, path)[0]
    assert from_file.unseal(from_setting.seal(b"secret", "kid"), "kid") == b"secret"


def test_sealed_keys_cannot_be_altered_swapped_or_read_with_another_key() -> None:
    """Another byte, another context, another master key: refused."""
    sealed = DATA_KEY.seal(b"secret", "kid")
    assert b"secret" not in sealed
    for spoiled, context, key in [
        (sealed[:-1] + bytes([sealed[-1] ^ 1]), "kid", DATA_KEY),
        (sealed[:5], "kid", DATA_KEY),
        (b"", "kid", DATA_KEY),
        (b"\x02" + sealed[1:], "kid", DATA_KEY),
        (sealed, "other", DATA_KEY),
        (sealed, "kid", DataKey(bytes(32))),
    ]:
        with pytest.raises(StartupError, match="cannot be decrypted"):
            key.unseal(spoiled, context)


def test_another_master_key_keeps_the_server_from_starting(tmp_path: Path) -> None:
    """The server says what is wrong rather than making new keys beside the old."""
    with running_server(tmp_path):
        pass
    (tmp_path / "master.key").write_bytes(base64.urlsafe_b64encode(bytes(32)))
    with pytest.raises(StartupError, match="wrong master key"), running_server(tmp_path):
        pass


def test_no_secret_is_in_the_database_in_the_clear(tmp_path: Path) -> None:
    """Neither the password, nor a token, nor a private key, nor the master key stand in the files."""
    with running_server(tmp_path) as server, server.client() as api:
        api.post("/signup", json=ANN)
        pair = api.post("/login", json=ANN).json()
    content = b"".join(file.read_bytes() for file in tmp_path.glob("gatepass.db*"))
    raw = base64.urlsafe_b64decode(pair["refresh_token"][4:-6])
    master = base64.urlsafe_b64decode((tmp_path / "master.key").read_bytes())
    for secret in (
        ANN["password"].encode(),
        pair["token"].encode(),
        pair["refresh_token"].encode(),
        raw[30:46],
        master,
    ):
        assert secret not in content
    assert b'"d"' not in content
    assert ANN["email"].encode() in content


DOCUMENTS = new_signing_key("ES256", DATA_KEY, NOON, use="documents")


def ring(*keys: StoredKey, now: float = NOON) -> KeyRing:
    """A key ring over these keys, one for documents and a refresh key."""
    return KeyRing([*keys, DOCUMENTS, new_refresh_key(DATA_KEY, NOON)], DATA_KEY, now)


def test_a_retired_key_verifies_as_long_as_its_tokens_may_live() -> None:
    """It stays published for the longest life of a token and some minutes, and then is gone."""
    new = new_signing_key("ES256", DATA_KEY, NOON)
    old = msgspec.structs.replace(new_signing_key("ES256", DATA_KEY, NOON - 9_000), retired_at=NOON)
    during = ring(new, old, now=NOON + PUBLISHED_AFTER_RETIREMENT - 1)
    assert {key.kid for key in during.published} == {new.kid, old.kid, DOCUMENTS.kid}
    assert during.signer.kid == new.kid
    after = ring(new, old, now=NOON + PUBLISHED_AFTER_RETIREMENT)
    assert [key.kid for key in after.verification] == [new.kid]
    assert {key.kid for key in after.published} == {new.kid, DOCUMENTS.kid}


def test_only_public_parts_verify_and_are_published() -> None:
    """Neither set holds a private key; a shared secret verifies tokens, and what is published verifies documents."""
    keys = ring(new_signing_key("ES256", DATA_KEY, NOON))
    assert all("d" not in jwk for jwk in keys.published.to_jwks()["keys"])
    shared = ring(new_signing_key("HS256", DATA_KEY, NOON))
    assert [key.kid for key in shared.published] == [shared.document_signer.kid] == [DOCUMENTS.kid]
    assert len(shared.verification) == 1


def test_the_ring_is_replaced_when_the_keys_change_and_only_then() -> None:
    """`update` tells whether anything that is in force has changed, the passing of time included."""
    first, second = new_signing_key("ES256", DATA_KEY, NOON), new_signing_key("ES256", DATA_KEY, NOON)
    refresh = new_refresh_key(DATA_KEY, NOON)
    live = LiveKeys([first, DOCUMENTS, refresh], DATA_KEY, NOON)
    assert live.update([first, DOCUMENTS, refresh], NOON + 1) is False
    retired = msgspec.structs.replace(first, retired_at=NOON + 1)
    assert live.update([second, retired, DOCUMENTS, refresh], NOON + 1) is True
    assert live.current.signer.kid == second.kid
    assert live.update([second, retired, DOCUMENTS, refresh], NOON + 2) is False
    assert live.update([second, retired, DOCUMENTS, refresh], NOON + 2 + PUBLISHED_AFTER_RETIREMENT) is True


def test_keys_do_not_show_what_is_secret() -> None:
    """The repr of a stored key holds no sealed bytes."""
    key = new_signing_key("ES256", DATA_KEY, NOON)
    assert repr(key.sealed)[2:20] not in repr(key)


def test_keys_under_another_data_key_get_no_company(tmp_path: Path) -> None:
    """Rotating with the wrong data key is refused, and nothing is written: the server could never start again."""
    database = SqliteDatabase(tmp_path / "gatepass.db", SettableClock())
    try:
        asyncio.run(make_first_keys(database, DATA_KEY, PACE, alg="ES256"))
        before = asyncio.run(stored_keys(database))
        with pytest.raises(StartupError, match="wrong master key"):
            asyncio.run(rotate(database, DataKey(bytes(32)), PACE))
        assert asyncio.run(stored_keys(database)) == before
    finally:
        database.close()


@pytest.mark.parametrize(
    "trouble",
    [Unavailable("store_unavailable", "", private="the disk is away"), StartupError("another master key", "")],
)
def test_a_moment_of_trouble_does_not_end_the_watch_for_new_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trouble: Exception
) -> None:
    """When the keys cannot be read once, it is logged, and a rotation by another process is taken over all the same."""
    troubles = [trouble]

    async def sometimes(database: Database) -> list[StoredKey]:
        if troubles:
            raise troubles.pop()
        return await stored_keys(database)

    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.01)
    with running_server(tmp_path) as server, server.client() as api:
        monkeypatch.setattr(key_module, "stored_keys", sometimes)
        other = SqliteDatabase(tmp_path / "gatepass.db", SettableClock())
        data_key = asyncio.run(open_data_key(other, load_master_keys("", tmp_path / "master.key")))
        asyncio.run(rotate(other, data_key, PACE))
        other.close()
        eventually(lambda: len(token_keys(api)) == 2)
    assert troubles == []
    assert "put off" in capsys.readouterr().out


# ── another master key ──


def opens(path: Path, data_dir: Path) -> bool:
    """Whether the master key in a file opens the database in a folder."""
    database = SqliteDatabase(data_dir / "gatepass.db", SettableClock())
    try:
        asyncio.run(open_data_key(database, load_master_keys("", path)))
    except StartupError:
        return False
    finally:
        database.close()
    return True


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a server that somebody has used, with a copy of its master key as `old.key`."""
    data = tmp_path / "data"
    with running_server(data) as server, server.client() as api:
        api.post("/signup", json=ANN)
        api.post("/login", json=ANN)
    shutil.copy(data / "master.key", tmp_path / "old.key")
    return data


def change(data: Path, new: Path | None = None) -> None:
    """Change the master key of a folder."""
    database = SqliteDatabase(data / "gatepass.db", SettableClock())
    try:
        asyncio.run(change_master_key_file(database, data / "master.key", new))
    finally:
        database.close()


def test_the_master_key_can_be_changed_under_a_running_server(tmp_path: Path) -> None:
    """The server goes on and rotates; after its next start everything still opens. The old key opens nothing."""
    with running_server(tmp_path) as server, server.client() as api:
        api.post("/signup", json=ANN)
        pair = api.post("/login", json=ANN).json()
        shutil.copy(tmp_path / "master.key", tmp_path / "old.key")
        change(tmp_path)
        assert (tmp_path / "master.key").read_bytes() != (tmp_path / "old.key").read_bytes()
        assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600
        other = SqliteDatabase(tmp_path / "gatepass.db", SettableClock())
        data_key = asyncio.run(open_data_key(other, load_master_keys("", tmp_path / "master.key")))
        asyncio.run(rotate(other, data_key, PACE))
        other.close()
        eventually(lambda: len(token_keys(api)) == 2)
        assert api.post("/login", json=ANN).status_code == 200
    assert not opens(tmp_path / "old.key", tmp_path)
    with running_server(tmp_path) as server, server.client() as api:
        assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200
        assert api.post("/login", json=ANN).status_code == 200


def test_a_new_master_key_can_come_from_a_file(tmp_path: Path, data: Path) -> None:
    """One that is there is taken, one that is not is made; the old key's content opens nothing."""
    given = tmp_path / "given.key"
    for _ in range(2):
        change(data, given)
        assert given.read_bytes() == (data / "master.key").read_bytes()
        assert opens(data / "master.key", data)
    assert not opens(tmp_path / "old.key", data)


@pytest.mark.parametrize("step", ["rewrap", "accept_master_key"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_change_that_is_cut_short_leaves_a_working_pair(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    """Killed before or after either step, the next start works, and the next change ends what was begun."""
    killed = multiprocessing.get_context("fork").Process(target=_change_and_die, args=(data, step, moment))
    killed.start()
    killed.join()
    assert killed.exitcode == 9
    assert opens(data / "master.key", data)
    with running_server(data) as server, server.client() as api:
        assert api.post("/login", json=ANN).status_code == 200
    change(data)
    assert sorted(file.name for file in data.glob("master.key*")) == ["master.key"]
    assert opens(data / "master.key", data)
    assert not opens(tmp_path / "old.key", data)


def _change_and_die(data: Path, step: str, moment: str) -> None:
    """Change the master key in a process that ends at a step, without any clean-up."""
    undisturbed: Callable[..., Any] = getattr(data_key_module, step)

    def die(*arguments: object) -> object:
        if moment == "before":
            os._exit(9)
        outcome = undisturbed(*arguments)
        if asyncio.iscoroutine(outcome):
            return _die_after(outcome)
        os._exit(9)

    setattr(data_key_module, step, die)
    change(data)


async def _die_after(outcome: Awaitable[object]) -> None:
    await outcome
    os._exit(9)


def test_the_key_of_another_database_changes_nothing(tmp_path: Path, data: Path) -> None:
    """With a wrong master.key the change is refused, and once the right one is back all is as it was."""
    (data / "master.key").write_bytes(base64.urlsafe_b64encode(bytes(32)))
    (data / "master.key").chmod(0o600)
    with pytest.raises(StartupError, match="wrong master key"):
        change(data)
    shutil.copy(tmp_path / "old.key", data / "master.key")
    change(data)
    assert opens(data / "master.key", data)
