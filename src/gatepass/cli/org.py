"""`gatepass org …`: manage organizations. A running server sees the changes at once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter
from msgspec import UNSET

from gatepass.cli.common import Place
from gatepass.cli.output import Json, fail, result, result_json, result_table, say
from gatepass.jose.errors import MalformedError
from gatepass.jose.strict_json import decode_object
from gatepass.server.base.texts import LANGUAGES
from gatepass.server.domain.accounts.role_table import RoleTable
from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.limits.throttle import Throttle
from gatepass.server.domain.mail.notices import Notices
from gatepass.server.domain.organizations.administration import OrganizationAdministration, OrganizationPatch
from gatepass.server.domain.organizations.dns_records import DnsLookup
from gatepass.server.domain.organizations.manager import COMMAND_LINE_MANAGER
from gatepass.server.domain.organizations.member import MemberFilter
from gatepass.server.domain.organizations.organization import OrganizationFilter
from gatepass.server.domain.revocation.status_indexes import list_keys
from gatepass.server.domain.sessions.custom_claims import organization_metadata_in_tokens
from gatepass.server.features.organizations import inviting
from gatepass.server.features.organizations.domains import DomainAdministration
from gatepass.server.features.organizations.resources import (
    DomainResource,
    InvitationResource,
    MemberResource,
    MembershipResource,
    OrganizationDetail,
    OrganizationResource,
)
from gatepass.server.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from typing import Any, TypeVar

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.organizations.administration import OrganizationView
    from gatepass.server.domain.ports import Database

    T = TypeVar("T")

app = App(name="org", help="Manage organizations, their members and email domains.")

_HERE = Place()
_EVERY = 10_000_000
_PATCH_DEPTH = 16
RoleOption = Annotated[tuple[str, ...], Parameter(help="A role in the organization, such as admin; may be repeated.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStore:
    """What commands need: the parts of a core."""

    settings: Settings
    database: Database
    data_key: DataKey
    notices: Notices
    roles: RoleTable
    mail_throttle: Throttle
    dns: DnsLookup

    @property
    def domains(self) -> DomainAdministration:
        """What an operator does to domains."""
        return DomainAdministration(self, by=COMMAND_LINE_MANAGER)

    @property
    def acts(self) -> OrganizationAdministration:
        """What an operator does."""
        return OrganizationAdministration(
            self.database,
            list_keys(self.data_key),
            self.roles,
            by=COMMAND_LINE_MANAGER,
            where=NOWHERE,
            in_tokens=organization_metadata_in_tokens(self.settings),
        )


@asynccontextmanager
async def _open(place: Place, *, must_exist: bool = True) -> AsyncGenerator[OpenStore]:
    settings = place.settings()
    async with open_store(settings, must_exist=must_exist) as (database, data_key):
        yield OpenStore(
            settings=settings,
            database=database,
            data_key=data_key,
            notices=Notices(data_key, settings),
            roles=RoleTable(settings.roles),
            mail_throttle=Throttle.of_mails(data_key.derive("attempts"), settings),
            dns=DnsLookup(settings.dns_servers),
        )


def _run(place: Place, work: Callable[[OpenStore], Awaitable[T]], *, must_exist: bool = True) -> T:
    async def run() -> T:
        async with _open(place, must_exist=must_exist) as opened:
            return await work(opened)

    return asyncio.run(run())


# ── organizations ──


@app.command
def add(slug: str, name: str, *, json: Json = False, place: Place = _HERE) -> None:
    """Add an organization. The slug is what it is called in URLs and tokens, such as acme-inc."""
    made = _run(place, lambda opened: opened.acts.create(slug, name), must_exist=False)
    if json:
        result_json(msgspec.to_builtins(OrganizationResource.of(made)))
    else:
        result(made.id)


@app.command(name="list")
def list_(
    *,
    search: Annotated[str, Parameter(help="How the slug or the id begins.")] = "",
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """List organizations, by slug."""
    wanted = OrganizationFilter(search=search.strip().lower(), limit=_EVERY)
    found = _run(place, lambda opened: opened.acts.page(wanted))
    if json:
        result_json([msgspec.to_builtins(OrganizationResource.of(each)) for each in found])
    else:
        result_table(("id", "slug", "name"), [(each.id, each.slug, each.name) for each in found])


@app.command
def show(organization: str, *, json: Json = False, place: Place = _HERE) -> None:
    """Show an organization, named by id or slug."""
    _show(_run(place, lambda opened: opened.acts.show(organization)), json=json)


@app.command
def edit(  # noqa: PLR0913 - the options of a command
    organization: str,
    *,
    slug: Annotated[str | None, Parameter(help="Another slug; tokens that name the organization end.")] = None,
    name: Annotated[str | None, Parameter(help="Another name.")] = None,
    metadata: Annotated[str | None, Parameter(help="A JSON object that is merged into the metadata.")] = None,
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Change an organization."""
    patch = OrganizationPatch(
        slug=UNSET if slug is None else slug,
        name=UNSET if name is None else name,
        metadata=UNSET if metadata is None else _object(metadata),
    )

    async def work(opened: OpenStore) -> OrganizationView:
        changed = await opened.acts.change(organization, patch)
        return await opened.acts.show(changed.id)

    _show(_run(place, work), json=json)


