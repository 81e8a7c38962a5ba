"""Our tasks inside Inspect, with a model that answers what it is told to."""

import math

import pytest

inspect_ai = pytest.importorskip("inspect_ai")


def test_inspect_runs_our_tasks_with_our_judge(tmp_path, add_task, monkeypatch):
    import msgspec
    from inspect_ai.model import ModelOutput, get_model

    from burnish.interop.inspect import burnish_tasks
    from burnish.store.jsonl import write_records

    monkeypatch.setenv("INSPECT_DISPLAY", "none")
    tasks = [add_task(), add_task("wrong"), msgspec.structs.replace(add_task("odd"), kind="c", checks=add_task().checks[:1])]
    write_records(tmp_path / "tasks.jsonl", tasks[:2])
    answers = ["```python\ndef add(a, b):\n    return a + b\n```", "I do not know."]
    model = get_model("mockllm/model", custom_outputs=[ModelOutput.from_content("mockllm", text) for text in answers])
    (log,) = inspect_ai.eval(
        burnish_tasks(str(tmp_path / "tasks.jsonl")), model=model, log_dir=str(tmp_path / "logs"), max_samples=1, display="none"
    )
    assert log.status == "success", log.error
    scores = {sample.id: sample.scores["burnish_scorer"] for sample in log.samples}
    assert {name: score.value for name, score in scores.items()} == {"add": 1.0, "wrong": 0.0}
    assert scores["add"].answer == "def add(a, b):\n    return a + b\n"
    assert not any(math.isnan(score.value) for score in scores.values())
