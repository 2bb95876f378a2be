"""A single-page application with an API beside it: the page signs in with a cookie, and calls the API with a token."""

import os
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from gatepass.verify import Principal, Verifier
from gatepass.verify.fastapi import Bearer

issuer = os.environ.get("GATEPASS_ISSUER", "http://localhost:8000")
audience = os.environ.get("GATEPASS_AUDIENCE", issuer)

bearer = Bearer(Verifier(issuer=issuer, audience=audience))
app = FastAPI(title="A single-page application")


@app.get("/api/dashboard")
async def dashboard(user: Annotated[Principal, Depends(bearer)]) -> dict[str, str]:
    """Greet whoever is signed in."""
    return {"message": f"Welcome, {user.subject}."}


@app.get("/config.json")
async def config() -> dict[str, str]:
    """Tell the page where to sign in."""
    return {"issuer": issuer}


@app.middleware("http")
async def add_policy(request: Request, call_next) -> Response:  # type: ignore[no-untyped-def] # noqa: ANN001 - FastAPI's
    """Allow no script but the page's own and the server's client: they hold the access token."""
    response: Response = await call_next(request)
    sources = f"'self' {issuer}"
    response.headers["Content-Security-Policy"] = f"default-src 'self'; script-src {sources}; connect-src {sources}"
    return response


app.mount("/", StaticFiles(directory=Path(__file__).parent / "page", html=True))

if __name__ == "__main__":
    uvicorn.run(app, host="localhost", port=int(os.environ.get("PORT", "9000")))
