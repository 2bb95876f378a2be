"""The errors that any layer may raise; only `web/errors.py` turns them into HTTP."""

from __future__ import annotations

import errno
from typing import Literal, TypeAlias

Cause: TypeAlias = Literal["full", "read_only", "unavailable"]
"""Why a database cannot be written to."""


class GatepassError(Exception):
    """An error with a stable `code`, a public `detail` and a `private` note for the log.

    Args:
        code: a key of the table in `web/errors.py`, which every user-visible code is listed in.
        detail: one sentence for the caller; it never repeats a secret or a whole input.
        private: what only the operator should read.
        retry_after: seconds after which trying again makes sense, where waiting helps.
    """

    shown_code: str | None = None
    """The code of a hook that refused, which callers read in place of ours."""

    def __init__(self, code: str, detail: str, *, private: str = "", retry_after: int | None = None) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.private = private
        self.retry_after = retry_after


class Refusal(GatepassError):
    """The request was understood but refused."""


class Unavailable(GatepassError):
    """The request is valid, but the server cannot handle it now. Nothing was written."""


class StoreUnavailable(Unavailable):
    """The database cannot be used now: `full`, `read_only`, or else `unavailable`."""

    def __init__(self, *, cause: Cause = "unavailable", private: str = "") -> None:
        super().__init__(
            "store_unavailable",
            "The server cannot reach its store just now; try again shortly.",
            private=private,
            retry_after=5,
        )
        self.cause: Cause = cause


class StartupError(Exception):
    """The server or a command cannot start: what is wrong, and what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


_FULL = (errno.ENOSPC, errno.EDQUOT)


def cause_of(number: int | None) -> Cause:
    """What an `errno` of writing a file says about its location."""
    if number in _FULL:
        return "full"
    return "read_only" if number == errno.EROFS else "unavailable"


def hint_for(number: int | None) -> str:
    """What to do about an `errno` of writing a file in the data folder."""
    if number in _FULL:
        return "Make room on the disk."
    if number == errno.EROFS:
        return "The file system is read-only: mount it for writing, or give --data-dir a folder on another one."
    if number == errno.EIO:
        return "The disk reports a failure: look at the system's log."
    return "Give --data-dir a folder that this user may write to."


def no_data(where: str) -> StartupError:
    """The error of a command that needs an existing database; it does not create one."""
    return StartupError(
        f"There is no database here: {where}.",
        "Run it in the server's folder, or name its --data-dir or --database. To create a database: gatepass serve",
    )
