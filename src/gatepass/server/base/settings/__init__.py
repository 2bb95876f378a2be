"""Every setting: one field, one line of description, three places to set it.

A setting `port` is `--port` on the command line (where the command offers it), `GATEPASS_PORT` in the environment, and
`port = 8000` in a TOML file, in that order of precedence. What is not a setting refuses to start: a typing error in a
security setting must not go unnoticed.

A section of the settings is a file: a struct with the fields, what follows from them, and what they have to agree in.
For readers, settings are one flat table, `settings.port`; so each section extends the one before it, and may
use what that one knows (the mail section asks whether the issuer is on loopback). A new setting is a field in its
section. A new section is a file that extends the last one, and the base of `Settings`.
"""

from __future__ import annotations

from gatepass.server.base.settings.loading import IN_FILES, load
from gatepass.server.base.settings.settings import Settings

__all__ = ["IN_FILES", "Settings", "load"]
