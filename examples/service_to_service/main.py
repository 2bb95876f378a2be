"""Two services: one has an API, the other calls it with a token of its own. Both run here, the API in a thread."""

import os
import threading
import time
from typing import Annotated

import httpx
import uvicorn
from fastapi import Depends, FastAPI

from gatepass.client import ClientCredentials
from gatepass.verify import Principal, Verifier
from gatepass.verify.fastapi import Bearer

issuer = os.environ.get("GATEPASS_ISSUER", "http://localhost:8000")
audience = os.environ.get("GATEPASS_AUDIENCE", "https://reports.example.com")
port = int(os.environ.get("PORT", "9000"))

# ── the service that has the API ──

bearer = Bearer(Verifier(issuer=issuer, audience=audience))
app = FastAPI(title="Reports")


@app.get("/reports")
async def reports(caller: Annotated[Principal, Depends(bearer.require(scope="read"))]) -> dict[str, str]:
    """Answer services that may read."""
    return {"reports for": caller.subject}


# ── the service that calls it ──


def call_the_api() -> None:
    """Call three times: the token is fetched once."""
    credentials = ClientCredentials(
        issuer=issuer,
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ["CLIENT_SECRET"],
        scope="read",
        audience=audience,
    )
    with httpx.Client(base_url=f"http://localhost:{port}", auth=credentials, trust_env=False) as http:
        for _ in range(3):
            answer = http.get("/reports")
            print(answer.status_code, answer.text)  # noqa: T201 - what the example shows


if __name__ == "__main__":
    server = uvicorn.Server(uvicorn.Config(app, host="localhost", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        call_the_api()
    finally:
        server.should_exit = True
        thread.join()
