"""The verifier contract, tried on every verifier in the real jail. The cases are in `conformance.py`."""

import asyncio
import contextlib
import os
import runpy
import signal
import threading
import time
from pathlib import Path

import msgspec
import pytest

from burnish.core.records import Cost, Verdict
from burnish.signals.feedback import feedback
from burnish.verifiers.base import Limits, ToolReport, Verifier

CASES = runpy.run_path(str(Path(__file__).parent / "conformance.py"))["CASES"]
LOADED_MACHINE_S = 8
"""Added to every time limit in these tests; the limits themselves are the contract's."""


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture
def verifier(case):
    verifier = case.make()
    yield verifier
    verifier.close()


def descendants(process):
    found = set()
    with contextlib.suppress(FileNotFoundError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                found |= {child, *descendants(child)}
    return found


def facts(verdict):
    """The verdict without what may differ from run to run: what it cost."""
    checks = tuple(msgspec.structs.replace(check, wall_s=0.0) for check in verdict.checks)
    return msgspec.structs.replace(verdict, cost=Cost(), checks=checks)


def artefacts(case):
    return [case.good, case.bad, *case.invalid]


def test_it_offers_the_protocol(verifier):
    assert isinstance(verifier, Verifier)
    assert all(isinstance(report, ToolReport) for report in verifier.doctor())
    assert all(isinstance(value, str) for item in verifier.configuration().items() for value in item)


def test_known_good_passes(case, verifier):
    verdict = verifier.verify(case.task, case.good)
    assert verdict.status == "pass"
    assert (verdict.score, verdict.coverage, verdict.complete, verdict.tamper) == (1.0, 1.0, True, ())
    assert [check.id for check in verdict.checks] == [spec.id for spec in case.task.checks]
    assert verdict.provenance.verifier == verifier.id
    assert verdict.provenance.version == verifier.version
    assert verdict.provenance.artefact_hash


def test_known_bad_fails_with_an_error_diagnostic(case, verifier):
    verdict = verifier.verify(case.task, case.bad)
    assert verdict.status == "fail"
    assert 0 <= verdict.score < 1
    assert any(d.severity == "error" for check in verdict.checks for d in check.diagnostics)
    assert {check.hidden for check in verdict.checks if check.outcome == "fail"} == {False, True}


def test_empty_and_garbage_are_invalid(case, verifier):
    for artefact in case.invalid:
        verdict = verifier.verify(case.task, artefact)
        assert (verdict.status, verdict.score) == ("invalid", 0.0), artefact
        assert verdict.diagnostics


def test_an_endless_loop_times_out_in_time_and_leaves_no_process(case, verifier):
    assert verifier.verify(case.task, case.good).passed
    time.sleep(0.3)  # the nursery forks its next guest after it has answered
    before, started = len(descendants(os.getpid())), time.monotonic()
    verdict = verifier.verify(case.task, case.endless, limits=Limits(wall_s=1, cpu_s=1, total_wall_s=1))
    assert time.monotonic() - started < 1 + 1 + LOADED_MACHINE_S
    assert verdict.status == "timeout"
    assert verdict.score == 0.0
    deadline = time.monotonic() + LOADED_MACHINE_S
    while len(descendants(os.getpid())) > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def seats():
    """The processes below the nurseries: this process, warden, nursery, seat."""
    below = {child: descendants(child) for child in descendants(os.getpid())}
    return {seat for found in below.values() for child in found if below.get(child) for seat in below[child]}


@contextlib.contextmanager
def murder(spared, *, once):
    """Kill with -9 what is not spared below this process, again and again or until something was hit. Yields the dead."""
    stop, dead = threading.Event(), []

    def work():
        while not stop.wait(0.02):
            for process in descendants(os.getpid()) - spared:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                    dead.append(process)
            if dead and once:
                return

    murderer = threading.Thread(target=work)
    murderer.start()
    try:
        yield dead
    finally:
        stop.set()
        murderer.join()


def test_a_sandbox_killed_once_is_retried(case, verifier):
    with murder(descendants(os.getpid()) - seats(), once=True) as dead:
        assert verifier.verify(case.task, case.slow, limits=Limits(wall_s=20, cpu_s=20)).passed
    assert dead


def test_a_sandbox_killed_every_time_is_an_error_and_no_failure(case, verifier):
    with murder(descendants(os.getpid()) - seats(), once=False) as dead:
        verdict = verifier.verify(case.task, case.slow, limits=Limits(wall_s=20, cpu_s=20))
    assert dead
    assert (verdict.status, verdict.score) == ("error", None)
    assert verifier.verify(case.task, case.good).passed


def test_zero_checks_are_unknown(case, verifier):
    verdict = verifier.verify(msgspec.structs.replace(case.task, checks=()), case.good)
    assert (verdict.status, verdict.score, verdict.complete) == ("unknown", None, False)


def test_verdicts_survive_json_and_msgpack(case, verifier):
    for artefact in artefacts(case):
        verdict = verifier.verify(case.task, artefact)
        assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(verdict), type=Verdict) == verdict


def test_a_batch_keeps_its_order_whatever_takes_longest(case, verifier):
    order = [case.slow, case.good, case.bad, case.slow, case.invalid[0], case.good]
    expected = ["pass", "pass", "fail", "pass", "invalid", "pass"]
    assert [v.status for v in verifier.verify_batch([(case.task, artefact) for artefact in order])] == expected
    assert list(verifier.verify_batch([])) == []


def test_awaiting_gives_the_same_verdicts(case, verifier):
    async def judge():
        return await asyncio.gather(*(verifier.averify(case.task, artefact) for artefact in artefacts(case)))

    assert [facts(v) for v in asyncio.run(judge())] == [facts(verifier.verify(case.task, artefact)) for artefact in artefacts(case)]


def test_hidden_checks_are_absent_from_feedback(case, verifier):
    for artefact in (*artefacts(case), case.endless):
        verdict = verifier.verify(case.task, artefact, limits=Limits(wall_s=0.5, total_wall_s=1))
        assert case.secret not in feedback(verdict, failures=99)
        hidden = [d for check in verdict.checks if check.hidden for d in check.diagnostics]
        assert all(diagnostic.visibility != "model" for diagnostic in hidden)


def test_a_repeated_verdict_is_the_same_but_for_its_cost(case, verifier):
    for artefact in artefacts(case):
        assert facts(verifier.verify(case.task, artefact)) == facts(verifier.verify(case.task, artefact))


def test_first_fail_and_full_agree_on_the_status(case, verifier):
    for artefact in artefacts(case):
        short, full = verifier.verify(case.task, artefact, first_fail=True), verifier.verify(case.task, artefact)
        assert short.status == full.status
    assert not verifier.verify(case.task, case.bad, first_fail=True).complete
    assert verifier.verify(case.task, case.bad).complete
