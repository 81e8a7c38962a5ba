"""What the demo is given and what it found."""

from __future__ import annotations

from typing import Self

from burnish.core.records import Record, Sampling
from burnish.evaluation import Comparison, Evaluation
from burnish.recipes.base import RecipeConfig
from burnish.signals.prompts import STOP
from burnish.training.config import TrainConfig


class DemoConfig(RecipeConfig):
    """The sizes of the demo. The defaults fit ten minutes on two CPU cores; `quick()` fits three."""

    model: str = "embedded"
    tasks: str = "first-functions"
    seed: int = 0
    train_tasks: int | None = None
    test_tasks: int | None = None
    test_samples: int = 2
    train_samples: int = 2
    rounds: int = 1
    sampling: Sampling = Sampling(temperature=0.8, max_tokens=128, stop=STOP)
    per_task: int = 3
    sft: TrainConfig = TrainConfig(learning_rate=5e-5, epochs=2, batch_size=8, micro_tokens=1024, save_every=1000)
    grpo: TrainConfig = TrainConfig(
        learning_rate=1e-5, warmup=1, steps=4, tasks_per_step=6, group_size=8, micro_tokens=1024, max_tokens=128, schedule="constant"
    )
    is_thin: bool = False

    @classmethod
    def quick(cls) -> Self:
        """A thinner demo: fewer tasks and samples, one epoch, one GRPO step. Its intervals are wide."""
        return cls(
            train_tasks=40,
            test_tasks=24,
            test_samples=1,
            train_samples=2,
            sft=TrainConfig(learning_rate=5e-5, epochs=1, batch_size=8, save_every=1000),
            grpo=TrainConfig(learning_rate=1e-5, warmup=1, steps=1, tasks_per_step=4, group_size=6, max_tokens=96, schedule="constant"),
            is_thin=True,
        )


class DemoResult(Record):
    """What the demo found. `first` compares first answers (pass@1 by all tests, hidden included), `repaired` answers after repair."""

    config: DemoConfig
    before: Evaluation
    after: Evaluation
    first: Comparison
    repaired: Comparison
    examples: dict[str, int]
    seconds: dict[str, float]
    checkpoint: str
    report: str

    def lines(self) -> list[str]:
        """Both comparisons."""
        return [f"first answer: {self.first.text}", f"after one repair: {self.repaired.text}"]
