"""Runs that are killed or interrupted, in processes of their own, against the same run left in peace."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from burnish.training._checkpoint import checkpoints

STEPS = 8
PROGRAM = """
import importlib.util, sys, torch
from burnish.core.records import Example, Message
from burnish.training.config import TrainConfig
from burnish.training.trainer import train

spec = importlib.util.spec_from_file_location("tiny", sys.argv[1])
tiny = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)
torch.set_num_threads(1)
policy = tiny.TransformersPolicy(tiny.tiny_model(), tiny.tiny_tokenizer(), name="tiny")
pairs = [(f"ask {chr(97 + n)}", chr(97 + n) * (n + 1)) for n in range(12)]
examples = [
    Example(id=q, kind="sft", task_id=q, messages=(Message(role="user", content=q), Message(role="assistant", content=a))) for q, a in pairs
]
config = TrainConfig(learning_rate=1e-3, batch_size=4, steps=int(sys.argv[3]), save_every=2)

def report(stats):
    print(stats.step, flush=True)
    if sys.argv[4] == "wait":
        sys.stdin.readline()

train(policy, sys.argv[2], config, examples=examples, resume=True, on_step=report)
"""


def start(folder: Path, pace: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).with_name("conftest.py")), str(folder), str(STEPS), pace]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(folder: Path) -> tuple[list[int], dict[str, torch.Tensor]]:
    """Run to the end; the steps that were done and the final training state."""
    process = start(folder, "run")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return [int(line) for line in out.split()], load_file(checkpoints(folder)[-1] / "trainer" / "state.safetensors")


def go_to(process: subprocess.Popen[str], step: int) -> None:
    """Let the run go on until `step` is reported; it then waits inside its callback."""
    for expected in range(1, step + 1):
        assert process.stdout.readline() == f"{expected}\n", process.stderr.read()
        if expected < step:
            process.stdin.write("\n")
            process.stdin.flush()


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_killed_and_interrupted_runs_end_where_an_undisturbed_one_does(tmp_path) -> None:
    steps, undisturbed = finish(tmp_path / "undisturbed")
    assert steps == list(range(1, STEPS + 1))

    with start(tmp_path / "killed", "wait") as process:
        go_to(process, 5)
        process.kill()
    steps, final = finish(tmp_path / "killed")
    assert steps == [5, 6, 7, 8]  # the checkpoint of step 4 was the last
    assert_same(final, undisturbed)

    with start(tmp_path / "interrupted", "wait") as process:
        go_to(process, 5)
        process.send_signal(signal.SIGINT)
        process.communicate("\n" * STEPS, timeout=60)
    assert process.returncode == -signal.SIGINT or process.returncode == 130
    assert [path.name for path in checkpoints(tmp_path / "interrupted")] == ["step-000005"]
    steps, final = finish(tmp_path / "interrupted")
    assert steps == [6, 7, 8]
    assert_same(final, undisturbed)
