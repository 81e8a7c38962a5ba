import asyncio
import json

import pytest

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.signals.feedback import feedback
from burnish.verifiers.base import Verifier
from burnish.verifiers.plain import PlainVerifier


class Keys(PlainVerifier):
    id = "keys"

    def parse(self, task, artefact):
        return json.loads(artefact)

    def check(self, task, spec, parsed):
        if "key" not in spec.data:
            raise InputError(f"check {spec.id!r} names no key")
        return "" if spec.data["key"] in parsed else f"the key {spec.data['key']!r} is missing"


def task(*keys):
    checks = [CheckSpec(id=f"c{n}", kind="key", data={"key": key}, hidden=n > 1, weight=n + 1.0) for n, key in enumerate(keys)]
    return Task(id="t", group_id="t", kind="keys", prompt="", checks=tuple(checks))


def test_a_verdict_follows_from_the_checks():
    keys = Keys()
    assert isinstance(keys, Verifier)
    verdict = keys.verify(task("a", "b", "c"), '{"a": 1, "c": 2}')
    assert [check.outcome for check in verdict.checks] == ["pass", "fail", "pass"]
    assert (verdict.status, verdict.score) == ("fail", pytest.approx(4 / 6))
    assert [check.hidden for check in verdict.checks] == [False, False, True]
    assert feedback(verdict) == "The code fails this test:\nthe key 'b' is missing"
    assert (verdict.provenance.verifier, verdict.provenance.version) == ("keys", "1")


def test_what_cannot_be_read_is_invalid_and_a_fault_of_the_verifier_is_an_error():
    keys = Keys()
    assert keys.verify(task("a"), "{").status == "invalid"
    broken = keys.verify(task("a"), "7")  # 'in' does not work on a number: the verifier's fault, not the model's
    assert (broken.status, broken.score) == ("error", None)
    assert "TypeError" not in feedback(broken)
    with pytest.raises(InputError, match="names no key"):
        keys.verify(Task(id="t", group_id="t", kind="k", prompt="", checks=(CheckSpec(id="c", kind="key", data={}),)), "{}")
    assert keys.verify(task(), "{}").status == "unknown"


def test_all_forms_agree_and_the_first_failure_stops():
    keys, asked = Keys(), task("a", "b")
    items = [(asked, '{"a": 1, "b": 2}'), (asked, "{}")]
    verdicts = list(keys.verify_batch(items, first_fail=True))
    assert [[check.outcome for check in verdict.checks] for verdict in verdicts] == [["pass", "pass"], ["fail", "skip"]]
    assert asyncio.run(keys.averify(asked, "{}")).status == "fail"
    assert not keys.doctor()
    keys.close()
