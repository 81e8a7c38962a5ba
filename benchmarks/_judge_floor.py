"""The floor of `benchmarks.judge`: fork, exit and wait of a warm process like the judge's server, and nothing else.

Run by a bare interpreter with the same flags and modules as a server. The first argument chooses the C library's fork or
Python's `os.fork`, the second is the folder of `burnish.sandbox`, the rest are the modules to be imported. It speaks the
protocol of `_judge_worker`; a round makes as many forks as there are numbers in the order.
"""

import gc
import importlib
import json
import os
import sys
import time


def main(kind: str, sandbox: str, modules: list[str]) -> None:
    sys.path.insert(0, sandbox)
    kernel = importlib.import_module("inside.kernel")
    importlib.import_module("inside.server")
    for name in modules:
        importlib.import_module(name)
    fork = {"libc": kernel.fork, "os": os.fork}[kind]
    items = json.loads(sys.stdin.readline())
    gc.collect()
    gc.freeze()
    rounds(fork, 20)
    print(json.dumps({"able": list(range(len(items)))}), flush=True)
    del items
    for line in iter(sys.stdin.readline, ""):
        print(json.dumps(rounds(fork, len(json.loads(line)))), flush=True)


def rounds(fork: object, count: int) -> dict[str, object]:
    latencies = []
    started = time.perf_counter()
    for _ in range(count):
        begun = time.perf_counter()
        child = fork()  # type: ignore[operator]
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        latencies.append(time.perf_counter() - begun)
    return {"seconds": time.perf_counter() - started, "latencies": latencies, "verdicts": []}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
