"""People with second factors: setting one up over HTTP, and the codes of an authenticator application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyotp

if TYPE_CHECKING:
    import httpx
    from tests.support.server import RunningServer


def bearer(token: str) -> dict[str, str]:
    """The header of a call."""
    return {"authorization": f"Bearer {token}"}


def sign_in(api: httpx.Client, person: dict[str, str], **more: object) -> httpx.Response:
    """The first half."""
    return api.post("/login", json=person | more)


class Application:
    """An authenticator application that has been told a secret."""

    def __init__(self, server: RunningServer, uri: str) -> None:
        self._server = server
        parsed = pyotp.parse_uri(uri)
        assert isinstance(parsed, pyotp.TOTP)
        self.totp = parsed

    def code(self) -> str:
        """What it shows now."""
        return self.totp.at(int(self._server.clock()))

    def next_code(self) -> str:
        """What it shows half a minute later, when a code that was used has gone."""
        self._server.clock.advance(30)
        return self.code()


def set_up_totp(server: RunningServer, api: httpx.Client, person: dict[str, str]) -> tuple[Application, list[str]]:
    """Give a person an authenticator application; it and the recovery codes."""
    token = sign_in(api, person).json()["token"]
    offered = api.post("/account/totp", headers=bearer(token))
    assert offered.status_code == 201, offered.text
    application = Application(server, offered.json()["uri"])
    confirmed = api.post("/account/totp/confirm", json={"code": application.code()}, headers=bearer(token))
    assert confirmed.status_code == 200, confirmed.text
    return application, confirmed.json()["recovery_codes"]


def finish(api: httpx.Client, due: httpx.Response, **factor: Any) -> httpx.Response:  # noqa: ANN401 - JSON
    """The second half of a sign-in."""
    assert (due.status_code, due.json()["code"]) == (403, "second_factor_required"), due.text
    return api.post("/login/factor", json={"challenge": due.json()["challenge"]} | factor)
