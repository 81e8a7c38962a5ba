"""Floor 5: drive a strategy over many tasks into a run store; judge files of samples."""

from burnish.runs.folders import open_run
from burnish.runs.solve import Progress, SolveConfig, solve

__all__ = ["Progress", "SolveConfig", "open_run", "solve"]
