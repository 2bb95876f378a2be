"""Commands of the command line beside a running server, and what they print."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, NamedTuple

from gatepass.cli.main import main

if TYPE_CHECKING:
    from tests.support.server import RunningServer


class Registered(NamedTuple):
    """A client as the command printed it."""

    id: str
    secret: str


def add_client(server: RunningServer, *words: str) -> Registered:
    """Register a client as an operator does, by `gatepass client add`."""
    with redirect_stdout(io.StringIO()) as said:
        main(["client", "add", *words, "--json", *server.place])
    printed = json.loads(said.getvalue())
    return Registered(printed["client_id"], printed.get("client_secret", ""))
