"""What is kept is judged once, what is not settled is judged again, and nothing that matters is left out of the key."""

import asyncio
import inspect

import msgspec
import pytest

from burnish.core.errors import InputError
from burnish.core.plugins import find, names
from burnish.core.records import Check, CheckSpec, Task, Verdict
from burnish.sandbox.worker import Server
from burnish.store.verdicts import VerdictCache
from burnish.verifiers.base import Limits, Verifier
from burnish.verifiers.cached import CachedVerifier, is_settled
from burnish.verifiers.python import PythonVerifier

CHECKS = tuple(CheckSpec(id=f"{n}", kind="call", data={"args": f"({n}, 1)", "expected": f"{n + 1}"}) for n in range(2))
TASK = Task(id="t", group_id="g", kind="python", prompt="p", context={"entry_point": "add"}, checks=CHECKS)
ADD = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return a - b\n"
BROKEN = "def add(a, b):\n    return a +* b\n"
LOOP = "def add(a, b):\n    while True: pass\n"
EARLY = "import os\ndef add(a, b):\n    os._exit(0)\n"


class Counting(PythonVerifier):
    """The real verifier, which also notes what it was asked to judge."""

    def __init__(self, **options):
        super().__init__(**options)
        self.judged = []

    def _judge(self, task, artefact, *rest):
        self.judged.append(artefact)
        return super()._judge(task, artefact, *rest)


@pytest.fixture(scope="module")
def counting():
    counting = Counting(workers=2)
    yield counting
    counting.close()


@pytest.fixture
def verifier(counting, tmp_path):
    counting.judged.clear()
    with VerdictCache(tmp_path / "verdicts.sqlite") as cache:
        yield CachedVerifier(counting, cache)


def uncached(verdict):
    return msgspec.structs.replace(verdict, cost=msgspec.structs.replace(verdict.cost, cached=False))


@pytest.mark.parametrize(("source", "status"), [(ADD, "pass"), (WRONG, "fail"), (BROKEN, "invalid"), ("", "invalid"), (EARLY, "tampered")])
def test_a_settled_verdict_is_judged_once_and_otherwise_identical(verifier, counting, source, status):
    first, second = verifier.verify(TASK, source), verifier.verify(TASK, source)
    assert first.status == status
    assert counting.judged == [source]
    assert not first.cost.cached
    assert second.cost.cached
    assert uncached(second) == first


def test_it_is_a_verifier_itself(verifier, counting):
    assert isinstance(verifier, Verifier)
    assert (verifier.id, verifier.version) == (counting.id, counting.version)
    assert verifier.configuration() == counting.configuration()
    assert verifier.doctor() == counting.doctor()
    assert "cached" not in names("verifier")


def test_awaiting_uses_the_same_cache(verifier, counting):
    async def twice():
        return [await verifier.averify(TASK, ADD), await verifier.averify(TASK, ADD)]

    assert [verdict.cost.cached for verdict in asyncio.run(twice())] == [False, True]
    assert verifier.verify(TASK, ADD).cost.cached
    assert counting.judged == [ADD]


def test_a_batch_keeps_its_order_and_judges_what_is_the_same_once(verifier, counting):
    verifier.verify(TASK, BROKEN)
    sources = [ADD, WRONG, ADD, BROKEN, LOOP, WRONG, LOOP]
    verdicts = list(verifier.verify_batch([(TASK, source) for source in sources], limits=Limits(wall_s=0.3), workers=2))
    assert sorted(counting.judged) == sorted([BROKEN, ADD, WRONG, LOOP, BROKEN])
    assert [verdict.status for verdict in verdicts] == ["pass", "fail", "pass", "invalid", "timeout", "fail", "timeout"]
    assert [verdict.cost.cached for verdict in verdicts] == [False, False, True, False, False, True, True]
    assert list(verifier.verify_batch([])) == []


def test_a_batch_of_known_programs_and_new_ones_streams(verifier, counting):
    verifier.verify(TASK, ADD)
    stream = verifier.verify_batch([(TASK, ADD), (TASK, LOOP)], limits=Limits())
    assert next(stream).passed
    stream.close()
    assert counting.judged[0] == ADD


