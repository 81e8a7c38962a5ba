"""verl data: `train.parquet` for reinforcement learning on the run's tasks, `sft.parquet` with verified answers.

`burnish.interop.verl` is the reward function that judges by `reward_model.ground_truth`, the task as JSON. Needs pyarrow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from burnish.core.records import Task
from burnish.exports._rows import Judged, answers
from burnish.exports._tables import MESSAGES, ORIGIN, TEXT, WHOLE, struct, write_table
from burnish.interop.judge import asked, task_text
from burnish.interop.verl import DATA_SOURCE
from burnish.store.labels import verified
from burnish.store.runs import RunStore

INFO = {"index": WHOLE, "task_id": TEXT, "group_id": TEXT}
TRAIN = {"prompt": MESSAGES, "data_source": TEXT, "ability": TEXT, "extra_info": struct(INFO)}
TRAIN |= {"reward_model": struct({"style": TEXT, "ground_truth": TEXT})}
SFT = {"messages": MESSAGES, **ORIGIN}


def verl(store: RunStore, out: Path) -> dict[str, int]:
    """Write `train.parquet` (one row a task) and `sft.parquet` (one a verified answer, as `messages`); rows of each."""
    tasks = [_task(task, index) for index, task in enumerate(store.tasks())]
    return {
        "train.parquet": write_table(out / "train.parquet", tasks, TRAIN),
        "sft.parquet": write_table(
            out / "sft.parquet", (_answer(each) for each in answers(store) if verified(each.attempt, each.label)), SFT
        ),
    }


def _task(task: Task, index: int) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": asked(task)}],
        "data_source": DATA_SOURCE,
        "ability": task.kind,
        "reward_model": {"style": "rule", "ground_truth": task_text(task)},
        "extra_info": {"index": index, "task_id": task.id, "group_id": task.group_id},
    }


def _answer(judged: Judged) -> dict[str, Any]:
    return {"messages": [*judged.prompt, judged.reply], **judged.origin}
