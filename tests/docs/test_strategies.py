"""The page on strategies: its table is true, what it costs is counted, and its example runs."""

import re
from pathlib import Path

import pytest
from tests.strategies.conftest import program
from tests.strategies.test_properties import babble

from burnish.core import plugins

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "strategies.md").read_text()
COSTS = {name: int(calls) for name, calls in re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", PAGE, re.MULTILINE)}
WRONG = "```python\ndef add(a, b):\n    return a - b - 1\n```"


def test_every_strategy_of_the_table_exists():
    assert len(COSTS) >= 8
    assert COSTS.keys() <= set(plugins.names("strategy"))


@pytest.mark.parametrize(("name", "calls"), COSTS.items())
def test_the_table_tells_the_calls_when_nothing_ever_passes(run, add_task, name, calls):
    checked = []

    def never_right(messages, seed):
        text = messages[-1].content
        if "Check each verification" in text:
            checked.append(text)
            return "Correct Analysis" if len(checked) % 12 == 0 else "Incorrect Analysis"
        if "Verify the plan" in text:
            return "[Plan Verification for test 1] [Correct Plan]"
        return WRONG if not text.count("different next thoughts") else babble(messages, seed)

    _, policy = run(never_right, [add_task()], strategy=name)
    assert policy.calls == calls


def test_the_example_runs(run, add_task, tmp_path, monkeypatch):
    (example,) = re.findall(r'title="my_module.py"\n(.*?)```', (DOCS / "extending.md").read_text(), re.DOTALL)
    (tmp_path / "my_module.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    replies = [WRONG, program("a + b")]
    store, policy = run(replies, strategy="my_module:twice", options={"temperature": 0.5})
    assert policy.calls == 2
    assert store.label(store.episodes()[0].answer).passed
