"""Scopes: those with a meaning of their own here (OpenID Connect Core §5.4, §11), and what each means in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.sessions.authorization_request import is_organization

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gatepass.server.domain.sessions.api import Api

STANDARD_SCOPES = ("openid", "profile", "email", "phone", "address", "roles", "offline_access")


def scope_text(scope: str, apis: Iterable[Api], known: Mapping[str, str]) -> str:
    """What a scope allows, in the texts of a language; one that has none stands for itself."""
    if is_organization(scope):
        return known["scope.organization"]
    of_apis = (each.text for api in apis for each in api.scopes if each.name == scope and each.text)
    return next(of_apis, "") or known.get(f"scope.{scope}", scope)
