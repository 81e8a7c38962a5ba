"""Test files as the artefact, in the real jail, under the real pytest: the contract's section 8, kills, and attempts to fake them."""

import asyncio
import subprocess
import sys
import time

import msgspec
import pytest
from tests.verifiers.grading import CALL_ALL, GOOD, MUTANTS, RIGHT

from burnish import api
from burnish.core.errors import InputError
from burnish.core.plugins import find
from burnish.core.records import CheckSpec, Task, Verdict
from burnish.sandbox.worker import Server
from burnish.signals.feedback import feedback
from burnish.signals.prompts import ask
from burnish.store.jsonl import write_records
from burnish.tasks import load
from burnish.text.code import program_in
from burnish.verifiers.base import Limits, Verifier, view
from burnish.verifiers.python_tests import PythonTestsVerifier, suite_task


def make(*wrong, right=RIGHT, hidden=(), **context):
    wrong = wrong or MUTANTS
    checks = [CheckSpec(id="right", kind="reference", data={"program": right})]
    checks += [CheckSpec(id=f"w{n}", kind="mutant", data={"program": source}, hidden=n in hidden) for n, source in enumerate(wrong)]
    return Task(id="t", group_id="g", kind="python_tests", prompt="", context={"entry_point": "grade", **context}, checks=tuple(checks))


def outcomes(verdict):
    return [check.outcome for check in verdict.checks]


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonTestsVerifier(workers=2)
    yield verifier
    verifier.close()


def test_it_is_a_plug_in_with_the_protocol():
    assert isinstance(find("verifier", "python_tests"), Verifier)
    assert "python_tests" in api.list_plugins("verifier")["verifiers"]
    report = find("verifier", "python_tests").doctor()[0]
    assert (report.name, report.found, report.version) == ("pytest", True, pytest.__version__)


def test_good_tests_pass_and_catch_every_mutant(verifier):
    verdict = verifier.verify(make(), GOOD)
    assert verdict.status == "pass"
    assert verdict.score == verdict.coverage == 1.0
    assert verdict.features == {"tests": 6, "valid_tests": 6, "kill_share": 1.0, "idle_tests": 2}
    assert verdict.diagnostics[0].message == "catch no wrong program: test_grades[0-fail], test_grades[49-fail]"
    assert not verdict.tamper
    assert verdict.provenance.isolation == "separate"
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict


def test_a_weak_test_leaves_mutants_alive(verifier):
    task = make(*MUTANTS[:2])
    task = msgspec.structs.replace(
        task, checks=(*task.checks[:2], msgspec.structs.replace(task.checks[2], data=task.checks[2].data | {"description": "50 became 60"}))
    )
    verdict = verifier.verify(task, "def test_high():\n    assert grade(90) == 'pass'\n    assert grade(50) == 'pass'\n")
    assert verdict.passed
    verdict = verifier.verify(task, "def test_high():\n    assert grade(90) == 'pass'\n")
    assert outcomes(verdict) == ["pass", "fail", "fail"]
    assert verdict.score == pytest.approx(1 / 3)
    assert verdict.features["kill_share"] == 0
    assert verdict.checks[2].diagnostics[0].message == "no test fails on this wrong program: 50 became 60"


def test_a_wrong_test_fails_with_its_place_and_kills_nothing(verifier):
    artefact = GOOD + "\ndef test_wrong():\n    é = 1; assert grade(50) == 'fail'\n"
    verdict = verifier.verify(make(), artefact)
    assert outcomes(verdict) == ["fail", "pass", "pass", "pass", "pass"]
    assert verdict.score == pytest.approx(0.8)
    diagnostic = verdict.checks[0].diagnostics[0]
    assert diagnostic.code == "tests.failed.AssertionError"
    assert diagnostic.message.startswith("test_wrong fails on the right program: AssertionError: assert 'pass' == 'fail'")
    assert artefact[diagnostic.span.start : diagnostic.span.end] == "assert grade(50) == 'fail'"
    alone = verifier.verify(make(), "def test_wrong():\n    assert grade(50) == 'Pass'\n")
    assert outcomes(alone) == ["fail", "fail", "fail", "fail", "fail"]


