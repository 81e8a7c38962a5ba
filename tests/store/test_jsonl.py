import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import InputError, StoreError
from burnish.core.records import CheckSpec, Example, Message, Task, TokenRecord, Verdict
from burnish.store.jsonl import check_tasks, read_json_lines, read_records, to_record, write_records

GOOD = b'{"id": "a", "group_id": "g", "kind": "python", "prompt": "p", "checks": [{"id": "c", "kind": "call", "data": {}}]}'


def task(name, checks=1):
    return Task(id=name, group_id="g", kind="python", prompt="p", checks=(CheckSpec(id="c", kind="call", data={}),) * checks)


def written(tmp_path, content):
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(content)
    return path


def test_blank_lines_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path):
    path = written(tmp_path, b"\xef\xbb\xbf" + GOOD + b"\r\n\n   \n" + GOOD)
    assert [number for number, _ in read_json_lines(path)] == [1, 4]
    assert [t.id for t in read_records(path, Task)] == ["a", "a"]
    assert list(read_json_lines(written(tmp_path, b""))) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": "a",', "not valid JSON"),
        (b'{"id": "\xff"}', "not valid JSON"),
        (b'{"id": NaN}', "not valid JSON"),
        (b"[1]", "expected a JSON object like .*found list"),
        (GOOD.replace(b'"a"', b"1"), "Expected `str`, got `int` - at `id`"),
        (b'{"id": "a"}', "missing required field `group_id`"),
        (GOOD.replace(b'"data"', b'"dat"'), r"missing required field `data` - at `checks\[0\]`"),
        (GOOD.replace(b'"checks"', b'"check"'), "no field 'check'. Its fields: id, group_id"),
    ],
)
def test_a_broken_line_is_named_with_what_is_wrong(tmp_path, line, message):
    path = written(tmp_path, GOOD + b"\n" + line)
    with pytest.raises(InputError, match=rf"tasks\.jsonl:2: .*{message}"):
        list(read_records(path, Task))


def test_broken_invariants_of_a_record_are_input_errors():
    with pytest.raises(InputError, match=r"here: not a TokenRecord: 1 sampled tokens but 2 log-probabilities"):
        to_record({"ids": [1], "sampled": [[0, 1]], "logprobs": [-1.0, -1.0]}, TokenRecord, "here")


def test_missing_files_and_folders_are_input_errors(tmp_path):
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(InputError, match="Cannot read"):
            list(read_records(path, Task))


def test_tasks_must_exist_have_their_own_ids_and_checks():
    check_tasks([task("a")], "here")
    with pytest.raises(InputError, match="here: the task id 'a' is used 2 times"):
        check_tasks([task("a"), task("b"), task("a")], "here")
    with pytest.raises(InputError, match="here holds no tasks"):
        check_tasks([], "here")
    with pytest.raises(InputError, match="1 of 2 tasks have no checks and can never pass: b"):
        check_tasks([task("a"), task("b", checks=0)], "here")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "examples.jsonl"
    assert write_records(path, [task("a")]) == 1
    nan = Example(id="e", kind="k", task_id="t", messages=(), weight=float("nan"))
    for record in (nan, Message(role="user", content="\ud800"), Example(id="x", kind="k", task_id="t", messages=(), meta={"x": object()})):
        with pytest.raises(InputError, match="cannot be written as JSON"):
            write_records(path, [task("b"), record])
    assert [t.id for t in read_records(path, Task)] == ["a"]
    assert [file.name for file in tmp_path.iterdir()] == ["examples.jsonl"]


def test_a_full_disk_is_said_so(tmp_path):
    def fill():
        yield task("a")
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="was not written: disk full"):
        write_records(tmp_path / "tasks.jsonl", fill())
    assert list(tmp_path.iterdir()) == []


def test_unwritable_places_are_explained():
    with pytest.raises(StoreError, match="was not written"):
        write_records("/dev/null/tasks.jsonl", [])


def test_no_records_make_an_empty_file_with_ordinary_rights(tmp_path):
    path = tmp_path / "new" / "verdicts.jsonl"
    assert write_records(path, []) == 0
    (tmp_path / "plain").touch()
    assert list(read_records(path, Verdict)) == []
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


texts = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(texts, st.floats(allow_nan=False, allow_infinity=False), st.dictionaries(texts, texts))))
def test_what_is_written_is_read_back(tmp_path_factory, rows):
    examples = [
        Example(id=text, kind="k", task_id="t", messages=(Message(role="user", content=text),), weight=weight, meta=meta)
        for text, weight, meta in rows
    ]
    path = tmp_path_factory.mktemp("jsonl") / "examples.jsonl"
    assert write_records(path, iter(examples)) == len(examples)
    assert list(read_records(path, Example)) == examples
