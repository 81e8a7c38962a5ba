"""A small task, scripted policies, the real judge, and a store to write into."""

import asyncio

import pytest

from burnish.core.records import CheckSpec, Task
from burnish.models.scripted import scripted
from burnish.runs import SolveConfig, solve
from burnish.store.runs import RunStore
from burnish.verifiers.python import python


def _add_task(name="add", hidden_args="(20, 22)"):
    checks = (
        CheckSpec(id="v1", kind="call", data={"args": "(1, 2)", "expected": "3"}),
        CheckSpec(id="h1", kind="call", data={"args": hidden_args, "expected": "42"}, hidden=True),
    )
    return Task(
        id=name, group_id="add", kind="python", prompt="Write `add(a, b)`.", checks=checks, refs=("SECRET",), context={"entry_point": "add"}
    )


@pytest.fixture
def add_task():
    """`add_task(name)`: one visible and one hidden check of an addition."""
    return _add_task


@pytest.fixture
def run(tmp_path):
    """`run(replies, tasks, **config)` solves with a scripted policy and gives the store and the policy."""
    opened = []

    def go(replies, tasks=None, folder="run", **config):
        for store in opened:  # one writer at a time
            store.close()
        policy = scripted(replies)
        path = tmp_path / folder
        store = RunStore.open(path, write=True) if path.exists() else RunStore.create(path, {})
        opened.append(store)
        asyncio.run(solve(tasks or [_add_task()], policy, python, store, SolveConfig(**config)))
        return store, policy

    yield go
    for store in opened:
        store.close()
