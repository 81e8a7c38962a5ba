"""Verdicts that change from run to run are unknown, and the counts say how they changed."""

import msgspec
import pytest

from burnish.core.errors import InputError
from burnish.core.records import Check, CheckSpec, Task, Verdict
from burnish.verifiers._repeats import agreed
from burnish.verifiers.python import PythonVerifier


def folded(*outcomes, hidden=False):
    (check,) = agreed([[Check(id="c", kind="call", outcome=outcome, hidden=hidden)] for outcome in outcomes])
    return check.outcome, check.runs, check.pass_runs


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["pass", "pass"], ("pass", 2, 2)),
        (["pass", "fail", "pass"], ("unknown", 3, 2)),
        (["fail", "crash", "timeout"], ("fail", 3, 0)),
        (["pass", "timeout"], ("unknown", 2, 1)),
        (["unknown", "pass"], ("unknown", 2, 1)),
        (["unknown", "unknown"], ("unknown", 2, 0)),
        (["error", "pass", "pass"], ("pass", 2, 2)),
        (["skip", "error"], ("error", 1, 0)),
        (["skip", "fail"], ("fail", 1, 0)),
        (["skip", "skip"], ("skip", 1, 0)),
    ],
)
def test_what_several_runs_come_to(outcomes, expected):
    assert folded(*outcomes) == expected


def test_the_diagnostic_counts_and_a_hidden_one_stays_hidden():
    runs = [[Check(id="c", kind="call", outcome=outcome, hidden=True)] for outcome in ("pass", "fail", "crash")]
    (note,) = agreed(runs)[0].diagnostics
    assert (note.code, note.message, note.visibility) == ("flaky", "3 runs of this check disagree: 1 crash, 1 fail, 1 pass", "eval")


def make(*checks):
    specs = tuple(CheckSpec(id=f"c{n}", kind="call", data=data) for n, data in enumerate(checks))
    return Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": "f"}, checks=specs)


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(workers=1, runs=40)
    yield verifier
    verifier.close()


def test_a_program_that_flips_a_coin_is_unknown_and_the_rest_is_decided(verifier):
    source = "import os\ndef f(x):\n    return x if x else os.urandom(1)[0] % 2\n"
    right, coin, wrong = (("(1,)", "1"), ("(0,)", "1"), ("(2,)", "3"))
    verdict = verifier.verify(make(*({"args": args, "expected": due} for args, due in (right, coin, wrong))), source)
    assert [check.outcome for check in verdict.checks] == ["pass", "unknown", "fail"]
    assert [check.runs for check in verdict.checks] == [40, 40, 40]
    assert [verdict.checks[n].pass_runs for n in (0, 2)] == [40, 0]
    assert 0 < verdict.checks[1].pass_runs < 40
    assert verdict.checks[1].diagnostics[0].code == "flaky"
    assert verdict.checks[1].counterexample is None
    assert verdict.status == "fail"
    only = verifier.verify(make({"args": "(0,)", "expected": "1"}), source)
    assert (only.status, only.score) == ("unknown", None)


def test_every_run_is_a_fresh_process(verifier):
    source = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)\n"
    assert verifier.verify(make({"args": "(0,)", "expected": "1"}), source).checks[0].pass_runs == 40


def test_an_attack_in_any_run_decides(verifier):
    source = "import os\ndef f(x):\n    if os.urandom(1)[0] % 2: os._exit(0)\n    return x\n"
    assert verifier.verify(make({"args": "(0,)", "expected": "0"}), source).status == "tampered"
    assert verifier.verify(make({"args": "(0,)", "expected": "0"}), "def f(").status == "invalid"


def test_runs_are_counted_from_one():
    with pytest.raises(InputError, match="runs"):
        PythonVerifier(runs=0)


def test_a_single_run_is_stored_as_before():
    stored = msgspec.json.encode(Verdict.of([Check(id="c", kind="call", outcome="pass")]))
    assert b"runs" not in stored
