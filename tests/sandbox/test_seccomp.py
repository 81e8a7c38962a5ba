import struct
from pathlib import Path

import pytest

from burnish.sandbox.inside import seccomp, syscalls

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}


def run(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """Interpret classic BPF on one `struct seccomp_data`."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, *arguments, *(6 - len(arguments)) * [0])
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator, at = 0, 0
    while True:
        operation, when_true, when_false, value = code[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x06:
            return value
        else:
            tests = {0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}
            at += when_true if tests[operation] else when_false


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request, monkeypatch):
    class Name:
        machine = request.param

    monkeypatch.setattr(seccomp.os, "uname", lambda: Name)
    return request.param


def numbers(table: str, column: int) -> list[int]:
    found = [int(entry.split(":")[1 + column]) for entry in table.split()]
    return [number for number in found if number >= 0]


def test_every_call_meets_its_verdict(machine):
    architecture, column = ARCHITECTURES[machine]
    program = seccomp.program()
    allowed = {*numbers(syscalls.ALLOWED, column), *numbers(syscalls.FORK, column)}
    hostile = set(numbers(syscalls.HOSTILE, column))
    inspected = set(numbers(syscalls.INSPECTED, column))
    assert not allowed & hostile
    for number in set(range(500)) - inspected:
        expected = ALLOW if number in allowed else KILL if number in hostile else ERRNO | (38 if number >= 451 else 1)
        assert run(program, architecture, number) == expected, number


def test_another_architecture_is_killed(machine):
    assert run(seccomp.program(), 0x40000003, 1) == KILL


def test_arguments_are_inspected(machine):
    architecture, column = ARCHITECTURES[machine]
    program = seccomp.program()
    number = {entry.split(":")[0]: int(entry.split(":")[1 + column]) for entry in syscalls.INSPECTED.split()}
    assert run(program, architecture, number["clone"], 0x3D0F00) == ALLOW
    for flag in (0x20000, 0x10000000, 0x20000000, 0x40000000, 0x8000):
        assert run(program, architecture, number["clone"], flag) == KILL
    assert run(program, architecture, number["clone3"]) == ERRNO | 38
    assert run(program, architecture, number["prlimit64"], 0) == ALLOW
    assert run(program, architecture, number["prlimit64"], 1) == ERRNO | 1
    assert run(program, architecture, number["prctl"], 15) == ALLOW
    assert run(program, architecture, number["prctl"], 4) == ERRNO | 1
    for command, verdict in ((2, ALLOW), (4, ALLOW), (8, ERRNO | 1), (10, ERRNO | 1), (15, ERRNO | 1)):
        assert run(program, architecture, number["fcntl"], 3, command) == verdict
    for command, verdict in ((0x5451, ALLOW), (0x8901, ERRNO | 1), (0x8902, ERRNO | 1)):
        assert run(program, architecture, number["ioctl"], 3, command) == verdict
    for flags, verdict in ((0x22, ALLOW), (0x01, ALLOW), (0x21, ERRNO | 1), (0x23, ERRNO | 1), (0x40022, ERRNO | 1)):
        assert run(program, architecture, number["mmap"], 0, 4096, 3, flags) == verdict
    assert run(program, architecture, number["madvise"], 0, 4096, 4) == ALLOW
    assert run(program, architecture, number["madvise"], 0, 4096, 21) == ERRNO | 1


def test_without_fork_only_threads_are_made(machine):
    architecture, column = ARCHITECTURES[machine]
    program = seccomp.program(allow_fork=False)
    clone = next(int(entry.split(":")[1 + column]) for entry in syscalls.INSPECTED.split() if entry.startswith("clone:"))
    assert run(program, architecture, clone, 0x10000) == ALLOW
    assert run(program, architecture, clone, 0x11) == ERRNO | 1
    for number in numbers(syscalls.FORK, column):
        assert run(program, architecture, number) == ERRNO | 1


def test_exec_is_for_the_tools_profile_only(machine):
    architecture, column = ARCHITECTURES[machine]
    for number in numbers(syscalls.EXEC, column):
        assert run(seccomp.program(), architecture, number) == ERRNO | 1
        assert run(seccomp.program(allow_exec=True), architecture, number) == ALLOW


def test_one_process_may_be_kept_from_signals(machine):
    architecture, column = ARCHITECTURES[machine]
    program = seccomp.no_signals_to(7)
    number = {entry.split(":")[0]: int(entry.split(":")[1 + column]) for entry in syscalls.SIGNALS.split()}
    assert run(program, architecture, number.pop("pidfd_send_signal"), 3) == ERRNO | 1
    for call in number.values():
        assert run(program, architecture, call, 7) == KILL
        assert run(program, architecture, call, 8) == ALLOW
        for group in (0, 2**32 - 1, 2**32 - 7):
            assert run(program, architecture, call, group) == ERRNO | 1
    assert run(program, architecture, 0, 7) == ALLOW


def test_the_tables_agree_with_the_kernel_headers():
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip("linux-libc-dev is not installed")
    known = dict(line.split()[1:3] for line in header.read_text().splitlines() if line.startswith("#define __NR_"))
    tables = (syscalls.ALLOWED, syscalls.FORK, syscalls.EXEC, syscalls.HOSTILE, syscalls.SIGNALS, syscalls.INSPECTED)
    for name, number, _ in (entry.split(":") for table in tables for entry in table.split()):
        assert known.get(f"__NR_{name}", number) == number, name
