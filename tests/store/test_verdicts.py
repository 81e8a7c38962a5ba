"""The verdict cache: shared by threads and processes, bounded, and never the source of a wrong verdict."""

import os
import sqlite3
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from burnish.core.records import Check, Cost, Provenance, Verdict
from burnish.store.verdicts import CacheWarning, VerdictCache, default_path


def verdict(name="1", size=0):
    checks = [Check(id=name, kind="call", outcome="pass", weight=2.0)]
    return Verdict.of(checks, cost=Cost(wall_s=1.5), provenance=Provenance(verifier="v" * size, version="1"))


@pytest.fixture
def cache(tmp_path):
    with VerdictCache(tmp_path / "verdicts.sqlite") as cache:
        yield cache


def test_a_hit_is_the_same_verdict_marked_as_cached(cache):
    assert cache.get("a") is None
    cache.put("a", verdict())
    hit = cache.get("a")
    assert hit.cost == Cost(wall_s=1.5, cached=True)
    assert msgspec.structs.replace(hit, cost=verdict().cost) == verdict()
    assert cache.get("b") is None


def test_what_lies_under_a_key_never_changes(cache):
    cache.put("a", verdict("first"))
    cache.put("a", verdict("second"))
    assert cache.get("a").checks[0].id == "first"
    assert len(cache) == 1


def test_it_outlives_the_process_and_can_be_used_after_close(cache):
    cache.put("a", verdict())
    cache.close()
    assert cache.get("a") is not None
    assert VerdictCache(cache.path).get("a") is not None


def test_a_verdict_that_cannot_be_written_is_not_kept(cache):
    cache.put("a", verdict("\ud800"))
    assert cache.get("a") is None
    assert cache.trouble == ""


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"HOME": "/h"}, "/h/.cache/burnish/verdicts.sqlite"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/burnish/verdicts.sqlite"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x", "BURNISH_CACHE": "~/mine"}, "/h/mine/verdicts.sqlite"),
    ],
)
def test_where_it_lies(monkeypatch, variables, path):
    for name in ("XDG_CACHE_HOME", "BURNISH_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(default_path()) == path
    assert str(VerdictCache().path) == path


def test_the_folder_is_made_for_its_owner_only(tmp_path):
    with VerdictCache(tmp_path / "new" / "verdicts.sqlite") as cache:
        cache.put("a", verdict())
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_the_oldest_go_when_it_is_full(tmp_path):
    with VerdictCache(tmp_path / "verdicts.sqlite", max_mb=0.5) as cache:
        for n in range(400):
            cache.put(str(n), verdict(size=4000))
        kept = [n for n in range(400) if cache.get(str(n))]
        assert 40 < len(kept) < 130
        assert kept == list(range(400 - len(kept), 400))
        cache.close()
        assert cache.path.stat().st_size < 1 << 20


def test_one_verdict_larger_than_the_whole_cache_leaves_it_usable(tmp_path):
    with VerdictCache(tmp_path / "verdicts.sqlite", max_mb=0.1) as cache:
        cache.put("large", verdict(size=1 << 20))
        assert cache.get("large") is None
        cache.put("small", verdict())
        assert cache.get("small") is not None


def damaged_pages(path):
    with VerdictCache(path) as cache:
        for n in range(50):
            cache.put(str(n), verdict(size=2000))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


def flipped_bits(path):
    with VerdictCache(path) as cache:
        cache.put("a", verdict("judged"))
    path.write_bytes(path.read_bytes().replace(b"judged", b"forged"))


def newer(path):
    VerdictCache(path).put("a", verdict())
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def foreign(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE verdicts (key, digest, data)")
    connection.close()


UNUSABLE = {
    "noise": (lambda path: path.write_bytes(b"noise " * 1000), "not a database"),
    "empty": (lambda path: path.write_bytes(b""), "no verdict cache"),
    "damaged pages": (damaged_pages, "malformed"),
    "flipped bits": (flipped_bits, "digest"),
    "newer layout": (newer, "newer Burnish"),
    "another database": (foreign, "no verdict cache"),
    "a folder": (lambda path: path.mkdir(), "is not used"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_file_is_told_once_and_not_used(tmp_path, case):
    path, messages = tmp_path / "verdicts.sqlite", []
    make, words = UNUSABLE[case]
    make(path)
    before = path.read_bytes() if path.is_file() else None
    cache = VerdictCache(path, on_trouble=messages.append)
    assert cache.get("a") is None
    cache.put("b", verdict())
    assert cache.get("b") is None
    assert len(cache) == 0
    assert len(messages) == 1
    assert words in messages[0]
    assert str(path) in messages[0]
    assert "BURNISH_CACHE" in messages[0]
    assert before is None or path.read_bytes() == before


def test_trouble_is_a_warning_by_default(tmp_path):
    (tmp_path / "c").write_text("noise " * 1000)
    with pytest.warns(CacheWarning, match="judged afresh"):
        VerdictCache(tmp_path / "c").get("a")


def test_many_threads(cache):
    def work(n):
        cache.put(str(n % 20), verdict(str(n % 20)))
        return cache.get(str(n % 20)).checks[0].id == str(n % 20)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(400)))
    assert len(cache) == 20


def test_many_processes_that_begin_at_once(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    code = (
        "import sys\nfrom burnish.core.records import Check, Verdict\nfrom burnish.store.verdicts import VerdictCache\n"
        "me, cache = sys.argv[1], VerdictCache(sys.argv[2])\n"
        "for n in range(100):\n    for key in (f'{me} {n}', f'all {n}'):\n"
        "        cache.put(key, Verdict.of([Check(id=key, kind='k', outcome='pass')]))\n        assert cache.get(key).checks[0].id == key\n"
    )
    processes = [subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(n), path]) for n in range(6)]
    assert [process.wait() for process in processes] == [0] * 6
    with VerdictCache(path) as cache:
        assert len(cache) == 700
    assert [file.name for file in tmp_path.iterdir()] == ["verdicts.sqlite"]


def test_a_killed_writer_leaves_a_good_file(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    code = (
        "import sys, os\nfrom burnish.core.records import Check, Verdict\nfrom burnish.store.verdicts import VerdictCache\n"
        "cache = VerdictCache(sys.argv[1])\n"
        "for n in range(10**6):\n    cache.put(str(n), Verdict.of([Check(id=str(n), kind='k', outcome='pass')]))\n"
        "    if n == 50: print(flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.kill()
    with VerdictCache(path) as cache:
        assert len(cache) > 50
        assert all(cache.get(str(n)).checks[0].id == str(n) for n in range(len(cache)))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_its_own_connection(cache):
    cache.put("parent", verdict())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            found = cache.get("parent")
            cache.put("child", verdict())
            status = 0 if found and cache.get("child") else 1
            cache.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    cache.put("later", verdict())
    assert cache.get("child")
    assert len(cache) == 3


def test_a_full_disk_stops_the_cache_and_nothing_else(cache):
    cache.put("a", verdict())
    messages = []
    cache._on_trouble = messages.append
    cache._connection.execute("PRAGMA max_page_count = 5")
    with warnings.catch_warnings(action="error"):
        for n in range(50):
            cache.put(str(n), verdict(size=8000))
    assert len(messages) == 1
    assert "full" in messages[0]
