"""The formats between the trusted parent, the warden, the nursery and the seats. Constants and a few lines of framing.

Parent → nursery: one `ORDER` per run, or `ABORT`. Nursery → parent: one `REPLY` per run. A seat (a forked process that
runs code) reads its request, a marshal block, and then the program, another one, from its own pipe, and sends frames
(length + codec bytes) on a second pipe.
"""

from __future__ import annotations

import os
import struct

ORDER = struct.Struct("<BIIIII")
"""seats (1 guest, 2 guest and driver), wall ms and CPU ms per unit, memory MiB, units, wall ms of all units together (0: no limit)."""
ABORT = b"A"
REPLY = struct.Struct("<BiiII8s")
"""reason, wait status of guest and driver (-1: none), peak resident KiB, CPU microseconds, the shared page."""
PAGE = struct.Struct("<I??xx")
"""The page that seats share with the nursery: last unit begun (from 1); guest, driver came to run judged code."""
GUEST_READY, DRIVER_READY = 4, 5
"""Places in the page."""
EXITED, WALL, CPU, MEMORY, ABORTED, TOTAL = range(6)
"""Why a run ended. `TOTAL` is its time for all units together."""
LENGTH = struct.Struct("<I")
RENEW, WATCH, REST, DONE, EXCEEDED, OVERTIME = b"R", b"W", b"S", b"D", b"M", b"C"
"""Nursery to warden: renew the folder, watch (with `LIMITS`), stop watching. Warden to nursery: done, memory or CPU time exceeded."""
LIMITS = struct.Struct("<IQ")
"""What all processes of a run may use together: MiB of real memory, CPU ms."""
TICK_MS = 20
MOST_TESTS, MOST_CALLS = 1000, 50_000
"""Tests in one test file, and calls of it that are noted."""
SETUP_FAILED = 121
"""Exit status of a seat that failed before any judged code ran."""
GUEST_GONE = 122
"""Exit status of a driver whose guest ended before it did."""
ARTEFACT, PREAMBLE, DRIVER = "<solution>", "<preamble>", "<tests>"
"""File names under which code is compiled, so that traceback entries can be told apart."""


def read_exactly(descriptor: int, count: int) -> bytes:
    """Read `count` bytes or raise `EOFError`."""
    whole = os.read(descriptor, min(count, 1 << 20))
    if len(whole) == count:
        return whole
    if not whole:
        raise EOFError
    parts, count = [whole], count - len(whole)
    while count:
        part = os.read(descriptor, min(count, 1 << 16))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_block(descriptor: int, limit: int = 1 << 31) -> bytes:
    """Read a length and as many bytes. Raises `EOFError`, or `ValueError` above `limit`."""
    size = LENGTH.unpack(read_exactly(descriptor, 4))[0]
    if size > limit:
        raise ValueError(f"a block of {size} bytes exceeds {limit}")
    return read_exactly(descriptor, size)


def write_block(descriptor: int, data: bytes) -> None:
    """Write a length and the bytes."""
    data = LENGTH.pack(len(data)) + data
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])
