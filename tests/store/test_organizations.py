"""Organizations in the store, on each database: pages, memberships, what tokens name, whose a domain is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from tests.support.server import NOON

from gatepass.server.domain.accounts.ownership import erase
from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.organizations.domain import OrganizationDomain
from gatepass.server.domain.organizations.invitation import Invitation
from gatepass.server.domain.organizations.member import MemberFilter
from gatepass.server.domain.organizations.organization import Organization, OrganizationFilter
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions.grant import ActiveOrganization, Grant, TokenOwner
from gatepass.server.domain.sessions.session import Session

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction

ACME = Organization(id="org_a", slug="acme", name="Acme", created_at=NOON, metadata={"plan": "pro"})
OTHER = Organization(id="org_b", slug="a-b", name="Other", created_at=NOON)


async def _fill(tx: Transaction) -> None:
    for organization in (ACME, OTHER):
        assert await tx.organizations.add(organization)
    for name in ("ann", "bob"):
        await tx.users.add(User(id=f"usr_{name}", email=f"{name}@example.test", created_at=NOON))
    assert await tx.members.add(ACME.id, "usr_bob", ("admin", "editor"), NOON)
    assert await tx.members.add(ACME.id, "usr_ann", (), NOON)
    assert await tx.members.add(OTHER.id, "usr_ann", ("reader",), NOON)
    assert not await tx.members.add(OTHER.id, "usr_ann", (), NOON)


async def _sign_in(tx: Transaction) -> None:
    ends = NOON + 1_000
    session = Session(
        id="ses_1", user_id="usr_ann", auth_time=NOON, acr="1", amr=(), address="", user_agent="", expires_at=ends
    )
    await tx.sessions.add(session)
    await tx.grants.add(
        Grant(
            id="gnt_1",
            session_id=session.id,
            user_id="usr_ann",
            client_id="first-party",
            audience=(),
            scope=(),
            secret_digest=b"d" * 32,
            current=1,
            status=StatusIndex(1, 7),
            touched_at=NOON,
            expires_at=ends,
            organization_id=ACME.id,
        )
    )


def test_members_and_slugs(database: Database) -> None:
    """A slug and a membership are there once; pages are in the order of octets; who is erased is a member no more."""

    async def look(tx: Transaction) -> None:
        assert not await tx.organizations.add(msgspec.structs.replace(OTHER, id="org_c"))
        assert not await tx.organizations.put(msgspec.structs.replace(ACME, slug="a-b"))
        assert await tx.organizations.find("acme") == await tx.organizations.find("org_a") == ACME
        assert [each.slug for each in await tx.organizations.page(OrganizationFilter(search="a"))] == ["a-b", "acme"]
        assert await tx.organizations.page(OrganizationFilter(search="org_b", after="a-b")) == []
        people = await tx.members.page(ACME.id, MemberFilter(limit=1))
        assert [(each.email, each.roles) for each in people] == [("ann@example.test", ())]
        people = await tx.members.page(ACME.id, MemberFilter(after="ann@example.test"))
        assert [(each.email, each.is_admin) for each in people] == [("bob@example.test", True)]
        assert [each.organization.slug for each in await tx.members.of_user("usr_ann")] == ["a-b", "acme"]
        membership = await tx.members.membership("a-b", "usr_ann")
        assert membership is not None
        assert (membership.organization, membership.roles) == (OTHER, ("reader",))
        assert await tx.members.membership("a-b", "usr_bob") is None
        assert not await tx.members.has_other_admin(ACME.id, "usr_bob")
        assert await tx.members.has_other_admin(ACME.id, "usr_ann")
        await erase(tx, "usr_ann")
        assert (await tx.members.count(ACME.id), await tx.members.count(OTHER.id)) == (1, 0)

    async def run() -> None:
        for unit in (_fill, look):
            await database.transaction(unit)

    asyncio.run(run())


def test_what_the_tokens_of_a_grant_name(database: Database) -> None:
    """The present organization while the person is a member, and those before it, until the grant has another index."""

    async def look(tx: Transaction) -> None:
        async def naming(organization: str) -> list[str]:
            return [grant_id for grant_id, _ in await tx.grants.naming(organization, NOON, user_id="usr_ann")]

        subject = await tx.grants.bearer_at(StatusIndex(1, 7))
        assert subject is not None
        assert subject.organization == ActiveOrganization(id=ACME.id, slug="acme", name="Acme", roles=())
        owner = await tx.grants.owner_at(StatusIndex(1, 7))
        assert owner == TokenOwner(**{name: getattr(subject, name) for name in TokenOwner.__struct_fields__})
        assert await tx.grants.choose_organization("gnt_1", OTHER.id) == (StatusIndex(1, 7), 1)
        assert await tx.grants.choose_organization("gnt_1", OTHER.id) == (StatusIndex(1, 7), 1)
        assert await naming(ACME.id) == await naming(OTHER.id) == ["gnt_1"]
        assert await tx.grants.naming(ACME.id, NOON) == [("gnt_1", StatusIndex(1, 7))]
        await tx.grants.move([("gnt_1", StatusIndex(1, 8))])
        assert (await naming(ACME.id), await naming(OTHER.id)) == ([], ["gnt_1"])
        await tx.members.remove(OTHER.id, "usr_ann")
        subject = await tx.grants.bearer_at(StatusIndex(1, 8))
        assert subject is not None
        assert subject.organization is None
        owner = await tx.grants.owner_at(StatusIndex(1, 8))
        assert owner is not None
        assert (owner.session_id, owner.organization) == ("ses_1", None)
        assert await tx.grants.owner_at(StatusIndex(1, 7)) is None  # the grant has moved on from there
        assert await tx.grants.organization_in("ses_1") == OTHER.id
        await tx.grants.leave_organization(OTHER.id, user_id="usr_ann")
        assert await tx.grants.organization_in("ses_1") == ""

    async def run() -> None:
        for unit in (_fill, _sign_in, look):
            await database.transaction(unit)

    asyncio.run(run())


def test_invitations_and_domains(database: Database) -> None:
    """One invitation for each address, the newest; one organization proves a domain that several may claim."""

    def invitation(number: int, email: str = "new@example.test") -> Invitation:
        return Invitation(
            id=f"inv_{number}",
            organization_id=ACME.id,
            email=email,
            roles=("editor",),
            digest=bytes([number]) * 32,
            inviter="operator",
            created_at=NOON,
            expires_at=NOON + 10,
        )

    async def invite(tx: Transaction) -> None:
        for each in (invitation(1), invitation(2), invitation(3, "bob@example.test")):
            await tx.invitations.put(each)
        assert await tx.invitations.by_digest(invitation(1).digest, NOON) is None
        assert await tx.invitations.by_digest(invitation(2).digest, NOON) == invitation(2)
        assert await tx.invitations.by_digest(invitation(2).digest, NOON + 10) is None
        await tx.invitations.remove_of_person("usr_bob")
        assert [each.id for each in await tx.invitations.of_organization(ACME.id, NOON)] == ["inv_2"]
        assert await tx.invitations.take(OTHER.id, "inv_2") is None
        assert await tx.invitations.take(ACME.id, "inv_2") == invitation(2)
        assert await tx.invitations.take(ACME.id, "inv_2") is None

    async def claim(tx: Transaction) -> None:
        first = OrganizationDomain(organization_id=ACME.id, domain="x.test", challenge="c", created_at=NOON)
        second = msgspec.structs.replace(first, organization_id=OTHER.id)
        assert await tx.domains.add(first)
        assert not await tx.domains.add(first)
        assert await tx.domains.add(second)
        assert await tx.domains.verified("x.test") is None
        proved = msgspec.structs.replace(first, verified_at=NOON, checked_at=NOON, provider="corp")
        assert await tx.domains.put(proved)
        assert not await tx.domains.put(msgspec.structs.replace(second, verified_at=NOON))
        assert await tx.domains.put(msgspec.structs.replace(second, provider="corp"))
        assert await tx.domains.verified("x.test") == proved
        second = msgspec.structs.replace(second, provider="corp")
        assert await tx.domains.of_provider("corp") == [proved, second]
        assert not await tx.domains.is_dedicated("corp")
        for _ in range(2):
            await tx.domains.dedicate("corp")
        assert [await tx.domains.is_dedicated(each) for each in ("corp", "other")] == [True, False]
        assert await tx.domains.due(NOON, 10) == []
        assert await tx.domains.due(NOON + 1, 10) == [proved]
        assert await tx.domains.remove(ACME.id, "x.test")
        assert not await tx.domains.remove(ACME.id, "x.test")

    async def run() -> None:
        for unit in (_fill, invite, claim):
            await database.transaction(unit)

    asyncio.run(run())
