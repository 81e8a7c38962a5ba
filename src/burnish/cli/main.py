"""The `burnish` command: one module per command, each a typed function whose arguments are the options."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from rich.markup import escape
from tyro.extras import SubcommandApp

from burnish.cli._console import err
from burnish.cli.curate import curate
from burnish.cli.demo import demo
from burnish.cli.doctor import doctor
from burnish.cli.evaluate import evaluate
from burnish.cli.export import export, import_run
from burnish.cli.list_plugins import list_plugins
from burnish.cli.preflight import preflight
from burnish.cli.refinement import refinement
from burnish.cli.repair import repair
from burnish.cli.solve import solve
from burnish.cli.train import TRAININGS, train
from burnish.cli.verify import verify
from burnish.cli.view import view
from burnish.core.errors import BurnishError

app = SubcommandApp()
for command in (doctor, demo, verify, solve, repair, curate):
    app.command(command)
app.command(train, name="train")
app.command(preflight)
app.command(name="eval")(evaluate)
app.command(refinement)
app.command(view)
app.command(export)
app.command(name="import")(import_run)
app.command(name="list")(list_plugins)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, run, and turn every expected failure into one message and a non-zero exit code (130 for Ctrl-C).

    Import paths (`module:object`) are also looked for in the folder where the command is started, after everything installed.
    """
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        code = app.cli(prog="burnish", description=__doc__, args=_with_default_command(sys.argv[1:] if arguments is None else arguments))
    except BurnishError as error:
        err.print(f"[bold red]{type(error).__name__}:[/] {escape(str(error))}")
        code = 1
    except KeyboardInterrupt:
        err.print("Stopped. What was finished is kept; add --resume to the same command to go on.")
        code = 130
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:  # a file or folder that the user named: missing, not permitted, disk full
        mend = " Free some space; then --resume goes on with what was written." if error.errno == errno.ENOSPC else ""
        err.print(f"[bold red]{type(error).__name__}:[/] {escape(str(error))}.{mend}")
        code = 1
    sys.exit(code)


def _with_default_command(arguments: Sequence[str]) -> list[str]:
    """`train FILE.toml` and `train RECIPE` mean `train run …`."""
    named = len(arguments) > 1 and arguments[0] == "train" and not arguments[1].startswith("-") and arguments[1] not in TRAININGS
    return ["train", "run", *arguments[1:]] if named else list(arguments)
