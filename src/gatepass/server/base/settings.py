"""Every setting: one field, one line of description, three places to set it.

A setting `port` is `--port` on the command line (where the command offers it), `GATEPASS_PORT` in the environment, and
`port = 8000` in a TOML file, in that order of precedence. What is not a setting refuses to start: a typing error in a
security setting must not go unnoticed.
"""

from __future__ import annotations

import difflib
import ipaddress
import logging
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_origin, get_type_hints
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Meta

from gatepass.jose.errors import MalformedError
from gatepass.jose.strict_json import decode_object
from gatepass.server.base.errors import StartupError
from gatepass.server.base.provider_settings import ProviderSettings, check_provider
from gatepass.tokens.access_token import MAX_LIFETIME

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("gatepass")

_TABLE_DEPTH = 8
ENVIRONMENT_PREFIX = "GATEPASS_"
DEFAULT_PORT = 8000

_DAY = 86_400
Seconds = Annotated[int, Meta(ge=0)]

_ISSUER = re.compile(r"https?://[\w.~:/\[\]%!$&'()*+,;=-]+", re.ASCII)
"""RFC 3986 without what RFC 8414 §2 rules out; the scheme in lower case, since much depends on its being https."""
NAME = re.compile(r"[!#-\[\]-~]+")
"""A scope-token of RFC 6749 §3.3. Grants keep lists of them between blanks, so a blank would make two of one."""
OWN_SCOPE_PREFIX = "gatepass:"
"""Scopes that begin so are rights at this server: the operator gives them to a client by name, and nobody else can."""
_IP = r"(\d{1,3}(\.\d{1,3}){3}|\[?[0-9a-f:]+(\.\d+){0,3}\]?)"
_SERVICE_LINKS = tuple(
    (re.compile(rf"GATEPASS(_[A-Z0-9_]+)?_{name}", re.ASCII), re.compile(value, re.ASCII))
    for name, value in (
        ("SERVICE_HOST", _IP),
        (r"SERVICE_PORT(_[A-Z0-9_]+)?", r"\d+"),
        (r"PORT(_\d+_(TCP|UDP|SCTP))?", rf"(tcp|udp|sctp)://{_IP}:\d+"),
        (r"PORT_\d+_(TCP|UDP|SCTP)_PROTO", "tcp|udp|sctp"),
        (r"PORT_\d+_(TCP|UDP|SCTP)_PORT", r"\d+"),
        (r"PORT_\d+_(TCP|UDP|SCTP)_ADDR", _IP),
    )
)
"""What Kubernetes sets in every container for each Service beside it, whose names begin like ours when it is called so."""
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d+)?", re.ASCII)
"""As browsers write it (RFC 6454 §6.2); never `null`, which any page can have, nor `*`."""
_DOMAIN = re.compile(r"[^\W_][\w-]*(\.[^\W_][\w-]*)+")
_UTF_8 = "utf-8-sig"
"""Of files that people write: what some editors and PowerShell put before the first character does not count."""
_POSTGRES_SCHEMES = ("postgresql://", "postgres://")
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/]*@|(?<=[?&])(password=)[^&]*")


