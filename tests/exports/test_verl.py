import asyncio

import pytest
from tests.exports.conftest import RIGHT, SECRET, WRONG

from burnish.exports import export
from burnish.interop.verl import compute_score

datasets = pytest.importorskip("datasets")


@pytest.fixture
def read(store, tmp_path):
    export(store, tmp_path / "out", "verl")

    def rows(name):
        found = datasets.load_dataset("parquet", data_files=str(tmp_path / "out" / name), cache_dir=str(tmp_path / "cache"))
        return list(found["train"])

    return rows


def test_rows_have_verl_s_columns_and_its_reward_judges_by_them(read):
    rows = read("train.parquet")
    assert len(rows) == 6
    assert all(SECRET not in str(row["prompt"]) and SECRET in row["reward_model"]["ground_truth"] for row in rows)
    assert rows[1]["extra_info"] == {"index": 1, "task_id": "set/shallow", "group_id": "add"}

    def score(reply, **options):
        row = rows[0]
        truth = row["reward_model"]["ground_truth"]
        return asyncio.run(compute_score(row["data_source"], reply, truth, row["extra_info"], **options))

    assert score(f"```python\n{RIGHT}```") == {"score": 1.0, "passed": 1.0, "verdict": "pass"}
    assert score(f"```python\n{WRONG}```")["score"] == 0.0
    assert score("No idea.") == {"score": 0.0, "passed": 0.0, "verdict": "invalid"}
    half = "```python\ndef add(a, b):\n    return 3\n```"
    assert (score(half)["score"], score(half, reward="all_passed")["score"]) == (0.25, 0.0)


def test_only_verified_answers_are_shown_to_fine_tuning(read):
    rows = read("sft.parquet")
    assert [row["attempt_id"] for row in rows] == ["mended#0/1", "mended#1/0"]
    assert [message["role"] for message in rows[0]["messages"]] == ["user", "user", "assistant"]
    assert rows[0]["verifier"] == "python 9"
