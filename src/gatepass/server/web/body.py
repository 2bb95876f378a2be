"""A body as it came, which is split once, whoever asks for a part of it first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatepass.server.base.errors import Refusal
from gatepass.server.web.parsing import once_only, parse_json, read_form, split_form, text_members

if TYPE_CHECKING:
    from gatepass.server.web.parsing import Fields
    from gatepass.server.web.routing import Route


class Body:
    """The octets of a request, and what its route makes of them."""

    __slots__ = ("_content_type", "_fields", "_octets", "_route")

    def __init__(self, octets: bytes, content_type: str, route: Route) -> None:
        self._octets = octets
        self._content_type = content_type
        self._route = route
        self._fields: Fields | None = None

    def texts(self) -> dict[str, str]:
        """The texts that stand in it once, by name; none where it cannot be split."""
        if self._route.form is None:
            return text_members(self._octets)
        try:
            return once_only(self._split())
        except Refusal:
            return {}

    def converted(self) -> Any:  # noqa: ANN401 - the struct that the route names, or None
        """Convert it into the route's struct. Raises Refusal as `split_form`, `read_form` and `parse_json` do."""
        if self._route.form is not None:
            return read_form(self._split(), self._route.form)
        if self._route.body is not None:
            return parse_json(self._octets, self._content_type, self._route.body)
        return None

    def _split(self) -> Fields:
        if self._fields is None:
            self._fields = split_form(self._octets, self._content_type)
        return self._fields
