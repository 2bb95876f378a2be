"""What a person is shown: every cell of the table, over the product of its inputs."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import msgspec
import pytest

from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions.authorization import (
    AskConsent,
    AuthorizationState,
    Choose,
    Issue,
    Refuse,
    SignIn,
    StepUp,
    next_step,
)
from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest
from gatepass.server.domain.sessions.caller import Caller
from gatepass.server.domain.sessions.client import Client
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.domain.sessions.consent import Consent

if TYPE_CHECKING:
    from gatepass.server.domain.sessions.authorization import Step

CALLBACK = "https://app.example.test/cb"
BEGAN = 1_000.0
ANN = User(id="usr_ann", email="ann@example.test", created_at=0)
CLIENT = Client(
    id="cli_app",
    name="App",
    grant_types=("authorization_code",),
    audience=(),
    scope=("openid", "email", "offline_access"),
    status=StatusIndex(0, 0),
    created_at=0,
    metadata=ClientMetadata(redirect_uris=(CALLBACK,)),
)
REQUEST = AuthorizationRequest(client_id="cli_app", redirect_uri=CALLBACK, scope=("openid", "email"))
SIGNED_IN = Caller(user=ANN, session_id="ses_1", auth_time=BEGAN - 100, acr="1")
AGREED = Consent(
    user_id=ANN.id,
    client_id=CLIENT.id,
    client_name="App",
    host="app.example.test",
    scope=("openid", "email"),
    resource=(),
    given_at=0,
)
KNOWN = AuthorizationState(caller=SIGNED_IN, subject=ANN.id, consent=AGREED, began_at=BEGAN, chosen="", now=BEGAN + 1)
FRESH = msgspec.structs.replace(KNOWN, caller=msgspec.structs.replace(SIGNED_IN, auth_time=BEGAN + 0.5))
NO_USER = msgspec.structs.replace(KNOWN, caller=None, subject="", consent=None)


def step(request: dict[str, object], known: AuthorizationState = KNOWN, client: Client = CLIENT) -> Step:
    """The step for the usual request with these parameters."""
    return next_step(msgspec.structs.replace(REQUEST, **request), client, known)


ROWS: list[tuple[str, dict[str, object], AuthorizationState, str, Step]] = [
    ("nobody is signed in", {}, NO_USER, "login_required", SignIn()),
    ("prompt=login", {"prompt": ("login",)}, KNOWN, "login_required", SignIn(again=True)),
    ("max_age has passed", {"max_age": 50}, KNOWN, "login_required", SignIn(again=True)),
    ("max_age=0", {"max_age": 0}, KNOWN, "login_required", SignIn(again=True)),
    ("somebody else is expected", {"subjects": ("usr_eve",)}, KNOWN, "login_required", SignIn(again=True)),
    ("two factors are asked", {"acr_values": ("2",)}, KNOWN, "unmet_authentication_requirements", StepUp()),
    ("the account is to be chosen", {"prompt": ("select_account",)}, KNOWN, "account_selection_required", Choose()),
    ("an account is to be created", {"prompt": ("create",)}, KNOWN, "interaction_required", SignIn(create=True)),
    (
        "more is asked than was agreed to",
        {"scope": ("openid", "email", "roles")},
        KNOWN,
        "consent_required",
        AskConsent(known=("openid", "email")),
    ),
    ("nothing was agreed to", {}, msgspec.structs.replace(KNOWN, consent=None), "consent_required", AskConsent()),
]


@pytest.mark.parametrize(
    ("request_", "known", "silently", "aloud"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS]
)
def test_the_rows(request_: dict[str, object], known: AuthorizationState, silently: str, aloud: Step) -> None:
    """Each situation shows its page; with `prompt=none` the error that stands for it (OpenID Connect Core §3.1.2.6)."""
    assert step(request_, known) == aloud
    prompts = request_.get("prompt", ())
    assert isinstance(prompts, tuple)
    assert step({**request_, "prompt": (*prompts, "none")}, known) == Refuse(silently)  # type: ignore[arg-type]


def test_nothing_is_shown_where_nothing_is_missing() -> None:
    """A session and a consent that covers the request: a code at once, with exactly those scopes."""
    assert step({}) == Issue(("openid", "email"))
    assert step({"prompt": ("none",)}) == Issue(("openid", "email"))


def test_a_sign_in_of_this_interaction_spends_the_prompt() -> None:
    """After the person has signed in, `login`, `max_age`, `create`, `select_account` ask no more, or it would loop."""
    requests: tuple[dict[str, object], ...] = ({"prompt": ("login", "create", "select_account")}, {"max_age": 0})
    for request in requests:
        assert step(request, FRESH) == Issue(("openid", "email"))
    assert step({"subjects": ("usr_eve",)}, FRESH) == Refuse("login_required")  # another one has signed in


def test_a_page_that_is_loaded_again_spends_nothing() -> None:
    """Only a newer sign-in counts, however often the page is looked at."""
    later = msgspec.structs.replace(KNOWN, now=BEGAN + 600)
    assert step({"prompt": ("login",)}, later) == SignIn(again=True)


def test_a_choice_or_a_known_address_is_a_choice() -> None:
    """Who has chosen the session, or whom the client has named by address, is not asked to choose."""
    chosen = msgspec.structs.replace(KNOWN, chosen="ses_1")
    assert isinstance(step({"prompt": ("select_account",)}, chosen), Issue)
    assert isinstance(step({"prompt": ("select_account",), "login_hint": "Ann@Example.test"}), Issue)
    other = msgspec.structs.replace(KNOWN, chosen="ses_2")
    assert step({"prompt": ("select_account",)}, other) == Choose()


def test_consent_by_rule_and_kind() -> None:
    """`never` asks only where the client wants it, `ask` always; a native application without a domain always."""
    for rule, kind, prompt in product(("never", "first-time", "ask"), ("web", "native"), ((), ("consent",))):
        client = msgspec.structs.replace(
            CLIENT,
            rules=ClientRules(consent=rule),  # type: ignore[arg-type]
            metadata=ClientMetadata(redirect_uris=(CALLBACK,), application_type=kind),  # type: ignore[arg-type]
        )
        redirect_uri = CALLBACK if kind == "web" else "com.example.app:/cb"
        agreed = msgspec.structs.replace(AGREED, host="app.example.test" if kind == "web" else "com.example.app")
        known = msgspec.structs.replace(KNOWN, consent=agreed)
        is_asked = rule == "ask" or kind == "native" or bool(prompt)
        found = step({"prompt": prompt, "redirect_uri": redirect_uri}, known, client)
        assert isinstance(found, AskConsent) == is_asked, (rule, kind, prompt)


def test_another_name_or_host_is_asked_anew() -> None:
    """A consent is to what the person has seen: its name, and where they were sent."""
    for changed in ({"client_name": "Other"}, {"host": "other.example.test"}):
        known = msgspec.structs.replace(KNOWN, consent=msgspec.structs.replace(AGREED, **changed))
        assert isinstance(step({}, known), AskConsent)


def test_offline_access_is_left_out_where_nobody_was_asked() -> None:
    """OpenID Connect Core §11: without a consent to it, it is dropped in silence, and is no reason to ask."""
    request: dict[str, object] = {"scope": ("openid", "offline_access")}
    assert step(request) == Issue(("openid",))
    lasting = msgspec.structs.replace(AGREED, scope=("openid", "offline_access"))
    assert step(request, msgspec.structs.replace(KNOWN, consent=lasting)) == Issue(("openid", "offline_access"))
    trusted = msgspec.structs.replace(CLIENT, rules=ClientRules(consent="never"))
    nothing = msgspec.structs.replace(KNOWN, consent=None)
    assert step(request, nothing, trusted) == Issue(("openid", "offline_access"))


def test_a_closed_account_is_denied() -> None:
    """Who may not use the client is told nothing else."""
    closed = msgspec.structs.replace(SIGNED_IN, user=msgspec.structs.replace(ANN, disabled_at=1.0))
    assert step({}, msgspec.structs.replace(KNOWN, caller=closed)) == Refuse("access_denied")
