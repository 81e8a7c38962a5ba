"""Two processes against one: the same gradients, and failures that surface. Every rank is a real process over gloo."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file


def launch(size: int, *arguments: str, limit: float = 120, program: str = "rank_program.py") -> list[tuple[int, str]]:
    """Run a program on `size` ranks; exit code and standard error of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size), "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(program)), *arguments],
            env=os.environ | place | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    deadline = time.monotonic() + limit
    try:
        return [(rank.returncode, err) for rank in ranks if (err := rank.communicate(timeout=deadline - time.monotonic())[1]) is not None]
    finally:
        for rank in ranks:
            rank.kill()


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    ((code, err),) = launch(1, str(folder), "copied")
    assert code == 0, err
    return folder


def assert_close(first: Path, second: Path, name: str) -> None:
    ours, theirs = load_file(first / name), load_file(second / name)
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert torch.allclose(value, theirs[key], atol=1e-6), key


@pytest.mark.slow
@pytest.mark.parametrize("how", ["copied", "sharded"])
def test_two_ranks_have_the_gradients_of_one(alone, tmp_path, how) -> None:
    """Groups, denominators and clipping are those of the whole step; one step has a single example, so a rank without data.

    First the critic learns by itself, then both streams; for the last two steps the reference is that of step 2.
    """
    for code, err in launch(2, str(tmp_path), how):
        assert code == 0, err
    for name in ("model.safetensors", "scalar_head.safetensors"):
        assert_close(alone / "run" / "step-000004", tmp_path / "run" / "step-000004", name)
    for number in range(1, 5):
        assert_close(alone, tmp_path, f"gradients-{number}.safetensors")
    assert set(load_file(tmp_path / "gradients-1.safetensors")) == {"scalar_head.weight", "scalar_head.bias"}
    assert (tmp_path / "preflight-0.txt").read_text() == (tmp_path / "preflight-1.txt").read_text() == "P16 pass\nP17 pass\n"


@pytest.mark.slow
def test_preflight_finds_the_faults_of_ranks(tmp_path) -> None:
    """The seeded faults of P16 and P17: each is found by its own check, on both ranks."""
    for code, err in launch(2, str(tmp_path), "preflight"):
        assert code == 0, err
    found = [json.loads((tmp_path / f"faults-{rank}.json").read_text()) for rank in (0, 1)]
    assert found[0] == found[1] == {"sound": "pass pass", "settings": "fail pass", "weights": "fail pass", "absent": "pass fail"}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["raises", "dies"])
def test_a_failing_rank_stops_the_others_with_its_message(tmp_path, how) -> None:
    started = time.monotonic()
    (first, told), (second, own) = launch(2, str(tmp_path), how)
    assert time.monotonic() - started < 60
    assert first != 0 != second
    assert "RankFailed" in told
    if how == "raises":
        assert "rank 1: RuntimeError: the judge of rank 1 is on fire" in told
        assert "the judge of rank 1 is on fire" in own
    else:
        assert "lost another rank" in told
