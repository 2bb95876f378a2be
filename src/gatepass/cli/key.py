"""`gatepass key …`: the server's signing keys. A running server takes changes over at once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from gatepass.cli.common import Place
from gatepass.cli.output import Json, fail, result, result_json, result_table, say, time_in_words
from gatepass.server.app import open_store
from gatepass.server.clock import system_clock
from gatepass.server.key_rotation import provide_keys, rotate, stored_keys
from gatepass.server.keys.keyring import StoredKey, is_symmetric, signs, still_verifies

if TYPE_CHECKING:
    from gatepass.jose import Key

app = App(name="key", help="List, rotate and export the server's signing keys.")

_HERE = Place()


@app.command(name="list")
def list_(*, json: Json = False, place: Place = _HERE) -> None:
    """List the signing keys: the one that signs, and those whose tokens still verify."""

    async def work() -> list[StoredKey]:
        async with open_store(place.settings()) as (database, _):
            return await stored_keys(database)

    keys = [key for key in asyncio.run(work()) if key.use == "sig"]
    if json:
        result_json([_as_json(key) for key in keys])
    else:
        rows = [
            (key.kid, key.alg, _state(key), time_in_words(key.created_at), time_in_words(key.retired_at))
            for key in keys
        ]
        result_table(("kid", "alg", "state", "created", "retired"), rows)


@app.command(name="rotate")
def rotate_(
    *,
    alg: Annotated[str | None, Parameter(help="Algorithm of the new key [the setting `alg`].")] = None,
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Sign with a new key from now on. Tokens of the old one verify until they end."""
    settings = place.settings(alg=alg)

    async def work() -> list[StoredKey]:
        async with open_store(settings) as (database, master):
            return await rotate(database, master, settings.alg, system_clock())

    new = next(filter(signs, asyncio.run(work())))
    if json:
        result_json(_as_json(new))
    else:
        result(new.kid)
        say(f"New tokens are signed with this {new.alg} key.")


@app.command
def export(file: Path, *, place: Place = _HERE) -> None:
    """Write the HS256 secret as a JWK, for the one API that shares it, into a file that only you can read."""
    settings = place.settings()

    async def work() -> Key:
        async with open_store(settings) as (database, master):
            return (await provide_keys(database, master, settings.alg, system_clock())).current.signing_key

    if not is_symmetric(settings.alg):
        fail(
            f"The server signs with {settings.alg}, and a private key never leaves it.",
            f"An API needs the public keys only: {settings.issuer_url}/.well-known/jwks.json",
        )
    key = asyncio.run(work())
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        fail(f"Cannot write {file}: {error.strerror}.", "Name a file that does not exist yet.")
    with os.fdopen(descriptor, "wb") as out:
        out.write(msgspec.json.encode(key.to_jwk(private=True)) + b"\n")
    say(f"Wrote the secret to {file}: Verifier(keys=KeySet([Key.from_jwk(…)])).")


def _state(key: StoredKey) -> str:
    if signs(key):
        return "signing"
    return "verifying" if still_verifies(key, system_clock()) else "retired"


def _as_json(key: StoredKey) -> dict[str, object]:
    return {
        "kid": key.kid,
        "alg": key.alg,
        "state": _state(key),
        "created_at": int(key.created_at),
        "retired_at": None if key.retired_at is None else int(key.retired_at),
    }
