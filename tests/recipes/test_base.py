"""Recipes by name: settings from a file, from words, in the quick form; errors that teach; provenance of everything."""

from pathlib import Path

import pytest

from burnish.core.errors import InputError, UnknownName
from burnish.core.plugins import names
from burnish.recipes.base import chosen, paper, settings

RECIPES = names("recipe")


def test_which_there_are():
    assert RECIPES == ["cycle", "demo", "ledex"]


@pytest.mark.parametrize("name", RECIPES)
def test_the_standard_setting_and_the_quick_one(name):
    standard, quick = chosen(name), chosen(name, quick=True)
    assert (standard.out, quick.out) == (Path(f"runs/{name}"), Path(f"runs/{name}-quick"))
    assert standard.config == type(standard.config)()
    assert quick.config == type(standard.config).quick() != standard.config


def test_words_replace_single_values_of_a_file_and_of_the_recipe():
    text = b'recipe = "ledex"\nrl = "grpo"\nout = "runs/a"\n[sft]\nepochs = 3\n[ppo.trainer]\nmicro_tokens = 512\n'
    found = chosen("ledex", text, ["sft.learning_rate=1e-4", "measure.tasks=['humaneval']", "out=runs/b"])
    assert found.out == Path("runs/b")
    config = found.config
    assert (config.rl, config.sft.epochs, config.sft.learning_rate, config.sft.batch_size) == ("grpo", 3, 1e-4, 8)
    assert (config.measure.tasks, config.ppo.trainer) == (("humaneval",), {"micro_tokens": 512})
    assert chosen("ledex", overrides=["collect.answers=7"], quick=True).config.collect.repairs == 2  # the rest stays quick


def test_what_a_nested_setting_does_not_say_keeps_the_recipes_value_and_not_its_types():
    config = chosen("demo", overrides=["sft.learning_rate=1e-4"]).config
    assert (config.sft.learning_rate, config.sft.epochs, config.sft.micro_tokens) == (1e-4, 2, 1024)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["answers=3"], r"There is no setting answers. Known: model, teacher"),
        (["collect.answer=3"], r"There is no setting collect.answer. Known: collect.answers, collect.temperature"),
        (["collect=3"], r"collect is a table of settings, not 3. Write collect.answers=…"),
        (["collect.answers=0"], r"collect.answers = 0: it must be at least 1"),
        (["collect.answers=many"], r"Expected `int`, got `str`"),
        (["rl=ppo"], r"Invalid enum value 'ppo'"),
        (["rewards.low=0.1"], r"both low and high"),
        (["rewards.embed=a:b"], r"measured with the encoder of the wheel"),
        (["measure.samples=0"], r"samples, rounds and draws be at least 1"),
        (["model"], r"'model' is no override. Write key=value"),
    ],
)
def test_what_cannot_be_set_is_explained(words, message):
    with pytest.raises(InputError, match=message):
        chosen("ledex", overrides=words)


def test_a_setting_of_the_trainer_that_does_not_exist_is_explained():
    config = chosen("ledex", overrides=["sft.trainer={micro_token = 3}"]).config
    with pytest.raises(InputError, match="There is no setting 'micro_token'. Known: adv"):
        config.sft.config(0)


def test_unknown_recipes_and_files_for_another_one():
    with pytest.raises(UnknownName, match="no recipe named 'ledx'. Known: cycle, demo, ledex"):
        chosen("ledx")
    with pytest.raises(InputError, match="The file says recipe = 'cycle', but 'ledex' was asked for"):
        chosen("ledex", b'recipe = "cycle"')


@pytest.mark.parametrize("name", ["ledex", "cycle"])
def test_every_hyper_parameter_of_a_published_system_says_where_it_is_from(name):
    found = settings(chosen(name).config)
    assert len({one.name for one in found}) == len(found) > 15
    assert {one.provenance.origin for one in found} == {"paper", "reconstructed", "ours"}
    kind = type(chosen(name).config)
    assert all(hasattr(one, "__metadata__") for one in _leaves(kind)), "a setting without provenance"


def _leaves(kind):
    from typing import get_type_hints

    from burnish.core.records import Record

    for hint in get_type_hints(kind, include_extras=True).values():
        if isinstance(hint, type) and issubclass(hint, Record):
            yield from _leaves(hint)
        else:
            yield hint


def test_the_papers_values():
    known = {one.name: (one.value, one.provenance) for one in settings(chosen("ledex").config)}
    assert known["collect.temperature"] == (1.0, paper())
    assert (known["collect.repair_temperature"][0], known["ppo.gamma"][0], known["measure.temperature"][0]) == (0.8, 0.99, 0.8)
    assert known["ppo.segment_mode"][0] == "literal"
