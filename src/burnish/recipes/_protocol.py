"""LeDex's evaluation (arXiv 2405.18649, section 4): answers, then one repair of each failing one, for up to three rounds.

Once told to repair, once told to explain first; both begin with the same prompts and seeds. What the explanations are worth: how like
they are to those of verified repairs, and whether they help a model that has learned nothing (`evaluation.explanations`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Annotated, Literal, Self

from burnish.core.errors import InputError
from burnish.core.records import Record, Sampling, Task
from burnish.core.seeds import derive_seed
from burnish.evaluation import Evaluation, evaluate
from burnish.evaluation.explanations import ARMS, Similarity, Usefulness, explained_problems, similarity, usefulness
from burnish.models.base import Policy
from burnish.recipes._work import Trial, Work, spread
from burnish.recipes.base import ours, paper
from burnish.runs import SolveConfig
from burnish.signals.ledex import Embed, Scale
from burnish.signals.prompts import STOP
from burnish.store.runs import RunStore
from burnish.tasks import load as load_tasks

Format = Literal["repair", "explain"]


class Protocol(Record, forbid_unknown_fields=True):
    """What is measured, and how."""

    tasks: Annotated[tuple[str, ...], ours("MBPP, HumanEval and their + versions in the paper")] = ("first-functions:test",)
    limit: Annotated[int | None, ours("so many tasks of each set, at even distances; all if left out")] = None
    samples: Annotated[int, ours("100 in the paper")] = 2
    rounds: Annotated[int, paper("1 in its tables, up to 3")] = 1
    temperature: Annotated[float, paper()] = 0.8
    max_tokens: Annotated[int, ours()] = 160
    formats: Annotated[tuple[Format, ...], paper("with and without an explanation")] = ("repair", "explain")
    ks: Annotated[tuple[int, ...], ours("1, 10 and 100 in the paper; those above `samples` are left out")] = (1, 2, 5, 10)
    problems: Annotated[int, ours("wrong programs on which explanations are tried; 0: explanations are not measured")] = 24
    draws: Annotated[int, ours("repairs of each by the fresh model")] = 2

    def __post_init__(self) -> None:
        if not self.tasks or not self.formats or min(self.samples, self.rounds, self.draws) < 1 or self.problems < 0:
            raise InputError(
                "To measure, tasks and formats must not be empty, samples, rounds and draws be at least 1, and problems not negative; "
                f"found {self}."
            )

    @classmethod
    def quick(cls) -> Self:
        """Few tasks, one sample."""
        return cls(limit=16, samples=1, max_tokens=96, problems=6, draws=1)

    def load(self) -> dict[str, list[Task]]:
        """The tasks by the name of their set."""
        return {name: spread(load_tasks(name), self.limit) for name in self.tasks}

    @property
    def weighs_explanations(self) -> bool:
        """Whether it is measured what explanations are worth."""
        return "explain" in self.formats and self.problems > 0

    @property
    def sampling(self) -> Sampling:
        """How answers and repairs are drawn."""
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens, stop=STOP)


class Explained(Record):
    """What a model's explanations are worth. `usefulness` None: fewer than two tasks have explained failures."""

    similarity: Similarity
    usefulness: Usefulness | None = None


def folder_of(model: str, tasks: str, form: Format) -> str:
    """Where a model's run on a task set in a format lies: `measure-base/humaneval-explain`."""
    return f"measure-{model}/{tasks.replace(':', '.').replace('/', '.')}-{form}"


def refine(work: Work, title: str, model: str, protocol: Protocol, seed: int) -> dict[str, dict[Format, Evaluation]]:
    """Let the model of now answer and refine, on all task sets in all formats at once; evaluations by task set and format.

    The run folders are those of `folder_of`.
    """
    found: dict[str, dict[Format, Evaluation]] = {}
    ks = tuple(k for k in protocol.ks if k <= protocol.samples) or (1,)
    configs = {
        form: SolveConfig(
            strategy="ledex",
            options={"rounds": protocol.rounds, "explain": form == "explain"},
            samples=protocol.samples,
            sampling=protocol.sampling,
            seed=derive_seed(seed, "measure"),
        )
        for form in protocol.formats
    }
    keys = [(name, tasks, form) for name, tasks in protocol.load().items() for form in protocol.formats]
    trials = [Trial(folder_of(model, name, form), tasks, name, configs[form]) for name, tasks, form in keys]
    for (name, _, form), folder in zip(keys, work.solve_together(title, f"measure-{model}", trials), strict=True):
        with RunStore.open(folder) as store:
            found.setdefault(name, {})[form] = evaluate(store, ks=ks)
    return found


def explained(
    work: Work,
    title: str,
    models: Sequence[str],
    protocol: Protocol,
    seed: int,
    *,
    embed: Callable[[], Embed],
    scale: Scale,
    fresh: Callable[[], Policy],
) -> dict[str, dict[str, Explained]]:
    """What the explanations of `models` are worth, by model and task set, from their runs in the format `explain`.

    Verified explanations are those of all these models on the same tasks. `fresh` loads the model that is told explanations.
    """
    found: dict[str, dict[str, Explained]] = {model: {} for model in models}
    if not protocol.weighs_explanations:
        return found
    helper, encoder = _Helper(work, title, protocol, seed, fresh), embed()
    try:
        for name in protocol.tasks:
            with ExitStack() as opened:
                runs = {model: opened.enter_context(RunStore.open(work.folder / folder_of(model, name, "explain"))) for model in models}
                for model, store in runs.items():
                    like = similarity(store, [*runs.values()], encoder, scale=scale)
                    found[model][name] = Explained(similarity=like, usefulness=helper.usefulness(model, name, store))
    finally:
        helper.close()
    return found


class _Helper:
    """The fresh model at work. It is loaded when it is first needed."""

    def __init__(self, work: Work, title: str, protocol: Protocol, seed: int, fresh: Callable[[], Policy]) -> None:
        self._work, self._title, self._protocol, self._seed, self._fresh = work, title, protocol, seed, fresh
        self._policy: Policy | None = None

    def usefulness(self, model: str, tasks: str, store: RunStore) -> Usefulness | None:
        """None if fewer than two tasks have explained failures."""
        problems = explained_problems(store, most=self._protocol.problems, seed=self._seed)
        if not problems:
            return None
        if self._policy is None:
            self._policy = self._fresh()
        run = folder_of(model, tasks, "explain")
        trials = [Trial(f"{run}-told-{told or 'nothing'}", problems, tasks, self._config(told)) for told in ARMS]
        evaluations = []
        for folder in self._work.solve_together(self._title.format(run), f"{run}-told", trials, policy=self._policy):
            with RunStore.open(folder) as opened:
                evaluations.append(evaluate(opened))
        nothing, told, other = evaluations
        return usefulness(nothing, told, other, problems)

    def _config(self, told: str) -> SolveConfig:
        return SolveConfig(
            strategy="explained_repair",
            options={"told": told},
            samples=self._protocol.draws,
            sampling=self._protocol.sampling,
            seed=derive_seed(self._seed, "usefulness"),
        )

    def close(self) -> None:
        """Stop the fresh model, if it was loaded."""
        if self._policy is not None:
            asyncio.run(self._policy.aclose())
