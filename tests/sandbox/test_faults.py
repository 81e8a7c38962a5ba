"""Real faults of the machine below the judge: nothing is lost or wrong, and what cannot be judged is an `error`, never a fail."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.sandbox.processes import children, descendants, eventually, is_gone, kill

from burnish.core.errors import SandboxError
from burnish.core.records import CheckSpec, Task
from burnish.sandbox import Bounds, Calls, Program, Sandbox, Session
from burnish.sandbox.inside import jail
from burnish.sandbox.worker import Server
from burnish.verifiers.base import Limits
from burnish.verifiers.python import PythonVerifier

SLOW = "import time\ndef f(x):\n    time.sleep(0.5)\n    return x + 1\n"
QUICK = "def f(x):\n    return x + 1\n"
DRIVEN = "for n in [1]:\n    assert f(n) == 2"
BOUNDS = Bounds(wall_s=20, cpu_s=10)


def task(*specs):
    checks = tuple(CheckSpec(id=f"c{n}", kind=kind, data=data) for n, (kind, data) in enumerate(specs))
    return Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": "f"}, checks=checks)


CALL = task(("call", {"args": "(1,)", "expected": "2"}))
SESSION = task(("assert", {"code": DRIVEN}))


def calls(*values, source=QUICK):
    return Calls(program=Program(source=source, entry_point="f"), calls=[(unit, (value,), {}) for unit, value in enumerate(values)])


def session(source, claim):
    return Session(program=Program(source=source, entry_point="f"), drives=[(0, "assert", f"assert {claim}")])


def answers(run):
    return [frame[1] for frame in run.guest if frame[0] == "value"]


def wardens(sandbox):
    return [server._process.pid for server in sandbox._idle]


@pytest.fixture
def verifier():
    before = descendants(os.getpid())
    verifier = PythonVerifier(workers=1)
    yield verifier
    verifier.close()
    eventually(lambda: all(map(is_gone, set(descendants(os.getpid())) - set(before))))


@contextlib.contextmanager
def limited(what, soft):
    old, hard = resource.getrlimit(what)
    resource.setrlimit(what, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (old, hard))


# killed processes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["warden", "nursery"])
def test_a_server_killed_while_idle_is_not_noticed(verifier, role):
    assert verifier.verify(CALL, QUICK).status == "pass"
    [warden] = wardens(verifier.sandbox)
    kill(warden if role == "warden" else children(warden)[-1])
    assert verifier.verify(CALL, QUICK).status == "pass"
    assert verifier.verify(CALL, "def f(x):\n    return x\n").status == "fail"


@pytest.mark.parametrize("judged", [CALL, SESSION], ids=["call", "session"])
@pytest.mark.parametrize("role", ["warden", "nursery", "first seat", "last seat"])
def test_a_process_killed_while_running_is_not_noticed(verifier, role, judged):
    assert verifier.verify(judged, QUICK).status == "pass"
    [warden] = wardens(verifier.sandbox)
    _, nursery = children(warden)  # the first is the compiler
    with ThreadPoolExecutor(1) as threads:
        verdict = threads.submit(verifier.verify, judged, SLOW)
        eventually(lambda: verdict.done() or len(children(nursery)) == 1 + (judged is SESSION))
        time.sleep(0.1)
        seats = children(nursery) or [nursery]  # this thread may have come too late
        kill({"warden": warden, "nursery": nursery, "first seat": seats[0], "last seat": seats[-1]}[role])
        assert verdict.result().status == "pass"
    assert verifier.verify(judged, "def f(x):\n    return x\n").status == "fail"


def test_no_later_run_gets_the_request_of_a_seat_that_was_killed_before_it_read_it():
    sandbox = Sandbox(workers=1)
    stop = threading.Event()

    def murder():
        while not stop.is_set():
            for warden in children(os.getpid()):
                for nursery in children(warden)[1:]:
                    for seat in children(nursery):
                        kill(seat)

    murderer = threading.Thread(target=murder)
    murderer.start()
    try:
        for n in range(10):
            with contextlib.suppress(SandboxError):
                assert answers(sandbox.run(calls(n), BOUNDS)) in ([], [n + 1])
    finally:
        stop.set()
        murderer.join()
    assert answers(sandbox.run(calls(99), BOUNDS)) in ([], [100])  # the seat that waited for it may have been killed
    for n in range(100, 110):
        assert answers(sandbox.run(calls(n), BOUNDS)) == [n + 1]
    sandbox.close()


def test_a_program_that_ends_its_run_before_its_tests_have_begun_does_not_leave_them_to_the_next(verifier):
    forger = (
        "import os, stat\nfor n in range(3, 64):\n    try:\n        if stat.S_ISFIFO(os.fstat(n).st_mode): os.write(n, b'\\1\\0\\0\\0?')\n"
    )
    forger += "    except OSError: pass\n"
    for _ in range(20):
        verifier.sandbox.run(session(forger, "f(1) == 'another answer'"), BOUNDS)
        assert verifier.sandbox.run(session(QUICK, "f(1) == 2"), BOUNDS).driver[1][0] == "passed"
    assert verifier.verify(SESSION, forger).status == "tampered"


def test_every_idle_server_may_be_dead():
    verifier = PythonVerifier(workers=5)
    first = list(verifier.verify_batch([(CALL, SLOW)] * 5))
    assert [verdict.status for verdict in first] == ["pass"] * 5, first
    assert len(wardens(verifier.sandbox)) == 5
    for warden in wardens(verifier.sandbox):
        kill(warden)
    assert verifier.verify(CALL, QUICK).status == "pass"
    verifier.close()


# the private folder ------------------------------------------------------------------------------------------------

FILLS = {
    "bytes": "with open('big', 'wb') as file:\n        while True: file.write(b'x' * 65536)",
    "many files": "for n in range(100):\n        with open(str(n), 'wb') as file: file.write(b'x' * (1 << 20))",
    "inodes": "for n in range(100_000): open(str(n), 'w').close()",
    "deep folders": "for n in range(100_000):\n        os.mkdir('d')\n        os.chdir('d')",
}


@pytest.mark.parametrize("how", FILLS)
def test_a_full_folder_is_the_error_of_the_program_that_filled_it_and_the_next_has_room(verifier, how):
    filler = f"import os\ndef f(x):\n    {FILLS[how]}\n"
    verdict = verifier.verify(CALL, filler, limits=Limits(wall_s=20, cpu_s=10, file_mb=1000))
    assert verdict.checks[0].diagnostics[0].code == "python.exception.OSError"
    assert "No space left" in verdict.checks[0].diagnostics[0].message
    writer = "def f(x):\n    for n in range(50): open(str(n), 'wb').write(b'x' * 200_000)\n    return x + 1\n"
    assert verifier.verify(CALL, writer).status == "pass"
    assert verifier.verify(CALL, "import os\ndef f(x):\n    return 2 if os.listdir('.') == [] else os.listdir('.')\n").status == "pass"


# resources that are short ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not jail._all_users_mapped(), reason="only for root do this process's own threads not count")
def test_a_server_that_can_no_longer_fork_is_replaced(verifier):
    with limited(resource.RLIMIT_NPROC, 3):  # the compiler, the nursery and one seat
        assert verifier.verify(CALL, QUICK).status == "pass"
    [warden] = wardens(verifier.sandbox)
    assert verifier.verify(SESSION, QUICK).status == "pass"
    assert wardens(verifier.sandbox) != [warden]


@pytest.mark.skipif(os.getuid() == 0 and not jail._all_users_mapped(), reason="the kernel does not count the processes of a mapped root")
@pytest.mark.parametrize("judged", [CALL, SESSION], ids=["call", "session"])
def test_where_no_server_can_fork_the_outcome_is_error_until_it_can(verifier, judged):
    with limited(resource.RLIMIT_NPROC, 1):
        verdict = verifier.verify(judged, QUICK)
    assert (verdict.status, verdict.score, verdict.checks[0].outcome) == ("error", None, "error")
    assert verifier.verify(judged, QUICK).status == "pass"


def test_descriptors_exhausted_in_the_parent_are_an_error_and_nothing_leaks(verifier):
    before = sorted(os.listdir("/proc/self/fd"))
    statuses = []
    for room in range(24):
        verifier.close()
        free = [number for number in range(200) if str(number) not in before][room]
        with limited(resource.RLIMIT_NOFILE, free):
            statuses.append(verifier.verify(CALL, QUICK).status)
    verifier.close()
    assert set(statuses) == {"error", "pass"}
    assert statuses == sorted(statuses)  # enough room once is enough room for ever
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_server_that_is_short_of_descriptors_is_an_error_and_not_a_missing_layer():
    class Short(Server):
        boot = Server.boot.replace("server.from", "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); server.from")

    with pytest.raises(SandboxError, match="the limit on open files is 3"):
        Short()


# the parent --------------------------------------------------------------------------------------------------------

OPENING = """
import asyncio, contextlib, json, os, signal, sys, threading, time
from burnish.core.records import CheckSpec, Task
from burnish.verifiers.python import PythonVerifier
def task(args):
    return Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": "f"},
        checks=(CheckSpec(id="c", kind="call", data={"args": args, "expected": "2"}),))
