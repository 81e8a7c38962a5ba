"""The reward functions as TRL calls them."""

import msgspec
import pytest

from burnish.interop import trl as ours
from burnish.interop.judge import task_text

RIGHT, WRONG = "```python\ndef add(a, b):\n    return a + b\n```", "```python\ndef add(a, b):\n    return a - b\n```"


def test_nothing_decided_is_none_and_never_zero(add_task):
    bare = msgspec.structs.replace(add_task("bare"), checks=())
    logged = {}
    rewards = ours.shaped(
        prompts=["p"] * 4,
        completions=[RIGHT, [{"role": "assistant", "content": WRONG}], "no program", RIGHT],
        task=[task_text(task) for task in (add_task(), add_task(), add_task(), bare)],
        log_extra=logged.__setitem__,
        trainer_state=None,
    )
    assert rewards == [1.0, 0.0, 0.0, None]
    assert logged == {"verdict": ["pass", "fail", "invalid", "unknown"]}
    assert (ours.shaped.__name__, ours.all_passed.__name__) == ("shaped", "all_passed")


def well_formed(verdict):
    """1 for a program; what is none has no reward."""
    return None if verdict.status == "invalid" else 1.0


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing:FutureWarning")  # TRL's own default
def test_trl_trains_against_our_judge(add_task, tiny_model, tmp_path):
    trl, datasets = pytest.importorskip("trl"), pytest.importorskip("datasets")
    config = trl.GRPOConfig(
        str(tmp_path), use_cpu=True, bf16=False, max_steps=1, per_device_train_batch_size=4, num_generations=2, max_completion_length=4,
        report_to="none", save_strategy="no", disable_tqdm=True, logging_steps=1,
    )  # fmt: skip
    rewards = [ours.pass_rate, ours.reward_function(well_formed)]
    rows = datasets.Dataset.from_list(ours.rows([add_task(), add_task("again")]))
    trainer = trl.GRPOTrainer(str(tiny_model), reward_funcs=rewards, args=config, train_dataset=rows)
    trainer.train()
    logged = trainer.state.log_history[0]
    assert logged["rewards/pass_rate/mean"] == 0.0  # four tokens are no program
    assert logged["rewards/well_formed/mean"] is None
    assert logged["loss"] == 0.0
