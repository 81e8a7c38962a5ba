"""How a program ran on one input, block by block: shown to models and people, never believed."""

from __future__ import annotations

from burnish.core.records import Cost, Record


class TraceStep(Record):
    """The end of one basic block of a traced program: function, first and last line (from 1), nested calls, values of variables.

    `values` are names and shown values, both bounded; `note` says what the function returned or raised there, if it did.
    """

    function: str
    first: int
    last: int
    depth: int = 1
    values: tuple[tuple[str, str], ...] = ()
    note: str = ""


class Trace(Record):
    """How a program ran on the input of one visible check. Made in the program's own process: for showing, never for judging.

    Where `total` exceeds the number of `steps`, those in the middle are left out. `output` is what it printed. `ending` says how the
    run ended, empty if it answered.
    """

    check_id: str
    input: str = ""
    steps: tuple[TraceStep, ...] = ()
    total: int = 0
    output: str = ""
    ending: str = ""
    cost: Cost = Cost()
