"""The system's crypt(3), through libxcrypt's thread-safe function; other C libraries have none."""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache
from typing import Any

_free = ctypes.CDLL(None).free
_free.argtypes = [ctypes.c_void_p]


@cache
def _crypt_ra() -> Any:  # noqa: ANN401 - a function of C
    name = ctypes.util.find_library("crypt") or "libcrypt.so.1"
    try:
        function = ctypes.CDLL(name).crypt_ra
    except (OSError, AttributeError):
        return None
    function.argtypes = [
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.POINTER(ctypes.c_int),
    ]
    function.restype = ctypes.c_char_p
    return function


def made(password: bytes, like: str) -> bytes:
    """Hash a password with the settings of `like`; empty if that is not possible."""
    function = _crypt_ra()
    if function is None or b"\0" in password:
        return b""
    data, size = ctypes.c_void_p(), ctypes.c_int()
    try:
        return function(password, like.encode(), ctypes.byref(data), ctypes.byref(size)) or b""
    finally:
        _free(data)


def knows(like: str) -> bool:
    """Whether hashes of this kind can be checked here."""
    return len(made(b"", like)) == len(like)
