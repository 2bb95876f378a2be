"""An OpenID provider, found by discovery: the code flow with PKCE, and ID tokens."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

import msgspec

from gatepass.jose import base64url
from gatepass.jose.errors import JoseError, UnknownKeyError
from gatepass.server.base.errors import Refusal, Unavailable
from gatepass.server.domain.accounts.linked_identity import Claimed
from gatepass.server.domain.providers import id_token
from gatepass.server.domain.providers.provider import ProvenIdentity
from gatepass.verify.fetch import follow
from gatepass.verify.http_client import FETCH_SECONDS, HttpxFetch, Post
from gatepass.verify.issuer import DISCOVERY_SECONDS, FIRST_BACKOFF_SECONDS, FetchError, IssuerKeys
from gatepass.verify.oauth_client import RefusedError, read_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from gatepass.server.domain.providers.provider import Journey

EXCHANGE_SECONDS = 10.0
"""The time for all requests to a provider in one sign-in, from the first DNS lookup to the last byte."""

_HTTP_OK = 200


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The profile of a provider: one row of the presets, completed by the settings.

    Attributes:
        id: Its name in settings and paths.
        name: Its name for users.
        discovery: The URL whose `/.well-known/openid-configuration` is its metadata.
        issuer: What the metadata calls it; with `{tenantid}` in it of a provider that has many names.
        client_id: What it calls us.
        app_client_ids: What it calls our applications.
        client_secret: The secret at a time; empty for a public client.
        scopes: What to ask for.
        more: More parameters of the request.
        is_issuer: Whether the `iss` of some claims is the provider's.
        refuse: Why a user with these claims is refused, or None.
        is_email_verified: Whether the provider vouches for the address in these claims.
        ca_file: The only authorities to trust it by.
    """

    id: str
    name: str
    discovery: str
    issuer: str
    client_id: str
    app_client_ids: tuple[str, ...] = ()
    client_secret: Callable[[float], str] = field(repr=False)
    scopes: tuple[str, ...]
    more: Mapping[str, str]
    is_issuer: Callable[[dict[str, Any]], bool]
    refuse: Callable[[dict[str, Any]], str | None]
    is_email_verified: Callable[[dict[str, Any]], bool]
    ca_file: str | None = None


class ProviderMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a provider's metadata that are used (OpenID Connect Discovery §3, RFC 9207 §3), its URLs checked."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    posts_secret: bool
    names_itself: bool


