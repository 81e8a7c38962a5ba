"""From a stream's loss terms to gradients: evaluate once on the log-probabilities, then send those back through the model.

The terms are evaluated on detached leaves, so that the derivative with respect to every log-probability is known before the
costly backward pass: it tells the coefficient c_t of each token (spec 3.3) and stops a NaN before it reaches the weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from burnish.core.errors import InputError
from burnish.core.plugins import find
from burnish.objectives.base import Aggregation, Denominators, Formula, Loss, TokenBatch, Weight, aggregate, counted
from burnish.training._rows import Row

LIVE = ("logp", "entropy", "value", "kl_forward", "kl_reverse")
"""Fields of a `TokenBatch` that carry gradient; all but `logp` are computed only where a term needs them."""

Counts = Mapping[str, Denominators]
"""Denominators over `all` rows of a step, and over the `correct` ones."""


@dataclass(frozen=True)
class Term:
    """One loss with its options and its coefficient."""

    loss: Loss
    options: Mapping[str, float]
    coefficient: float = 1.0


class Objective(Protocol):
    """What a stream minimises. `temperature` divides the logits."""

    @property
    def temperature(self) -> float: ...

    @property
    def needs(self) -> frozenset[str]:
        """Every `TokenBatch` field that is read."""
        ...

    @property
    def silent_at_zero_advantage(self) -> bool:
        """True if a row with advantage 0 adds nothing."""
        ...

    @property
    def together(self) -> bool:
        """True if rows of one group must be in one micro-batch, in their order."""
        ...

    @property
    def head_only(self) -> bool:
        """True if nothing but the scalar head learns."""
        ...

    def reduce(self, batch: TokenBatch, counts: Counts) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The reduced loss, and the plain sum of its first term (whose slope is c_t)."""
        ...


@dataclass(frozen=True)
class TokenObjective:
    """Token losses: the first term, whose aggregation holds for all and which the weight multiplies, and extra terms."""

    terms: tuple[Term, ...]
    aggregation: Aggregation
    temperature: float = 1.0
    weight: tuple[Weight, Mapping[str, float]] | None = None
    together: bool = False
    head_only: bool = False

    @property
    def needs(self) -> frozenset[str]:
        """Every `TokenBatch` field that some term or the weight reads."""
        own = frozenset[str]().union(*(term.loss.reads(term.options) for term in self.terms))
        return own if self.weight is None else own | self.weight[0].reads(self.weight[1])

    @property
    def silent_at_zero_advantage(self) -> bool:
        """True if a row with advantage 0 adds nothing."""
        return all(term.loss.silent_at_zero_advantage for term in self.terms)

    def reduce(self, batch: TokenBatch, counts: Counts) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The sum of the reduced terms, and the plain sum of the first."""
        losses = [term.loss.function(batch, term.options) for term in self.terms]
        if (weight := self.weights(batch)) is not None:
            losses[0] = losses[0] * weight
        total = sum(
            term.coefficient * aggregate(loss, counted(term.loss, batch), self.aggregation, counts[term.loss.counts])
            for term, loss in zip(self.terms, losses, strict=True)
        )
        assert isinstance(total, Tensor)
        return total, (losses[0] * batch.mask).sum()

    def of_the_critic(self) -> TokenObjective:
        """The critic's terms alone. Raises `InputError` if there are none."""
        terms = tuple(term for term in self.terms if "value" in term.loss.needs)
        if not terms:
            raise InputError("A stage that is critic_only needs an advantage with a critic, for example length_adaptive_gae or gae.")
        return replace(self, terms=terms, weight=None, head_only=True)

    def weights(self, batch: TokenBatch) -> Float[Tensor, "batch time"] | None:
        """The detached factor on the first term: that of the rows times that of the weight plug-in."""
        if self.weight is None:
            return batch.weight
        formula, options = self.weight
        known = batch if batch.old is not None else replace(batch, old=batch.logp.detach())
        weight = formula.function(known, options).detach()
        return weight if batch.weight is None else weight * batch.weight


def objective(
    name: str,
    options: Mapping[str, float],
    *,
    stream: str,
    provides: frozenset[str],
    aggregation: Aggregation | None,
    temperature: float = 1.0,
    terms: Mapping[str, float] | None = None,
    weight: str | None = None,
    weight_options: Mapping[str, float] | None = None,
) -> TokenObjective:
    """The objective of the loss plug-in `name`, with further `terms` (name → coefficient) and a weight plug-in.

    Raises `UnknownName` for a plug-in that does not exist, `InputError` for one that needs what the stream does not provide.
    """
    main = _term(name, options, 1.0)
    extra = [_term(other, {}, coefficient) for other, coefficient in (terms or {}).items() if coefficient]
    factor = None
    if weight is not None:
        formula = plugin("weight", weight, Weight)
        factor = formula, formula.options(weight_options or {})
    built = TokenObjective((main, *extra), aggregation or main.loss.aggregation, temperature, factor)
    check_provided(name, built.needs, provides, stream)
    return built


