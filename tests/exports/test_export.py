"""What holds for every exporter: where it comes from is told, names and options are checked, a task set will do."""

import json

import pytest

from burnish import api
from burnish.core.errors import InputError, UnknownName
from burnish.core.plugins import names
from burnish.exports import export


@pytest.mark.parametrize("to", names("export"))
def test_every_export_says_where_it_comes_from(store, tmp_path, to):
    counts = export(store, tmp_path / "out", to)
    assert counts
    assert all(counts.values()) or to == "jsonl"
    origin = json.loads((tmp_path / "out" / "export.json").read_text())
    assert origin["files"] == counts
    assert origin["to"] == to
    assert origin["manifest"] == store.manifest
    assert all((tmp_path / "out" / name).stat().st_size for name in counts)


@pytest.mark.parametrize("to", names("export"))
def test_the_tasks_of_a_set_are_exported_without_a_run(tmp_path, to):
    counts = api.export("first-functions:test", tmp_path / "out", to=to)
    tasks = len(api.load_tasks("first-functions:test"))
    assert tasks in counts.values() or to == "inspect"


def test_two_exports_are_the_same_bytes(store, tmp_path):
    for to in names("export"):
        first, second = (tmp_path / to / which for which in ("one", "two"))
        for folder in (first, second):
            counts = export(store, folder, to)
        for name in counts:
            assert (first / name).read_bytes() == (second / name).read_bytes(), (to, name)


def test_unknown_names_and_options_are_told(store, tmp_path):
    with pytest.raises(UnknownName, match=r"no export named 'csv'.*inspect, jsonl, parquet, trl, verifiers, verl"):
        export(store, tmp_path, "csv")
    with pytest.raises(InputError, match="has no option 'rewards'. Its options: reward"):
        export(store, tmp_path, "trl", {"rewards": "shaped"})
    with pytest.raises(UnknownName, match="no reward named 'praise'"):
        export(store, tmp_path, "trl", {"reward": "praise"})
    with pytest.raises(InputError, match="'My-Tasks' is no module name"):
        export(store, tmp_path, "verifiers", {"name": "My-Tasks"})
