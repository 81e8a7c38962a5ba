"""`burnish list`: every plug-in by family, with its one-line description; and which models and engines are usable here."""

from __future__ import annotations

from typing import Any

from tyro.conf import Positional

from burnish.cli._console import out, print_json, table


def list_plugins(family: Positional[str] = "", *, json: bool = False) -> None:
    """List what can be named: strategies, task sets, verifiers, engines, recipes, what training is made of …; or models.

    Example: burnish list models

    Args:
        family: Only this family (`strategies`, `losses` …); `models`: what is usable here; all families if left out.
        json: Print one JSON document instead of tables.
    """
    from burnish import api

    listed: dict[str, Any] = api.list_models() if family == "models" else api.list_plugins(family)
    if json:
        print_json(listed)
    elif family == "models":
        _show_models(listed)
    else:
        for name, members in listed.items():
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
