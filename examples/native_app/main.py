"""A native application: it signs its user in by the system's browser and a loopback redirect (RFC 8252), by Authlib."""

import os
import secrets
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
from authlib.integrations.httpx_client import OAuth2Client

issuer = os.environ.get("GATEPASS_ISSUER", "http://localhost:8000")
client_id = os.environ["CLIENT_ID"]


class Callback(BaseHTTPRequestHandler):
    """Waits for the browser to come back."""

    came: str = ""

    def do_GET(self) -> None:
        """Keep the first URL that brings an answer; a browser also asks for an icon."""
        if self.path.startswith("/callback?"):
            Callback.came = self.path
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"You can close this window.")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Sign in, and greet."""
    found = httpx.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
    here = HTTPServer(("127.0.0.1", 0), Callback)  # any free port: the client is registered without one
    with here, client_for(f"http://127.0.0.1:{here.server_port}/callback") as client:
        verifier = secrets.token_urlsafe(48)
        url, state = client.create_authorization_url(found["authorization_endpoint"], code_verifier=verifier)
        webbrowser.open(url)
        while not Callback.came:
            here.handle_request()
        token_endpoint = found["token_endpoint"]
        client.fetch_token(token_endpoint, authorization_response=Callback.came, state=state, code_verifier=verifier)
        print("Welcome,", client.get(found["userinfo_endpoint"]).json()["email"])  # noqa: T201
        # The refresh token belongs into the system's key ring. Each use of it returns the next one.
        client.refresh_token(token_endpoint)
        print("Still welcome,", client.get(found["userinfo_endpoint"]).json()["email"])  # noqa: T201


def client_for(redirect_uri: str) -> OAuth2Client:
    """Return the client, which is public: it has no secret."""
    return OAuth2Client(
        client_id,
        token_endpoint_auth_method="none",  # noqa: S106 - the word for that
        scope="openid email offline_access",
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )


if __name__ == "__main__":
    main()
