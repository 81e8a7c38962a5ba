"""DeepSpeed against one process: two ranks over gloo at both stages, runs that change over, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from burnish.core.errors import InputError, Unavailable
from burnish.training._adapters import Trainable
from burnish.training._crew import Crew
from burnish.training._director import Director
from burnish.training._zero import optimizer_of
from burnish.training.config import Stage, TrainConfig

from .conftest import tiny_model
from .test_launch import FOR_DEEPSPEED, NO_DEEPSPEED
from .test_ranks import launch
from .zero_program import CONFIG, SUPERVISED, changed, run

needs_deepspeed = pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason=NO_DEEPSPEED)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """What one process leaves, and what two ranks under DeepSpeed do."""
    alone, two = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("two")
    run(alone / "whole", CONFIG)
    run(alone / "begun", changed(CONFIG, steps=2))
    run(alone / "lora", changed(SUPERVISED, lora=4))
    run(alone / "low", SUPERVISED, dtype=torch.bfloat16)
    for stage in (1, 2):
        shutil.copytree(alone / "begun", two / f"moved-{stage}")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (FOR_DEEPSPEED | {"ACCELERATE_USE_DEEPSPEED": "true"}).items():
            patch.setenv(name, value)
        for code, err in launch(2, str(two), program="zero_program.py", limit=280):
            assert code == 0, err
    return alone, two


def assert_same(ours: Path, theirs: Path, step: int = 4, atol: float = 1e-6) -> None:
    """Weights that plain transformers loads, and the state that a resumed run goes on from."""
    for name in ("model.safetensors", "trainer/state.safetensors"):
        found, expected = (load_file(run / f"step-{step:06d}" / name) for run in (ours, theirs))
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert found[key].dtype == value.dtype
            assert torch.allclose(found[key], value, atol=atol), (name, key)


@needs_deepspeed
@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2])
def test_two_ranks_leave_what_one_process_does(folders, stage) -> None:
    """Practice and examples, clipped and with weight decay; in some steps a rank has nothing to do."""
    alone, two = folders
    assert_same(two / f"whole-{stage}", alone / "whole")
    norms = json.loads((two / f"whole-{stage}.json").read_text())
    assert norms == pytest.approx(json.loads((alone / "whole.json").read_text()), rel=1e-5)
    assert max(norms) > CONFIG.max_grad_norm


@needs_deepspeed
@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2])
def test_a_run_begun_alone_goes_on_under_deepspeed(folders, stage) -> None:
    alone, two = folders
    assert_same(two / f"moved-{stage}", alone / "whole")


@needs_deepspeed
@pytest.mark.slow
def test_a_run_begun_under_deepspeed_goes_on_alone(folders) -> None:
    alone, two = folders
    assert_same(two / "begun", alone / "begun", step=2)
    run(two / "begun", CONFIG, resume=True)
    assert_same(two / "begun", alone / "whole")


@needs_deepspeed
@pytest.mark.slow
def test_adapters_and_low_precision_are_trained_too(folders) -> None:
    """A gradient in bfloat16 is rounded once more when it has been added up; its masters and moments stay in float32."""
    alone, two = folders
    found, expected = (load_file(run / "lora" / "step-000002" / "adapter_model.safetensors") for run in (two, alone))
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[key], value, atol=1e-6) for key, value in expected.items())
    found, expected = (load_file(run / "low" / "step-000002" / "trainer" / "state.safetensors") for run in (two, alone))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].dtype == value.dtype == torch.float32
        assert (found[key] - value).norm() <= 0.02 * value.norm(), key


@needs_deepspeed
@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_all_ranks_and_moves_no_weight(folders) -> None:
    """Only one rank has the faulty example; the other hears of it instead of waiting in its backward pass."""
    faults = sorted((folders[1] / f"fault-{rank}.txt").read_text() for rank in (0, 1))
    assert faults[0].startswith("Training stopped at step 1 of 2: the sft loss is inf in the micro-batch of e0")
    assert faults[1].startswith("Training stopped on all ranks because one failed. rank")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DEEPSPEED_ZERO_STAGE", "3", "zero_stage: 3.*distributed_type: FSDP"),
        ("DEEPSPEED_ZERO_STAGE", "0", "zero_stage: 0"),
        ("DEEPSPEED_CONFIG_FILE", "zero.json", "deepspeed_config_file: zero.json.*Write zero_stage"),
        ("DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE", "cpu", "offload_optimizer_device: cpu"),
        ("DEEPSPEED_OFFLOAD_PARAM_DEVICE", "nvme", "offload_param_device: nvme"),
        ("GRADIENT_CLIPPING", "1.0", "gradient_clipping: 1.0.*max_grad_norm"),
        ("GRADIENT_ACCUMULATION_STEPS", "4", "gradient_accumulation_steps: 4.*micro_tokens"),
    ],
)
def test_what_a_configuration_may_not_ask_for(monkeypatch, variable, value, message) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv(f"ACCELERATE_{variable}", value)
    with pytest.raises(InputError, match=message):
        Crew.here()


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    monkeypatch.setitem(sys.modules, "deepspeed", None)
    with pytest.raises(Unavailable, match="pip install 'burnish\\[deepspeed\\]'"):
        Crew.here()


def test_what_cannot_be_had_together_with_deepspeed() -> None:
    plain, critic = Trainable(tiny_model(), None, 0), Trainable(tiny_model(), None, 0, head="value")
    for trainable, settings, apart, message in (
        (plain, {"shard": True}, False, "Choose one of the two"),
        (plain, {}, True, "Leave out stream_norms"),
        (critic, {}, False, "critic or a reward model, write distributed_type: FSDP"),
        (Trainable(tiny_model(torch.float16), None, 0), {}, False, "these are in float16"),
    ):
        with pytest.raises(InputError, match=message):
            optimizer_of(trainable, TrainConfig(**settings), Crew(zero=2), apart=apart)
    with pytest.raises(InputError, match="zero_stage: 2"):
        optimizer_of(Trainable(tiny_model(torch.bfloat16), None, 0), TrainConfig(), Crew(zero=1))


def test_controllers_that_compare_gradients_are_known_before_training() -> None:
    streams = ("sft", "rl")
    assert Director((Stage(steps=1), Stage(controller="amft")), streams).compares
    assert not Director((Stage(controller="sasr"),), streams).compares
