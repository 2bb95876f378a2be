"""Write the list of common passwords that the server refuses: what Django and zxcvbn have collected from leaks.

Run it after `make setup`; the list changes only when one of the two has another one.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import django.contrib.auth
from zxcvbn.frequency_lists import FREQUENCY_LISTS

SHORTEST = 6
"""Characters. No password that short is taken anyhow, but people lengthen what they are used to: `monkey2026!`."""
TARGET = Path(__file__).parent.parent / "src/gatepass/server/domain/credentials/passwords/common_passwords.zz"


def main() -> None:
    """Write the list: lower case, sorted, one a line, compressed."""
    packed = Path(django.contrib.auth.__file__).with_name("common-passwords.txt.gz")
    found = {*gzip.decompress(packed.read_bytes()).decode().split(), *FREQUENCY_LISTS["passwords"]}
    kept = {word.lower() for word in found if len(word) >= SHORTEST and word.isascii()}
    TARGET.write_bytes(zlib.compress("\n".join(sorted(kept)).encode(), level=9))


if __name__ == "__main__":
    main()
