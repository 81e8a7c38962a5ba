"""The page in a real browser: Debian's chromium, headless, from disk."""

import re
import shutil
import subprocess

import pytest

from burnish.viewer import run_page, write_html

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --enable-logging=stderr --virtual-time-budget=20000 --dump-dom"
)
DRIVER = """
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const shown = () => [...document.querySelectorAll(".entry")].filter((entry) => !entry.hidden).map((entry) => entry.dataset.id).join();
const focused = () => document.activeElement.closest(".entry")?.dataset.id ?? document.activeElement.id;
const seen = [];
press("j"); seen.push(focused()); press("j"); seen.push(focused()); press("k"); seen.push(focused());
press("/"); seen.push(focused());
const search = document.getElementById("search");
search.value = "SHALLOW beware"; search.dispatchEvent(new Event("input")); seen.push(shown());
search.value = "nothing like it"; search.dispatchEvent(new Event("input")); seen.push(shown());
search.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true })); seen.push(shown());
document.querySelector("[data-filter=errors]").click(); seen.push(shown());
document.body.dataset.seen = JSON.stringify(seen);
"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")


def dump(address, tmp_path):
    command = [CHROMIUM, *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", address]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in ended.stderr
    return ended.stdout


def test_a_deep_link_opens_its_task_and_hostile_text_does_nothing(store, tmp_path):
    page = write_html(tmp_path / "page.html", run_page(store))
    document = dump(f"{page.as_uri()}#shallow", tmp_path)
    (opened,) = re.findall(r'<details class="entry" data-id="(\w+)"[^>]*open=""', document)
    assert opened == "shallow"
    assert "mean([1, 3]) == 2.0" in document
    assert "<title>first</title>" in document
    assert "<img" not in document


def test_keys_search_and_filters(store, tmp_path):
    html = run_page(store)
    driven = re.sub(r"<meta http-equiv[^>]*>", "", html).replace("</body>", f"<script>{DRIVER}</script></body>")
    assert driven.count("<script>") == 2
    document = dump(write_html(tmp_path / "page.html", driven).as_uri(), tmp_path)
    seen = re.search(r'data-seen="(.*?)"', document).group(1).replace("&quot;", '"')
    everything = "mended,shallow,faulty,untouched"
    assert seen == f'["mended","shallow","mended","search","shallow","","{everything}","faulty"]'


def test_the_policy_refuses_foreign_scripts(store, tmp_path):
    html = run_page(store).replace("</body>", "<script>document.title = 'pwned'</script></body>")
    with pytest.raises(AssertionError, match="CONSOLE"):
        dump(write_html(tmp_path / "page.html", html).as_uri(), tmp_path)
