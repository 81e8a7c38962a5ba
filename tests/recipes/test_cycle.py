"""The recipe CYCLE on the run that was collected for LeDex: the data of one run serves another system."""

import pytest
from tests.operators import held_out
from tests.recipes.test_ledex import Stop, stopping

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.recipes.cycle import CycleConfig, cycle, phases
from burnish.signals.cycle import BAD
from burnish.store.jsonl import read_records, write_records
from burnish.store.runs import RunStore


@pytest.fixture
def config(pupil, collected, tmp_path):
    file = tmp_path / "held-out.jsonl"
    write_records(file, held_out("plus", "over"))
    small = {"batch_size": 8, "per_task": 2, "mixed": 0.5, "rounds": 2, "max_tokens": 12, "trainer": {"save_every": 1}}
    return CycleConfig(model=str(pupil), collected=str(collected), tasks=str(file), **small)


def test_both_phases_run_stop_and_go_on(config, tmp_path):

    whole = cycle(tmp_path / "whole", config)
    for at in ("Phase I:", "Phase II:", "measure after"):
        with pytest.raises(Stop):
            cycle(tmp_path / "parts", config, resume=True, stage=stopping(at, []))
    parts = cycle(tmp_path / "parts", config, resume=True)
    assert (parts.before.rounds, parts.after.rounds, parts.examples) == (whole.before.rounds, whole.after.rounds, whole.examples)
    assert set(whole.examples) == {"cycle-solve", "cycle-refine", "cycle-keep"}
    assert "/phase-2/" in whole.checkpoint
    with RunStore.open(tmp_path / "whole" / "train") as log:
        assert log.metrics("phase-1")
        assert log.metrics("phase-2")
    page = (tmp_path / "whole" / "report.html").read_text()
    assert all(words in page for words in ("from memory", "Refinement before training", "Refinement after training"))
    assert whole.lines()[0].startswith("before: pass@1 0.000")


def test_what_each_phase_learns(config, tmp_path):
    cycle(tmp_path / "run", config)
    found = list(read_records(tmp_path / "run" / "examples.jsonl", Example))
    first, second = phases(found, config)
    assert {example.kind for example in first} == {"cycle-solve"}
    kinds = [example.kind for example in second]
    assert kinds.count("cycle-solve") == round(0.5 * len(first))
    assert all((BAD in example.messages[0].content) == (example.kind == "cycle-refine") for example in found)


def test_without_a_collected_run_or_faults_in_it_it_says_what_to_do(config, tmp_path):
    with pytest.raises(InputError, match="collected=runs/ledex/collect"):
        cycle(tmp_path / "run", CycleConfig())
    with pytest.raises(InputError, match="holds no faulty program of a task with a right one"):
        phases([], config)
    with pytest.raises(InputError, match="shares between 0 and 1"):
        CycleConfig(mixed=1.5)
