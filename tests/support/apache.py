"""An Apache of its own on loopback, whose mod_auth_openidc guards what it passes on; from Debian's packages."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.commands import Registered

_MODULES = Path("/usr/lib/apache2/modules")
_LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "proxy", "proxy_http")
_CONFIGURATION = """
ServerRoot {folder}
ServerName localhost:{port}
Listen 127.0.0.1:{port}
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog {folder}/errors
StartServers 1

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client.id}
OIDCClientSecret {client.secret}
OIDCRedirectURI http://localhost:{port}/oidc
OIDCCryptoPassphrase "a passphrase of the site"
OIDCScope "openid email"
OIDCPKCEMethod S256
OIDCResponseMode form_post

ProxyPass / {behind}/
<Location />
  AuthType openid-connect
  Require valid-user
</Location>
<Location /renewed>
  OIDCRefreshAccessTokenBeforeExpiry 3600
</Location>
<Location /out>
  AuthType none
  Require all granted
</Location>
"""


def program() -> str:
    """Where it is. Skips the test where it or the module is not."""
    found = shutil.which("apache2", path=os.environ["PATH"] + ":/usr/sbin")
    if found is None or not (_MODULES / "mod_auth_openidc.so").exists():
        pytest.skip("this needs Debian's libapache2-mod-auth-openidc, which is not here")
    return found


@contextmanager
def apache(folder: Path, port: int, *, issuer: str, client: Registered, behind: str) -> Generator[None]:
    """Run it until the block ends; it passes what it lets through on to `behind`."""
    loads = "".join(f"LoadModule {name}_module {_MODULES}/mod_{name}.so\n" for name in _LOADED)
    servant = "User nobody\nGroup nogroup\n" if os.geteuid() == 0 else ""
    configuration = folder / "apache.conf"
    configuration.write_text(
        loads + servant + _CONFIGURATION.format(folder=folder, port=port, issuer=issuer, client=client, behind=behind)
    )
    command = [program(), "-D", "FOREGROUND", "-f", str(configuration)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: process.poll() is not None or _answers(port))
            assert process.poll() is None, (folder / "errors").read_text()
            yield
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
