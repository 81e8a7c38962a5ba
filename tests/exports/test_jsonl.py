import pytest

from burnish.core.errors import InputError, StoreError
from burnish.core.records import Attempt, Check, CheckSpec, Episode, Message, Task, TokenRecord, Verdict
from burnish.exports.jsonl import jsonl, read_jsonl
from burnish.store.runs import RunStore


def filled(folder):
    store = RunStore.create(folder, {})
    store.add_tasks(
        [Task(id="t", group_id="g", kind="python", prompt="p", checks=(CheckSpec(id="c", kind="call", data={"args": "(1,)"}),))]
    )
    tokens = TokenRecord(ids=(1, 2), sampled=((1, 2),), logprobs=(-0.1,))
    store.add_attempt(Attempt(id="a", task_id="t", op="sample", messages=(Message(role="user", content="ü"),), text="x", tokens=tokens))
    store.add_verdict("a", "visible", Verdict.of([Check(id="c", kind="call", outcome="error")]))
    store.add_verdict("a", "visible", Verdict.of([Check(id="c", kind="call", outcome="pass")]))
    store.add_verdict("a", "hidden", Verdict.of(()))
    store.add_episode(Episode(id="e", task_id="t", index=0, status="done", answer="a"))
    return store


def contents(store):
    verdicts = [store.verdicts(view) for view in ("visible", "hidden", "all")]
    return store.tasks(), list(store.attempts()), verdicts, store.episodes(), store.labels()


def test_a_run_round_trips_and_importing_twice_changes_nothing(tmp_path):
    with filled(tmp_path / "one") as one, RunStore.create(tmp_path / "two", {}) as two:
        counts = jsonl(one, tmp_path / "files")
        assert counts == {"tasks.jsonl": 1, "attempts.jsonl": 1, "verdicts.jsonl": 2, "episodes.jsonl": 1}
        for _ in range(2):
            read_jsonl(tmp_path / "files", two)
            assert contents(two) == contents(one)


def test_an_empty_run_round_trips(tmp_path):
    with RunStore.create(tmp_path / "one", {}) as one, RunStore.create(tmp_path / "two", {}) as two:
        jsonl(one, tmp_path / "files")
        read_jsonl(tmp_path / "files", two)
        assert contents(two) == ([], [], [{}, {}, {}], [], {})


def test_a_bad_line_imports_nothing(tmp_path):
    with filled(tmp_path / "one") as one, RunStore.create(tmp_path / "two", {}) as two:
        jsonl(one, tmp_path / "files")
        path = tmp_path / "files" / "verdicts.jsonl"
        path.write_text(path.read_text() + '{"attempt_id": "a", "view": "secret", "verdict": {}}\n')
        with pytest.raises(InputError, match=r"verdicts\.jsonl:3: not a Judgement: Invalid enum value 'secret' - at `view`"):
            read_jsonl(tmp_path / "files", two)
        assert contents(two) == ([], [], [{}, {}, {}], [], {})


def test_a_conflicting_run_imports_nothing(tmp_path):
    with filled(tmp_path / "one") as one, RunStore.create(tmp_path / "two", {}) as two:
        jsonl(one, tmp_path / "files")
        two.add_episode(Episode(id="e", task_id="t", index=0, status="budget"))
        with pytest.raises(StoreError, match="different episode 'e'"):
            read_jsonl(tmp_path / "files", two)
        assert two.tasks() == []
