"""The command on a page says which settings were not the usual ones."""

from pathlib import Path

from benchmarks._command import command
from benchmarks.ledex import Options


def test_only_what_differs_is_said():
    assert command("ledex", Options(), "page.md") == "python -m benchmarks.ledex --write page.md"
    options = Options(seeds=(4, 5), max_tokens=96, model="a folder", out=Path("elsewhere"), write=Path("page.md"))
    assert command("ledex", options, "page.md") == (
        "python -m benchmarks.ledex --seeds 4 5 --max-tokens 96 --model 'a folder' --write page.md"
    )
