"""What `benchmarks.hybrids` compares: the arms as training configurations, and the ledger that gives each the same tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import torch

from benchmarks._hybrids_report import BASELINE
from burnish.training.config import Stage, TrainConfig
from burnish.training.rollouts import Rollout
from burnish.training.stats import StepStats

TEMPERATURE = 0.8
"""Of everything that is sampled: examples, rollouts and the answers that are measured."""


def arms(sft_steps: int, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Every arm as what it changes in `TrainConfig`; `seed` is that of SASR's draws.

    Hybrids with a controller get half of the supervised steps as a warm-up.
    """
    staged = (Stage(steps=sft_steps, mix={"rl": 0.0}), Stage(mix={"sft": 0.0}, reset_optimizer=True))
    warmup = float(sft_steps // 2)
    often = {"warmup": warmup, "every": 2.0, "start": 0.5, "meta_rate": 0.1, "entropy_rate": 0.05}
    return {
        BASELINE: {"stages": staged},
        "DFT → RL": {"stages": staged, "sft_loss": "dft"},
        "ASFT → RL": {"stages": staged, "sft_loss": "asft"},
        "IFT → RL": {"stages": staged, "sft_loss": "ift"},
        "PEAR → RL": {"stages": staged, "sft_loss": "pear_token"},
        "SFT → Klear": {"stages": staged, "rl_loss": "gppo", "rl_terms": {"positive_nll": 0.1}},
        "SASR": {"stages": (Stage(controller="sasr", controller_options={"warmup": warmup, "seed": float(seed)}),)},
        "AMFT": {"stages": (Stage(controller="amft", controller_options=often),)},
    }


def config(changes: dict[str, Any], *, learning_rate: float, max_tokens: int, seed: int) -> TrainConfig:
    """What all arms share, and what this one changes. The steps are out of reach: the budget ends a run."""
    shared = TrainConfig(
        learning_rate=learning_rate,
        schedule="constant",
        warmup=2,
        steps=100_000,
        lora=16,
        batch_size=4,
        tasks_per_step=2,
        group_size=4,
        temperature=TEMPERATURE,
        max_tokens=max_tokens,
        micro_tokens=512,
        save_every=100_000,
        seed=seed,
    )
    return msgspec.structs.replace(shared, **changes)


@dataclass
class Ledger:
    """Counts tokens, and says when they are spent: after the step that ends nearest to the budget, if steps go on as the last one."""

    budget: int
    trained: int = 0
    generated: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    last: int = 0
    before: int = 0

    @property
    def spent(self) -> int:
        """Tokens so far, trained and generated."""
        return self.trained + self.generated

    @contextmanager
    def counting(self, model: Any) -> Iterator[None]:
        """While open, what the input embeddings read with gradients on is trained, by whichever part of the trainer."""

        def read(module: torch.nn.Module, arguments: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if torch.is_grad_enabled():
                self.trained += arguments[0].numel()

        hook = model.get_input_embeddings().register_forward_hook(read)
        try:
            yield
        finally:
            hook.remove()

    def sampled(self, step: int, rollouts: Sequence[Rollout]) -> None:
        """Take note of what was sampled."""
        self.generated += sum(end - start for rollout in rollouts for start, end in rollout.tokens.sampled)

    def stepped(self, stats: StepStats) -> None:
        """Take note that a step is over."""
        self.steps.update(list(stats.streams))
        self.last, self.before = self.spent - self.before, self.spent

    def is_spent(self) -> bool:
        """Whether another step would end further from the budget than this one."""
        return self.spent + self.last / 2 >= self.budget
