"""What there is and what works here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burnish.core import plugins

if TYPE_CHECKING:
    from burnish.objectives.base import Formula
    from burnish.verifiers.base import ToolReport


MODEL_KINDS = {
    "embedded": "embedded",
    "checkpoint": "a checkpoint folder, or owner/name on the hub",
    "gguf": "a .gguf file",
    "endpoint": "a server's address, http://127.0.0.1:8080/v1 (several models: …/v1#name)",
}
"""Kind of model → what to write for it."""


def doctor() -> list[ToolReport]:
    """What works on this machine: interpreter, packages, embedded model, jail layers, judges, devices."""
    from burnish.runs.doctor import doctor as examine

    return examine()


def list_models() -> dict[str, Any]:
    """What may be given as a model and which engines read it here; the engines, what they can do, and how to mend what is missing."""
    from burnish.models import report

    engines = report()
    readers = {kind: [row.name for row in engines if row.usable and kind in row.abilities.reads] for kind in MODEL_KINDS}
    models = [{"write": words, "kind": kind, "engines": readers[kind]} for kind, words in MODEL_KINDS.items()]
    return {"models": models, "engines": engines}


def list_plugins(family: str = "") -> dict[str, dict[str, str]]:
    """Family → name → one-line description. Raises `UnknownName` for a family that does not exist."""
    return plugins.catalogue(family)


def list_formulas(family: str) -> dict[str, Formula]:
    """Name → what a loss, advantage or weight computes, needs and takes as options, and its source. Imports torch.

    Empty for a family without formulas (strategies, verifiers …). Raises `UnknownName` for a family that does not exist.
    """
    known = plugins.family_of(family)
    if not plugins.FAMILIES[known].startswith("burnish.objectives."):
        return {}
    return {name: plugins.find(known, name) for name in plugins.names(known)}
