"""Render blocks as one self-contained HTML page: style, script and data inside, nothing fetched, no server needed.

Everything shown is hostile until proven otherwise: templates escape all text, data is embedded so that no `</script>` can end
it, and the page forbids itself every outside request and every script but its own.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from burnish.store.files import write_atomic
from burnish.viewer import charts
from burnish.viewer.blocks import Block, Estimate, Story, TaskList
from burnish.viewer.listing import listing, visible

STORIES_PER_CHUNK = 20
"""Stories that are compressed together: opening one unpacks so many."""


def render_page(title: str, subtitle: str, blocks: Sequence[Block]) -> str:
    """The whole page as a string of HTML."""
    script = _source("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(title=title, subtitle=subtitle, blocks=blocks, script=Markup(script), script_hash=_hash(script), version=version("burnish"))
    )


def write_html(path: Path | str, html: str) -> Path:
    """Write a page, whole or not at all. Returns the path. Raises `StoreError` if the place cannot be written."""
    return write_atomic(path, [html.encode("utf-8", "backslashreplace")])


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("burnish.viewer"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(
        bar_plot=charts.bar_plot, change_plot=charts.change_plot, listing=listing, packed=_packed, plot=charts.plot, style=_style
    )
    environment.filters.update(cell=charts.write_cell, interval=charts.write_interval, inline_code=_inline_code)
    environment.filters.update(paragraphs=_paragraphs, visible=visible)
    environment.tests["estimate"] = lambda value: isinstance(value, Estimate)
    environment.tests["tagged"] = lambda entry, tag: tag in entry.tags
    environment.tests["numeric"] = lambda value: not isinstance(value, str)
    return environment


def _source(name: str) -> str:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _style() -> Markup:
    return Markup(_source("page.css"))


def _hash(script: str) -> str:
    """The name by which the page's security policy admits its own script, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def _inline_code(text: str) -> Markup:
    """Escaped text with `words in backticks` set as code."""
    return Markup(re.sub("`([^`\n]+)`", r"<code>\1</code>", str(escape(visible(text)))))


def _packed(block: TaskList) -> Markup:
    """The rendered stories as JSON: base64 of gzip of lists of HTML. Its alphabet cannot end the script element."""
    stories = iter([entry.story for entry in block.entries])
    chunks = [_compressed([_story(story) for story in part]) for part in _parts(stories)]
    return Markup(json.dumps({"per_chunk": STORIES_PER_CHUNK, "chunks": chunks}))


def _parts(stories: Iterator[Story]) -> Iterator[list[Story]]:
    while part := list(islice(stories, STORIES_PER_CHUNK)):
        yield part


def _story(story: Story) -> str:
    return _environment().get_template("parts/story.html").render(story=story)


def _compressed(rendered: list[str]) -> str:
    return base64.b64encode(gzip.compress(json.dumps(rendered).encode(), mtime=0)).decode()
