"""What members of an organization hold, and what each event in it ends: rows of the kill matrix."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from tests.support.organizations import Person

from gatepass.jose.errors import JoseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stories.test_kill_matrix import World
    from tests.support.organizations import Operating

ARTEFACTS = {
    "token for it": "The access token of a member, for the organization of the event, at a verifier.",
    "token from before a switch": "The same of a session that has switched to another organization since.",
    "application's token for it": "The same at a registered client.",
    "fellow member's token for it": "That of another member.",
    "token for another organization": "The member's, from another session.",
    "token for none": "The member's, from a third session.",
    "refresh token": "That of the first; it brings a token for what is left.",
}
OF_MEMBER = frozenset({"token for it", "token from before a switch", "application's token for it"})
OF_ALL = OF_MEMBER | {"fellow member's token for it"}


class HeldInOrganization:
    """Two members of an organization, one of whom belongs to another one too, and their tokens."""

    def __init__(self, world: World, ops: Operating, client_id: str) -> None:
        self.world = world
        self.organization, other = ops.add(), ops.add()
        self.member, fellow = Person(ops.api), Person(ops.api)
        for organization, person in (
            (self.organization, self.member),
            (other, self.member),
            (self.organization, fellow),
        ):
            ops.join(organization, person, "editor")

        def token(person: Person, **more: str) -> str:
            assert person.sign_in(**more).status_code == 200
            return str(person.pair["token"])

        before = token(self.member, organization=self.organization)
        assert self.member.refresh(organization=other).status_code == 200
        self.tokens = {
            "token from before a switch": before,
            "application's token for it": token(self.member, client_id=client_id, organization=self.organization),
            "fellow member's token for it": token(fellow, organization=self.organization),
            "token for another organization": token(self.member, organization=other),
            "token for none": token(self.member),
            "token for it": token(self.member, organization=self.organization),
        }

    def works(self, artefact: str) -> bool:
        """Try one of them over there."""
        if artefact == "refresh token":
            with self.world.there.client() as api:
                body = {"refresh_token": self.member.pair["refresh_token"]}
                return api.post("/refresh", json=body).status_code == 200
        try:
            self.world.verifier.verify(self.tokens[artefact])
        except JoseError as error:
            assert error.code == "revoked"  # noqa: PT017 - anything else is a mistake of the test
            return False
        return True


class EndingInOrganization(NamedTuple):
    """Something that happens in an organization, and what is dead after it; all else lives."""

    title: str
    happen: Callable[[HeldInOrganization], None]
    kills: frozenset[str]


def _command(*words: str) -> Callable[[HeldInOrganization], None]:
    def happen(held: HeldInOrganization) -> None:
        filled = {"ORG": held.organization, "USER": held.member.id, "SLUG": f"renamed-{secrets.token_hex(4)}"}
        held.world.operate("org", *(filled.get(word, word) for word in words))

    return happen


def _leave(held: HeldInOrganization) -> None:
    answer = held.member.api.post(f"/organizations/{held.organization}/leave", headers=held.member.header)
    assert answer.status_code == 204


ENDINGS = (
    EndingInOrganization("left by the member", _leave, OF_MEMBER),
    EndingInOrganization("member removed", _command("remove-member", "ORG", "USER"), OF_MEMBER),
    EndingInOrganization("a role taken there", _command("set-roles", "ORG", "USER"), OF_MEMBER),
    EndingInOrganization(
        "a role given there", _command("set-roles", "ORG", "USER", "--role", "editor", "--role", "admin"), frozenset()
    ),
    EndingInOrganization("slug changed", _command("edit", "ORG", "--slug", "SLUG"), OF_ALL),
    EndingInOrganization(
        "`metadata` of it changed that tokens carry", _command("edit", "ORG", "--metadata", '{"plan": "pro"}'), OF_ALL
    ),
    EndingInOrganization("name changed", _command("edit", "ORG", "--name", "Another"), frozenset()),
    EndingInOrganization("organization deleted", _command("remove", "ORG"), OF_ALL),
)
