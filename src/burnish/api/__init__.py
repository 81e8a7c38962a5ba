"""Everything the command line does, as plain functions: `api.solve(...)`, `api.evaluate(...)` and so on; and the judge for people.

`verify`, `averify` and `verify_batch` judge programs from Python; they are also `burnish.verify` and so on. Each other function
takes names (a task set, a model, a strategy), does one whole piece of work with progress reported to a callback, leaves its
result on disk, and returns a record. Errors are `BurnishError`s whose text is meant for the user.
"""

from burnish.api._judging import Judged, VerifySummary, averify, verify, verify_batch, verify_samples
from burnish.api._learning import check_file, curate, left_out_file, train_file, train_grpo, train_sft
from burnish.api._listing import doctor, list_formulas, list_models, list_plugins
from burnish.api._loading import Update, load_model, load_tasks, verifier_of
from burnish.api._recipes import demo, recipe_in, refinement, train_recipe
from burnish.api._runs import compare_runs, evaluate, export, import_run, view
from burnish.api._solving import repair, solve, solve_compared
from burnish.core.budget import Budget
from burnish.core.options import parse_budget, parse_options
from burnish.core.records import Sampling
from burnish.signals.prompts import STOP
from burnish.verifiers.base import Limits

__all__ = [
    "STOP",
    "Budget",
    "Judged",
    "Limits",
    "Sampling",
    "Update",
    "VerifySummary",
    "averify",
    "check_file",
    "compare_runs",
    "curate",
    "demo",
    "doctor",
    "evaluate",
    "export",
    "import_run",
    "left_out_file",
    "list_formulas",
    "list_models",
    "list_plugins",
    "load_model",
    "load_tasks",
    "parse_budget",
    "parse_options",
    "recipe_in",
    "refinement",
    "repair",
    "solve",
    "solve_compared",
    "train_file",
    "train_grpo",
    "train_recipe",
    "train_sft",
    "verifier_of",
    "verify",
    "verify_batch",
    "verify_samples",
    "view",
]
