"""Floor 5: drive a strategy over many tasks into a run store."""

from burnish.runs.solve import Progress, SolveConfig, solve

__all__ = ["Progress", "SolveConfig", "solve"]
