"""Plug-ins are found by module name or import path; errors list what exists."""

import pytest

from burnish.core import plugins
from burnish.core.errors import InputError, UnknownName


def test_a_plug_in_is_found_by_its_module_s_name_with_dashes_or_underscores():
    assert plugins.find("strategy", "self-debug") is plugins.find("strategy", "self_debug")


def test_protocol_and_private_modules_are_not_plug_ins():
    assert "base" not in plugins.names("strategy")
    assert not any(name.startswith("_") for family in plugins.FAMILIES for name in plugins.names(family))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownName, match="self_debug"):
        plugins.find("strategy", "self_debugging")


def test_an_import_path_reaches_user_code():
    assert plugins.find("strategy", "math:sqrt")(9) == 3


@pytest.mark.parametrize("path", ["no_such_module:f", "math:no_such_function"])
def test_a_wrong_import_path_says_so(path):
    with pytest.raises(InputError, match="package.module:object"):
        plugins.find("strategy", path)


@pytest.mark.parametrize("family", sorted(plugins.FAMILIES))
def test_every_plug_in_loads_under_its_own_name_and_says_what_it_is(family):
    for name in plugins.names(family):
        assert plugins.find(family, name) is not None
        assert plugins.summary(family, name)


def test_options_are_checked_against_the_signature():
    def strategy(task, *, rounds=1): ...

    plugins.check_options(strategy, {"rounds": 2}, "strategy 'x'")
    with pytest.raises(InputError, match="no option 'round'.*rounds"):
        plugins.check_options(strategy, {"round": 2}, "strategy 'x'")


def test_the_catalogue_knows_singular_and_plural():
    assert plugins.catalogue("strategies") == plugins.catalogue("strategy")
    with pytest.raises(UnknownName, match="strategies"):
        plugins.catalogue("strategems")
