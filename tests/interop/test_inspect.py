"""Our tasks inside Inspect, with a model that answers what it is told to."""

import math

import pytest

from burnish.store.jsonl import write_records

inspect_ai = pytest.importorskip("inspect_ai", reason="inspect_ai wants an environment of its own: docs/interop.md")
ANSWERS = ["```python\ndef add(a, b):\n    return a + b\n```", "I do not know."]


def undecided(verdict):
    """A reward that decides nothing."""


@pytest.mark.filterwarnings("default")  # Inspect's own dependencies deprecate each other
@pytest.mark.parametrize("reward", ["all_passed", "tests.interop.test_inspect:undecided"])
def test_inspect_runs_our_tasks_with_our_judge(tmp_path, add_task, reward):
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    from burnish.interop.inspect import burnish_tasks

    write_records(tmp_path / "tasks.jsonl", [add_task(), add_task("wrong")])
    outputs = [ModelOutput.from_content("mockllm", text) for text in ANSWERS]
    for output in outputs:
        output.usage = ModelUsage(input_tokens=1, output_tokens=1)  # else it counts with a vocabulary that it downloads
    model = get_model("mockllm/model", custom_outputs=outputs)
    task = burnish_tasks(str(tmp_path / "tasks.jsonl"), reward)
    (log,) = inspect_ai.eval(task, model=model, log_dir=str(tmp_path / "logs"), max_samples=1, display="none")
    assert log.status == "success", log.error
    scores = {sample.id: sample.scores["burnish_scorer"] for sample in log.samples}
    assert scores["add"].answer == "def add(a, b):\n    return a + b\n"
    if reward == "all_passed":
        assert {name: score.value for name, score in scores.items()} == {"add": 1.0, "wrong": 0.0}
        assert log.results.scores[0].metrics["mean"].value == 0.5
    else:
        assert all(math.isnan(score.value) and score.reason == "scoring_failed" for score in scores.values())
        assert log.results.scores[0].unscored_samples == 2
