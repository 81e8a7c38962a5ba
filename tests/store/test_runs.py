import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import InputError, StoreError
from burnish.core.records import Attempt, Check, CheckSpec, Cost, Episode, Message, Task, TokenRecord, Verdict
from burnish.store.runs import FILE_NAME, RunStore

PASS = Verdict.of([Check(id="c", kind="call", outcome="pass")])
FAIL = Verdict.of([Check(id="c", kind="call", outcome="fail")])
ERROR = Verdict.of([Check(id="c", kind="call", outcome="error")])


def task(name="t", **fields):
    return Task(**{"id": name, "group_id": "g", "kind": "python", "prompt": "Write f.", **fields})


def attempt(name="a", **fields):
    return Attempt(**{"id": name, "task_id": "t", "op": "sample", "messages": (), "text": "x", "episode_id": "e", **fields})


@pytest.fixture
def store(tmp_path):
    with RunStore.create(tmp_path / "run", {"seed": 3}) as store:
        yield store


def test_an_empty_run_holds_its_manifest_and_nothing_else(store):
    assert store.manifest == {"seed": 3}
    assert store.tasks() == []
    assert list(store.attempts()) == []
    assert store.verdicts("all") == {}
    assert store.labels() == {}
    assert store.episodes() == []
    assert store.metrics("train") == []
    assert store.events("x") == []
    assert store.attempt("a") is None
    assert store.verdict("a", "visible") is None
    assert store.label("a").status == "unknown"


def test_records_come_back_equal_and_in_order(store):
    tokens = TokenRecord(ids=(1, 2, 3), sampled=((1, 3),), logprobs=(-0.5, -1.25))
    attempts = [attempt("b", tokens=tokens, cost=Cost(wall_s=1.5)), attempt("a", messages=(Message(role="user", content="é"),))]
    store.add_tasks([task("t2", context={"n": [1, None]}), task("t")])
    for made in attempts:
        store.add_attempt(made)
    with RunStore.open(store.folder) as reader:
        assert [t.id for t in reader.tasks()] == ["t2", "t"]
        assert reader.tasks()[0].context == {"n": [1, None]}
        assert list(reader.attempts()) == attempts
        assert reader.attempt("b") == attempts[0]


def test_attempts_are_selected_by_task_and_episode(store):
    for name, of, episode in [("1", "t", "e"), ("2", "u", "e"), ("3", "t", "f"), ("4", "t", "e")]:
        store.add_attempt(attempt(name, task_id=of, episode_id=episode))
    assert [a.id for a in store.attempts(task_id="t")] == ["1", "3", "4"]
    assert [a.id for a in store.attempts(episode_id="f")] == ["3"]
    assert [a.id for a in store.attempts(task_id="t", episode_id="e")] == ["1", "4"]


def test_more_attempts_than_one_page_and_adding_while_reading(store):
    with store.batch():
        for number in range(1201):
            store.add_attempt(attempt(str(number)))
    seen = []
    for made in store.attempts():
        seen.append(made.id)
        store.add_attempt(attempt(f"late-{made.id}"))
    assert seen == [str(number) for number in range(1201)]


def test_the_same_record_again_is_nothing_new_and_a_different_one_is_refused(store):
    nan = attempt(cost=Cost(wall_s=float("nan")))
    for _ in range(2):
        store.add_tasks([task()])
        store.add_attempt(nan)
        store.add_verdict("a", "visible", FAIL)
    assert len(store.tasks()) == len(list(store.attempts())) == 1
    with pytest.raises(StoreError, match="different attempt 'a'"):
        store.add_attempt(attempt(text="y"))
    with pytest.raises(StoreError, match="different task 't'"):
        store.add_tasks([task("new"), task(prompt="other")])
    assert [t.id for t in store.tasks()] == ["t"], "all or none of the tasks"
    with pytest.raises(StoreError, match=r"different verdict.visible 'a'"):
        store.add_verdict("a", "visible", PASS)


def test_only_an_error_is_superseded(store):
    store.add_verdict("a", "hidden", ERROR)
    store.add_verdict("a", "hidden", FAIL)
    assert store.verdict("a", "hidden") == FAIL
    assert store.verdicts("hidden") == {"a": FAIL}
    assert store.verdict("a", "visible") is None
    failed, done = (Episode(id="e", task_id="t", index=0, status=status) for status in ("error", "done"))
    for episode in (failed, Episode(id="z", task_id="t", index=1, status="budget"), done):
        store.add_episode(episode)
    assert [(e.id, e.status) for e in store.episodes()] == [("e", "done"), ("z", "budget")]
    with pytest.raises(StoreError):
        store.add_episode(failed)


