"""An API of your own with Django, protected by Gatepass: a page for whoever is signed in, and one for admins.

A whole Django project in one file; in yours the settings, views and URLs are where they always are.
"""

import os

import django
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from gatepass.verify import Principal, Verifier
from gatepass.verify.django import Bearer

issuer = os.environ.get("GATEPASS_ISSUER", "http://localhost:8000")
audience = os.environ.get("GATEPASS_AUDIENCE", issuer)

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["localhost", "127.0.0.1"])
django.setup()

bearer = Bearer(Verifier(issuer=issuer, audience=audience))


@bearer.protect
def dashboard(_: HttpRequest, user: Principal) -> JsonResponse:
    """Greet whoever is signed in."""
    return JsonResponse({"message": f"Welcome, {user.subject}.", "roles": sorted(user.roles)})


@bearer.require(role="admin").protect
async def admin(_: HttpRequest, user: Principal) -> JsonResponse:
    """Greet admins only; a view may be asynchronous."""
    return JsonResponse({"message": f"You may do everything, {user.subject}."})


urlpatterns = [path("dashboard", dashboard), path("admin", admin)]

if __name__ == "__main__":
    uvicorn.run(get_asgi_application(), port=int(os.environ.get("PORT", "9000")), lifespan="off")
