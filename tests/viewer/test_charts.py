import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.viewer.blocks import Bar, Bars, Change, Changes, Curves, Estimate, Point, Series
from burnish.viewer.charts import DASH, MANY_POINTS, bar_plot, change_plot, nice_ticks, plot, write_cell, write_interval, write_number


def curves(*series, **options):
    lines = tuple(Series(name=f"s{i}", points=tuple(points)) for i, points in enumerate(series))
    return Curves(heading="loss", x_label="step", y_label="loss", series=lines, **options)


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [
        (0.2345, "percent", "23.4%"),
        (-0.05, "points", "−5.0 points"),
        (0.13, "points", "+13.0 points"),
        (31062, "number", "31,062"),
        (12345.6, "number", "12,346"),
        (0.000123, "number", "0.000123"),
        (-1.5, "number", "−1.5"),
        (math.nan, "percent", DASH),
        (math.inf, "number", DASH),
    ],
)
def test_numbers_as_text(value, style, text):
    assert write_number(value, style) == text


def test_what_was_not_measured_is_a_dash():
    assert write_cell(None) == write_cell(Estimate(value=math.nan)) == DASH
    assert write_cell("50 tasks") == "50 tasks"


def test_intervals_as_text():
    assert write_interval(Estimate(value=0.2, low=0.151, high=0.322)) == "15.1 to 32.2"
    assert write_interval(Estimate(value=0.1, low=-0.02, high=0.2, style="points")) == "−2.0 to +20.0"
    assert write_interval(Estimate(value=0.2)) == write_interval(Estimate(value=0.2, low=math.nan, high=1.0)) == ""


@given(st.lists(st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6), max_size=8))
def test_ticks_enclose_their_values_evenly(values):
    ticks = nice_ticks(values)
    assert 2 <= len(ticks) <= 9
    steps = [b - a for a, b in pairwise(ticks)]
    assert steps == pytest.approx([steps[0]] * len(steps))
    slack = 1e-6 * steps[0]
    assert all(ticks[0] - slack <= value <= ticks[-1] + slack for value in values)


def test_whole_ticks_are_whole():
    assert nice_ticks([0, 3], whole=True) == [0, 1, 2, 3]


def test_a_line_spans_its_axes():
    drawn = plot(curves([Point(x=0, y=0.0), Point(x=10, y=1.0)]))
    assert drawn.lines[0].path == "M0 100 L100 0"
    assert [tick.label for tick in drawn.y_ticks] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert drawn.lines[0].dots[1].title == "s0, step 10: 1"


def test_a_value_that_is_not_finite_breaks_the_line():
    drawn = plot(curves([Point(x=0, y=1.0), Point(x=1, y=math.nan), Point(x=2, y=2.0), Point(x=3, y=3.0)]))
    assert drawn.lines[0].path.count("M") == 2
    assert len(drawn.lines[0].dots) == 3


def test_the_band_goes_up_and_back():
    drawn = plot(curves([Point(x=0, y=1, low=0, high=2), Point(x=1, y=1, low=0, high=2)], interval="95%"))
    assert drawn.lines[0].band == "M0 0 L100 0 L100 100 L0 100Z"


@pytest.mark.parametrize("points", [[], [Point(x=3, y=2.0)], [Point(x=0, y=0.0), Point(x=1, y=0.0)], [Point(x=0, y=math.nan)]])
def test_thin_curves_draw(points):
    assert len(plot(curves(points)).lines) == 1


def test_from_zero_holds_zero():
    points = [Point(x=0, y=5.0), Point(x=1, y=6.0)]
    assert plot(curves(points, from_zero=True)).y_ticks[0].label == "0"
    assert plot(curves(points)).y_ticks[0].label == "5.0"


def test_many_points_hide_their_dots():
    drawn = plot(curves([Point(x=i, y=i) for i in range(MANY_POINTS + 1)], [Point(x=0, y=0)]))
    assert [line.crowded for line in drawn.lines] == [True, False]


def test_bars_begin_at_zero_on_both_sides():
    drawn = bar_plot(Bars(heading="gain", bars=(Bar(label="up", value=0.5), Bar(label="down", value=-0.5)), style="points"))
    up, down = drawn.bars
    assert drawn.zero == 50
    assert (up.start, up.negative, down.negative) == (50, False, True)
    assert down.start + down.width == pytest.approx(50)
    assert up.width == down.width > 40


def test_whiskers_stand_on_the_same_axis():
    drawn = bar_plot(Bars(heading="pass@1", bars=(Bar(label="a", value=0.5, low=0.25, high=1.0),), interval="95%"))
    assert (drawn.bars[0].low, drawn.bars[0].spread) == (25, 75)
    assert drawn.bars[0].text == "50.0% · 25.0 to 100.0"


def test_bars_that_were_not_measured_have_no_length():
    drawn = bar_plot(Bars(heading="pass@1", bars=(Bar(label="a", value=math.nan),)))
    assert (drawn.bars[0].width, drawn.bars[0].text) == (0, DASH)
    assert bar_plot(Bars(heading="none", bars=())).bars == ()


def test_changes_are_sorted_and_the_rest_is_counted():
    rows = [("a", 0.0, 0.0), ("b", 0.5, 0.25), ("c", 0.0, 1.0), ("d", 1.0, 1.0), ("e", 0.5, 0.5)]
    drawn = change_plot(Changes(heading="gain", changes=tuple(Change(label=n, before=b, after=a) for n, b, a in rows)))
    assert [row[0] for row in drawn.changed] == ["c", "b"]
    assert drawn.changed[1][3] == "−25.0 points"
    assert drawn.summary == "Of 5, 1 rose, 1 fell, 3 did not change (1 at 0%, 1 at 100%)."
