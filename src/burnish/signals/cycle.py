"""CYCLE's prompt (arXiv 2403.18746): the problem, then the faulty code and what its execution showed, as comments.

The template is that of the paper's artefact. Its markers are what the training mask of past generations looks for.
"""

from __future__ import annotations

from burnish.core.records import DECIDED, Check, Message, Task, Verdict
from burnish.signals.prompts import ask
from burnish.signals.quote import one_line

BAD, FAILURE, GOOD = "### Bad Solution:", "### Execution Failure:", "### Good solution:"


def ask_good_solution(task: Task, code: str, verdict: Verdict, *, shown: int = 1) -> tuple[Message, ...]:
    """The problem with the template behind it: the last faulty program only, and its first `shown` failures."""
    (problem,) = ask(task)
    return (Message(role=problem.role, content=f"{problem.content}\n\n{template(code, verdict, shown=shown)}"),)


def template(code: str, verdict: Verdict, *, shown: int = 1) -> str:
    """Faulty code and result lines as comments, indented like the code's first line."""
    first = next((row for row in code.splitlines() if row.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    bad = "\n".join(f"# {row}".rstrip() for row in code.rstrip().splitlines())
    results = "\n".join(f"# {row}" for row in result_lines(verdict, shown))
    parts = f"{BAD}\n\n{bad}\n\n{FAILURE}\n{results}\n\n{GOOD}\n"
    return "\n".join(f"{indent}{row}" if row else row for row in parts.split("\n"))


def result_lines(verdict: Verdict, most: int = 1) -> list[str]:
    """One line for each of the first `most` failed visible checks; `passed` if there is none."""
    if not verdict.checks or verdict.status == "invalid":
        found = [d for d in verdict.diagnostics if d.visibility == "model" and d.severity == "error"]
        return [f"Error: {one_line(d.message)}" for d in found[:most]] or ["Error: no program"]
    failed = [check for check in verdict.checks if check.outcome in DECIDED and check.outcome != "pass" and not check.hidden]
    return [_result(check) for check in failed[:most]] or ["passed"]


def _result(check: Check) -> str:
    example = check.counterexample
    note = next((one_line(d.message) for d in check.diagnostics if d.visibility == "model"), "")
    if check.outcome == "timeout":
        return f"Timed Out: Input: {one_line(example.input)}" if example else "Timed Out"
    if example is None:
        return f"Test Case Failed: {note or check.id}"
    due = f"Test Case Failed: Input: {one_line(example.input)}, Expected output: {one_line(example.expected)}"
    return f"{due}, Error: {note}" if check.outcome == "crash" else f"{due}, Actual output: {one_line(example.actual)}"
