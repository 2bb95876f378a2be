"""`gatepass key …`: manage the server's signing keys. A running server sees the changes at once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import msgspec
from cyclopts import App, Parameter

from gatepass.cli.common import Place
from gatepass.cli.output import Json, fail, result, result_json, result_table, say, time_in_words
from gatepass.server.domain.keys.data_key import change_master_key_file
from gatepass.server.domain.keys.data_key import rewrap as rewrap_data_key
from gatepass.server.domain.keys.master_key import load_master_key, read_master_keys
from gatepass.server.domain.keys.rotation import (
    compromise,
    make_first_keys,
    pace_of,
    provide_keys,
    retire,
    rotate,
    stored_keys,
)
from gatepass.server.domain.keys.schedule import StoredKey, is_symmetric, kept_until, state_of
from gatepass.server.store.opening import open_store

if TYPE_CHECKING:
    from gatepass.jose import Key

app = App(name="key", help="List, rotate, withdraw and export the server's signing keys.")

# One thumbprint in 64 begins with a hyphen.
Kid = Annotated[str, Parameter(help="The key's `kid`, as `gatepass key list` shows it.", allow_leading_hyphen=True)]
_HERE = Place()


@app.command(name="list")
def list_(*, json: Json = False, place: Place = _HERE) -> None:
    """List the signing keys: the current one, those that will follow, and those whose tokens may still be valid."""

    async def work() -> list[StoredKey]:
        async with open_store(place.settings(), must_exist=True) as (database, _):
            return await stored_keys(database)

    stored = asyncio.run(work())
    keys = [key for key in reversed(stored) if key.use != "refresh"]
    if json:
        result_json([_as_json(key, stored) for key in keys])
    else:
        rows = [
            (key.kid, key.alg, key.use, state_of(key, stored), *map(time_in_words, _times(key).values()))
            for key in keys
        ]
        result_table(("kid", "alg", "use", "state", "created", "signs from", "retired", "dropped"), rows)


@app.command(name="rotate")
def rotate_(
    *,
    now: Annotated[bool, Parameter(negative="", help="Sign with it at once, even before verifiers know it.")] = False,
    alg: Annotated[str | None, Parameter(help="Algorithm of the new key [that of the current one].")] = None,
    use: Annotated[
        Literal["sig", "id_token"], Parameter(help="What the key signs: access tokens, or ID tokens alone.")
    ] = "sig",
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Add a new signing key: it is published now, and signs once every verifier can know it.

    Tokens of the old key stay valid until they expire.
    """
    settings = place.settings(**{"alg" if use == "sig" else "id_token_alg": alg})

    async def work() -> tuple[StoredKey, list[StoredKey]]:
        async with open_store(settings, must_exist=True) as (database, data_key):
            pace = pace_of(settings)
            await make_first_keys(database, data_key, pace, alg=settings.alg)
            new = await rotate(database, data_key, pace, alg=alg, at_once=now, use=use)
            return new, await stored_keys(database)

    new, stored = asyncio.run(work())
    if json:
        result_json(_as_json(new, stored))
        return
    result(new.kid)
    if state_of(new, stored) == "signing":
        say(f"New tokens are signed with this {new.alg} key.")
    else:
        say(f"This {new.alg} key is in the JWKS, and signs from {time_in_words(new.signs_from)}; --now does not wait.")


@app.command(name="retire")
def retire_(kid: Kid, *, place: Place = _HERE) -> None:
    """Stop signing with a key. Its tokens stay valid until they expire."""

    async def work() -> StoredKey | None:
        async with open_store(place.settings(), must_exist=True) as (database, data_key):
            return await retire(database, data_key, kid)

    signing = asyncio.run(work())
    if signing is None:
        _fail_unknown(kid)
    say(f"Retired {kid}; {signing.kid} signs now.")


@app.command(name="compromise")
def compromise_(kid: Kid, *, place: Place = _HERE) -> None:
    """Withdraw a key that may be stolen: within a second it stops signing, and its tokens are refused."""

    async def work() -> StoredKey | None:
        async with open_store(place.settings(), must_exist=True) as (database, data_key):
            return await compromise(database, data_key, kid)

    signing = asyncio.run(work())
    if signing is None:
        _fail_unknown(kid)
    say(f"Withdrew {kid}: its tokens are refused from now on, and {signing.kid} signs now.")
    say("Users stay signed in: their next refresh gets a token of the new key.")


def _fail_unknown(kid: str) -> NoReturn:
    fail(f"There is no signing key {kid!r}.", "`gatepass key list` shows all keys.")


@app.command
def rewrap(
    *,
    new_master_key_file: Annotated[
        Path | None, Parameter(help="File with the new master key, created if absent [a random key].")
    ] = None,
    place: Place = _HERE,
) -> None:
    """Change the master key: the data key is encrypted under a new one. Servers can keep running.

    When the master key is in the environment, give a file for the new one, and set the variable from it.
    """
    settings = place.settings()

    async def work() -> None:
        async with open_store(settings, must_exist=True) as (database, _):
            if not settings.master_key:
                await change_master_key_file(database, settings.master_key_path, new_master_key_file)
            elif new_master_key_file is None:
                fail("The master key is in the environment.", "Give a file for the new one: --new-master-key-file FILE")
            else:
                masters = read_master_keys(settings.master_key, settings.master_key_path)
                await rewrap_data_key(database, masters, load_master_key(new_master_key_file))

    asyncio.run(work())
    if settings.master_key:
        say(f"Changed. Before the next start, set GATEPASS_MASTER_KEY to the line in {new_master_key_file}.")
    else:
        say(f"Changed. {settings.master_key_path} holds the new master key; the old one no longer works.")


@app.command
def export(file: Path, *, place: Place = _HERE) -> None:
    """Write the HS256 secret as a JWK into a file that only you can read, for the API that shares it."""
    settings = place.settings()

    async def work() -> Key:
        async with open_store(settings, must_exist=True) as (database, data_key):
            keys = await provide_keys(database, data_key, pace_of(settings), alg=settings.alg, now=database.clock())
            return keys.current.newest_key

    if not is_symmetric(settings.alg):
        fail(
            f"The server uses {settings.alg}; private keys are never exported.",
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


def _times(key: StoredKey) -> dict[str, float | None]:
    retired = key.retired_at
    return {
        "created_at": key.created_at,
        "signs_from": key.signs_from,
        "retired_at": retired,
        "dropped_at": None if retired is None else kept_until(key),
    }


def _as_json(key: StoredKey, stored: list[StoredKey]) -> dict[str, object]:
    times = {name: None if time is None else int(time) for name, time in _times(key).items()}
    return {"kid": key.kid, "alg": key.alg, "use": key.use, "state": state_of(key, stored), **times}
