"""docs/tokens.md: its example runs, and the tests that it names exist, one for each pitfall."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tokens.md").read_text()
TESTS = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


def test_the_example_runs():
    (example,) = re.findall(r"^```python\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(example, "docs/tokens.md", "exec"), {})


def test_every_test_that_the_page_names_exists():
    names = re.findall(r"`(test_\w+)`", PAGE)
    assert [name for name in names if f"def {name}" not in TESTS] == []


def test_every_pitfall_has_its_row():
    assert re.findall(r"\| `test_pitfall_(\d\d)` \|", PAGE) == [f"{number:02}" for number in range(1, 23)]
