"""Trees can be made in several threads at once."""

import gc
import sys
import threading

import pytest

from burnish.core import syntax

SOURCE = "def f(x):\n" + "".join(f"    y{n} = [x, (x, {{'a': x}}), f(x + {n} * (x - 1))]\n" for n in range(200))


@pytest.fixture
def restless():
    """Threads and the garbage collector take turns much more often."""
    before = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(10)
    yield
    sys.setswitchinterval(before[0])
    gc.set_threshold(*before[1])


def test_trees_from_several_threads(restless):
    failed = []

    class Cycle:
        def __init__(self):
            self.own = self

        def __del__(self):
            for _ in range(50):
                pass

    def work():
        for _ in range(12):
            for _ in range(5):
                Cycle()
            try:
                syntax.module(SOURCE)
            except SystemError as error:
                failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_errors_are_those_of_the_parser():
    assert syntax.expression("1 + 2").body.op is not None
    with pytest.raises(SyntaxError):
        syntax.expression("x = 1")
    with pytest.raises(SyntaxError):
        syntax.module("def")
