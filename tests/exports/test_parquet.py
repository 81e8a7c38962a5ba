import json

import pytest
from tests.exports.conftest import ANSWERS, DECIDED

from burnish.core.records import Attempt, Message
from burnish.exports import export

pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def tables(store, tmp_path):
    plan = Attempt(id="mended#0/2", task_id="set/mended", op="plan", messages=(Message(role="user", content="Plan."),), text="First …",
                   artefacts={"plan": "First …"})  # fmt: skip
    store.add_attempt(plan)
    counts = export(store, tmp_path / "out", "parquet")
    return {name: pq.read_table(tmp_path / "out" / name).to_pylist() for name in counts}


def test_every_record_has_its_row(store, tables):
    assert {name: len(rows) for name, rows in tables.items()} == {
        "tasks.parquet": 6,
        "attempts.parquet": len(ANSWERS) + 1,
        "checks.parquet": 2 * (len(ANSWERS) - 1),  # an attack leaves no check
        "episodes.parquet": 7,
    }
    attempts = {row["attempt_id"]: row for row in tables["attempts.parquet"]}
    for attempt in store.attempts():
        row = attempts[attempt.id]
        assert (row["text"], row["program"], row["parent_id"]) == (attempt.text, attempt.artefacts.get("code"), attempt.parent_id)
        assert row["messages"] == [{"role": message.role, "content": message.content} for message in attempt.messages]
        if attempt.tokens:
            assert (row["token_ids"], row["sampled"], row["logprobs"]) == ([7, 8, 9, 10], [[2, 4]], [-0.5, -0.25])
            assert (row["policy"], row["policy_version"], row["verifier"]) == ("tiny", "3", "python 9")


def test_a_reward_is_null_where_nothing_was_decided(store, tables):
    rewards = {row["attempt_id"]: row["shaped"] for row in tables["attempts.parquet"]}
    assert {name for name, value in rewards.items() if value is not None} == DECIDED | {"attack#0/0"}
    assert (rewards["mended#0/0"], rewards["mended#0/1"], rewards["shallow#0/0"]) == (0.0, 1.0, 0.25)
    assert {row["status"] for row in tables["attempts.parquet"] if row["shaped"] is None} == {"unknown", "error"}


def test_tasks_are_whole(store, tables):
    assert [json.loads(row["task"])["id"] for row in tables["tasks.parquet"]] == [task.id for task in store.tasks()]
    assert {(row["visible_checks"], row["hidden_checks"]) for row in tables["tasks.parquet"]} == {(1, 1)}
