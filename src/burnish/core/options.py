"""Options as a person types them, `name=value`, as values."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from burnish.core.budget import Budget
from burnish.core.errors import InputError


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """`["rounds=2", "explain=false"]` as `{"rounds": 2, "explain": False}`; a bare word is a string."""
    options = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name.isidentifier():
            raise InputError(f"The option {pair!r} is not of the form name=value, for example rounds=2.")
        try:
            options[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[name] = value
    return options


def parse_budget(pairs: Sequence[str]) -> Budget:
    """`["tokens=2000", "calls=8"]` as a `Budget`. Raises `InputError` for what a budget does not limit or that is no number above 0."""
    values = parse_options(pairs)
    for name, value in values.items():
        kinds: tuple[type, ...] = (int,) if name in ("calls", "tokens") else (int, float)
        if name not in Budget.__struct_fields__ or type(value) not in kinds or value <= 0:
            known = ", ".join(Budget.__struct_fields__)
            raise InputError(f"The budget {name}={value} cannot be kept to. A budget limits {known}, each by a number above 0.")
    return Budget(**values)
