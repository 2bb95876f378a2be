"""Organizations as a way to more rights: forwarded invitations, former admins, lying providers, domains of others."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from email_validator import validate_email
from tests.support.authorization import Flow, code_of
from tests.support.dns import ScriptedDns
from tests.support.factors import bearer
from tests.support.mailbox import mail_server
from tests.support.organizations import Operating, Person
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import ANN, SettableClock, running_server

from gatepass.jose import jwt
from gatepass.server.domain.sessions.client_metadata import ClientRules
from gatepass.server.domain.sessions.token_issuer import TokenIssuer
from gatepass.server.web.auth.organization import OrganizationAuth

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from starlette.requests import Request
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer

    from gatepass.server.domain.sessions.caller import Caller
    from gatepass.server.domain.sessions.client_metadata import ConsentRule
    from gatepass.server.domain.sessions.token_issuer import IssuedToken

DAY = 86_400


@pytest.fixture(scope="module")
def clock() -> SettableClock:
    """The time of the module's server."""
    return SettableClock()


@pytest.fixture(scope="module")
def mailbox() -> Generator[Mailbox]:
    """Where its mails arrive."""
    with mail_server() as mailbox:
        yield mailbox


@pytest.fixture(scope="module")
def dns() -> Generator[ScriptedDns]:
    """Where it looks for domains."""
    with ScriptedDns() as dns:
        yield dns


