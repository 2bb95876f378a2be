"""Examples of bodies and answers, made from their structs, so that each is one that the server takes or gives.

A member's value is known by its name. Of a body, an example has what is required, and what is worth showing.
"""

from __future__ import annotations

import types
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET, UnsetType

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJ1c3JfMDFoIn0.c2lnbmF0dXJl"  # noqa: S105 - it opens nothing
_TIME = "2026-11-28T12:00:00Z"
_SECONDS = 1_795_867_200
_USER, _SESSION, _ORGANIZATION = "usr_01hzx5v7k2m4n6p8q0r2s4t6", "ses_01hzx5v7k2m4n6p8q0r2s4t6", "org_01hzx5v7k2m4n6p8"
_EVENTS = ["https://schemas.openid.net/secevent/caep/event-type/session-revoked"]
_VALUES: dict[str, tuple[object, ...]] = {
    "ack": (["x7Jq2mW0rT5kZb1nVc8Lsg"],),
    "active": (True,),
    "actor": (_USER,),
    "address": ("203.0.113.7",),
    "alg": ("ES256",),
    "delivery": ({"method": "urn:ietf:rfc:8935", "endpoint_url": "https://shop.example.com/signals"},),
    "delivery_id": ("whd_01hzx5v7k2m4n6p8q0r2s4t6",),
    "disabled_at": (None,),
    "dropped_at": (None,),
    "error": ("",),
    "event": ("user.created",),
    "events_delivered": (_EVENTS,),
    "events_requested": (_EVENTS,),
    "events_supported": (_EVENTS,),
    "host": ("shop.example.com",),
    "invite": (True,),
    "invited_by": (_USER,),
    "issuer": ("https://accounts.google.com",),
    "jti": ("x7Jq2mW0rT5kZb1nVc8Lsg",),
    "kid": ("G6gyC33uK6MrGGAr_x1b5x",),
    "kind": ("browser", "signed_in"),
    "locked_at": (None,),
    "missing_since": (None,),
    "next": (None,),
    "public_key": ({"challenge": "8yVbqJ3rW0kPd1", "rpId": "auth.example.com"},),
    "qr_svg": ("<svg>…</svg>",),
    "reason": ("pwd otp",),
    "request_id": ("3277dedd2be934bc",),
    "response_types": (["code"],),
    "retired_at": (None,),
    "status": ("ok", 403, "waiting"),
    "subject": ("110169484474386276334",),
    "type": ("urn:gatepass:problem:second_factor_required",),
    "use": ("sig",),
    "access_token": (_TOKEN,),
    "acr": ("2",),
    "amr": (["pwd", "otp", "mfa"],),
    "app_metadata": ({"plan": "pro"},),
    "aud": ("https://api.example.com",),
    "audience": ("https://api.example.com", ["https://api.example.com"]),
    "challenge": ("chl_8yVbqJ3rW0k",),
    "client_id": ("cli_01hzx5v7k2m4n6p8q0r2s4t6",),
    "client_name": ("Shop",),
    "client_secret": ("gps_kept-by-the-client",),
    "client_uri": ("https://shop.example.com",),
    "code": ("123456",),
    "code_challenge": ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",),
    "code_challenge_method": ("S256",),
    "day": ("2026-11-28",),
    "created_at": (_TIME, _SECONDS),
    "credential": ({"id": "AQIDBA", "type": "public-key", "response": {}},),
    "detail": ("What is wrong, in a sentence.",),
    "device_code": ("GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS",),
    "domain": ("example.com",),
    "email": ("ada@example.com",),
    "email_verified": (True,),
    "enrollment_code": ("7K2M-9QXD-4TVA",),
    "events": (["user.created", "user.deleted"],),
    "exchange_audience": (["https://billing.example.com"],),
    "expires_in": (900,),
    "foreign_token": (_TOKEN,),
    "grant_type": ("client_credentials",),
    "grant_types": (["authorization_code", "refresh_token"],),
    "id": (_USER,),
    "id_token": (_TOKEN,),
    "iss": ("https://auth.example.com",),
    "language": ("en",),
    "locale": ("en",),
    "metadata": ({"theme": "dark"},),
    "name": ("Ada Lovelace",),
    "nonce": ("n-0S6_WzA2Mj",),
    "org_id": (_ORGANIZATION,),
    "org_slug": ("acme",),
    "organization": (_ORGANIZATION,),
    "password": ("correct horse battery staple",),
    "permissions": (["articles:read", "articles:write"],),
    "post_logout_redirect_uris": (["https://shop.example.com/"],),
    "provider": ("google",),
    "record_name": ("_gatepass.example.com",),
    "record_value": ("gatepass-domain=3f9a0c5e",),
    "recovery_codes": (["k3v9-2mxq", "p7wd-8rtz"],),
    "redirect_uri": ("https://shop.example.com/callback",),
    "redirect_uris": (["https://shop.example.com/callback"],),
    "refresh_token": ("gpr_01hzx5v7k2m4n6p8.1.c2VjcmV0",),
    "request_uri": ("urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c",),
    "resource": (["https://api.example.com"],),
    "response_type": ("code",),
    "roles": (["editor"],),
    "scope": ("articles:read", ["articles:read"]),
    "scopes": ([{"name": "articles:read", "text": "Read your articles"}],),
    "secret": ("whsec_c2hvd24gb25jZSwgYW5kIG5ldmVyIGFnYWlu", "JBSWY3DPEHPK3PXP"),
    "session_id": (_SESSION,),
    "sid": (_SESSION,),
    "sets": ({"x7Jq2mW0rT5kZb1nVc8Lsg": _TOKEN},),
    "slug": ("acme",),
    "state": ("af0ifjsldkj",),
    "stream_id": ("str_01hzx5v7k2m4n6p8q0r2s4t6",),
    "sub": (_USER,),
    "sub_id": ({"format": "email", "email": "ada@example.com"},),
    "title": ("What is wrong",),
    "token": (_TOKEN,),
    "token_type": ("Bearer",),
    "uri": ("otpauth://totp/Gatepass:ada@example.com?secret=JBSWY3DPEHPK3PXP&issuer=Gatepass",),
    "url": ("https://shop.example.com/hooks",),
    "user": ("ada@example.com",),
    "user_agent": ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",),
    "user_code": ("WDJB-MJHT",),
    "user_id": (_USER,),
    "verification_uri": ("https://auth.example.com/device",),
    "verification_uri_complete": ("https://auth.example.com/device?user_code=WDJB-MJHT",),
}
_OF: dict[str, dict[str, object]] = {
    "ApiResource": {"name": "Articles"},
    "ApiChanges": {"name": "Articles"},
    "ClientPatch": {"name": "Shop"},
    "ClientResource": {"name": "Shop", "metadata": {"redirect_uris": ["https://shop.example.com/callback"]}},
    "DeliveryResource": {"id": "whd_01hzx5v7k2m4n6p8q0r2s4t6"},
    "EventResource": {"id": "evt_01hzx5v7k2m4n6p8q0r2s4t6", "kind": "signed_in"},
    "EventView": {"kind": "signed_in"},
    "InvitationResource": {"id": "inv_01hzx5v7k2m4n6p8q0r2s4t6"},
    "KeyResource": {"state": "signing"},
    "NewClientBody": {"name": "Shop"},
    "NewOrganization": {"name": "Acme", "metadata": {"plan": "pro"}},
    "NewRole": {"name": "editor"},
    "SignalPoll": {"maxEvents": 50},
    "StreamConfiguration": {
        "aud": "cli_01hzx5v7k2m4n6p8q0r2s4t6",
        "min_verification_interval": 60,
        "description": "shop",
    },
    "StreamResource": {
        "id": "str_01hzx5v7k2m4n6p8q0r2s4t6",
        "method": "urn:ietf:rfc:8935",
        "endpoint_url": "https://shop.example.com/signals",
        "events": ["session-revoked"],
        "description": "shop",
        "reason": "",
    },
    "StreamState": {"reason": "maintenance"},
    "SubjectChange": {"subject": {"format": "iss_sub", "iss": "https://auth.example.com", "sub": _USER}},
    "OrganizationDetail": {"id": _ORGANIZATION, "name": "Acme", "metadata": {"plan": "pro"}},
    "OrganizationPatch": {"name": "Acme"},
    "OrganizationResource": {"id": _ORGANIZATION, "name": "Acme"},
    "OwnOrganization": {"id": _ORGANIZATION, "name": "Acme"},
    "MembershipResource": {"id": _ORGANIZATION, "name": "Acme"},
    "PasskeyMade": {"id": "AQIDBA", "name": "Laptop"},
    "PasskeyRequest": {"name": "Laptop"},
    "PasskeyShown": {"id": "AQIDBA", "name": "Laptop"},
    "ProviderShown": {"id": "google", "name": "Google", "url": "https://auth.example.com/pages/login/google"},
    "RenameRequest": {"name": "Laptop"},
    "RoleResource": {"name": "editor"},
    "SecondFactorRequired": {"title": "Second factor required", "code": "second_factor_required"},
    "AdminSession": {"id": _SESSION},
    "SessionView": {"id": _SESSION},
    "TotpOffered": {"secret": "JBSWY3DPEHPK3PXP"},
    "WebhookResource": {"id": "whk_01hzx5v7k2m4n6p8q0r2s4t6"},
}
"""Members that mean something else in a struct than everywhere, by its name."""
_SHOWN: dict[str, tuple[str, ...]] = {
    "ApiChanges": ("scopes",),
    "ApiResource": ("name", "scopes"),
    "ClientDescription": ("client_name", "redirect_uris", "grant_types", "scope"),
    "ClientPatch": ("scope",),
    "DeviceForm": ("client_id", "scope"),
    "EmailCodeRequest": ("code",),
    "FactorRequest": ("code",),
    "Given": ("password",),
    "KeyRotation": ("use",),
    "LogoutRequest": ("refresh_token",),
    "NewClientBody": ("redirect_uris", "scope"),
    "NewInvitation": ("roles",),
    "NewMember": ("roles",),
    "NewOrganization": ("metadata",),
    "NewRole": ("permissions",),
    "NewStream": ("delivery", "events_requested"),
    "NewUser": ("name", "roles", "invite"),
    "OrganizationPatch": ("name",),
    "PasskeyRequest": ("name",),
    "ProfileRequest": ("name", "locale"),
    "PushedForm": ("client_id", "response_type", "redirect_uri", "scope", "code_challenge", "code_challenge_method"),
    "RefreshRequest": ("refresh_token",),
    "SecretRotation": ("keep_old_seconds",),
    "SignalPoll": ("ack", "maxEvents"),
    "StreamUpdate": ("events_requested",),
    "TokenForm": ("client_id", "client_secret", "scope"),
    "TokenToLookAt": ("client_id", "client_secret"),
    "TotpRequest": ("enrollment_code",),
    "UserChanges": ("roles", "app_metadata"),
    "UserInfoForm": ("access_token",),
    "VerificationRequest": ("state",),
    "WebhookChanges": ("events",),
}
"""What is worth showing of a body beside what is required, by the name of its struct."""
NAMED = _OF.keys() | _SHOWN.keys()
"""The structs that have something of their own here."""
_TIMES = ("_at", "exp", "iat", "auth_time", "last_seen", "at", "since")
_LITERAL_OF: dict[Any, object] = {bool: False, int: 1, float: 1.0, datetime: _TIME}


