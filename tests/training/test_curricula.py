"""Curricula: the numbers of the specs, nested sets, and batches that fill themselves."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import InputError
from burnish.training.curricula.adaptive_batch import KeepRate, after_draw, groups_to_draw
from burnish.training.curricula.easy_first import easy_first
from burnish.training.curricula.hard_focus import DRIVE, hard_focus, mixed_probability
from burnish.training.curricula.history import Tried, counted, stage_at
from burnish.training.curricula.length_stages import LengthStage, length_stage, without_truncated
from burnish.training.curricula.solved_tasks import without_easy, without_solved
from burnish.training.curricula.stage_switch import Stage, Switch, stage_switch


def history(**rates: float) -> dict[str, Tried]:
    """Sixteen tries of each task."""
    return {name: Tried(passed=round(rate * 16), tried=16) for name, rate in rates.items()}


class TestHistory:
    def test_undecided_outcomes_count_neither_way(self) -> None:
        got = counted({"a": Tried(passed=1, tried=1)}, [("a", False), ("b", True), ("b", None), ("c", None)])
        assert got == {"a": Tried(passed=1, tried=2), "b": Tried(passed=1, tried=1)}
        assert got["a"].rate == 0.5

    def test_the_given_history_is_not_changed(self) -> None:
        before = {"a": Tried()}
        counted(before, [("a", True)])
        assert before == {"a": Tried()}

    def test_no_rate_without_a_try(self) -> None:
        with pytest.raises(InputError, match="no pass rate"):
            _ = Tried().rate

    def test_survives_saving(self) -> None:
        kept = counted({}, [("a", True)])
        assert msgspec.json.decode(msgspec.json.encode(kept), type=dict[str, Tried]) == kept

    @pytest.mark.parametrize(("step", "place"), [(0, (0, 0)), (1, (0, 1)), (2, (1, 0)), (4, (1, 2)), (5, (2, 0)), (99, (2, 94))])
    def test_stages(self, step, place) -> None:
        assert stage_at([2, 3, 1], step) == place

    @pytest.mark.parametrize("steps", [[], [2, 0]])
    def test_empty_stages(self, steps) -> None:
        with pytest.raises(InputError, match="at least one"):
            stage_at(steps, 0)


class TestHardFocus:
    RATES = {"a": 0.0, "b": 0.125, "c": 0.1875, "d": 0.5, "e": 0.875}

    def test_keeps_the_hardest_in_the_order_of_the_pool(self) -> None:
        assert hard_focus("ebdca", history(**self.RATES), keep=3) == ("b", "c", "a")

    @given(st.lists(st.integers(0, 16), min_size=1, max_size=12), st.lists(st.integers(0, 16), min_size=12, max_size=12))
    def test_phases_are_nested_and_the_rest_is_easier(self, first, second) -> None:
        pool = [str(number) for number in range(len(first))]
        before = {name: Tried(passed=passed, tried=16) for name, passed in zip(pool, first, strict=True)}
        kept = hard_focus(pool, before, keep=6)
        assert len(kept) == min(6, len(pool))
        assert max(before[name].rate for name in kept) <= min((before[name].rate for name in pool if name not in kept), default=1)
        after = {name: Tried(passed=passed, tried=16) for name, passed in zip(pool, second, strict=False)}
        assert set(hard_focus(kept, after, keep=3)) <= set(kept)

    def test_published_phases(self) -> None:
        assert [(phase.keep, phase.steps, phase.group_size) for phase in DRIVE] == [(72, 64, 64), (50, 32, 64), (25, 32, 64)]

    @pytest.mark.parametrize(("rate", "size", "chance"), [(0.02, 8, 0.149), (0.02, 64, 0.726), (0.0, 8, 0), (1.0, 8, 0)])
    def test_chance_of_a_signal(self, rate, size, chance) -> None:
        assert mixed_probability(rate, size) == pytest.approx(chance, abs=5e-4)

    def test_unmeasured_tasks_are_named(self) -> None:
        with pytest.raises(InputError, match="1 tasks have no pass rate, the first is 'z'"):
            hard_focus(["a", "z"], history(a=0.5), keep=1)
        with pytest.raises(InputError, match="keep = 0"):
            hard_focus(["a"], history(a=0.5), keep=0)


class TestSolvedTasks:
    def test_fully_solved_ones_leave(self) -> None:
        assert without_solved("abcz", history(a=1.0, b=0.9375, c=0.0)) == ("b", "c", "z")
        assert without_solved("a", history(a=1.0)) == ()

    def test_easy_ones_leave(self) -> None:
        tried = {"a": Tried(passed=7, tried=16), "b": Tried(passed=6, tried=16)}
        assert without_easy("abz", tried) == ("b", "z")
        assert without_easy("ab", tried, highest=0.5) == ("a", "b")


def test_easy_first_without_the_hopeless() -> None:
    tried = {f"q{number}": Tried(passed=passed, tried=4) for number, passed in enumerate([4, 0, 1, 3], start=1)}
    assert easy_first(["q1", "q2", "q3", "q4"], tried) == ("q1", "q4", "q3")


class TestLengthStages:
    STAGES = (
        LengthStage(steps=10, max_tokens=8192, drop_truncated=True, group_size=8, temperature=0.85),
        LengthStage(steps=5, max_tokens=16384, drop_truncated=True),
        LengthStage(steps=5, max_tokens=32768),
    )

    @pytest.mark.parametrize(("step", "number"), [(0, 0), (9, 0), (10, 1), (15, 2), (999, 2)])
    def test_stage_of_a_step(self, step, number) -> None:
        assert length_stage(self.STAGES, step) == self.STAGES[number]

    def test_truncated_answers_are_unscored(self) -> None:
        assert without_truncated([1.0, 0.0, 0.0], [False, False, True]) == [1.0, 0.0, None]
        with pytest.raises(InputError, match="2 rewards and 1 marks"):
            without_truncated([1.0, 0.0], [False])


class TestAdaptiveBatch:
    def fill(self, state: KeepRate, wanted: int, keep, **options) -> tuple[KeepRate, list[int]]:
        """Draw until a step is full; `keep(drawn)` is what the filter leaves."""
        draws, kept = [], 0
        while kept < wanted:
            draws.append(groups_to_draw(state, wanted))
            left = keep(draws[-1])
            state, kept = after_draw(state, wanted, drawn=draws[-1], kept=left, **options), kept + left
        return state, draws

    def test_half_of_the_groups_are_kept(self) -> None:
        state, draws = self.fill(KeepRate(), 8, lambda drawn: drawn // 2)
        assert draws == [8, 8]
        assert state == KeepRate(of_steps=0.5)
        for _ in range(3):
            state, draws = self.fill(state, 8, lambda drawn: drawn // 2)
            assert (draws, state) == ([16], KeepRate(of_steps=0.5))

    def test_as_published_it_only_ever_falls(self) -> None:
        state, _ = self.fill(KeepRate(of_steps=0.25), 8, lambda drawn: drawn)
        assert state.of_steps == 0.25

    def test_with_recovery_it_follows_the_rate(self) -> None:
        state = KeepRate(of_steps=0.25)
        for _ in range(40):
            state, draws = self.fill(state, 8, lambda drawn: drawn, recovery=0.3)
        assert draws == [9]
        assert state.of_steps == pytest.approx(1.0, abs=1e-5)

    def test_nothing_kept_draws_more_but_not_endlessly_more(self) -> None:
        state = after_draw(KeepRate(), 4, drawn=4, kept=0)
        assert groups_to_draw(state, 4) == 16
        assert groups_to_draw(state, 4, most=10) == 10

    def test_a_full_step_draws_nothing(self) -> None:
        assert groups_to_draw(KeepRate(kept=8, drawn=8), 8) == 0

    @given(st.integers(0, 10**6), st.floats(0.05, 1.0), st.integers(1, 30))
    def test_always_fills(self, seed, rate, wanted) -> None:
        rng, state = random.Random(seed), KeepRate()
        for _ in range(3):
            state, draws = self.fill(state, wanted, lambda drawn: sum(rng.random() < rate for _ in range(drawn)))
            assert 0 < state.of_steps <= 1
            assert (state.kept, state.drawn) == (0, 0)
            assert min(draws) >= 1

    @pytest.mark.parametrize(("drawn", "kept"), [(0, 0), (4, 5), (4, -1)])
    def test_impossible_counts(self, drawn, kept) -> None:
        with pytest.raises(InputError, match="were kept"):
            after_draw(KeepRate(), 4, drawn=drawn, kept=kept)


class TestStageSwitch:
    STAGES = (
        Stage(name="three people", steps=2, refresh_reference=True),
        Stage(name="five people", steps=3, refresh_reference=True, reset_optimiser=True),
        Stage(name="eight people", steps=1, restart_schedule=True),
    )

    def test_only_at_the_borders(self) -> None:
        got = {step: switch for step in range(10) if (switch := stage_switch(self.STAGES, step))}
        assert got == {
            2: Switch(stage="five people", refresh_reference=True, reset_optimiser=True),
            5: Switch(stage="eight people", restart_schedule=True),
        }
