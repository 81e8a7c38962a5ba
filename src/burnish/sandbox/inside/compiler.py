"""The compiler: a process of the jail that turns source into code objects for the seats, and never runs any of it.

A seat is a fresh copy of a process, and compiling would touch many of its pages for the first time. Here the parser's memory
is warm. The process may only compute, read and write: it cannot even open a file. Whatever happens to it, nothing is
lost: a program that it does not answer for in time is compiled by its own seat, under that seat's limits.
"""

from __future__ import annotations

import gc
import marshal
import os
import resource
import signal
from collections.abc import Callable
from types import CodeType
from typing import Any, NoReturn

from . import codec, kernel, seccomp, wire
from .seat import limit, text_of

MOST_SOURCE, MOST_CODE = 1 << 20, 1 << 23
"""Bytes. What is longer is compiled by its seat."""
_MEMORY = 1 << 29


def compiled(source: str) -> CodeType | tuple[Any, ...]:
    """The code of an artefact, or the frame that says why there is none."""
    try:
        return compile(source, wire.ARTEFACT, "exec", dont_inherit=True)
    except SyntaxError as error:
        place = (error.lineno or 1, error.offset or 1, error.end_lineno or error.lineno or 1, error.end_offset or error.offset or 1)
        return "syntax", type(error).__name__, text_of(error.msg), place
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        return "syntax", type(error).__name__, text_of(error) or "too complex to compile", None


def serve(channel: int, lock: Callable[[], object]) -> NoReturn:
    """Answer sources with code until the parent hangs up. `lock` confines the process first."""
    try:
        os.closerange(3, channel)
        os.closerange(channel + 1, 1024)
        kernel.die_with_parent(signal.SIGKILL)
        limit(resource.RLIMIT_DATA, _MEMORY)
        limit(resource.RLIMIT_CORE, 0)
        lock()
        kernel.install_filter(seccomp.only_computing())
        gc.freeze()
        while True:
            source = wire.read_block(channel, MOST_SOURCE).decode("utf-8", "surrogatepass")
            wire.write_block(channel, _answer(source))
    finally:
        os._exit(0)


def _answer(source: str) -> bytes:
    found = compiled(source)
    return codec.encode(("code", marshal.dumps(found)) if isinstance(found, CodeType) else found, MOST_CODE)
