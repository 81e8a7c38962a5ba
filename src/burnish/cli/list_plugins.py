"""`burnish list`: every plug-in by family, with its one-line description; of losses and their like also the formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text
from tyro.conf import Positional

from burnish.cli._console import out, print_json, table

if TYPE_CHECKING:
    from burnish.objectives.base import Formula


def list_plugins(family: Positional[str] = "", *, json: bool = False) -> None:
    """List what can be named: strategies, task sets, verifiers, engines, losses, advantages, weights, curations, recipes.

    Of one family of losses, advantages or weights it shows the formulas, what they need, their options and sources.

    Example: burnish list losses

    Args:
        family: Only this family (`strategies`, `losses` …); all of them if left out.
        json: Print one JSON document instead of tables.
    """
    from burnish import api

    listed = api.list_plugins(family)
    formulas = api.list_formulas(family) if family else {}
    if json:
        print_json({name: _described(members, formulas) for name, members in listed.items()} if formulas else listed)
        return
    for name, members in listed.items():
        if formulas:
            _print_formulas(members, formulas)
        else:
            table(name, ("name", "what it is"), list(members.items()))


def _described(summaries: Mapping[str, str], formulas: Mapping[str, Formula]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "summary": summaries[name],
            "formula": formula.formula,
            "needs": sorted(formula.reads(formula.defaults)),
            "options": dict(formula.defaults),
            "source": formula.source,
        }
        for name, formula in formulas.items()
    }


def _print_formulas(summaries: Mapping[str, str], formulas: Mapping[str, Formula]) -> None:
    for name, described in _described(summaries, formulas).items():
        options = ", ".join(f"{option} = {value:g}" for option, value in described["options"].items())
        out.print(Text.assemble((name, "bold"), f"  {described['summary']}"))
        lines = (described["formula"], f"needs {', '.join(described['needs']) or 'nothing more'}", options, described["source"])
        for line in filter(None, lines):
            out.print(Text(f"    {line}", style="" if line is lines[0] else "dim"))
