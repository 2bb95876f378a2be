"""TLS downgrade: a client that is led to old ciphers, which RFC 9325 (BCP 195) tells servers not to have."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from tests.support.server import running_server
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Generator[int]:
    """The port of a server that speaks HTTPS itself."""
    certificate, key = self_signed(tmp_path_factory.mktemp("tls"))
    data: Path = tmp_path_factory.mktemp("data")
    with running_server(data, tls_cert=certificate, tls_key=key) as server:
        yield server.settings.port


def cipher(port: int, version: ssl.TLSVersion, ciphers: str) -> str:
    """The cipher suite that a client of one version and some ciphers gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with socket.create_connection(("localhost", port), timeout=20) as raw, context.wrap_socket(raw) as connected:
        found = connected.cipher()
    assert found is not None
    return found[0]


@pytest.mark.parametrize("ciphers", ["ECDHE+AESGCM", "ECDHE+CHACHA20"])
def test_tls_1_2_has_forward_secrecy_and_authenticated_encryption(port: int, ciphers: str) -> None:
    """ECDHE with AES-GCM or ChaCha20-Poly1305, as RFC 9325 §4.2 recommends."""
    assert cipher(port, ssl.TLSVersion.TLSv1_2, ciphers).startswith("ECDHE-ECDSA-")


@pytest.mark.parametrize("ciphers", ["AES+SHA1", "kRSA", "eNULL", "aNULL"])
def test_tls_1_2_has_nothing_older(port: int, ciphers: str) -> None:
    """No CBC with SHA-1, no static RSA, no missing encryption or authentication: the handshake fails."""
    with pytest.raises(ssl.SSLError):
        cipher(port, ssl.TLSVersion.TLSv1_2, ciphers)


@pytest.mark.filterwarnings("ignore:.*TLSv1:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_nothing_older_than_tls_1_2(port: int, version: ssl.TLSVersion) -> None:
    """TLS 1.0 and 1.1 are gone (RFC 8996)."""
    with pytest.raises(ssl.SSLError):
        cipher(port, version, "ALL")


def test_tls_1_3(port: int) -> None:
    """TLS 1.3 is there, and is what a client of today gets."""
    assert cipher(port, ssl.TLSVersion.TLSv1_3, "ALL").startswith("TLS_")
