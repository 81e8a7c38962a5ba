"""From a stream's loss terms to gradients: evaluate once on the log-probabilities, then send those back through the model.

The terms are evaluated on detached leaves, so that the derivative with respect to every log-probability is known before the
costly backward pass: it tells the coefficient c_t of each token (spec 3.3) and stops a NaN before it reaches the weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from burnish.core.errors import InputError
from burnish.core.plugins import find
from burnish.objectives.base import Aggregation, Denominators, Loss, TokenBatch, aggregate
from burnish.training._rows import Row


@dataclass(frozen=True)
class Term:
    """One loss with its options and its coefficient."""

    loss: Loss
    options: Mapping[str, float]
    coefficient: float = 1.0


@dataclass(frozen=True)
class Objective:
    """What a stream minimises: the first term, whose aggregation holds for all, and extra terms. `temperature` divides the logits."""

    terms: tuple[Term, ...]
    aggregation: Aggregation
    temperature: float = 1.0

    @property
    def needs(self) -> frozenset[str]:
        """Every `TokenBatch` field that some term reads."""
        return frozenset[str]().union(*(term.loss.needs for term in self.terms))

    @property
    def silent_at_zero_advantage(self) -> bool:
        """True if a row with advantage 0 adds nothing."""
        return all(term.loss.silent_at_zero_advantage for term in self.terms)


def objective(
    name: str,
    options: Mapping[str, float],
    *,
    stream: str,
    provides: frozenset[str],
    aggregation: Aggregation | None,
    temperature: float = 1.0,
    kl: float = 0.0,
) -> Objective:
    """The objective of the loss plug-in `name`, with a k3 KL term if `kl` > 0.

    Raises `UnknownName` for a loss that does not exist, `InputError` for one that needs what the stream does not provide.
    """
    main: Loss = find("loss", name)
    if not isinstance(main, Loss):
        raise InputError(f"{name!r} is a {type(main).__name__}, not a burnish.objectives.base.Loss.")
    missing = sorted(main.needs - provides)
    if missing:
        raise InputError(f"The loss {name!r} needs {', '.join(missing)}, which the stream {stream!r} does not have. Choose another loss.")
    terms = [Term(main, main.options(options))]
    if kl > 0:
        terms.append(Term(find("loss", "kl_k3"), {}, kl))
    return Objective(tuple(terms), aggregation or main.aggregation, temperature)


@dataclass(frozen=True)
class Evaluation:
    """An objective's share from one micro-batch. `coefficient` is c_t = -dL/dlogp of the first term, unreduced."""

    value: float
    gradients: dict[str, Float[Tensor, "batch time"]]
    coefficient: Float[Tensor, "batch time"]


def evaluate(objective: Objective, batch: TokenBatch, denominators: Denominators, scale: float) -> Evaluation:
    """The reduced value, and `scale` times its gradient with respect to `logp` and whatever else the batch carries gradient for."""
    live = {name: getattr(batch, name) for name in ("logp", "entropy", "value", "kl_forward", "kl_reverse")}
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in live.items() if tensor is not None}
    batch = replace(batch, **leaves)
    losses = [term.coefficient * term.loss.function(batch, term.options) for term in objective.terms]
    slope = torch.autograd.grad((losses[0] * batch.mask).sum(), leaves["logp"], retain_graph=True, materialize_grads=True)[0]
    total = sum(losses[1:], losses[0] if batch.weight is None else losses[0] * batch.weight)
    value = aggregate(total, batch.mask, objective.aggregation, denominators)
    gradients = torch.autograd.grad(scale * value, tuple(leaves.values()), allow_unused=True, materialize_grads=True)
    return Evaluation(float(value.detach()), dict(zip(leaves, gradients, strict=True)), -slope)


def token_batch(
    rows: Sequence[Row],
    scores: Mapping[str, Float[Tensor, "batch time"]],
    *,
    old: Float[Tensor, "batch time"] | None = None,
    reference: Float[Tensor, "batch time"] | None = None,
) -> TokenBatch:
    """The tensors of a micro-batch: the model's `scores` and everything the rows bring. Padded cells are 0 and masked.

    Where the sampler gave no log-probability, `rollout` is the model's own, so that every ratio there is 1.
    """
    logp = scores["logp"]
    lengths = torch.tensor([len(row.positions) for row in rows], device=logp.device)
    mask = (torch.arange(logp.shape[1], device=logp.device) < lengths[:, None]).float()
    rollout = None
    if all(row.rollout is not None for row in rows):
        rollout = pad_sequence([_recorded(row) for row in rows], batch_first=True).to(logp)
        rollout = torch.where(rollout.isnan(), logp.detach(), rollout)  # unknown: as if the sampler had been the trainer
    advantage = None
    if all(row.advantage is not None for row in rows):
        advantage = mask * torch.tensor([row.advantage for row in rows]).to(logp)[:, None]
    weight = mask * torch.tensor([row.weight for row in rows]).to(logp)[:, None] if any(row.weight != 1.0 for row in rows) else None
    return TokenBatch(
        **scores,
        mask=mask,
        weight=weight,
        old=old,
        rollout=rollout,
        reference=reference,
        advantage=advantage,
        group=torch.tensor([row.group for row in rows]),
        reward=torch.tensor([torch.nan if row.reward is None else row.reward for row in rows]),
    )


def _recorded(row: Row) -> Float[Tensor, " time"]:
    return torch.tensor([math.nan if value is None else value for value in row.rollout or ()])


def denominators(rows: Sequence[Row], horizon: float) -> Denominators:
    """Counts over all rows of a step, whether or not they are computed."""
    return Denominators(tokens=float(sum(len(row.positions) for row in rows)), sequences=float(len(rows)), horizon=horizon)
