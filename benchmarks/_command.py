"""The command that makes a page."""

from __future__ import annotations

import shlex
from dataclasses import MISSING, fields
from typing import Any

_ELSEWHERE = ("out", "write", "quick")
"""Where results go, which is everybody's own; and a form that makes no page."""


def command(module: str, options: Any, page: str) -> str:
    """`python -m benchmarks.MODULE --write PAGE`, with the settings of the dataclass `options` that are not the usual ones."""
    words = ["python", "-m", f"benchmarks.{module}"]
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name not in _ELSEWHERE and (field.default is MISSING or value != field.default):
            words += [f"--{field.name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else (value,))]
    return shlex.join([*words, "--write", page])
