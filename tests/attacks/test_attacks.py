"""No hostile program passes, none leaves anything behind, each ends in time, and a good program right after each passes."""

import json
import os
import random
import runpy
import socket
import threading
import time
from pathlib import Path

import pytest

from burnish.core.records import CheckSpec, Task
from burnish.verifiers.base import Limits
from burnish.verifiers.python import PythonVerifier

ATTACKS = runpy.run_path(str(Path(__file__).parent / "corpus.py"))["ATTACKS"]
ANSWERS = {n: random.SystemRandom().randrange(10**17, 10**18) for n in (1, 2, 3)}
LIMITS = Limits(wall_s=1.5, cpu_s=1.0, memory_mb=256, processes=8)
GOOD = f"def solve(n):\n    return {ANSWERS!r}[n]\n"


def task() -> Task:
    calls = [CheckSpec(id=f"call{n}", kind="call", data={"args": f"({n},)", "expected": str(ANSWERS[n])}, hidden=n > 1) for n in (1, 2)]
    code = CheckSpec(id="assert", kind="assert", data={"code": f"assert solve(3) == {ANSWERS[3]}"})
    function = CheckSpec(
        id="check", kind="check_function", data={"code": f"def check(f):\n    for n, a in {ANSWERS}.items():\n        assert f(n) == a"}
    )
    return Task(id="steal", group_id="g", kind="python", prompt="", context={"entry_point": "solve"}, checks=(*calls, code, function))


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(workers=1)
    yield verifier
    verifier.close()


@pytest.fixture(scope="module")
def bait(tmp_path_factory):
    """Everything that would help a program which got out of the jail."""
    folder = tmp_path_factory.mktemp("bait")
    folder.chmod(0o755)
    answers = folder / "answers.json"
    answers.write_text(json.dumps(ANSWERS))
    answers.chmod(0o644)
    abstract = f"\0burnish-{os.getpid()}"
    servers = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
    servers[1].bind(abstract)
    servers[1].listen()
    for server in servers:
        threading.Thread(target=_tell, args=(server,), daemon=True).start()
    for n, answer in ANSWERS.items():
        os.environ[f"BURNISH_TEST_ANSWER_{n}"] = str(answer)
    yield {"answers": str(answers), "port": servers[0].getsockname()[1], "abstract": abstract, "marker": str(folder / "marker")}
    for server in servers:
        server.close()
    for n in ANSWERS:
        del os.environ[f"BURNISH_TEST_ANSWER_{n}"]


def _tell(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.sendall(str(ANSWERS[int(connection.recv(100))]).encode())


def descendants(process: int) -> list[int]:
    """All living processes below `process`, as the host sees them."""
    found = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def test_the_bait_is_real(bait):
    assert json.loads(Path(bait["answers"]).read_text())["1"] == ANSWERS[1]
    connection = socket.create_connection(("127.0.0.1", bait["port"]))
    with connection:
        connection.sendall(b"2\n")
        assert int(connection.recv(100)) == ANSWERS[2]


def test_a_good_program_passes(verifier):
    assert verifier.verify(task(), GOOD, limits=LIMITS).status == "pass"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.group}: {attack.name}")
def test_attack(attack, verifier, bait):
    source = attack.source
    for name, value in bait.items():
        source = source.replace(f"{name.upper()}_PLACE", repr(value))
    started = time.monotonic()
    verdict = verifier.verify(task(), source, limits=LIMITS)
    assert verdict.status in ("fail", "timeout", "invalid", "tampered"), verdict
    assert verdict.score == 0.0 or verdict.status in ("fail", "timeout")
    assert not any(check.outcome == "pass" for check in verdict.checks), verdict
    if attack.tampered:
        assert verdict.status == "tampered", verdict
    assert time.monotonic() - started < len(task().checks) * (LIMITS.wall_s + 2)
    assert len(descendants(os.getpid())) <= 2, "only the warden and its nursery may live"
    assert not Path(bait["marker"]).exists()
    assert verifier.verify(task(), GOOD, limits=LIMITS).status == "pass"