_SMTP = re.compile(r"smtps?://([\w.%+-]+@)?(\[[0-9a-f:]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII)
"""Without a password: that is a setting of its own, which nothing prints."""
_SENDER = re.compile(r"[\w.+-]+@[\w.-]+", re.ASCII)
LOGO_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
IN_FILES = ("database", "master_key", "metrics_token", "outbox_key", "providers", "signup_check_token", "smtp_password")
"""Settings with secrets: each can be in a file instead, which `NAME_file` names."""
_SECRET = ("master_key", "metrics_token", "outbox_key", "providers", "signup_check_token", "smtp_password")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server's settings, checked as a whole when made (see `load`)."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "localhost"
    port: Annotated[int, Meta(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = DEFAULT_PORT
    issuer: Annotated[
        str,
        Meta(description="This server's URL as others see it, the `iss` of every token. Empty: http://localhost:PORT."),
    ] = ""
    audience: Annotated[
        tuple[str, ...],
        Meta(description="APIs that first-party tokens are for, besides the issuer itself: each is one more `aud`."),
    ] = ()
    scopes: Annotated[
        tuple[str, ...], Meta(description="Scopes that a first-party login may have; all when it asks for none.")
    ] = ()
    data_dir: Annotated[str, Meta(description="Folder for the database and the master key.")] = "gatepass-data"
    database: Annotated[
        str,
        Meta(description="sqlite:///FILE or postgresql://USER@HOST/NAME. Empty: gatepass.db in the data folder."),
    ] = ""
    database_connections: Annotated[
        int, Meta(ge=1, description="Most connections to PostgreSQL of a server process, besides the one that listens.")
    ] = 16
    failover_rest_seconds: Annotated[
        Seconds,
        Meta(
            description="How long refreshes are answered 503 after PostgreSQL failed over, in seconds; 0 where its replication is synchronous."
        ),
    ] = 30
    master_key: Annotated[
        str,
        Meta(
            description="32 bytes in base64url that encrypt private keys at rest. Empty: master.key in the data folder, made if absent."
        ),
    ] = ""
    alg: Annotated[
        Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "Ed25519", "HS256"],
        Meta(
            description="Algorithm that access tokens are signed with. HS256 is for exactly one API that shares the secret."
        ),
    ] = "ES256"
    access_token_seconds: Annotated[
        int, Meta(ge=1, le=MAX_LIFETIME, description="Life of an access token, in seconds; at most an hour.")
    ] = 900
    refresh_quiet_seconds: Annotated[
        Seconds,
        Meta(description="How long a refresh token may be used again before its use brings a new one, in seconds."),
    ] = 60
    refresh_grace_seconds: Annotated[
        Seconds,
        Meta(
            description="How long after the last answer the refresh token before it still counts as a straggler's, in seconds."
        ),
    ] = 30
    session_idle_seconds: Annotated[
        int, Meta(ge=1, description="A session ends after this long without a refresh, in seconds.")
    ] = 14 * _DAY
    session_max_seconds: Annotated[
        int, Meta(ge=1, description="A session ends this long after its sign-in, in seconds.")
    ] = 90 * _DAY
    jwks_max_age_seconds: Annotated[
        Seconds, Meta(description="How long others may cache the JWKS and the metadata, in seconds.")
    ] = 300
    key_rotation_seconds: Annotated[
        Seconds, Meta(description="A new signing key takes over each time after this long, in seconds; 0: never.")
    ] = 30 * _DAY
    key_prepublish_seconds: Annotated[
        Seconds,
        Meta(
            description="How long a new key is in the JWKS before it signs, in seconds; at least `jwks_max_age_seconds` and a minute."
        ),
    ] = _DAY
    status_list_seconds: Annotated[
        int, Meta(ge=2, description="How long a copy of a status list is fresh, its `ttl`, in seconds.")
    ] = 30
    signup: Annotated[
        Literal["open", "closed"], Meta(description="Whether anybody may sign up, or only the operator adds people.")
    ] = "open"
    signup_domains: Annotated[
        tuple[str, ...],
        Meta(description="Domains whose addresses people may sign up with, and change to; exactly these. Empty: any."),
    ] = ()
    signup_check_url: Annotated[
        str,
        Meta(
            description="Service that is asked, by POST, whether somebody may sign up: a captcha, say. Empty: nobody is asked."
        ),
    ] = ""
    signup_check_token: Annotated[str, Meta(description="Bearer token for that service.")] = ""
    signups_per_address: Annotated[
        int,
        Meta(ge=1, description="Accounts that may be made from one address (or IPv6 /64) in an hour, without a pause."),
    ] = 50
    password_min_length: Annotated[
        int,
        Meta(
            ge=8,
            le=128,
            description="Fewest characters of a new password; NIST SP 800-63B-4 asks for 15 where it is the only factor.",
        ),
    ] = 15
    password_min_length_with_factor: Annotated[
        int, Meta(ge=8, le=128, description="Fewest characters where a second factor is asked besides the password.")
    ] = 8
    leaked_passwords_url: Annotated[
        str,
        Meta(
            description="Where five hexadecimal digits are put after to look a new password up among leaked ones (k-anonymity ranges). Empty: only the built-in list."
        ),
    ] = ""
    remember_device_days: Annotated[
        int,
        Meta(
            ge=0,
            le=365,
            description="How long a browser that asked for it is not asked for the second factor again, in days; 0: never.",
        ),
    ] = 30
    attempts_per_account: Annotated[
        int, Meta(ge=1, le=100, description="Failed sign-ins at one account that cost no pause; a success clears them.")
    ] = 10
    attempts_per_address: Annotated[
        int, Meta(ge=1, description="Failed sign-ins from one address (or IPv6 /64) that cost no pause.")
    ] = 100
    attempt_pause_seconds: Annotated[
        int,
        Meta(ge=1, description="First pause after too many failed attempts, in seconds; each further one doubles it."),
    ] = 30
    attempt_longest_pause_seconds: Annotated[
        int, Meta(ge=1, description="Longest pause between attempts, in seconds.")
    ] = 900
    account_window_seconds: Annotated[
        int, Meta(ge=1, description="How long failures at an account count from the first one on, in seconds.")
    ] = _DAY
    address_window_seconds: Annotated[
        int, Meta(ge=1, description="How long failures from an address count from the first one on, in seconds.")
    ] = 3_600
    events_days: Annotated[int, Meta(ge=1, description="How long events are kept, in days.")] = 180
    site_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            description="What pages, mails and authenticators call this site.",
        ),
    ] = "Gatepass"
    site_logo: Annotated[
        str, Meta(description="Logo of the pages, an SVG, PNG, WebP or JPEG file. Empty: Gatepass's own.")
    ] = ""
    site_style: Annotated[
        str, Meta(description="CSS file that gives the pages' variables other values, for a look of one's own.")
    ] = ""
    smtp_url: Annotated[
        str,
        Meta(
            description="Mail server: smtps://USER@HOST:465, or smtp://USER@HOST:587 with STARTTLS. Empty: no mail, but on loopback an outbox to look at."
        ),
    ] = ""
    smtp_password: Annotated[str, Meta(description="Password for the mail server.")] = ""
    smtp_ca_file: Annotated[
        str, Meta(description="Certificates to trust the mail server by, a PEM file. Empty: the system's.")
    ] = ""
    outbox_key: Annotated[
        str,
        Meta(
            description="What opens the outbox on loopback, the `key` in the link that `serve` prints. Empty: a new one at each start."
        ),
    ] = ""
    mail_from: Annotated[str, Meta(description="Sender of the mails. Empty: no-reply at the issuer's host.")] = ""
    mails_per_address: Annotated[
        int,
        Meta(
            ge=1, description="Mails that anybody may have sent to one e-mail address within an hour, without a pause."
        ),
    ] = 5
    mail_link_seconds: Annotated[
        int, Meta(ge=60, description="Life of a link to verify an address or set a new password, in seconds.")
    ] = 3_600
    mail_code_seconds: Annotated[
        int, Meta(ge=60, description="Life of a link or code to sign in with, in seconds.")
    ] = 600
    recent_sign_in_seconds: Annotated[
        int,
        Meta(
            ge=60,
            description="How recent a sign-in must be for changing address or password, or deleting the account, in seconds.",
        ),
    ] = 600
    providers: Annotated[
        dict[str, ProviderSettings],
        Meta(description="Other sites to sign in with: a table each, `[providers.google]`; JSON in the environment."),
    ] = msgspec.field(default_factory=dict[str, ProviderSettings])
    argon2_memory_kib: Annotated[int, Meta(ge=8, description="Memory of a password hash, in KiB.")] = 19_456
    argon2_passes: Annotated[int, Meta(ge=1, description="Passes of a password hash over its memory.")] = 2
    argon2_lanes: Annotated[int, Meta(ge=1, le=16, description="Lanes of a password hash.")] = 1
    login_queue_length: Annotated[
        int, Meta(ge=1, description="Logins that may wait for a core; more are answered 503 with Retry-After.")
    ] = 64
    browser_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins besides the issuer's own whose pages may use cookie mode; they must be of the same site."
        ),
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...], Meta(description="Origins whose pages may call this server with a bearer token (CORS).")
    ] = ()
    max_body_bytes: Annotated[int, Meta(ge=1_024, description="Largest request body, in bytes.")] = 65_536
    request_seconds: Annotated[
        int,
        Meta(ge=1, description="Longest time for a request's headers to arrive, and again for its body, in seconds."),
    ] = 10
    max_connections: Annotated[
        int,
        Meta(
            ge=16,
            description="Most connections of a server process, as far as its limit of open files allows; requests on more are answered 503.",
        ),
    ] = 8_192
    max_streams: Annotated[
        int,
        Meta(
            ge=1,
            description="Most readers of the revocation stream of a server process, and never more than half of the connections.",
        ),
    ] = 4_096
    reserved_streams: Annotated[
        int,
        Meta(
            ge=0,
            description="How many of these, up to half, are kept for readers that authenticate as a registered client.",
        ),
    ] = 1_024
    streams_per_address: Annotated[
        int,
        Meta(ge=1, description="Most streams to one address (or IPv6 /64) whose readers do not authenticate."),
    ] = 1_024
    stream_seconds: Annotated[
        int,
        Meta(ge=1, description="A stream ends after this long or up to a quarter less, in seconds; readers come back."),
    ] = 3_600
    workers: Annotated[int, Meta(ge=1, le=256, description="Server processes on this machine, behind one socket.")] = 1
    drain_seconds: Annotated[
        int,
        Meta(
            ge=0,
            description="How long to go on serving after SIGTERM while /ready says no, in seconds; for load balancers to notice.",
        ),
    ] = 0
    metrics_token: Annotated[
        str,
        Meta(
            description="Bearer token that opens /metrics. Empty: only this machine may look, and only while the issuer is on loopback."
        ),
    ] = ""
    traces: Annotated[
        str, Meta(description="OTLP endpoint for traces, http://localhost:4318/v1/traces say. Empty: no traces.")
    ] = ""
    shutdown_seconds: Annotated[
        int, Meta(ge=0, description="How long requests in flight may take to finish at shutdown, in seconds.")
    ] = 10
    tls_cert: Annotated[str, Meta(description="Certificate chain for HTTPS, a PEM file.")] = ""
    tls_key: Annotated[str, Meta(description="Private key for HTTPS, a PEM file.")] = ""
    trusted_proxy: Annotated[
        tuple[str, ...],
        Meta(description="Networks (CIDR) of proxies that speak HTTPS for us and are believed about who calls."),
    ] = ()
    trusted_header: Annotated[
        str,
        Meta(
            description="The one header in which they say who calls; `Forwarded` is read by RFC 7239, any other as a list of addresses."
        ),
    ] = "X-Forwarded-For"
    allow_undeclared_proxy: Annotated[
        bool,
        Meta(
            description="Whether to serve others from loopback without `trusted_proxy`: then all of them seem to call from one address."
        ),
    ] = False

    def __repr__(self) -> str:
        """Show everything but the secrets."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name not in _SECRET}
        return f"Settings({shown | {'database': self.database_shown}})"

    @property
    def issuer_url(self) -> str:
        """The issuer: as set, or the loopback URL that this server listens on."""
        scheme = "https" if self.tls_cert else "http"
        return self.issuer or f"{scheme}://localhost:{self.port}"

    @property
    def first_party_audience(self) -> tuple[str, ...]:
        """`aud` of first-party tokens: the server's own calls, and the APIs that are set."""
        return tuple(dict.fromkeys((self.issuer_url, *self.audience)))

    @property
    def mail(self) -> Literal["smtp", "outbox", "none"]:
        """Where mails go: to the mail server, or on a machine of one's own to a page that shows them."""
        if self.smtp_url:
            return "smtp"
        is_local = is_loopback(self.host) and is_loopback(urlsplit(self.issuer_url).hostname or "")
        return "outbox" if is_local and not self.trusted_proxy else "none"

    @property
    def outbox_url(self) -> str:
        """Where the mails can be read that were not sent."""
        return f"{self.issuer_url}/pages/outbox?key={quote(self.outbox_key, safe='')}"

    @property
    def sender(self) -> str:
        """Whom mails are from."""
        return self.mail_from or f"no-reply@{urlsplit(self.issuer_url).hostname}"

    @property
    def sqlite_path(self) -> Path:
        """Where the SQLite database is."""
        return Path(self.database.removeprefix("sqlite:///") if self.database else f"{self.data_dir}/gatepass.db")

    @property
    def is_on_postgres(self) -> bool:
        """Whether the database is PostgreSQL, and not SQLite."""
        return self.database.startswith(_POSTGRES_SCHEMES)

    @property
    def database_shown(self) -> str:
        """Where the data is, without a password."""
        return _PASSWORD.sub(_hidden, self.database) if self.is_on_postgres else str(self.sqlite_path)

    @property
    def master_key_path(self) -> Path:
        """Where the master key is, when it is not set."""
        return Path(self.data_dir) / "master.key"


