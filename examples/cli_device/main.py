"""A command line that signs its user in on another device, by a short code (RFC 8628), with Authlib."""

import os
from time import sleep

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
issuer = os.environ.get("GATEPASS_ISSUER", "http://localhost:8000")
client_id = os.environ["CLIENT_ID"]


def main() -> None:
    """Show the code, wait until its user has decided, and greet."""
    found = httpx.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
    with OAuth2Client(client_id, token_endpoint_auth_method="none") as client:  # noqa: S106 - it has no secret
        asked = {"client_id": client_id, "scope": "openid email"}
        shown = httpx.post(found["device_authorization_endpoint"], data=asked).raise_for_status().json()
        print("Open", shown["verification_uri"], "and type", shown["user_code"])  # noqa: T201
        interval = shown["interval"]
        while not client.token:
            sleep(interval)
            try:
                client.fetch_token(found["token_endpoint"], grant_type=GRANT, device_code=shown["device_code"])
            except OAuthError as error:
                if error.error not in {"authorization_pending", "slow_down"}:
                    raise SystemExit(f"not signed in: {error.error}") from error
                interval += 5 if error.error == "slow_down" else 0
        print("Welcome,", client.get(found["userinfo_endpoint"]).json()["email"])  # noqa: T201


if __name__ == "__main__":
    main()
