"""The benchmark of strategies in small, on a tiny random model: every strategy runs, the budget holds, figures are written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.strategies import NOT_ASKED

from burnish.core import plugins
from burnish.store.runs import RunStore

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_every_strategy_runs_under_the_same_budget(tmp_path, tiny_model):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "benchmarks.strategies", "--quick", "--tasks", "2", "--max-tokens", "24", "--models", str(tiny_model)]
    run = subprocess.run([*command, "--out", str(out), "--write", str(tmp_path / "page.md")], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (found,) = json.loads((out / "result.json").read_text())["models"]
    assert sorted(found["strategies"]) == [name for name in plugins.names("strategy") if name not in NOT_ASKED]
    assert 0 < found["busy"] <= 1
    assert "| best_of_n | 0.000" in (tmp_path / "page.md").read_text()
    for name in found["strategies"]:
        with RunStore.open(out / "model-0" / f"{name}-0") as store:
            episodes = store.episodes()
            assert len(episodes) == 2
            assert all(episode.status != "error" and episode.cost.tokens_out <= 256 for episode in episodes), (name, episodes)