def test_a_crash_or_a_hang_of_a_wrong_program_is_a_kill(verifier):
    dies = RIGHT.replace("return", "import os; os._exit(0)\n    return")
    hangs = RIGHT.replace("return", "while True: pass\n    return")
    raises = RIGHT.replace("return", "points / 0\n    return")
    verdict = verifier.verify(make(dies, hangs, raises), GOOD, limits=Limits(wall_s=2.0))
    assert outcomes(verdict) == ["pass"] * 4
    assert not verdict.tamper


def test_a_hang_counts_only_if_the_right_program_has_ample_time(verifier):
    slow = "import time\n" + RIGHT.replace("return", "time.sleep(5)\n    return")
    tests = "import time\ndef test_late():\n    time.sleep(0.9)\n    assert grade(50) == 'pass'\n"
    assert outcomes(verifier.verify(make(slow), tests, limits=Limits(wall_s=1.5))) == ["pass", "timeout"]


def test_skips_and_expected_failures_are_neither_passes_nor_kills(verifier):
    tests = (
        "import pytest\n"
        "@pytest.mark.skip\ndef test_a():\n    assert grade(50) == 'pass'\n"
        "@pytest.mark.xfail\ndef test_b():\n    assert grade(50) == 'fail'\n"
        "@pytest.mark.xfail\ndef test_c():\n    assert grade(50) == 'pass'\n"
        "def test_d():\n    assert grade(100) == 'pass'\n"
    )
    verdict = verifier.verify(make(MUTANTS[0]), tests)
    assert outcomes(verdict) == ["pass", "fail"]
    assert (verdict.features["tests"], verdict.features["valid_tests"]) == (4, 1)


def test_pytest_is_the_real_one(verifier):
    tests = (
        "import pytest, solution\n"
        "@pytest.fixture(params=[60, 70])\ndef points(request, tmp_path):\n"
        "    (tmp_path / 'points').write_text(str(request.param))\n    yield int((tmp_path / 'points').read_text())\n"
        "def test_fixture(points, capsys, monkeypatch):\n    print(points)\n"
        "    assert capsys.readouterr().out == f'{points}\\n'\n    assert solution.grade(points) == 'pass'\n"
        "def test_others(caplog, tmpdir, recwarn, pytestconfig, request):\n    assert len(solution.grade(50)) == 4\n"
        "def test_approx():\n    assert len(solution.grade(50)) == pytest.approx(4.0)\n"
        "import unittest\nclass Old(unittest.TestCase):\n    def test_old(self):\n        self.assertEqual(solution.grade(1), 'fail')\n"
    )
    verdict = verifier.verify(make(MUTANTS[3]), tests)
    assert verdict.status == "pass", verdict.checks
    assert verdict.features["tests"] == 5


@pytest.mark.parametrize(
    "importing",
    ["from solution import grade", "from solution import *", "import solution\ngrade = solution.grade", ""],
)
def test_the_program_is_found_by_import_or_by_its_bare_name(verifier, importing):
    assert verifier.verify(make(MUTANTS[0]), f"{importing}\ndef test_it():\n    assert grade(50) == 'pass'\n").passed


def test_the_module_may_have_another_name_and_no_entry_point(verifier):
    task = make(MUTANTS[0], entry_point="", module="marks")
    assert verifier.verify(task, "import marks\ndef test_it():\n    assert marks.grade(50) == 'pass'\n").passed
    assert verifier.verify(task, "import solution\ndef test_it():\n    assert solution.grade(50) == 'pass'\n").status == "invalid"


@pytest.mark.parametrize(
    ("artefact", "code"),
    [
        ("", "tests.empty"),
        ("There are no tests here.", "tests.syntax.SyntaxError"),
        ("def test_a():\n    assert grade(5 == 1\n", "tests.syntax.SyntaxError"),
        ("(" * 5000, "tests.syntax.SyntaxError"),
        ("a = 1\0", "tests.syntax.SyntaxError"),
        ("return 1", "tests.syntax.SyntaxError"),
        ("import no_such_module\ndef test_a():\n    assert grade(50) == 'pass'\n", "tests.import"),
        ("import sys\nsys.exit(0)\ndef test_a():\n    assert grade(50) == 'pass'\n", "tests.import"),
        ("import pytest\n@pytest.mark.parametrize('x', [1])\ndef test_a():\n    assert grade(50) == 'pass'\n", "tests.import"),
        ("def check_it():\n    assert grade(50) == 'pass'\n", "tests.none"),
        ("import pytest\n@pytest.mark.parametrize('x', range(1001))\ndef test_a(x):\n    assert grade(50) == 'pass'\n", "tests.too_many"),
    ],
)
def test_what_is_no_test_file_is_invalid(verifier, artefact, code):
    verdict = verifier.verify(make(), artefact)
    assert verdict.status == "invalid"
    assert verdict.score == 0.0
    assert verdict.diagnostics[0].code == code


