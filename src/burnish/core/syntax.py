"""Syntax trees of Python source, from any thread.

CPython 3.11 counts the depth of the tree that it is making for all threads together: where two make one at the same time,
`ast.parse` now and then raises `SystemError` for sound source. So here they are made one at a time.
"""

from __future__ import annotations

import ast
import threading

_making = threading.Lock()


def module(source: str) -> ast.Module:
    """As `ast.parse`. Raises what it raises: `SyntaxError`, `ValueError`, `RecursionError`, `MemoryError`."""
    with _making:
        return ast.parse(source)


def expression(source: str) -> ast.Expression:
    """As `ast.parse(source, mode="eval")`, with its errors."""
    with _making:
        return ast.parse(source, mode="eval")