def _hidden(password: re.Match[str]) -> str:
    return f"{password[1]}@" if password[2] is None else password[2]


def load(
    *, flags: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None, file: Path | None = None
) -> Settings:
    """Merge flags over environment over file, and check the whole.

    Args:
        flags: by field name; `None` means not given.
        environment: only names that begin with `GATEPASS_` count; lists are separated by commas.
        file: a TOML file of the same names.

    Raises:
        StartupError: an unknown name, a value of the wrong type or out of range, or settings that contradict each other.
    """
    merged: dict[str, object] = {}
    if file is not None:
        merged |= _known(_with_secrets_from_files(_read_toml(file), f"in {file}"), f"in {file}")
    from_environment = _with_secrets_from_files(_from_environment(environment or {}), "in the environment")
    merged |= _known(from_environment, "in the environment")
    merged |= {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise StartupError(f"A setting is wrong: {error}.", "`docs/reference/settings.md` lists them all.") from error
    _check(settings)
    return settings


def _read_toml(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding=_UTF_8))
    except OSError as error:
        raise StartupError(f"Cannot read {file}: {error.strerror}.", "Give --config an existing file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StartupError(
            f"{file} is not TOML: {error}.", 'A line looks like: port = 8000, or: audience = ["api"]'
        ) from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    environment = {variable: text for variable, text in environment.items() if variable.startswith(ENVIRONMENT_PREFIX)}
    links = sorted(variable for variable, text in environment.items() if _is_service_link(variable, text))
    if links:
        log.debug("ignored what Kubernetes says of its services: %s", ", ".join(links))
    hints = get_type_hints(Settings)
    lists = {name for name, kind in hints.items() if kind == tuple[str, ...]}
    tables = {name for name, kind in hints.items() if get_origin(kind) is dict}
    found: dict[str, object] = {}
    for variable in sorted(environment.keys() - links):
        name, text = variable.removeprefix(ENVIRONMENT_PREFIX).lower(), environment[variable]
        if name in tables:
            found[name] = _table(variable, text)
        else:
            found[name] = tuple(filter(None, (part.strip() for part in text.split(",")))) if name in lists else text
    return found


