"""`burnish list`: every plug-in by family, with its one-line description."""

from __future__ import annotations

from tyro.conf import Positional

from burnish.cli._console import print_json, table


def list_plugins(family: Positional[str] = "", *, json: bool = False) -> None:
    """List what can be named: strategies, task sets, verifiers, engines, curations, recipes, and what training is made of.

    Example: burnish list strategies

    Args:
        family: Only this family (`strategies`, `losses` …); all of them if left out.
        json: Print one JSON document instead of tables.
    """
    from burnish import api

    listed = api.list_plugins(family)
    if json:
        print_json(listed)
        return
    for name, members in listed.items():
        table(name, ("name", "what it is"), list(members.items()))
