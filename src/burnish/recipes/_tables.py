"""Tables that the pages of recipes share."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from burnish.core.records import Record
from burnish.recipes.base import settings
from burnish.viewer.blocks import Table

MEANING = {
    "ledex-a": "problem → program",
    "ledex-b": "wrong program and feedback → repair",
    "ledex-c": "the same, with an explanation first",
    "ledex-rewards": "repairs, right and wrong ones, with their rewards",
    "cycle-solve": "problem → program",
    "cycle-keep": "problem → the model's own right program",
    "cycle-refine": "problem, faulty program and its failure → the right program most like it",
}
PROOF = "Every target passed all tests, hidden ones included. The loss lies on the last answer only; wrong programs are context."


def examples_table(counts: Mapping[str, int], note: str = PROOF) -> Table:
    """How many examples of each kind were trained on, and what they teach."""
    rows = tuple((kind, MEANING.get(kind, ""), count) for kind, count in sorted(counts.items()))
    return Table(heading="What was trained", columns=("Kind", "What it teaches", "Examples"), rows=rows, note=note)


def seconds_table(seconds: Mapping[str, float]) -> Table:
    """What each stage took."""
    return Table(heading="Seconds per stage", columns=("Stage", "Seconds"), rows=tuple((n, round(s, 1)) for n, s in seconds.items()))


def settings_table(config: Record) -> Table:
    """Every hyper-parameter with its provenance."""
    rows = tuple((one.name, msgspec.json.encode(one.value).decode(), *one.provenance) for one in settings(config))
    return Table(heading="Settings", columns=("Setting", "Value", "From", "Note"), rows=rows)
