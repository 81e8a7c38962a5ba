"""Reinforcement learning from answers that were sampled before, by whomever: the stream `rl` offline (LeDex's PPO).

The ratio of the loss is to the weights at the step's beginning. Where the answers bring log-probabilities of who wrote them, an
`rl_weight` may correct for the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from burnish.core.records import Example, Message
from burnish.models.base import Renderer
from burnish.training._estimates import Estimates
from burnish.training._rows import Row, recorded_row
from burnish.training._streams import Delivery, ExampleStream, Order
from burnish.training.config import TrainConfig


class RecordedStream(ExampleStream):
    """Rewarded answers. Those to one prompt are a group and are drawn together: `batch_size` counts prompts."""

    name = "rl"

    def __init__(self, examples: Sequence[Example], renderer: Renderer, config: TrainConfig) -> None:
        """Raises `InputError` if there is no example, one without a reward, or an advantage that needs more than they have."""
        groups: dict[tuple[Message, ...] | tuple[int, ...], list[Row]] = {}
        for example in examples:
            row = recorded_row(example, renderer)
            groups.setdefault(example.messages[:-1] or row.ids[: row.positions[0]], []).append(row)
        super().__init__([tuple(rows) for rows in groups.values()], examples, config)
        credited = all(row.credit is not None for rows in self.rows for row in rows)
        self._estimates = Estimates(config, {"token_reward", "segment_end"} if credited else ())
        self.objective = self._estimates.objective
        self.scored_before = self._estimates.scored_before

    async def deliver(self, step: int, order: Order = Order()) -> Delivery:
        """The answers to this delivery's prompts, with their advantages under the weights of now."""
        groups = [self.rows[index] for index in self._chosen(step)]
        rows = [replace(row, group=number) for number, group in enumerate(groups) for row in group]
        rows = self._estimates.with_advantages(rows, order, order.temperature or self._config.temperature)
        rewards = [(row.reward or 0.0) + sum(value for _, value in row.credit or ()) for row in rows]
        alive = {row.group for row in rows if not row.dead}
        return Delivery(rows, {"reward_mean": sum(rewards) / len(rewards), "dead_groups": 1.0 - len(alive) / len(groups)})