def _is_service_link(variable: str, text: str) -> bool:
    """Whether Kubernetes has set it for a Service whose name begins with `gatepass`, in name and value."""
    return any(name.fullmatch(variable) and value.fullmatch(text) for name, value in _SERVICE_LINKS)


def _with_secrets_from_files(values: dict[str, object], where: str) -> dict[str, object]:
    """Read each secret for which a file is named, `smtp_password_file` say."""
    found = dict(values)
    for name in IN_FILES:
        file = found.pop(f"{name}_file", None)
        if not file:  # what Compose makes of a variable that nobody has set
            continue
        if found.get(name):
            raise StartupError(f"Both {name} and {name}_file are set {where}.", "Set one of them.")
        text = _secret_in(file, f"{name}_file")
        found[name] = _table(f"{name}_file", text) if name == "providers" else text
    return found


def _secret_in(file: object, setting: str) -> str:
    """What a file holds, without the line's end."""
    try:
        text = Path(str(file)).read_text(encoding=_UTF_8).rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise StartupError(
            f"Cannot read {file}, which `{setting}` names: {why}.", "Name a file of one line."
        ) from error
    if not text:
        raise StartupError(f"{file}, which `{setting}` names, is empty.", "It holds the secret in one line.")
    return text


def _table(variable: str, text: str) -> dict[str, object]:
    try:
        return decode_object((text or "{}").encode(), _TABLE_DEPTH)
    except (MalformedError, UnicodeEncodeError) as error:
        raise StartupError(
            f"{variable} is not a JSON object.", 'It looks like {"google": {"client_id": "…"}}'
        ) from error


