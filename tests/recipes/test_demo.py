"""The demo, very small, on the embedded model: every stage really runs, resumes without repeating, and leaves its page and figures."""

import contextlib

import msgspec
import pytest

from burnish.core.errors import InputError
from burnish.recipes._demo_records import DemoConfig, DemoResult
from burnish.recipes._work import spread
from burnish.recipes.demo import demo
from burnish.store.runs import RunStore
from burnish.training.config import TrainConfig

CONFIG = DemoConfig(
    train_tasks=10,
    test_tasks=2,
    test_samples=1,
    train_samples=2,
    sft=TrainConfig(steps=1, batch_size=4),
    grpo=TrainConfig(steps=1, tasks_per_step=2, group_size=2, max_tokens=32),
    is_thin=True,
)


@contextlib.contextmanager
def quiet(title):
    yield lambda done, total, note: None


@pytest.mark.slow
@pytest.mark.model
def test_every_stage_runs_and_resumes(tmp_path):
    result = demo(tmp_path / "demo", CONFIG, stage=quiet)
    assert {"before", "collect", "curate", "sft", "grpo", "after"} <= result.seconds.keys()
    assert result.first.tasks == 2
    assert sum(result.examples.values()) > 0
    assert msgspec.json.decode((tmp_path / "demo" / "result.json").read_bytes(), type=DemoResult) == result
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "thin demo" in page
    assert "Held-out tasks" in page
    with RunStore.open(tmp_path / "demo" / "train") as log:
        assert [step for step, _ in log.metrics("sft")] == [1]
        assert "rl.reward_mean" in log.metrics("grpo")[0][1]
    with RunStore.open(tmp_path / "demo" / "after") as store:
        versions = {attempt.policy_version for attempt in store.attempts()}
        written = len(list(store.attempts()))
    assert versions != {"0"}  # written by the trained weights
    again = demo(tmp_path / "demo", CONFIG, resume=True, stage=quiet)
    assert again.first == result.first
    with RunStore.open(tmp_path / "demo" / "after") as store:
        assert len(list(store.attempts())) == written
    with pytest.raises(InputError, match="--resume"):
        demo(tmp_path / "demo", CONFIG, stage=quiet)


def test_a_subset_keeps_every_family():
    from burnish.tasks import load

    for split, count in (("train", 60), ("test", 30)):
        chosen = spread(load(f"first-functions:{split}"), count)
        assert len({task.id for task in chosen}) == count
        assert len({task.meta["family"] for task in chosen}) == 10
