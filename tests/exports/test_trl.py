"""TRL's own loader and trainers read what is written for them."""

import pytest
from tests.exports.conftest import SECRET

from burnish.exports import export

datasets = pytest.importorskip("datasets")


@pytest.fixture
def read(store, tmp_path):
    export(store, tmp_path / "out", "trl")
    return lambda name: datasets.load_dataset(str(tmp_path / "out" / name), split="train", cache_dir=str(tmp_path / "cache"))


def test_each_folder_is_a_data_set_of_decided_answers(read):
    assert read("sft")["attempt_id"][:] == ["mended#0/1", "mended#1/0"]
    unpaired = read("unpaired")
    labels = dict(zip(unpaired["attempt_id"], unpaired["label"], strict=True))
    assert labels == {"mended#0/0": False, "mended#0/1": True, "mended#1/0": True, "shallow#0/0": False}
    assert unpaired["reward"][:] == [0.0, 1.0, 1.0, 0.25]
    (pair,) = read("preference")
    assert (pair["attempt_id"], pair["rejected_attempt_id"]) == ("mended#1/0", "mended#0/0")  # the repair answered another prompt
    assert pair["policy_version"] == "3"


def test_hidden_checks_and_references_stand_in_no_conversation(read):
    for name in ("prompts", "sft", "preference", "unpaired"):
        for row in read(name):
            task = row.pop("task", SECRET)
            assert SECRET in task
            assert SECRET not in str(row)
            assert "# 31337" not in task


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing:FutureWarning")  # TRL's own default
@pytest.mark.parametrize(("name", "kind"), [("sft", "SFT"), ("preference", "DPO"), ("unpaired", "KTO")])
def test_trl_trains_on_it(read, tiny_model, tmp_path, name, kind):
    trl = pytest.importorskip("trl")
    config = getattr(trl, f"{kind}Config")(
        str(tmp_path), use_cpu=True, max_steps=1, per_device_train_batch_size=2, report_to="none", save_strategy="no", bf16=False,
        disable_tqdm=True,
    )  # fmt: skip
    trainer = getattr(trl, f"{kind}Trainer")(str(tiny_model), args=config, train_dataset=read(name))
    assert trainer.train().training_loss > 0
