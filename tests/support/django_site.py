"""A Django project that signs people in three ways, each by a library of others; a process of its own.

Django has one configuration a process. The socket is the test's, which has to know the port to register the clients.
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import django
import waitress
from authlib.integrations.django_client import OAuth
from django.conf import settings
from django.contrib.auth import logout
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.shortcuts import redirect
from django.urls import include, path

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

GIVEN = json.loads(os.environ["SITE"])
ISSUER, HOME = GIVEN["issuer"], GIVEN["home"]


def end_session(request: HttpRequest) -> str:
    """Where mozilla-django-oidc sends somebody who signs out (OpenID Connect RP-Initiated Logout)."""
    hint = request.session["oidc_id_token"]
    return f"{ISSUER}/oauth/logout?" + urlencode({"id_token_hint": hint, "post_logout_redirect_uri": HOME})


settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["localhost"],
    SECRET_KEY="a key of the site",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": GIVEN["database"]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    MIGRATION_MODULES=dict.fromkeys(("auth", "contenttypes", "sessions", "default", "social_django")),
    SESSION_COOKIE_NAME="site",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "mozilla_django_oidc",
        "social_django",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "mozilla_django_oidc.middleware.SessionRefresh",
    ],
    AUTHENTICATION_BACKENDS=[
        "social_core.backends.open_id_connect.OpenIdConnectAuth",
        "mozilla_django_oidc.auth.OIDCAuthenticationBackend",  # last: it takes every code for its own
    ],
    LOGIN_REDIRECT_URL="/",
    LOGOUT_REDIRECT_URL="/",
    # Authlib
    AUTHLIB_OAUTH_CLIENTS={
        "gatepass": {
            "client_id": GIVEN["authlib"][0],
            "client_secret": GIVEN["authlib"][1],
            "server_metadata_url": f"{ISSUER}/.well-known/openid-configuration",
            "client_kwargs": {"scope": "openid email", "code_challenge_method": "S256"},
        }
    },
    # mozilla-django-oidc, which reads no metadata
    OIDC_RP_CLIENT_ID=GIVEN["mozilla"][0],
    OIDC_RP_CLIENT_SECRET=GIVEN["mozilla"][1],
    OIDC_RP_SIGN_ALGO="RS256",
    OIDC_USE_PKCE=True,
    OIDC_OP_AUTHORIZATION_ENDPOINT=f"{ISSUER}/oauth/authorize",
    OIDC_OP_TOKEN_ENDPOINT=f"{ISSUER}/oauth/token",
    OIDC_OP_USER_ENDPOINT=f"{ISSUER}/oauth/userinfo",
    OIDC_OP_JWKS_ENDPOINT=f"{ISSUER}/.well-known/jwks.json",
    OIDC_STORE_ID_TOKEN=True,
    OIDC_OP_LOGOUT_URL_METHOD=f"{__name__}.end_session",
    ALLOW_LOGOUT_GET_METHOD=True,
    # social-auth-app-django
    SOCIAL_AUTH_OIDC_OIDC_ENDPOINT=ISSUER,
    SOCIAL_AUTH_OIDC_KEY=GIVEN["social"][0],
    SOCIAL_AUTH_OIDC_SECRET=GIVEN["social"][1],
    SOCIAL_AUTH_OIDC_USE_PKCE=True,
    SOCIAL_AUTH_OIDC_SCOPE=["offline_access"],
)
django.setup()

oauth = OAuth()
oauth.register("gatepass")


def home(request: HttpRequest) -> JsonResponse:
    """Who is signed in at the site."""
    return JsonResponse({"email": getattr(request.user, "email", None)})


def authlib_login(request: HttpRequest) -> HttpResponseBase:
    """Begin."""
    answer: HttpResponseBase = oauth.gatepass.authorize_redirect(request, HOME + "authlib/callback")
    return answer


def authlib_callback(request: HttpRequest) -> JsonResponse:
    """Redeem the code, check the ID token, ask UserInfo, refresh."""
    token = oauth.gatepass.authorize_access_token(request)
    request.session["id_token"] = token["id_token"]
    again = oauth.gatepass.fetch_access_token(grant_type="refresh_token", refresh_token=token["refresh_token"])
    return JsonResponse({"claims": token["userinfo"], "userinfo": oauth.gatepass.userinfo(token=again)})


def authlib_logout(request: HttpRequest) -> HttpResponseBase:
    """End the session at the server, and come back."""
    hint = request.session.pop("id_token")
    answer: HttpResponseBase = oauth.gatepass.logout_redirect(request, HOME + "authlib/out", id_token_hint=hint)
    return answer


def authlib_out(request: HttpRequest) -> JsonResponse:
    """Back again, with the state that was sent."""
    return JsonResponse({"out": oauth.gatepass.validate_logout_response(request)["post_logout_redirect_uri"]})


def forget_freshness(request: HttpRequest) -> HttpResponseBase:
    """Let mozilla-django-oidc find that the ID token has expired, which it then does on the next page."""
    request.session["oidc_id_token_expiration"] = 0
    return redirect("/")


def social_refresh(request: HttpRequest) -> JsonResponse:
    """Refresh what social-auth keeps in its table."""
    from social_django.utils import load_strategy  # noqa: PLC0415 - Django has to be set up

    [kept] = request.user.social_auth.all()  # type: ignore[union-attr]
    before = kept.extra_data["access_token"]
    kept.refresh_token(load_strategy(request))  # type: ignore[no-untyped-call]
    kept.refresh_from_db()
    return JsonResponse({"uid": kept.uid, "renewed": kept.extra_data["access_token"] != before})


def site_logout(request: HttpRequest) -> HttpResponseBase:
    """Sign out of the site."""
    logout(request)
    return redirect("/")


urlpatterns = [
    path("", home),
    path("authlib/login", authlib_login),
    path("authlib/callback", authlib_callback),
    path("authlib/logout", authlib_logout),
    path("authlib/out", authlib_out),
    path("mozilla/", include("mozilla_django_oidc.urls")),
    path("mozilla/stale", forget_freshness),
    path("social/", include("social_django.urls", namespace="social")),
    path("social/refresh", social_refresh),
    path("logout", site_logout),
]

if __name__ == "__main__":
    call_command("migrate", run_syncdb=True, verbosity=0)
    waitress.serve(get_wsgi_application(), sockets=[socket.socket(fileno=int(os.environ["SOCKET"]))])
