import json
import math
import zipfile

import pytest
from tests.exports.conftest import SECRET

from burnish.evaluation import evaluate
from burnish.exports import export


@pytest.fixture
def log(store, tmp_path):
    (name,) = export(store, tmp_path / "logs", "inspect")
    return tmp_path / "logs" / name


def test_a_score_is_given_only_where_something_was_decided(store, log):
    with zipfile.ZipFile(log) as archive:
        samples = [json.loads(archive.read(name)) for name in archive.namelist() if name.startswith("samples/")]
        (score,) = json.loads(archive.read("header.json"))["results"]["scores"]
    values = {(sample["id"], sample["epoch"]): sample["scores"].get("all_passed", {}).get("value") for sample in samples}
    assert math.isnan(values.pop(("set/undecided", 1)))
    assert values == {
        ("set/mended", 1): 1.0,
        ("set/mended", 2): 1.0,
        ("set/shallow", 1): 0.0,
        ("set/attack", 1): 0.0,
        ("set/silent", 1): 0.0,  # it ended with nothing handed in
        ("set/faulty", 1): None,
    }
    assert (score["scored_samples"], score["unscored_samples"]) == (5, 2)
    standing = evaluate(store).answers
    assert score["metrics"]["mean"]["value"] == pytest.approx(2 / 5)
    assert (standing.samples - standing.unscored, standing.passed) == (5, 2)


def test_no_sample_shows_a_hidden_check(log):
    with zipfile.ZipFile(log) as archive:
        assert not any(SECRET.encode() in archive.read(name) for name in archive.namelist())
        repaired = json.loads(archive.read("samples/set/mended_epoch_1.json"))
    assert repaired["scores"]["all_passed"]["explanation"].startswith("pass: 1 of 1 visible checks passed; 1 of 1 hidden checks passed.")
    assert [event["data"]["attempt"] for event in repaired["events"]] == ["mended#0/0", "mended#0/1"]
    assert "add(1, 2) returned -1" in repaired["events"][0]["data"]["verdict"]


def test_inspect_reads_the_log(log):
    logs = pytest.importorskip("inspect_ai.log", reason="inspect_ai wants an environment of its own: docs/interop.md")
    header = logs.read_eval_log(str(log), header_only=True)
    assert header.status == "success"
    assert (header.eval.model, header.plan.steps[0].solver) == ("tiny", "self_debug")
    assert header.eval.metadata["manifest"]["tasks"] == "mine"
    whole = logs.read_eval_log(str(log))
    assert len(whole.samples) == 7
    assert len(logs.read_eval_log_sample_summaries(str(log))) == 7
    faulty = logs.read_eval_log_sample(str(log), id="set/faulty", epoch=1)
    assert faulty.error.message == "SandboxError: no seat"
    assert not faulty.scores
    assert logs.read_eval_log_sample(str(log), id="set/mended", epoch=1).output.completion.startswith("Here:")
