"""Scopes that have a meaning of their own here, whatever APIs there are (OpenID Connect Core §5.4, §11)."""

from __future__ import annotations

STANDARD_SCOPES = ("openid", "profile", "email", "phone", "address", "roles", "offline_access")
