import math

from burnish.evaluation import compare, evaluate
from burnish.viewer.charts import plot, write_cell
from burnish.viewer.figures import (
    attempt_verdicts,
    comparison_table,
    interval_name,
    metric_curves,
    overview,
    refinement_table,
    rounds_chart,
    task_changes,
)


def test_the_overview_says_what_evaluate_measured(store):
    evaluation = evaluate(store)
    facts = {fact.label: fact for fact in overview(evaluation).facts}
    assert facts["tasks solved"].value == "1 of 4"
    assert facts["pass@1, first answers"].value.value == 0.0
    assert facts["pass@1, handed in"].value.value == 0.5
    assert facts["pass@1, handed in"].note == "1 of 2 samples"
    assert facts["judge"].value == "1.5 s"


def test_rounds_are_named_and_shown_in_order(store):
    chart = rounds_chart(evaluate(store))
    assert [(bar.label, bar.value) for bar in chart.bars] == [
        ("pass@1, first answers", 0.0),
        ("pass@1, round 1", 0.5),
        ("pass@1, handed in", 0.5),
    ]
    assert chart.interval == "95% bootstrap over 2 tasks, too few to trust their width"


def test_refinement_counts(store):
    table = refinement_table(evaluate(store))
    (row,) = [dict(zip(table.columns, row, strict=True)) for row in table.rows if row[0] == "round 1"]
    assert (row["Samples"], row["Repaired"], row["Failing first"], row["Regressions"]) == (2, 1, 2, 0)
    assert write_cell(row["Refinement rate"]) == "50.0%"


def test_verdict_shares_add_up(store):
    assert sum(bar.value for bar in attempt_verdicts(evaluate(store)).bars) == 1.0


def test_a_comparison_is_one_row(store):
    evaluation = evaluate(store)
    table = comparison_table({"pass@1": compare(evaluation, evaluation)})
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (write_cell(row["Gain per task"]), row["Tasks"], row["Tasks better"]) == ("+0.0 points", 2, 0)


def test_changes_per_task(store):
    evaluation = evaluate(store)
    assert {(c.label, c.before, c.after) for c in task_changes(evaluation, evaluation).changes} == {
        ("mended", 1.0, 1.0),
        ("shallow", 0.0, 0.0),
    }
    assert all(change.after == 0.0 for change in task_changes(evaluation, evaluation, which="first").changes)


def test_metrics_of_the_store_as_curves(store):
    store.add_metrics("train", 1, {"loss": 2.0})
    store.add_metrics("train", 2, {"other": 1.0})
    store.add_metrics("train", 3, {"loss": 1.0})
    curves = metric_curves("Training loss", store.metrics("train"), {"loss": "SFT"}, x_label="optimiser step")
    (points,) = [line.points for line in curves.series]
    assert [point.x for point in points] == [1, 2, 3]
    assert math.isnan(points[1].y)
    assert plot(curves).lines[0].path.count("M") == 2


def test_interval_names_say_over_what():
    assert interval_name([50, 50]) == "95% bootstrap over 50 tasks"
    assert interval_name([45, 50]) == "95% bootstrap over 45 to 50 tasks"
    assert interval_name([]) == "95% bootstrap over 0 tasks, too few to trust their width"
