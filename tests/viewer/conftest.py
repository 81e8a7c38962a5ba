"""A small run: one task repaired, one solved only on the visible checks, one with an infrastructure error, one not tried."""

import pytest

from burnish.core.records import (
    Attempt,
    Check,
    CheckSpec,
    Cost,
    Counterexample,
    Diagnostic,
    Episode,
    Message,
    SourceSpan,
    Span,
    Task,
    Verdict,
)
from burnish.store.runs import RunStore

HOSTILE = "</script><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
WRONG = "def mean(xs):\n    return sum(xs) / len(xs)\n"
RIGHT = "def mean(xs):\n    if not xs:\n        return 0.0\n    return sum(xs) / len(xs)\n"


@pytest.fixture
def hostile():
    return HOSTILE


@pytest.fixture
def make_task():
    def make(name, prompt="Write `mean(xs)`."):
        checks = (
            CheckSpec(id="v0", kind="call", data={"args": "([],)", "expected": "0.0"}),
            CheckSpec(id="h0", kind="call", data={"args": "([1, 3],)", "expected": "2.0"}, hidden=True),
        )
        return Task(id=name, group_id=name, kind="python", prompt=prompt, context={"entry_point": "mean"}, checks=checks)

    return make


@pytest.fixture
def make_attempt():
    def make(id, task_id="t", parent=None, code=WRONG, explanation="", told="Please.", episode=""):
        text = f"{explanation}\n\n```python\n{code}```" if explanation else f"```python\n{code}```"
        start = text.index(code)
        spans = (Span(kind="explanation", start=0, end=len(explanation)), Span(kind="code", start=start, end=start + len(code)))
        return Attempt(
            id=id,
            task_id=task_id,
            op="refine" if parent else "sample",
            messages=(Message(role="user", content=told),),
            text=text,
            episode_id=episode,
            parent_id=parent,
            round=1 if parent else 0,
            spans=spans if explanation else spans[1:],
            artefacts={"code": code},
            stop_reason="eos",
            cost=Cost(tokens_out=20),
        )

    return make


@pytest.fixture
def judged():
    """`judged(outcome, hidden=False, message="")`: a verdict over the one visible or the one hidden check."""

    def make(outcome, hidden=False, message="ZeroDivisionError: division by zero"):
        name = "h0" if hidden else "v0"
        place = SourceSpan(start=18, end=42, line=2, col=4, end_line=2, end_col=28)
        crashed = outcome == "crash"
        check = Check(
            id=name,
            kind="call",
            outcome=outcome,
            hidden=hidden,
            diagnostics=(Diagnostic(code="exception", message=message, span=place),) if crashed else (),
            counterexample=Counterexample(input="mean([])", expected="0.0", actual="1.5") if outcome == "fail" else None,
        )
        return Verdict.of([check], cost=Cost(wall_s=0.25))

    return make


@pytest.fixture
def store(tmp_path, make_task, make_attempt, judged):
    """The run described above, as a store that stays open for writing."""
    run = RunStore.create(tmp_path / "first", {"kind": "solve", "model": "embedded", "config": {"strategy": "self_debug"}})
    run.add_tasks([make_task("mended"), make_task("shallow", f"Beware {HOSTILE}"), make_task("faulty"), make_task("untouched")])
    rows = [
        ("mended#0/0", None, WRONG, "crash", "pass"),
        ("mended#0/1", "mended#0/0", RIGHT, "pass", "pass"),
        ("shallow#0/0", None, f"def mean(xs):\n    return '''{HOSTILE}'''\n", "pass", "fail"),
        ("faulty#0/0", None, WRONG, "error", "error"),
    ]
    for name, parent, code, visible, hidden in rows:
        episode, task = name.split("/")[0], name.split("#")[0]
        run.add_attempt(make_attempt(name, task, parent, code, f"It divides by zero. {HOSTILE}" if parent else "", HOSTILE, episode))
        run.add_verdict(name, "visible", judged(visible, message=f"ZeroDivisionError: {HOSTILE}"))
        run.add_verdict(name, "hidden", judged(hidden, hidden=True))
    run.add_episode(Episode(id="mended#0", task_id="mended", index=0, status="done", answer="mended#0/1"))
    run.add_episode(Episode(id="shallow#0", task_id="shallow", index=0, status="done", answer="shallow#0/0"))
    run.add_episode(Episode(id="faulty#0", task_id="faulty", index=0, status="error", detail="the judge failed"))
    yield run
    run.close()
