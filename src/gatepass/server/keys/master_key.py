"""The master key: what private keys are encrypted under before they reach the database or a backup of it."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatepass.server.errors import StartupError

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32


class MasterKey:
    """AES-256-GCM; a sealed key is version (1 byte), nonce (12), ciphertext and tag."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise StartupError(
                f"The master key must be {_KEY_BYTES} bytes, not {len(key)}.",
                'Make one: python -c "import os, base64; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"',
            )
        self._aead = AESGCM(key)

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt; `context` (the key id) has to be given again to decrypt, so that rows cannot be swapped."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._aead.encrypt(nonce, plaintext, context.encode())

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal` made.

        Raises:
            StartupError: when it was sealed under another master key, or altered.
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


def load_master_key(setting: str, path: Path) -> MasterKey:
    """Take the master key from the setting (base64url of 32 bytes), else from the file, which is made when absent.

    Raises:
        StartupError: when the setting or the file cannot be read, or others could read the file.
    """
    if setting:
        return MasterKey(_decode(setting, "GATEPASS_MASTER_KEY"))
    try:
        return MasterKey(_decode(_read_private_file(path), str(path)))
    except FileNotFoundError:
        return MasterKey(_create(path))
    except OSError as error:
        raise StartupError(f"Cannot read {path}: {error.strerror}.", "Let the server's user read it.") from error


def _decode(text: str, origin: str) -> bytes:
    try:
        return base64.b64decode(text.strip().encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise StartupError(f"{origin} is not base64url.", "It is one line: base64url of 32 random bytes.") from error


def _read_private_file(path: Path) -> str:
    text = path.read_text(encoding="ascii", errors="replace")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StartupError(f"Others on this machine can read {path}.", f"Close it: chmod 600 {path}")
    return text


def _create(path: Path) -> bytes:
    """Write a new key that only we can read, whole or not at all: two processes that start at once end up with one."""
    key = os.urandom(_KEY_BYTES)
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.urlsafe_b64encode(key) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return _decode(_read_private_file(path), str(path))
    except OSError as error:
        raise StartupError(
            f"Cannot write {path}: {error.strerror}.", "Give --data-dir a folder to write to."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return key
