"""`burnish train` as the launchers start it: two processes over gloo leave the result of one, and only once."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from burnish.core.records import Example, Message
from burnish.store.jsonl import write_records
from burnish.store.runs import RunStore

CONFIGURATION = """
compute_environment: LOCAL_MACHINE
{asks}
num_machines: 1
num_processes: 2
use_cpu: true
main_process_port: {port}
"""
ASKS = {
    "FSDP": "distributed_type: FSDP\nfsdp_config: {fsdp_version: 2}",
    "DeepSpeed": "distributed_type: DEEPSPEED\ndeepspeed_config: {zero_stage: 2}",
}
FOR_DEEPSPEED = {"DS_ACCELERATOR": "cpu", "TORCHDYNAMO_DISABLE": "1"}
"""Else the launcher prints that there is no GPU, and DeepSpeed takes ten seconds to load a compiler that nothing needs."""
NO_DEEPSPEED = "DeepSpeed is not installed: pip install 'burnish[deepspeed]'"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def run(*command: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"} | FOR_DEEPSPEED,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def plan(tiny_model, tmp_path_factory) -> Path:
    """Two streams of unlike sizes, so that some micro-batches leave a rank with nothing to do."""
    folder = tmp_path_factory.mktemp("plan")
    turns = [
        [Message(role="user", content=f"say {letter}"), Message(role="assistant", content=letter * n)]
        for n, letter in enumerate("abcde", 1)
    ]
    examples = [Example(id=messages[0].content, kind="sft", task_id="t", messages=tuple(messages)) for messages in turns]
    write_records(folder / "e.jsonl", examples)
    write_records(folder / "p.jsonl", examples[:2])
    (folder / "plan.toml").write_text(
        f'model = "{tiny_model}"\nengine_options = {{ dtype = "float32" }}\nout = "{folder / "alone"}"\n'
        f'examples = "{folder / "e.jsonl"}"\npreferences = "{folder / "p.jsonl"}"\n'
        "[train]\nsteps = 3\nbatch_size = 3\nlearning_rate = 1e-3\nwarmup = 0\nmicro_tokens = 64\n"
    )
    return folder / "plan.toml"


@pytest.fixture(scope="module")
def alone(plan) -> Path:
    run("-m", "burnish", "train", plan, "--json")
    return plan.parent / "alone"


def launcher(how: str, folder: Path) -> list[object]:
    if how == "torchrun":
        return ["-m", "torch.distributed.run", "--nproc-per-node", 2, "--master-port", free_port()]
    (folder / "accelerate.yaml").write_text(CONFIGURATION.format(asks=ASKS[how], port=free_port()))
    return ["-m", "accelerate.commands.launch", "--config_file", folder / "accelerate.yaml"]


@pytest.mark.slow
def test_divided_weights_are_saved_in_the_models_own_type(plan, tmp_path) -> None:
    """FSDP2 keeps its parts in float32."""
    settings = [f"out={tmp_path / 'two'}", "engine_options.dtype=bfloat16", "train.steps=1"]
    run(*launcher("FSDP", tmp_path), "-m", "burnish", "train", plan, *settings)
    saved = load_file(tmp_path / "two" / "step-000001" / "model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {torch.bfloat16}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["torchrun", *ASKS])
def test_two_processes_leave_the_result_of_one(alone, plan, tmp_path, how) -> None:
    """All copied (torchrun) or, as the configuration of accelerate asks, divided (by FSDP2, or ZeRO stage 2 of DeepSpeed)."""
    if how == "DeepSpeed" and importlib.util.find_spec("deepspeed") is None:
        pytest.skip(NO_DEEPSPEED)
    out = run(*launcher(how, tmp_path), "-m", "burnish", "train", plan, f"out={tmp_path / 'two'}", "--json")
    assert json.loads(out)["step"] == 3  # one document, not two
    ours, theirs = (load_file(folder / "step-000003" / "model.safetensors") for folder in (tmp_path / "two", alone))
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)
    with RunStore.open(tmp_path / "two") as two, RunStore.open(alone) as one:
        found, expected = two.metrics("train"), one.metrics("train")
    assert [step for step, _ in found] == [1, 2, 3]
    for (_, figures), (_, same) in zip(found, expected, strict=True):
        assert figures["loss"] == pytest.approx(same["loss"], abs=1e-6)
    assert [path.name for path in (tmp_path / "two").glob("step-*")] == ["step-000003"]
