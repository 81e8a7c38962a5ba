"""verl: `compute_score` for `reward.custom_reward_function`, beside the Parquet files of `burnish export … --to verl`.

    reward.custom_reward_function.path=pkg://burnish.interop.verl reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs.reward=all_passed

verl wants a number for every sample. Where nothing was decided there is none, so this raises and the run stops; it never
learns from a made-up zero. Needs no verl itself.
"""

from __future__ import annotations

from typing import Any

from burnish.core.errors import SandboxError
from burnish.interop.judge import ajudge, task_of
from burnish.signals.valuing import reward_named, value_of

DATA_SOURCE = "burnish"
"""What the exported rows say in `data_source`."""
TRIES = 3
"""How often a judge that fails is asked."""


async def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: dict[str, Any] | None = None, *, reward: str = "shaped", **_: Any
) -> dict[str, Any]:
    """`{"score", "passed", "verdict"}` of one reply; `ground_truth` is the task as exported.

    `reward` is one of `burnish.signals.rewards` or an import path. Raises `SandboxError` if nothing could be decided.
    """
    task, value = task_of(ground_truth), reward_named(reward)
    for _attempt in range(TRIES):
        verdict = await ajudge(task, solution_str)
        if verdict.status != "error":
            break
    score = value_of(value, verdict, task.id)
    if score is None:
        raise SandboxError(
            f"Nothing could be decided about a reply to task {task.id!r} ({verdict.status}), and verl cannot leave a sample out. "
            "See `burnish doctor`; take the task out if its checks decide nothing."
        )
    return {"score": score, "passed": float(verdict.passed), "verdict": verdict.status}
