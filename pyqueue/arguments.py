"""Whether the arguments of a call fit a function, without running it."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, Final

_NOTHING: Final = (lambda: None).__code__
_STARS: Final = 0x4 | 0x8
"""``*args`` and ``**kwargs``, in a code object's flags."""
_PLAIN: Final = 0x1 | 0x2
"""Fast locals in a frame of its own."""


def stub_of(function: Callable[..., Any]) -> Callable[..., None] | None:
    """A function with the name, parameters and defaults of ``function`` that does nothing: calling it is the check.

    Python raises the TypeError that it would raise of the function itself. None for a callable that isn't written
    in Python or is an object.
    """
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or not isinstance(function, FunctionType):
        return None
    flags = code.co_flags & _STARS
    names = code.co_argcount + code.co_kwonlyargcount + flags.bit_count()
    stub = FunctionType(
        code.replace(
            co_code=_NOTHING.co_code,
            co_consts=_NOTHING.co_consts,
            co_names=(),
            co_varnames=code.co_varnames[:names],
            co_nlocals=names,
            co_cellvars=(),
            co_freevars=(),
            co_stacksize=_NOTHING.co_stacksize,
            co_flags=flags | _PLAIN,
            co_linetable=_NOTHING.co_linetable,
            co_exceptiontable=_NOTHING.co_exceptiontable,
        ),
        {},
        function.__name__,
        function.__defaults__,
    )
    stub.__kwdefaults__ = function.__kwdefaults__
    return stub
