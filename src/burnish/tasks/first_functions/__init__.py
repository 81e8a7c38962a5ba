"""Our own beginner tasks: small Python functions in ten families, with a split that never shares a concept.

The 110 train and 60 test tasks are short on purpose: a model of a hundred million parameters solves some of them, so
there is something to repair and to learn from. Every task has a reference, at least two visible and six hidden checks.
No training task shares its function name with a HumanEval problem; tasks that repeat one (`add`, `is_prime`) are test tasks.
"""

from __future__ import annotations

from burnish.core.records import Task
from burnish.tasks.first_functions._arithmetic import ARITHMETIC
from burnish.tasks.first_functions._conditions import CONDITIONS
from burnish.tasks.first_functions._dictionaries import DICTIONARIES
from burnish.tasks.first_functions._lists import LISTS
from burnish.tasks.first_functions._loops import LOOPS
from burnish.tasks.first_functions._numbers import NUMBERS
from burnish.tasks.first_functions._parsing import PARSING
from burnish.tasks.first_functions._searching import SEARCHING
from burnish.tasks.first_functions._sets_and_tuples import SETS_AND_TUPLES
from burnish.tasks.first_functions._strings import STRINGS

FAMILIES = (ARITHMETIC, NUMBERS, STRINGS, PARSING, LISTS, SEARCHING, DICTIONARIES, SETS_AND_TUPLES, CONDITIONS, LOOPS)


def first_functions() -> list[Task]:
    """All tasks, family by family. `meta` holds `split` ("train" or "test"), `family` and `concept`; `group_id` is the concept."""
    return [task for family in FAMILIES for task in family.tasks()]
