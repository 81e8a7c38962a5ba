import re

from burnish.store.runs import RunStore
from burnish.viewer import run_page


def tags_of(html):
    found = re.findall(r'<details class="entry" data-id="(.*?)" data-tags="(.*?)"', html)
    return {name: set(tags.split("|")) for name, tags in found}


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