def test_a_syntax_error_has_its_place(verifier):
    span = verifier.verify(make(), "def test_é():\n    assert é +* 1\n").diagnostics[0].span
    assert (span.line, span.col) == (2, 14)


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "assert True",
        "assert 1 + 1 == 2",
        "grade(50)",
        "assert grade(50) or True",
        "assert (grade(50) == 'fail', 'wrong')",
        "assert grade(50) == grade(50)",
        "x = 1; assert x == 1",
        "import pytest; pytest.skip('later'); assert grade(50) == 'pass'",
    ],
)
def test_vacuous_tests_never_pass(verifier, body):
    for task in (make(), msgspec.structs.replace(make(), checks=make().checks[:1])):
        verdict = verifier.verify(task, f"def test_a():\n    {body}\n")
        assert verdict.status == "invalid"
        assert verdict.diagnostics[0].code == "tests.vacuous"
        assert [(flag.code, flag.hard) for flag in verdict.tamper] == [("vacuous", False)]


def test_an_idle_test_among_good_ones_is_noted(verifier):
    verdict = verifier.verify(make(), GOOD + "\ndef test_idle():\n    x = 1\n    assert x == 1\n")
    assert verdict.passed
    assert verdict.tamper[0].evidence == "never call the program: test_idle"


@pytest.mark.parametrize("place", ["while True: pass", "def test_a():\n    assert grade(50) == 'pass'\n    while True: pass"])
def test_an_endless_test_times_out(verifier, place):
    started = time.monotonic()
    verdict = verifier.verify(make(), f"{place}\nassert grade(1)\n", limits=Limits(wall_s=0.6))
    assert verdict.status == "timeout"
    assert outcomes(verdict) == ["timeout", "skip", "skip", "skip", "skip"]
    assert verdict.score == 0.0
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("right", ["def grade(points:\n", "1 / 0", "def mark(points): pass", "import os; os._exit(0)", "raise SystemExit"])
def test_a_right_program_that_does_not_load_is_an_error(verifier, right):
    verdict = verifier.verify(make(right=right), GOOD)
    assert verdict.status == "error"
    assert verdict.score is None
    assert verdict.checks[0].diagnostics[0].code == "tests.program"


def test_a_wrong_program_that_does_not_load_is_an_error_and_no_kill(verifier):
    verdict = verifier.verify(make("1 / 0", MUTANTS[0]), GOOD)
    assert outcomes(verdict) == ["pass", "error", "pass"]
    assert verdict.status == "error"


def test_no_checks_is_unknown_and_unreadable_ones_are_refused(verifier):
    task = make()
    assert verifier.verify(msgspec.structs.replace(task, checks=()), GOOD).status == "unknown"
    for checks, says in [
        (task.checks[1:], "reference"),
        ((CheckSpec(id="x", kind="call", data={}),), "unknown kind 'call'"),
        ((CheckSpec(id="x", kind="reference", data={}),), "'program'|\"program\""),
        ((*task.checks, CheckSpec(id="x", kind="wrong", data={"program": RIGHT})), "one and the same"),
    ]:
        with pytest.raises(InputError, match=says):
            verifier.verify(msgspec.structs.replace(task, checks=checks), GOOD)
    for context in ({"module": "math"}, {"module": "a b"}, {"runs": 0}):
        with pytest.raises(InputError, match="context"):
            verifier.verify(make(**context), GOOD)


def test_first_fail_skips_the_rest_and_agrees_on_the_status(verifier):
    weak = "def test_high():\n    assert grade(100) == 'pass'\n"
    short, full = verifier.verify(make(), weak, first_fail=True), verifier.verify(make(), weak)
    assert outcomes(short) == ["pass", "fail", "skip", "skip", "skip"]
    assert outcomes(full) == ["pass", "fail", "fail", "fail", "pass"]
    assert short.status == full.status == "fail"
    assert (short.complete, full.complete) == (False, True)


