"""The benchmark of LeDex on a tiny model and a world it can read: all arms run once, share what they have in common, fill the page."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks._ledex_report import ARMS, BASE, Direction
from tests.operators import held_out

from benchmarks import ledex
from burnish.core.errors import InputError
from burnish.evaluation import Interval
from burnish.store.jsonl import write_records
from burnish.store.runs import RunStore

SEED = 2
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def ran(pupil, collected, tmp_path_factory):
    """The options of a whole run of all arms."""
    folder = tmp_path_factory.mktemp("ledex")
    write_records(folder / "held-out.jsonl", held_out("plus", "over"))
    options = ledex.Options(
        seeds=(SEED,),
        tasks=(str(folder / "held-out.jsonl"),),
        samples=1,
        max_tokens=12,
        epochs=1,
        rl_steps=1,
        problems=2,
        draws=1,
        collected=str(collected),
        model=str(pupil),
        embed="tests.operators:embed",
        low=0.0,
        high=1.0,
        out=folder / "out",
        write=folder / "ledex.md",
    )
    ledex.main(options)
    return options


def result(ran):
    return json.loads((ran.out / "result.json").read_text())


def test_every_arm_learned_from_what_it_says(ran):
    found = result(ran)
    rows = found["rows"][ran.tasks[0]]
    assert list(rows) == [BASE, *ARMS]
    kinds = {arm: set(each[str(SEED)]) for arm, each in found["examples"].items()}
    assert kinds["code-only SFT"] == {"ledex-a"}
    assert kinds["LeDex SFT, no explanation"] == {"ledex-a", "ledex-b"}
    assert kinds["LeDex SFT"] == {"ledex-a", "ledex-b", "ledex-c"}
    assert "ledex-rewards" in kinds["LeDex SFT + PPO"]
    assert [one["claim"].split()[0] for one in found["directions"]] == [
        "Training",
        "Refinement",
        "Explanations",
        "Explaining",
        "Its",
        "They",
        "PPO",
        "GRPO",
    ]
    assert all(one["difference"] is not None for one in found["directions"] if "repair rate" not in one["claim"])


def test_arms_share_the_base_models_runs_and_the_beginning_of_rl(ran):
    folder = ran.out / f"seed-{SEED}"
    stages = {}
    for name, arm in ARMS.items():
        with RunStore.open(folder / arm.folder / "train") as log:
            stages[name] = [event["name"] for event in log.events("stage")]
            assert bool(log.metrics("sft")) == (not arm.begins_with)  # trained once, then taken over
            assert bool(log.metrics("rl")) == (arm.rl != "none")
    texts = []
    for arm in ARMS.values():
        (run,) = (folder / arm.folder / "measure-base").glob("*-repair")
        with RunStore.open(run) as store:
            texts.append([attempt.text for attempt in store.attempts()])
    assert all(text == texts[0] for text in texts)


def test_what_is_finished_is_not_repeated(ran, capsys):
    kept = [path.stat().st_mtime_ns for path in sorted(ran.out.rglob("result.json")) if path.parent != ran.out]
    ledex.main(ran)
    assert kept == [path.stat().st_mtime_ns for path in sorted(ran.out.rglob("result.json")) if path.parent != ran.out]
    assert "| base (prompting only) | 0.000 [0.000, 0.000]" in capsys.readouterr().out
    with pytest.raises(InputError, match="samples: 1 then, 2 now"):
        ledex.main(replace(ran, samples=2))
    with pytest.raises(InputError, match=r"no arm 'DPO'. Known: code-only SFT"):
        ledex.main(replace(ran, arms=("DPO",)))


def test_an_arm_alone_runs_what_it_begins_with():
    assert ledex._with_beginnings(["LeDex SFT + GRPO"]) == ["code-only SFT", "LeDex SFT", "LeDex SFT + GRPO"]


def test_the_page_says_what_was_run(ran):
    text = Path(ran.write).read_text()
    assert all(f"| {name} | 0.000" in text for name in ARMS)
    assert "in each round (here: 1)" in text
    assert "{" not in text


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.1, 0.3, "holds"), (-0.1, 0.3, "not decided"), (-0.3, -0.1, "the opposite"), (0.0, 0.0, "not decided")]
)
def test_only_an_interval_apart_from_zero_decides(low, high, verdict):
    assert Direction(claim="", tasks="", difference=Interval(value=0.0, low=low, high=high)).verdict == verdict
    assert Direction(claim="", tasks="", difference=None).verdict == "not measured"


def test_the_quick_form_is_small():
    quick = ledex._small(ledex.Options())
    assert (quick.seeds, quick.tasks, quick.limit, quick.samples, quick.rl_steps) == ((0,), ("first-functions:test",), 8, 1, 1)
