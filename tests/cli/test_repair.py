"""`burnish repair`: a user's own failing file, mended and shown as a diff; nothing is written that does not pass. The real judge."""

import stat

import pytest

from burnish import api
from burnish.cli.main import main
from burnish.core.errors import InputError
from burnish.models.scripted import scripted

SHOP = '''"""A shop."""

RATE = 0.5


def tax(price):
    return price * RATE


def total(prices):
    return sum(prices) - tax(sum(prices))
'''
TESTS = "from shop import tax, total\n\ndef test_total():\n    assert total([2, 4]) == 9\n\ndef test_tax():\n    assert tax(2) == 1\n"
FIXED = "The sign was wrong.\n```python\ndef total(prices):\n    return sum(prices) + tax(sum(prices))\n```"
WRONG = "```python\ndef total(prices):\n    return 0\n```"


@pytest.fixture
def shop(tmp_path):
    file, tests = tmp_path / "shop.py", tmp_path / "test_shop.py"
    file.write_text(SHOP)
    file.chmod(0o750)
    tests.write_text(TESTS)
    return file, tests


def test_a_repair_is_a_diff_and_nothing_is_written_unless_asked(shop):
    found = api.repair(*shop, model=scripted([FIXED]), samples=1)
    assert (found.status, found.tests, found.passed_before, found.passed, found.attempts) == ("repaired", 2, 1, 2, 1)
    changed = [row for row in found.diff.splitlines() if row[:1] in "+-"]
    assert changed == [
        "--- a/shop.py",
        "+++ b/shop.py",
        "-    return sum(prices) - tax(sum(prices))",
        "+    return sum(prices) + tax(sum(prices))",
    ]
    assert shop[0].read_text() == SHOP


def test_written_when_asked_with_the_rest_of_the_file_and_its_mode_kept(shop):
    api.repair(*shop, model=scripted([WRONG, FIXED]), samples=1, write=True)
    assert shop[0].read_text() == SHOP.replace(" - tax", " + tax")
    assert stat.S_IMODE(shop[0].stat().st_mode) == 0o750


def test_a_failed_repair_writes_nothing(shop):
    found = api.repair(*shop, model=scripted(lambda messages, seed: WRONG), samples=2, write=True)
    assert (found.status, found.passed, found.diff) == ("not repaired", 1, "")
    assert shop[0].read_text() == SHOP


@pytest.mark.parametrize("strategy", ["sample", "ledex", "cycle", "refine", "rethink_mcts"])
def test_any_strategy_can_repair(shop, strategy):
    reply = lambda messages, seed: FIXED if "Propose" not in messages[-1].content else "[]"  # noqa: E731
    options = {"rollouts": 1} if strategy == "rethink_mcts" else {}
    assert api.repair(*shop, strategy=strategy, options=options, model=scripted(reply), samples=1).status == "repaired"


def test_the_model_is_shown_file_failure_and_tests(shop, tmp_path):
    seen = []
    api.repair(*shop, model=scripted(lambda messages, seed: seen.append(messages) or FIXED), samples=1)
    text = seen[0][0].content
    assert SHOP.strip() in text
    assert "assert total([2, 4]) == 9" in text
    assert "Reply with only the file, in a Python code block." in text


def test_a_file_that_passes_is_left_alone(shop):
    shop[0].write_text(SHOP.replace(" - tax", " + tax"))
    policy = scripted([])
    assert api.repair(*shop, model=policy, write=True).status == "passes"
    assert policy.calls == 0


def test_tests_may_use_installed_packages(shop):
    tests = "import pytest\nfrom shop import total\n\ndef test_total():\n    assert total([1.1]) == pytest.approx(1.65)\n"
    shop[1].write_text(tests + "    with pytest.raises(TypeError):\n        total(3)\n")
    assert api.repair(*shop, model=scripted([FIXED]), samples=1).status == "repaired"


def test_a_module_that_the_jail_cannot_have_is_named(shop):
    shop[1].write_text("import nowhere_to_be_found\nfrom shop import total\nassert total([]) == 0\n")
    with pytest.raises(InputError, match="nowhere_to_be_found"):
        api.repair(*shop, model=scripted([]))


def test_a_file_that_does_not_even_parse_can_be_repaired(shop):
    shop[0].write_text("def total(prices)\n    return 9\ndef tax(price): return 1\n")
    whole = "```python\ndef total(prices):\n    return 9\n\n\ndef tax(price):\n    return 1\n```"
    assert api.repair(*shop, model=scripted([whole]), samples=1).status == "repaired"


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("x = 1\n", "holds no tests"),
        ("assert 1 == 1\n", "uses nothing that"),
        ("def test_x(fixture):\n    assert total([]) == 0\n", "line 1: test_x takes arguments"),
        ("assert (\n", "line 1"),
    ],
)
def test_unusable_tests_are_named(shop, tests, message):
    shop[1].write_text(tests)
    with pytest.raises(InputError, match=message):
        api.repair(*shop, model=scripted([]))


def test_the_command_says_what_is_wrong_and_stops(shop, capsys):
    for arguments in ([str(shop[0]), "--tests", "nowhere.py"], [str(shop[0]), "--tests", str(shop[1]), "--strategy", "magic"]):
        with pytest.raises(SystemExit) as stopped:
            main(["repair", *arguments])
        assert stopped.value.code == 1
        assert capsys.readouterr().err.strip()


def test_the_command_on_a_tiny_model_ends_in_exit_code_1(shop, tiny_model, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["repair", *map(str, shop[:1]), "--tests", str(shop[1]), "--model", str(tiny_model), "--samples", "1", "--max-tokens", "8"])
    assert stopped.value.code == 1
    assert "at most 0 of 2 tests pass" in " ".join(capsys.readouterr().err.split())
    assert shop[0].read_text() == SHOP
