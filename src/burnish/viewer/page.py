"""Render blocks as one self-contained HTML page: style, script and data inside, nothing fetched, no server needed.

Everything shown is hostile until proven otherwise: templates escape all text, data is embedded so that no `</script>` can end
it, and the page forbids itself every outside request and every script but its own. That script makes text of data, never markup.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from burnish.core.errors import InputError
from burnish.store.files import write_atomic
from burnish.viewer import charts
from burnish.viewer.archive import PER_CHUNK, Archive
from burnish.viewer.blocks import Block, Estimate, TaskList
from burnish.viewer.listing import visible

SCRIPTS = ("dom", "archive", "rows", "tokens", "turn", "tasks", "task", "page")
"""Parts of the page's script (`templates/script/`), in the order in which they are put together."""


def render_page(title: str, subtitle: str, blocks: Sequence[Block]) -> str:
    """The whole page as a string of HTML. Raises `InputError` for a second task list."""
    if sum(isinstance(block, TaskList) for block in blocks) > 1:
        raise InputError("A page has one view for tasks, so it can hold one task list. Put the entries of both into one.")
    script = _script()
    context = {"title": title, "subtitle": subtitle, "blocks": blocks, "version": version("burnish")}
    template = _environment().get_template("page.html")
    return template.render(context, archive=Archive(), per_chunk=PER_CHUNK, script=Markup(script), script_hash=_hash(script))


def write_html(path: Path | str, html: str) -> Path:
    """Write a page, whole or not at all. Returns the path. Raises `StoreError` if the place cannot be written."""
    return write_atomic(path, [html.encode("utf-8", "backslashreplace")])


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("burnish.viewer"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(bar_plot=charts.bar_plot, change_plot=charts.change_plot, plot=charts.plot, style=_style)
    environment.filters.update(cell=charts.write_cell, interval=charts.write_interval, inline_code=_inline_code)
    environment.filters.update(paragraphs=_paragraphs)
    environment.tests["estimate"] = lambda value: isinstance(value, Estimate)
    environment.tests["tagged"] = lambda entry, tag: tag in entry.tags
    environment.tests["task_list"] = lambda block: isinstance(block, TaskList)
    environment.tests["numeric"] = lambda value: not isinstance(value, str)
    return environment


def _source(name: str) -> str:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _style() -> Markup:
    return Markup(_source("page.css"))


def _script() -> str:
    return "".join(_source(f"script/{name}.js") for name in SCRIPTS)


def _hash(script: str) -> str:
    """The name by which the page's security policy admits its own script, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def _inline_code(text: str) -> Markup:
    """Escaped text with `words in backticks` set as code."""
    return Markup(re.sub("`([^`\n]+)`", r"<code>\1</code>", str(escape(visible(text)))))
