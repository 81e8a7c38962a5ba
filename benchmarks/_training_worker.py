"""One side of `benchmarks.training` in a process of its own: one optimiser step, timed, with the memory it takes.

`python -m benchmarks._training_worker SIDE PART MODEL FILE`: SIDE is `samples`, `ours` or `trl`, PART is `grpo` or `sft`. Reads
what to train on from FILE (`samples` writes it) and prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

LENGTHS = (402, 288, 231, 190, 163, 142, 124, 108, 94, 81, 69, 57, 45, 30, 16, 8)
"""Tokens of the supervised rows: 2,048 in all, spread as conversations are. The last three fifths of each are learned."""

GROUP, NEW_TOKENS = 8, 128
PROMPT = """Write a Python function `count_words(text, minimum)` that takes a text and a whole number. It returns a dictionary that maps
each word of the text to how often it occurs there. Words are separated by white space, and upper and lower case make no difference;
punctuation at the beginning and at the end of a word does not belong to it. Leave out words that are shorter than `minimum` letters, and
words that hold a digit. The order of the dictionary is that in which the words occur first. An empty text gives an empty dictionary. Do not
read any file and do not print anything. Answer with one Python code block that holds the whole function and nothing else."""


class Clock:
    """Seconds by part, and the memory of this process: what it held before the part and its peak within."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.before = self.peak = 0
        self._measuring = False

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    @contextmanager
    def memory(self) -> Iterator[None]:
        """Sample the resident memory every few milliseconds meanwhile."""
        self.before, self._measuring = resident(), True
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._measuring = False
            watcher.join()

    def _watch(self) -> None:
        while self._measuring:
            self.peak = max(self.peak, resident())
            time.sleep(0.003)

    def report(self, **more: object) -> dict[str, object]:
        whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        return {"seconds": self.seconds, "before_mb": self.before / 2**20, "peak_mb": self.peak / 2**20, "whole_mb": whole, **more}


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def policy(name: str) -> Any:
    """The model in float32."""
    from burnish.models.transformers import transformers

    return transformers(name, dtype="float32")


def samples(name: str, file: Path) -> dict[str, object]:
    """Draw one group with the real engine, judge it in the real jail, and write it down; supervised rows come from the same texts."""
    from burnish.core.records import CheckSpec, Message, Sampling, Task
    from burnish.models.base import Request
    from burnish.text.code import program_in
    from burnish.verifiers.python import python

    clock, model = Clock(), policy(name)
    prompt = model.renderer.render((Message(role="user", content=PROMPT),))
    check = CheckSpec(id="c", kind="assert", data={"code": "assert count_words('a a', 1) == {'a': 2}"})
    task = Task(id="t", group_id="t", kind="python", prompt=PROMPT, checks=(check,), context={"entry_point": "count_words"})

    async def draw() -> list[Any]:
        asked = [Request(prompt_ids=prompt, sampling=Sampling(max_tokens=NEW_TOKENS, seed=seed)) for seed in range(GROUP)]
        return list(await asyncio.gather(*map(model.generate, asked)))

    with clock.part("generation"):
        drawn = asyncio.run(draw())
    python.verify(task, "def count_words(text, minimum): return {}")  # the jail is warm, as it is in a run
    with clock.part("judging"):
        list(python.verify_batch([(task, program_in(task, completion.text) or "") for completion in drawn]))
    ids = [token for completion in drawn for token in completion.ids] * 8
    rows = [ids[number : number + length] for number, length in enumerate(LENGTHS)]
    answers = [{"ids": completion.ids, "logprobs": completion.logprobs} for completion in drawn]
    report = clock.report(prompt=len(prompt), new=[len(completion.ids) for completion in drawn])
    file.write_text(json.dumps({"prompt": prompt, "answers": answers, "rows": rows, "report": report}))
    asyncio.run(model.aclose())
    return report


REWARDS = tuple(float(number % 3 == 0) for number in range(GROUP))


class Replay:
    """The policy, with answers that were drawn before."""

    def __init__(self, inner: Any, answers: list[dict[str, Any]]) -> None:
        self._inner, self._answers, self._asked = inner, answers, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def generate(self, request: Any) -> Any:
        from burnish.models.base import Completion

        answer, number = self._answers[self._asked], self._asked
        self._asked += 1
        return Completion(ids=tuple(answer["ids"]), logprobs=tuple(answer["logprobs"]), text=str(number), stop_reason="length")


class Rewarder:
    """Passes the answers that are to be rewarded."""

    id, version = "rewarder", "1"

    async def averify(self, task: Any, artefact: str, **options: Any) -> Any:
        from burnish.core.records import Check, Verdict

        return Verdict.of([Check(id="c", kind="probe", outcome="pass" if REWARDS[int(artefact)] else "fail")])


