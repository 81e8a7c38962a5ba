"""A run with every sort of answer: repaired, right on the visible checks only, tampered with, undecided, a fault, none."""

import pytest

from burnish.core.records import (
    Attempt,
    Check,
    CheckSpec,
    Cost,
    Counterexample,
    Episode,
    Message,
    Provenance,
    TamperFlag,
    Task,
    TokenRecord,
    Verdict,
)
from burnish.signals.prompts import ask
from burnish.store.runs import RunStore

SECRET = "31337"
"""Stands in hidden checks and references only."""
RIGHT = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return a - b - 1\n"


def make_task(name):
    checks = (
        CheckSpec(id="v", kind="call", data={"args": "(1, 2)", "expected": "3"}),
        CheckSpec(id="h", kind="call", data={"args": f"({SECRET}, 0)", "expected": SECRET}, hidden=True),
    )
    context = {"entry_point": "add"}
    return Task(
        id=f"set/{name}", group_id="add", kind="python", prompt="Write `add(a, b)`.", context=context, checks=checks,
        refs=(f"{RIGHT}# {SECRET}\n",),
    )  # fmt: skip


def verdict(outcome, hidden):
    example = Counterexample(input=f"add({SECRET if hidden else 1}, 2)", expected="3", actual="-1") if outcome == "fail" else None
    check = Check(id="h" if hidden else "v", kind="call", outcome=outcome, hidden=hidden, counterexample=example)
    tamper = [TamperFlag(code="exit", evidence="x")] if outcome == "tampered" else ()
    return Verdict.of([check] if not tamper else [], tamper=tamper, provenance=Provenance(verifier="python", version="9"))


ANSWERS = {  # attempt: task, parent, program, outcome on the visible check, on the hidden one
    "mended#0/0": ("mended", None, WRONG, "fail", "fail"),
    "mended#0/1": ("mended", "mended#0/0", RIGHT, "pass", "pass"),
    "mended#1/0": ("mended", None, RIGHT, "pass", "pass"),
    "shallow#0/0": ("shallow", None, "def add(a, b):\n    return 3\n", "pass", "fail"),
    "attack#0/0": ("attack", None, "import os\nos._exit(0)\n", "tampered", "tampered"),
    "undecided#0/0": ("undecided", None, RIGHT, "pass", "unknown"),
    "faulty#0/0": ("faulty", None, RIGHT, "error", "error"),
}
DECIDED = {"mended#0/0", "mended#0/1", "mended#1/0", "shallow#0/0"}
"""Answers that may be learned from or measured."""


@pytest.fixture
def store(tmp_path):
    run = RunStore.create(tmp_path / "first", {"kind": "solve", "tasks": "mine", "model": "tiny", "config": {"strategy": "self_debug"}})
    tasks = {name: make_task(name) for name in ("mended", "shallow", "attack", "undecided", "faulty", "silent")}
    run.add_tasks(tasks.values())
    for name, (task, parent, code, visible, hidden) in ANSWERS.items():
        shown = ask(tasks[task].public())
        run.add_attempt(
            Attempt(
                id=name,
                task_id=f"set/{task}",
                episode_id=name.split("/")[0],
                parent_id=parent,
                op="refine" if parent else "sample",
                round=1 if parent else 0,
                messages=(*shown, Message(role="user", content="Repair it.")) if parent else shown,
                text=f"Here:\n\n```python\n{code}```\n",
                artefacts={"code": code},
                tokens=TokenRecord(ids=(7, 8, 9, 10), sampled=((2, 4),), logprobs=(-0.5, -0.25)),
                policy="tiny",
                policy_version="3",
                stop_reason="eos",
                cost=Cost(tokens_in=2, tokens_out=2),
            )
        )
        for view, outcome, secret in (("visible", visible, False), ("hidden", hidden, True)):
            run.add_verdict(name, view, verdict(outcome, secret))
    for name, answer in (("mended#0", "1"), ("mended#1", "0"), ("shallow#0", "0"), ("attack#0", "0"), ("undecided#0", "0")):
        run.add_episode(
            Episode(id=name, task_id=f"set/{name.split('#')[0]}", index=int(name[-1]), status="done", answer=f"{name}/{answer}")
        )
    run.add_episode(Episode(id="faulty#0", task_id="set/faulty", index=0, status="error", detail="SandboxError: no seat"))
    run.add_episode(Episode(id="silent#0", task_id="set/silent", index=0, status="budget", detail="100 tokens"))
    yield run
    run.close()
