"""Laws of every verdict, over generated programs, honest and hostile: the judge never raises and its verdicts keep the contract."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish.core.records import UNSCORED, CheckSpec, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.signals.feedback import feedback
from burnish.verifiers.base import Limits, view
from burnish.verifiers.python import PythonVerifier

LIMITS = Limits(wall_s=0.5, cpu_s=0.4, memory_mb=128, processes=4, output_bytes=1 << 16)
HIDDEN = 918273645
BOUNDED = settings(max_examples=200, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))

VALUES = st.sampled_from(
    r"""n + 1
n
None
[n, (1.5, {'a': {2}})]
str(n) * 3
Odd(n)
Odd
'\n\x1b[1m\u202e\ud800'
float('nan')
1 / 0
seen
(yield n)
print
[[]] * 5000
10 ** 5000
n if n < 9 else os._exit(0)
frames()
missing(n)
lambda: 0""".splitlines()
)
STATEMENTS = st.sampled_from(
    r"""pass
seen.append(n)
print(n)
raise ValueError(str(seen))
raise SystemExit
raise StopIteration
raise Odd
raise type('A\nB', (Exception,), {})(frames())
assert n > 3
os._exit(1)
os.fork()
os.kill(os.getpid(), 40)
os.close(3)
os.write(4, b'\x01\0\0\0N')
open('left', 'a').write(str(n))
for m in range(n % 7): pass
sys.modules.clear()
é = 'ü'; n = n.x
global solve; solve = None""".splitlines()
)
HEAD = r"""import os, sys
seen = []
class Odd(Exception):
    def __eq__(self, other): return True
    def __repr__(self): return "odd\n" + str(seen)
def frames():
    frame, found = sys._getframe(1), []
    while frame: found.append(list(frame.f_locals.values())); frame = frame.f_back
    return str(found)[-400:]
"""
TOP = st.sampled_from(
    ["", "\t", "os.write(3, b'x')", "sys.exit(0)", "n = 5", "def helper(n): return n", "(", "seen.extend(range(3))", "\x00", "while: x"]
)


@st.composite
def programs(draw):
    """A module with a function `solve`: one top-level statement, up to three statements, a value."""
    body = [*draw(st.lists(STATEMENTS, min_size=1, max_size=3)), f"return {draw(VALUES)}"]
    top = draw(st.one_of(st.just(""), st.just(""), TOP))
    ending = draw(st.sampled_from(["\n", "\r\n", "\n\n"]))
    lines = [*HEAD.splitlines(), *top.splitlines(), "def solve(n):", *(f"    {statement}" for statement in body)]
    return ending.join(lines)


CHECKS = {
    "call": {"args": "(1,)", "expected": "2"},
    "raises": {"args": "(1,)", "raises": "ValueError"},
    "table": {"code": "assert solve(1) == 2\nassert solve(2) == 3"},
    "driven": {"code": "for n in [1, 2]:\n    assert solve(n) == n + 1, 'wrong'"},
    "function": {"code": "def check(f):\n    for n in [1, 5]:\n        assert f(n) == n + 1"},
    "empty": {"code": "def check(f):\n    pass"},
}
KINDS = {"call": "call", "raises": "call", "table": "assert", "driven": "assert", "function": "check_function", "empty": "check_function"}


@st.composite
def tasks(draw):
    """A task with up to four checks of any kind; hidden ones ask for an input that occurs nowhere else."""
    specs = []
    for n, name in enumerate(draw(st.lists(st.sampled_from(sorted(CHECKS)), max_size=5))):
        hidden = draw(st.booleans())
        data = {key: text.replace("1", str(HIDDEN)) if hidden and key != "raises" else text for key, text in CHECKS[name].items()}
        specs.append(CheckSpec(id=f"c{n}", kind=KINDS[name], data=data, hidden=hidden, weight=draw(st.sampled_from([0.5, 1.0, 3.0]))))
    return Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": "solve"}, checks=tuple(specs))


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(workers=2)
    yield verifier
    verifier.close()


def assert_contract(verdict: Verdict, task: Task, source: str) -> None:
    assert (verdict.score is None) == (verdict.status in UNSCORED)
    assert verdict.score is None or 0.0 <= verdict.score <= 1.0
    assert 0.0 <= verdict.coverage <= 1.0
    assert verdict.status != "error", "a program alone never causes an infrastructure fault"
    if verdict.status in ("invalid", "tampered"):
        assert verdict.score == 0.0
    if verdict.passed:
        assert verdict.coverage == 1.0
        assert task.checks
        assert all(check.outcome == "pass" for check in verdict.checks)
    if not task.checks:
        assert verdict.status == "unknown"
    assert [(check.id, check.kind, check.hidden, check.weight) for check in verdict.checks] == [
        (spec.id, spec.kind, spec.hidden, spec.weight) for spec in task.checks
    ]
    assert verdict.complete == (bool(task.checks) and all(check.outcome != "skip" for check in verdict.checks))
    assert (verdict.status == "tampered") == any(flag.hard for flag in verdict.tamper)
    for check in verdict.checks:
        assert check.outcome == "pass" or check.diagnostics or check.outcome == "skip"
        assert not check.hidden or all(finding.visibility != "model" for finding in check.diagnostics)
    for finding in (*verdict.diagnostics, *(finding for check in verdict.checks for finding in check.diagnostics)):
        span = finding.span
        if span is not None:
            assert 0 <= span.start <= span.end <= len(source)
            before = source[: span.start].replace("\r\n", "\n").replace("\r", "\n")
            assert (span.line, span.col) == (before.count("\n") + 1, len(before) - before.rfind("\n") - 1)
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict


@BOUNDED
@given(task=tasks(), source=programs(), first_fail=st.booleans())
def test_every_verdict_keeps_the_contract(verifier, harmless, task, source, first_fail):
    verdict = verifier.verify(task, source, limits=LIMITS, first_fail=first_fail)
    assert_contract(verdict, task, source)
    harmless(feedback(verdict, failures=9), HIDDEN)


@BOUNDED
@given(source=st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda data: data.decode("latin-1"))))
def test_any_text_is_judged(verifier, harmless, source):
    task = Task(
        id="t", group_id="g", kind="python", prompt="", context={"entry_point": "solve"},
        checks=(CheckSpec(id="c", kind="call", data=CHECKS["call"]),),
    )  # fmt: skip
    verdict = verifier.verify(task, source, limits=LIMITS)
    assert not verdict.passed
    assert_contract(verdict, task, source) if source.strip() else None
    harmless(feedback(verdict, failures=9), HIDDEN)


@settings(BOUNDED, max_examples=8)
@given(batch=st.lists(st.tuples(tasks(), programs()), max_size=6), workers=st.sampled_from([1, 2]))
def test_batches_keep_their_order(verifier, batch, workers):
    verdicts = list(verifier.verify_batch(batch, limits=LIMITS, workers=workers))
    assert [verdict.provenance.artefact_hash for verdict in verdicts] == [content_hash(source) for _, source in batch]
    assert [[check.id for check in verdict.checks] for verdict in verdicts] == [[spec.id for spec in task.checks] for task, _ in batch]


@settings(BOUNDED, max_examples=15)
@given(task=tasks(), source=programs())
def test_a_view_shows_only_its_checks_and_more_checks_never_make_a_pass(verifier, task, source):
    whole = verifier.verify(task, source, limits=LIMITS)
    parts = [verifier.verify(view(task, which), source, limits=LIMITS) for which in ("visible", "hidden")]
    assert all(check.hidden for check in parts[1].checks)
    if whole.passed:
        assert all(part.passed or not part.checks for part in parts)
