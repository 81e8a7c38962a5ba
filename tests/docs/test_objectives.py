"""The tables of docs/objectives.md say what the plug-ins say: one row for each plug-in of training, and no other."""

import re
from pathlib import Path

import pytest

from burnish.core.plugins import find, names, summary

PAGE = (Path(__file__).parents[2] / "docs" / "objectives.md").read_text()


def row(family: str, name: str) -> str:
    formula = find(family, name)
    options = ", ".join(f"`{option}` {value:g}" for option, value in formula.defaults.items())
    needs = ", ".join(sorted(formula.needs))
    cells = (f"`{name}`", summary(family, name), f"`{formula.formula}`", needs, options, formula.source)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


FAMILIES = {
    "loss": "Losses",
    "advantage": "Advantages",
    "weight": "Weights",
    "preference": "Preferences",
    "controller": "Controllers",
    "input": "Inputs",
}


@pytest.mark.parametrize(("family", "title"), FAMILIES.items())
def test_every_plug_in_has_its_row(family, title):
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    found = re.findall(r"^\| `.*$", section, re.MULTILINE)
    expected = [row(family, name) for name in names(family)]
    assert found == expected, f"Make the rows of {title} in docs/objectives.md:\n" + "\n".join(expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_for_is_a_whole_sentence(family):
    assert [name for name in names(family) if not summary(family, name).endswith((".", ")"))] == []
