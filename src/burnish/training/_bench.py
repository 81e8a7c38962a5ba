"""Where the computing is done: scores, gradients and updates of one model. Knows neither streams nor stages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from burnish.core.errors import PolicyError
from burnish.models._vocabulary import divergences
from burnish.training._adapters import Reference, Trainable
from burnish.training._crew import Crew
from burnish.training._forward import TokenScorer, padded
from burnish.training._micro import MicroBatch, micro_batches
from burnish.training._objective import Counts, Objective, evaluate, token_batch
from burnish.training._rows import Row
from burnish.training._shards import Shards
from burnish.training._tally import Tally
from burnish.training._zero import optimizer_of
from burnish.training.config import TrainConfig

T = TypeVar("T")

OF_REFERENCE = frozenset({"reference", "kl_forward", "kl_reverse"})


class NotFinite(PolicyError):
    """A loss or a gradient is not a finite number; no weight has been changed by it."""


class Bench:
    """One model with its optimiser, its reference and its critic, as far as the objectives need them."""

    def __init__(
        self,
        model: nn.Module,
        config: TrainConfig,
        needs: frozenset[str],
        crew: Crew,
        *,
        measure_entropy: bool = False,
        apart: bool = False,
        head: str = "value",
        refresh: bool = False,
    ) -> None:
        """`needs`: every `TokenBatch` field that some objective or advantage reads. `head`: what a scalar head would tell.

        `apart`: the gradient of a single stream will be asked for. `refresh`: so will the weights of a later time, for the reference.
        """
        self._config, self._crew, self._measure_entropy = config, crew, measure_entropy
        self.trainable = Trainable(model, config.lora, config.seed, head=head if needs & {"value", "old_value"} else None)
        self.scorer = TokenScorer(self.trainable.model)
        if "embeddings" in needs:
            self.scorer.freeze_embeddings()
        self.reference = Reference(self.trainable) if needs & OF_REFERENCE else None
        divided = (config.shard or crew.shards) and crew.size > 1
        self._spare = Reference(self.trainable, as_is=True) if divided and refresh and self.reference is not None else None
        self.shards = Shards(self.trainable.model, crew.size) if divided else None
        self.optimizer = optimizer_of(self.trainable, config, crew, apart=apart)
        self._lockstep = divided or crew.zero == 2
        self._averaged = divided or crew.zero > 0
        self._devices = sorted({p.device.index for p in self.trainable.parameters.values() if p.is_cuda})

    @property
    def keeps_beginning(self) -> bool:
        """Whether something still depends on the weights that the run began with."""
        return self.trainable.adapter is not None or self.reference is not None or self.scorer.embeddings is not None

    @contextmanager
    def training(self, seed: int) -> Iterator[None]:
        """Dropout on, its randomness a function of `seed`; the global random state is left alone."""
        model = self.trainable.model
        with torch.random.fork_rng(devices=self._devices), self.scorer.attention(), self._checkpointed():
            torch.manual_seed(seed)
            model.train()
            try:
                yield
            finally:
                model.eval()
                self.optimizer.forget()

    def divide(self, rows: Sequence[Row], goal: Objective) -> list[MicroBatch]:
        """This rank's micro-batches of a step's rows; rows that cannot pull at anything are left out."""
        live = [row for row in rows if not (goal.silent_at_zero_advantage and row.dead)]
        if not live:
            return []
        total = sum(row.length for row in live)
        budget = min(self._config.micro_tokens, -(-total // self._crew.size))
        return self._even(micro_batches(live, budget, together=goal.together, packed=self._packs(live)))

    def _packs(self, rows: Sequence[Row]) -> bool:
        return self.scorer.packed and all(row.view is None for row in rows)

    def _even(self, batches: list[MicroBatch]) -> list[MicroBatch]:
        """This rank's part. Ranks that hold parts of one whole must compute equally often: those with less repeat one for nothing."""
        mine = self._crew.mine(batches)
        if self._lockstep and len(mine) < -(-len(batches) // self._crew.size):
            mine.append(MicroBatch(batches[0].rows, idle=True))
        return mine

    def accumulate(self, goal: Objective, micros: Sequence[MicroBatch], counts: Counts, scale: float) -> Tally:
        """Forward and backward over micro-batches; gradients add up in the optimiser. Raises `NotFinite`."""
        tally = Tally()
        for micro in micros:
            self._backward(goal, micro, counts, scale, tally)
        return tally

    def _backward(self, goal: Objective, micro: MicroBatch, counts: Counts, scale: float, tally: Tally) -> None:
        scores = self._run(lambda: self._scores(goal, micro))
        batch = token_batch(micro.rows, scores, **micro.known)
        ranks = self._crew.size if self._averaged else 1  # gradients come out as the mean over the ranks; the sum is wanted
        evaluation = evaluate(goal, batch, counts, 0.0 if micro.idle else ranks * scale)
        if not math.isfinite(evaluation.value):
            names = ", ".join(row.id for row in micro.rows[:4])
            raise NotFinite(f"loss is {evaluation.value} in the micro-batch of {names}")
        live = {name: slope for name, slope in evaluation.gradients.items() if scores[name].requires_grad}
        if self._lockstep:
            self._crew.exchange(None)  # where a rank that stopped is heard, before all wait for it in the backward pass
        self.optimizer.backward([scores[name] for name in live], list(live.values()))
        if not micro.idle:
            tally.add(micro, batch, evaluation)
        if self._config.updates_per_step > 1:
            micro.known.setdefault("old", scores["logp"].detach())

    def _run(self, work: Callable[[], T]) -> T:
        return work() if self.shards is None else self.shards.compute(work)

    def _scores(self, goal: Objective, micro: MicroBatch) -> dict[str, Float[Tensor, "batch time"]]:
        rows, needs = micro.rows, goal.needs
        if "reference" in needs and "reference" not in micro.known and not all("reference" in row.fields for row in rows):
            assert self.reference is not None
            micro.known["reference"] = self.reference(rows, goal.temperature)
        entropy = self._measure_entropy or "entropy" in needs
        with torch.set_grad_enabled(torch.is_grad_enabled() and not goal.head_only):
            hidden = self.scorer.hidden(rows)
            scores = self.scorer.scores(hidden, rows, temperature=goal.temperature, entropy=entropy)
        if needs & {"kl_forward", "kl_reverse"}:
            assert self.reference is not None
            pair = divergences(hidden, self.scorer.head, *self.reference.outputs(rows), goal.temperature)
            scores |= {name: padded(values, rows) for name, values in zip(("kl_forward", "kl_reverse"), pair, strict=True)}
        if "value" in needs:
            scores["value"] = self._values(hidden, rows)
        if "fault_logp" in needs:
            scores["fault_logp"] = self._fault_logp(rows, goal.temperature)
        return scores

    @torch.no_grad()
    def _fault_logp(self, rows: Sequence[Row], temperature: float) -> Float[Tensor, " batch"]:
        """Mean log-probability of the differing tokens of each row's wrong variant; NaN where there is none."""
        found = torch.full((len(rows),), math.nan, device=self.scorer.head.device)
        rivals = {index: row.rival for index, row in enumerate(rows) if row.rival is not None}
        if rivals:
            totals = self.scorer(list(rivals.values()), temperature=temperature)["logp"].sum(dim=1)
            found[list(rivals)] = totals / torch.tensor([float(len(rival.positions)) for rival in rivals.values()]).to(totals)
        elif self.shards is not None:  # ranks that hold parts of one model must compute equally often
            self.scorer.hidden(rows[:1])
        return found

    def _values(self, hidden: Float[Tensor, "tokens hidden"], rows: Sequence[Row]) -> Float[Tensor, "batch time"]:
        assert self.trainable.head is not None
        return padded(self.trainable.head(hidden), rows)

    @torch.no_grad()
    def score(self, rows: Sequence[Row], fields: frozenset[str], temperature: float) -> dict[str, Float[Tensor, "batch time"]]:
        """`old`, `reference` or `value` of all rows under the weights of now, on the CPU. Every rank computes its part."""
        own: dict[str, tuple[list[float], ...]] = {}
        for micro in self._even(micro_batches(rows, self._config.micro_tokens, packed=self._packs(rows))):
            columns = self._run(lambda rows=micro.rows: self._columns(rows, sorted(fields), temperature))  # type: ignore[misc]
            own |= {row.id: parts for row, *parts in zip(micro.rows, *columns, strict=True)}
        known = {name: parts for part in self._crew.exchange(own) for name, parts in part.items()}
        return {
            name: pad_sequence([torch.tensor(known[row.id][index][: len(row.positions)]) for row in rows], batch_first=True)
            for index, name in enumerate(sorted(fields))
        }

    def _columns(self, rows: Sequence[Row], fields: Sequence[str], temperature: float) -> list[list[list[float]]]:
        hidden = self.scorer.hidden(rows)
        found: dict[str, Tensor] = {}
        if "old" in fields:
            found["old"] = self.scorer.scores(hidden, rows, temperature=temperature)["logp"]
        if "value" in fields:
            found["value"] = self._values(hidden, rows)
        if "reference" in fields:
            assert self.reference is not None
            found["reference"] = self.reference(rows, temperature)
        return [found[name].tolist() for name in fields]

    def update(self, rate: float) -> tuple[bool, float]:
        """Clip and update. Without any gradient nothing moves. Returns whether something did, and the norm before clipping.

        Raises `NotFinite` if the norm is not finite; the weights are then as they were.
        """
        norm = self.optimizer.gradient_norm(self._crew)
        if not math.isfinite(norm):
            raise NotFinite(f"gradient norm is {norm}")
        moved = self.optimizer.has_gradients
        if moved:
            self.optimizer.update(rate, min(1.0, self._config.max_grad_norm / (norm + 1e-6)))
        return moved, norm

    @torch.no_grad()
    def measure(self, goal: Objective, rows: Sequence[Row], counts: Counts) -> float:
        """The reduced loss of rows, without gradients or updates."""
        total = 0.0
        for micro in self.divide(rows, goal):
            batch = token_batch(micro.rows, self._run(lambda micro=micro: self._scores(goal, micro)))  # type: ignore[misc]
            total += 0.0 if micro.idle else float(goal.reduce(batch, counts)[0])
        return sum(self._crew.exchange(total))

    def whole_weights(self) -> dict[str, Tensor] | None:
        """The model's state put together, if ranks hold parts of it; else None. All ranks must ask."""
        return None if self.shards is None else self.shards.weights()

    def sampling(self) -> AbstractContextManager[None]:
        """While open, the model can be sampled from."""
        return nullcontext() if self.shards is None else self.shards.whole()

    def refresh_reference(self) -> None:
        """From now on KL terms are measured from the weights of now. All ranks must ask."""
        whole = self.whole_weights()
        self.reference = self._spare or Reference(self.trainable, as_is=True)
        if whole is not None:
            self.reference.model.load_state_dict(whole)

    def reference_weights(self) -> dict[str, Tensor]:
        """The weights of a reference that no longer are those the run began with, by `reference|<name>`."""
        assert self.reference is not None
        return {f"reference|{name}": tensor.clone() for name, tensor in self.reference.model.state_dict().items()}

    def take_reference(self, tensors: dict[str, Tensor]) -> bool:
        """Take `reference_weights` out of a checkpoint's tensors. False if there are none."""
        found = {name.removeprefix("reference|"): tensors.pop(name) for name in sorted(tensors) if name.startswith("reference|")}
        if found:
            self.reference = self._spare or Reference(self.trainable, as_is=True)
            self.reference.model.load_state_dict(found)
        return bool(found)

    @contextmanager
    def _checkpointed(self) -> Iterator[None]:
        if not self._config.checkpoint_layers:
            yield
            return
        model = self.trainable.model
        word = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"  # as transformers has renamed it
        getattr(model, f"{word}_checkpointing_enable")({"use_reentrant": False})
        try:
            yield
        finally:
            getattr(model, f"{word}_checkpointing_disable")()
