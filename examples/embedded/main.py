"""An application with its own sign-in: the whole server mounted in FastAPI, one process and one SQLite file."""

from __future__ import annotations

import os
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI

from gatepass.server import create_app
from gatepass.verify import Principal, Verifier  # noqa: TC001 - FastAPI reads the annotation
from gatepass.verify.fastapi import Bearer

PORT = int(os.environ.get("PORT", "8000"))
ISSUER = os.environ.get("GATEPASS_ISSUER", f"http://localhost:{PORT}/auth")

auth = create_app(issuer=ISSUER, audience=("notes",))
app = FastAPI(lifespan=auth.lifespan)
bearer = Bearer(Verifier(issuer=ISSUER, audience="notes"))


@app.get("/notes")
async def notes(user: Annotated[Principal, Depends(bearer)]) -> dict[str, str]:
    """A call of the application's own."""
    return {"message": f"The notes of {user.subject}."}


app.mount("/auth", auth)
app.mount("/.well-known", auth.well_known)

if __name__ == "__main__":
    uvicorn.run(app, host="localhost", port=PORT)