def ours(part: str, name: str, data: dict[str, Any]) -> dict[str, object]:
    """One step of burnish's trainer."""
    from burnish.core.records import CheckSpec, Example, Message, Task, TokenRecord
    from burnish.training._bench import Bench
    from burnish.training._optimizer import MasterAdamW
    from burnish.training.config import TrainConfig
    from burnish.training.rollouts import RolloutSource
    from burnish.training.trainer import train

    clock, model, stats = Clock(), policy(name), []
    config = TrainConfig(
        learning_rate=1e-6, schedule="constant", warmup=0, steps=1, batch_size=len(LENGTHS), tasks_per_step=1, group_size=GROUP,
        max_tokens=NEW_TOKENS, aggregation="token-mean", extendable=False,
    )  # fmt: skip
    update, accumulate = MasterAdamW.update, Bench.accumulate

    def timed_update(self: Any, *arguments: Any) -> None:
        with clock.part("optimiser"):
            update(self, *arguments)

    def timed_accumulate(self: Any, *arguments: Any) -> Any:
        with clock.part("forward and backward"), clock.memory():
            return accumulate(self, *arguments)

    MasterAdamW.update, Bench.accumulate = timed_update, timed_accumulate  # type: ignore[method-assign]
    task = Task(id="t", group_id="t", kind="probe", prompt=PROMPT, checks=(CheckSpec(id="c", kind="probe", data={}),))
    source = RolloutSource(
        verifier=Rewarder(),  # type: ignore[arg-type]
        tasks=[task],
        messages=lambda task: (Message(role="user", content=task.prompt),),
        extract=lambda task, text: text,
        reward=lambda verdict: verdict.score,
    )
    examples = [
        Example(
            id=str(n),
            kind="sft",
            task_id=str(n),
            messages=(),
            tokens=TokenRecord(ids=tuple(row), sampled=((learned(row), len(row)),), logprobs=(-1.0,) * (len(row) - learned(row))),
        )
        for n, row in enumerate(data["rows"])
    ]
    sources = {"rollouts": source} if part == "grpo" else {"examples": examples}
    with tempfile.TemporaryDirectory() as folder:
        train(Replay(model, data["answers"]), folder, config, on_step=stats.append, **sources)  # type: ignore[arg-type, misc]
    asyncio.run(model.aclose())
    return clock.report(loss=stats[0].loss, gradient_norm=stats[0].gradient_norm, tokens=stats[0].tokens)


def learned(row: list[int]) -> int:
    """Where the learned part of a supervised row begins."""
    return max(1, len(row) * 2 // 5)


def trl(part: str, name: str, data: dict[str, Any]) -> dict[str, object]:
    """One step of TRL's trainer with the same settings."""
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    from transformers import TrainerCallback

    clock, model = Clock(), policy(name)
    losses: list[dict[str, float]] = []

    class Optimiser(TrainerCallback):
        """Times the optimiser between the two events around it."""

        def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
            self.started = time.perf_counter()

        def on_optimizer_step(self, *_: Any, **__: Any) -> None:
            clock.seconds["optimiser"] = time.perf_counter() - self.started

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            losses.append(logs)

    with tempfile.TemporaryDirectory() as folder:
        shared = {
            "output_dir": folder, "use_cpu": True, "bf16": False, "max_steps": 1, "learning_rate": 1e-6, "lr_scheduler_type": "constant",
            "warmup_steps": 0, "weight_decay": 0.0, "max_grad_norm": 1.0, "gradient_checkpointing": False, "report_to": "none",
            "save_strategy": "no", "logging_steps": 1, "disable_tqdm": True,
        }  # fmt: skip
        trainer = (_grpo if part == "grpo" else _sft)(model, data, shared, clock)
        trainer.add_callback(Optimiser())
        trainer.train()
    asyncio.run(model.aclose())
    logged = losses[0]
    return clock.report(loss=float(logged["loss"]), gradient_norm=float(logged["grad_norm"]))


def _grpo(model: Any, data: dict[str, Any], shared: dict[str, Any], clock: Clock) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    def rollout(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        answers = data["answers"]
        return {
            "prompt_ids": [data["prompt"]] * len(answers),
            "completion_ids": [answer["ids"] for answer in answers],
            "logprobs": [answer["logprobs"] for answer in answers],
        }

    class Timed(GRPOTrainer):  # type: ignore[misc]
        def _prepare_inputs(self, inputs: Any) -> Any:
            started = time.perf_counter()
            prepared = super()._prepare_inputs(inputs)
            clock.seconds["preparation"] = time.perf_counter() - started
            return prepared

        def training_step(self, *arguments: Any, **options: Any) -> Any:
            with clock.part("forward and backward"), clock.memory():
                loss = super().training_step(*arguments, **options)
            clock.seconds["forward and backward"] -= clock.seconds["preparation"]
            return loss

    config = GRPOConfig(
        per_device_train_batch_size=GROUP, num_generations=GROUP, max_completion_length=NEW_TOKENS, beta=0.0, loss_type="dapo",
        temperature=1.0, **shared,
    )  # fmt: skip
    return Timed(
        model=model.model,
        reward_funcs=lambda completions, **_: list(REWARDS),
        args=config,
        train_dataset=Dataset.from_list([{"prompt": [{"role": "user", "content": PROMPT}]}]),
        processing_class=model.tokenizer,
        rollout_func=rollout,
    )


def _sft(model: Any, data: dict[str, Any], shared: dict[str, Any], clock: Clock) -> Any:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    class Timed(SFTTrainer):  # type: ignore[misc]
        def training_step(self, *arguments: Any, **options: Any) -> Any:
            with clock.part("forward and backward"), clock.memory():
                return super().training_step(*arguments, **options)

    rows = [{"input_ids": row, "completion_mask": [int(place >= learned(row)) for place in range(len(row))]} for row in data["rows"]]
    config = SFTConfig(per_device_train_batch_size=len(rows), max_length=None, completion_only_loss=True, **shared)
    return Timed(model=model.model, args=config, train_dataset=Dataset.from_list(rows), processing_class=model.tokenizer)


def main(side: str, part: str, name: str, file: Path) -> None:
    torch.manual_seed(0)
    sides = {
        "samples": lambda: samples(name, file),
        "ours": lambda: ours(part, name, _data(file)),
        "trl": lambda: trl(part, name, _data(file)),
    }
    print("RESULT " + json.dumps(sides[side]()))


def _data(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:4], Path(sys.argv[4]))