def test_verdicts_repeat_and_batches_keep_their_order(verifier):
    files = [GOOD, "def test_high():\n    assert grade(100) == 'pass'\n", "x", GOOD + "\ndef test_f():\n    assert grade == 1\n"]
    items = [(make(), text) for text in files]
    verdicts = [verifier.verify(task, text) for task, text in items]

    async def together():
        return await asyncio.gather(*(verifier.averify(task, text) for task, text in items))

    def bare(verdict):
        checks = tuple(msgspec.structs.replace(check, wall_s=0.0) for check in verdict.checks)
        return msgspec.structs.replace(verdict, cost=verdicts[0].cost, checks=checks)

    assert list(map(bare, verifier.verify_batch(items))) == list(map(bare, verdicts))
    assert list(map(bare, asyncio.run(together()))) == list(map(bare, verdicts))


def test_hidden_checks_stay_out_of_feedback(verifier):
    task = make(hidden=range(4))
    hidden = (msgspec.structs.replace(task.checks[0], id="right-hidden", hidden=True), *task.checks[1:])
    verdict = verifier.verify(
        msgspec.structs.replace(task, checks=hidden), GOOD + "\ndef test_wrong():\n    assert grade(50) == 'SECRET'\n"
    )
    assert verdict.status == "fail"
    assert "SECRET" not in feedback(verdict, failures=9)
    told = feedback(verifier.verify(view(task, "visible"), "def test_wrong():\n    assert grade(50) == 'F'\n"))
    assert "test_wrong fails on the right program: AssertionError: assert 'pass' == 'F'" in told
    assert "(line 2 of the code)" in told


def test_many_calls_and_long_names_fit_whatever_a_program_may_print(verifier):
    tests = (
        "import pytest\n@pytest.mark.parametrize('name', ['é' * 5000 + str(n) for n in range(5)])\ndef test_long(name):\n"
        "    for points in range(50, 1050):\n        assert grade(points) == 'pass'\n"
    )
    verdict = verifier.verify(make(MUTANTS[0]), tests, limits=Limits(output_bytes=100, wall_s=20, cpu_s=20))
    assert verdict.passed
    assert verdict.features["valid_tests"] == 5


# attempts to fake it --------------------------------------------------------------------------------------------------


def test_tests_that_are_unsteady_are_unknown(verifier):
    coin = "import os\ndef test_coin():\n    assert grade(50) == 'pass' and os.urandom(1)[0] < 128\n"
    verdict = verifier.verify(make(MUTANTS[0], runs=30), coin)
    assert verdict.status == "unknown"
    assert verdict.score is None
    assert verdict.checks[0].diagnostics[0].code == "tests.flaky"


RUN_COUNTERS = {
    "process ids": "import os\nlater = os.getpid() > 4\n",
    "burnt process ids": "import os\nlater = os.getpid() > 40\nfor _ in range(50):\n    if os.fork() == 0: os._exit(0)\n    os.wait()\n",
    "files": "import os\nlater = os.path.exists('/tmp/mark')\nopen('/tmp/mark', 'w').close()\n",
}


@pytest.mark.parametrize("how", RUN_COUNTERS)
def test_telling_the_runs_apart_kills_nothing(how):
    """Tests that pass on the first run and fail on later ones, with and without calls that every mutant answers wrongly."""
    for calls in ("grade(50)", CALL_ALL):
        fresh = PythonTestsVerifier(workers=1)
        verdict = fresh.verify(make(*MUTANTS[:2]), f"{RUN_COUNTERS[how]}def test_a():\n    {calls}\n    assert not later\n")
        fresh.close()
        assert not verdict.passed
        assert "pass" not in outcomes(verdict)[1:], (how, calls, verdict.checks)


def test_a_failure_without_a_wrong_answer_is_no_kill(verifier):
    """Whatever a run may leak: a program that was seen to answer rightly is not caught."""
    same = RIGHT + "# a comment\n"
    tests = "import os\ndef test_a():\n    assert grade(50) == 'pass'\n    assert os.getpid() % 7\n"
    for _ in range(8):
        verdict = verifier.verify(make(same, runs=1), tests)
        assert outcomes(verdict)[1] != "pass"


def test_tests_that_depend_on_a_failing_one_gain_nothing(verifier):
    """Were failing tests left out on the wrong programs, the second test would know where it is."""
    tests = f"seen = []\ndef test_a():\n    seen.append(1)\n    assert False, grade(1)\ndef test_b():\n    {CALL_ALL}\n    assert seen\n"
    assert outcomes(verifier.verify(make(), tests)) == ["fail"] * 5


