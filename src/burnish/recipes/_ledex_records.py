"""What LeDex found."""

from __future__ import annotations

from burnish.core.records import Record
from burnish.evaluation import Comparison, Evaluation, Standing
from burnish.recipes._ledex_config import LedexConfig
from burnish.recipes._protocol import Explained, Format


class LedexResult(Record):
    """What the recipe found. `evaluations` are by model (`base`, `sft`, `rl`), task set and format; so is `explained` without formats.

    `gains` compare a trained model with the base model. `notes` say what was left out and why.
    """

    config: LedexConfig
    evaluations: dict[str, dict[str, dict[Format, Evaluation]]]
    explained: dict[str, dict[str, Explained]]
    gains: dict[str, Comparison]
    examples: dict[str, int]
    left_out: int
    notes: tuple[str, ...]
    seconds: dict[str, float]
    checkpoint: str
    report: str

    def lines(self) -> list[str]:
        """One line for each model, task set and format."""
        rows = [
            f"{model}, {tasks}, {form}: {standing_line(evaluation)}"
            for model, sets in self.evaluations.items()
            for tasks, forms in sets.items()
            for form, evaluation in forms.items()
        ]
        return [*rows, *self.notes]


def standing_line(evaluation: Evaluation) -> str:
    """pass@1 before and after refinement, and the success refinement rate of the last round."""
    first, last = evaluation.rounds[0], evaluation.rounds[-1]
    return f"pass@1 {_pass_at_1(first)} → {_pass_at_1(last)}, repaired {last.refined} of {last.failing_before}{_rate(last)}"


def _pass_at_1(standing: Standing) -> str:
    found = next((one for one in standing.pass_at_k if one.k == 1), None)
    return "not decided" if found is None else f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _rate(standing: Standing) -> str:
    rate = standing.rate
    return "" if rate is None else f" ({rate.value:.1%} [{rate.low:.1%}, {rate.high:.1%}])"
