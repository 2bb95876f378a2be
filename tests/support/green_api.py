"""An API whose threads are greenlets, as `gunicorn -k gevent` or `-k eventlet` has them: the worker's own server.

usage: python -m tests.support.green_api gevent|eventlet ISSUER [feed]
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse


def main(kind: str, issuer: str, revocation: str | None) -> None:
    """Serve until killed; the port is the first line that is printed."""
    if kind == "gevent":
        importlib.import_module("gevent.monkey").patch_all()
    else:
        importlib.import_module("eventlet").monkey_patch()
        sys.modules["trio"] = None  # type: ignore[assignment]  # httpcore looks for it, and eventlet cannot load it
    # Only now, as a worker does it: what is imported later uses the patched modules.
    verifying, wsgi = importlib.import_module("gatepass.verify"), importlib.import_module("gatepass.verify.wsgi")
    client = importlib.import_module("gatepass.client")
    verifier = verifying.Verifier(
        issuer=issuer, audience="my-api", revocation=revocation, clock=lambda: 1_800_000_000.0
    )
    credentials = client.ClientCredentials(
        issuer=issuer, client_id="cli_1", client_secret="x", token_url=f"{issuer}/oauth/token"
    )

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        answer = {"subject": environ["gatepass.principal"].subject}
        if environ["PATH_INFO"] == "/call":
            answer["token"] = credentials.token()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def health(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/health":
            protected: Iterable[bytes] = bearer.protect(app)(environ, start_response)
            return protected
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"feed": verifier.health().feed}).encode()]

    bearer = wsgi.Bearer(verifier)
    if kind == "gevent":
        server = importlib.import_module("gevent.pywsgi").WSGIServer(("127.0.0.1", 0), health, log=None)
        server.start()
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
    else:
        listener = importlib.import_module("eventlet").listen(("127.0.0.1", 0))
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        importlib.import_module("eventlet.wsgi").server(listener, health, log_output=False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
