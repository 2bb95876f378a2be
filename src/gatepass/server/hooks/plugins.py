"""Plugins.

A plugin is an object that one of the operator's packages names in the entry point group `gatepass.plugins`. It is found
wherever that package is installed beside Gatepass, and loaded in every serving process: what a plugin opens, such as a
connection to a key management service, belongs to one process.
"""

from __future__ import annotations

import asyncio
from functools import partial
from importlib.metadata import entry_points
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from gatepass.server.base.errors import StartupError
from gatepass.server.domain.hooks.asking import Decider, hook_unavailable
from gatepass.server.domain.sessions.custom_claims import ExtraClaims, claims_unavailable
from gatepass.server.hooks.answers import HookError, checked_answer, limited

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from importlib.metadata import EntryPoint

    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.hooks.requests import (
        BeforeLoginRequest,
        BeforeSignupRequest,
        Deny,
        HookName,
        HookRequest,
    )
    from gatepass.server.domain.keys.signer import OutsideKey
    from gatepass.server.domain.sessions.custom_claims import ClaimsRequest

GROUP = "gatepass.plugins"
_START_SECONDS = 10.0
"""How long a plugin may take at startup."""

ClaimsFunction: TypeAlias = "Callable[[ClaimsRequest], Awaitable[object]]"
"""It returns a dict of claims; what it returns is checked."""
SignupFunction: TypeAlias = "Callable[[BeforeSignupRequest], Awaitable[Deny | None]]"
LoginFunction: TypeAlias = "Callable[[BeforeLoginRequest], Awaitable[Deny | None]]"
EventFunction: TypeAlias = "Callable[[Event], Awaitable[object]]"
SigningKeys: TypeAlias = "Callable[[], Awaitable[Sequence[OutsideKey]]]"


class PluginListener(NamedTuple):
    """A plugin's function for events."""

    name: str
    function: EventFunction

    async def tell(self, event: Event) -> None:
        """Call it."""
        await self.function(event)


