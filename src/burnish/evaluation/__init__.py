"""Floor 6: metrics and reports of stored runs."""

from burnish.evaluation.compare import Comparison, compare
from burnish.evaluation.metrics import Interval, bootstrap_interval, mean_pass_at_k, paired_interval, pass_at_k, wilson_interval
from burnish.evaluation.report import Evaluation, PassAtK, Standing, TaskResult, evaluate
from burnish.evaluation.samples import Evidence

__all__ = [
    "Comparison",
    "Evaluation",
    "Evidence",
    "Interval",
    "PassAtK",
    "Standing",
    "TaskResult",
    "bootstrap_interval",
    "compare",
    "evaluate",
    "mean_pass_at_k",
    "paired_interval",
    "pass_at_k",
    "wilson_interval",
]
