"""Attacks on the server meet the same server as the stories."""

from __future__ import annotations

from tests.stories.conftest import ann, api, clock, server

__all__ = ["ann", "api", "clock", "server"]