LOOKING = {
    "source": "import inspect, solution\n\ndef secret():\n    return inspect.getsource(solution.grade) + inspect.getsource(solution)\n",
    "files": "import os\ndef secret():\n    for folder, _, names in os.walk('/private'):\n        for name in names:\n"
    "            return open(os.path.join(folder, name)).read()\n    raise OSError\n",
    "memory": "import gc\ndef secret():\n    dicts = [t for t in gc.get_objects() if type(t) is dict]\n"
    "    return [t for t in dicts if 'negative' in str(t.get('source'))][0]['source']\n",
    "proc": "def secret():\n    return open('/proc/1/environ').read() + str(__import__('os').listdir('/proc/2'))\n",
    "places": "def secret():\n    try:\n        grade(-1)\n    except ValueError as error:\n        return error.remote[2][0]\n",
    "code": "def secret():\n    return grade.__code__.co_consts.index('negative')\n",
}


@pytest.mark.parametrize("how", LOOKING)
def test_the_program_cannot_be_seen(verifier, how):
    tests = f"{LOOKING[how]}\ndef test_a():\n    assert grade(50) == 'pass'\n    assert secret()\n"
    verdict = verifier.verify(make(), tests)
    assert outcomes(verdict)[0] == "fail"
    assert verdict.features["valid_tests"] == 0


FORGE = """
import gc, os
from inside import codec, wire
from inside.seat import Seat
[seat] = [thing for thing in gc.get_objects() if type(thing) is Seat]
"""


@pytest.mark.parametrize(
    ("attack", "flag"),
    [
        ("import os\ndef test_a():\n    assert grade(50) == 'pass'\n    os._exit(0)\n", "early_exit"),
        (FORGE + "def test_a():\n    assert grade(50)\n    os.write(seat._pipe, b'junk' * 9)\n", "forged_verdict"),
        (FORGE + "def test_a():\n    assert grade(50)\n    seat.send('end')\n", "forged_verdict"),
        (FORGE + "def test_a():\n    assert grade(50)\n    seat.send('test', 'failed', '', None, 1, '')\n", "forged_verdict"),
        (
            FORGE + "assert grade(50)\nseat.send('collected', 0)\nseat.send('end')\n",
            "forged_verdict",
        ),
        ("import ctypes\ndef test_a():\n    assert grade(50) == 'pass'\n    ctypes.CDLL(None).ptrace(0, 0, 0, 0)\n", "escape"),
    ],
)
def test_attacks_on_the_judge_are_flagged(verifier, attack, flag):
    verdict = verifier.verify(make(), attack)
    assert verdict.status == "tampered"
    assert [found.code for found in verdict.tamper if found.hard] == [flag]
    assert verdict.score == 0.0
    assert verifier.verify(make(), GOOD).passed


def test_a_forged_report_without_a_wrong_answer_is_no_kill(verifier):
    """A whole forged run, indistinguishable from pytest's own: it still has to pass on the right program and know the wrong ones."""
    forged = (
        f"{FORGE}\nassert grade(50)\nseat.send('collected', 1)\nseat.send('begin', 'test_a')\n"
        "seat.send('test', 'passed' if os.getpid() % 2 else 'failed', '', None, 1, '')\nseat.send('end')\nos._exit(0)\n"
    )
    assert not verifier.verify(make(RIGHT + "#"), forged).passed


@pytest.mark.parametrize(
    "attack",
    [
        "import os\ndef test_a():\n    assert grade(50) == 'pass'\n    for process in range(1, 60):\n        os.kill(process, 9)\n",
        "import os\ndef test_a():\n    assert grade(50) == 'pass'\n    os._exit(3)\n",
        "import os\ndef test_a():\n    assert grade(50) == 'pass'\n    while True: os.fork()\n",
        "def test_a():\n    assert grade(50) == 'pass'\n    x = []\n    while True: x.append(bytes(1 << 20))\n",
        "import pytest\ndef test_a():\n    assert grade(50) == 'pass'\n    pytest.exit('enough')\n",
        "def test_a():\n    assert grade(50) == 'pass'\n    raise KeyboardInterrupt\n",
        "from threading import Thread\ndef test_a():\n    Thread(target=lambda: any(iter(int, 1))).start()\n    assert grade(1) == 1\n",
        "import socket\ndef test_a():\n    assert grade(50) == 'pass'\n    socket.create_connection(('127.0.0.1', 1))\n",
    ],
)
def test_bombs_fail_and_leave_the_judge_whole(verifier, attack):
    verdict = verifier.verify(make(MUTANTS[0]), attack, limits=Limits(wall_s=1.5, memory_mb=128))
    assert verdict.status in ("fail", "timeout", "tampered")
    assert verifier.verify(make(MUTANTS[0]), GOOD).passed


