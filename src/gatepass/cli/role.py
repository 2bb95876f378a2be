"""`gatepass role …`: the application's roles, which the settings define."""

from __future__ import annotations

from cyclopts import App

from gatepass.cli.common import Place
from gatepass.cli.output import Json, result_json, result_table
from gatepass.server.domain.accounts.role_table import RoleTable

app = App(name="role", help="List the application's roles.")

_HERE = Place()


@app.command(name="list")
def list_(*, json: Json = False, place: Place = _HERE) -> None:
    """List every role of the settings' table, and what it permits. Without a table, any role can be given."""
    roles = RoleTable(place.settings().roles).all()
    if json:
        result_json([{"name": name, "permissions": permissions} for name, permissions in roles.items()])
    else:
        result_table(("role", "permissions"), [(name, " ".join(each) or "-") for name, each in roles.items()])
