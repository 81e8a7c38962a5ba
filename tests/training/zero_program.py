"""What one rank of `test_zero` does: train tiny models under DeepSpeed and leave checkpoints, gradient norms and errors."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from pathlib import Path

import msgspec
import torch

from burnish.core.errors import PolicyError
from burnish.core.records import CheckSpec, Example, Message, Task
from burnish.training.config import Stage, TrainConfig
from burnish.training.rollouts import RolloutSource
from burnish.training.trainer import train

spec = importlib.util.spec_from_file_location("tiny", Path(__file__).with_name("conftest.py"))
tiny = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)
torch.set_num_threads(1)

CONFIG = TrainConfig(
    learning_rate=1e-4,
    weight_decay=0.1,
    max_grad_norm=0.5,
    schedule="constant",
    warmup=0,
    steps=4,
    batch_size=2,
    tasks_per_step=3,
    group_size=4,
    max_tokens=6,
    micro_tokens=64,
    kl=0.05,
    refill=1,
    stages=(Stage(steps=3), Stage(refresh_reference=True, reset_optimizer=True)),
)
SUPERVISED = TrainConfig(learning_rate=1e-3, batch_size=2, warmup=0, steps=2, micro_tokens=64)


def changed(config: TrainConfig, **fields) -> TrainConfig:
    return msgspec.structs.replace(config, **fields)


def examples(weight: float = 1.0) -> list[Example]:
    """Three, so that every other step has a single one and a rank without any; `weight` is that of the first."""
    messages = [(Message(role="user", content=f"ask {a}"), Message(role="assistant", content=a * n)) for n, a in enumerate("abc", 1)]
    return [Example(id=f"e{n}", kind="sft", task_id="t", messages=m, weight=1.0 if n else weight) for n, m in enumerate(messages)]


def source() -> RolloutSource:
    check = CheckSpec(id="c", kind="contains", data={"letter": "q"}, hidden=True)
    tasks = [Task(id=f"t{n}", group_id=f"t{n}", kind="contains", prompt=f"task {'abcd'[n]}", checks=(check,)) for n in range(4)]
    return RolloutSource(
        verifier=tiny.Contains(),
        tasks=tasks,
        messages=lambda task: (Message(role="user", content=task.prompt),),
        extract=lambda task, text: text or None,
        reward=lambda verdict: verdict.score,
    )


def run(folder: Path, config: TrainConfig, *, dtype: torch.dtype = torch.float32, weight: float = 1.0, **options) -> None:
    """Train a fresh tiny model into `folder`, and write the gradient norm of each step beside it. A failure must not move a weight."""
    policy, norms = tiny.TransformersPolicy(tiny.tiny_model(dtype), tiny.tiny_tokenizer(), name="tiny"), []
    before = [parameter.detach().clone() for parameter in policy.model.parameters()]
    if config.kl:
        options["rollouts"] = source()
    try:
        train(policy, folder, config, examples=examples(weight), on_step=lambda stats: norms.append(stats.gradient_norm), **options)
    except PolicyError:
        assert all(torch.equal(old, new) for old, new in zip(before, policy.model.parameters(), strict=True))
        raise
    finally:
        asyncio.run(policy.aclose())
    if norms:
        folder.with_suffix(".json").write_text(json.dumps(norms))


def main(folder: Path) -> None:
    for stage in ("1", "2"):
        os.environ["ACCELERATE_DEEPSPEED_ZERO_STAGE"] = stage
        run(folder / f"whole-{stage}", CONFIG)
        run(folder / f"moved-{stage}", CONFIG, resume=True)
    run(folder / "begun", changed(CONFIG, steps=2))
    run(folder / "lora", changed(SUPERVISED, lora=4))
    run(folder / "low", SUPERVISED, dtype=torch.bfloat16)
    try:
        run(folder / "faulty", SUPERVISED, weight=1e39)
    except PolicyError as error:
        (folder / f"fault-{os.environ['RANK']}.txt").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
