"""A trace as feedback: what variables held at the ends of basic blocks, or what a program with print statements printed.

For RethinkMCTS (arXiv 2409.09584, block-level analysis) and LPW (arXiv 2411.14503, print trace). Bounded; values and output
are quoted as data.
"""

from __future__ import annotations

from burnish.core.traces import Trace, TraceStep
from burnish.signals.quote import lines, one_line

MOST_BLOCKS, MOST_LINES, VALUE = 20, 40, 80
"""Block ends and lines of output that are shown, and characters of a value."""


def block_trace(trace: Trace, code: str) -> str:
    """Block by block: its lines of `code`, and the variables after it that are new or have changed in its function."""
    if not trace.steps:
        return ""
    shown = _chosen(trace)
    rows = [f"[BLOCK-{number}] {_block(step, code)}" for number, step in shown]
    left = trace.total - len(rows)
    if left > 0:
        rows.insert((len(rows) + 1) // 2, f"… {left} blocks left out …")
    head = f"What the variables hold after each block of {one_line(trace.input)}:" if trace.input else "What the variables hold:"
    return "\n".join([head, *rows, *([f"It ended: {one_line(trace.ending)}"] if trace.ending else [])])


def printed_trace(trace: Trace) -> str:
    """What the program printed on the way, and how it ended."""
    rows = [lines(trace.output, MOST_LINES)] if trace.output else ["(nothing was printed)"]
    return "\n".join([*rows, *([f"It ended: {one_line(trace.ending)}"] if trace.ending else [])])


def _chosen(trace: Trace) -> list[tuple[int, TraceStep]]:
    """The first half and the last half of what may be shown, numbered from 0 in the order of running."""
    missing = trace.total - len(trace.steps)
    kept_first = (len(trace.steps) + 1) // 2 if missing > 0 else len(trace.steps)
    numbered = [(index if index < kept_first else index + max(missing, 0), step) for index, step in enumerate(trace.steps)]
    if len(numbered) <= MOST_BLOCKS:
        return numbered
    return [*numbered[: MOST_BLOCKS // 2], *numbered[-MOST_BLOCKS // 2 :]]


def _block(step: TraceStep, code: str) -> str:
    rows = code.splitlines()[max(step.first - 1, 0) : step.last]
    source = "; ".join(row.strip() for row in rows if row.strip())
    values = ", ".join(f"{one_line(name, VALUE)} = {one_line(value, VALUE)}" for name, value in step.values)
    where = f"{one_line(step.function, VALUE)}, line {step.first}" + (f"-{step.last}" if step.last > step.first else "")
    note = f" ({one_line(step.note, VALUE)})" if step.note else ""
    return f"{where}: {one_line(source)}{note}\n    {values or 'no variables'}"