@pytest.fixture(scope="module")
def provider(clock: SettableClock) -> Generator[ScriptedProvider]:
    """An organization's own provider, which can lie."""
    with ScriptedProvider() as provider:
        provider.now = clock
        yield provider


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    clock: SettableClock,
    mailbox: Mailbox,
    dns: ScriptedDns,
    provider: ScriptedProvider,
) -> Generator[RunningServer]:
    """One server for the module: each test has people and organizations of its own."""
    settings: dict[str, Any] = {
        "smtp_url": mailbox.url,
        "dns_servers": [dns.address],
        "id_claims": {"tenant": "organization.id"},
        "providers": {
            "corp": provider.settings(name="Corp"),
            "dedicated": provider.settings(name="Dedicated", for_organizations=True),
            "leaving": provider.settings(name="Leaving"),
        },
        "mails_per_address": 1_000,
        "attempts_per_address": 1_000,
    }
    data = tmp_path_factory.mktemp("organizations")
    with running_server(data, clock, is_awaited=False, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client."""
    with server.client() as client:
        yield client


@pytest.fixture
def ops(server: RunningServer, api: httpx.Client) -> Operating:
    """An operator's client."""
    return Operating.at(server, api)


def person(ops: Operating, email: str = "", *, verified: bool = True) -> Person:
    """Somebody whose account an operator has made."""
    email = email or f"{secrets.token_hex(4)}@example.test"
    body = {"email": email, "password": ANN["password"], "email_verified": verified}
    made = ops.api.post("/admin/users", json=body, headers=ops.header)
    assert made.status_code == 201, made.text
    return Person(ops.api, given={"email": email, "password": ANN["password"]})


def read_mail(api: httpx.Client, mailbox: Mailbox, email: str) -> None:
    """Sign in by mail, which shows that they read what arrives there."""
    mailed = validate_email(email, check_deliverability=False, test_environment=True).ascii_email or ""
    number = len(mailbox.to(mailed)) + 1
    sent = api.post("/login/email", json={"email": email})
    assert sent.status_code == 202, sent.text
    code = mailbox.next_to(mailed, number).code
    answer = api.post("/login/email/code", json={"challenge": sent.json()["challenge"], "code": code})
    assert answer.status_code == 200, answer.text


def invited(ops: Operating, mailbox: Mailbox, by: Person, organization: str, email: str, *roles: str) -> str:
    """Have an admin of an organization invite somebody: the token of the mail."""
    number = len(mailbox.to(email)) + 1
    body = {"email": email, "roles": roles}
    sent = ops.api.post(f"/organizations/{organization}/invitations", json=body, headers=by.header)
    assert sent.status_code == 201, sent.text
    assert mailbox.next_to(email, number).token not in sent.text
    return mailbox.next_to(email, number).token


def accept(somebody: Person, token: str) -> str:
    """What comes of accepting: a code, or nothing."""
    answer = somebody.api.post("/organizations/invitations/accept", json={"token": token}, headers=somebody.header)
    return str(answer.json().get("code", ""))


def test_a_forwarded_invitation_gives_roles_to_nobody_else(api: httpx.Client, ops: Operating, mailbox: Mailbox) -> None:
    """Only the account with the invited address, verified, can accept it, by POST, and once."""
    acme, admin, eve, zoe = ops.add(), person(ops), person(ops), person(ops, verified=False)
    ops.join(acme, admin, "admin")
    token = invited(ops, mailbox, admin, acme, zoe.given["email"], "admin")
    assert accept(eve, token) == "invitation_for_another"
    assert accept(zoe, token) == "address_not_verified"
    assert ops.call("GET", f"/{acme}").json()["members"] == 1
    read_mail(api, mailbox, zoe.given["email"])
    assert accept(zoe, token) == ""
    assert accept(zoe, token) == "invalid_invitation"
    zoe.sign_in(organization=acme)
    assert zoe.claims["org_roles"] == ["admin"]
    assert ops.call("GET", f"/{acme}/invitations").json() == {"invitations": []}


@pytest.mark.parametrize("loss", ["demoted", "removed", "disabled", "withdrawn", "replaced", "late"])
def test_an_invitation_does_not_outlive_the_rights_of_who_sent_it(
    api: httpx.Client, ops: Operating, mailbox: Mailbox, clock: SettableClock, loss: str
) -> None:
    """They are looked at again when it is accepted; a withdrawn, replaced or old one is none either."""
    acme, admin, zoe = ops.add(), person(ops), person(ops)
    ops.join(acme, person(ops), "admin")
    ops.join(acme, admin, "admin")
    token = invited(ops, mailbox, admin, acme, zoe.given["email"])
    match loss:
        case "demoted":
            assert ops.call("PATCH", f"/{acme}/members/{admin.id}", roles=[]).status_code == 200
        case "removed":
            assert ops.call("DELETE", f"/{acme}/members/{admin.id}").status_code == 204
        case "disabled":
            path = f"/admin/users/{admin.id}"
            assert api.patch(path, json={"disabled": True}, headers=ops.header).status_code == 200
        case "withdrawn":
            (waiting,) = ops.call("GET", f"/{acme}/invitations").json()["invitations"]
            assert ops.call("DELETE", f"/{acme}/invitations/{waiting['id']}").status_code == 204
            assert ops.call("DELETE", f"/{acme}/invitations/{waiting['id']}").json()["code"] == "invitation_not_found"
        case "replaced":
            invited(ops, mailbox, admin, acme, zoe.given["email"])
        case _:
            clock.advance(8 * DAY)
            zoe.sign_in()
    assert accept(zoe, token) == "invalid_invitation"


def test_an_invitation_gives_no_role_of_this_server(api: httpx.Client, ops: Operating) -> None:
    """Neither by an admin of an organization nor by an operator's client."""
    acme, admin = ops.add(), person(ops)
    ops.join(acme, admin, "admin")
    body = {"email": "new@example.test", "roles": ["gatepass-operator"]}
    for path, header in ((f"/organizations/{acme}", admin.header), (f"/admin/organizations/{acme}", ops.header)):
        refused = api.post(f"{path}/invitations", json=body, headers=header)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_role")


def verified_domain(ops: Operating, dns: ScriptedDns, organization: str, domain: str, provider: str = "") -> str:
    """Prove a domain; the name of its record."""
    claimed = ops.call("POST", f"/{organization}/domains", domain=domain, provider=provider)
    assert claimed.status_code == 201, claimed.text
    dns.texts[claimed.json()["record_name"]] = ["v=spf1 -all", claimed.json()["record_value"]]
    checked = ops.call("POST", f"/{organization}/domains/{domain}/check")
    assert (checked.status_code, checked.json()["verified"]) == (200, True), checked.text
    return str(claimed.json()["record_name"])


def join(somebody: Person, organization: str) -> str:
    """What comes of joining by domain: a code, or nothing."""
    answer = somebody.api.post("/organizations/join", json={"organization": organization}, headers=somebody.header)
    return str(answer.json().get("code", ""))


def test_a_domain_lets_in_who_reads_mail_at_exactly_it(
    api: httpx.Client, ops: Operating, mailbox: Mailbox, dns: ScriptedDns
) -> None:
    """An operator's word for an address is not enough, nor a subdomain, a lookalike, a former address."""
    acme, domain = ops.add(), f"{secrets.token_hex(4)}.test"
    claimed = ops.call("POST", f"/{acme}/domains", domain=domain).json()
    zoe = person(ops, f"zoe@{domain}")
    read_mail(api, mailbox, zoe.given["email"])
    assert join(zoe, acme) == "cannot_join"  # nobody has proved the domain yet
    assert ops.call("POST", f"/{acme}/domains/{domain}/check").json()["code"] == "domain_not_proved"
    dns.texts[claimed["record_name"]] = [claimed["record_value"] + "x", "other"]
    assert ops.call("POST", f"/{acme}/domains/{domain}/check").json()["code"] == "domain_not_proved"
    dns.texts[claimed["record_name"]] = [claimed["record_value"]]
    assert ops.call("POST", f"/{acme}/domains/{domain}/check").json()["verified"] is True
    lookalike = domain.replace("e", "е", 1) if "e" in domain else f"а{domain}"  # noqa: RUF001 - Cyrillic, on purpose
    for email in (f"eve@sub.{domain}", f"eve@{lookalike}", f"eve@x{domain}"):
        eve = person(ops, email)
        read_mail(api, mailbox, eve.given["email"])
        assert join(eve, acme) == "cannot_join"
    vouched = person(ops, f"vouched@{domain}")
    assert api.get("/organizations", headers=vouched.header).json()["joinable"] == []
    assert join(vouched, acme) == "cannot_join"
    (offered,) = api.get("/organizations", headers=zoe.header).json()["joinable"]
    assert offered["id"] == acme
    another = {"email": f"zoe2@{domain}", "email_verified": True}
    moved = api.patch(f"/admin/users/{zoe.id}", json=another, headers=ops.header)
    assert moved.status_code == 200
    assert join(zoe, acme) == "cannot_join"
    zoe.given["email"] = f"zoe2@{domain}"
    read_mail(api, mailbox, zoe.given["email"])
    assert join(zoe, acme) == ""
    assert join(zoe, acme) == "cannot_join"
    zoe.sign_in(organization=acme)
    assert zoe.claims.get("org_roles") is None


def test_a_domain_is_one_organizations(ops: Operating, dns: ScriptedDns) -> None:
    """Each has a challenge of its own, and who comes later cannot take a proved domain."""
    acme, other, domain = ops.add(), ops.add(), f"{secrets.token_hex(4)}.test"
    name = verified_domain(ops, dns, acme, domain)
    second = ops.call("POST", f"/{other}/domains", domain=domain.upper()).json()
    assert ops.call("POST", f"/{other}/domains", domain=domain).json()["code"] == "domain_exists"
    assert ops.call("POST", f"/{other}/domains/{domain}/check").json()["code"] == "domain_not_proved"
    dns.texts[name].append(second["record_value"])
    assert ops.call("POST", f"/{other}/domains/{domain}/check").json()["code"] == "domain_taken"
    for bad in ("", "x", "a b.test", "-.test", "1.2.3.4", "x@y.test", "*.test"):
        assert ops.call("POST", f"/{acme}/domains", domain=bad).json()["code"] == "invalid_domain"
    assert ops.call("POST", f"/{acme}/domains", domain="z.test", provider="nobody").json()["code"] == "unknown_provider"
    (shown,) = ops.call("GET", f"/{acme}/domains").json()["domains"]
    assert (shown["domain"], shown["verified"], shown["missing_since"]) == (domain, True, None)
    assert ops.call("DELETE", f"/{acme}/domains/{domain}").status_code == 204
    assert ops.call("POST", f"/{other}/domains/{domain}/check").json()["verified"] is True


def test_a_domain_that_changes_hands_is_noticed(
    api: httpx.Client, ops: Operating, mailbox: Mailbox, dns: ScriptedDns, clock: SettableClock
) -> None:
    """While a record is gone nobody joins, and after three days the domain is lost; a DNS that fails says nothing."""
    acme, domain = ops.add(), f"{secrets.token_hex(4)}.test"
    name = verified_domain(ops, dns, acme, domain)
    zoe = person(ops, f"zoe@{domain}")
    read_mail(api, mailbox, zoe.given["email"])
    check = ("POST", f"/{acme}/domains/{domain}/check")
    texts = dns.texts.pop(name)
    dns.broken.add(name)
    assert (ops.call(*check).status_code, ops.call(*check).json()["code"]) == (503, "dns_unavailable")
    assert api.get("/organizations", headers=zoe.header).json()["joinable"] != []
    dns.broken.remove(name)
    assert ops.call(*check).json()["code"] == "domain_not_proved"
    assert join(zoe, acme) == "cannot_join"
    dns.texts[name] = texts
    assert ops.call(*check).json()["missing_since"] is None
    del dns.texts[name]
    assert ops.call(*check).json()["code"] == "domain_not_proved"
    clock.advance(3 * DAY)
    ops = Operating(api, ops.client)
    assert ops.call(*check).json()["code"] == "domain_not_proved"
    (shown,) = ops.call("GET", f"/{acme}/domains").json()["domains"]
    assert shown["verified"] is False
    lost = api.get("/admin/events?kind=organization_domain_lost", headers=ops.header).json()["events"]
    assert [each["reason"] for each in lost] == [f"{acme} {domain}"]


def at_provider(
    api: httpx.Client, provider: ScriptedProvider, email: str, name: str = "corp", **more: object
) -> httpx.Response:
    """Sign in with the organization's provider, which says that this is somebody's address."""
    provider.person = {"sub": secrets.token_hex(8), "email": email, "email_verified": True}
    return api.post("/login", json={"provider": name, "id_token": provider.id_token(), **more})


def test_a_providers_word_opens_no_account_that_is_there(
    api: httpx.Client, ops: Operating, dns: ScriptedDns, provider: ScriptedProvider
) -> None:
    """It asserts an operator's address, one of another domain, one that nobody has verified: none of them is opened."""
    acme, domain = ops.add(), f"{secrets.token_hex(4)}.test"
    verified_domain(ops, dns, acme, domain, "corp")
    for there, email in enumerate((f"ops@{domain}", f"nobody@{domain}")):
        person(ops, email, verified=not there)
        assert at_provider(api, provider, email).json()["code"] == "account_exists"
    person(ops, "elsewhere@example.test")
    for email in ("elsewhere@example.test", "new@example.test", f"new@sub.{domain}"):
        assert at_provider(api, provider, email).json()["code"] == "email_not_verified"
    made = at_provider(api, provider, f"new@{domain}", organization=acme)
    assert made.status_code == 200, made.text
    del dns.texts[f"_gatepass-challenge.{domain}"]
    assert ops.call("POST", f"/{acme}/domains/{domain}/check").json()["code"] == "domain_not_proved"
    for email in (f"more@{domain}", "anyone@example.test"):  # with its domain it loses its word, and gets no other
        assert at_provider(api, provider, email).json()["code"] == "email_not_verified"
    me = api.get("/organizations", headers=bearer(made.json()["token"])).json()
    assert [(each["id"], each["roles"], each["active"]) for each in me["organizations"]] == [(acme, [], True)]


def test_a_provider_that_is_set_up_for_organizations_waits_for_a_domain(
    api: httpx.Client, ops: Operating, provider: ScriptedProvider
) -> None:
    """Before a domain names it, it makes no account, and takes over none that nobody has verified."""
    person(ops, "early@example.test", verified=False)
    for email in ("early@example.test", "another@example.test"):
        assert at_provider(api, provider, email, "dedicated").json()["code"] == "email_not_verified"


def test_a_provider_without_its_domain_vouches_for_nobody(
    api: httpx.Client, ops: Operating, dns: ScriptedDns, provider: ScriptedProvider
) -> None:
    """An organization gives its last domain up, or is removed: its provider does not become one for everybody."""
    acme, domain = ops.add(), f"{secrets.token_hex(4)}.test"
    verified_domain(ops, dns, acme, domain)
    assert ops.call("PATCH", f"/{acme}/domains/{domain}", provider="leaving").status_code == 200
    changed = api.get("/admin/events?kind=organization_domain_changed", headers=ops.header).json()["events"]
    assert [each["reason"] for each in changed] == [f"{acme} {domain}"]
    assert at_provider(api, provider, f"new@{domain}", "leaving").status_code == 200
    assert ops.call("DELETE", f"/{acme}/domains/{domain}").status_code == 204
    for email in (f"more@{domain}", "chief@example.test"):
        assert at_provider(api, provider, email, "leaving").json()["code"] == "email_not_verified"


def test_an_account_at_the_provider_proves_no_address(
    api: httpx.Client, ops: Operating, mailbox: Mailbox, dns: ScriptedDns, provider: ScriptedProvider
) -> None:
    """An address that nobody has read mail at is joined with by no account there, though it is one's own."""
    acme, domain = ops.add(), f"{secrets.token_hex(4)}.test"
    verified_domain(ops, dns, acme, domain, "corp")
    for verified in (False, True):  # claimed by Eve herself, or vouched for by an import
        eve = person(ops, f"chief-{verified}@{domain}".lower(), verified=verified)
        provider.person = {"sub": secrets.token_hex(8), "email": "eve@elsewhere.test", "email_verified": True}
        connect = {"provider": "corp", "id_token": provider.id_token()}
        assert api.post("/account/identities", json=connect, headers=eve.header).status_code == 201
        assert api.get("/organizations", headers=eve.header).json()["joinable"] == []
        assert join(eve, acme) == "cannot_join"
    zoe = person(ops, f"zoe@{domain}")
    read_mail(api, mailbox, zoe.given["email"])
    assert join(zoe, acme) == "cannot_join"  # the other half is missing
    provider.person = {"sub": secrets.token_hex(8), "email": zoe.given["email"], "email_verified": True}
    connect = {"provider": "corp", "id_token": provider.id_token()}
    assert api.post("/account/identities", json=connect, headers=zoe.header).status_code == 201
    assert join(zoe, acme) == ""


def test_members_of_the_domain_come_by_its_provider(
    api: httpx.Client, ops: Operating, dns: ScriptedDns, provider: ScriptedProvider
) -> None:
    """A password opens the account until they have connected the two, and never tokens for the organization alone."""
    acme, other, domain = ops.add(), ops.add(), f"{secrets.token_hex(4)}.test"
    verified_domain(ops, dns, acme, domain, "corp")
    zoe = person(ops, f"zoe@{domain}")
    assert join(zoe, acme) == "cannot_join"
    ops.join(acme, zoe)
    ops.join(other, zoe)
    assert zoe.sign_in(organization=acme).json()["code"] == "provider_required"
    assert zoe.refresh(organization=acme).json()["code"] == "provider_required"
    assert zoe.sign_in(organization=other).status_code == 200
    provider.person = {"sub": "zoe-there", "email": zoe.given["email"], "email_verified": True}
    connect = {"provider": "corp", "id_token": provider.id_token()}
    assert api.post("/account/identities", json=connect, headers=zoe.header).status_code == 201
    assert zoe.refresh(organization=acme).status_code == 200
    refused = zoe.sign_in()
    assert (refused.status_code, refused.json()["code"]) == (403, "provider_required")
    provider.lies = {"jti": secrets.token_hex(4)}
    body = {"provider": "corp", "id_token": provider.id_token(), "organization": acme}
    assert api.post("/login", json=body).status_code == 200
    provider.lies = {}
    assert ops.call("PATCH", f"/{acme}/domains/{domain}", provider="").json()["provider"] == ""
    assert zoe.sign_in(organization=acme).status_code == 200


def test_what_a_third_party_was_given_stays_with_that_organization(
    server: RunningServer, api: httpx.Client, ops: Operating
) -> None:
    """Consent names the organization; switching the session changes nothing at the application, not at its refresh."""
    acme, other, zoe = ops.add(), ops.add(), person(ops)
    ops.join(acme, zoe, "editor")
    ops.join(other, zoe, "owner")
    party = add_relying_party(server, scope=("openid", "read", "profile"), rules=ClientRules(consent="first-time"))
    with Browser(server) as browser:
        assert browser.sign_in(zoe.given).status_code == 303
        slug = ops.call("GET", f"/{acme}").json()["slug"]
        flow = Flow(party, browser)
        page = flow.follow(flow.ask(scope="openid read profile", organization=slug))
        assert slug.title() in page.text
        kept = ["read", "profile", f"organization:{acme}"]
        tokens = flow.redeem(api, code_of(flow.submit(page, decision="allow", scope=kept))).json()
        claims = jwt.peek(tokens["access_token"]).claims
        assert (claims["org_id"], claims["org_roles"]) == (acme, ["editor"])
        assert jwt.peek(tokens["id_token"]).claims["tenant"] == acme
        assert api.get("/oauth/userinfo", headers=bearer(tokens["access_token"])).json()["tenant"] == acme
        form = {"token": tokens["access_token"], **party.credentials}
        told = api.post("/oauth/introspect", data=form).json()
        assert (told["org_id"], told["org_slug"], told["org_roles"]) == (acme, slug, ["editor"])
        headers = {"origin": server.url, "gatepass-request": "1"}
        assert browser.http.post("/refresh", json={"organization": other}, headers=headers).status_code == 200
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **party.credentials}
        again = api.post("/oauth/token", data=form)
        assert jwt.peek(again.json()["access_token"]).claims["org_id"] == acme
        silent = flow.ask(scope="openid read", organization=acme, prompt="none")
        assert "code=" in silent.headers["location"]  # what was agreed to is remembered
        refused = ((other, "consent_required"), (ops.add(), "access_denied"), ("x" * 65, "invalid_request"))
        for organization, error in refused:
            silent = flow.ask(scope="openid read", organization=organization, prompt="none")
            assert f"error={error}" in silent.headers["location"]
        plain = flow.redeem(api, code_of(flow.ask(scope="openid read", prompt="none"))).json()
        assert "org_id" not in jwt.peek(plain["access_token"]).claims
        page = flow.follow(flow.ask(scope="openid read", organization=other))
        unticked = flow.redeem(api, code_of(flow.submit(page, decision="allow", scope=["read"]))).json()
        assert "org_id" not in jwt.peek(unticked["access_token"]).claims
        assert ops.call("DELETE", f"/{acme}/members/{zoe.id}").status_code == 204
        form = {"token": again.json()["access_token"], **party.credentials}
        assert api.post("/oauth/introspect", data=form).json() == {"active": False}


