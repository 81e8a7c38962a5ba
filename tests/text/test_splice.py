"""Splicing: what a reply defines anew takes its place in the file, the rest of the file stays as it is."""

from hypothesis import given
from hypothesis import strategies as st

from burnish.text.splice import splice

FILE = '''"""Doc."""
from __future__ import annotations
import os

LIMIT = 3


# adds
def add(a, b):
    return a - b


@staticmethod
def other(x):
    return x  # keep me


print(os.name)
'''


def test_a_new_definition_takes_the_place_of_the_old_one():
    whole = splice(FILE, "def add(a, b):\n    # fixed\n    return a + b\n")
    assert whole == FILE.replace("    return a - b", "    # fixed\n    return a + b")


def test_imports_go_to_the_top_and_helpers_before_the_first_definition():
    whole = splice(FILE, "import math\nimport os\n\ndef helper():\n    return 1\n\ndef add(a, b):\n    return helper() + math.pi\n")
    compile(whole, "x", "exec")
    assert (
        whole.index("__future__") < whole.index("import math") < whole.index("LIMIT") < whole.index("def helper") < whole.index("def add")
    )
    assert whole.count("import os\n") == 1
    assert "# keep me" in whole


def test_decorators_belong_to_a_definition():
    assert "@staticmethod" not in splice(FILE, "def other(x):\n    return 2\n")


def test_a_whole_file_stands_for_itself():
    reply = FILE.replace("a - b", "a + b")
    assert splice(FILE, reply) == reply


def test_what_shares_no_name_or_cannot_be_parsed_is_left_as_it_is():
    for reply in ("def unrelated(): pass\n", "def add(a, b) return a", ""):
        assert splice(FILE, reply) == reply
    assert splice("def add(a, b) return a", "def add(a, b): return a") == "def add(a, b): return a"


@given(st.lists(st.sampled_from(["f", "g", "h"]), min_size=1, max_size=3, unique=True), st.sampled_from(["f", "g", "h", "k"]))
def test_the_result_defines_every_name_once(old, new):
    original = "\n\n".join(f"def {name}():\n    return 'old'" for name in old) + "\n"
    whole = splice(original, f"def {new}():\n    return 'new'\n")
    if new in old:
        assert sorted(line for line in whole.splitlines() if line.startswith("def")) == sorted(f"def {name}():" for name in old)
        assert whole.count("'new'") == 1
