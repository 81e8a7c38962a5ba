"""The training benchmark on a tiny model: both sides compute the same step, or it refuses to compare."""

from __future__ import annotations

import pytest
from benchmarks.training import Options, main

pytest.importorskip("trl", reason="trl is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["grpo", "sft"])
def test_both_sides_compute_the_same_step(tiny_model, capsys, part) -> None:
    main(Options(part=part, model=str(tiny_model)))
    shown = capsys.readouterr().out
    assert "gradient norm" in shown
    assert "forward and backward, s" in shown
    assert ("judging" in shown) == (part == "grpo")