def check_provided(name: str, needs: frozenset[str], provides: frozenset[str], stream: str) -> None:
    """Raise `InputError` if a loss needs what its stream does not have."""
    if missing := sorted(needs - provides):
        mend = 'Set sft_inputs = {"fault_diff": {}}.' if stream == "sft" and "fault_mask" in missing else "Choose another loss."
        raise InputError(f"The loss {name!r} needs {', '.join(missing)}, which the stream {stream!r} does not have. {mend}")


def _term(name: str, options: Mapping[str, float], coefficient: float) -> Term:
    loss = plugin("loss", name, Loss)
    return Term(loss, loss.options(options), coefficient)


def plugin(family: str, name: str, kind: type[Any]) -> Any:
    """The plug-in, checked to be of its kind. Raises `UnknownName` or `InputError`."""
    found: Formula = find(family, name)
    if not isinstance(found, kind):
        raise InputError(f"{name!r} is a {type(found).__name__}, not a {kind.__module__}.{kind.__name__}.")
    return found


@dataclass(frozen=True)
class Evaluation:
    """An objective's share from one micro-batch.

    `coefficient` is c_t = -dL/dlogp of the weighted first term, unreduced; None if that does not look at log-probabilities.
    """

    value: float
    gradients: dict[str, Float[Tensor, "batch time"]]
    coefficient: Float[Tensor, "batch time"] | None


def evaluate(objective: Objective, batch: TokenBatch, counts: Counts, scale: float) -> Evaluation:
    """The reduced value, and `scale` times its gradient with respect to `logp` and whatever else the batch carries gradient for."""
    live = {name: getattr(batch, name) for name in LIVE}
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in live.items() if tensor is not None}
    value, first = objective.reduce(replace(batch, **leaves), counts)
    slope = torch.autograd.grad(first, leaves["logp"], retain_graph=True, allow_unused=True)[0]
    gradients = torch.autograd.grad(scale * value, tuple(leaves.values()), allow_unused=True, materialize_grads=True)
    return Evaluation(float(value.detach()), dict(zip(leaves, gradients, strict=True)), None if slope is None else -slope)


def token_batch(rows: Sequence[Row], scores: Mapping[str, Float[Tensor, "batch time"]], **known: Tensor | None) -> TokenBatch:
    """The tensors of a micro-batch: the model's `scores`, what is `known` beside, and everything the rows bring.

    Padded cells are 0 and masked. Where the sampler gave no log-probability, `rollout` is the model's own, so that every
    ratio there is 1.
    """
    logp = scores["logp"]
    lengths = torch.tensor([len(row.positions) for row in rows], device=logp.device)
    mask = (torch.arange(logp.shape[1], device=logp.device) < lengths[:, None]).float()
    names = sorted(set[str]().union(*(row.fields for row in rows)))
    fields: dict[str, Any] = {name: _rectangle([row.fields[name] for row in rows], logp) for name in names}
    if all(row.rollout is not None for row in rows):
        rollout = _rectangle([[math.nan if value is None else value for value in row.rollout or ()] for row in rows], logp)
        fields["rollout"] = torch.where(rollout.isnan(), logp.detach(), rollout)
    if all(row.advantage is not None for row in rows):
        fields["advantage"] = _rectangle([_spread(row) for row in rows], logp)
    if any(row.weight != 1.0 for row in rows):
        fields["weight"] = mask * torch.tensor([row.weight for row in rows]).to(logp)[:, None]
    return TokenBatch(
        **fields | {name: value for name, value in known.items() if value is not None},
        **scores,
        mask=mask,
        group=torch.tensor([row.group for row in rows], device=logp.device),
        reward=torch.tensor([torch.nan if row.reward is None else row.reward for row in rows], device=logp.device),
        correct=torch.tensor([row.correct for row in rows], device=logp.device),
    )


def _spread(row: Row) -> Sequence[float]:
    return row.advantage if isinstance(row.advantage, tuple) else [row.advantage or 0.0] * len(row.positions)


def _rectangle(values: Sequence[Sequence[float]], like: Tensor) -> Float[Tensor, "batch time"]:
    return pad_sequence([torch.tensor(value) for value in values], batch_first=True).to(like)


def denominators(rows: Sequence[Row], horizon: float) -> Counts:
    """Counts over all rows of a step, whether or not they are computed; never 0, so that nothing over nothing is 0."""
    chosen = {"all": rows, "correct": [row for row in rows if row.correct]}
    return {
        name: Denominators(float(max(1, sum(len(row.positions) for row in some))), float(max(1, len(some))), horizon)
        for name, some in chosen.items()
    }