@app.command
def remove(organization: str, *, place: Place = _HERE) -> None:
    """Remove an organization; tokens that name it end. The accounts of its members stay."""
    _run(place, lambda opened: opened.acts.remove(organization))
    say(f"Removed {organization}.")


# ── members ──


@app.command
def members(
    organization: str,
    *,
    search: Annotated[str, Parameter(help="How the email address begins.")] = "",
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """List the members of an organization, by email address."""
    wanted = MemberFilter(search=search.strip().lower(), limit=_EVERY)
    found = _run(place, lambda opened: opened.acts.members(organization, wanted))
    if json:
        result_json([msgspec.to_builtins(MemberResource.of(each)) for each in found])
    else:
        rows = [(each.user_id, each.email, " ".join(each.roles) or "-") for each in found]
        result_table(("id", "email", "roles"), rows)


@app.command
def add_member(
    organization: str, user: str, *, role: RoleOption = (), json: Json = False, place: Place = _HERE
) -> None:
    """Make a person with an account, named by id or email address, a member; `invite` is for all others."""
    made = _run(place, lambda opened: opened.acts.add_member(organization, user, role))
    if json:
        result_json(msgspec.to_builtins(MemberResource.of(made)))
    else:
        say(f"{made.email} is a member.")


@app.command
def set_roles(organization: str, user: str, *, role: RoleOption = (), json: Json = False, place: Place = _HERE) -> None:
    """Replace the roles of a member, named by id or email address; without any, none is left."""
    member = _run(place, lambda opened: opened.acts.set_roles(organization, user, role))
    if json:
        result_json(msgspec.to_builtins(MemberResource.of(member)))
    else:
        say(f"{member.email} has {' '.join(member.roles) or 'no role'}.")


@app.command
def remove_member(organization: str, user: str, *, place: Place = _HERE) -> None:
    """Remove a member, named by id or email address; their tokens that name the organization end."""
    _run(place, lambda opened: opened.acts.remove_member(organization, user))
    say(f"Removed {user}.")


@app.command
def of(user: str, *, json: Json = False, place: Place = _HERE) -> None:
    """List the organizations of a person, named by id or email address."""
    found = _run(place, lambda opened: opened.acts.of_person(user))
    if json:
        result_json([msgspec.to_builtins(MembershipResource.of(each)) for each in found])
    else:
        rows = [(each.organization.id, each.organization.slug, " ".join(each.roles) or "-") for each in found]
        result_table(("id", "slug", "roles"), rows)


# ── invitations ──


@app.command
def invite(  # noqa: PLR0913 - the options of a command
    organization: str,
    email: str,
    *,
    role: RoleOption = (),
    language: Annotated[str, Parameter(help="The language of the email, such as de.")] = LANGUAGES[0],
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Invite a person by mail, which a running server sends. The link works for 7 days."""
    made = _run(
        place,
        lambda opened: inviting.invite(
            opened, organization, email, role, by=COMMAND_LINE_MANAGER, language=language, where=NOWHERE
        ),
    )
    if json:
        result_json(msgspec.to_builtins(InvitationResource.of(made)))
    else:
        say(f"Invited {made.email}.")


@app.command
def invitations(organization: str, *, json: Json = False, place: Place = _HERE) -> None:
    """List the invitations that wait to be accepted."""
    found = _run(place, lambda opened: inviting.invitations(opened.database, organization, by=COMMAND_LINE_MANAGER))
    if json:
        result_json([msgspec.to_builtins(InvitationResource.of(each)) for each in found])
    else:
        rows = [(each.id, each.email, " ".join(each.roles) or "-", each.inviter) for each in found]
        result_table(("id", "email", "roles", "invited by"), rows)


@app.command
def withdraw(organization: str, invitation_id: str, *, place: Place = _HERE) -> None:
    """Withdraw an invitation: its link works no longer."""
    _run(
        place,
        lambda opened: inviting.withdraw(
            opened.database, organization, invitation_id, by=COMMAND_LINE_MANAGER, where=NOWHERE
        ),
    )
    say(f"Withdrew {invitation_id}.")


# ── email domains ──


@app.command
def domains(organization: str, *, json: Json = False, place: Place = _HERE) -> None:
    """List the email domains of an organization."""
    found = _run(place, lambda opened: opened.domains.all(organization))
    if json:
        result_json([msgspec.to_builtins(DomainResource.of(each)) for each in found])
    else:
        rows = [(each.domain, "yes" if each.verified_at else "no", each.provider or "-") for each in found]
        result_table(("domain", "verified", "provider"), rows)


@app.command
def add_domain(
    organization: str,
    domain: str,
    *,
    provider: Annotated[
        str, Parameter(help="The provider that its people sign in with; without, they join by themselves.")
    ] = "",
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Add an email domain, and print the DNS record that proves it; `check-domain` looks for that."""
    added = _run(place, lambda opened: opened.domains.add(organization, domain, provider))
    if json:
        result_json(msgspec.to_builtins(DomainResource.of(added)))
    else:
        result(f'{added.record_name}. TXT "{added.record_value}"')


@app.command
def set_domain(
    organization: str,
    domain: str,
    *,
    provider: Annotated[str, Parameter(help="The provider; empty text: people join by themselves.")],
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Change how people of a domain come in."""
    changed = _run(place, lambda opened: opened.domains.set_provider(organization, domain, provider))
    if json:
        result_json(msgspec.to_builtins(DomainResource.of(changed)))
    else:
        say(f"Changed {changed.domain}.")


@app.command
def check_domain(organization: str, domain: str, *, json: Json = False, place: Place = _HERE) -> None:
    """Look for the DNS record of a domain. A running server looks again every day."""
    checked = _run(place, lambda opened: opened.domains.check(organization, domain))
    if json:
        result_json(msgspec.to_builtins(DomainResource.of(checked)))
    else:
        say(f"{checked.domain} is verified.")


@app.command
def remove_domain(organization: str, domain: str, *, place: Place = _HERE) -> None:
    """Remove an email domain. Members stay."""
    _run(place, lambda opened: opened.domains.remove(organization, domain))
    say(f"Removed {domain}.")


def _object(text: str) -> dict[str, Any]:
    try:
        return decode_object(text.encode(), _PATCH_DEPTH)
    except (MalformedError, UnicodeEncodeError):
        fail("The metadata is not a JSON object.", """Write an object such as '{"plan": "pro"}'.""")


def _show(view: OrganizationView, *, json: bool) -> None:
    shown = OrganizationDetail.of_view(view)
    if json:
        result_json(msgspec.to_builtins(shown))
        return
    result(f"id         {shown.id}")
    result(f"slug       {shown.slug}")
    result(f"name       {shown.name}")
    result(f"members    {shown.members}")
    result(f"metadata   {msgspec.json.encode(shown.metadata).decode()}")
