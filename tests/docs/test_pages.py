"""The documentation's code runs, page by page in a folder of its own, its commands exist, and the site builds.

Blocks with a title are files; blocks of Python run, each by itself; lines that begin with `burnish` run where `<!-- run -->`
stands before the block.
"""

import contextlib
import re
import shlex
from pathlib import Path

import pytest

from burnish.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r'^(<!-- run -->\n)?```(\w+)(?: title="([\w.]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)


def steps(page):
    """What is done with the page: `(do, name, text)` in order."""
    for run, language, title, text in BLOCK.findall(page.read_text()):
        if title:
            yield "write", title, text
        elif language == "python":
            yield "execute", str(page), text
        elif run:
            yield from (("call", line, line) for line in text.splitlines() if line.startswith("burnish "))


STEPS = {str(page.relative_to(ROOT)): list(steps(page)) for page in PAGES}
COMMANDS = sorted({match for page in PAGES for match in re.findall(r"`burnish ([a-z]+(?: (?:sft|grpo))?)", page.read_text())})


@pytest.mark.parametrize("page", [page for page, found in STEPS.items() if found])
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    for do, name, text in STEPS[page]:
        if do == "write":
            (tmp_path / name).write_text(text)
        elif do == "execute":
            exec(compile(text, name, "exec"), {})
        else:
            with pytest.raises(SystemExit) as stopped, contextlib.redirect_stdout(None):
                main(shlex.split(text, comments=True)[1:])
            assert not stopped.value.code, name


@pytest.mark.parametrize("command", COMMANDS)
def test_named_commands_exist(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--help"])
    assert not stopped.value.code


def test_there_is_something_to_check():
    assert "train grpo" in COMMANDS
    done = {do for found in STEPS.values() for do, _, _ in found}
    assert done == {"write", "execute", "call"}
    assert len([page for page, found in STEPS.items() if found]) >= 6


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"([\w/]+\.md)", (ROOT / "mkdocs.yml").read_text())
    assert sorted(listed) == sorted(str(page.relative_to(ROOT / "docs")) for page in PAGES[1:])


def test_the_site_builds_without_a_warning(tmp_path):
    config = pytest.importorskip("mkdocs.config")
    build = pytest.importorskip("mkdocs.commands.build")
    pytest.importorskip("mkdocstrings")
    settings = config.load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True)
    build.build(settings)
    assert "Verdict" in (tmp_path / "site" / "reference" / "records" / "index.html").read_text()
