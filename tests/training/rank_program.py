"""What one rank of `test_ranks` does: train a tiny model and write down the gradients of every step."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import json
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
from safetensors.torch import save_file

from burnish.core.records import CheckSpec, Example, Message, Task
from burnish.training import _crew
from burnish.training._crew import Crew
from burnish.training._optimizer import MasterAdamW
from burnish.training._shards import gathered
from burnish.training.config import Stage, TrainConfig
from burnish.training.preflight import Setup, preflight
from burnish.training.rollouts import RolloutSource
from burnish.training.trainer import train

spec = importlib.util.spec_from_file_location("tiny", Path(__file__).with_name("conftest.py"))
tiny = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)
torch.set_num_threads(1)

RANK = int(os.environ["RANK"])


class Judge(tiny.Contains):
    """The one-line judge, with a rank that fails in its own way."""

    def __init__(self, how: str) -> None:
        self.how = how

    async def averify(self, task, artefact, *, limits=None, first_fail=False):
        if RANK == 1 and self.how == "raises":
            raise RuntimeError("the judge of rank 1 is on fire")
        if RANK == 1 and self.how == "dies":
            os._exit(9)
        await asyncio.sleep(0)
        return self.verify(task, artefact)


def source(how: str) -> RolloutSource:
    check = CheckSpec(id="c", kind="contains", data={"letter": "q"}, hidden=True)
    tasks = [Task(id=f"t{n}", group_id=f"t{n}", kind="contains", prompt=f"task {'abcd'[n]}", checks=(check,)) for n in range(4)]
    return RolloutSource(
        verifier=Judge(how),
        tasks=tasks,
        messages=lambda task: (Message(role="user", content=task.prompt),),
        extract=lambda task, text: text or None,
        reward=lambda verdict: verdict.score,
    )


def record(folder: Path) -> None:
    """Write the gradients that each update sees."""
    update, count = MasterAdamW.update, 0

    def recorded(self, *arguments):
        nonlocal count
        count += 1
        whole = {name: gathered(gradient).clone() for name, gradient in self.gradients().items()}
        if RANK == 0:
            save_file(whole, folder / f"gradients-{count}.safetensors")
        return update(self, *arguments)

    MasterAdamW.update = recorded


@dataclass(frozen=True)
class Absent(Crew):
    """Rank 1 stays away from adding up when it has nothing to add, as a loop over one's own data would."""

    def add_up(self, tensors):
        if RANK == 0 or any(tensor.any() for tensor in tensors):
            super().add_up(tensors)


def seed_faults(folder: Path, policy) -> None:
    """What P16 and P17 say of a sound crew, of other settings, other weights, and of a rank that stays away."""
    _crew.LIMIT = timedelta(seconds=5)
    crew = Crew.here()

    def outcomes(**fields) -> str:
        checks = preflight(Setup(**{"policy": policy, "crew": crew} | fields), only=["P16", "P17"])
        return " ".join(check.outcome for check in checks)

    found = {"sound": outcomes(), "settings": outcomes(config={"seed": RANK})}
    other = copy.copy(policy)
    other.model = copy.deepcopy(policy.model)
    with torch.no_grad():
        next(other.model.parameters()).add_(RANK)
    found["weights"] = outcomes(policy=other)
    found["absent"] = outcomes(crew=Absent(crew.rank, crew.size, crew.talk, crew.work))
    (folder / f"faults-{RANK}.json").write_text(json.dumps(found))


def main(folder: Path, how: str) -> None:
    policy = tiny.TransformersPolicy(tiny.tiny_model(), tiny.tiny_tokenizer(), name="tiny")
    pairs = [(f"ask {chr(97 + n)}", chr(97 + n) * (n + 1)) for n in range(3)]
    examples = [
        Example(id=q, kind="sft", task_id=q, messages=(Message(role="user", content=q), Message(role="assistant", content=a)))
        for q, a in pairs
    ]
    config = TrainConfig(
        learning_rate=1e-4,
        batch_size=2,
        tasks_per_step=3,
        group_size=4,
        max_tokens=6,
        warmup=0,
        steps=4,
        micro_tokens=64,
        shard=how == "sharded",
        kl=0.05,
        refill=1,
        advantage="gae",
        stages=(Stage(steps=1, critic_only=True), Stage(steps=1), Stage(refresh_reference=True)),
    )
    if how == "preflight":
        seed_faults(folder, policy)
        return
    record(folder)
    train(policy, folder / "run", config, examples=examples, rollouts=source(how))
    crew = Crew.here()
    checks = preflight(Setup(policy=policy, crew=crew), only=["P16", "P17"])
    (folder / f"preflight-{RANK}.txt").write_text("".join(f"{check.id} {check.outcome}\n" for check in checks))
    asyncio.run(policy.aclose())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
