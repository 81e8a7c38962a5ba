import pytest

from burnish.core.errors import InputError
from burnish.viewer.blocks import Bar, Bars, Curves, Estimate, Fact, Facts, Point, Series, Table

ESTIMATE = Estimate(value=0.5, low=0.4, high=0.6)


@pytest.mark.parametrize(
    "build",
    [
        lambda name: Facts(facts=(Fact(label="pass@1", value=ESTIMATE),), interval=name),
        lambda name: Table(columns=("pass@1",), rows=((ESTIMATE,),), interval=name),
        lambda name: Bars(heading="pass@k", bars=(Bar(label="a", value=0.5, low=0.4, high=0.6),), interval=name),
        lambda name: Curves(
            heading="reward",
            x_label="step",
            y_label="reward",
            series=(Series(name="a", points=(Point(x=0, y=0.5, low=0.4, high=0.6),)),),
            interval=name,
        ),
    ],
)
def test_an_interval_must_be_named(build):
    with pytest.raises(InputError, match="does not name them"):
        build("")
    assert build("95% bootstrap over 50 tasks").interval


def test_values_without_interval_need_no_name():
    assert Table(columns=("a", "b"), rows=(("x", Estimate(value=0.5)), (1, None))).rows
    assert Table(columns=("a",), rows=()).rows == ()


def test_a_ragged_table_is_refused():
    with pytest.raises(InputError, match="1 cells for 2 columns"):
        Table(columns=("a", "b"), rows=((1,),))