def test_an_admin_who_is_demoted_at_this_moment_does_nothing_more(
    api: httpx.Client, ops: Operating, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call has passed the gate when the role is taken, and is refused inside its transaction."""
    acme, eve, bob = ops.add(), person(ops), person(ops)
    ops.join(acme, eve, "admin")
    ops.join(acme, bob)
    check = OrganizationAuth._check

    async def slow(self: OrganizationAuth, request: Request, caller: Caller) -> Caller:
        found = await check(self, request, caller)
        demoted = await asyncio.to_thread(ops.call, "PATCH", f"/{acme}/members/{eve.id}", roles=[])
        assert demoted.status_code == 200
        return found

    monkeypatch.setattr(OrganizationAuth, "_check", slow)
    for method, path, body in (
        ("POST", "invitations", {"email": "friend@example.test", "roles": ["admin"]}),
        ("PATCH", f"members/{eve.id}", {"roles": ["admin"]}),
        ("DELETE", f"members/{bob.id}", None),
    ):
        assert ops.call("PATCH", f"/{acme}/members/{eve.id}", roles=["admin"]).status_code == 200
        refused = api.request(method, f"/organizations/{acme}/{path}", json=body, headers=eve.header)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_organization_admin")
    assert ops.call("GET", f"/{acme}").json()["members"] == 2
    assert ops.call("GET", f"/{acme}/invitations").json() == {"invitations": []}


@pytest.mark.parametrize("way", ["sign-in", "refresh", "switch"])
def test_a_token_that_is_made_during_a_removal_is_born_dead(
    api: httpx.Client, ops: Operating, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """What it says was read before, and its status index is revoked by the time that it is signed."""
    acme, zoe = ops.add(), person(ops)
    ops.join(acme, zoe)
    zoe.sign_in(organization="" if way == "switch" else acme)
    mint = TokenIssuer.mint

    async def late(self: TokenIssuer, *given: Any, **named: Any) -> IssuedToken:  # noqa: ANN401 - as they are
        removed = await asyncio.to_thread(ops.call, "DELETE", f"/{acme}/members/{zoe.id}")
        assert removed.status_code == 204
        return await mint(self, *given, **named)

    assert ops.header  # asked for before, since that makes a token too
    monkeypatch.setattr(TokenIssuer, "mint", late)
    match way:
        case "sign-in":
            answer = zoe.sign_in(organization=acme)
        case "refresh":
            answer = zoe.refresh()
        case _:
            answer = zoe.refresh(organization=acme)
    assert answer.status_code == 200
    assert zoe.claims["org_id"] == acme
    assert not zoe.is_let_in


def test_an_admin_gives_no_more_roles_than_a_token_holds(api: httpx.Client, ops: Operating) -> None:
    """Otherwise the member's refresh would be refused, again and again, for a token that is too large."""
    acme, admin, bob = ops.add(), person(ops), person(ops)
    ops.join(acme, admin, "admin")
    ops.join(acme, bob)
    roles = [f"role-{number}" for number in range(21)]
    at = f"/organizations/{acme}"
    refused = api.patch(f"{at}/members/{bob.id}", json={"roles": roles}, headers=admin.header)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_role")
    invited = api.post(f"{at}/invitations", json={"email": "new@example.test", "roles": roles}, headers=admin.header)
    assert invited.json()["code"] == "invalid_role"
    taken = api.patch(f"{at}/members/{bob.id}", json={"roles": roles[1:]}, headers=admin.header)
    assert taken.status_code == 200


def test_a_role_that_only_looks_like_admin_is_none(api: httpx.Client, ops: Operating) -> None:
    """A member with the role `Admin` manages nothing, so the last admin cannot leave them in charge."""
    acme, admin, bob = ops.add(), person(ops), person(ops)
    ops.join(acme, admin, "admin")
    ops.join(acme, bob, "Admin")
    assert api.post(f"/organizations/{acme}/leave", headers=admin.header).json()["code"] == "last_admin"


@pytest.mark.parametrize("rule", ["first-time", "never"])
def test_a_scope_of_an_api_agrees_to_no_organization(
    server: RunningServer, api: httpx.Client, ops: Operating, rule: ConsentRule
) -> None:
    """One that begins with `organization:` is that API's: an organization that was unticked is not told of."""
    acme, zoe = ops.add(), person(ops)
    ops.join(acme, zoe, "editor")
    party = add_relying_party(server, scope=("openid", "organization:read"), rules=ClientRules(consent=rule))
    with Browser(server) as browser:
        assert browser.sign_in(zoe.given).status_code == 303
        flow = Flow(party, browser)
        page = flow.follow(flow.ask(scope="openid organization:read", organization=acme, prompt="consent"))
        answer = flow.redeem(api, code_of(flow.submit(page, decision="allow", scope=["organization:read"]))).json()
    assert "org_id" not in jwt.peek(answer["access_token"]).claims
