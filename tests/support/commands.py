"""Commands of the command line beside a running server, and what they print."""

from __future__ import annotations

import base64
import io
import json
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_plus

from gatepass.cli.main import main

if TYPE_CHECKING:
    from tests.support.server import RunningServer


class Registered(NamedTuple):
    """A client's credentials, as the command printed them."""

    id: str
    secret: str

    @property
    def basic(self) -> dict[str, str]:
        """The header of client_secret_basic."""
        credentials = f"{quote_plus(self.id)}:{quote_plus(self.secret)}".encode()
        return {"authorization": "Basic " + base64.b64encode(credentials).decode()}


def add_client(server: RunningServer, *words: str) -> Registered:
    """Register a client as an operator does, by `gatepass client add`."""
    with redirect_stdout(io.StringIO()) as said:
        main(["client", "add", *words, "--json", *server.place])
    printed = json.loads(said.getvalue())
    return Registered(printed["client_id"], printed.get("client_secret", ""))
