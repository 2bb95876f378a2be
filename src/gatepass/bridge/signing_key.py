"""The key that signs a bridge's feed, and no token: made at the first start, in a file of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from gatepass.bridge.settings import BridgeSettingsError
from gatepass.jose import Key
from gatepass.jose.errors import JoseError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "signing-key.json"


def signing_key(folder: Path) -> Key:
    """Read the key, or make one.

    Raises:
        BridgeSettingsError: The file holds something else.
        OSError: It cannot be read or written.
    """
    path = folder / FILE
    if not path.exists():
        key = Key.generate("ES256")
        made = path.with_suffix(".new")
        made.unlink(missing_ok=True)
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(key.to_jwk(private=True)))
            file.flush()
            os.fsync(file.fileno())
        made.rename(path)
    try:
        return Key.from_jwk(path.read_bytes())
    except JoseError as error:
        raise BridgeSettingsError(f"{path} is no key: {error}.", "Delete it to make another.") from None
