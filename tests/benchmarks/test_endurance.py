"""The endurance benchmark in small, in a process of its own, and that it would notice what it looks for."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from burnish.verifiers.python import PythonVerifier

ROOT = Path(__file__).parents[2]


def test_300_checks_with_kills(tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "benchmarks.endurance", "--checks", "300", "--kill-every", "0.7", "--json", str(report)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = json.loads(report.read_text())
    assert (found["checks"], found["lost"], found["doubled"], found["wrong"]) == (300, 0, 0, 0), run.stdout
    assert found["kills"] or found["seconds"] < 1.0
    assert (found["left_processes"], found["left_descriptors"]) == (0, 0)
    assert all(found["growth"][name] <= bound for name, bound in found["bounds"].items()), run.stdout
    assert [sample["checks"] for sample in found["samples"]] == [15, 150, 300]
    assert run.returncode == (1 if found["failures"] else 0)
    assert "0 lost, 0 doubled, 0 wrong" in run.stdout


@pytest.fixture(scope="module")
def judged():
    """A few items of the benchmark with their real verdicts."""
    sys.path.insert(0, str(ROOT))
    from benchmarks import endurance

    sys.path.remove(str(ROOT))
    items = [endurance._item(number, 0) for number in range(20)]
    verifier = PythonVerifier(workers=2)
    verdicts = list(verifier.verify_batch([(item.task, item.artefact) for item in items], limits=endurance.LIMITS))
    verifier.close()
    return endurance, items, verdicts


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (lambda verdicts: verdicts, (0, 0, 0, 0)),
        (lambda verdicts: verdicts[:-1], (1, 0, 0, 0)),
        (lambda verdicts: [*verdicts, verdicts[-1]], (0, 1, 1, 0)),
        (lambda verdicts: [verdicts[1], verdicts[0], *verdicts[2:]], (0, 0, 2, 0)),
        (lambda verdicts: [*verdicts[:-1], msgspec.structs.replace(verdicts[-1], status="unknown")], (0, 0, 1, 0)),
        (lambda verdicts: [*verdicts[:-1], msgspec.structs.replace(verdicts[-1], status="error")], (0, 0, 0, 1)),
    ],
    ids=["none", "lost", "doubled", "swapped", "wrong", "error"],
)
def test_a_fault_is_counted(judged, fault, expected):
    endurance, items, verdicts = judged
    result = endurance.Result()
    endurance._compare(items, fault(verdicts), result)
    assert (result.lost, result.doubled, result.wrong, result.errors) == expected


def test_growth_beyond_its_bound_is_a_failure(judged):
    endurance, _, _ = judged
    verifier = PythonVerifier(workers=2)
    first = endurance._sample(verifier, 1)
    verifier.close()
    last = endurance.Sample(**{**vars(first), "descriptors": first.descriptors + 13})
    assert endurance.Result(samples=[first, first, last]).failures() == ["descriptors grew by 13, bound 12"]
    assert endurance.Result(samples=[first, first]).failures() == []
