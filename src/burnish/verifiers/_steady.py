"""Runs a job as often as it takes to tell what the program did from what befell its process."""

from __future__ import annotations

from typing import Any

from burnish.core.errors import SandboxError
from burnish.core.records import Cost
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.jobs import Bounds, Job, Run
from burnish.sandbox.pool import Sandbox
from burnish.verifiers import _python_report as report

_RETRIES = 2


def steady(sandbox: Sandbox, job: Job, bounds: Bounds, stop: Any = None, cancel: Cancel | None = None) -> tuple[Run, Cost]:
    """Run `job`; repeat it if its process was killed from outside or never began. Returns the run that counts and the cost of all.

    Raises `SandboxError` if no process ever began.
    """
    last: Run | None = None
    cost = Cost()
    for _ in range(_RETRIES + 1):
        run = sandbox.run(job, bounds, stop, cancel)
        cost += Cost(wall_s=run.wall_s, cpu_s=run.cpu_s, peak_mb=run.peak_mb, output_bytes=len(run.output))
        began = bool(run.guest) and (not job.has_driver or bool(run.driver) or bool(run.malformed))
        last = run if began else last
        if began and not report.was_killed(run):
            break
    if last is None:
        raise SandboxError("the judged process could not be started")
    return last, cost
