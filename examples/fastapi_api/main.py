"""An API of your own, protected by Gatepass: a page for everybody who is signed in, and one for admins."""

import os
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI

from gatepass.verify import Principal, Verifier
from gatepass.verify.fastapi import Bearer

issuer = os.environ.get("GATEPASS_ISSUER", "http://localhost:8000")
audience = os.environ.get("GATEPASS_AUDIENCE", issuer)

bearer = Bearer(Verifier(issuer=issuer, audience=audience))
app = FastAPI(title="A protected API")


@app.get("/dashboard")
async def dashboard(user: Annotated[Principal, Depends(bearer)]) -> dict[str, object]:
    """Greet whoever is signed in."""
    return {"message": f"Welcome, {user.subject}.", "roles": sorted(user.roles)}


@app.get("/admin")
async def admin(user: Annotated[Principal, Depends(bearer.require(role="admin"))]) -> dict[str, object]:
    """Greet admins only."""
    return {"message": f"You may do everything, {user.subject}."}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "9000")))
