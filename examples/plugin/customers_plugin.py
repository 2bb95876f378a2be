"""A plugin for a shop: who may sign up and sign in, what tokens say, and a file that follows what happens."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from gatepass.server import (  # noqa: TC001 - plain imports are easier to read
    BeforeLoginRequest,
    BeforeSignupRequest,
    ClaimsRequest,
    Deny,
    Event,
    Plugin,
)

THROWAWAY = {"mailinator.com", "trashmail.example"}
JOURNAL = Path(os.environ.get("CUSTOMERS_JOURNAL", "customers.jsonl"))

plugin = Plugin("customers")


@plugin.before_signup
async def no_throwaway_address(request: BeforeSignupRequest) -> Deny | None:
    """People keep their address; operators know what they do."""
    if request.method not in ("operator", "invitation") and request.email.rpartition("@")[2] in THROWAWAY:
        return Deny("throwaway_address", "Please use an address that you will keep.")
    return None


@plugin.before_login
async def paid(request: BeforeLoginRequest) -> Deny | None:
    """The shop's billing writes the plan: PATCH /admin/users/{id} {"app_metadata": {"plan": "suspended"}}."""
    if request.app_metadata.get("plan") == "suspended":
        return Deny("invoice_unpaid", "Your last invoice is unpaid. Please write to billing@shop.example.")
    return None


@plugin.extra_claims
async def discount(request: ClaimsRequest) -> dict[str, object]:
    """What only the shop knows; a real one would ask its database, and await the answer."""
    return {"discount": 10 if request.app_metadata.get("plan") == "pro" else 0}


@plugin.on_event
async def journal(event: Event) -> None:
    """An event may come twice after a crash, so its id is written too."""
    line = json.dumps({"id": event.id, "at": event.at, "kind": event.kind, "user": event.user_id})
    await asyncio.to_thread(_append, line + "\n")  # what blocks would hold up the whole server


def _append(line: str) -> None:
    with JOURNAL.open("a") as file:
        file.write(line)
