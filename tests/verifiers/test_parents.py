"""Where the judge may live: threads, event loops, processes of every start method, and beside torch."""

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from burnish.core.records import CheckSpec, Task
from burnish.sandbox import Bounds, Calls, Program
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.worker import Server
from burnish.verifiers.base import Limits
from burnish.verifiers.python import PythonVerifier

CHECKS = tuple(CheckSpec(id=f"{n}", kind="call", data={"args": f"({n},)", "expected": f"{n + 1}"}) for n in (0, 41))
TASK = Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": "f"}, checks=CHECKS)
DRIVEN = Task(
    id="d", group_id="g", kind="python", prompt="", context={"entry_point": "f"},
    checks=(CheckSpec(id="1", kind="assert", data={"code": "for x in [1]:\n    assert f(x) == x + 1"}),),
)  # fmt: skip
GOOD, BAD = "def f(x): return x + 1", "def f(x): return x"
SLEEP = "import time\ndef f(x):\n    time.sleep(600)\n"
LIMITS = Limits(wall_s=60, cpu_s=60)


def children(process):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return {int(child) for thread in Path(f"/proc/{process}/task").iterdir() for child in (thread / "children").read_text().split()}
    return set()


def descendants(process):
    """Process ids below `process` (not counting threads), found in /proc."""
    found = []
    try:
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                found += [child, *descendants(child)]
    except FileNotFoundError:
        pass
    return found


@pytest.fixture
def verifier():
    verifier = PythonVerifier(workers=2)
    yield verifier
    verifier.close()


def test_many_threads_at_once(verifier):
    def judge(n):
        return verifier.verify((TASK, DRIVEN)[n % 2], (GOOD, BAD)[n % 3 == 0]).passed

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(judge, range(200))) == [n % 3 != 0 for n in range(200)]


