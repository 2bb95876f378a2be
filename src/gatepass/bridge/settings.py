"""The settings of a bridge: a TOML file, checked as a whole before anything starts."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec

from gatepass.bridge.shares import MAX_ENTRIES
from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens.bridge_entry import MIN_SECRET_LENGTH, FeedSecret
from gatepass.verify.issuer import checked_url, is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

TransmitterKind: TypeAlias = Literal["backchannel-logout", "ssf-push", "ssf-poll", "global-revocation"]

SECRET_VARIABLE = "GATEPASS_FEED_SECRET"  # noqa: S105 - the name of a variable
"""The environment's variable with the feed's secret, where no file is named."""

DAY_SECONDS = 86_400
LONGEST_TOKEN_SECONDS = 7 * DAY_SECONDS

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SIGNED: frozenset[TransmitterKind] = frozenset(("backchannel-logout", "ssf-push", "ssf-poll"))

Seconds: TypeAlias = Annotated[int, msgspec.Meta(ge=60, le=LONGEST_TOKEN_SECONDS)]
PollSeconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=3_600)]
Entries: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=MAX_ENTRIES)]
Port: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class BridgeSettingsError(Exception):
    """A setting is missing or wrong.

    Attributes:
        message: What is wrong.
        hint: What to do.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class TransmitterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One party whose notices are taken, and whose tokens they may end."""

    name: Annotated[str, msgspec.Meta(description="Its name in the path of its notices, `/notices/NAME`.")]
    kind: Annotated[TransmitterKind, msgspec.Meta(description="What it sends.")]
    issuer: Annotated[
        str,
        msgspec.Meta(description="Whose tokens its notices may end: the `iss` of the tokens. Nobody else's."),
    ]
    signer: Annotated[
        str | None,
        msgspec.Meta(description="The `iss` of its notices, if that is not the tokens' issuer."),
    ] = None
    audience: Annotated[
        str | None,
        msgspec.Meta(
            description="What `aud` of its notices must name: the client, or the receiver, that it knows. With"
            " `global-revocation`: that of the signed JWT which its requests come with, in place of a bearer token."
        ),
    ] = None
    jwks_uri: Annotated[
        str | None,
        msgspec.Meta(description="Where its keys are, if its metadata does not say (RFC 8414, OpenID Discovery)."),
    ] = None
    token_file: Annotated[
        str | None,
        msgspec.Meta(description="A file with the bearer token: the one that it sends, or with `ssf-poll` ours."),
    ] = None
    token_sha256: Annotated[
        str | None,
        msgspec.Meta(description="The SHA-256 digest, in hexadecimal, of the bearer token that it sends."),
    ] = None
    poll_url: Annotated[
        str | None, msgspec.Meta(description="With `ssf-poll`: where its events are fetched (RFC 8936).")
    ] = None
    client_id: Annotated[
        str | None,
        msgspec.Meta(
            description="With `ssf-poll`, in place of `token_file`: our client there, which gets its tokens itself."
        ),
    ] = None
    client_secret_file: Annotated[str | None, msgspec.Meta(description="The file with that client's secret.")] = None
    scope: Annotated[str | None, msgspec.Meta(description="The scopes that it asks for, separated by spaces.")] = None
    poll_seconds: Annotated[
        PollSeconds,
        msgspec.Meta(description="With `ssf-poll`: the pause after an answer without events."),
    ] = 1.0
    token_seconds: Annotated[
        Seconds,
        msgspec.Meta(
            description="How long the issuer's tokens live at most. What is revoked is kept that long, and 5 minutes."
        ),
    ] = DAY_SECONDS

    max_entries: Annotated[
        Entries | None,
        msgspec.Meta(
            description="How many subjects and sign-ins it may have revoked at once; without it, an equal part of what"
            " the others leave of 50,000."
        ),
    ] = None

    tokens_have_sid: Annotated[
        bool,
        msgspec.Meta(
            description="Whether access tokens name their sign-in. If not, a notice about a sign-in ends everything of"
            " the person that it names, too."
        ),
    ] = True

    @property
    def signed_by(self) -> str:
        """The `iss` of its notices."""
        return self.signer or self.issuer

    def bearer_digest(self) -> bytes | None:
        """The digest of the bearer token that it sends; None: it sends none.

        Raises:
            BridgeSettingsError: The file cannot be read.
        """
        if self.token_sha256 is not None:
            return bytes.fromhex(self.token_sha256)
        return None if self.token_file is None else hashlib.sha256(self.bearer().encode()).digest()

    def bearer(self) -> str:
        """The bearer token in the file.

        Raises:
            BridgeSettingsError: The file cannot be read.
        """
        return _read_secret(Path(self.token_file or ""), f"token_file of transmitter {self.name}")

    def client_secret(self) -> str:
        """The client's secret in the file.

        Raises:
            BridgeSettingsError: The file cannot be read.
        """
        return _read_secret(Path(self.client_secret_file or ""), f"client_secret_file of transmitter {self.name}")

    def check(self, *, allow_http: bool) -> None:
        """Refuse what cannot work, or would take notices of anybody.

        Raises:
            BridgeSettingsError: It is refused.
        """
        where = f"transmitter {self.name}"
        if not _NAME.fullmatch(self.name):
            raise BridgeSettingsError(
                f"The transmitter name {self.name[:80]!r} cannot be in a path.",
                'Use small letters, digits and hyphens, as in name = "keycloak".',
            )
        urls = {"issuer": self.issuer, "signer": self.signer, "jwks_uri": self.jwks_uri, "poll_url": self.poll_url}
        for name, url in urls.items():
            if url is not None:
                _check_url(url, name, where, allow_http=allow_http)
        for name, is_needed in self._needed().items():
            if is_needed is not None and is_needed == (getattr(self, name) is None):
                verb = "needs" if is_needed else "has no use for"
                raise BridgeSettingsError(
                    f"{where[0].upper()}{where[1:]} of kind {self.kind} {verb} {name}.",
                    f"docs/guides/bridge.md shows the settings of {self.kind}.",
                )
        if self.token_sha256 is not None and (self.token_file is not None or not _DIGEST.fullmatch(self.token_sha256)):
            raise BridgeSettingsError(
                f"token_sha256 of {where} is not 64 hexadecimal digits, or stands beside token_file.",
                "Write one of the two: printf %s TOKEN | sha256sum shows the digest.",
            )
        if self.kind == "ssf-poll" and (self.token_file is None) == (self.client_id is None):
            raise BridgeSettingsError(
                f"{where[0].upper()}{where[1:]} of kind ssf-poll needs token_file, or client_id with its secret.",
                "One of them proves to the transmitter who fetches.",
            )
        if self.kind == "global-revocation" and (self.bearer_digest() is None) == (self.audience is None):
            raise BridgeSettingsError(
                f"{where[0].upper()}{where[1:]} of kind global-revocation needs token_file or token_sha256, or"
                " audience.",
                "Either a bearer token tells who sends a request, or a signed JWT for this audience does.",
            )

    def _needed(self) -> Mapping[str, bool | None]:
        """Whether each setting has to be there, must not be, or may be."""
        is_signed, polls = self.kind in _SIGNED or self.audience is not None, self.kind == "ssf-poll"
        may_have_token = None if self.kind != "backchannel-logout" else False
        return {
            "audience": True if self.kind in _SIGNED else None,
            "signer": None if is_signed else False,
            "jwks_uri": None if is_signed else False,
            "poll_url": polls,
            "token_file": may_have_token,
            "client_id": None if polls else False,
            "client_secret_file": self.client_id is not None,
            "scope": None if self.client_id is not None else False,
            "token_sha256": False if polls else may_have_token,
        }


class BridgeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    issuer: Annotated[
        str,
        msgspec.Meta(description="The bridge's own public URL, without a path: `feed_issuer` at every verifier."),
    ]
    data_dir: Annotated[str, msgspec.Meta(description="The folder of its data and its signing key.")]
    transmitters: Annotated[
        tuple[TransmitterSettings, ...],
        msgspec.Meta(min_length=1, description="Whose notices are taken, each in a table of its own."),
    ]
    feed_secret_file: Annotated[
        str | None,
        msgspec.Meta(
            description=f"The file with the secret that it shares with its readers; without one, `{SECRET_VARIABLE}`"
            " in the environment."
        ),
    ] = None
    host: Annotated[str, msgspec.Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, msgspec.Meta(description="The port to listen on; 0 for one that is free.")] = 8083
    tls_cert: Annotated[str | None, msgspec.Meta(description="A PEM file with a certificate, to serve TLS.")] = None
    tls_key: Annotated[str | None, msgspec.Meta(description="The PEM file with the certificate's key.")] = None
    behind_proxy: Annotated[
        bool, msgspec.Meta(description="A proxy before it does TLS: needed on another address than this machine's.")
    ] = False
    allow_http_in_development: Annotated[
        bool, msgspec.Meta(description="Fetch without TLS within a development network.")
    ] = False

    def check(self) -> None:
        """Refuse what cannot work.

        Raises:
            BridgeSettingsError: It is refused.
        """
        parts = _check_url(self.issuer, "issuer", "the bridge", allow_http=self.allow_http_in_development)
        if parts.path:
            raise BridgeSettingsError("issuer of the bridge has a path.", "Write it as https://bridge.example.com.")
        names = [each.name for each in self.transmitters]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise BridgeSettingsError(f"Two transmitters are named {twice}.", "Give each a name of its own.")
        for transmitter in self.transmitters:
            transmitter.check(allow_http=self.allow_http_in_development)
            if self.issuer in (transmitter.issuer, transmitter.signed_by):
                raise BridgeSettingsError(
                    f"Transmitter {transmitter.name} has the bridge's own issuer.",
                    "issuer of a transmitter is whose tokens it may end.",
                )
        if min(self.shares().values()) < 1 or sum(self.shares().values()) > MAX_ENTRIES:
            raise BridgeSettingsError(
                f"max_entries of all transmitters is more than {MAX_ENTRIES}, or leaves nothing to the others.",
                "Lower max_entries: each transmitter needs a share of its own.",
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise BridgeSettingsError("tls_cert and tls_key go together.", "Write both, or none of them.")
        if not (_is_this_machine(self.host) or self.behind_proxy or self.tls_cert):
            raise BridgeSettingsError(
                f"On {self.host} notices would come without TLS.",
                "Write tls_cert and tls_key, or behind_proxy = true if a proxy before it does TLS.",
            )

    def shares(self) -> dict[str, int]:
        """How many entries each transmitter may have: what it says, or an equal part of what the others leave."""
        said = [each.max_entries for each in self.transmitters if each.max_entries is not None]
        equal = (MAX_ENTRIES - sum(said)) // max(1, len(self.transmitters) - len(said))
        return {each.name: each.max_entries or equal for each in self.transmitters}

    def secret(self, environment: Mapping[str, str]) -> FeedSecret:
        """The secret that it shares with its readers.

        Raises:
            BridgeSettingsError: There is none, or it is too short.
        """
        if self.feed_secret_file is not None:
            text = _read_secret(Path(self.feed_secret_file), "feed_secret_file")
        elif (text := environment.get(SECRET_VARIABLE, "").strip()) == "":
            raise BridgeSettingsError(
                f"There is no secret for the feed: neither feed_secret_file nor {SECRET_VARIABLE}.",
                "openssl rand -base64 32 > feed-secret",
            )
        try:
            return FeedSecret(text)
        except InvalidPolicyError:
            raise BridgeSettingsError(
                f"The feed's secret has fewer than {MIN_SECRET_LENGTH} characters.",
                "openssl rand -base64 32 > feed-secret",
            ) from None


def load(path: Path) -> BridgeSettings:
    """Read and check a file.

    Raises:
        BridgeSettingsError: It is refused.
        OSError: It cannot be read.
    """
    try:
        settings = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), BridgeSettings)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BridgeSettingsError(f"{path} is not TOML: {error}.", "docs/guides/bridge.md has a whole file.") from None
    except msgspec.ValidationError as error:
        raise BridgeSettingsError(f"{path}: {error}.", "docs/guides/bridge.md lists the settings.") from None
    settings.check()
    return settings


def _check_url(url: str, name: str, where: str, *, allow_http: bool) -> SplitResult:
    try:
        return checked_url(url, name, allow_http=allow_http)
    except InvalidPolicyError as error:
        raise BridgeSettingsError(f"{where}: {error}.", f"Write {name} as https://…") from None


def _is_this_machine(host: str) -> bool:
    return is_loopback(f"http://[{host}]" if ":" in host else f"http://{host}")


def _read_secret(path: Path, name: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BridgeSettingsError(f"{name} cannot be read: {error}.", "Name a file that this user can read.") from None
    if not text:
        raise BridgeSettingsError(f"{name} is empty.", "Write the secret into it, and nothing else.")
    return text
