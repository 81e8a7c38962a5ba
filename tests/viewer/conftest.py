"""A small run: one task repaired, one solved only on the visible checks, one with an infrastructure error, one not tried."""

import re

import pytest
from tokenizers import Tokenizer, decoders, models

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
    TokenRecord,
    Verdict,
)
from burnish.store.runs import RunStore
from burnish.training.journal import record_rollouts
from burnish.training.rollouts import Rollout, RolloutSource

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


REPLY = "Empty lists have no mean.\n\n```python\ndef mean(xs):\n    return 0.0\n```"


@pytest.fixture
def trained(tmp_path, make_task):
    """A run of reinforcement learning: one reply with all that is known of its tokens, one that was left out."""
    vocabulary = {piece: index for index, piece in enumerate(sorted(set(re.findall(r"\w+|\W", REPLY))))}
    folder = tmp_path / "model"
    folder.mkdir()
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="mean"))
    tokenizer.decoder = decoders.Fuse()
    tokenizer.save(str(folder / "tokenizer.json"))
    written = tuple(vocabulary[piece] for piece in re.findall(r"\w+|\W", REPLY))
    count, cut = len(written), REPLY.index("```")
    end = next(index for index in range(count) if len("".join(re.findall(r"\w+|\W", REPLY)[: index + 1])) >= cut - 2)
    code = REPLY[REPLY.index("def") : REPLY.rindex("```")]
    source = RolloutSource(
        verifier=None,
        tasks=[make_task("mean")],
        messages=lambda task: (Message(role="user", content=task.prompt),),
        extract=lambda task, text: code,
        reward=lambda verdict: verdict.score,
        credit=lambda rollout: ((end, count - 1), (0.25, -1.0)),
    )
    rollout = Rollout(
        task_id="mean",
        tokens=TokenRecord(ids=(0, 0, *written), sampled=((2, 2 + count),), logprobs=tuple(-0.1 * (i % 7) for i in range(count))),
        text=REPLY,
        artefact=code,
        verdict=Verdict.of([Check(id="v0", kind="call", outcome="fail"), Check(id="h0", kind="call", outcome="fail", hidden=True)]),
        reward=-0.75,
        stop_reason="eos",
        policy_version="3",
        advantage=(0.5,) * (end + 1) + (-1.0,) * (count - end - 1),
        trainer=tuple(-0.1 * (i % 7) + (0.02 if i == 3 else 0.0) for i in range(count)),
    )
    unscored = Rollout(
        task_id="mean",
        tokens=TokenRecord(ids=(0, 0, 1), sampled=((2, 3),), logprobs=(-1.0,)),
        text="?",
        artefact=None,
        verdict=Verdict.of(()),
        reward=None,
        stop_reason="length",
        policy_version="3",
    )
    with RunStore.create(tmp_path / "rl", {"kind": "train grpo", "model": str(folder)}) as run:
        for step in (1, 2):
            run.add_metrics("train", step, {"loss": 0.5, "rl.loss": 0.5, "rl.reward_mean": 0.1 * step, "rl.reward_parts.passed": 0.0})
        record_rollouts(run, source, 2, [rollout, unscored], policy="tiny")
        yield run