class OpenIDProvider:
    """`gatepass.server.domain.providers.provider.Provider`."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._http = HttpxFetch(ca_file=profile.ca_file)
        self._site = IssuerKeys(profile.discovery)
        self._lock = asyncio.Lock()
        self._metadata: ProviderMetadata | None = None
        self._keys: IssuerKeys | None = None
        self._discovered_at = 0.0
        self._failed_at: float | None = None

    @property
    def id(self) -> str:
        """As in its profile."""
        return self._profile.id

    @property
    def name(self) -> str:
        """As in its profile."""
        return self._profile.name

    async def way_there(self, journey: Journey, now: float) -> str:
        """OpenID Connect Core §3.1.2.1 with RFC 7636 §4.3."""
        async with in_time():
            metadata, _ = await self._discovered(now)
        query = {
            "response_type": "code",
            "client_id": self._profile.client_id,
            "redirect_uri": journey.redirect_uri,
            "scope": " ".join(self._profile.scopes),
            "state": journey.state,
            "nonce": journey.nonce,
            "code_challenge": challenge_of(journey.verifier),
            "code_challenge_method": "S256",
            **self._profile.more,
        }
        separator = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{separator}{urlencode(query)}"

    async def redeem(self, answer: Mapping[str, str], journey: Journey, now: float) -> ProvenIdentity:
        """OpenID Connect Core §3.1.3."""
        async with in_time():
            metadata, keys = await self._discovered(now)
            self._check_sender(answer, metadata)
            code = code_of(answer)
            found = await self._trade(code, journey, metadata, now)
            token = found.get("id_token")
            if not isinstance(token, str):
                raise FetchError(f"{self._profile.issuer} answered without an ID token")
            client_ids = (self._profile.client_id,)
            claims = await self._checked(token, keys, client_ids=client_ids, nonce=journey.nonce, now=now)
            if "email" not in claims and metadata.userinfo_endpoint is not None:
                claims |= await self._userinfo(metadata.userinfo_endpoint, found.get("access_token"), claims)
        return self._proven(token, claims)

    async def check_id_token(self, token: str, *, nonce: str | None, now: float) -> ProvenIdentity:
        """Check an ID token that an application got from this provider for one of our clients."""
        if len(token) > id_token.MAX_LENGTH:
            raise Refusal("invalid_id_token", "The ID token is refused: it is too long.")
        async with in_time():
            _, keys = await self._discovered(now)
            client_ids = (self._profile.client_id, *self._profile.app_client_ids)
            claims = await self._checked(token, keys, client_ids=client_ids, nonce=nonce, now=now)
        return self._proven(token, claims)

    # ── discovery and keys ──

    async def _discovered(self, now: float) -> tuple[ProviderMetadata, IssuerKeys]:
        """The metadata, at most a day old, and the keys it refers to."""
        if self._metadata is not None and self._keys is not None and 0 <= now - self._discovered_at < DISCOVERY_SECONDS:
            return self._metadata, self._keys
        async with self._lock:
            if self._failed_at is not None and 0 <= now - self._failed_at < FIRST_BACKOFF_SECONDS:
                raise FetchError(f"{self._profile.issuer} did not answer a moment ago")
            try:
                async with asyncio.timeout(FETCH_SECONDS):
                    return await self._discover(now)
            except (FetchError, TimeoutError):
                self._failed_at = now
                raise

    async def _discover(self, now: float) -> tuple[ProviderMetadata, IssuerKeys]:
        found = await self._json(f"{self._profile.discovery}/.well-known/openid-configuration")
        if (
            found.get("issuer") != self._profile.issuer
        ):  # Discovery §4.3: otherwise the document belongs to another issuer
            raise FetchError(f"the metadata of {self._profile.discovery} is about another issuer")
        methods = found.get("token_endpoint_auth_methods_supported")
        metadata = ProviderMetadata(
            authorization_endpoint=self._site.checked_endpoint(found, "authorization_endpoint"),
            token_endpoint=self._site.checked_endpoint(found, "token_endpoint"),
            userinfo_endpoint=self._site.checked_endpoint(found, "userinfo_endpoint")
            if "userinfo_endpoint" in found
            else None,
            posts_secret=isinstance(methods, list) and "client_secret_basic" not in methods,
            names_itself=found.get("authorization_response_iss_parameter_supported") is True,
        )
        jwks_url = self._site.checked_endpoint(found, "jwks_uri")
        # Keys without an algorithm are for RS256, which every provider supports (Core §15.1).
        keys = IssuerKeys(self._profile.discovery, jwks_url=jwks_url, alg="RS256")
        self._metadata, self._keys, self._discovered_at, self._failed_at = metadata, keys, now, None
        return metadata, keys

    async def _checked(
        self, token: str, keys: IssuerKeys, *, client_ids: tuple[str, ...], nonce: str | None, now: float
    ) -> dict[str, Any]:
        """Check an ID token; for an unknown key, fetch the keys once more, and then not again for a while."""
        async with self._lock:
            if keys.is_due(now):
                await self._fetch_keys(keys, now)
        if not keys.is_usable(now):
            raise FetchError(f"the keys of {self._profile.issuer} cannot be had: {keys.failure}")

        def check() -> dict[str, Any]:
            policy = id_token.IdTokenPolicy(
                keys=keys.keys, is_issuer=self._profile.is_issuer, client_ids=client_ids, nonce=nonce, now=now
            )
            return id_token.check(token, policy)

        try:
            try:
                claims = check()
            except UnknownKeyError:
                if not keys.may_ask(now):
                    raise
                await self._fetch_keys(keys, now)
                claims = check()
        except JoseError as error:
            raise id_token.refused_by(error) from error
        if reason := self._profile.refuse(claims):
            raise Refusal("provider_denied", f"The settings do not allow this account of the provider: {reason}.")
        return claims

    async def _fetch_keys(self, keys: IssuerKeys, now: float) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                keys.learn(await follow(keys.refresh(now), self._http), now)
        except (FetchError, TimeoutError) as error:
            keys.fail(str(error) or "no whole answer in time", now)

    # ── the code ──

    def _check_sender(self, answer: Mapping[str, str], metadata: ProviderMetadata) -> None:
        """RFC 9207 §2.4: never send the code of another authorization server to this one."""
        sender = answer.get("iss")
        if sender is None and not metadata.names_itself:
            return
        if sender is None or (sender != self._profile.issuer and "{" not in self._profile.issuer):
            raise Refusal("invalid_state", "The answer is from another provider.")

    async def _trade(self, code: str, journey: Journey, metadata: ProviderMetadata, now: float) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": journey.redirect_uri,
            "code_verifier": journey.verifier,
        }
        headers: dict[str, str] = {}
        secret = self._profile.client_secret(now)
        if secret and not metadata.posts_secret:
            headers["Authorization"] = basic(self._profile.client_id, secret)
        else:
            form |= {"client_id": self._profile.client_id} | ({"client_secret": secret} if secret else {})
        return await trade(self._http, Post(metadata.token_endpoint, form, headers), self._profile.issuer)

    async def _userinfo(self, url: str, access_token: object, claims: dict[str, Any]) -> dict[str, Any]:
        """OpenID Connect Core §5.3: the address of the same user, if the ID token does not have it."""
        if not isinstance(access_token, str):
            return {}
        answer = await self._http.get(url, {"Authorization": f"Bearer {access_token}"})
        found = read_json(answer, self._profile.issuer)
        if found.get("sub") != claims["sub"]:
            raise FetchError(f"the userinfo of {self._profile.issuer} is about another user")
        return {name: found[name] for name in ("email", "email_verified") if name in found}

    async def _json(self, url: str) -> dict[str, Any]:
        answer = await self._http(url)
        if answer.status != _HTTP_OK:
            raise FetchError(f"{url} answered {answer.status}")
        return read_json(answer, self._profile.issuer)

    def _proven(self, token: str, claims: dict[str, Any]) -> ProvenIdentity:
        email = claims.get("email")
        return ProvenIdentity(
            claimed=Claimed(
                provider=self.id,
                issuer=claims["iss"],
                subject=claims["sub"],
                email=email if isinstance(email, str) else "",
                email_is_verified=self._profile.is_email_verified(claims),
            ),
            once=id_token.name_of(token),
            until=claims["iat"] + id_token.MAX_AGE_SECONDS + id_token.SKEW_SECONDS,
        )


def challenge_of(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    return base64url.encode(hashlib.sha256(verifier.encode()).digest())


def basic(client_id: str, secret: str) -> str:
    """RFC 6749 §2.3.1: both are form-encoded first, so that either may contain a colon."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def code_of(answer: Mapping[str, str]) -> str:
    """The code of an answer (RFC 6749 §4.1.2).

    Raises:
        Refusal: `provider_denied`, when it has an error instead, or nothing.
    """
    if "error" in answer or not answer.get("code"):
        raise Refusal("provider_denied", "The provider did not confirm the sign-in.")
    return answer["code"]


async def trade(http: HttpxFetch, post: Post, issuer: str) -> dict[str, Any]:
    """Send a code to the token endpoint, and read the answer.

    Raises:
        Refusal: `provider_denied`, when the code is none, used, or was not asked for by us.
        FetchError: There is no answer, or we are not the client that we say we are.
    """
    try:
        return read_json(await http.post(post), issuer)
    except RefusedError as error:
        if error.code == "invalid_grant":
            raise Refusal("provider_denied", "The provider did not confirm the sign-in.") from error
        raise


@asynccontextmanager
async def in_time() -> AsyncGenerator[None]:
    """Run a request to a provider with a time limit.

    Raises:
        Unavailable: `provider_unavailable`, when it is away, too slow, or answers nonsense; the log says which.
    """
    try:
        async with asyncio.timeout(EXCHANGE_SECONDS):
            yield
    except (FetchError, TimeoutError) as error:
        reason = str(error) or f"no whole answer within {EXCHANGE_SECONDS:g} seconds"
        raise Unavailable(
            "provider_unavailable", "The provider cannot be reached: try again shortly.", private=reason, retry_after=5
        ) from error
