"""The jail's second profile: commands of the system, apart from their seat, in the real jail."""

import shutil

import pytest

from burnish.core.errors import InputError, Unavailable
from burnish.sandbox import Bounds, Calls, Command, Program, Sandbox
from burnish.sandbox.inside import wire

BOUNDS = Bounds(wall_s=10, cpu_s=5, memory_mb=256, processes=8)


@pytest.fixture(scope="module")
def sandbox():
    sandbox = Sandbox(workers=1, profile="tools")
    yield sandbox
    sandbox.close()


@pytest.fixture
def shell(sandbox):
    """`shell(script, …)` runs a shell script and gives the run."""

    def run(script, bounds=BOUNDS, stop=None, **more):
        return sandbox.run(Command(argv=["sh", "-c", script], **more), bounds, stop)

    return run


def ended(run):
    assert run.guest[0] == ("ready",)
    assert run.guest[1][0] == "ended"
    return run.guest[1][1:]


def test_streams_status_and_files(shell):
    run = shell("cat; echo oops >&2; cat note > made; exit 3", stdin=b"h\xff", files={"note": b"text"}, fetch="made", fetch_bytes=100)
    assert run.output == b"h\xff"
    assert ended(run) == (3 << 8, b"oops\n", False, b"text")


def test_large_stdin_and_files_pass(shell):
    run = shell("cat | wc -c; wc -c < data", stdin=b"x" * 3_000_000, files={"data": b"y" * 20_000_000})
    assert run.output.split() == [b"3000000", b"20000000"]


def test_error_text_and_fetched_files_are_bounded(shell):
    run = shell("head -c 300000 /dev/urandom >&2; head -c 5000 /dev/urandom > big", error_bytes=1000, fetch="big", fetch_bytes=1000)
    status, errors, _, file = ended(run)
    assert (status, len(errors), len(file)) == (0, 1000, 1001)


def test_a_fetched_file_is_a_plain_one(shell):
    assert ended(shell("ln -s /usr/bin/env link", fetch="link", fetch_bytes=1000))[3] is None
    assert ended(shell("mkdir folder", fetch="folder", fetch_bytes=1000))[3] is None
    assert ended(shell("true", fetch="nothing", fetch_bytes=1000))[3] is None


def test_a_missing_program_is_named(sandbox):
    run = sandbox.run(Command(argv=["no-such-tool"]), BOUNDS)
    assert run.guest[1][0] == "not_started"
    assert "No such file" in run.guest[1][1]


def test_proof_is_the_secret_sent_back(shell):
    assert ended(shell("head -c 16 <&3 >&3", must_prove=True))[2]
    assert not ended(shell("true", must_prove=True))[2]
    assert not ended(shell("echo 0123456789abcdef >&3", must_prove=True))[2]
    assert not ended(shell("head -c 16 <&3 >&3; echo >&3", must_prove=True))[2]


def test_a_program_has_its_standard_streams_and_no_other_descriptor(shell):
    script = 'for n in 0 1 2 3 4 5 6 7 8 9; do (eval ": <&$n") 2>/dev/null && echo $n; done; true'
    assert shell(script).output.split() == [b"0", b"1", b"2"]
    assert shell(script, must_prove=True).output.split() == [b"0", b"1", b"2", b"3"]


def test_programs_share_nothing(shell):
    assert shell("mkdir -p a/b; echo x > a/b/c; echo x > d").output == b""
    assert shell("ls -A").output == b""


@pytest.mark.parametrize("target", ["$PPID", "-- -$PPID", "-- -1", "0"])
@pytest.mark.parametrize("number", ["KILL", "STOP", "TERM"])
def test_the_seat_cannot_be_signalled(shell, target, number):
    assert ended(shell(f"kill -{number} {target}; exit 7"))[0] == (31 if target == "$PPID" else 7 << 8)  # 31: SIGSYS
    assert shell("echo fine").output == b"fine\n"


