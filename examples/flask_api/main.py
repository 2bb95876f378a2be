"""An API of your own with Flask, protected by Gatepass: a page for whoever is signed in, and one for admins."""

import os
from typing import Any

from flask import Flask

from gatepass.verify import Principal, Verifier
from gatepass.verify.flask import Bearer

issuer = os.environ.get("GATEPASS_ISSUER", "http://localhost:8000")
audience = os.environ.get("GATEPASS_AUDIENCE", issuer)

bearer = Bearer(Verifier(issuer=issuer, audience=audience))
app = Flask(__name__)


@app.get("/dashboard")
@bearer.protect
def dashboard(user: Principal) -> dict[str, Any]:
    """Greet whoever is signed in."""
    return {"message": f"Welcome, {user.subject}.", "roles": sorted(user.roles)}


@app.get("/admin")
@bearer.require(role="admin").protect
def admin(user: Principal) -> dict[str, Any]:
    """Greet admins only."""
    return {"message": f"You may do everything, {user.subject}."}


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "9000")))
