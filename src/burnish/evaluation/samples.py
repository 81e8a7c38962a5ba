"""What a stored run says about each sample: its attempts round by round, and whether they pass.

A sample is one finished episode; an attempt that belongs to no episode is a sample of its own. After round r a sample
stands at its first attempt of a round <= r that passed the visible checks, else at its last attempt up to round r: what a
user who sees the visible checks only would hold then. Episodes that ended by an infrastructure error are no samples.
"""

from __future__ import annotations

from dataclasses import dataclass

from burnish.core.records import Attempt, Verdict
from burnish.store.runs import VIEWS, RunStore


@dataclass(frozen=True)
class Sample:
    """One try at one task: its attempts by round, prose on the way included, and the id of the one handed in (None: there was none)."""

    task_id: str
    attempts: tuple[Attempt, ...]
    answer: str | None


class Evidence:
    """The verdicts of a run by attempt id: over all checks (`labels`), over the visible and over the hidden ones."""

    def __init__(self, store: RunStore) -> None:
        visible, hidden, overall = (store.verdicts(view) for view in VIEWS)
        self.labels = store.labels()
        self.visible = {name: _part(verdict, hidden=False) for name, verdict in overall.items()} | visible
        self.hidden = {name: _part(verdict, hidden=True) for name, verdict in overall.items()} | hidden
        self._judged = (visible, hidden, overall)

    def label(self, attempt_id: str | None) -> bool | None:
        """Does the attempt pass all checks? None if that is not decided; no attempt (None) does not pass."""
        if attempt_id is None:
            return False
        verdict = self.labels.get(attempt_id)
        return verdict.passed if verdict is not None and verdict.scored else None

    def passes_visible(self, attempt_id: str | None) -> bool:
        """True if the visible checks were decided and passed."""
        return attempt_id in self.visible and self.visible[attempt_id].passed

    def lost_hidden(self, earlier: str | None, later: str | None) -> bool:
        """True if the hidden checks passed for the earlier attempt and fail for the later one."""
        before, after = self.hidden.get(earlier or ""), self.hidden.get(later or "")
        return before is not None and before.passed and after is not None and after.scored and not after.passed

    def judge_s(self, attempt_id: str) -> float:
        """Seconds that the judge spent on the attempt, over all views."""
        return sum(verdicts[attempt_id].cost.wall_s for verdicts in self._judged if attempt_id in verdicts)


def samples_of(store: RunStore) -> tuple[list[Sample], int]:
    """The samples of a run in the order of its episodes, and how many begun episodes are not among them."""
    by_episode: dict[str, list[Attempt]] = {}
    loose = []
    for attempt in store.attempts():
        if attempt.episode_id:
            by_episode.setdefault(attempt.episode_id, []).append(attempt)
        else:
            loose.append(Sample(attempt.task_id, (attempt,), attempt.id))
    finished = [episode for episode in store.episodes() if episode.status != "error"]
    samples = [Sample(e.task_id, tuple(sorted(by_episode.get(e.id, ()), key=_order)), e.answer) for e in finished]
    begun = by_episode.keys() | {episode.id for episode in store.episodes()}
    return samples + loose, len(begun) - len(finished)


def standing(sample: Sample, round: int, evidence: Evidence) -> str | None:
    """Id of the attempt at which the sample stands after refinement round `round` (0: the first answer), if any."""
    seen = [attempt for attempt in sample.attempts if attempt.round <= round and attempt.is_answer]
    passing = next((attempt for attempt in seen if evidence.passes_visible(attempt.id)), None)
    return passing.id if passing else seen[-1].id if seen else None


def _order(attempt: Attempt) -> tuple[int, int, str]:
    """By round, then `…/2` before `…/10`: the order of asking, whatever was finished first."""
    return attempt.round, len(attempt.id), attempt.id


def _part(verdict: Verdict, *, hidden: bool) -> Verdict:
    if verdict.status in ("invalid", "tampered"):
        return verdict
    return Verdict.of(check for check in verdict.checks if check.hidden == hidden)
