"""The documentation's code runs, and its commands exist."""

import re
from pathlib import Path

import pytest

from burnish.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [(page, block) for page in PAGES for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)]
COMMANDS = sorted({match for page in PAGES for match in re.findall(r"`burnish ([a-z]+(?: (?:sft|grpo))?)", page.read_text())})


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=lambda value: value.name if isinstance(value, Path) else None)
def test_python_blocks_run(page, block):
    exec(compile(block, str(page), "exec"), {})


@pytest.mark.parametrize("command", COMMANDS)
def test_named_commands_exist(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--help"])
    assert not stopped.value.code


def test_there_is_something_to_check():
    assert BLOCKS
    assert "train grpo" in COMMANDS
