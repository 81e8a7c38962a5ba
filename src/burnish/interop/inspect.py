"""Inspect: our tasks with our judge as scorer, `inspect eval burnish/burnish_tasks -T tasks=first-functions:test --model …`.

A sample holds only what is visible; the scorer finds the whole task by its id. Where nothing was decided the score is Inspect's
`unscored`, which no metric counts. Needs `pip install 'burnish[inspect]'`.
"""

from __future__ import annotations

from typing import Any

from burnish.core.errors import Unavailable
from burnish.interop.judge import ajudge, asked, told
from burnish.signals.valuing import reward_named, value_of
from burnish.tasks import load
from burnish.text.code import program_in

try:
    from inspect_ai import Task, task
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import Score, Scorer, mean, scorer, stderr
    from inspect_ai.solver import generate
except ImportError as error:
    raise Unavailable(f"The tasks need inspect_ai ({error}): pip install 'burnish[inspect]'") from error


@task
def burnish_tasks(tasks: str = "first-functions:test", reward: str = "all_passed") -> Task:
    """The tasks of a set or a JSONL file, answered once each and judged by all their checks."""
    samples = [Sample(id=each.id, input=asked(each)) for each in load(tasks)]
    return Task(dataset=samples, solver=generate(), scorer=burnish_scorer(tasks, reward))


@scorer(metrics=[mean(), stderr()])
def burnish_scorer(tasks: str, reward: str = "all_passed") -> Scorer:
    """Judges the program in a reply by all checks of the task that the sample's id names, and values the verdict by `reward`."""
    by_id, value = {each.id: each for each in load(tasks)}, reward_named(reward)

    async def score(state: Any, target: Any) -> Score:
        known, reply = by_id[state.sample_id], state.output.completion
        verdict = await ajudge(known, reply)
        about = {"answer": program_in(known, reply), "explanation": told(verdict), "metadata": {"verdict": verdict.status}}
        number = value_of(value, verdict, known.id)
        return Score.unscored(reason="scoring_failed", **about) if number is None else Score(value=number, **about)

    return score