def _known(values: dict[str, object], where: str) -> dict[str, object]:
    for name in values:
        if name not in Settings.__struct_fields__:
            near = difflib.get_close_matches(name, Settings.__struct_fields__, n=1)
            hint = f"Did you mean {near[0]}?" if near else "`docs/reference/settings.md` lists them all."
            raise StartupError(f"Unknown setting {where}: {name}.", hint)
    return values


def _check(settings: Settings) -> None:
    """Whether the settings agree with each other."""
    for check in _CHECKS:
        check(settings)


def _check_issuer(settings: Settings) -> None:
    host = _host_of_url(settings.issuer_url)
    if not host:
        raise StartupError(
            "The issuer is not a URL.", "It looks like https://auth.example.com (RFC 8414 §2), maybe with a path."
        )
    if settings.issuer_url.endswith("/"):
        raise StartupError("The issuer ends with a slash.", f"Write {settings.issuer_url.rstrip('/')}")
    if (plain := as_browsers_write(settings.issuer_url)) != settings.issuer_url:
        raise StartupError(
            "The issuer is not spelled as browsers and other programs spell it: its host is in lower case, and the port"
            " that goes without saying is left out.",
            f"Write {plain}",
        )
    if settings.issuer_url.startswith("http:") and not is_loopback(host):
        raise StartupError(
            "The issuer is http on an address that is not loopback.", "Tokens travel by HTTPS: --issuer https://…"
        )


