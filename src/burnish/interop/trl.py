"""TRL: reward functions for `GRPOTrainer` and `trl grpo --reward_funcs burnish.interop.trl.shaped`.

The data set has a column `task` beside `prompt`: `burnish export … --to trl` writes one, `rows` makes one in memory. A completion
about which nothing was decided gets None, which TRL leaves out of the group's baseline and of the loss. Needs no TRL itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from burnish.core.records import Task
from burnish.interop.judge import asked, judge, task_of, task_text
from burnish.signals import rewards
from burnish.signals.valuing import Reward, value_of
from burnish.verifiers.base import Limits


def rows(tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """Prompt-only rows: `prompt` (messages, made of what is visible), `task` (for the judge), `task_id`, `group_id`."""
    return [
        {
            "prompt": [{"role": "user", "content": asked(task)}],
            "task": task_text(task),
            "task_id": task.id,
            "group_id": task.group_id,
        }
        for task in tasks
    ]


def reward_function(reward: Reward, *, limits: Limits = Limits()) -> Callable[..., list[float | None]]:
    """A TRL reward function that judges completions by all checks and values the verdicts by `reward`.

    Statuses go to TRL's table of completions as `verdict`. Raises `InputError` for a `task` that is none.
    """

    def function(
        completions: Sequence[Any], task: Sequence[str], log_extra: Callable[..., None] | None = None, **_: Any
    ) -> list[float | None]:
        tasks = [task_of(text) for text in task]
        verdicts = judge(tasks, [_text(completion) for completion in completions], limits)
        if log_extra is not None:
            log_extra("verdict", [verdict.status for verdict in verdicts])
        return [value_of(reward, verdict, task.id) for task, verdict in zip(tasks, verdicts, strict=True)]

    function.__name__ = reward.__name__
    return function


all_passed = reward_function(rewards.all_passed)
pass_rate = reward_function(rewards.pass_rate)
shaped = reward_function(rewards.shaped)


def _text(completion: Any) -> str:
    """Text, or messages whose assistant turns are the reply."""
    if isinstance(completion, str):
        return completion
    return "\n".join(message["content"] for message in completion if message["role"] == "assistant")
