"""An Inspect log (`.eval`) of the run, for `inspect view` and `inspect_ai.log`: one sample per try, its turns as events.

A try that was not decided has an unscored score, one that ended by a fault has an error; neither counts in a metric. The log
format is version 2 of `inspect_ai`; writing it needs no package.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from burnish.core.records import Attempt, Task
from burnish.core.seeds import content_hash
from burnish.evaluation.samples import Sample, samples_of
from burnish.exports._rows import attempts, chat
from burnish.interop.judge import told
from burnish.signals.prompts import ask
from burnish.signals.valuing import reward_named, value_of
from burnish.store.files import write_atomic
from burnish.store.runs import RunStore

STOPS = {"eos": "stop", "stop": "stop", "length": "max_tokens"}
SUMMARY = ("id", "epoch", "input", "target", "scores", "metadata")
"""What the log's list of samples shows of each."""


def inspect(store: RunStore, out: Path, *, reward: str = "all_passed") -> dict[str, int]:
    """Write one log into `out`; how many samples it holds. A sample's epoch is the number of the try at its task.

    `reward` is the score: one of `burnish.signals.rewards` or an import path. Times are that of the run file's last change.
    """
    log = _Log(store, reward)
    samples = log.samples()
    stamp = log.created[:19].replace(":", "-")
    path = out / f"{stamp}+00-00_{log.name}_{log.id}.eval"
    write_atomic(path, [_zipped(log.header(samples), samples, log.created)])
    return {path.name: len(samples)}


class _Log:
    """The run's tries as samples, and what the log says about all of them."""

    def __init__(self, store: RunStore, reward: str) -> None:
        self.store, self.reward, self.value = store, reward, reward_named(reward)
        self.created = datetime.fromtimestamp(store.path.stat().st_mtime, UTC).isoformat(timespec="seconds")
        self.name = "".join(c if c.isalnum() else "-" for c in store.folder.name) or "run"
        self.id = content_hash(str(store.manifest), *sorted(store.labels()))[:22]
        self.judged = {each.attempt.id: each for each in attempts(store)}

    def samples(self) -> list[dict[str, Any]]:
        """Finished tries first, then those that a fault ended."""
        tasks, epochs = {task.id: task for task in self.store.tasks()}, Counter[str]()
        faulty = [episode for episode in self.store.episodes() if episode.status == "error"]
        turns = {episode.id: tuple(self.store.attempts(episode_id=episode.id)) for episode in faulty}
        tries: list[tuple[Sample, str | None]] = [(sample, None) for sample in samples_of(self.store)[0]]
        tries += [(Sample(each.task_id, turns[each.id], None), each.detail or "error") for each in faulty]
        rows = []
        for sample, fault in tries:
            epochs[sample.task_id] += 1
            rows.append(self._sample(tasks[sample.task_id], sample, epochs[sample.task_id], fault))
        return rows

    def _sample(self, task: Task, sample: Sample, epoch: int, fault: str | None) -> dict[str, Any]:
        answer = self.judged[sample.answer].attempt if sample.answer else None
        last = answer or (sample.attempts[-1] if sample.attempts else None)
        prompt = chat(last.messages if last else ask(task.public()))
        reply = [{"role": "assistant", "content": last.text, "model": last.policy}] if last else []
        origin = self.judged[last.id].origin if last else {"task_id": task.id, "group_id": task.group_id}
        row = {
            "id": task.id,
            "epoch": epoch,
            "input": chat(ask(task.public())),
            "target": "",
            "messages": prompt + reply,
            "output": {"model": last.policy, "choices": [_choice(last, reply[0])]} if last else {},
            "scores": {} if fault is not None else {self.reward: self._score(task, answer)},
            "metadata": {"kind": task.kind, **origin},
            "events": [self._event(attempt) for attempt in sample.attempts],
        }
        return row if fault is None else {**row, "error": {"message": fault, "traceback": fault, "traceback_ansi": fault}}

    def _score(self, task: Task, answer: Attempt | None) -> dict[str, Any]:
        if answer is None:
            return {"value": 0.0, "reason": "no_response", "explanation": "Nothing was handed in."}
        label = self.judged[answer.id].label
        value = value_of(self.value, label, task.id)
        about = {"answer": answer.artefacts.get("code"), "explanation": told(label), "metadata": {"verdict": label.status}}
        return {"value": float("nan"), "reason": "scoring_failed", **about} if value is None else {"value": value, **about}

    def _event(self, attempt: Attempt) -> dict[str, Any]:
        """One turn: what it was for, what was said, how it was judged."""
        label = self.judged[attempt.id].label
        data = {"attempt": attempt.id, "op": attempt.op, "round": attempt.round, "parent": attempt.parent_id, "reply": attempt.text}
        verdict = {"verdict": told(label)} if attempt.is_answer else {}
        return {"event": "info", "timestamp": self.created, "source": "burnish", "working_start": 0.0, "data": {**data, **verdict}}

    def header(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """All but the samples: what was run, on what, and the mean score of those that were decided."""
        manifest, ids = self.store.manifest, list(dict.fromkeys(sample["id"] for sample in samples))
        models = sorted({judged.attempt.policy for judged in self.judged.values()} - {""})
        strategy = manifest.get("config", {}).get("strategy", manifest.get("kind", "unknown"))
        spec = {
            **dict.fromkeys(("eval_id", "run_id", "task_id"), self.id),
            "created": self.created,
            "task": self.name,
            "dataset": {"name": str(manifest.get("tasks", self.name)), "samples": len(ids), "sample_ids": ids},
            "model": ", ".join(models) or "none",
            "config": {"epochs": max((sample["epoch"] for sample in samples), default=1)},
            "packages": {"burnish": version("burnish")},
            "metadata": {"manifest": manifest},
        }
        return {
            "version": 2,
            "status": "success",
            "eval": spec,
            "plan": {"steps": [{"solver": str(strategy)}]},
            "results": self._results(samples),
            "stats": {"started_at": self.created, "completed_at": self.created},
        }

    def _results(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        scores = [sample["scores"][self.reward]["value"] for sample in samples if sample["scores"]]
        decided = [value for value in scores if not math.isnan(value)]
        score = {
            "name": self.reward,
            "scorer": self.reward,
            "scored_samples": len(decided),
            "unscored_samples": len(samples) - len(decided),
            "metrics": {"mean": {"name": "mean", "value": sum(decided) / len(decided)}} if decided else {},
        }
        completed = sum("error" not in sample for sample in samples)
        return {"total_samples": len(samples), "completed_samples": completed, "scores": [score]}


def _choice(attempt: Attempt, message: dict[str, str]) -> dict[str, Any]:
    return {"message": message, "stop_reason": STOPS.get(attempt.stop_reason, "unknown")}


def _zipped(header: dict[str, Any], samples: Iterable[dict[str, Any]], created: str) -> bytes:
    """The archive. Python's JSON, because Inspect writes an unscored value as the constant NaN."""
    buffer, summaries, time = io.BytesIO(), [], datetime.fromisoformat(created).timetuple()[:6]
    with zipfile.ZipFile(buffer, "w") as archive:

        def add(name: str, content: Any) -> None:
            archive.writestr(zipfile.ZipInfo(name, time), json.dumps(content), zipfile.ZIP_DEFLATED)

        for sample in samples:
            add(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", sample)
            summaries.append({name: sample[name] for name in SUMMARY} | {"completed": "error" not in sample})
        add("summaries.json", summaries)
        add("header.json", header)
    return buffer.getvalue()
