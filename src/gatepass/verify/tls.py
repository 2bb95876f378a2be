"""The TLS context of our own requests to other hosts."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


def public_authorities() -> ssl.SSLContext:
    """Trusts the public authorities, or those that `SSL_CERT_FILE` or `SSL_CERT_DIR` names instead.

    Made once for the process: reading them blocks every thread for some 20 ms.
    """
    return _authorities(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=2)
def _authorities(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    import httpx  # noqa: PLC0415 - only where another host is asked, and it takes 100 ms

    return httpx.create_ssl_context()
