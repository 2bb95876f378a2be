"""What can go wrong, as values that any layer may raise; only `web/errors.py` turns them into HTTP."""

from __future__ import annotations


class GatepassError(Exception):
    """An error with a stable `code`, a public `detail` and a `private` note for the log.

    Args:
        code: a key of the table in `web/errors.py`, which every user-visible code is listed in.
        detail: one sentence for the caller; it never repeats a secret or a whole input.
        private: what only the operator should read.
        retry_after: seconds after which trying again makes sense, where waiting helps.
    """

    def __init__(self, code: str, detail: str, *, private: str = "", retry_after: int | None = None) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.private = private
        self.retry_after = retry_after


class Refusal(GatepassError):
    """The request was understood and is refused."""


class Unavailable(GatepassError):
    """Nothing is wrong with the request; the server cannot do its part just now. Nothing was written."""


class StartupError(Exception):
    """The server or a command cannot start: what is wrong, and what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
