"""`burnish preflight`: twenty small experiments on a training file before a long run."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from burnish.cli._console import print_json, table
from burnish.core.records import Check


def preflight(
    file: Positional[Path], overrides: Positional[tuple[str, ...]] = (), *, only: tuple[str, ...] = (), json: bool = False
) -> int:
    """Check a training file before its run: versions, memory, data, masks, reward, sandbox, gradients, checkpoints, ranks.

    What trains, trains a copy. The exit code is 1 if a check failed.

    Example: burnish preflight plan.toml --only P09 P11

    Args:
        file: TOML file, as `burnish train run` reads it.
        overrides: `key=value` pairs that replace what the file says.
        only: Only these checks (P01 to P20); all of them if left out.
        json: Print one JSON document instead of a table.
    """
    from burnish import api

    checks = api.check_file(file, overrides, only)
    if json:
        print_json(checks)
    else:
        rows = [(check.id, check.diagnostics[0].code, _outcome(check), check.diagnostics[0].message) for check in checks]
        table("preflight", ("id", "check", "outcome", "found"), rows)
    return int(any(check.outcome == "fail" for check in checks))


def _outcome(check: Check) -> str:
    return "warn" if check.diagnostics[0].severity == "warn" else check.outcome
