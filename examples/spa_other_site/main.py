"""Serve the application's page as a site of its own, on another port than the server's."""

from __future__ import annotations

import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
LIBRARY = Path("node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js")
"""Where `npm install oidc-client-ts`, in this folder, puts it."""


class Site(SimpleHTTPRequestHandler):
    """The page of each client, and what they load."""

    def translate_path(self, path: str) -> str:
        """The file for a path."""
        match path.partition("?")[0]:
            case "/oidc-client-ts.min.js":
                return str(HERE / LIBRARY)
            case "/config.js":
                return str(HERE / "config.js")
            case "/gatepass" | "/gatepass/callback":
                return str(HERE / "gatepass.html")
            case _:
                return str(HERE / "index.html")


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "9000"))
    print(f"http://localhost:{port}")  # noqa: T201 - where to look
    ThreadingHTTPServer(("127.0.0.1", port), partial(Site, directory=str(HERE))).serve_forever()
