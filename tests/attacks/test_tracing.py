"""Hostile programs and the tracer: each is survived, what it leaves is bounded, and the next program is traced as ever."""

import asyncio
import runpy
from pathlib import Path

import pytest

from burnish.core.records import CheckSpec, Task
from burnish.signals.traces import block_trace, printed_trace
from burnish.verifiers.base import Limits
from burnish.verifiers.python import PythonVerifier

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.py"))
ATTACKS = [row for path in CORPUS for row in runpy.run_path(str(path))["ATTACKS"]]
CHECK = CheckSpec(id="v", kind="call", data={"args": "(1,)", "expected": "918273645"})
TASK = Task(id="t", group_id="t", kind="python", prompt="", context={"entry_point": "solve"}, checks=(CHECK,))
GOOD = "def solve(n):\n    x = n + 1\n    return x\n"


@pytest.fixture(scope="module")
def traced():
    """`traced(source)` traces a program on the one check, in a jail that all these tests share."""
    verifier = PythonVerifier(workers=1)
    limits = Limits(wall_s=0.6, cpu_s=0.5, memory_mb=256, processes=8)
    yield lambda source: asyncio.run(verifier.atrace(TASK, source, "v", limits=limits))
    verifier.close()


@pytest.mark.parametrize("attack", ATTACKS[::3], ids=lambda row: f"{row[0]}: {row[1]}")
def test_no_attack_breaks_the_tracer_or_the_next_trace(traced, attack):
    found = traced(attack[2])
    assert len(found.steps) <= 60
    assert len(block_trace(found, attack[2])) < 20_000
    assert len(printed_trace(found)) < 20_000
    after = traced(GOOD)
    assert ([(step.first, step.last, step.values, step.note) for step in after.steps], after.output, after.ending) == (
        [(2, 3, (("n", "1"), ("x", "2")), "returns 2")],
        "",
        "",
    )
