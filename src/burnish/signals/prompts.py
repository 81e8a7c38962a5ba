"""What a policy is asked: pure functions from a task (and a verdict) to messages.

A task is asked the same way at test time and in training. Only visible checks are shown. The wording of the refinement
turns follows LeDex (arXiv 2405.18649), whose own prompts are printed as images; ours is a reconstruction.
"""

from __future__ import annotations

from burnish.core.records import Attempt, CheckSpec, Message, Task, Verdict
from burnish.signals.feedback import feedback
from burnish.signals.quote import lines, one_line
from burnish.text.code import fenced

REPLY = "Reply with only the {}, in a Python code block."
STOP = ("\n```\n",)
"""Where a reply may be cut: its code block is closed. What would follow is never read, and small models are talkative."""
MAX_CHECK = 1000
"""Longest check that is shown as it is, in characters."""
EXPLAIN = "First explain in one or two sentences why the code is wrong. Then write the corrected {} in a Python code block."
REFINE = "Write the corrected {} in a Python code block."
_LANGUAGES = {"python": ("Python", "python"), "python_tests": ("Python", "python"), "c": ("C", "c"), "cpp": ("C++", "cpp")}
"""By kind of task: the language as it is called, and as it is written behind a fence."""


def ask(task: Task) -> tuple[Message, ...]:
    """The first turn: the task's statement with its visible examples."""
    parts = (task.prompt.strip(), _examples(task), request(task, REPLY))
    return (Message(role="user", content="\n\n".join(part for part in parts if part)),)


def ask_refinement(task: Task, code: str, verdict: Verdict, *, explain: bool, told: str = "") -> tuple[Message, ...]:
    """Problem, wrong code, feedback and the request to repair it: LeDex's format (c) with `explain`, (b) without.

    `told` is said about the code in place of its first failure.
    """
    return shown_back(task, code, told or feedback(verdict), explain=explain)


def shown_back(task: Task, code: str, told: str, *, explain: bool) -> tuple[Message, ...]:
    """`ask_refinement` where what is said about the code is known already."""
    return (
        *ask(task),
        Message(role="assistant", content=block(task, code)),
        Message(role="user", content=f"{told}\n\n{request(task, EXPLAIN if explain else REFINE)}"),
    )


def request(task: Task, words: str) -> str:
    """One of the requests above for this task: what is wanted is filled in, and its language takes the place of Python."""
    return words.format(wanted(task)).replace("Python", language(task))


def block(task: Task, code: str) -> str:
    """`code` as a fenced block in the task's language."""
    return fenced(code, _written(task)[1])


def language(task: Task) -> str:
    """The language that the task is to be solved in, as it is called."""
    return _written(task)[0]


def _written(task: Task) -> tuple[str, str]:
    """The language as it is called and as it stands behind a fence; of a verifier's import path, its object's name."""
    name = task.kind.rpartition(":")[2]
    return _LANGUAGES.get(name, (name, name))


def wrong_code(attempt: Attempt) -> str:
    """What is shown of a failed attempt: its program, or its whole reply where no program was found."""
    return attempt.artefacts.get("code", attempt.text)


def wanted(task: Task) -> str:
    """What the task asks for: a function, a program or a test file, or what its context names."""
    if "wanted" in task.context:
        return str(task.context["wanted"])
    if task.kind == "python_tests":
        return "test file"
    return "function" if "entry_point" in task.context else "program"


def _examples(task: Task) -> str:
    calls = [check for check in task.visible() if check.kind == "call" and "expected" in check.data]
    name = task.context.get("entry_point", "f")
    lines = [f"{call_text(name, check.data)} == {check.data['expected']}" for check in calls]
    return "\n".join(["Examples:", *lines]) if lines else ""


def check_text(task: Task, check: CheckSpec) -> str:
    """A visible check as a model is to read it, bounded. Raises `ValueError` for a hidden one."""
    if check.hidden:
        raise ValueError(f"check {check.id!r} is hidden")
    data, name = check.data, task.context.get("entry_point", "f")
    if check.kind == "call" and "args" in data:
        due = f"== {data['expected']}" if "expected" in data else f"raises {data['raises']}" if "raises" in data else "…"
        return one_line(f"{call_text(name, data)} {due}", MAX_CHECK)
    if check.kind == "stdio":
        due = f"Output:\n{lines(data['stdout'], 20)}" if "stdout" in data else "Output: any that the task allows"
        return f"Input:\n{lines(data.get('stdin', ''), 20)}\n{due}"
    text = data["code"].strip() if isinstance(data.get("code"), str) else _other(check)
    return text if text.count("\n") < 40 and len(text) < MAX_CHECK else lines(text, 40)


def _other(check: CheckSpec) -> str:
    """Steps of a sequence; of a kind that is not known here only its name, for its data may be meant for the judge alone."""
    steps = check.data.get("steps") if check.kind == "sequence" else None
    return "\n".join(one_line(str(step)) for step in steps) if steps else f"{check.kind} {check.id}"


def call_text(name: str, data: dict[str, str]) -> str:
    """A `call` check as source text: `name(1, 2, key=3)`."""
    inner = data["args"].strip()
    arguments = inner[1:-1].strip().removesuffix(",") if inner.startswith("(") else inner
    keywords = data.get("kwargs", "").strip().strip("{}")
    return f"{name}({', '.join(part for part in (arguments, f'**{{{keywords}}}' if keywords else '') if part)})"
