"""Task sets are found by name, by split and by import path; wrong names say what exists."""

import pytest

from burnish.core.errors import InputError, UnknownName
from burnish.tasks import load

OWN_SET = """
from burnish.core.records import Task

def mine():
    return [Task(id=f"mine/{n}", group_id=str(n), kind="python", prompt="p", meta={"split": "dev"} if n else {}) for n in range(3)]
"""


@pytest.fixture
def own_path(monkeypatch, tmp_path):
    tmp_path.joinpath("a_users_tasks.py").write_text(OWN_SET)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "a_users_tasks:mine"


def test_dashes_and_underscores_are_the_same():
    assert load("first-functions") == load("first_functions")


def test_splits_partition_the_set():
    whole, train, test = load("first-functions"), load("first-functions:train"), load("first-functions:test")
    assert sorted(task.id for task in train + test) == sorted(task.id for task in whole)
    assert {task.meta["split"] for task in test} == {"test"}


def test_an_import_path_is_a_task_set(own_path):
    assert [task.id for task in load(own_path)] == ["mine/0", "mine/1", "mine/2"]
    assert [task.id for task in load(own_path + ":dev")] == ["mine/1", "mine/2"]


def test_an_unknown_set_lists_the_known_ones():
    with pytest.raises(UnknownName, match="first_functions, humaneval"):
        load("first-function")


def test_an_unknown_split_lists_the_known_ones():
    with pytest.raises(InputError, match=r"no split 'dev'\. Write one of first-functions:test, first-functions:train"):
        load("first-functions:dev")


def test_an_unknown_split_of_a_users_set_lists_the_known_ones(own_path):
    with pytest.raises(InputError, match="Write one of a_users_tasks:mine:dev"):
        load(own_path + ":test")


def test_a_set_without_splits_says_so():
    with pytest.raises(InputError, match="It has none: write 'humaneval'"):
        load("humaneval:test")


def test_too_many_parts_are_refused():
    with pytest.raises(InputError, match="write 'set', 'set:split'"):
        load("first-functions:test:again")
