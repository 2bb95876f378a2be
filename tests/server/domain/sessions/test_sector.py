"""Sectors (OpenID Connect Core §8.1), and the names that are made by them."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.keys.master_key import DataKey
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.server.domain.sessions.sector import check_same_sector, check_sector, check_sector_document, sector_of
from gatepass.server.domain.sessions.subject_identifier import SubjectIdentifiers

DATA_KEY = DataKey(bytes(range(32)))
SUBJECTS = SubjectIdentifiers(DATA_KEY)
ONE, OTHER = "https://one.example/cb", "https://two.example/cb"
DOCUMENT = "https://sector.example/uris.json"


def pairwise(*redirect_uris: str, sector_identifier_uri: str = "") -> ClientMetadata:
    """What such a client says of itself."""
    return ClientMetadata(
        redirect_uris=redirect_uris, subject_type="pairwise", sector_identifier_uri=sector_identifier_uri
    )


def refusal(check: object, *arguments: object) -> str:
    """The code with which it is refused."""
    assert callable(check)
    with pytest.raises(Refusal) as caught:
        check(*arguments)
    return caught.value.code


@pytest.mark.parametrize(
    ("metadata", "sector"),
    [
        (ClientMetadata(redirect_uris=(ONE,)), ""),
        (ClientMetadata(redirect_uris=(ONE,), sector_identifier_uri=DOCUMENT), ""),
        (pairwise(ONE), "one.example"),
        (pairwise(ONE, "https://ONE.example:8443/other"), "one.example"),
        (pairwise(ONE, OTHER, sector_identifier_uri=DOCUMENT), "sector.example"),
        (pairwise("com.example.app:/cb"), "cli_1"),
        (pairwise(), "cli_1"),
    ],
)
def test_the_sector_of_a_client(metadata: ClientMetadata, sector: str) -> None:
    """The one host of its redirect URIs, that of the document that lists them, or the client itself; not the port."""
    assert sector_of(metadata, "cli_1") == sector


def test_what_has_no_sector_is_refused() -> None:
    """OIDF `oidcc-registration-sector-bad`: several hosts and no document, a document that lists not all, or none."""
    check_sector(pairwise(ONE))
    check_sector(pairwise(ONE, OTHER, sector_identifier_uri=DOCUMENT))
    check_sector(ClientMetadata(redirect_uris=(ONE, OTHER)))
    assert refusal(check_sector, pairwise(ONE, OTHER)) == "invalid_client_metadata"
    insecure = pairwise(ONE, sector_identifier_uri="http://sector.example/uris.json")
    assert refusal(check_sector, insecure) == "invalid_client_metadata"
    listed = pairwise(ONE, OTHER, sector_identifier_uri=DOCUMENT)
    check_sector_document(listed, b'["https://two.example/cb", "https://one.example/cb", "https://three.example"]')
    for document in (
        b'["https://one.example/cb"]',
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b'[["https://one.example/cb"]]',
        b"",
    ):
        assert refusal(check_sector_document, listed, document) == "invalid_client_metadata"


def test_a_client_goes_on_to_know_the_people_it_knows() -> None:
    """Its sector never changes, nor whether it has one; a redirect URI of the same host may come."""
    before = pairwise(ONE)
    check_same_sector(before, pairwise(ONE, "https://one.example/other"), "cli_1")
    for after in (pairwise(OTHER), pairwise(ONE, sector_identifier_uri=DOCUMENT), ClientMetadata(redirect_uris=(ONE,))):
        assert refusal(check_same_sector, before, after, "cli_1") == "invalid_client_metadata"
        assert refusal(check_same_sector, after, before, "cli_1") == "invalid_client_metadata"


def test_a_pairwise_name_is_a_keyed_digest() -> None:
    """The same at every node; another at each sector, for each person, and under each key; never told by its look."""
    key = DATA_KEY.derive("pairwise subjects")
    expected = base64.urlsafe_b64encode(hmac.digest(key, b"sub one.example usr_ann", hashlib.sha256)).rstrip(b"=")
    assert SUBJECTS.subject("one.example", "usr_ann") == expected.decode()
    names = {
        SUBJECTS.subject("one.example", "usr_ann"),
        SUBJECTS.subject("two.example", "usr_ann"),
        SUBJECTS.subject("one.example", "usr_bob"),
        SUBJECTS.session("one.example", "usr_ann"),
        SubjectIdentifiers(DataKey(bytes(32))).subject("one.example", "usr_ann"),
    }
    assert len(names) == 5
    assert (SUBJECTS.subject("", "usr_ann"), SUBJECTS.session("", "ses_1")) == ("usr_ann", "ses_1")
