"""The page on LeDex: its options exist, its scale is the measured one. Its code is run by `test_pages`."""

import re
from pathlib import Path

from burnish.core.plugins import find, options_of
from burnish.signals.ledex import MINILM

PAGE = (Path(__file__).parents[2] / "docs" / "ledex.md").read_text()


def test_the_options_exist():
    given = re.findall(r"--option ([^-\n]*?)(?:\n| \\?\n| --|`|$)", PAGE)
    named = {name for options in given for name in re.findall(r"(\w+)=", options)}
    assert named >= {"answers", "repairs", "repair_temperature", "guarded", "low", "high"}
    assert named <= {*options_of(find("strategy", "collect")), *options_of(find("curation", "ledex_rewards"))}


def test_the_scale_says_where_it_is_from():
    assert "python -m benchmarks.explanations" in MINILM.provenance
    assert "python -m benchmarks.explanations" in PAGE
