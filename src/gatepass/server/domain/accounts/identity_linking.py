"""Sign-in with an account at another site: which account here it opens, and which it may be connected to.

A connected account opens the account that it is connected to. Otherwise its email address decides, and only if the
provider has verified it. If no account here has the address, one is created. If an account has it that was never
verified, the user takes that account over, and earlier credentials are removed. If the account has a verified owner,
the owner must sign in to it before the two are connected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.linked_identity import MOST_PER_PERSON, Identity
from gatepass.server.domain.accounts.ownership import prove_address
from gatepass.server.domain.accounts.user import Closed, User, account_closed, normalise_email
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.hooks.gates import create_account
from gatepass.server.domain.organizations.domain import domain_of
from gatepass.server.domain.organizations.joining import add_member
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.open import Authentication
from gatepass.server.domain.sessions.recent import check_still
from gatepass.server.domain.sessions.session import SINGLE_FACTOR

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.linked_identity import Claimed
    from gatepass.server.domain.accounts.signup_rules import SignupRules
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.providers.provider import Journey, ProvenIdentity, Provider
    from gatepass.server.domain.revocation.status_indexes import StatusIndexes
    from gatepass.server.domain.sessions.login import LoginCompletion, LoginResult
    from gatepass.server.domain.sessions.token_request import TokenRequest

BY_PROVIDER = "fed"
"""The `amr` of these sign-ins; RFC 8176 defines no value for them, and other servers use this one."""

Reason: TypeAlias = Literal["email_not_verified", "id_token_used"] | Closed
"""Why a sign-in was refused, for the log of events."""


class ProviderShown(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as shown to users: its id for `/login`, its name, and the URL that starts a sign-in with it."""

    id: str
    name: str
    url: str


class Existing(Confidential, frozen=True, kw_only=True):
    """The address of the provider's account belongs to an account here, whose owner may connect the two."""

    claimed: Claimed
    email: str


