import asyncio
import json

import pytest
from tests.exports.conftest import ANSWERS, DECIDED, RIGHT, SECRET, WRONG

from burnish.exports import export


def test_a_trace_has_the_reward_of_its_answer_or_none(store, tmp_path):
    assert export(store, tmp_path, "verifiers") == {"burnish_tasks/tasks.jsonl": 6, "traces.jsonl": len(ANSWERS)}
    episodes = [json.loads(line) for line in (tmp_path / "traces.jsonl").read_text().splitlines()]
    traces = {episode["id"]: episode["traces"][0] for episode in episodes}
    rewards = {name: trace["rewards"]["judged"] for name, trace in traces.items()}
    assert {name for name, reward in rewards.items() if reward is not None} == DECIDED | {"attack#0/0"}
    assert rewards["shallow#0/0"] == {"score": 0.25}
    assert {name for name, trace in traces.items() if trace["errors"]} == {"undecided#0/0", "faulty#0/0"}
    assert all(SECRET not in str(trace["nodes"]) and SECRET not in trace["task"]["data"]["prompt"] for trace in traces.values())


def test_verifiers_reads_the_traces_with_their_tokens(store, tmp_path):
    vf = pytest.importorskip("verifiers.v1", reason="verifiers wants an environment of its own: docs/interop.md")
    from verifiers.v1.utils.trace_store import read_episodes

    export(store, tmp_path, "verifiers")
    episodes = {episode.id: episode for episode in read_episodes(tmp_path, vf.WireTrace)}
    assert episodes.keys() == ANSWERS.keys()
    repair = episodes["mended#0/1"].traces[0]
    (branch,) = repair.branches
    assert branch.token_ids == [7, 8, 9, 10]
    assert branch.sampled_mask == [False, False, True, True]
    assert branch.logprobs == [0.0, 0.0, -0.5, -0.25]
    assert repair.reward == 1.0
    assert repair.info["attempt_id"] == "mended#0/1"
    assert episodes["faulty#0/0"].traces[0].rewards == {"judged": None}
    assert not episodes["faulty#0/0"].ok


def test_the_package_is_a_taskset_that_judges(store, tmp_path, monkeypatch):
    vf = pytest.importorskip("verifiers.v1", reason="verifiers wants an environment of its own: docs/interop.md")
    export(store, tmp_path, "verifiers", {"name": "added_up"})
    monkeypatch.syspath_prepend(tmp_path)
    config = vf.taskset_config_type("added_up")(id="added_up")
    tasks = {task.data.id: task for task in vf.load_taskset(config)}
    assert tasks.keys() == {task.id for task in store.tasks()}
    task = tasks["set/shallow"]
    assert asyncio.run(task.validate(None)) is True
    assert SECRET not in task.data.prompt

    def reward(program):
        trace = vf.Trace[type(task.data)].model_validate(
            {"task": {"type": "BurnishTask", "data": task.data}, "agent": {"config": {}}, "root_reply": f"```python\n{program}```"}
        )
        asyncio.run(task.score(trace))
        return trace.reward

    assert (reward(RIGHT), reward(WRONG)) == (1.0, 0.0)
