import base64
import hashlib
import os
import re
from html.parser import HTMLParser

import pytest

from burnish.core.errors import InputError, StoreError
from burnish.viewer import render_page, write_html
from burnish.viewer.blocks import (
    Bar,
    Bars,
    Change,
    Changes,
    Curves,
    Estimate,
    Fact,
    Facts,
    Notice,
    Point,
    Prose,
    Series,
    Story,
    Table,
    TaskEntry,
    TaskList,
)

VOID = {"meta", "input", "link", "img", "br"}


class Elements(HTMLParser):
    """All elements with their attributes, and the text outside scripts and styles; checks that tags are balanced."""

    def __init__(self, html):
        super().__init__()
        self.found, self.text, self._open = [], "", []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self._open):
            self.text += data


def every_block(text):
    estimate = Estimate(value=0.5, low=0.4, high=0.6)
    point = Point(x=0, y=1, low=0, high=2)
    story = Story(heading=text, problem=text, turns=())
    entry = TaskEntry(id=text, summary=text, story=story, tags=(text,), facts=(text,))
    return [
        Prose(text=f"{text}\n\n`{text}`", heading=text),
        Notice(text=text),
        Facts(facts=(Fact(label=text, value=text, note=text), Fact(label=text, value=estimate)), heading=text, interval=text),
        Table(columns=(text, text), rows=((text, estimate), (text, None)), heading=text, interval=text, note=text),
        Curves(heading=text, x_label=text, y_label=text, series=(Series(name=text, points=(point, point)),) * 2, interval=text, note=text),
        Bars(heading=text, bars=(Bar(label=text, value=0.5, low=0.4, high=0.6),), interval=text, note=text),
        Changes(heading=text, changes=(Change(label=text, before=0, after=1),), before=text, after=text, note=text),
        story,
        TaskList(heading=text, entries=(entry,), filters=(text,), note=text),
    ]


def test_hostile_text_stays_text_in_every_field(hostile):
    elements = Elements(render_page(hostile, hostile, every_block(hostile)))
    expected = Elements(render_page("x", "x", every_block("x")))
    tags = [tag for tag, _ in elements.found]
    assert tags == [tag for tag, _ in expected.found]
    assert "img" not in tags
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert hostile in elements.text


def test_the_script_makes_no_markup_of_data():
    script = re.search(r"<script>(.*?)</script>", render_page("t", "", []), re.DOTALL).group(1)
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacent|document\.write|DOMParser|createContextualFragment|\beval\b|Function\(|setTimeout|fetch\("
    )
    assert re.findall(forbidden, script) == []
    assert script.count("setAttribute(name") == script.count("createElement(") == 1  # both in `make`, which looks at names


def test_the_page_asks_for_nothing_from_outside():
    elements = Elements(render_page("t", "s", every_block("text")))
    for tag, attributes in elements.found:
        assert not {"src", "srcset", "action", "data"} & set(attributes), tag
        assert attributes.get("href", "#").startswith("#")
    html = render_page("t", "s", [])
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_the_policy_admits_the_script_that_is_there():
    html = render_page("t", "", [])
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL).group(1)
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in html


def test_the_same_blocks_give_the_same_page():
    assert render_page("t", "s", every_block("x")) == render_page("t", "s", every_block("x"))


def test_a_second_list_of_tasks_is_refused():
    block = TaskList(heading="Tasks", entries=())
    with pytest.raises(InputError, match="one task list"):
        render_page("t", "", [block, block])


def test_an_empty_page_is_a_page():
    assert "<h1>t</h1>" in render_page("t", "", [])
    assert Elements(render_page("t", "", [TaskList(heading="Tasks", entries=())]))


def test_a_page_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "page.html"
    assert write_html(path, "<p>one") == path
    write_html(path, "<p>zwölf \ud800")
    assert path.read_bytes() == "<p>zwölf ".encode() + b"\\ud800"
    assert os.listdir(path.parent) == ["page.html"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"page\.html was not written"):
        write_html(tmp_path / "file" / "page.html", "x")
    (tmp_path / "page.html").mkdir()
    with pytest.raises(StoreError, match="was not written"):
        write_html(tmp_path / "page.html", "x")
    assert sorted(os.listdir(tmp_path)) == ["file", "page.html"]
