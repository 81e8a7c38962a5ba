"""The page in a real browser: Debian's chromium, headless, from disk, driven as a reader would."""

import re
import shutil
import time

import pytest

from burnish.store.runs import RunStore
from burnish.viewer import comparison_page, render_page, run_page, write_html
from burnish.viewer.blocks import Story, TaskEntry, TaskList, Turn

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")

PHONE = {"width": 360, "height": 740}
EVERYTHING = ["mended", "shallow", "faulty", "untouched"]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


class Reader:
    """A browser window that remembers every complaint, every dialog and every request but that for the page itself."""

    def __init__(self, page, folder):
        self.page, self.folder, self.trouble = page, folder, []
        page.on("console", lambda message: self.trouble.append(message.text))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("dialog", lambda dialog: (self.trouble.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.trouble.append(request.url) if "page.html" not in request.url else None)

    def open(self, html, address=""):
        path = write_html(self.folder / "page.html", html)
        self.page.goto(f"{path.as_uri()}{address}")
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def go(self, address):
        """Another address on the same page, as if it were typed."""
        self.page.goto(self.page.url.split("#")[0] + address)

    @property
    def address(self):
        return self.page.evaluate("location.hash")

    def until(self, expression):
        """Wait until it is true. (The page's own policy forbids what `wait_for_function` does.)"""
        deadline = time.monotonic() + 20
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, expression
            self.page.wait_for_timeout(20)

    def rows(self, place="#list"):
        return [row.get_attribute("href") for row in self.page.locator(f"{place} .row").all()]

    def tasks(self):
        return [re.search(r"task=([^&]*)", address).group(1) for address in self.rows()]


@pytest.fixture
def reader(browser, tmp_path):
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.set_default_timeout(20_000)
    reader = Reader(page, tmp_path)
    yield reader
    page.close()
    assert reader.trouble == []


def test_from_overview_to_an_attempt_and_back_by_clicks(reader, store):
    page = reader.open(run_page(store))
    assert page.locator("#overview").is_visible()
    page.click("nav.views >> text=Tasks")
    page.wait_for_selector("#tasks:not([hidden])")
    assert reader.tasks() == EVERYTHING
    assert page.locator("#overview").is_hidden()
    page.click("button[data-filter=repaired]")
    assert reader.tasks() == ["mended"]
    assert reader.address == "#view=tasks&filter=repaired"
    page.click("#list .row")
    page.wait_for_selector("#task h2 >> text=mended")
    assert page.locator(".attempt h3").inner_text() == "Refine, round 1"  # the answer that passes is shown first
    page.click(".forest .row >> nth=0")
    page.wait_for_selector(".attempt h3 >> text=Sample")
    page.click("text=All tasks")
    assert reader.tasks() == ["mended"]
    page.go_back()
    page.wait_for_selector("#task h2 >> text=mended")


def test_a_finding_stands_at_its_line_and_a_repair_is_a_diff(reader, store):
    page = reader.open(run_page(store), "#task=mended&attempt=0")
    mark = page.locator(".listing .mark").first
    assert mark.inner_text().startswith("ZeroDivisionError")
    assert mark.evaluate("mark => mark.previousElementSibling.dataset.n") == "2"
    reader.go("#task=mended&attempt=1")
    page.wait_for_selector(".l.add")
    assert page.locator(".l.add").all_text_contents() == ["    if not xs:\n", "        return 0.0\n"]
    page.uncheck(".toggle input")
    assert page.locator(".l.add").first.evaluate("line => getComputedStyle(line).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert "It divides by zero." in page.locator(".turn blockquote").nth(1).inner_text()


def test_keys(reader, store):
    page = reader.open(run_page(store))
    press = page.keyboard.press
    press("t")
    page.wait_for_selector("#tasks:not([hidden])")
    press("j")
    press("j")
    press("k")
    focused = "document.activeElement.getAttribute('href')"
    assert page.evaluate(focused) == "#task=mended"
    press("Enter")
    page.wait_for_selector("#task h2 >> text=mended")
    page.wait_for_selector(".attempt .l.add")
    press("k")
    page.wait_for_selector(".attempt h3 >> text=Sample")
    assert reader.address == "#task=mended&attempt=0"
    press("n")
    page.wait_for_selector("#task h2 >> text=shallow")
    press("p")
    page.wait_for_selector("#task h2 >> text=mended")
    press("/")
    page.keyboard.type("SHALLOW beware")
    assert reader.tasks() == ["shallow"]
    press("Escape")
    assert reader.tasks() == EVERYTHING
    press("Escape")
    page.wait_for_selector("#overview:not([hidden])")
    press("j")


def test_addresses_lead_to_what_they_name(reader, store):
    html = run_page(store)
    page = reader.open(html, "#view=tasks&filter=errors&search=faul")
    page.wait_for_selector("#list .row")
    assert reader.tasks() == ["faulty"]
    assert page.locator("#search").input_value() == "faul"
    reader.open(html, "#x")
    reader.go("#task=untouched")
    page.wait_for_selector("text=Nothing was tried on this task.")
    for address, text in {
        "#task=nobody": "no task “nobody”",
        "#task=mended&attempt=99": "Refine, round 1",
        "#task=%E0%A4%A": "no task",
    }.items():
        reader.go(address)
        page.wait_for_selector(f"#task >> text={text}")
    reader.go("#view=tasks&filter=nonsense")
    page.wait_for_selector("#tasks:not([hidden])")
    assert reader.tasks() == EVERYTHING


def test_hostile_text_does_nothing_anywhere(reader, tmp_path, make_task, make_attempt, judged, hostile):
    name = f"{hostile}'\"&#\u202e\x00"
    with RunStore.create(tmp_path / "run", {"kind": hostile, "model": hostile, "tasks": "{{ 7 * 7 }}"}) as run:
        run.add_tasks([make_task(name, f"`{hostile}` javascript:alert(1) {{{{ 7 * 7 }}}}")])
        run.add_attempt(make_attempt(f"{name}/0", name, None, f"'''{hostile}\n</pre>'''\n", hostile, hostile))
        run.add_attempt(make_attempt(f"{name}/1", name, f"{name}/0", f"# {hostile}\n", hostile, hostile))
        run.add_verdict(f"{name}/0", "visible", judged("crash", message=hostile))
        run.add_verdict(f"{name}/1", "visible", judged("fail"))
        html = run_page(run)
    page = reader.open(html, "#view=tasks")
    title = page.title()
    page.click("#list .row")
    for step in ("k", "j", "k"):
        page.wait_for_selector(".attempt .turn")
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert hostile in page.locator(".attempt").inner_text()
        page.keyboard.press(step)
    assert hostile in page.locator("#task h2").inner_text()
    assert "⟨U+202E⟩" in page.locator("#task h2").inner_text()
    assert page.title() == title
    assert page.locator("img, iframe, object, main script").count() == 0
    assert page.evaluate("[...document.querySelectorAll('a')].every((link) => link.getAttribute('href').startsWith('#'))")


def test_the_policy_refuses_foreign_scripts_and_requests(reader, store):
    page = reader.open(run_page(store).replace("</body>", "<script>document.title = 'pwned'</script></body>"))
    assert page.title() == "first"
    assert "Content Security Policy" in reader.trouble.pop()
    assert page.evaluate("fetch('https://example.com/').then(() => 'sent', () => 'refused')") == "refused"
    assert (
        page.evaluate("new Promise((done) => { const it = new Image(); it.onerror = () => done('refused'); it.src = 'data:,x'; })")
        == "refused"
    )
    assert len(reader.trouble) >= 2
    assert all("Content Security Policy" in trouble for trouble in reader.trouble)
    reader.trouble.clear()


def test_tokens_are_coloured_by_what_is_known(reader, trained):
    page = reader.open(run_page(trained), "#task=mean&attempt=0")
    page.wait_for_selector(".tokens span")
    assert page.locator(".choice button").all_inner_texts() == ["Advantage", "Log-prob difference", "Log-prob"]
    classes = "[...document.querySelectorAll('.tokens [data-token]')].map((span) => span.className)"
    assert page.evaluate(classes)[0] == "up-2"
    assert page.evaluate(classes)[-1] == "down-4"
    page.click("text=Log-prob difference")
    assert [place for place, name in enumerate(page.evaluate(classes)) if name] == [3]
    page.click("[data-token='3']")
    assert "advantage +0.50 · log-prob difference +0.02 · log-prob −0.30" in page.locator(".tokens output").inner_text()
    assert page.locator(".attempt h3").inner_text() == "Step 2, reward -0.75"
    rows = [re.split(r"\s+", row) for row in page.locator(".spans tbody tr").all_inner_texts()]
    assert [(row[0], *row[-3:-1]) for row in rows] == [("explanation", "+0.25", "+0.50"), ("code", "−1.00", "−1.00")]


def test_two_runs_side_by_side(reader, store, tmp_path, make_task, make_attempt, judged):
    with RunStore.create(tmp_path / "second", {"kind": "solve"}) as after:
        after.add_tasks([make_task("mended"), make_task("shallow", "Beware")])
        for name, outcome in (("mended", "fail"), ("shallow", "pass")):
            after.add_attempt(make_attempt(f"{name}#0/0", name))
            after.add_verdict(f"{name}#0/0", "visible", judged("pass"))
            after.add_verdict(f"{name}#0/0", "hidden", judged(outcome, hidden=True))
        html = comparison_page(store, after)
    page = reader.open(html)
    assert page.locator("h1").inner_text() == "first → second"
    assert "Gain per task" in page.locator("#overview").inner_text()
    page.click("nav.views >> text=Tasks")
    page.wait_for_selector("#tasks:not([hidden])")
    for change, task in (("better", "shallow"), ("worse", "mended"), ("one side only", "untouched")):
        page.click(f"button[data-filter='{change}']")
        assert task in reader.tasks()
    reader.go("#task=mended")
    page.wait_for_selector(".forest .row")
    assert [row.split("\n")[0] for row in page.locator(".forest .row").all_inner_texts()] == [
        "before · Sample",
        "before · Refine, round 1",
        "after · Sample",
    ]


@pytest.mark.parametrize("address", ["", "#view=tasks", "#task=mended&attempt=1", "#task=shallow"])
def test_a_phone_shows_all_without_scrolling_sideways(reader, store, address):
    reader.page.set_viewport_size(PHONE)
    page = reader.open(run_page(store), address)
    reader.until("document.querySelector('.view:not([hidden])').innerText.length > 40")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_stories_of_a_report_are_told_in_full(reader):
    turns = (
        Turn(title="Sample", code="def f(): pass\n"),
        Turn(title="Refine, round 1", code="def f(): return 1\n", before="def f(): pass\n"),
    )
    page = reader.open(render_page("Report", "", [Story(heading="A repair", problem="Write `f`.", turns=turns)]))
    page.wait_for_selector(".story .turn")
    assert page.locator(".story h3").all_inner_texts() == ["Sample", "Refine, round 1"]
    assert page.locator(".story .problem code").inner_text() == "f"
    assert page.locator("nav").count() == 0


def test_ten_thousand_attempts_open_filter_and_end(reader):
    page = reader.open(
        render_page("Many", "", [TaskList(heading="Tasks", entries=tuple(many_tasks()), filters=("solved", "unsolved"))]), "#view=tasks"
    )
    page.wait_for_selector("#list .row")
    assert len(reader.rows()) < 60
    page.fill("#search", "task-1999")
    assert reader.tasks() == ["task-1999"]
    page.click("#list .row")
    page.wait_for_selector(".attempt >> text=return 9995")
    reader.go("#view=tasks&filter=solved&search=")
    reader.until("document.getElementById('shown').textContent === '1000 shown'")
    page.evaluate("list.scrollTop = list.scrollHeight")
    page.wait_for_selector("#list .row >> text=task-1998")
    assert len(reader.rows()) < 60
    reader.go("#task=crowd&attempt=2500")
    page.wait_for_selector(".attempt >> text=return 2500")
    assert page.locator(".forest .row[aria-selected=true]").inner_text() == "Sample 2500"
    assert len(reader.rows(".forest")) < 60


def many_tasks():
    for number in range(2000):
        turns = tuple(Turn(title="Sample", code=f"def f():\n    return {5 * number + index}\n") for index in range(5))
        story = Story(heading="", problem=f"Problem {number}.", turns=turns)
        yield TaskEntry(id=f"task-{number}", summary=f"Problem {number}.", story=story, tags=("unsolved" if number % 2 else "solved",))
    crowd = tuple(Turn(title=f"Sample {number}", code=f"def f():\n    return {number}\n") for number in range(3000))
    yield TaskEntry(id="crowd", summary="Many tries.", story=Story(heading="", problem="", turns=crowd))