class IdentityLinking:
    """Signs users in with providers, and connects their accounts there to accounts here."""

    def __init__(  # noqa: PLR0913 - all that a way in works with
        self,
        database: Database,
        providers: Mapping[str, Provider],
        login: LoginCompletion,
        notices: Notices,
        *,
        indexes: StatusIndexes,
        rules: SignupRules,
        settings: Settings,
    ) -> None:
        self._database = database
        self._providers = providers
        self._login = login
        self._notices = notices
        self._indexes = indexes
        self._rules = rules
        self._settings = settings.providers
        self.shown = tuple(
            ProviderShown(id=each.id, name=each.name, url=f"{settings.issuer_url}/pages/login/with/{each.id}")
            for each in providers.values()
        )

    # ── asking a provider ──

    def provider(self, provider_id: str) -> Provider:
        """The provider with this id.

        Raises:
            Refusal: `unknown_provider`.
        """
        try:
            return self._providers[provider_id]
        except KeyError:
            raise Refusal("unknown_provider", "There is no provider with this id.") from None

    def name_of(self, provider_id: str) -> str:
        """The provider's name; its id if it is no longer configured."""
        provider = self._providers.get(provider_id)
        return provider_id if provider is None else provider.name

    async def way_there(self, provider_id: str, journey: Journey) -> str:
        """The URL to send a browser to. Raises as `Provider.way_there`."""
        return await self.provider(provider_id).way_there(journey, await self._database.read(_now))

    async def redeem(self, provider_id: str, answer: Mapping[str, str], journey: Journey) -> ProvenIdentity:
        """What the provider's answer, brought by a browser, proves. Raises as `Provider.redeem`."""
        return await self.provider(provider_id).redeem(answer, journey, await self._database.read(_now))

    async def check_id_token(self, provider_id: str, token: str, nonce: str | None) -> ProvenIdentity:
        """What an ID token sent by an application proves. Raises as `Provider.check_id_token`."""
        return await self.provider(provider_id).check_id_token(token, nonce=nonce, now=await self._database.read(_now))

    # ── signing in ──

    async def sign_in(
        self, proven: ProvenIdentity, *, token_request: TokenRequest, where: Origin, device: str, language: str
    ) -> LoginResult | Existing:
        """Sign the user in, or say that an account with this address has to be connected first.

        Raises:
            Refusal: `invalid_id_token` for one that was used before, `email_not_verified`, as
                `SignupRules.check`, `account_disabled` or `account_locked`.
        """
        await self._check_signup(proven.claimed, where)
        status = await self._indexes.next()
        # Made here, so that it is the same when the unit is run again with the answer of a hook.
        new_user_id = new_id("usr")

        async def unit(tx: Transaction) -> LoginResult | Existing | Refusal:
            if not await _use_once(tx, proven):
                return await _refuse(tx, "", "id_token_used", where)
            user = await self._account(tx, proven.claimed, where, language, new_user_id)
            if not isinstance(user, User):
                return user
            proof = Authentication(acr=SINGLE_FACTOR, amr=(BY_PROVIDER,), where=where, provider=proven.claimed.provider)
            return await self._login.complete(
                tx, user, token_request=token_request, proof=proof, status=status, device=device
            )

        return await decide(self._database, unit)

    async def _check_signup(self, claimed: Claimed, where: Origin) -> None:
        """Ask the sign-up service about a new user, before the transaction: inside it nothing else can be awaited."""
        email = _vouched_for(claimed)

        async def is_known(tx: Transaction) -> bool:
            found = await tx.identities.find(claimed.issuer, claimed.subject)
            return found is not None or await tx.users.by_email(email) is not None

        if email and not await self._database.read(is_known):
            await self._rules.ask(email, where)

    async def _account(
        self, tx: Transaction, claimed: Claimed, where: Origin, language: str, new_user_id: str
    ) -> User | Existing | Refusal:
        """Find the account, or create it."""
        found = await tx.identities.find(claimed.issuer, claimed.subject)
        domains = await self._domains_of(tx, claimed.provider)
        email = _vouched_for(claimed, domains)
        user = await (tx.users.by_email(email) if found is None else tx.users.by_id(found.user_id))
        if user is None:
            made = await self._new_account(tx, claimed, email, where, new_user_id)
            if domains is not None and isinstance(made, User):
                await add_member(tx, domains[domain_of(email)], made.id, actor=made.id, where=where)
            return made
        if user.closed is not None:
            return await _refuse(tx, user.id, user.closed, where)
        if found is not None:
            await tx.identities.use(found.id, email=claimed.email, now=tx.now)
            return user
        if domains is not None or not user.is_unclaimed:
            return Existing(claimed=claimed, email=email)
        if await prove_address(tx, user, by_mail=False, where=where):
            await self._notices.tell_taken(tx, user, language=language, where=where)
        await _add(tx, user, claimed, where)
        return user

    async def _domains_of(self, tx: Transaction, provider: str) -> Mapping[str, str] | None:
        """The proved domains of a provider that is an organization's own, each with its organization; None of others.

        Such a provider can say of itself what it likes. So it vouches for new accounts of these domains alone, and
        opens an existing account only where its owner has connected the two. A domain that is not proved any more
        takes that from it, and makes it nobody else's. Providers that everybody uses vouch for everybody, whatever an
        organization wants.
        """
        settings = self._settings.get(provider)
        if settings is None or settings.kind_of(provider) != "openid":
            return None
        claimed = await tx.domains.of_provider(provider)
        is_dedicated = settings.for_organizations
        if is_dedicated is None:
            is_dedicated = await tx.domains.is_dedicated(provider)
        if not claimed and not is_dedicated:
            return None
        return {each.domain: each.organization_id for each in claimed if each.is_current(tx.now)}

    async def _new_account(
        self, tx: Transaction, claimed: Claimed, email: str, where: Origin, user_id: str
    ) -> User | Refusal:
        if not email:
            return await _refuse(tx, "", "email_not_verified", where)
        try:
            self._rules.check(email)
        except Refusal as error:
            await record(tx, "sign_in_refused", actor="", reason=error.code, where=where)
            return error
        if refused := await self._rules.count(tx, email, where):
            return refused
        user = User(id=user_id, email=email, created_at=tx.now, email_verified_at=tx.now)
        if denied := await create_account(tx, user, method="provider", provider=claimed.provider, where=where):
            return denied
        await record(tx, "email_verified", user.id, reason=claimed.provider, where=where)
        await _add(tx, user, claimed, where)
        return user

    # ── connecting ──

    async def connect(  # noqa: PLR0913 - who, what, and for the notice and the log
        self,
        user: User,
        session_id: str,
        claimed: Claimed,
        *,
        where: Origin,
        language: str,
        proven: ProvenIdentity | None = None,
    ) -> Identity:
        """Connect a provider's account to the account of a user who has just proved both, and notify them by email.

        Args:
            user: Whose account.
            session_id: The session that they do it in.
            claimed: Which account elsewhere.
            where: For the log.
            language: Of the notice.
            proven: The ID token to use up, if it was not used before.

        Raises:
            Refusal: `invalid_id_token`, `identity_taken`, `too_many_identities`, or as `check_still`.
        """

        async def unit(tx: Transaction) -> Identity | Refusal:
            if refused := await check_still(tx, user, session_id):
                return refused
            if proven is not None and not await _use_once(tx, proven):
                return _refusal("id_token_used")
            found = await tx.identities.find(claimed.issuer, claimed.subject)
            if found is not None:
                return found if found.user_id == user.id else _identity_taken()
            if len(await tx.identities.of(user.id)) >= MOST_PER_PERSON:
                return Refusal(
                    "too_many_identities",
                    f"A user can have at most {MOST_PER_PERSON} connected accounts: disconnect one first.",
                )
            name = self.name_of(claimed.provider)
            await self._notices.warn(tx, "provider_connected", user, language=language, where=where, provider=name)
            return await _add(tx, user, claimed, where)

        return await decide(self._database, unit)


