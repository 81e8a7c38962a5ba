"""One trainer, one loop: whatever streams there are, each step sums their losses, each over its own denominators.

    for each step: every stream delivers rows -> micro-batches -> forward, loss, backward -> clip, AdamW -> report

`train` is the whole of it in one call. The policy is trained in place: it writes with the new weights at once. A resumed run
goes on bitwise where it stopped (on the CPU). Not here: the losses and advantages themselves (`burnish.objectives`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from burnish.core.errors import InputError, PolicyError
from burnish.core.records import Example
from burnish.core.seeds import content_hash, derive_seed
from burnish.models.base import Policy
from burnish.objectives.base import Denominators
from burnish.training import _checkpoint
from burnish.training._adapters import Reference, Trainable
from burnish.training._checkpoint import TrainerState
from burnish.training._forward import TokenScorer
from burnish.training._micro import MicroBatch, Tally, micro_batches
from burnish.training._objective import denominators, evaluate, token_batch
from burnish.training._optimizer import MasterAdamW, learning_rate
from burnish.training._streams import Delivery, RolloutStream, Stream, SupervisedStream
from burnish.training.config import TrainConfig
from burnish.training.rollouts import Rollout, RolloutSource
from burnish.training.stats import StepStats, StreamStats


class TrainablePolicy(Policy, Protocol):
    """A policy whose weights are here."""

    model: nn.Module

    def bump_version(self) -> object:
        """Note that the weights have changed."""
        ...

    def exclusive(self) -> AbstractContextManager[object]:
        """While open, nothing is generated."""
        ...


@dataclass(frozen=True)
class TrainResult:
    """How a run ended. `checkpoint` loads in plain transformers (or PEFT). `finished` False: stopped before the last step."""

    checkpoint: Path
    step: int
    finished: bool


def train(
    policy: TrainablePolicy,
    folder: str | Path,
    config: TrainConfig = TrainConfig(),
    *,
    examples: Sequence[Example] = (),
    rollouts: RolloutSource | None = None,
    resume: bool = False,
    on_step: Callable[[StepStats], None] | None = None,
    on_rollouts: Callable[[int, Sequence[Rollout]], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainResult:
    """Train `policy` in place, on `examples` (SFT), `rollouts` (RL) or both, and leave a checkpoint in `folder`.

    For use outside of async code; inside it: `await Trainer(...).run()`. Arguments and errors are those of `Trainer`.
    """
    trainer = Trainer(
        policy,
        folder,
        config,
        examples=examples,
        rollouts=rollouts,
        resume=resume,
        on_step=on_step,
        on_rollouts=on_rollouts,
        should_stop=should_stop,
    )
    return asyncio.run(trainer.run())


class Trainer:
    """Trains a policy in place. Make one per run; `run` may be awaited once."""

    def __init__(
        self,
        policy: TrainablePolicy,
        folder: str | Path,
        config: TrainConfig = TrainConfig(),
        *,
        examples: Sequence[Example] = (),
        rollouts: RolloutSource | None = None,
        resume: bool = False,
        on_step: Callable[[StepStats], None] | None = None,
        on_rollouts: Callable[[int, Sequence[Rollout]], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        """Check everything that can be checked before the first step.

        `on_step` gets the report of every step; `should_stop` is asked after each, and a stopped run can be resumed.
        `resume` goes on from the newest checkpoint in `folder`, or starts if there is none. Raises `InputError`.
        """
        self._policy, self._folder, self._config = policy, Path(folder), config
        self._on_step, self._should_stop = on_step, should_stop
        self._streams = self._make_streams(examples, rollouts, on_rollouts)
        self.steps = config.steps or config.epochs * max(stream.steps_per_pass for stream in self._streams)
        self._prepare_folder(resume)
        self._trainable = Trainable(policy.model, config.lora, config.seed)
        self._score = TokenScorer(self._trainable.model)
        self._optimizer = MasterAdamW(self._trainable.parameters, config.weight_decay)
        needs_reference = any("reference" in stream.objective.needs for stream in self._streams)
        self._reference = Reference(self._trainable) if needs_reference else None
        self._done = 0
        self._updating = False

    def _make_streams(
        self,
        examples: Sequence[Example],
        rollouts: RolloutSource | None,
        on_rollouts: Callable[[int, Sequence[Rollout]], None] | None,
    ) -> list[Stream]:
        streams: list[Stream] = []
        if examples:
            streams.append(SupervisedStream(examples, self._policy.renderer, self._config))
        if rollouts is not None:
            streams.append(RolloutStream(rollouts, self._policy, self._config, on_rollouts))
        streams = [stream for stream in streams if self._share(stream) > 0]
        if not streams:
            raise InputError("There is nothing to train on: give examples, rollouts or both, with a mix coefficient above 0.")
        return streams

    def _prepare_folder(self, resume: bool) -> None:
        _checkpoint.prepare(self._folder)
        if not resume and _checkpoint.checkpoints(self._folder):
            raise InputError(f"{self._folder} already holds a training run. Resume it (resume=True), or choose another folder.")

    async def run(self) -> TrainResult:
        """Train to the end, or until stopped. On Ctrl-C the last whole step is saved, then the interrupt goes on.

        Raises `PolicyError` when a loss or gradient is not finite (the weights stay as they were) or the engine fails,
        `StoreError` when a checkpoint cannot be written.
        """
        try:
            self._restore()
            while self._done < self.steps:
                await asyncio.sleep(0)  # where an interrupt reaches a run that has nothing else to wait for
                deliveries = {stream.name: await stream.deliver(self._done) for stream in self._streams}
                stats = self._step(self._done, deliveries)
                if self._on_step is not None:
                    self._on_step(stats)
                if self._should_stop is not None and self._should_stop():
                    break
                if self._done % self._config.save_every == 0:
                    self._save()
            return TrainResult(self._save(), self._done, self._done >= self.steps)
        except (KeyboardInterrupt, asyncio.CancelledError):
            if not self._updating and self._done:
                self._save()
            raise
        finally:
            self._optimizer.close()

    def _step(self, step: int, deliveries: Mapping[str, Delivery]) -> StepStats:
        started = time.perf_counter()
        rate = learning_rate(self._config, step, self.steps)
        work = {stream.name: self._work(stream, deliveries[stream.name]) for stream in self._streams}
        tallies: list[dict[str, Tally]] = []
        norm = 0.0
        with self._training(step):
            for update in range(self._config.updates_per_step):
                tallies.append(self._accumulate(step, deliveries, work, first=update == 0))
                norm = self._update(step, rate) or norm
            self._done = step + 1
            self._updating = False
        streams = {
            name: _stream_stats(delivery, [tally[name] for tally in tallies if name in tally]) for name, delivery in deliveries.items()
        }
        return StepStats(
            step=step + 1,
            steps=self.steps,
            loss=sum(self._share(stream) * streams[stream.name].loss for stream in self._streams),
            learning_rate=rate,
            gradient_norm=norm,
            tokens=sum(tally.tokens for each in tallies for tally in each.values()),
            train_s=time.perf_counter() - started,
            streams=streams,
        )

    @contextmanager
    def _training(self, step: int) -> Iterator[None]:
        """No generation meanwhile; dropout's randomness is a function of the step; the global random state is left alone."""
        model = self._trainable.model
        devices = sorted({parameter.device.index for parameter in self._trainable.parameters.values() if parameter.is_cuda})
        with self._policy.exclusive(), torch.random.fork_rng(devices=devices):
            torch.manual_seed(derive_seed(self._config.seed, "step", step))
            model.train()
            try:
                yield
            finally:
                model.eval()
                self._optimizer.forget()

    def _work(self, stream: Stream, delivery: Delivery) -> list[MicroBatch]:
        silent = stream.objective.silent_at_zero_advantage
        rows = [row for row in delivery.rows if not (silent and row.advantage == 0)]
        return micro_batches(rows, self._config.micro_tokens)

    def _accumulate(
        self, step: int, deliveries: Mapping[str, Delivery], work: Mapping[str, list[MicroBatch]], *, first: bool
    ) -> dict[str, Tally]:
        """Forward and backward over everything. After the first update only losses that know a ratio go on."""
        tallies: dict[str, Tally] = {}
        for stream in self._streams:
            if first or "old" in stream.objective.needs:
                counts = denominators(deliveries[stream.name].rows, self._config.max_tokens)
                tallies[stream.name] = Tally()
                for micro in work[stream.name]:
                    self._backward(step, stream, micro, counts, tallies[stream.name])
        return tallies

    def _backward(self, step: int, stream: Stream, micro: MicroBatch, counts: Denominators, tally: Tally) -> None:
        goal = stream.objective
        if self._reference is not None and "reference" in goal.needs and micro.reference is None:
            micro.reference = self._reference(micro.rows, goal.temperature)
        scores = self._score(micro.rows, temperature=goal.temperature, entropy="entropy" in goal.needs)
        batch = token_batch(micro.rows, scores, old=micro.old, reference=micro.reference)
        evaluation = evaluate(goal, batch, counts, self._share(stream))
        if not math.isfinite(evaluation.value):
            raise PolicyError(self._not_finite(step, f"the {stream.name} loss is {evaluation.value}", micro))
        torch.autograd.backward([scores[name] for name in evaluation.gradients], list(evaluation.gradients.values()))
        tally.add(micro, batch, evaluation)
        if self._config.updates_per_step > 1 and micro.old is None:
            micro.old = scores["logp"].detach()

    def _update(self, step: int, rate: float) -> float:
        """Clip and update. Without any gradient (no learning signal in the whole step) nothing moves. Returns the norm."""
        norm = self._optimizer.gradient_norm()
        if not math.isfinite(norm):
            raise PolicyError(self._not_finite(step, f"the gradient norm is {norm}", None))
        if self._optimizer.has_gradients:
            self._updating = True
            self._optimizer.update(rate, min(1.0, self._config.max_grad_norm / (norm + 1e-6)))
            self._policy.bump_version()
        return norm

    def _not_finite(self, step: int, what: str, micro: MicroBatch | None) -> str:
        where = "" if micro is None else f" in the micro-batch of {', '.join(row.id for row in micro.rows[:4])}"
        return (
            f"Training stopped at step {step + 1} of {self.steps}: {what}{where}. The weights are those of step {step}. "
            f"Lower learning_rate (now {self._config.learning_rate}), and check the data for extreme weights or rewards."
        )

    def _share(self, stream: Stream) -> float:
        return self._config.mix.get(stream.name, 1.0)

    def _state(self) -> TrainerState:
        data = content_hash(*(f"{stream.name} {stream.fingerprint}" for stream in self._streams))
        return TrainerState(step=self._done, config=self._config, data=data, weights=self._trainable.origin)

    def _save(self) -> Path:
        whole = self._config.extendable or self._done < self.steps
        tensors = self._optimizer.state() if whole else self._optimizer.weights()
        return _checkpoint.save(self._folder, self._state(), tensors, self._write_model)

    def _write_model(self, folder: str) -> None:
        self._trainable.save(folder)
        tokenizer = getattr(self._policy.renderer, "tokenizer", None)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)

    def _restore(self) -> None:
        found = _checkpoint.checkpoints(self._folder)
        if not found:
            return
        same_weights = self._trainable.adapter is not None or self._reference is not None
        self._done, tensors = _checkpoint.load(found[-1], self._state(), same_weights=same_weights)
        if self._done < self.steps and any(name.endswith("|weight") for name in tensors):
            raise InputError(
                f"{found[-1]} was finished with extendable = False: it has no optimiser state to go on with. Start anew from it."
            )
        with self._policy.exclusive():
            self._optimizer.load(tensors)
        self._policy.bump_version()


def _stream_stats(delivery: Delivery, tallies: Sequence[Tally]) -> StreamStats:
    """Loss and agreement with the sampler as of the first update, clipping and what the updates changed as of the last.

    The first update alone compares like with like: later ones have moved away from the sampler on purpose.
    """
    last = tallies[-1].report()
    measured = tallies[0].report() | {name: last[name] for name in ("clip_share", "update_kl") if name in last}
    tokens = sum(len(row.positions) for row in delivery.rows)
    return StreamStats(loss=tallies[0].loss, sequences=len(delivery.rows), tokens=tokens, **measured, **delivery.report)  # type: ignore[arg-type]
