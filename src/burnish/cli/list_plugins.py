"""`burnish list`: every plug-in by family with its one-line description, formulas of training, and which models are usable here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text
from tyro.conf import Positional

from burnish.cli._console import out, print_json, table

if TYPE_CHECKING:
    from burnish.objectives.base import Formula


def list_plugins(family: Positional[str] = "", *, json: bool = False) -> None:
    """List what can be named: strategies, task sets, verifiers, engines, recipes, what training is made of …; or models.

    Of one family of losses, advantages or weights it shows the formulas, what they need, their options and sources.

    Example: burnish list models

    Args:
        family: Only this family (`strategies`, `losses` …); `models`: what is usable here; all families if left out.
        json: Print one JSON document instead of tables.
    """
    from burnish import api

    if family == "models":
        listed = api.list_models()
        if json:
            print_json(listed)
        else:
            _show_models(listed)
        return
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


ABILITIES = ("training", "token_ids", "logprobs", "adapters", "repeatable")


def _show_models(listed: dict[str, Any]) -> None:
    rows = [(row["write"], ", ".join(row["engines"]) or "none usable, see below") for row in listed["models"]]
    table("models", ("write", "engines here"), rows)
    engines = listed["engines"]
    marks = [[("yes" if getattr(row.abilities, name) else "-") for name in ABILITIES] for row in engines]
    heads = ("engine", "here", *(name.replace("_", " ") for name in ABILITIES))
    table("engines", heads, [(row.name, "yes" if row.usable else "no", *each) for row, each in zip(engines, marks, strict=True)])
    for row in engines:
        if row.abilities.remark:
            out.print(f"{row.name}: {row.abilities.remark}", markup=False)
        if not row.usable:
            out.print(f"{row.name}: {row.why}. Mend: {row.mend}", markup=False)


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
