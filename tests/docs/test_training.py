"""The training file in the documentation can be read, names plug-ins that exist, and every check is in the table."""

import re
from pathlib import Path

from burnish.core.plugins import find
from burnish.training.files import read_plan

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text()


def test_the_training_file_is_one() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    config = read_plan(text.encode()).train
    assert find("loss", config.rl_loss).options(config.rl_options)["epsilon_high"] == 0.28
    assert all(find("loss", name) for name in config.rl_terms)
    controller = find("controller", config.stages[1].controller)
    assert controller.options(config.stages[1].controller_options)["warmup"] == 5.0


def test_every_preflight_check_is_listed() -> None:
    found = set()
    for first, last in re.findall(r"P(\d\d)(?:–P(\d\d))?", PAGE[PAGE.index("## Preflight") :]):
        found |= set(range(int(first), int(last or first) + 1))
    assert found == set(range(1, 21))
