"""What is meant for the server's own machine is asked for through a tunnel, a proxy, or another name of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.server import OUTBOX, gatepass_serve, running_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import RunningServer

FOR_THIS_MACHINE = (OUTBOX, "/metrics")
FORWARDING = (
    "X-Forwarded-For",
    "x-forwarded-proto",
    "X-FORWARDED-HOST",
    "X_Forwarded_For",
    "X-Original-Forwarded-For",
    "Forwarded",
    "Via",
    "X-Real-IP",
    "X_Real_Ip",
    "X-Client-IP",
    "Client-IP",
    "True-Client-IP",
    "Fastly-Client-IP",
    "X-Cluster-Client-IP",
    "X-Azure-ClientIP",
    "CF-Connecting-IP",
    "CF-Ray",
    "CDN-Loop",
    "Tailscale-User-Login",
    "X-Envoy-External-Address",
)


def test_this_machine_is_served(api: httpx.Client) -> None:
    """Without any of it both are there."""
    assert [api.get(path).status_code for path in FOR_THIS_MACHINE] == [200, 200]


@pytest.mark.parametrize("header", FORWARDING)
def test_nothing_through_a_proxy(api: httpx.Client, header: str) -> None:
    """A header that proxies and tunnels add, in whatever spelling: there is nothing at the path."""
    for value in ("192.0.2.7", "127.0.0.1", ""):
        for path in FOR_THIS_MACHINE:
            assert api.get(path, headers={header: value}).status_code == 404


def test_nothing_under_another_name(server: RunningServer, api: httpx.Client) -> None:
    """Only the issuer's own host and port count: no other name that leads here."""
    port = server.settings.port
    elsewhere = ("evil.example", "127.0.0.1", "localhost.", "localhost.evil.example", "xlocalhost")
    for host in ("localhost", f"localhost:{port + 1}", *(f"{name}:{port}" for name in elsewhere)):
        for path in FOR_THIS_MACHINE:
            assert api.get(path, headers={"host": host}).status_code == 404


def test_no_mail_without_the_key(api: httpx.Client) -> None:
    """A tunnel that says nothing of itself and calls by the right name does not have what `serve` printed."""
    for query in ("", "?key=", "?key=another", f"?{OUTBOX.partition('?')[2]}x"):
        assert api.get(f"/pages/outbox{query}").status_code == 404


def test_nothing_where_the_issuer_is_elsewhere(tmp_path: Path) -> None:
    """A server that others reach has no outbox, and metrics only for who has the token, behind whatever proxy."""
    with (
        running_server(
            tmp_path,
            issuer="https://auth.example.test",
            trusted_proxy=("127.0.0.0/8", "::1/128"),
            metrics_token="sesame",
        ) as server,
        server.client() as api,
    ):
        for host in (urlsplit(server.address).netloc, "auth.example.test"):
            for path in FOR_THIS_MACHINE:
                assert api.get(path, headers={"host": host}).status_code == 404
        assert api.get("/metrics", headers={"authorization": "Bearer sesame"}).status_code == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_link_that_is_printed_opens_the_outbox(tmp_path: Path, workers: str) -> None:
    """In every worker, and another one at every start."""
    links = []
    for _ in range(2):
        with gatepass_serve(tmp_path, "--workers", workers, GATEPASS_OUTBOX_KEY="") as (process, _):
            assert process.stderr is not None
            link = next(line for line in process.stderr if "/pages/outbox" in line).split()[-1]
            assert [httpx.get(link).status_code for _ in range(6)] == [200] * 6
            links.append(link)
    assert links[0].partition("key=")[2] != links[1].partition("key=")[2]