def test_a_wrong_program_that_attacks_its_channel_is_an_error(verifier):
    hostile = "import os\nfor fd in range(3, 999):\n    try: os.write(fd, b'\\0' * 8)\n    except OSError: pass\n" + RIGHT
    verdict = verifier.verify(make(hostile, MUTANTS[0]), GOOD)
    assert outcomes(verdict) == ["pass", "error", "pass"]


def test_a_jail_that_does_not_start_is_an_error():
    class DeadServer(Server):
        boot = "raise SystemExit"

    broken = PythonTestsVerifier(workers=1)
    broken.sandbox.server_class = DeadServer
    verdict = broken.verify(make(), GOOD)
    assert verdict.status == "error"
    assert verdict.checks[0].diagnostics[0].code == "sandbox.error"


def test_without_pytest_the_judge_says_how_to_get_it():
    program = (
        "import sys; sys.modules['pytest'] = None\n"
        "from burnish.core.errors import Unavailable\nfrom burnish.core.records import CheckSpec, Task\n"
        "from burnish.verifiers.python_tests import python_tests\n"
        "report = python_tests.doctor()[0]\nprint(report.found, report.install)\n"
        "check = CheckSpec(id='r', kind='reference', data={'program': 'x = 1'})\n"
        "try: python_tests.verify(Task(id='t', group_id='g', kind='python_tests', prompt='', checks=(check,)), 'def test_a(): pass')\n"
        "except Unavailable as error: print(error)\n"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "False pip install 'burnish[judge-tests]'" in printed
    assert "Mend: pip install pytest" in printed


# making and using tasks -----------------------------------------------------------------------------------------------


def test_a_python_task_becomes_a_test_task(verifier):
    [source] = [task for task in load("humaneval") if task.id == "HumanEval/2"]
    task = suite_task(source, limit=4, seed=1)
    assert task == suite_task(source, limit=4, seed=1)
    assert [check.kind for check in task.checks] == ["reference", "reference", *["mutant"] * (len(task.checks) - 2)]
    assert 1 <= len(task.checks) - 2 <= 4
    assert "truncate_number" in ask(task)[0].content
    assert "test file" in ask(task)[0].content
    assert source.refs[0] not in ask(task)[0].content
    good = "def test_a():\n    for x in (3.5, 1.33, 123.456):\n        assert abs(truncate_number(x) - x % 1) < 1e-6\n"
    assert verifier.verify(task, good).passed
    assert verifier.verify(task.public(), good).passed
    assert verifier.verify(view(task, "hidden"), good).passed
    with pytest.raises(InputError, match="reference"):
        suite_task(source.public())
    with pytest.raises(InputError, match="mutant"):
        suite_task(msgspec.structs.replace(source, checks=()))


def test_burnish_verify_judges_samples_of_tests(tmp_path):
    write_records(tmp_path / "tasks.jsonl", [make()])
    reply = f"First the function:\n```python\n{RIGHT}```\nNow its tests:\n```python\n{GOOD}```\n"
    rows = [{"task_id": "t", "completion": text} for text in (reply, GOOD, "def test_a():\n    assert grade(1) == 'x'\n")]
    (tmp_path / "samples.jsonl").write_text("".join(msgspec.json.encode(row).decode() + "\n" for row in rows))
    summary = api.verify_samples(str(tmp_path / "tasks.jsonl"), tmp_path / "samples.jsonl", tmp_path / "out.jsonl")
    assert (summary.judged, summary.passed, summary.errors) == (3, 2, 0)
    assert program_in(make(), reply).strip() == GOOD.strip()
    results = [msgspec.json.decode(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["passed"] for row in results] == [True, True, False]
    assert results[2]["result"].startswith("failed: test_a fails on the right program")
