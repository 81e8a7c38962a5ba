"""From rewards to advantages: what the streams of reinforcement learning have in common, whoever sampled their rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from burnish.core.errors import InputError
from burnish.objectives.base import Advantage, AdvantageBatch
from burnish.objectives.credit import at_ends
from burnish.objectives.shaping import overlong_penalty
from burnish.training._objective import objective, plugin
from burnish.training._rows import Row
from burnish.training._streams import Order
from burnish.training.config import TrainConfig

OFFERS = frozenset(
    {"advantage", "old", "rollout", "reference", "entropy", "group", "reward", "correct", "kl_forward", "kl_reverse"}
    | {"value", "old_value", "returns"}
)
"""Fields of a `TokenBatch` that the stream `rl` provides; the last three with a critic only."""


class Estimates:
    """The advantage of a run and the objective that goes with it."""

    def __init__(self, config: TrainConfig, offered: Collection[str]) -> None:
        """`offered`: what the rows bring of an `AdvantageBatch` (`token_reward` and `segment_end`, `baseline`) beside rewards.

        Raises `InputError` if the advantage needs what is not offered.
        """
        self._config = config
        self._advantage: Advantage = plugin("advantage", config.advantage, Advantage)
        self._options = self._advantage.options(config.advantage_options)
        self.needs: frozenset[str] = self._advantage.reads(self._options)
        if missing := sorted(self.needs - {"mask", "old", "reference", "value", *offered}):
            raise InputError(
                f"The advantage {self._advantage.name!r} needs {', '.join(missing)}, which these rollouts do not have. {_mend(missing)}"
            )
        terms = {**config.rl_terms, **({"kl_k3": config.kl} if config.kl else {})}
        critic = self._advantage.returns is not None
        if critic:
            terms["value_clip"] = config.value_coefficient
        self.objective = objective(
            config.rl_loss,
            config.rl_options,
            stream="rl",
            provides=OFFERS if critic else OFFERS - {"value", "old_value", "returns"},
            aggregation=config.aggregation,
            temperature=config.temperature,
            terms=terms,
            weight=config.rl_weight,
            weight_options=config.rl_weight_options,
        )

    @property
    def scored_before(self) -> frozenset[str]:
        """What must be computed under the weights of now before there are advantages: `old`, `reference`, `value`."""
        return frozenset(self.needs & {"old", "reference", "value"})

    def shaped(self, rewards: Float[Tensor, " batch"], lengths: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Rewards less what the last tokens before the limit cost (`overlong_buffer`)."""
        if not self._config.overlong_buffer:
            return rewards
        return rewards + overlong_penalty(lengths, limit=self._config.max_tokens, buffer=self._config.overlong_buffer)

    def with_advantages(self, rows: list[Row], order: Order, temperature: float, baselines: Sequence[float] = ()) -> list[Row]:
        """The rows of one step with their advantages and, for a critic, its targets. `baselines`: one for each group."""
        known: dict[str, Tensor] = {}
        if self.scored_before:
            assert order.score is not None
            known = order.score(rows, self.scored_before, temperature)
        mask = pad_sequence([torch.ones(len(row.positions)) for row in rows], batch_first=True)
        beside: dict[str, Any] = {}
        if any(row.credit is not None for row in rows):
            credit = [row.credit or () for row in rows]
            ends, scores = [[end for end, _ in parts] for parts in credit], [[value for _, value in parts] for parts in credit]
            beside["token_reward"], beside["segment_end"] = at_ends(ends, scores, mask)
        if baselines:
            beside["baseline"] = torch.tensor([baselines[row.group] for row in rows])
        rewards = self.shaped(torch.tensor([row.reward for row in rows]), mask.sum(dim=1))
        batch = AdvantageBatch(reward=rewards, group=torch.tensor([row.group for row in rows]), mask=mask, **known, **beside)
        advantages = self._advantage.function(batch, self._options)
        fields = {"reference": known["reference"]} if "reference" in known else {}
        if self._advantage.returns is not None:
            fields |= {"returns": self._advantage.returns(batch, self._options), "old_value": known["value"]}
        return [_with(row, advantages[index], {name: value[index] for name, value in fields.items()}) for index, row in enumerate(rows)]


def _mend(missing: Collection[str]) -> str:
    if {"token_reward", "segment_end"} & set(missing):
        return "Give the rollout source a `credit` function, or recorded answers `meta['credit']`."
    return "Choose another."


def _with(row: Row, advantage: Tensor, fields: dict[str, Tensor]) -> Row:
    length = len(row.positions)
    own = tuple(advantage[:length].tolist()) if advantage.ndim else advantage.item()
    return replace(row, advantage=own, fields={name: tuple(value[:length].tolist()) for name, value in fields.items()})
