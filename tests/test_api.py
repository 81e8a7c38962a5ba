"""The judge for people: tasks or lists of checks, one program or many, with or without a cache."""

import asyncio
import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import burnish
from burnish import api
from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.store.verdicts import VerdictCache

CHECKS = ["assert add(1, 2) == 3", CheckSpec(id="own", kind="call", data={"args": "(2, 2)", "expected": "4"}, hidden=True)]
ADD, WRONG = "def add(a, b): return a + b", "def add(a, b): return a - b"


def test_the_examples_in_the_docstrings_are_true():
    results = [doctest.testmod(importlib.import_module(f"burnish.api.{module.name}")) for module in pkgutil.iter_modules(api.__path__)]
    assert sum(result.attempted for result in results) >= 8
    assert not any(result.failed for result in results)


def test_importing_the_judge_takes_no_heavy_package():
    probe = (
        "import sys, burnish; assert 'burnish.api' not in sys.modules; assert 'msgspec' not in sys.modules\n"
        "assert burnish.verify(['assert one() == 1'], 'def one(): return 1', entry_point='one').passed\n"
        "print([m for m in ('torch', 'transformers', 'numpy', 'rich', 'sqlite3') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_package_offers_the_judge_and_nothing_by_accident():
    assert (burnish.verify, burnish.averify, burnish.verify_batch) == (api.verify, api.averify, api.verify_batch)
    with pytest.raises(AttributeError, match="no attribute 'verfy'"):
        burnish.verfy  # noqa: B018


def test_checks_may_be_text_records_or_a_task():
    verdict = burnish.verify(CHECKS, ADD, entry_point="add")
    assert verdict.passed
    assert [(check.id, check.hidden) for check in verdict.checks] == [("1", False), ("own", True)]
    task = Task(id="t", group_id="t", kind="python", prompt="", context={"entry_point": "add"}, checks=tuple(CHECKS[1:]))
    assert burnish.verify(task, WRONG).status == "fail"
    whole = [CheckSpec(id="1", kind="stdio", data={"stdin": "3", "stdout": "6"})]
    assert burnish.verify(whole, "print(2 * int(input()))").passed


def test_no_checks_prove_nothing():
    assert burnish.verify([], ADD).status == "unknown"


def test_a_batch_is_in_order_and_may_be_empty():
    assert [verdict.passed for verdict in burnish.verify_batch([(CHECKS, ADD), (CHECKS, WRONG)] * 3, entry_point="add")] == [
        True,
        False,
    ] * 3
    assert list(burnish.verify_batch([])) == []


def test_first_fail_and_limits_are_passed_on():
    verdict = burnish.verify(CHECKS, WRONG, entry_point="add", first_fail=True)
    assert [check.outcome for check in verdict.checks] == ["fail", "skip"]
    loop = "def add(a, b):\n    while True: pass"
    assert burnish.verify(CHECKS, loop, entry_point="add", limits=api.Limits(wall_s=0.2)).status == "timeout"


def test_with_a_cache_nothing_is_judged_twice(tmp_path):
    with VerdictCache(tmp_path / "c") as cache:
        first = burnish.verify(CHECKS, ADD, entry_point="add", cache=cache)
        batch = list(burnish.verify_batch([(CHECKS, ADD), (CHECKS, WRONG)], entry_point="add", cache=cache))
        awaited = asyncio.run(burnish.averify(CHECKS, WRONG, entry_point="add", cache=cache))
    assert [verdict.cost.cached for verdict in (first, *batch, awaited)] == [False, True, False, True]


def test_the_name_of_a_task_set_is_not_a_task():
    with pytest.raises(InputError, match=r"load_tasks\('humaneval'\)"):
        burnish.verify("humaneval", ADD)


def test_checks_without_the_function_s_name_say_what_is_missing():
    with pytest.raises(InputError, match="entry_point"):
        burnish.verify(CHECKS, ADD)


def test_tasks_of_several_kinds_are_refused():
    other = Task(id="o", group_id="o", kind="cobol", prompt="")
    with pytest.raises(InputError, match="cobol, python"):
        burnish.verify_batch([(CHECKS, ADD), (other, ADD)], entry_point="add")


@pytest.mark.parametrize("kind", ["python", "c", "cpp", "python_tests"])
def test_a_verifier_with_options_is_one_s_own(kind):
    tasks = [Task(id="t", group_id="t", kind=kind, prompt="")]
    own = api.verifier_of(tasks, {"workers": 3})
    assert own.sandbox.workers == 3
    assert own is not api.verifier_of(tasks) is api.verifier_of(tasks)
    with pytest.raises(InputError, match="no option 'speed'.*workers"):
        api.verifier_of(tasks, {"speed": 9})