def as_browsers_write(url: str) -> str:
    """A URL with its host in lower case and without a port that goes without saying (WHATWG URL §4.4)."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _host_of_url(url: str) -> str | None:
    """The host of a URL that an issuer may have; None when it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # refuses one that is no port
    except ValueError:
        return None
    return parts.hostname if _ISSUER.fullmatch(url) else None


def _check_tls(settings: Settings) -> None:
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise StartupError("HTTPS needs both a certificate and its key.", "Give both --tls-cert and --tls-key.")
    for name in (settings.tls_cert, settings.tls_key):
        if name and not Path(name).is_file():
            raise StartupError(f"There is no file {name}.", "Give --tls-cert and --tls-key PEM files.")


def _check_address(settings: Settings) -> None:
    if is_loopback(settings.host) or settings.tls_cert or settings.trusted_proxy:
        return
    raise StartupError(
        f"Will not serve plain HTTP on {settings.host}: passwords and tokens would cross the network readable.",
        "Give --tls-cert and --tls-key, or --trusted-proxy CIDR of the proxy that speaks HTTPS for this server.",
    )


def _check_hs256(settings: Settings) -> None:
    if settings.alg == "HS256" and len(settings.first_party_audience) != 2:  # noqa: PLR2004 - the issuer and one API
        raise StartupError(
            "HS256 is for exactly one API besides this server: whoever can verify such a token can also forge one.",
            "Give one --audience, or choose another --alg; ES256 is the default.",
        )


def _check_names(settings: Settings) -> None:
    for setting, names in (("audience", settings.audience), ("scopes", settings.scopes)):
        for name in names:
            if not NAME.fullmatch(name):
                raise StartupError(
                    f"One of `{setting}` is not a name: {name!r}.",
                    "It is one word of ASCII without quotes (RFC 6749 §3.3).",
                )
            if name.startswith(OWN_SCOPE_PREFIX):
                raise StartupError(
                    f"One of `{setting}` is one of ours: {name!r}.",
                    f"What begins with {OWN_SCOPE_PREFIX} is a right at this server, which `gatepass client add` gives.",
                )


def _check_signup_domains(settings: Settings) -> None:
    for domain in settings.signup_domains:
        if not _DOMAIN.fullmatch(domain):
            raise StartupError(f"{domain!r} is not a domain.", "One of `signup_domains` looks like example.com")


def _check_origins(settings: Settings) -> None:
    for origin in (*settings.browser_origins, *settings.cors_origins):
        if not _ORIGIN.fullmatch(origin) or as_browsers_write(origin) != origin:
            raise StartupError(
                f"{origin!r} is not an origin.",
                "It looks like https://app.example.com, in lower case, without a path or the usual port.",
            )


def _check_proxies(settings: Settings) -> None:
    for network in settings.trusted_proxy:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise StartupError(
                f"{network} is not a network: {error}.", "It looks like 10.0.0.0/8 or 192.0.2.7/32."
            ) from error


def _check_trusted_header(settings: Settings) -> None:
    if not _HEADER.fullmatch(settings.trusted_header):
        raise StartupError("`trusted_header` is not the name of a header.", "It is X-Forwarded-For, say, or Forwarded.")


