"""A web application with a backend: people sign in with Gatepass, by Authlib in Flask, and out again everywhere."""

import os
from typing import Any

from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, request, session, url_for
from markupsafe import Markup

from gatepass.jose import JoseError, KeySet, jwt

issuer = os.environ.get("GATEPASS_ISSUER", "http://localhost:8000")
client_id = os.environ["CLIENT_ID"]

app = Flask(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or os.urandom(32)
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"

gatepass = OAuth(app).register(
    "gatepass",
    client_id=client_id,
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=f"{issuer}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid email", "code_challenge_method": "S256"},
)
ended: set[str] = set()
"""Sign-ins that ended at the server. An application of several processes keeps these where all of them look."""


@app.get("/")
def home() -> Any:  # noqa: ANN401 - Flask's answers
    """Greet whoever is signed in."""
    if session.get("sid") in ended:
        session.clear()
    if "email" not in session:
        return Markup("<p>Nobody is signed in. <a href='/login'>Sign in</a>")
    return Markup("<p>Welcome, {}. <a href='/logout'>Sign out</a>").format(session["email"])


@app.get("/login")
def login() -> Any:  # noqa: ANN401 - as above
    """Send the browser to the server."""
    return gatepass.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback() -> Any:  # noqa: ANN401 - as above
    """Redeem the code. Authlib checks state, nonce and the ID token."""
    token = gatepass.authorize_access_token()
    session["sid"], session["id_token"] = token["userinfo"]["sid"], token["id_token"]
    session["email"] = gatepass.userinfo(token=token)["email"]
    return redirect("/")


@app.get("/logout")
def logout() -> Any:  # noqa: ANN401 - as above
    """Sign out here and at the server, which sends the browser back."""
    hint = session.get("id_token")
    session.clear()
    return gatepass.logout_redirect(url_for("home", _external=True), id_token_hint=hint, client_id=client_id)


@app.post("/backchannel")
def backchannel() -> Any:  # noqa: ANN401 - as above
    """Hear from the server that a sign-in has ended, whoever ended it (OpenID Connect Back-Channel Logout 1.0)."""
    keys = KeySet.from_jwks(gatepass.fetch_jwk_set(force=True))
    try:
        token = jwt.verify(
            request.form["logout_token"], keys, issuer=issuer, audience=client_id, typ="logout+jwt", required=["sid"]
        )
    except JoseError:
        return "", 400
    ended.add(str(token["sid"]))
    return "", 204


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "9000")))
