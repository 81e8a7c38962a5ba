import base64
import gzip
import json
import re

import pytest

from burnish.core.errors import InputError
from burnish.store.runs import RunStore
from burnish.viewer import comparison_page, run_page


def listed(html):
    data = re.search(r'<script type="text/plain" id="index">(.*?)</script>', html).group(1)
    return json.loads(gzip.decompress(base64.b64decode(data)))


def tags_of(html):
    return {row[0]: set(row[2]) for row in listed(html)}


def test_tasks_are_tagged_by_what_became_of_them(store):
    assert tags_of(run_page(store)) == {
        "mended": {"solved", "repaired"},
        "shallow": {"unsolved", "visible only"},
        "faulty": {"unsolved", "errors"},
        "untouched": {"not tried"},
    }


def test_the_page_names_the_run_and_what_is_missing(store):
    html = run_page(store)
    assert "<h1>first</h1>" in html
    assert "solve · self_debug · embedded" in html
    assert "ended by an error: 1." in html


def test_a_run_is_readable_while_it_is_written(store):
    with RunStore.open(store.folder) as reader:
        assert run_page(reader) == run_page(store)


def test_a_run_without_samples_says_so(tmp_path, make_task):
    with RunStore.create(tmp_path / "empty", {}) as run:
        assert "holds no tasks" in run_page(run)
        run.add_tasks([make_task("t")])
        html = run_page(run)
    assert "no finished sample" in html
    assert tags_of(html) == {"t": {"not tried"}}


def test_a_training_run_shows_its_curves_and_what_it_sampled(trained):
    html = run_page(trained)
    assert re.findall(r'<figure class="chart" aria-label="(.*?)"', html) == [
        "Loss",
        "Reward",
        "Shares of completions",
        "Verdicts of all attempts",
    ]
    assert html.count('class="line"') == 3  # the loss of the only stream is drawn once
    assert "pass@1" not in html
    assert "Tokens are not shown" not in html
    ((task, _, _, facts, _),) = listed(html)
    assert (task, facts.split(" · ")[1]) == ("mean", "2 attempts")


def test_a_run_whose_tokeniser_is_gone_says_so(trained, tmp_path):
    (tmp_path / "model" / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    assert "Tokens are not shown. The tokeniser of" in run_page(trained)
    assert "Tokens are not shown" not in run_page(trained, tokenizer=str(tmp_path))


def test_two_runs_are_compared_task_by_task(store, tmp_path, make_task, make_attempt, judged):
    with RunStore.create(tmp_path / "second", {}) as after:
        after.add_tasks([make_task("mended"), make_task("shallow", "Beware")])
        after.add_attempt(make_attempt("shallow#0/0", "shallow"))
        after.add_verdict("shallow#0/0", "visible", judged("pass"))
        after.add_verdict("shallow#0/0", "hidden", judged("pass", hidden=True))
        html = comparison_page(store, after)
        tags = tags_of(html)
        assert tags["shallow"] == {"better", "solved"}
        assert tags["mended"] == {"one side only", "not tried"}
        assert [row[3] for row in listed(html) if row[0] == "shallow"] == ["answers that pass: before 0 of 1, after 1 of 1"]
        assert {"same"} < tags_of(comparison_page(store, store))["mended"]


def test_runs_without_a_common_task_cannot_be_compared(store, tmp_path, make_task):
    with RunStore.create(tmp_path / "second", {}) as after:
        after.add_tasks([make_task("mended")])
        with pytest.raises(InputError, match="no finished sample"):
            comparison_page(store, after)
