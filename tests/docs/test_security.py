"""The table of docs/security.md and the corpus of attacks name the same classes and files."""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORPUS = sorted((ROOT / "tests/attacks/corpus").glob("*.py"))
ROWS = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", (ROOT / "docs/security.md").read_text(), re.MULTILINE)[1:]


def test_every_class_of_attack_has_its_row_and_every_row_its_attacks():
    classes = {(row[0], path.name) for path in CORPUS for row in runpy.run_path(str(path))["ATTACKS"]}
    told = {(name, re.findall(r"`(.+?)`", tested_by)[0]) for name, _, tested_by, _ in ROWS}
    assert told == classes | {("hostile tests", "hostile_tests.py")}


def test_every_test_that_the_table_names_exists():
    written = "".join(path.read_text() + path.name for path in (ROOT / "tests").rglob("*.py"))
    for _, _, tested_by, _ in ROWS:
        for name in re.findall(r"`(.+?)`", tested_by):
            assert name in written, name
