"""The time for all checks of an artefact together: who exceeds it times out, and nothing that was not judged passes."""

import time

import pytest

from burnish.core.records import CheckSpec, Task
from burnish.sandbox import Bounds, Calls, Program, Sandbox
from burnish.sandbox.inside import wire
from burnish.verifiers.base import Limits
from burnish.verifiers.python import PythonVerifier

WAIT = "import time\ndef wait(x):\n    time.sleep(x)\n    return x\n"
LOOP = "def wait(x):\n    while True: pass\n"


def make(*kinds):
    data = {
        "call": {"args": "(0.2,)", "expected": "0.2"},
        "assert": {"code": "for x in [0.2]:\n    assert wait(x) == x"},
        "stdio": {"stdin": "", "stdout": ""},
    }
    checks = tuple(CheckSpec(id=f"{n}", kind=kind, data=data[kind]) for n, kind in enumerate(kinds))
    return Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": "wait"}, checks=checks)


def outcomes(verdict):
    return [check.outcome for check in verdict.checks]


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(workers=1)
    yield verifier
    verifier.close()


@pytest.mark.parametrize("kind", ["call", "assert"])
def test_the_check_at_which_the_time_runs_out_times_out_and_the_rest_is_skipped(verifier, kind):
    verdict = verifier.verify(make(*[kind] * 30), WAIT, limits=Limits(wall_s=1.5, total_wall_s=1.5))
    assert verdict.status == "timeout"
    assert not verdict.complete
    passed = outcomes(verdict).count("pass")
    assert 0 < passed < 8 * max(server.slowness for server in verifier.sandbox._idle)
    assert outcomes(verdict) == ["pass"] * passed + ["timeout"] + ["skip"] * (29 - passed)
    assert "together" in verdict.first_failure.diagnostics[0].message


@pytest.mark.parametrize("kind", ["call", "assert", "stdio"])
def test_a_loop_in_every_one_of_many_checks_costs_the_total_once(verifier, kind):
    started = time.monotonic()
    source = LOOP if kind != "stdio" else "while True: pass"
    verdict = verifier.verify(make(*[kind] * 100), source, limits=Limits(wall_s=0.3, cpu_s=9, total_wall_s=1))
    assert time.monotonic() - started < 10
    assert verdict.status == "timeout"
    assert outcomes(verdict)[:2] == ["timeout", "timeout"]
    assert outcomes(verdict)[-1] == "skip"


def test_a_single_check_always_has_its_own_limit(verifier):
    assert verifier.verify(make("call"), WAIT, limits=Limits(wall_s=5, total_wall_s=0.01)).status == "pass"
    assert verifier.verify(make("call", "call"), WAIT, limits=Limits(wall_s=5, total_wall_s=0.01)).status == "pass"


@pytest.mark.parametrize("kind", ["call", "assert"])
def test_a_check_that_exceeds_its_own_limit_is_told_so(verifier, kind):
    slow_to_load = "import time\ntime.sleep(0.2)\n" + LOOP
    verdict = verifier.verify(make(kind, kind), slow_to_load, limits=Limits(wall_s=0.5, cpu_s=9))
    assert outcomes(verdict) == ["timeout", "timeout"]
    assert [check.diagnostics[0].message for check in verdict.checks] == ["exceeded the wall-clock limit"] * 2


def test_zero_is_no_total(verifier):
    verdict = verifier.verify(make(*["call"] * 4), LOOP, limits=Limits(wall_s=0.2, total_wall_s=0))
    assert outcomes(verdict) == ["timeout"] * 4


def test_a_failure_stays_a_failure_when_the_time_runs_out(verifier):
    wrong_then_endless = "seen = []\ndef wait(x):\n    seen.append(x)\n    while len(seen) > 1: pass\n    return -1\n"
    verdict = verifier.verify(make(*["call"] * 9), wrong_then_endless, limits=Limits(wall_s=0.3, total_wall_s=0.6))
    assert outcomes(verdict)[0] == "fail"
    assert verdict.status == "fail"
    assert not verdict.complete


def test_a_loop_at_load_runs_once_for_all_functions_checks(verifier):
    started = time.monotonic()
    task = make("call", "assert", "call", "assert", "call")
    verdict = verifier.verify(task, "while True: pass", limits=Limits(wall_s=1, cpu_s=9, total_wall_s=0))
    assert outcomes(verdict) == ["timeout"] * 5
    assert [check.id for check in verdict.checks] == list("01234")
    assert verdict.cost.wall_s < 2 * max(server.slowness for server in verifier.sandbox._idle)
    assert time.monotonic() - started < 10


def test_a_load_that_outlasts_what_is_left_of_the_time(verifier):
    slow_again = "import time\ntime.sleep(0.4)\n" + LOOP
    verdict = verifier.verify(make(*["call"] * 9), slow_again, limits=Limits(wall_s=0.5, cpu_s=9, total_wall_s=1.1))
    assert verdict.status == "timeout"
    assert outcomes(verdict)[-1] == "skip"


def test_the_server_lives_on_after_a_run_that_was_out_of_time():
    sandbox = Sandbox(workers=1)
    job = Calls(program=Program(source=WAIT, entry_point="wait"), calls=[(n, (0.2,), {}) for n in range(20)])
    run = sandbox.run(job, Bounds(total_wall_s=0.7))
    assert run.reason == wire.TOTAL
    (server,) = sandbox._idle
    assert sandbox.run(Calls(program=job.program, calls=job.calls[:1]), Bounds()).reason == wire.EXITED
    assert sandbox._idle == [server]
    sandbox.close()


@pytest.mark.parametrize("limits", [{"wall_s": 0}, {"cpu_s": -1}, {"memory_mb": 0}, {"wall_s": float("nan")}, {"total_wall_s": 1e9}])
def test_impossible_limits_are_refused(limits):
    with pytest.raises(ValueError, match=next(iter(limits))):
        Limits(**limits)
