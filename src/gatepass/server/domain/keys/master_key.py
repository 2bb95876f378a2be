"""The master key seals the data key, and the data key every secret in the database, before it gets there.

So a copy of the database alone tells nothing, and the master key can be changed by sealing one small thing anew, while
servers that hold the data key go on.
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
    """AES-256-GCM; what is sealed is version (1 byte), nonce (12), ciphertext and tag."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise StartupError(
                f"The master key must be {KEY_BYTES} bytes, not {len(key)}.",
                'Make one: python -c "import os, base64; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"',
            )
        self._key = key
        self._aead = AESGCM(key)

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt; `context` (the key id) has to be given again to decrypt, so that rows cannot be swapped."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._aead.encrypt(nonce, plaintext, context.encode())

    def derive(self, purpose: str) -> bytes:
        """Derive another key of 32 bytes (HKDF-Expand, RFC 5869 §2.3), the same at every node and every start."""
        return HKDFExpand(SHA256(), KEY_BYTES, f"gatepass {purpose}".encode()).derive(self._key)

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal` made.

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
                "The keys in this database cannot be decrypted: the master key is another one.",
                "Put back the master.key file that was made with this database, or set GATEPASS_MASTER_KEY.",
            ) from error


class MasterKey(SealingKey):
    """Seals the data key, and nothing else. Kept apart from the database and its backups."""


class DataKey(SealingKey):
    """Seals the secrets in a database. Kept there, sealed under the master key."""


def load_master_keys(setting: str, path: Path) -> tuple[MasterKey, ...]:
    """As `read_master_keys`, and the file is made when absent."""
    return read_master_keys(setting, path) or (load_master_key(path),)


def read_master_keys(setting: str, path: Path) -> tuple[MasterKey, ...]:
    """Take the master key from the setting (base64url of 32 bytes), else from the file; none where there is none.

    Where a change of the file was cut short there are two, and the database tells which is right.

    Raises:
        StartupError: when the setting or a file cannot be read, or others could read the file.
    """
    if setting:
        return (MasterKey(_decode(setting, "GATEPASS_MASTER_KEY")),)
    key = _read(path)
    keys = (None if key is None else MasterKey(key), proposed_master_key(path))
    return tuple(each for each in keys if each is not None)


def load_master_key(path: Path) -> MasterKey:
    """Take a master key from a file, which is made when absent. Raises as `load_master_keys`."""
    return MasterKey(_read(path) or _create(path, os.urandom(KEY_BYTES)))


# ── changing the file ──


@contextmanager
def only_one_changes(path: Path) -> Generator[None]:
    """Keep others from changing the same file meanwhile. The lock ends with the process, however that ends."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def proposed_master_key(path: Path) -> MasterKey | None:
    """What the file is being changed to, by us or by somebody who was cut short."""
    key = _read(_next(path))
    return None if key is None else MasterKey(key)


def propose_master_key(path: Path, new: Path | None) -> None:
    """Put another master key beside the file, safe on disk: that of the file `new`, which is made when absent."""
    key = os.urandom(KEY_BYTES)
    _create(_next(path), key if new is None else _read(new) or _create(new, key))


def accept_master_key(path: Path) -> None:
    """Put the proposed master key in the file's place, in one step."""
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
        raise StartupError(f"Cannot read {path}: {error.strerror}.", "Let the server's user read it.") from error


def _decode(text: str, origin: str) -> bytes:
    try:
        return base64url.decode(text.strip().rstrip("="))
    except MalformedError as error:
        raise StartupError(f"{origin} is not base64url.", "It is one line: base64url of 32 random bytes.") from error


def _read_private_file(path: Path) -> str:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StartupError(f"Others on this machine can read {path}.", f"Close it: chmod 600 {path}")
    return text


def _create(path: Path, key: bytes) -> bytes:
    """Write a key that only we can read, whole or not at all: two processes that start at once end up with one."""
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
    """Have the disk keep a folder's names (fsync of a file does not)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