QUICK = "def f(x):\\n    return x + 1\\n"
SLOW = "import time\\ndef f(x):\\n    time.sleep(x / 4)\\n    return x + 1\\n"
EARLY = "import os\\ndef f(x):\\n    os._exit(3)\\n"
verifier = PythonVerifier(workers=2)
def judge():
    return [verdict.status for verdict in verifier.verify_batch([(task("(1,)"), QUICK), (task("(1,)"), SLOW), (task("(1,)"), EARLY)])]
"""
RIGHT = ["pass", "pass", "fail"]


def parent(code, **options):
    return subprocess.Popen(
        [sys.executable, "-c", OPENING + textwrap.dedent(code)],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
    )


def outcome(process):
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    return json.loads(out)


def test_nothing_survives_a_parent_that_is_killed():
    with parent("verifier.verify(task('(1,)'), 'import os\\ndef f(x):\\n    os.fork()\\n    while True: pass\\n')") as process:
        found = eventually(lambda: len(found := descendants(process.pid)) >= 5 and found)  # warden, compiler, nursery, seat, its child
        process.kill()
    eventually(lambda: all(map(is_gone, found)))


@pytest.mark.parametrize(
    "last_words",
    [
        "next(verifier.verify_batch([(task('(1,)'), SLOW)] * 6))",
        "threading.Thread(target=verifier.verify, args=(task('(9,)'), SLOW), daemon=True).start(); time.sleep(0.5)",
        "threading.Thread(target=verifier.verify, args=(task('(1,)'), SLOW)).start()",
        "judge(); os._exit(0)",
        "judge(); raise SystemExit",
    ],
)
def test_the_interpreter_may_end_while_checks_run(last_words):
    with parent(last_words) as process:
        found = set()
        while process.poll() is None:
            found.update(descendants(process.pid))
            time.sleep(0.01)
        assert (process.returncode, process.stderr.read()) == (0, "")
    assert found
    eventually(lambda: all(map(is_gone, found)))


def test_standard_streams_may_be_closed(tmp_path):
    report = tmp_path / "report"
    code = f"""
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        with contextlib.suppress(OSError):
            os.write(1, b"x" * 100)
        found = judge()
        with contextlib.suppress(OSError):  # what a careless library would do
            os.write(2, b"x" * 100)
        open({str(report)!r}, "w").write(json.dumps(found + judge()))
    """
    with parent(code) as process:
        process.wait(timeout=60)
    assert json.loads(report.read_text()) == RIGHT + RIGHT


def test_limits_that_the_parent_was_started_with_hold_where_they_are_lower_than_ours():
    lower = {"RLIMIT_AS": 1 << 30, "RLIMIT_CPU": 3, "RLIMIT_DATA": 1 << 28, "RLIMIT_FSIZE": 1 << 20, "RLIMIT_NOFILE": 48}
    if jail._all_users_mapped():  # else the processes of this user, wherever, would count
        lower["RLIMIT_NPROC"] = 12
    code = f"""
        import resource
        for name, most in {lower}.items():
            resource.setrlimit(getattr(resource, name), (most, most))
        program = "import resource\\ndef f(x):\\n    found = {{n: resource.getrlimit(getattr(resource, n)) for n in {list(lower)}}}\\n"
        program += "    return 2 if found == { ({name: (most, most) for name, most in lower.items()}) } else found"
        verdict = verifier.verify(task("(1,)"), program)
        [before] = [server._process.pid for server in verifier.sandbox._idle]
        found = judge()
        print(json.dumps([verdict.status, *found, before in [server._process.pid for server in verifier.sandbox._idle]]))
    """
    with parent(code) as process:
        assert outcome(process) == ["pass", *RIGHT, True]


def test_a_limit_on_open_files_that_is_too_low_to_work_is_named():
    code = """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        verdict = verifier.verify(task("(1,)"), QUICK)
        print(json.dumps([verdict.status, verdict.checks[0].diagnostics[0].message]))
    """
    with parent(code) as process:
        status, message = outcome(process)
    assert (status, "the limit on open files is 32, the jail needs" in message) == ("error", True), message


SIGNALS = {
    "children are ignored": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "children are reaped by a handler": """
        def reap(*_):
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
        signal.signal(signal.SIGCHLD, reap)
    """,
    "a wake-up descriptor": """
        signal.signal(signal.SIGCHLD, lambda *_: None)
        left, right = os.pipe2(os.O_NONBLOCK)
        signal.set_wakeup_fd(right)
    """,
    "every signal is blocked": "signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())",
    "an alarm rings all the time": """
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    """,
}


@pytest.mark.parametrize("habit", SIGNALS)
def test_the_parents_signals_are_its_own(habit):
    code = """
        alarm = "import signal\\ndef f(x):\\n    signal.signal(signal.SIGALRM, lambda *_: 1 / 0)\\n"
        alarm += "    signal.setitimer(signal.ITIMER_REAL, .05)\\n"
        alarm += "    try:\\n        signal.pause()\\n    except ZeroDivisionError:\\n        return x + 1\\n"
        found = judge() + [verifier.verify(task("(1,)"), alarm).status]
        for server in verifier.sandbox._idle:
            os.kill(server._process.pid, signal.SIGKILL)
        found += judge()
        verifier.close()
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(found))
    """
    with parent(textwrap.dedent(SIGNALS[habit]) + textwrap.dedent(code)) as process:
        assert outcome(process) == [*RIGHT, "pass", *RIGHT]


def test_what_the_terminal_sends_to_the_parents_group_does_not_reach_the_judged_program():
    code = """
        signal.signal(signal.SIGINT, lambda *_: None)
        verifier.verify(task("(1,)"), QUICK)
        before = [server._process.pid for server in verifier.sandbox._idle]
        print("ready", flush=True)
        status = verifier.verify(task("(1,)"), SLOW).status
        print(json.dumps([status, before == [server._process.pid for server in verifier.sandbox._idle]]), flush=True)
        sys.stdin.read()  # until the last signal has come
    """
    with parent(code, start_new_session=True, stdin=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        for _ in range(8):
            time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)
        assert outcome(process) == ["pass", True]


def test_an_exception_out_of_a_signal_handler_leaves_a_pool_that_works(verifier):
    def interrupt(*_):
        raise KeyboardInterrupt

    assert verifier.verify(CALL, QUICK).status == "pass"
    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        for n in range(30):  # while a run lasts, while a server ends, while one starts
            signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.004 * n)
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    verifier.verify(CALL, SLOW)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert verifier.verify(CALL, QUICK).status == "pass"


MULTIPROCESSING = """
import multiprocessing
def judged(_):
    return judge()
