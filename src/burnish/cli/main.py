"""The `burnish` command: one module per command, each a typed function whose arguments are the options."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.markup import escape
from tyro.extras import SubcommandApp

from burnish.cli import curate, demo, doctor, evaluate, list_, solve, train, verify, view
from burnish.cli._console import err
from burnish.core.errors import BurnishError

app = SubcommandApp()
app.command(doctor.doctor)
app.command(demo.demo)
app.command(verify.verify)
app.command(solve.solve)
app.command(curate.curate)
app.command(train.train, name="train")
app.command(evaluate.evaluate, name="eval")
app.command(view.view)
app.command(list_.list_, name="list")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, run, and turn every expected failure into one message and a non-zero exit code (130 for Ctrl-C)."""
    try:
        code = app.cli(prog="burnish", description=__doc__, args=arguments)
    except BurnishError as error:
        err.print(f"[bold red]{type(error).__name__}:[/] {escape(str(error))}")
        code = 1
    except KeyboardInterrupt:
        err.print("Stopped. What was finished is kept; add --resume to the same command to go on.")
        code = 130
    sys.exit(code)
