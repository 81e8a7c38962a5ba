from contextlib import contextmanager

import pytest

from burnish.core.records import Attempt, Check, CheckSpec, Counterexample, Diagnostic, Message, TamperFlag, Task, TokenRecord, Verdict
from burnish.signals.prompts import ask
from burnish.store.runs import RunStore
from burnish.text.code import extract_code, spans_of

SECRET = "HIDDEN-INPUT"


def call(name, args, *, hidden=False):
    return CheckSpec(id=name, kind="call", data={"args": args, "expected": "1"}, hidden=hidden)


def make_task(name="t"):
    checks = (call("v", "(2,)"), call("h", f"('{SECRET}',)", hidden=True))
    return Task(
        id=name, group_id=name, kind="python", prompt="Write f.", context={"entry_point": "f"}, checks=checks, refs=(f"# {SECRET}",)
    )


def judged(outcome, *, hidden):
    """A verdict of one check; `invalid`, `tampered` and `suspect` (passed, but with a soft sign of tampering) are special."""
    if outcome == "invalid":
        return Verdict.of((), invalid=[Diagnostic(code="syntax", message="no program")])
    tamper = {"tampered": [TamperFlag(code="exit", evidence="x")], "suspect": [TamperFlag(code="odd", evidence="x", hard=False)]}
    shown = SECRET if hidden else "2"
    check = Check(
        id="h" if hidden else "v",
        kind="call",
        outcome="pass" if outcome in tamper else outcome,
        hidden=hidden,
        counterexample=Counterexample(input=f"f({shown})", expected="1", actual="0"),
    )
    return Verdict.of([check], tamper=tamper.get(outcome, ()))


class Run:
    """Writes attempts with their verdicts into a run store."""

    def __init__(self, folder, tasks=("t",)):
        self.store = RunStore.create(folder, {})
        self.tasks = {name: make_task(name) for name in tasks}
        self.store.add_tasks(self.tasks.values())

    def attempt(self, name, text, visible="pass", hidden="pass", *, parent=None, of="t", tokens=False, stop="eos"):
        code = extract_code(text, "f")
        record = TokenRecord(ids=(1, 2, 3), sampled=((1, 3),), logprobs=(-0.1, -0.2)) if tokens else None
        self.store.add_attempt(
            Attempt(
                id=name,
                task_id=of,
                parent_id=parent,
                op="refine" if parent else "sample",
                round=1 if parent else 0,
                messages=ask(self.tasks[of].public()) if not parent else (Message(role="user", content="repair"),),
                text=text,
                spans=spans_of(text, code),
                artefacts={"code": code.text} if code else {},
                tokens=record,
                stop_reason=stop,
                policy="tiny",
            )
        )
        for view, outcome in (("visible", visible), ("hidden", hidden)):
            if outcome:
                self.store.add_verdict(name, view, judged(outcome, hidden=view == "hidden"))


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run")
    yield run
    run.store.close()


@pytest.fixture(scope="session")
def run_factory(tmp_path_factory):
    """A fresh run per call, closed at the end of its `with` block: for property tests."""

    @contextmanager
    def fresh():
        run = Run(tmp_path_factory.mktemp("run") / "run")
        with run.store:
            yield run

    return fresh