if __name__ == "__main__":
    found = [judge()]
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        found += pool.map(judged, range(2))
    print(json.dumps([*found, judge()]))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_judge_too(tmp_path, method):
    script = tmp_path / "script.py"
    script.write_text(OPENING + MULTIPROCESSING)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, script, method], stdout=pipe, stderr=pipe, text=True) as process:
        assert outcome(process) == [RIGHT] * 4


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_while_servers_come_and_go_inherits_none_of_their_descriptors():
    before = len(os.listdir("/proc/self/fd"))
    stop = threading.Event()

    def come_and_go():
        while not stop.is_set():
            Server().close()

    threads = [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(100):
            time.sleep(0.003)
            child = os.fork()
            if child == 0:
                os._exit(len(os.listdir("/proc/self/fd")) > before)  # fewer: what an earlier test has left is closed meanwhile
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_an_event_loop_with_signals_of_its_own(verifier):
    async def judge():
        loop = asyncio.get_running_loop()
        rung = []
        loop.add_signal_handler(signal.SIGCHLD, rung.append, 1)
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(7)", stdout=subprocess.PIPE)
        verdicts = await asyncio.gather(*(verifier.averify(CALL, QUICK) for _ in range(5)))
        kill(wardens(verifier.sandbox)[0])
        verdicts += await asyncio.gather(*(verifier.averify(CALL, QUICK) for _ in range(5)))
        out, _ = await other.communicate()
        loop.remove_signal_handler(signal.SIGCHLD)
        return [verdict.status for verdict in verdicts], out, bool(rung)

    assert asyncio.run(judge()) == (["pass"] * 10, b"7\n", True)


# the file system of the parent -------------------------------------------------------------------------------------

READ_ONLY = """
from burnish.sandbox.inside import kernel
kernel.unshare(kernel.NEW_MOUNT | (0 if os.getuid() == 0 else kernel.NEW_USER))
kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
kernel.mount("/tmp", "/tmp", None, kernel.MS_BIND | kernel.MS_REC)
kernel.restrict_mount("/tmp", kernel.ATTR_RDONLY)
"""


def test_nothing_need_be_writable_for_the_full_jail():
    with parent(READ_ONLY + "print(json.dumps(judge()))", env={**os.environ, "TMPDIR": "/tmp"}) as process:
        assert outcome(process) == RIGHT


def test_the_weaker_jail_without_a_temporary_folder_is_an_error(monkeypatch, tmp_path):
    import tempfile

    verifier = PythonVerifier(workers=1, level="weaker")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert verifier.verify(CALL, QUICK).status == "error"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert verifier.verify(CALL, QUICK).status == "pass"
    verifier.close()
    assert list(tmp_path.iterdir()) == []