class Plugin:
    """What a package adds to the server. Its functions are registered with decorators.

    ```python
    plugin = Plugin("our-kms")

    @plugin.signing_keys
    async def keys() -> list[OutsideKey]: ...
    ```

    Args:
        name: What operators read in errors and logs.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._signing_keys: SigningKeys | None = None
        self._claims: ClaimsFunction | None = None
        self._before_signup: SignupFunction | None = None
        self._before_login: LoginFunction | None = None
        self._on_event: EventFunction | None = None

    def signing_keys(self, function: SigningKeys) -> SigningKeys:
        """Sign with outside keys (KMS, PKCS#11): the function returns them, the newest last.

        It is called once in each process, before that serves, and has 10 seconds.
        """
        self._check(function, instead_of=self._signing_keys)
        self._signing_keys = function
        return function

    def extra_claims(self, function: ClaimsFunction) -> ClaimsFunction:
        """Add claims to first-party access tokens: the function returns them for each, and has half a second.

        It is called after the transaction that the token comes of. Where it fails, takes longer, or returns what
        cannot stand in a token, there is no token: 503 `claims_unavailable`, and the session stays.
        """
        self._check(function, instead_of=self._claims)
        self._claims = function
        return function

    def before_signup(self, function: SignupFunction) -> SignupFunction:
        """Decide whether an account may be made, or get another address: return `Deny("code", "text")` or None.

        Every way to make an account asks it, and every change of an address; it has half a second. Where it fails or
        takes longer, the answer is 503 `hook_unavailable`, and nothing was written.
        """
        self._check(function, instead_of=self._before_signup)
        self._before_signup = function
        return function

    def before_login(self, function: LoginFunction) -> LoginFunction:
        """Decide whether a person may sign in: return `Deny("code", "text")` or None.

        Every way to begin a session asks it, after the person has proved who they are; refreshing begins none. As for
        time and failures, see `before_signup`.
        """
        self._check(function, instead_of=self._before_login)
        self._before_login = function
        return function

    def on_event(self, function: EventFunction) -> EventFunction:
        """Be told of each event of the log, in order and at least once; the function has ten seconds for each.

        Where it fails or takes longer, the event is told again, and what follows waits. One process calls it at a time,
        from the first start with the plugin on.
        """
        self._check(function, instead_of=self._on_event)
        self._on_event = function
        return function

    def _check(self, function: Callable[..., object], *, instead_of: object) -> None:
        """Refuse what would be dropped in silence, or fail at each call.

        Raises:
            TypeError: the function is not one of `async def`.
            ValueError: the plugin has a function for this already.
        """
        if not (iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)):
            raise TypeError(f"{function!r} of the plugin {self.name} has to be an async def")
        if instead_of is not None:
            raise ValueError(f"the plugin {self.name} has a function for this already: {instead_of!r}")

    @property
    def listener(self) -> PluginListener | None:
        """What is told of events, if it wants to be."""
        return None if self._on_event is None else PluginListener(self.name, self._on_event)

    @property
    def deciders(self) -> tuple[Decider, ...]:
        """Its functions that decide."""
        named: tuple[tuple[HookName, Callable[..., Awaitable[object]] | None], ...] = (
            ("before_signup", self._before_signup),
            ("before_login", self._before_login),
        )
        return tuple(Decider(self.name, hook, partial(self._decide, ask)) for hook, ask in named if ask is not None)

    async def _decide(self, ask: Callable[..., Awaitable[object]], request: HookRequest) -> Deny | None:
        try:
            return checked_answer(await limited(ask(request)))
        except HookError as error:
            raise hook_unavailable(f"the plugin {self.name}: {error}") from error

    @property
    def uses(self) -> tuple[str, ...]:
        """What it does, for operators."""
        used = {
            "signing_keys": self._signing_keys,
            "extra_claims": self._claims,
            "before_signup": self._before_signup,
            "before_login": self._before_login,
            "on_event": self._on_event,
        }
        return tuple(name for name, function in used.items() if function is not None)

    @property
    def claims(self) -> ExtraClaims | None:
        """What it adds to tokens, if it does."""
        return None if self._claims is None else ExtraClaims(self.name, self._read_claims)

    async def _read_claims(self, request: ClaimsRequest) -> dict[str, object]:
        if self._claims is None:
            return {}
        try:
            returned = await limited(self._claims(request))
        except HookError as error:
            raise claims_unavailable(self.name, str(error)) from error
        if not isinstance(returned, dict):
            raise claims_unavailable(self.name, f"it returned {type(returned).__name__}, which is not a dict")
        return cast("dict[str, object]", returned)

    async def read_signing_keys(self) -> Sequence[OutsideKey]:
        """Call the plugin for its outside keys.

        Raises:
            StartupError: when the plugin fails or takes too long: then the server does not start with other keys.
        """
        if self._signing_keys is None:
            return ()
        try:
            async with asyncio.timeout(_START_SECONDS):
                return tuple(await self._signing_keys())
        except Exception as error:  # a plugin may raise anything
            # Only the error's type is shown: its text may hold more than a log should.
            raise StartupError(
                f"The plugin {self.name} gives no signing keys: {type(error).__name__}.",
                "Check that the service it uses can be reached from here.",
            ) from error


def load_plugins() -> tuple[Plugin, ...]:
    """Load every installed plugin, in the order of their names.

    Raises:
        StartupError: when one cannot be loaded: a server without it would not be the one that was asked for. And when
            two have one name, by which the store keeps how far each has been told of events.
    """
    plugins = tuple(_load(found) for found in sorted(entry_points(group=GROUP), key=lambda found: found.name))
    names = [plugin.name for plugin in plugins]
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise StartupError(f"Two plugins are called {doubles[0]}.", "Give each a name of its own: Plugin(name).")
    return plugins


def has_plugins() -> bool:
    """Whether any is installed, without loading it."""
    return bool(entry_points(group=GROUP))


def _load(found: EntryPoint) -> Plugin:
    try:
        plugin: object = found.load()
    except Exception as error:
        raise StartupError(
            f"The plugin {found.name} cannot be loaded: {type(error).__name__}: {error}.",
            f"It is named as {found.value} in the entry points {GROUP}: fix it, or uninstall its package.",
        ) from error
    if not isinstance(plugin, Plugin):
        raise StartupError(
            f"The plugin {found.name} is not a gatepass.server.Plugin.",
            f"Let {found.value} name one: plugin = Plugin({found.name!r}).",
        )
    return plugin
