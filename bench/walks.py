"""Which files a request passes on its way, and how often a call crosses from one file into another.

Three walks: a password through `POST /login`, a refresh token through `POST /refresh`, and a bearer token through
`Verifier.verify`. Each is made once before it is counted, so that what happens only once is not in it. A crossing is a
call from one file of the package into another, in any thread.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

import gatepass

if TYPE_CHECKING:
    from types import FrameType

ROOT = str(Path(gatepass.__file__).parent)
PERSON = {"email": "ann@example.com", "password": "correct horse battery staple"}


class Walk:
    """Counts while it is open."""

    def __init__(self) -> None:
        self.is_open = False
        self.files: set[str] = set()
        self.crossings = 0
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        file = frame.f_code.co_filename
        if not self.is_open or event != "call" or not file.startswith(ROOT):
            return
        self.files.add(file.removeprefix(ROOT))
        before = frame.f_back
        while before is not None and not before.f_code.co_filename.startswith(ROOT):
            before = before.f_back
        if before is not None and before.f_code.co_filename != file:
            self.crossings += 1

    def begin(self) -> None:
        """Count from here on."""
        self.files, self.crossings, self.is_open = set(), 0, True

    def end(self, name: str) -> None:
        """Say what was passed."""
        self.is_open = False
        print(f"\n{name}: {len(self.files)} files, {self.crossings} crossings")
        for file in sorted(self.files):
            print(f"    {file.removeprefix('/')}")


async def main() -> None:
    """Walk."""
    walk = Walk()
    from gatepass.server.app import open_server  # noqa: PLC0415 - after the counting has begun, for its threads

    try:
        from gatepass.server.base.settings import load  # noqa: PLC0415
    except ImportError:  # an older tree beside this one
        from gatepass.server.settings import load  # type: ignore[import-not-found, no-redef] # noqa: PLC0415
    from gatepass.verify import Verifier  # noqa: PLC0415

    flags: dict[str, Any] = {"argon2_memory_kib": 8, "argon2_passes": 1, "refresh_quiet_seconds": 0}
    with tempfile.TemporaryDirectory() as folder:
        settings = load(flags={"data_dir": folder, **flags})
        async with open_server(settings) as server:
            transport = httpx.ASGITransport(server.application())
            async with httpx.AsyncClient(transport=transport, base_url=settings.issuer_url) as api:
                await api.post("/signup", json=PERSON)
                await api.post("/login", json=PERSON)
                walk.begin()
                pair = (await api.post("/login", json=PERSON)).raise_for_status().json()
                walk.end("a password, POST /login")
                pair = (await api.post("/refresh", json={"refresh_token": pair["refresh_token"]})).json()
                walk.begin()
                answer = await api.post("/refresh", json={"refresh_token": pair["refresh_token"]})
                walk.end("a refresh token, POST /refresh")
                token = answer.raise_for_status().json()["token"]
                jwks = (await api.get("/.well-known/jwks.json")).content
            from gatepass.jose import KeySet  # noqa: PLC0415

            verifier = Verifier(
                issuer=settings.issuer_url, audience=settings.issuer_url, keys=KeySet.from_jwks(jwks), revocation=None
            )
            walk.begin()
            verifier.verify(token)
            walk.end("a bearer token, Verifier.verify")


if __name__ == "__main__":
    asyncio.run(main())
