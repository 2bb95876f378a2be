"""Presets of providers: one function each, from settings to a profile."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatepass.jose import Key, jwt
from gatepass.jose.errors import InvalidPolicyError, JoseError
from gatepass.server.base.errors import StartupError
from gatepass.server.domain.providers.github import WEB, GitHub
from gatepass.server.domain.providers.openid import OpenIDProvider, Profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.server.base.settings.providers import ProviderSettings
    from gatepass.server.domain.providers.provider import Provider

GOOGLE = "https://accounts.google.com"
MICROSOFT = "https://login.microsoftonline.com"
APPLE = "https://appleid.apple.com"
GITLAB = "https://gitlab.com"

_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MANY_TENANTS = ("common", "organizations", "consumers")
_APPLE_SECRET_SECONDS = 300


def make_providers(settings: Mapping[str, ProviderSettings]) -> dict[str, Provider]:
    """Every configured provider, by its id.

    Raises:
        StartupError: a URL or a key of one is none that can be used.
    """
    return {provider_id: _make(provider_id, provider) for provider_id, provider in settings.items()}


def issuer_of(provider_id: str, settings: ProviderSettings) -> str:
    """The issuer of a provider's accounts; empty where it depends on the account."""
    match settings.kind_of(provider_id):
        case "github":
            return settings.issuer or WEB
        case "microsoft":
            is_one = settings.tenant not in _MANY_TENANTS
            return f"{settings.issuer or MICROSOFT}/{settings.tenant}/v2.0" if is_one else ""
        case "google":
            return settings.issuer or GOOGLE
        case "apple":
            return settings.issuer or APPLE
        case "gitlab":
            return settings.issuer or GITLAB
        case "openid":
            return settings.issuer


def _make(provider_id: str, settings: ProviderSettings) -> Provider:
    try:
        match settings.kind_of(provider_id):
            case "github":
                return GitHub(provider_id, settings)
            case "google":
                return OpenIDProvider(_google(_openid(provider_id, settings, GOOGLE, "Google"), settings))
            case "microsoft":
                return OpenIDProvider(_microsoft(provider_id, settings))
            case "apple":
                return OpenIDProvider(_apple(_openid(provider_id, settings, APPLE, "Apple"), settings))
            case "gitlab":
                return OpenIDProvider(_openid(provider_id, settings, GITLAB, "GitLab"))
            case "openid":
                return OpenIDProvider(_openid(provider_id, settings, settings.issuer, provider_id))
    except InvalidPolicyError as error:
        raise StartupError(f"`providers.{provider_id}` cannot be used: {error}.", "Check its issuer.") from error


def _openid(provider_id: str, settings: ProviderSettings, issuer: str, name: str) -> Profile:
    """Standard OpenID Connect."""
    issuer = settings.issuer or issuer

    def is_email_verified(claims: dict[str, Any]) -> bool:
        return settings.email_is_verified or _is_true(claims.get("email_verified"))

    return Profile(
        id=provider_id,
        name=settings.name or name,
        discovery=issuer.rstrip("/"),
        issuer=issuer,
        client_id=settings.client_id,
        app_client_ids=settings.app_client_ids,
        client_secret=lambda _now: settings.client_secret,
        scopes=tuple(dict.fromkeys(("openid", "email", *settings.scopes))),
        more={},
        is_issuer=lambda claims: claims["iss"] == issuer,
        refuse=lambda _claims: None,
        is_email_verified=is_email_verified,
        ca_file=settings.ca_file or None,
    )


def _google(profile: Profile, settings: ProviderSettings) -> Profile:
    """`hd` in the request is only a hint, which users can change; the claim counts."""
    if not settings.domains:
        return profile

    def refuse(claims: dict[str, Any]) -> str | None:
        return None if claims.get("hd") in settings.domains else "it is of another domain"

    hint = settings.domains[0] if len(settings.domains) == 1 else "*"
    return replace(profile, more={"hd": hint}, refuse=refuse)


def _microsoft(provider_id: str, settings: ProviderSettings) -> Profile:
    """Each tenant is a separate issuer, named by `tid`.

    The administrator of a tenant can put anything into its `email`: it counts only if Microsoft has verified that the
    domain belongs to the tenant (`xms_edov`, an optional claim), or the operator says so.
    """
    base, tenant = settings.issuer or MICROSOFT, settings.tenant
    is_one = tenant not in _MANY_TENANTS
    issuer = f"{base}/{tenant if is_one else '{tenantid}'}/v2.0"

    def is_issuer(claims: dict[str, Any]) -> bool:
        tid = claims.get("tid")
        return (
            isinstance(tid, str)
            and _TENANT.fullmatch(tid) is not None
            and claims["iss"] == issuer.replace("{tenantid}", tid)
            and (not is_one or tid == tenant)
        )

    def refuse(claims: dict[str, Any]) -> str | None:
        allowed = settings.tenants
        return None if not allowed or claims["tid"] in allowed else "it is of another tenant"

    def is_email_verified(claims: dict[str, Any]) -> bool:
        return settings.email_is_verified or _is_true(claims.get("xms_edov")) or claims.get("xms_edov") in (1, "1")

    return replace(
        _openid(provider_id, settings, issuer, "Microsoft"),
        discovery=f"{base}/{tenant}/v2.0",
        issuer=issuer,
        scopes=tuple(dict.fromkeys(("openid", "email", "profile", *settings.scopes))),
        is_issuer=is_issuer,
        refuse=refuse,
        is_email_verified=is_email_verified,
    )


def _apple(profile: Profile, settings: ProviderSettings) -> Profile:
    """The client secret is a token that we sign; and the answer comes as a form post if an address is requested."""
    try:
        pem = Path(settings.private_key_file).read_bytes()
        key = Key.from_pem(pem, "ES256", kid=settings.key_id)
    except (OSError, JoseError) as error:
        raise StartupError(
            f"`private_key_file` of `providers.{profile.id}` is not a P-256 key.",
            "Use the AuthKey_….p8 file from Apple.",
        ) from error

    def secret(now: float) -> str:
        claims = {
            "iss": settings.team_id,
            "iat": int(now),
            "exp": int(now) + _APPLE_SECRET_SECONDS,
            "aud": profile.issuer,
            "sub": settings.client_id,
        }
        return jwt.sign(claims, key, typ=None)

    return replace(profile, client_secret=secret, more={"response_mode": "form_post"})


def _is_true(value: object) -> bool:
    """Apple and some others send booleans as text."""
    return value is True or value == "true"
