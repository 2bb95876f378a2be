"""The APIs in `examples/`, run as their READMEs say, against an issuer on loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
from tests.support.scripted_issuer import JWKS, ScriptedIssuer

from gatepass.jose import Key

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"


class Example(NamedTuple):
    """The running example."""

    name: str
    issuer: ScriptedIssuer
    client: httpx.Client

    def get(self, path: str, *, key: Key | None = None, **claims: Any) -> httpx.Response:  # noqa: ANN401 - any claim
        """Ask with a token that is good now, but for what is said."""
        now = int(time.time())
        given: dict[str, Any] = {"aud": self.issuer.url, "iat": now, "exp": now + 60} | claims
        token = self.issuer.token(key, **given)
        return self.client.get(path, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module", params=["fastapi_api", "litestar_api", "flask_api", "django_api"])
def example(request: pytest.FixtureRequest) -> Iterator[Example]:
    """Start an example on a free port, with the issuer's URL as its only setting."""
    with ScriptedIssuer() as issuer:
        environment = os.environ | {"GATEPASS_ISSUER": issuer.url, "PORT": "0"}
        command = [sys.executable, str(EXAMPLES / request.param / "main.py")]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            said = ""
            for line in process.stderr:
                said += line
                if found := re.search(r"[Rr]unning on (http://[\w.:]+)", line):
                    break
            else:
                pytest.fail(said)
            with httpx.Client(base_url=found[1], trust_env=False) as client:
                yield Example(request.param, issuer, client)
            process.terminate()
            process.stderr.read()


def test_the_table_of_the_readme(example: Example) -> None:
    """Nobody, a stranger, somebody signed in, and an admin each get what the README says."""
    for path in ("/dashboard", "/admin"):
        assert example.client.get(path).status_code == 401
        assert example.get(path, exp=int(time.time())).status_code == 401
        assert example.get(path, key=Key.generate("ES256", kid=example.issuer.keys[0].kid)).status_code == 401
        assert example.get(path, aud="another-api").status_code == 401
    assert example.get("/dashboard").json() == {"message": "Welcome, user_1.", "roles": []}
    assert example.get("/admin").status_code == 403
    assert example.get("/admin", roles=["admin"]).status_code == 200


def test_no_request_calls_the_issuer(example: Example) -> None:
    """After the first token the issuer is not asked again."""
    example.get("/dashboard")
    asked = example.issuer.count(JWKS)
    for number in range(20):
        assert example.get("/dashboard", jti=f"t{number}").status_code == 200
    assert example.issuer.count(JWKS) == asked


def test_its_own_documentation_says_how_to_sign_in(example: Example) -> None:
    """Where the framework writes an OpenAPI document, that of the example declares the bearer scheme."""
    path = {"fastapi_api": "/openapi.json", "litestar_api": "/schema/openapi.json"}.get(example.name)
    if path is None:
        pytest.skip("the framework writes none")
    document = example.client.get(path).json()
    assert document["paths"]["/dashboard"]["get"]["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
