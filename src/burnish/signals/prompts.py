"""What a policy is asked: pure functions from a task (and a verdict) to messages.

A task is asked the same way at test time and in training. Only visible checks are shown. The wording of the refinement
turns follows LeDex (arXiv 2405.18649), whose own prompts are printed as images; ours is a reconstruction.
"""

from __future__ import annotations

from burnish.core.records import Attempt, Message, Task, Verdict
from burnish.signals.feedback import feedback
from burnish.text.code import fenced

REPLY = "Reply with only the {}, in a Python code block."
STOP = ("\n```\n",)
"""Where a reply may be cut: its code block is closed. What would follow is never read, and small models are talkative."""
EXPLAIN = "First explain in one or two sentences why the code is wrong. Then write the corrected {} in a Python code block."
REFINE = "Write the corrected {} in a Python code block."


def ask(task: Task) -> tuple[Message, ...]:
    """The first turn: the task's statement with its visible examples."""
    parts = (task.prompt.strip(), _examples(task), REPLY.format(_wanted(task)))
    return (Message(role="user", content="\n\n".join(part for part in parts if part)),)


def ask_refinement(task: Task, code: str, verdict: Verdict, *, explain: bool) -> tuple[Message, ...]:
    """Problem, wrong code, feedback and the request to repair it: LeDex's format (c) with `explain`, (b) without."""
    request = (EXPLAIN if explain else REFINE).format(_wanted(task))
    return (
        *ask(task),
        Message(role="assistant", content=fenced(code)),
        Message(role="user", content=f"{feedback(verdict)}\n\n{request}"),
    )


def wrong_code(attempt: Attempt) -> str:
    """What is shown of a failed attempt: its program, or its whole reply where no program was found."""
    return attempt.artefacts.get("code", attempt.text)


def _wanted(task: Task) -> str:
    if task.kind == "python_tests":
        return "test file"
    return "function" if "entry_point" in task.context else "program"


def _examples(task: Task) -> str:
    calls = [check for check in task.visible() if check.kind == "call" and "expected" in check.data]
    name = task.context.get("entry_point", "f")
    lines = [f"{call_text(name, check.data)} == {check.data['expected']}" for check in calls]
    return "\n".join(["Examples:", *lines]) if lines else ""


def call_text(name: str, data: dict[str, str]) -> str:
    """A `call` check as source text: `name(1, 2, key=3)`."""
    inner = data["args"].strip()
    arguments = inner[1:-1].strip().removesuffix(",") if inner.startswith("(") else inner
    keywords = data.get("kwargs", "").strip().strip("{}")
    return f"{name}({', '.join(part for part in (arguments, f'**{{{keywords}}}' if keywords else '') if part)})"