async def _now(tx: Transaction) -> float:
    return tx.now


async def _use_once(tx: Transaction, proven: ProvenIdentity) -> bool:
    """Mark the ID token as used. Providers without ID tokens use codes, which they accept only once themselves."""
    return not proven.once or await tx.used_once.use("id_token", proven.once, expires_at=proven.until)


async def _add(tx: Transaction, user: User, claimed: Claimed, where: Origin) -> Identity:
    identity = Identity(
        id=new_id("idn"),
        user_id=user.id,
        provider=claimed.provider,
        issuer=claimed.issuer,
        subject=claimed.subject,
        email=claimed.email,
        created_at=tx.now,
        used_at=None,
    )
    await tx.identities.add(identity)
    await record(tx, "provider_connected", user.id, reason=claimed.provider, where=where)
    return identity


async def _refuse(tx: Transaction, user_id: str, reason: Reason, where: Origin) -> Refusal:
    await record(tx, "sign_in_refused", user_id, actor="", reason=reason, where=where)
    return _refusal(reason)


def _vouched_for(claimed: Claimed, domains: Collection[str] | None = None) -> str:
    """The normalized address, if the provider has verified it; empty otherwise, and outside of these domains."""
    try:
        email = normalise_email(claimed.email) if claimed.email_is_verified else ""
    except Refusal:
        return ""
    return email if domains is None or domain_of(email) in domains else ""


def _identity_taken() -> Refusal:
    return Refusal("identity_taken", "This account of the provider is already connected to another account here.")


def _refusal(reason: Reason) -> Refusal:
    match reason:
        case "id_token_used":
            return Refusal("invalid_id_token", "The ID token was already used.")
        case "email_not_verified":
            return Refusal("email_not_verified", "The provider has not verified an email address.")
        case "account_disabled" | "account_locked":
            return account_closed(reason)
