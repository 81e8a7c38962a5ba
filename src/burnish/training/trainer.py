"""One trainer, one loop: a controller plans the streams of each step, and their losses add up, each over its own denominators.

    for each step: plan -> streams deliver rows -> micro-batches -> forward, loss, backward -> clip, AdamW -> report

`train` is the whole of it in one call. The policy is trained in place: it writes with the new weights at once. A resumed run
goes on bitwise where it stopped (on the CPU). Several processes (`torchrun`) share the computing of each step and end with the
same weights as one. Not here: the losses, advantages and controllers themselves (`burnish.objectives`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Unpack

import msgspec
import torch
from torch import Tensor, nn

from burnish.core.errors import InputError, PolicyError
from burnish.core.seeds import content_hash, derive_seed
from burnish.models.base import Policy
from burnish.objectives.controllers.base import Measured, Plan, inner_products
from burnish.training import _checkpoint
from burnish.training._bench import Bench, NotFinite
from burnish.training._checkpoint import TrainerState
from burnish.training._crew import Crew
from burnish.training._director import Director, Progress
from burnish.training._micro import MicroBatch
from burnish.training._objective import Counts, Objective, TokenObjective, denominators
from burnish.training._optimizer import learning_rate
from burnish.training._reports import entropies, planned_objective, scored_rollouts, stream_stats
from burnish.training._rollout_stream import RolloutStream
from burnish.training._rows import Row
from burnish.training._sources import Options, head_of, make_streams, needs_of
from burnish.training._streams import Delivery, Order, SupervisedStream
from burnish.training._tally import Tally
from burnish.training.config import TrainConfig
from burnish.training.stats import StepStats


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
    """How a run ended. `checkpoint` loads in plain transformers (or PEFT). `finished` False: stopped before the last step.

    `best` is the checkpoint with the lowest validation loss, if there were validation examples.
    """

    checkpoint: Path
    step: int
    finished: bool
    best: Path | None = None


def train(policy: TrainablePolicy, folder: str | Path, config: TrainConfig = TrainConfig(), **options: Unpack[Options]) -> TrainResult:
    """Train `policy` in place and leave a checkpoint in `folder`. For use outside of async code; inside it: `await Trainer(...).run()`.

    Options and errors are those of `Trainer`.
    """
    return asyncio.run(Trainer(policy, folder, config, **options).run())


class Trainer:
    """Trains a policy in place. Make one per run; `run` may be awaited once."""

    def __init__(
        self, policy: TrainablePolicy, folder: str | Path, config: TrainConfig = TrainConfig(), **options: Unpack[Options]
    ) -> None:
        """Check everything that can be checked before the first step; see `Options`. Raises `InputError`."""
        self._policy, self._folder, self._config = policy, Path(folder), config
        self._on_step, self._on_rollouts, self._should_stop = options.get("on_step"), options.get("on_rollouts"), options.get("should_stop")
        self._crew = Crew.here()
        self._streams = make_streams(options, policy, config, self._crew)
        kind_of_head = head_of(self._streams, config)
        self._director = Director(config.plan(), self._streams)
        self.steps = self._count_steps()
        self._prepare_folder(options.get("resume", False))
        self._bench = Bench(
            policy.model,
            config,
            needs_of(self._streams),
            self._crew,
            measure_entropy=self._director.controlled,
            apart=config.stream_norms or self._director.compares,
            head=kind_of_head,
            refresh=any(stage.refresh_reference for stage in config.stages),
        )
        self._refreshed = self._updating = False

    def _count_steps(self) -> int:
        """Steps of the whole run, as far as the learning rate must know them."""
        passes = self._config.epochs * max(stream.steps_per_pass for name, stream in self._streams.items() if name != "validation")
        planned = sum(stage.steps or 0 for stage in self._config.plan())
        open_ended = self._config.plan()[-1].steps is None
        return self._config.steps or (planned + passes if open_ended else planned)

    def _prepare_folder(self, resume: bool) -> None:
        if self._crew.leads:
            _checkpoint.prepare(self._folder)
        self._crew.exchange(None)
        if not resume and _checkpoint.checkpoints(self._folder):
            raise InputError(f"{self._folder} already holds a training run. Resume it (resume=True), or choose another folder.")

    async def run(self) -> TrainResult:
        """Train to the end, or until stopped. On Ctrl-C the last whole step is saved, then the interrupt goes on.

        Raises `PolicyError` when a loss or gradient is not finite (the weights stay as they were), the engine fails or another
        rank does, `StoreError` when a checkpoint cannot be written.
        """
        try:
            self._restore()
            while self._step_number < self.steps and not self._over():
                await asyncio.sleep(0)  # where an interrupt reaches a run that has nothing else to wait for
                stats = await self._next()
                if self._on_step is not None and self._crew.leads:
                    self._on_step(stats)
                if self._asked_to_stop():
                    break
                if self._step_number % self._config.save_every == 0:
                    self._save()
            return await self._result()
        except (KeyboardInterrupt, asyncio.CancelledError) as interrupt:
            self._crew.failed(interrupt)
            if not self._updating and self._step_number and self._crew.size == 1:
                self._save()
            raise
        except BaseException as error:
            self._crew.failed(error)
            raise
        finally:
            self._bench.optimizer.close()

    @property
    def _step_number(self) -> int:
        return self._director.progress.step

    def _over(self) -> bool:
        """Whether all stages are done; on the way, begin the next one."""
        while self._director.stage_over:
            if not self._director.next_stage():
                return True
            self._begin_stage()
        return self._solved

    @property
    def _solved(self) -> bool:
        """Whether the curriculum leaves nothing to practise."""
        stream = self._streams.get("rl")
        return isinstance(stream, RolloutStream) and not stream.practised(self._director.progress.history)

    def _begin_stage(self) -> None:
        if self._director.stage.reset_optimizer:
            self._bench.optimizer.reset()
        if self._director.stage.refresh_reference and self._bench.reference is not None:
            self._bench.refresh_reference()
            self._refreshed = True

    async def _next(self) -> StepStats:
        """One step, from its plan to its report."""
        deliveries: dict[str, Delivery] = {}
        products: dict[str, float] = {}
        if self._director.wants_products():
            deliveries = {name: await self._deliver(name, None) for name in self._streams}
            products = self._products(deliveries)
        plan = self._director.plan(products)
        for name in plan.streams:
            if name not in deliveries or plan.temperature is not None:
                deliveries[name] = await self._deliver(name, plan.temperature)
        stats = self._step(plan, {name: deliveries[name] for name in plan.streams})
        return msgspec.structs.replace(stats, validation_loss=await self._validate())

    async def _deliver(self, name: str, temperature: float | None) -> Delivery:
        number = self._director.progress.delivered.get(name, 0)
        with self._bench.sampling() if name == "rl" else nullcontext():
            return await self._streams[name].deliver(number, Order(temperature, self._score, self._director.progress.history))

    def _score(self, rows: Sequence[Row], fields: frozenset[str], temperature: float) -> dict[str, Tensor]:
        with self._policy.exclusive():
            return self._bench.score(rows, fields, temperature)

    def _step(self, plan: Plan, deliveries: Mapping[str, Delivery]) -> StepStats:
        started, step = time.perf_counter(), self._step_number
        rate = learning_rate(self._config, step, self.steps)
        parts = [self._part(name, delivery, plan) for name, delivery in deliveries.items()]
        norms: dict[str, float] = {}
        found: list[dict[str, Tally]] = []
        with self._computing(step):
            for update in range(self._config.updates_per_step):
                active = [part for part in parts if update == 0 or "old" in part.goal.needs]
                apart = self._config.stream_norms and len(active) > 1
                found.append({part.name: self._accumulate(part, norms if apart else None) for part in active})
                norm = self._update(rate)
                norms |= {"": norm or norms.get("", 0.0)} | ({active[0].name: norm} if len(active) == 1 else {})
            tallies = self._all_ranks(found)
            measured = Measured(
                gradient_norm={name: value for name, value in norms.items() if name}, entropy=entropies(deliveries, tallies)
            )
            self._director.finished_step(measured, deliveries)
            self._updating = False
        if self._on_rollouts is not None and self._crew.leads and (delivery := deliveries.get("rl")) and delivery.rollouts:
            self._on_rollouts(step + 1, scored_rollouts(delivery, tallies["rl"][0]))
        streams = {name: stream_stats(delivery, tallies[name], norms.get(name)) for name, delivery in deliveries.items()}
        return StepStats(
            step=step + 1,
            steps=self.steps,
            loss=sum(plan.streams[name] * stream.loss for name, stream in streams.items()),
            learning_rate=rate,
            gradient_norm=norms[""],
            tokens=int(sum(tally.tokens for tallied in tallies.values() for tally in tallied)),
            train_s=time.perf_counter() - started,
            streams=streams,
            plan={**plan.streams, **plan.report},
        )

    def _part(self, name: str, delivery: Delivery, plan: Plan) -> _Part:
        goal = planned_objective(self._streams[name].objective, name, plan)
        if self._director.stage.critic_only and isinstance(goal, TokenObjective):
            goal = goal.of_the_critic()
        counts = denominators(delivery.rows, self._config.max_tokens)
        return _Part(name, goal, self._bench.divide(delivery.rows, goal), counts, plan.streams.get(name, 1.0))

    def _accumulate(self, part: _Part, norms: dict[str, float] | None) -> Tally:
        """Add a stream's gradient. With `norms`, also measure it by itself."""
        optimizer = self._bench.optimizer
        before = optimizer.take() if norms is not None else {}
        with self._explained(f"the {part.name}"):
            tally = self._bench.accumulate(part.goal, part.micros, part.counts, part.scale)
        if norms is not None:
            own = {name: gradient.clone() for name, gradient in optimizer.gradients().items()}
            optimizer.add_up(self._crew)
            norms[part.name] = optimizer.gradient_norm(self._crew)
            optimizer.forget()
            optimizer.put(before)
            optimizer.put(own)
        return tally

    def _products(self, deliveries: Mapping[str, Delivery]) -> dict[str, float]:
        """Inner products of the streams' gradients, each over the whole of its delivery, at the present weights."""
        gradients = {}
        with self._computing(self._step_number):
            for name, delivery in deliveries.items():
                part = self._part(name, delivery, Plan())
                self._bench.accumulate(part.goal, part.micros, part.counts, 1.0)
                self._bench.optimizer.add_up(self._crew)
                gradients[name] = self._bench.optimizer.take()
        names = sorted(set[str]().union(*gradients.values()))
        zero = {name: torch.zeros_like(next(g[name] for g in gradients.values() if name in g)) for name in names}
        return inner_products({stream: [found.get(name, zero[name]) for name in names] for stream, found in gradients.items()})

    def _update(self, rate: float) -> float:
        self._bench.optimizer.add_up(self._crew)
        with self._explained("the"):
            self._updating = True
            moved, norm = self._bench.update(rate)
        if moved:
            self._policy.bump_version()
        return norm

    def _all_ranks(self, found: Sequence[Mapping[str, Tally]]) -> dict[str, list[Tally]]:
        """The tallies of all ranks added up, by stream, one for each update that the stream took part in."""
        parts = self._crew.exchange(found)
        return {
            name: [Tally.total([part[update][name] for part in parts]) for update, tallied in enumerate(found) if name in tallied]
            for name in found[0]
        }

    @contextmanager
    def _computing(self, step: int) -> Iterator[None]:
        with self._policy.exclusive(), self._bench.training(derive_seed(self._config.seed, "step", step)):
            yield

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        step = self._step_number
        try:
            yield
        except NotFinite as error:
            raise PolicyError(
                f"Training stopped at step {step + 1} of {self.steps}: {what} {error}. The weights are those of step {step}. "
                f"Lower learning_rate (now {self._config.learning_rate}), and check the data for extreme weights or rewards."
            ) from error

    def _asked_to_stop(self) -> bool:
        """Rank 0 decides for all."""
        asked = self._crew.leads and self._should_stop is not None and self._should_stop()
        return self._crew.exchange(asked)[0]

    async def _validate(self, *, at_end: bool = False) -> float | None:
        """The validation loss, if it is time; a new best is saved."""
        every, stream = self._config.validate_every, self._streams.get("validation")
        if not isinstance(stream, SupervisedStream) or not (at_end or (every and self._step_number % every == 0)):
            return None
        rows = [row for (row,) in stream.rows]
        with self._policy.exclusive():
            loss = self._bench.measure(stream.objective, rows, denominators(rows, self._config.max_tokens))
        if self._director.validated(loss):
            self._save()
        return loss

    async def _result(self) -> TrainResult:
        finished = self._step_number >= self.steps or self._director.stage_over or self._solved
        progress = self._director.progress
        if finished and (not self._config.validate_every or progress.step % self._config.validate_every):
            await self._validate(at_end=True)
        checkpoint = self._save()
        best = self._director.progress.best_step
        return TrainResult(checkpoint, self._step_number, finished, None if best is None else _checkpoint.path_of(self._folder, best))

    def _state(self) -> TrainerState:
        data = content_hash(*(f"{stream.name} {stream.fingerprint}" for stream in self._streams.values()))
        progress = self._director.progress
        return TrainerState(
            step=progress.step, config=self._config, data=data, weights=self._bench.trainable.origin, progress=msgspec.to_builtins(progress)
        )

    def _save(self) -> Path:
        whole = self._config.extendable or self._step_number < self.steps
        tensors = self._bench.optimizer.state() if whole else self._bench.optimizer.weights()
        if self._refreshed and whole:
            tensors |= self._bench.reference_weights()
        state, keep, weights = self._state(), self._director.progress.best_step, self._bench.whole_weights()
        if self._crew.leads:
            _checkpoint.save(self._folder, state, tensors, lambda folder: self._write_model(folder, weights), keep=keep)
        self._crew.exchange(None)
        return _checkpoint.path_of(self._folder, state.step)

    def _write_model(self, folder: str, weights: Mapping[str, Tensor] | None) -> None:
        self._bench.trainable.save(folder, weights)
        tokenizer = getattr(self._policy.renderer, "tokenizer", None)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)

    def _restore(self) -> None:
        found = _checkpoint.checkpoints(self._folder)
        if not found:
            return
        same_weights = self._bench.keeps_beginning
        state, tensors = _checkpoint.load(found[-1], self._state(), same_weights=same_weights)
        if state.step < self.steps and any(name.endswith("|weight") for name in tensors):
            raise InputError(
                f"{found[-1]} was finished with extendable = False: it has no optimiser state to go on with. Start anew from it."
            )
        self._director.progress = msgspec.convert(state.progress, Progress)
        with self._policy.exclusive():
            self._refreshed = self._bench.take_reference(tensors)
            self._bench.optimizer.load(tensors)
        self._policy.bump_version()


@dataclass(frozen=True)
class _Part:
    """One stream's work in one step."""

    name: str
    goal: Objective
    micros: list[MicroBatch]
    counts: Counts
    scale: float
