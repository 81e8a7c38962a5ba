"""ledex, cycle and refine: chains of width one; what each shows, when it ends and what it keeps. Scripted policies, real judges."""

import asyncio
import shutil

import pytest
from tests.strategies.conftest import assert_nothing_hidden, program, prompts

from burnish.core.plugins import find
from burnish.core.records import Check, CheckSpec, Counterexample, Task, Verdict
from burnish.models.scripted import scripted
from burnish.runs import SolveConfig, solve
from burnish.signals.cycle import template
from burnish.store.runs import RunStore

WRONG, HALF, RIGHT = program("a - b - 9"), program("a"), program("a + b")


def test_ledex_gives_every_wrong_program_one_repair_up_to_three_rounds(run, two_tests):
    store, policy = run(lambda messages, seed: WRONG, [two_tests], strategy="ledex")
    assert policy.calls == 4
    assert [attempt.parent_id for attempt in store.attempts()] == [None, "add#0/0", "add#0/1", "add#0/2"]
    assert all("explain" in prompt for prompt in prompts(store)[1:])
    store, _ = run([WRONG, RIGHT], [two_tests], folder="plain", strategy="ledex", options={"explain": False})
    assert "xplain" not in prompts(store)[1]
    assert store.label(store.episodes()[0].answer).passed


def test_cycle_shows_only_the_last_faulty_code_as_comments(run, two_tests):
    store, policy = run([WRONG, HALF, RIGHT], [two_tests], strategy="cycle")
    assert policy.calls == 3
    last = prompts(store)[2]
    assert "### Bad Solution:\n\n# def add(a, b):\n#     return a\n" in last
    failure = "# Test Case Failed: Input: add(2, 3), Expected output: 5, Actual output: 2"
    assert f"\n\n### Execution Failure:\n{failure}\n\n### Good solution:\n" in last
    assert "a - b - 9" not in last
    assert last.count("### Bad Solution:") == 1
    assert_nothing_hidden(store)


def test_cycle_draws_colder_first_and_ends_after_four_rounds(run, two_tests):
    store, policy = run(lambda messages, seed: WRONG, [two_tests], strategy="cycle")
    assert policy.calls == 5
    assert [(a.sampling.temperature, a.sampling.top_p) for a in store.attempts()] == [(0.2, 1.0), *[(0.6, 0.95)] * 4]
    assert store.episodes()[0].answer == "add#0/4"


def test_cycle_keeps_the_best(run, two_tests):
    store, _ = run([HALF, WRONG, WRONG, WRONG, WRONG], [two_tests], strategy="cycle")
    assert store.episodes()[0].answer == "add#0/0"


def test_the_template_is_indented_like_the_code_and_its_code_cannot_leave_the_comment():
    example = Counterexample(input="f(1)", expected="'a\n### Good solution:'", actual="2")
    verdict = Verdict.of([Check(id="v", kind="call", outcome="fail", counterexample=example)])
    text = template("    return '''\n### Good solution:\n'''", verdict)
    assert all(row.startswith("    #") for row in text.splitlines() if row)
    assert [row for row in text.splitlines() if row.strip() == "### Good solution:"] == ["    ### Good solution:"]


def test_refine_goes_on_from_the_best_and_shows_all_failures(run, two_tests):
    store, _ = run([HALF, WRONG, RIGHT], [two_tests], strategy="refine")
    assert [attempt.parent_id for attempt in store.attempts()] == [None, "add#0/0", "add#0/0"]
    assert store.label(store.episodes()[0].answer).passed
    store, _ = run([WRONG, RIGHT], [two_tests], folder="both", strategy="refine")
    assert "add(1, 0) returned" in prompts(store)[1]
    assert "add(2, 3) returned" in prompts(store)[1]


def test_refine_ends_after_its_rounds(run, two_tests):
    _, policy = run(lambda messages, seed: WRONG, [two_tests], strategy="refine", options={"rounds": 3})
    assert policy.calls == 4


async def _solved(task, replies, folder):
    with RunStore.create(folder, {}) as store:
        await solve([task], scripted(replies), find("verifier", task.kind), store, SolveConfig(strategy="refine"))
        return list(store.attempts()), store.label(store.episodes()[0].answer)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_refine_repairs_a_c_program_by_what_the_compiler_says(tmp_path):
    broken = '```c\n#include <stdio.h>\nint main(void) { int n; scanf("%d", &n); printf("%d", 2 * m); }\n```'
    check = CheckSpec(id="v", kind="stdio", data={"stdin": "4\n", "stdout": "8\n"})
    task = Task(id="double", group_id="d", kind="c", prompt="Double a number.", checks=(check,))
    attempts, label = asyncio.run(_solved(task, [broken, broken.replace("* m", "* n")], tmp_path / "run"))
    assert label.passed
    assert "in a C code block" in attempts[0].messages[0].content
    assert "```c\n" in attempts[1].messages[1].content
    assert "| int main(void)" in attempts[1].messages[2].content
    assert "'m' undeclared" in attempts[1].messages[2].content.replace("‘", "'").replace("’", "'")


def test_refine_repairs_a_test_file(tmp_path):
    checks = (
        CheckSpec(id="right", kind="reference", data={"program": "def absolute(n):\n    return abs(n)\n"}),
        CheckSpec(id="wrong", kind="mutant", data={"program": "def absolute(n):\n    return n\n"}),
    )
    context = {"entry_point": "absolute", "module": "solution"}
    task = Task(id="abs", group_id="abs", kind="python_tests", prompt="Test `absolute(n)`.", context=context, checks=checks)
    weak = "```python\nfrom solution import absolute\ndef test_one():\n    assert absolute(1) == 1\n```"
    attempts, label = asyncio.run(_solved(task, [weak, weak.replace("absolute(1)", "absolute(-1)")], tmp_path / "run"))
    assert label.passed
    assert len(attempts) == 2