CHANGES = {
    "kind": {"kind": "other"},
    "context": {"context": {"entry_point": "add", "preamble": "import math"}},
    "checks": {"checks": CHECKS[:1]},
    "order of checks": {"checks": CHECKS[::-1]},
    "hidden": {"checks": (CHECKS[0], msgspec.structs.replace(CHECKS[1], hidden=True))},
    "weight": {"checks": (CHECKS[0], msgspec.structs.replace(CHECKS[1], weight=2.0))},
    "type of a value": {"context": {"entry_point": "add", "x": True}},
    "references": {"refs": (ADD,)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_the_task_that_matters_changes_the_key(verifier, change):
    base = msgspec.structs.replace(TASK, context={"entry_point": "add", "x": 1}) if change == "type of a value" else TASK
    changed = msgspec.structs.replace(base, **CHANGES[change])
    assert verifier._key(base, ADD, Limits(), False) != verifier._key(changed, ADD, Limits(), False)


@pytest.mark.parametrize("name", Limits.__struct_fields__)
def test_every_limit_changes_the_key(verifier, name):
    changed = msgspec.structs.replace(Limits(), **{name: 7})
    assert verifier._key(TASK, ADD, changed, False) != verifier._key(TASK, ADD, Limits(), False)


def test_program_mode_verifier_and_configuration_change_the_key(verifier, counting, tmp_path):
    cache = VerdictCache(tmp_path / "c")
    key = verifier._key(TASK, ADD, Limits(), False)
    assert verifier._key(TASK, ADD + "\n", Limits(), False) != key
    assert verifier._key(TASK, ADD, Limits(), True) != key
    for name, value in (("version", "99"), ("id", "other")):
        changed = Counting()
        setattr(changed, name, value)
        assert CachedVerifier(changed, cache)._key(TASK, ADD, Limits(), False) != key
    for options in ({"level": "weaker"}, {"packages": ["numpy"]}):
        assert CachedVerifier(Counting(**options), cache)._key(TASK, ADD, Limits(), False) != key


def test_what_does_not_matter_does_not_change_the_key(verifier):
    renamed = msgspec.structs.replace(TASK, id="other", group_id="other", prompt="other", meta={"split": "test"})
    assert verifier._key(renamed, ADD, Limits(), False) == verifier._key(TASK, ADD, Limits(), False)


@pytest.mark.parametrize("name", names("verifier"))
def test_every_option_of_a_verifier_is_in_its_configuration(name):
    """A verdict must not be taken from a cache that was filled by a verifier with other options."""
    found = find("verifier", name)
    options = {parameter for parameter in inspect.signature(type(found)).parameters if parameter != "workers"}
    assert options <= found.configuration().keys()


def test_broken_unicode_and_giant_integers_in_a_task_are_no_obstacle(verifier):
    task = msgspec.structs.replace(TASK, context={"entry_point": "add", "odd": ["\ud800", 10**5000, {1: b"x"}, None]})
    assert verifier.verify(task, ADD).passed
    assert verifier.verify(task, ADD).cost.cached


def test_a_task_with_other_than_plain_data_is_refused(verifier):
    with pytest.raises(InputError, match="'t'.*plain data"):
        verifier.verify(msgspec.structs.replace(TASK, context={"entry_point": "add", "odd": object()}), ADD)


def verdict(*outcomes, **more):
    return Verdict.of([Check(id=f"{n}", kind="call", outcome=outcome) for n, outcome in enumerate(outcomes)], **more)


@pytest.mark.parametrize(
    ("found", "first_fail", "settled"),
    [
        (verdict("pass"), False, True),
        (verdict("pass", "fail", "crash"), False, True),
        (verdict("fail", "skip"), True, True),
        (verdict("fail", "skip"), False, False),  # the time for all checks ran out
        (verdict("pass", "skip"), True, False),
        (verdict("fail", "timeout"), False, False),
        (verdict("timeout"), False, False),
        (verdict("error"), False, False),
        (verdict("fail", "error"), False, False),
        (verdict("unknown"), False, False),
        (verdict("fail", "unknown"), False, False),
        (verdict(), False, False),
        (verdict(unsupported=True), False, False),
    ],
)
def test_what_is_settled(found, first_fail, settled):
    assert is_settled(found, first_fail=first_fail) is settled


class NeverStarts(Server):
    """A jail whose server ends before it has said a word."""

    boot = "raise SystemExit"


def test_an_infrastructure_error_is_never_kept(counting, verifier, monkeypatch):
    counting.close()
    monkeypatch.setattr(counting.sandbox, "server_class", NeverStarts)
    assert verifier.verify(TASK, ADD).status == "error"
    monkeypatch.undo()
    assert verifier.verify(TASK, ADD).status == "pass"
    assert counting.judged == [ADD, ADD]


def test_a_time_out_is_judged_again(verifier, counting):
    for limits in (Limits(wall_s=0.2), Limits(cpu_s=0.2)):
        assert [verifier.verify(TASK, LOOP, limits=limits).status for _ in range(2)] == ["timeout", "timeout"]
    assert counting.judged == [LOOP] * 4


def test_a_damaged_cache_changes_no_verdict(counting, tmp_path):
    messages, path = [], tmp_path / "c"
    with VerdictCache(path) as cache:
        CachedVerifier(counting, cache).verify(TASK, WRONG)
    path.write_bytes(path.read_bytes().replace(b"\xa4fail", b"\xa4pass"))
    with VerdictCache(path, on_trouble=messages.append) as cache:
        assert CachedVerifier(counting, cache).verify(TASK, WRONG).status == "fail"
    assert len(messages) == 1
