"""The command line: `gatepass COMMAND`. A command's module is imported when the command is called."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Literal

from cyclopts import App, CycloptsError, Parameter

from gatepass.cli.output import fail, result

_HINTS = {
    "email_taken": "`gatepass user show EMAIL` shows the account.",
    "user_id_deleted": "Leave the id out to give the person a new one.",
    "metadata_too_large": "Keep what is large in your own database, and its key here.",
    "unknown_role": "`gatepass role list` shows the roles of the settings.",
    "api_not_found": "`gatepass api list` shows every API.",
    "invalid_redirect_uri": "`docs/guides/oauth-clients.md` shows which redirect URIs there can be.",
    "webhook_not_found": "`gatepass webhook list` shows every webhook.",
    "stream_not_found": "`gatepass stream list` shows every stream.",
    "delivery_not_found": "`gatepass webhook deliveries ID` shows what a webhook was told.",
    "invalid_webhook": "`docs/guides/webhooks.md` lists the events; a URL is https, or http on this machine.",
    "client_not_found": "`gatepass client list` shows every client.",
    "organization_not_found": "`gatepass org list` shows every organization.",
    "member_not_found": "`gatepass org members ORGANIZATION` shows its members.",
    "invitation_not_found": "`gatepass org invitations ORGANIZATION` shows those that wait.",
    "invalid_organization": "A slug like `acme-inc` stands in URLs; the name can be any line.",
    "slug_taken": "`gatepass org show SLUG` shows whose it is.",
    "user_not_found": "`gatepass user list` shows every user.",
    "invalid_email": "Write an address like ann@example.com.",
    "password_too_short": "A phrase of four words is easy to remember; the setting is `password_min_length`.",
    "signer_unavailable": "Check the external signer and that it can be reached.",
    "store_unavailable": "Another program may lock the database, or the disk may be full: try again.",
}

_LONGEST_NAME = 200


def _shown(default: object) -> str | None:
    """How the help shows a default: not at all where it is nothing."""
    return str(default) if default else None


app = App(
    name="gatepass",
    help="A complete login server, API verifier and JWT library for Python.",
    version=lambda: version("gatepass"),
    result_action="return_value",
    default_parameter=Parameter(show_default=_shown),
)
app.command("gatepass.cli.serve:app", name="serve", help="Start the authentication server.")
app.command("gatepass.cli.user:app", name="user", help="Add, show and change users.")
app.command("gatepass.cli.client:app", name="client", help="Add, list, change and remove OAuth clients.")
app.command("gatepass.cli.mail:app", name="mail", help="Look at the emails that are sent.")
app.command("gatepass.cli.api:app", name="api", help="Add, list and remove APIs that tokens are for.")
app.command("gatepass.cli.org:app", name="org", help="Manage organizations, their members and email domains.")
app.command("gatepass.cli.role:app", name="role", help="List the application's roles.")
app.command(
    "gatepass.cli.webhook:app", name="webhook", help="Tell other servers of events, signed (Standard Webhooks)."
)
app.command(
    "gatepass.cli.stream:app",
    name="stream",
    help="List and remove streams of applications that receive Shared Signals.",
)
app.command("gatepass.cli.events:app", name="events", help="Export the log of events.")
app.command("gatepass.cli.key:app", name="key", help="List, rotate, withdraw and export the server's keys.")
app.command(
    "gatepass.cli.backup:backup_app",
    name="backup",
    help="Copy the database into a file, also while a server is running.",
)
app.command("gatepass.cli.backup:restore_app", name="restore", help="Restore a backup.")
app.command("gatepass.cli.move:app", name="migrate-data", help="Move everything from SQLite to PostgreSQL.")
app.command("gatepass.cli.doctor:app", name="doctor", help="Check whether a server can run here.")
app.command("gatepass.cli.openapi:app", name="openapi", help="Print the OpenAPI description of the HTTP API.")
app.command("gatepass.cli.guard:app", name="guard", help="Tell a reverse proxy whether a request's token is good.")
app.command("gatepass.cli.relay:app", name="relay", help="Pass on what an issuer revokes to many verifiers.")
app.command(
    "gatepass.cli.bridge:app",
    name="bridge",
    help="Take other issuers' notices of revocation, and pass them on to verifiers.",
)
app.command("gatepass.cli.testing:app", name="testing", help="Test software that works with a Gatepass server.")
app.command("gatepass.cli.token:app", name="token", help="Inspect, verify and sign tokens.")


@app.command
def completion(shell: Literal["bash", "zsh", "fish", "powershell"]) -> None:
    """Print a script that completes commands and options with Tab: source <(gatepass completion bash)."""
    result(app.generate_completion(shell=shell))


def main(arguments: list[str] | None = None) -> None:
    """Run a command; a failure prints `error:` and `hint:`, and ends with status 1."""
    words = sys.argv[1:] if arguments is None else arguments
    if any(not _is_text(word) for word in words):
        fail("An argument is not valid UTF-8.", f"{_command(words)} --help")
    try:
        app(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        fail(" ".join(str(error).split()), f"{_command(words)} --help")
    except BrokenPipeError:
        raise SystemExit(1) from None  # the reader of our output has closed it
    except Exception as error:
        _explain(error)
        raise


def _explain(error: Exception) -> None:
    """Print the message and hint of an error that has them, and exit."""
    from gatepass.server.base.errors import GatepassError, StartupError  # noqa: PLC0415 - only when something went wrong

    if isinstance(error, StartupError):
        fail(error.message, error.hint)
    if isinstance(error, OSError) and error.filename is not None:
        fail(f"Cannot use {str(error.filename)[:_LONGEST_NAME]}: {error.strerror}.", "Name another file or folder.")
    if isinstance(error, GatepassError):
        fail(error.detail, _HINTS.get(error.code, f"`docs/reference/errors.md` explains {error.code}."))


def _is_text(word: str) -> bool:
    """Whether it is valid UTF-8: other bytes become lone surrogates, which cannot be stored."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _command(words: list[str]) -> str:
    """The command that was called, as far as there is one of this name."""
    known, _, _ = app.parse_commands(words)
    return " ".join(["gatepass", *known])