def test_labels_need_every_part_of_the_checks(store):
    both = (CheckSpec(id="v", kind="call", data={}), CheckSpec(id="h", kind="call", data={}, hidden=True))
    store.add_tasks([task(checks=both), task("bare")])
    store.add_attempt(attempt("a"))
    store.add_attempt(attempt("b", task_id="bare"))
    store.add_verdict("a", "visible", PASS)
    store.add_verdict("b", "visible", PASS)
    assert store.label("a").status == "unknown"
    assert store.label("b").status == "unknown", "a task without checks can never pass"
    store.add_verdict("a", "hidden", PASS)
    assert store.label("a").passed
    assert {name: label.status for name, label in store.labels().items()} == {"a": "pass", "b": "unknown"}


def test_metrics_are_read_by_step_and_a_redone_step_counts_once(store):
    for step, loss in [(2, 1.0), (1, 2.0), (2, 0.5)]:
        store.add_metrics("train", step, {"loss": loss})
    store.add_metrics("eval", 1, {"pass@1": 0.25})
    assert store.metrics("train") == [(1, {"loss": 2.0}), (2, {"loss": 0.5})]


def test_events_keep_their_kind_and_order(store):
    for number in range(3):
        store.add_event("resume", {"n": number})
    store.add_event("note", {})
    assert [event["n"] for event in store.events("resume")] == [0, 1, 2]


@pytest.mark.parametrize("value", ["\ud800", 2**70, object()])
def test_a_value_that_cannot_be_stored_is_named_and_nothing_is_added(store, value):
    with pytest.raises(InputError, match="event 'x' cannot be stored"):
        store.add_event("x", {"value": value})
    assert store.events("x") == []


def test_the_file_refuses_updates_and_deletes(store):
    store.add_event("x", {})
    for sql in ("UPDATE records SET key = 'y'", "DELETE FROM records"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store._connection.execute(sql)


def test_a_batch_is_all_or_nothing_and_lets_other_exceptions_through(store):
    def interrupted():
        with store.batch():
            store.add_event("x", {})
            raise OSError(28, "of someone else")

    with pytest.raises(OSError, match="of someone else"):
        interrupted()
    assert store.events("x") == []


def test_reading_needs_no_lock_and_cannot_write(store):
    with RunStore.open(store.folder) as reader:
        store.add_event("x", {"n": 1})
        assert reader.events("x") == [{"n": 1}]
        with pytest.raises(StoreError, match="write=True"):
            reader.add_event("x", {})


def test_a_second_writer_is_refused_by_name_until_the_first_closes(tmp_path):
    first = RunStore.create(tmp_path, {})
    with pytest.raises(StoreError, match=f"process {os.getpid()} on"):
        RunStore.open(tmp_path, write=True)
    first.close()
    first.close()
    RunStore.open(tmp_path, write=True).close()
    with pytest.raises(StoreError, match=r"closed"):
        first.add_event("x", {})


def test_a_run_is_not_started_twice(tmp_path):
    RunStore.create(tmp_path, {"first": True}).close()
    with pytest.raises(StoreError, match="already holds a run"):
        RunStore.create(tmp_path, {})
    with RunStore.open(tmp_path) as store:
        assert store.manifest == {"first": True}


def test_unusable_folders_are_explained(tmp_path):
    with pytest.raises(StoreError, match=r"run\.sqlite is missing"):
        RunStore.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    RunStore.create(tmp_path / "recipe" / "measured" / "one", {}).close()
    with pytest.raises(StoreError, match="Runs below it: 1, for example .*/recipe/measured/one"):
        RunStore.open(tmp_path / "recipe")
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StoreError, match="File exists"):
        RunStore.create(file, {})


@pytest.mark.parametrize("write", [False, True])
def test_files_that_are_no_runs_are_explained(tmp_path, write):
    path = tmp_path / FILE_NAME
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StoreError, match="not a database"):
        RunStore.open(tmp_path, write=write)
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="stopped before it began"):
        RunStore.open(tmp_path, write=write)
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(StoreError, match="not a Burnish run"):
        RunStore.open(tmp_path, write=write)