def test_a_process_group_ends_at_the_jail():
    """A signal to the whole group must not reach the parent of an ordinary user, who has the same user id."""
    sandbox = Sandbox(workers=1)
    program = Program(source="import os\ndef group(x):\n    return os.getpgrp()\n", entry_point="group")
    assert sandbox.run(Calls(program=program, calls=[(0, (1,), {})]), BOUNDS).guest[1][1] == 1
    sandbox.close()


def test_the_system_shows_its_tools_and_nothing_of_its_user(shell):
    shown = shell("ls -A / /etc /usr/share /usr/src 2>/dev/null; cat /etc/passwd /etc/shadow; ls /home /proc /work /opt").output.split()
    assert {b"usr", b"bin", b"dev", b"private"} <= set(shown)
    assert not {b"home", b"proc", b"var", b"opt", b"work", b"passwd", b"doc"} & set(shown)
    packages = shell("ls -A /usr/lib/python3*/*-packages /usr/local/lib/python3*/*-packages 2>/dev/null | grep -v :").output
    assert packages.strip() == b""


def test_the_system_cannot_be_written(shell):
    run = shell("echo x > /usr/bin/x; echo x > /x; echo x > /usr/share/x; mkdir /usr/lib/x; mount -t tmpfs none /private")
    assert ended(run)[0] != 0
    assert ended(shell("ls /usr/bin/x /x /usr/share/x /usr/lib/x"))[0] != 0


def test_no_network(shell):
    run = shell("exec 3<>/dev/tcp/127.0.0.1/80")
    assert ended(run)[0] != 0
    if shutil.which("python3", path="/usr/bin"):
        run = shell("python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 80))' || echo none")
        assert run.output == b"none\n"


def test_limits_hold_for_the_whole_tree(shell):
    assert shell("while :; do :; done", Bounds(wall_s=0.3)).reason == wire.WALL
    busy = "while :; do :; done"
    run = shell(f"({busy}) & ({busy}) & ({busy}) & wait", Bounds(wall_s=30, cpu_s=0.4))
    assert run.reason == wire.CPU
    run = shell("head -c 400000000 /dev/urandom | tail -c 400000000 | wc -c", Bounds(wall_s=20, cpu_s=20, memory_mb=100))
    assert run.output.strip() != b"400000000"
    assert shell("f() { f | f & }; f; sleep 5; exit 1", Bounds(wall_s=1, processes=8)).reason in (wire.WALL, wire.EXITED)
    assert shell("echo fine").output == b"fine\n"


def test_output_is_cut(shell):
    run = shell("while :; do echo line; done", Bounds(output_bytes=5000))
    assert run.output_exceeded
    assert len(run.output) == 5000


def test_memory_that_is_really_used_is_limited_even_if_reserving_is_free(shell):
    if not shutil.which("python3", path="/usr/bin"):
        pytest.skip("python3 is not installed")
    script = "python3 -c 'x = bytearray(1 << 33); [x.__setitem__(n, 1) for n in range(0, 1 << 33, 4096)]'"
    assert shell(script, Bounds(wall_s=20, cpu_s=20, memory_mb=100), reserves_memory=True).reason == wire.MEMORY


def test_the_box_may_be_filled(shell):
    assert ended(shell("head -c 400000000 /dev/urandom > big", Bounds(wall_s=20, cpu_s=20, file_mb=1000)))[0] != 0
    assert shell("ls").output == b""


def test_python_jails_run_no_commands():
    sandbox = Sandbox(workers=1)
    assert sandbox.run(Command(argv=["/bin/true"]), BOUNDS).guest[1][0] == "not_started"
    sandbox.close()


def test_the_weaker_level_refuses_tools():
    with pytest.raises(Unavailable, match="BURNISH_SANDBOX"):
        Sandbox(workers=1, level="weaker", profile="tools").run(Command(argv=["true"]), BOUNDS)


def test_unknown_profiles_are_named():
    with pytest.raises(InputError, match="tools"):
        Sandbox(profile="tool")