def test_a_thread_that_dies_leaves_the_judge_usable(verifier):
    results = []
    threads = [threading.Thread(target=lambda: results.append(verifier.verify(TASK, GOOD).passed), daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8
    assert verifier.verify(TASK, GOOD).passed


def test_thousands_of_awaited_verdicts_of_which_some_are_cancelled(verifier):
    async def judge():
        tasks = [asyncio.ensure_future(verifier.averify(TASK, (GOOD, BAD)[n % 2])) for n in range(2000)]
        await tasks[0]
        for task in tasks[100:1900]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    verdicts = asyncio.run(judge())
    for n, verdict in enumerate(verdicts):
        if 100 <= n < 1900:
            assert isinstance(verdict, asyncio.CancelledError) or verdict.passed == (n % 2 == 0)
        else:
            assert verdict.passed == (n % 2 == 0)
    assert sum(isinstance(verdict, asyncio.CancelledError) for verdict in verdicts) > 1000


@pytest.mark.parametrize("task", [TASK, DRIVEN])
def test_cancelling_ends_the_judged_process_and_not_its_server(verifier, task):
    async def cancelled_after(delay):
        """True if the servers outlived it. A seat that had not read its request yet costs its server, so the first may not."""
        assert (await verifier.averify(task, GOOD)).passed
        before = children(os.getpid())
        waiting = asyncio.ensure_future(verifier.averify(task, SLEEP, limits=LIMITS))
        await asyncio.sleep(0.05 + delay)
        judged = {seat for warden in before for nursery in children(warden) for seat in children(nursery)}
        assert judged
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        started = time.monotonic()
        while judged <= set(descendants(os.getpid())):  # one of them was the judged program; others wait in idle servers
            assert time.monotonic() - started < 10
            await asyncio.sleep(0.01)
        assert (await verifier.averify(task, GOOD)).passed
        assert (await verifier.averify(task, BAD)).status == "fail"
        return before <= children(os.getpid())

    assert any(asyncio.run(cancelled_after(delay)) for delay in (0.0, 0.1, 1.0, 5.0))


def test_a_time_limit_on_an_awaited_verdict(verifier):
    async def judge():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(verifier.averify(TASK, SLEEP, limits=LIMITS), 0.3)
        return await verifier.averify(TASK, GOOD)

    assert asyncio.run(judge()).passed


def test_giving_up_a_batch_ends_what_is_being_judged(verifier):
    started = time.monotonic()
    batch = verifier.verify_batch([(TASK, GOOD), *[(TASK, SLEEP)] * 20], limits=LIMITS)
    assert next(batch).passed
    batch.close()
    assert verifier.verify(TASK, GOOD).passed
    assert time.monotonic() - started < 30


def test_a_run_cancelled_at_any_moment_never_leaves_its_request_to_the_next():
    """A seat that is killed before it reads leaves its request in the pipe: such a server must not be used again."""
    server, old = Server(), Program(source="def f(): return 'old'", entry_point="f")
    try:
        for n in range(60):
            cancel = Cancel()
            timer = threading.Timer(n * 0.0001, cancel.set)
            timer.start()
            if n % 2:
                cancel.set()
            server.run(Calls(program=old, calls=[(0, (), {})]), Bounds(), None, cancel)
            timer.join()
            if not server.reusable:
                server.close()
                server = Server()
            new = Program(source=f"def f(): return {n}", entry_point="f")
            run = server.run(Calls(program=new, calls=[(0, (), {})]), Bounds())
            assert [frame[1] for frame in run.guest if frame[0] == "value"] == [n]
    finally:
        server.close()


PARENT = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
import burnish

def judge(n):
    return burnish.verify([f"assert f({n}) == {n + 1}"], f"def f(x): return x + {n % 2}", entry_point="f").passed

def main(method):
    context = multiprocessing.get_context(method)
    assert judge(1) and not judge(0)  # the parent has jails of its own, which a forked child must not touch
    with context.Pool(3) as pool:
        assert pool.map(judge, range(24)) == [n % 2 == 1 for n in range(24)]
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(judge, range(10))) == [n % 2 == 1 for n in range(10)]
    assert judge(1) and not judge(0)

if __name__ == "__main__":
    main(sys.argv[1])
    print("done")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_every_start_method(tmp_path, method):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    result = subprocess.run([sys.executable, "-W", "error::ResourceWarning", script, method], capture_output=True, text=True, timeout=120)
    assert result.stdout == "done\n", result.stderr
    assert result.stderr == ""


BESIDE_TORCH = """
import os, torch
from pathlib import Path
import burnish

def descendants(process):
    children = [int(c) for t in Path(f"/proc/{process}/task").iterdir() for c in (t / "children").read_text().split()]
    return [p for child in children for p in (child, *descendants(child))]

assert "libtorch" in Path("/proc/self/maps").read_text()
list(burnish.verify_batch([(["assert f(1) == 2"], "def f(x): return x + 1")] * 50, entry_point="f"))
servers = descendants(os.getpid())
maps = [Path(f"/proc/{server}/maps").read_text() for server in servers]
print(len(servers), sum("torch" in text for text in maps), sum("libc" in text for text in maps))
"""


def test_a_jail_never_holds_the_torch_of_its_parent():
    result = subprocess.run([sys.executable, "-c", BESIDE_TORCH], capture_output=True, text=True, timeout=120)
    servers, with_torch, with_libc = map(int, result.stdout.split())
    assert servers >= 2
    assert with_torch == 0
    assert with_libc == servers


def test_a_dropped_verifier_with_work_in_flight_hurts_nobody():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()  # what earlier tests have dropped is not this one's matter
    verifier = PythonVerifier(workers=1)
    batch = verifier.verify_batch([(TASK, GOOD), (TASK, SLEEP)], limits=LIMITS)
    assert next(batch).passed
    del batch
    gc.collect()
    assert verifier.verify(TASK, GOOD).passed
    verifier.close()