def check_proxy_is_declared(settings: Settings) -> None:
    """Whether it is known how others reach a server that listens on loopback, before it serves.

    Raises:
        StartupError: when a proxy must be there that is not declared. All people would share its address, and with it
            the limits on guessing.
    """
    if has_undeclared_proxy(settings) and not settings.allow_undeclared_proxy:
        raise StartupError(
            f"The issuer is {settings.issuer_url}, and this server listens on {settings.host} without a certificate, so a"
            " proxy stands before it that is not declared.",
            "Give --trusted-proxy 127.0.0.1/32 if it is on this machine and says in X-Forwarded-For who calls.",
        )


def has_undeclared_proxy(settings: Settings) -> bool:
    """Whether others must reach a server on loopback through something that it knows nothing of."""
    is_declared = bool(settings.tls_cert or settings.trusted_proxy)
    is_elsewhere = not is_loopback(urlsplit(settings.issuer_url).hostname or "")
    return is_loopback(settings.host) and is_elsewhere and not is_declared


def _check_services(settings: Settings) -> None:
    for name, example in (
        ("leaked_passwords_url", "https://ranges.example.com/range/"),
        ("signup_check_url", "https://signups.example.com/check"),
    ):
        url: str = getattr(settings, name)
        host = _host_of_url(url)
        if url and (not host or (url.startswith("http:") and not is_loopback(host))):
            raise StartupError(f"`{name}` is not an https URL.", f"It looks like {example}")


def _check_database(settings: Settings) -> None:
    if not settings.data_dir:
        raise StartupError("`data_dir` is empty.", "Name a folder, or leave it out: gatepass-data is the default.")
    if settings.database and not settings.database.startswith(("sqlite:///", *_POSTGRES_SCHEMES)):
        raise StartupError(
            "The database is not one we know.",
            "It looks like sqlite:///path/to/gatepass.db or postgresql://user@host/database",
        )


def _check_mail(settings: Settings) -> None:
    if settings.smtp_url and not _SMTP.fullmatch(settings.smtp_url):
        raise StartupError(
            "The mail server is not a URL that we know.", "It looks like smtps://gatepass@mail.example.com:465"
        )
    if settings.mail_from and not _SENDER.fullmatch(settings.mail_from):
        raise StartupError("`mail_from` is not an address.", "It looks like no-reply@example.com")
    if settings.smtp_ca_file and not Path(settings.smtp_ca_file).is_file():
        raise StartupError(f"There is no file {settings.smtp_ca_file}.", "Give `smtp_ca_file` a PEM file.")


def _check_traces(settings: Settings) -> None:
    if settings.traces and not _host_of_url(settings.traces):
        raise StartupError("`traces` is not an http or https URL.", "It looks like http://localhost:4318/v1/traces")


def _check_look(settings: Settings) -> None:
    for name in (settings.site_logo, settings.site_style):
        if name and not Path(name).is_file():
            raise StartupError(
                f"There is no file {name}.", "Give `site_logo` and `site_style` files, or leave them out."
            )
    if settings.site_logo and Path(settings.site_logo).suffix not in LOGO_TYPES:
        raise StartupError("`site_logo` is no picture that we know.", f"Its name ends with {', '.join(LOGO_TYPES)}.")
    if not settings.site_name.isprintable():
        raise StartupError("`site_name` has a line break or another control character.", "It is one line of text.")


def _check_providers(settings: Settings) -> None:
    for provider_id, provider in settings.providers.items():
        check_provider(provider_id, provider)
        host = _host_of_url(provider.issuer)
        if provider.issuer and (not host or (provider.issuer.startswith("http:") and not is_loopback(host))):
            raise StartupError(
                f"The issuer of `providers.{provider_id}` is not an https URL.", "Copy it from the provider's metadata."
            )


_CHECKS = (
    _check_look,
    _check_traces,
    _check_providers,
    _check_mail,
    _check_issuer,
    _check_tls,
    _check_address,
    _check_hs256,
    _check_names,
    _check_origins,
    _check_signup_domains,
    _check_proxies,
    _check_trusted_header,
    _check_services,
    _check_database,
)


def is_loopback(host: str) -> bool:
    """Whether the name or address can only be reached from this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
