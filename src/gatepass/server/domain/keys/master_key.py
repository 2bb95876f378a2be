"""The master key encrypts the data key, and the data key encrypts every secret in the database.

So a copy of the database alone reveals nothing, and changing the master key means re-encrypting one small value, while
servers that already hold the data key keep running.
"""

from __future__ import annotations

import base64
import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from gatepass.jose import base64url
from gatepass.jose.errors import MalformedError
from gatepass.server.base.errors import StartupError, hint_for

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

KEY_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12


class SealingKey:
    """AES-256-GCM; the output is version (1 byte), nonce (12), ciphertext and tag."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise StartupError(
                f"The master key must be {KEY_BYTES} bytes, not {len(key)}.",
                'Make one: python -c "import os, base64; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"',
            )
        self._key = key
        self._aead = AESGCM(key)

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt; the same `context` (such as the key id) is needed to decrypt, so that rows cannot be swapped."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._aead.encrypt(nonce, plaintext, context.encode())

    def derive(self, purpose: str) -> bytes:
        """Derive another key of 32 bytes (HKDF-Expand, RFC 5869 §2.3), the same on every node and at every start."""
        return HKDFExpand(SHA256(), KEY_BYTES, f"gatepass {purpose}".encode()).derive(self._key)

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Decrypt the output of `seal`.

        Raises:
            StartupError: when it was sealed under another key, or altered.
        """
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION:
                raise InvalidTag  # noqa: TRY301 - one answer for everything that is not ours
            return self._aead.decrypt(nonce, ciphertext, context.encode())
        except (InvalidTag, ValueError) as error:
            raise StartupError(
                "The keys in this database cannot be decrypted: this is the wrong master key.",
                "Restore the master.key file that belongs to this database, or set GATEPASS_MASTER_KEY.",
            ) from error


class MasterKey(SealingKey):
    """Encrypts the data key, and nothing else. Kept apart from the database and its backups."""


class DataKey(SealingKey):
    """Encrypts the secrets in a database. Stored there, encrypted under the master key."""


def load_master_keys(setting: str, path: Path) -> tuple[MasterKey, ...]:
    """As `read_master_keys`, but create the file if absent."""
    return read_master_keys(setting, path) or (load_master_key(path),)


def read_master_keys(setting: str, path: Path) -> tuple[MasterKey, ...]:
    """Read the master key from the setting (base64url of 32 bytes) or the file; return none if there is none.

    If a change of the file was interrupted, there are two, and the database tells which is right.

    Raises:
        StartupError: when the setting or a file cannot be read, or others could read the file.
    """
    if setting:
        return (MasterKey(_decode(setting, "GATEPASS_MASTER_KEY")),)
    key = _read(path)
    keys = (None if key is None else MasterKey(key), proposed_master_key(path))
    return tuple(each for each in keys if each is not None)


def load_master_key(path: Path) -> MasterKey:
    """Read a master key from a file, which is created if absent. Raises as `load_master_keys`."""
    return MasterKey(_read(path) or _create(path, os.urandom(KEY_BYTES)))


# ── changing the file ──


@contextmanager
def only_one_changes(path: Path) -> Generator[None]:
    """Lock the file against other processes that change it. The lock ends with the process, however that ends."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def proposed_master_key(path: Path) -> MasterKey | None:
    """The new key of a change that is running or was interrupted."""
    key = _read(_next(path))
    return None if key is None else MasterKey(key)


def propose_master_key(path: Path, new: Path | None) -> None:
    """Write a new master key beside the file, synced to disk: that of the file `new`, which is created if absent."""
    key = os.urandom(KEY_BYTES)
    _create(_next(path), key if new is None else _read(new) or _create(new, key))


def accept_master_key(path: Path) -> None:
    """Replace the file by the proposed master key, atomically."""
    _next(path).replace(path)
    _sync(path.parent)


def _next(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _read(path: Path) -> bytes | None:
    try:
        return _decode(_read_private_file(path), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartupError(f"Cannot read {path}: {error.strerror}.", "Let the server's user read the file.") from error


def _decode(text: str, origin: str) -> bytes:
    try:
        return base64url.decode(text.strip().rstrip("="))
    except MalformedError as error:
        raise StartupError(
            f"{origin} is not base64url.", "The file must hold one line: 32 random bytes in base64url."
        ) from error


def _read_private_file(path: Path) -> str:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StartupError(f"Other users of this machine can read {path}.", f"Restrict it: chmod 600 {path}")
    return text


def _create(path: Path, key: bytes) -> bytes:
    """Write a key readable only by us, atomically: two processes that start at once end up with one."""
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.urlsafe_b64encode(key) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
        _sync(path.parent)
    except FileExistsError:
        return _decode(_read_private_file(path), str(path))
    except OSError as error:
        raise StartupError(f"Cannot write {path}: {error.strerror}.", hint_for(error.errno)) from error
    finally:
        with suppress(OSError):
            draft.unlink()
    return key


def _sync(folder: Path) -> None:
    """Sync a folder's names to disk (fsync of a file does not)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