def test_a_truncated_run_is_damaged_not_half_read(tmp_path):
    with RunStore.create(tmp_path, {}) as store:
        for number in range(200):
            store.add_event("x", {"text": str(number) * 100})
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StoreError, match=r"damaged .*\.recover"):
        RunStore.open(tmp_path).events("x")


def test_a_newer_layout_is_refused(tmp_path):
    with RunStore.create(tmp_path, {}) as store:
        store._connection.execute(
            "INSERT INTO records (kind, key, task_id, episode_id, schema, data) VALUES ('event', 'x', '', '', 99, x'80')"
        )
    with RunStore.open(tmp_path) as store, pytest.raises(StoreError, match="newer Burnish"):
        store.events("x")
    with sqlite3.connect(tmp_path / FILE_NAME) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(StoreError, match="newer Burnish"):
        RunStore.open(tmp_path)


def test_a_full_disk_keeps_what_was_written_and_writing_goes_on_when_there_is_room(store):
    store.add_event("x", {"n": 0})
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="disk full"):
        store.add_event("x", {"text": "y" * 100_000})
    store._connection.execute("PRAGMA max_page_count = 1000000")
    store.add_event("x", {"n": 1})
    assert [event["n"] for event in store.events("x")] == [0, 1]


def test_other_threads_may_read_while_one_writes(store):
    failures = []

    def read():
        try:
            while len(store.events("x")) < 300:
                pass
        except StoreError as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(300):
        store.add_event("x", {"n": number})
    for reader in readers:
        reader.join()
    assert failures == []


WRITER = """
import sys
from burnish.store.runs import RunStore
store = RunStore.create(sys.argv[1], {})
for number in range(10**9):
    store.add_event("x", {"n": number, "text": "y" * 500})
    print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 40, 400])
def test_kill_9_loses_nothing_that_was_added(tmp_path, lines):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    printed = [int(writer.stdout.readline()) for _ in range(lines)]
    with pytest.raises(StoreError, match=f"process {writer.pid} on"):
        RunStore.open(tmp_path, write=True)
    with RunStore.open(tmp_path) as reader:
        assert len(reader.events("x")) >= lines, "readable while it is being written"
    writer.send_signal(signal.SIGKILL)
    printed += [int(line) for line in writer.stdout]
    writer.wait()
    writer.stdout.close()
    with RunStore.open(tmp_path, write=True) as store:
        found = [event["n"] for event in store.events("x")]
        assert found == list(range(len(found)))
        assert len(found) >= len(printed)
        store.add_event("x", {"n": -1})


FORKING_WRITER = """
import os, signal, sys
from burnish.store.runs import RunStore
store = RunStore.create(sys.argv[1], {})
if os.fork() == 0:
    print(os.getpid(), flush=True)
signal.pause()
"""


def test_a_child_that_outlives_the_writer_does_not_hold_its_lock(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", FORKING_WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    orphan = int(writer.stdout.readline())
    try:
        with pytest.raises(StoreError, match=f"process {writer.pid} on"):
            RunStore.open(tmp_path, write=True)
        writer.kill()
        writer.wait()
        RunStore.open(tmp_path, write=True).close()
    finally:
        os.kill(orphan, signal.SIGKILL)
        writer.stdout.close()


def test_a_creation_that_was_killed_can_be_repeated(tmp_path):
    sqlite3.connect(Path(tmp_path) / FILE_NAME).close()
    (tmp_path / FILE_NAME).touch()
    RunStore.create(tmp_path, {"again": True}).close()


@settings(max_examples=30, deadline=None)
@given(records=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([PASS, FAIL, ERROR])), max_size=12))
def test_the_last_word_is_the_first_settled_verdict(tmp_path_factory, records):
    """Law: whatever the order of adding, a settled verdict stays, and before it the last error counts."""
    expected = {}
    with RunStore.create(tmp_path_factory.mktemp("run") / "r", {}) as store:
        for name, verdict in records:
            if name in expected and expected[name] != ERROR and verdict != expected[name]:
                with pytest.raises(StoreError):
                    store.add_verdict(name, "all", verdict)
            else:
                store.add_verdict(name, "all", verdict)
                expected[name] = verdict
        assert store.verdicts("all") == expected


def test_stored_bytes_are_msgpack_of_the_record(store):
    store.add_attempt(attempt())
    data = store._connection.execute("SELECT data FROM records WHERE kind = 'attempt'").fetchone()[0]
    assert msgspec.msgpack.decode(data, type=Attempt) == attempt()
