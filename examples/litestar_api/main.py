"""An API of your own with Litestar, protected by Gatepass: a page for whoever is signed in, and one for admins."""

import os
from typing import Any

import uvicorn
from litestar import Litestar, Request, get

from gatepass.verify import Principal, Verifier
from gatepass.verify.litestar import SCHEME, Bearer

issuer = os.environ.get("GATEPASS_ISSUER", "http://localhost:8000")
audience = os.environ.get("GATEPASS_AUDIENCE", issuer)

bearer = Bearer(Verifier(issuer=issuer, audience=audience))


@get("/dashboard", guards=[bearer], security=[{SCHEME: []}])
async def dashboard(request: Request[Principal, None, Any]) -> dict[str, Any]:
    """Greet whoever is signed in."""
    return {"message": f"Welcome, {request.user.subject}.", "roles": sorted(request.user.roles)}


@get("/admin", guards=[bearer.require(role="admin")], security=[{SCHEME: []}])
async def admin(request: Request[Principal, None, Any]) -> dict[str, Any]:
    """Greet admins only."""
    return {"message": f"You may do everything, {request.user.subject}."}


app = Litestar([dashboard, admin], on_app_init=[bearer.on_app_init])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "9000")))
