"""Floor 5: drive a strategy over many tasks into a run store; judge files of samples."""

from burnish.runs.folders import open_run
from burnish.runs.references import check_references
from burnish.runs.several import Part, solve_together
from burnish.runs.solve import Progress, SolveConfig, solve

__all__ = ["Part", "Progress", "SolveConfig", "check_references", "open_run", "solve", "solve_together"]