def body_example(kind: Any) -> dict[str, object]:  # noqa: ANN401 - a struct
    """An example of a body: what is required, and what is worth showing."""
    shown = _SHOWN.get(kind.__name__, ())
    return {
        field.encode_name: _member(kind, field)
        for field in msgspec.structs.fields(kind)
        if field.required or field.encode_name in shown
    }


def answer_example(kind: Any) -> dict[str, object]:  # noqa: ANN401 - a struct
    """An example of an answer: everything that can be shown."""
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        value = _member(kind, field)
        if value is not None or field.default is NODEFAULT:
            found[field.encode_name] = value
    return found


def _member(kind: Any, field: msgspec.structs.FieldInfo) -> Any:  # noqa: ANN401 - JSON
    known = _OF.get(kind.__name__, {})
    return known[field.encode_name] if field.encode_name in known else _value(field.encode_name, field.type)


def _value(name: str, kind: Any) -> Any:  # noqa: ANN401 - JSON
    """A value for a member: by its name, if there is one that its type takes, or else by its type."""
    for known in _VALUES.get(name, ()):
        if _takes(kind, known):
            return known
    candidates = (_by_type(name, each) for each in _variants(kind))
    return next((value for value in candidates if _takes(kind, value)), None if _takes(kind, None) else "")


def _by_type(name: str, kind: Any) -> object:  # noqa: ANN401 - a type
    origin = get_origin(kind)
    if origin is Literal:
        return get_args(kind)[0]
    if origin in (tuple, list):
        item = _value(name, get_args(kind)[0])
        return [] if item in (None, "") else [item]
    if origin is dict or kind is dict:
        return {}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return answer_example(kind)
    if kind is int and name.endswith(_TIMES):
        return _SECONDS
    return _LITERAL_OF.get(kind, "")


def _variants(kind: Any) -> Iterator[Any]:  # noqa: ANN401 - a type
    """The types that a member may have, without what is no value and without constraints."""
    if hasattr(kind, "__metadata__"):
        yield from _variants(kind.__origin__)
    elif get_origin(kind) in (Union, types.UnionType):
        for each in get_args(kind):
            yield from _variants(each)
    elif kind not in (type(None), UnsetType, UNSET):
        yield kind


def _takes(kind: Any, value: object) -> bool:  # noqa: ANN401 - a type
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True
