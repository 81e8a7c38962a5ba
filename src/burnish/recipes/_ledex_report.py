"""LeDex's page: what was measured, what was learned, what the explanations are worth, repairs told in full, every setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from burnish.core.records import Example
from burnish.evaluation import Evaluation, Interval, Standing
from burnish.recipes._ledex_records import LedexResult
from burnish.recipes._stories import told_repairs
from burnish.recipes._tables import examples_table, seconds_table, settings_table
from burnish.store.runs import RunStore
from burnish.viewer import render_page
from burnish.viewer.blocks import Block, Cell, Notice, Prose, Style, Table
from burnish.viewer.figures import comparison_table, estimate, interval_name, metric_curves, task_changes

MODELS = {"base": "before training", "sft": "after SFT", "rl": "after RL"}
OUTCOME = "Held-out tasks, judged by hidden tests"
REWARDS = {"rl.reward_mean": "R(e) + R(r) of the recorded repairs", "rl.reward_parts.credit": "R(e) + R(r) of fresh repairs"}


def report_page(result: LedexResult, log: RunStore, collected: Path, examples: Sequence[Example]) -> str:
    """The page as one string of HTML. `log` holds the training metrics, `collected` is the run that the examples come from."""
    config = result.config
    blocks: list[Block] = [Notice(text=note) for note in [*_small(result), *result.notes]]
    blocks += [
        Prose(text=_summary(result)),
        comparison_table(
            result.gains, heading=OUTCOME, note="Same tasks, prompts, sampling and seeds; the gain is over the model before training."
        ),
        _refinement(result),
        *_worth(result),
        *_changes(result),
        *_imitation(log),
        *_rewards(log),
        examples_table(result.examples),
        *told_repairs(collected, examples),
        settings_table(config),
        seconds_table(result.seconds),
    ]
    return render_page("LeDex", f"{config.model} on {config.tasks}, seed {config.seed}", blocks)


def _small(result: LedexResult) -> list[str]:
    measure = result.config.measure
    if measure.limit is None:
        return []
    return [f"Only {measure.limit} tasks of each set were measured, {measure.samples} samples each: the intervals are wide."]


def _summary(result: LedexResult) -> str:
    left = f" {result.left_out} examples were left out, because their tasks overlap with measured ones." if result.left_out else ""
    return (
        "The model wrote wrong programs, explained and repaired them; what passed all tests became examples. It was measured before and "
        "after: first answers, then one repair of each that fails a visible test, with and without an explanation first. A sample counts "
        f"if it passes all tests of its task, hidden ones included.{left}"
    )


def _forms(result: LedexResult) -> Iterator[tuple[str, str, str, Evaluation]]:
    for model, sets in result.evaluations.items():
        for tasks, forms in sets.items():
            for form, evaluation in forms.items():
                yield MODELS.get(model, model), tasks, form, evaluation


def _refinement(result: LedexResult) -> Table:
    rows = [
        (model, tasks, form, number, *_cells(evaluation.rounds[0], after))
        for model, tasks, form, evaluation in _forms(result)
        for number, after in enumerate(evaluation.rounds[1:], start=1)
    ]
    columns = ("Model", "Tasks", "Asked to", "Round", "pass@1 before", "pass@1 after", "Success refinement rate", "Repaired", "Regressions")
    counts = {one.tasks for *_, evaluation in _forms(result) for after in evaluation.rounds for one in after.pass_at_k}
    note = (
        "After round r the samples are the passed originals and the latest repairs of the failed ones. Rate: repaired / failing originals."
    )
    return Table(heading="Refinement", columns=columns, rows=tuple(rows), interval=interval_name(counts), note=note)


def _cells(first: Standing, after: Standing) -> tuple[Cell, ...]:
    return (
        _pass_at_1(first),
        _pass_at_1(after),
        _estimate(after.rate),
        f"{after.refined} of {after.failing_before}",
        after.regressions,
    )


def _pass_at_1(standing: Standing) -> Cell:
    return _estimate(next((one for one in standing.pass_at_k if one.k == 1), None))


def _worth(result: LedexResult) -> Iterator[Table]:
    found = [(MODELS.get(model, model), tasks, one) for model, sets in result.explained.items() for tasks, one in sets.items()]
    likeness = [(model, tasks, one.similarity) for model, tasks, one in found]
    use = [(model, tasks, one.usefulness) for model, tasks, one in found if one.usefulness is not None]
    if likeness:
        yield Table(
            heading="How like verified ones the explanations are",
            columns=("Model", "Tasks", "Written", "Compared", "Similarity", "R(e)"),
            rows=tuple(
                (model, tasks, it.explanations, it.compared, _estimate(it.mean, "number"), _estimate(it.reward, "number"))
                for model, tasks, it in likeness
            ),
            interval=interval_name(it.tasks for _, _, it in likeness),
            note="Similarity: mean cosine to the explanations of verified repairs of the same wrong program, else of the task.",
        )
    if use:
        yield Table(
            heading="What the explanations are worth to a fresh model",
            columns=("Model", "Tasks", "Told nothing", "Told it", "Told another's", "Gain", "Over another's"),
            rows=tuple(
                (
                    model,
                    tasks,
                    *map(estimate, (it.nothing, it.explanation, it.other)),
                    *(estimate(gain, "points") for gain in (it.gain, it.over_other)),
                )
                for model, tasks, it in use
            ),
            interval=interval_name(it.tasks for _, _, it in use),
            note="Repair rate of the model before training on the same wrong programs. A gain over another task's explanation is what "
            "the content brings.",
        )


def _estimate(interval: Interval | None, style: Style = "percent") -> Cell:
    return None if interval is None else estimate(interval, style)


def _changes(result: LedexResult) -> Iterator[Block]:
    last = list(result.evaluations)[-1]
    for tasks, forms in result.evaluations[last].items():
        form = list(forms)[-1]
        before = result.evaluations["base"][tasks][form]
        yield task_changes(before, forms[form], heading=f"Gain per task on {tasks}, after refinement: {MODELS.get(last, last)}")


def _imitation(log: RunStore) -> Iterator[Block]:
    """Nothing if the trained model was taken over from another folder."""
    if metrics := log.metrics("sft"):
        yield metric_curves("Learning what was verified (SFT)", metrics, {"loss": "loss per token"}, from_zero=True)


def _rewards(log: RunStore) -> Iterator[Block]:
    metrics = log.metrics("rl")
    known = {name for _, values in metrics for name in values}
    shown = {name: words for name, words in REWARDS.items() if name in known}
    if "rl.reward_parts.credit" in shown:  # fresh repairs earn by spans alone, so the reward of the whole is 0
        shown = {"rl.reward_parts.credit": REWARDS["rl.reward_parts.credit"]}
    if shown:
        yield metric_curves("Learning by rewards (RL)", metrics, shown)
