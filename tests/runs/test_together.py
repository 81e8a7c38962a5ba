"""Runs that are solved at once come out as each would alone, and their progress is that of all."""

import asyncio

import msgspec
import pytest

from burnish.core.errors import InputError
from burnish.models.scripted import scripted
from burnish.runs import Part, SolveConfig, open_run, solve_together
from burnish.verifiers.python import python

RIGHT, WRONG = (f"```python\ndef add(a, b):\n    return a {sign} b\n```" for sign in "+-")


def test_every_part_has_its_own_run(tmp_path, add_task):
    seen = []
    policy = scripted(lambda messages, seed: RIGHT if "two" in messages[0].content else WRONG)
    tasks = [[add_task("one")], [add_task("two"), add_task("three")]]
    tasks[1][0] = msgspec.structs.replace(tasks[1][0], prompt="Write two.")
    with open_run(tmp_path / "a", {}, resume=False) as a, open_run(tmp_path / "b", {}, resume=False) as b:
        parts = [Part(tasks[0], python, a, SolveConfig()), Part(tasks[1], python, b, SolveConfig())]
        asyncio.run(solve_together(parts, policy, on_progress=seen.append))
        assert [episode.task_id for episode in a.episodes()] == ["one"]
        assert sorted(episode.task_id for episode in b.episodes()) == ["three", "two"]
    assert (seen[-1].done, seen[-1].total, seen[-1].solved) == (3, 3, 1)


def test_what_one_part_raises_is_raised(tmp_path, add_task):
    with open_run(tmp_path / "a", {}, resume=False) as a, pytest.raises(InputError, match="no tasks"):
        asyncio.run(solve_together([Part([], python, a, SolveConfig())], scripted([])))
