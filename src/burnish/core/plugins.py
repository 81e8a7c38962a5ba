"""Find plug-ins by name. A name is the name of a module in the family's folder; there is no table to edit.

`find("strategy", "self_debug")` imports `burnish.strategies.self_debug` and returns its object of the same name.
A user's own plug-in is an import path `package.module:object`. Dashes and underscores are the same in names.
Modules whose name begins with an underscore, and a family's `base`, are not plug-ins.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Mapping
from importlib.abc import InspectLoader
from typing import Any

from burnish.core import syntax
from burnish.core.errors import InputError, UnknownName

FAMILIES: Mapping[str, str] = {
    "verifier": "burnish.verifiers",
    "strategy": "burnish.strategies",
    "selector": "burnish.strategies.selectors",
    "scorer": "burnish.strategies.scorers",
    "task set": "burnish.tasks",
    "engine": "burnish.models",
    "curation": "burnish.curation",
    "loss": "burnish.objectives.losses",
    "advantage": "burnish.objectives.advantages",
    "weight": "burnish.objectives.weights",
    "preference": "burnish.objectives.preferences",
    "controller": "burnish.objectives.controllers",
    "input": "burnish.training.inputs",
    "recipe": "burnish.recipes",
    "export": "burnish.exports",
}
"""Family word → package that holds one module per plug-in."""


def names(family: str) -> list[str]:
    """All names of a family: modules that define an object of their own name, found without importing them."""
    package = importlib.import_module(FAMILIES[family])
    found = [module.name for module in pkgutil.iter_modules(package.__path__)]
    return sorted(name for name in found if not name.startswith("_") and name not in HELPERS)


HELPERS = frozenset({"base", "cached", "plain", "scorers", "scores", "selectors", "weights"})
"""Module names inside a family that hold its protocol, what is done with its members, or a family of its own, not a plug-in."""


def find(family: str, name: str) -> Any:
    """The plug-in `name` of `family`, or the object at an import path `package.module:object`.

    Raises `UnknownName` with the known names, or `InputError` if the import path is wrong.
    """
    if ":" in name:
        return imported(name)
    module_name = name.replace("-", "_")
    if module_name not in names(family):
        raise UnknownName(family, name, names(family))
    module = importlib.import_module(f"{FAMILIES[family]}.{module_name}")
    try:
        return getattr(module, module_name)
    except AttributeError:
        raise InputError(f"{module.__name__} must define an object named {module_name!r} to be a {family}.") from None


def summary(family: str, name: str) -> str:
    """First line of the plug-in module's docstring, read without importing the module."""
    spec = importlib.util.find_spec(f"{FAMILIES[family]}.{name.replace('-', '_')}")
    source = spec.loader.get_source(spec.name) if spec and isinstance(spec.loader, InspectLoader) else None
    docstring = ast.get_docstring(syntax.module(source)) if source else None
    return (docstring or "").split("\n")[0]


def catalogue(family: str = "") -> dict[str, dict[str, str]]:
    """Family → name → summary. `family` may be given in singular or plural; empty means all."""
    chosen = [family_of(family)] if family else list(FAMILIES)
    return {_plural(known): {name: summary(known, name) for name in names(known)} for known in chosen}


def family_of(word: str) -> str:
    """The family word for one given in singular or plural. Raises `UnknownName` for a family that does not exist."""
    for known in FAMILIES:
        if word in (known, _plural(known), known.replace(" ", "-")):
            return known
    raise UnknownName("family", word, map(_plural, FAMILIES))


def check_options(function: Any, options: Mapping[str, Any], what: str) -> None:
    """Raise `InputError` if `function` has no keyword-only parameter for one of `options`; the message lists those it has."""
    known = options_of(function)
    for name in options:
        if name not in known:
            raise InputError(f"The {what} has no option {name!r}. Its options: {', '.join(known) or 'none'}.")


def options_of(function: Any) -> list[str]:
    """The names of a function's keyword-only parameters: a plug-in's options."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _plural(family: str) -> str:
    return {"loss": "losses", "strategy": "strategies"}.get(family, f"{family}s")


def imported(path: str) -> Any:
    """The object at an import path `package.module:object`. Raises `InputError` if there is none."""
    module_name, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"Cannot load {path!r}: {error}. Write it as 'package.module:object' and make it importable.") from error
