"""`burnish doctor`: what works on this machine, what does not, and how to mend it."""

from __future__ import annotations

from burnish.cli._console import err, out, print_json


def doctor(*, json: bool = False) -> int:
    """Check the jail, the judges, the engines and the embedded model. Exits with 1 if something needed is missing.

    Example: burnish doctor --json

    Args:
        json: Print one JSON document instead of a table.
    """
    from burnish import api

    with err.status("looking …"):
        reports = api.doctor()
    if json:
        print_json(reports)
    for report in reports if not json else ():
        mark = "[green]ok[/]" if report.found else ("[yellow]--[/]" if report.optional else "[red]no[/]")
        out.print(f"{mark}  {report.name:<28} {report.version}  [dim]{report.detail}[/]")
        if not report.found and report.install:
            out.print(f"    mend: {report.install}")
    return int(any(not report.found and not report.optional for report in reports))
