"""A test file against a program: pytest in the driver seat, and the guest's own record of what the tests asked.

The tests are hostile and share a process with pytest, so what this process reports is no more than their claim. What the
judge believes comes from the other side of the wall: `Witness` tells it which calls were made and how they were answered.
Both sides of every run are the same to the byte but for the program, so answers are all that the tests can tell programs
apart by. pytest is the one import here that is not of the standard library; it is needed for this kind of job only.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from . import functions, kernel, seccomp, wire
from .seat import Seat, describe, text_of
from .source import assertions, free_names

NAME = 200
"""Longest name of a test that is reported, in characters."""
_FILE = "tests.py"
_UNUSED = (
    *("cacheprovider", "doctest", "faulthandler", "junitxml", "pastebin", "setuponly", "setupplan", "stepwise", "threadexception"),
    "unraisableexception",
)
"""pytest's own plugins that have nothing to do in the jail."""


class Witness:
    """Reports from the guest each call and each answer as a number. Both seats hash alike: the hash seed is fixed."""

    def __init__(self, seat: Seat) -> None:
        self._seat, self._left = seat, wire.MOST_CALLS

    def asked(self, request: bytes) -> None:
        """A call came in."""
        if self._left:
            self._seat.send("asked", hash(request))

    def answered(self, reply: bytes) -> None:
        """Its answer is about to go out."""
        if self._left:
            self._left -= 1
            self._seat.send("answered", hash(reply))

    @staticmethod
    def without_place(frame: tuple[Any, ...]) -> tuple[Any, ...]:
        """An answer as tests may see it: where in the program an exception arose would tell two programs apart that behave alike."""
        return ("raised", (*frame[1][:2], None)) if frame[0] == "raised" else frame


def run(seat: Seat, link: int) -> None:
    """Run the test file of the request against the guest. Never returns."""
    kernel.install_filter(seccomp.no_signals())
    remote = functions.Functions(link, seat.limit + 1000)
    if not remote.is_loaded():
        remote.leave()
    seat.start_unit(0)
    tree = _parsed(seat, seat.request["tests"])
    if tree is not None:
        _run_tests(seat, remote, tree)
    os._exit(0)


def _parsed(seat: Seat, text: str) -> ast.Module | None:
    try:
        tree = ast.parse(text, wire.DRIVER)
        compile(tree, wire.DRIVER, "exec", dont_inherit=True)
        seat.send("source", assertions(tree))
        return tree
    except SyntaxError as error:
        line, column = error.lineno or 1, (error.offset or 1) - 1
        place = (line, column, error.end_lineno or line, (error.end_offset or 0) - 1)
        seat.send("syntax", type(error).__name__, text_of(error.msg), place)
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        seat.send("syntax", type(error).__name__, text_of(error) or "too complex to compile", None)
    return None


def _run_tests(seat: Seat, remote: Any, tree: ast.Module) -> None:
    session = _ready.pop() if _ready else _new_session()
    reporter = _Reporter(seat.send, remote, session)
    session.config.pluginmanager.register(reporter)
    sys.modules[seat.request["module"]] = _module_of(remote, seat.request)
    try:
        items = list(session.genitems(_collector(session, _loaded(session, tree, remote, seat.request))))
    except BaseException as error:
        names, message, place = describe(error, wire.DRIVER)
        seat.send("broken", f"{names[0].removeprefix('builtins.')}: {message}", place)
        return
    if reporter.broken:
        seat.send("broken", reporter.broken, None)
        return
    seat.send("collected", len(items))
    if len(items) > wire.MOST_TESTS:
        return
    session.items = items
    try:
        session.config.hook.pytest_runtestloop(session=session)
    except BaseException as error:
        seat.send("stopped", f"{type(error).__name__}: {text_of(error)}")
        return
    seat.send("end")


def _module_of(remote: Any, request: dict[str, Any]) -> ModuleType:
    """What the tests import as the program: any name it is asked for is a function of the guest."""

    def attribute(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return remote.function(name)

    module = ModuleType(request["module"])
    module.__getattr__ = attribute  # type: ignore[method-assign]
    module.__all__ = [request["entry_point"]] if request["entry_point"] else []  # type: ignore[attr-defined]
    return module


def _loaded(session: Any, tree: ast.Module, remote: Any, request: dict[str, Any]) -> ModuleType:
    """The test file as a module, with asserts that explain themselves. The program's names lie where built-in names do."""
    import builtins

    from _pytest.assertion.rewrite import rewrite_asserts

    names = free_names(tree) | ({request["entry_point"]} - {""})
    rewrite_asserts(tree, request["tests"].encode("utf-8", "replace"), wire.DRIVER, session.config)
    module = ModuleType("tests")
    module.__file__ = str(session.path / _FILE)
    module.__builtins__ = vars(builtins) | {name: remote.function(name) for name in names}  # type: ignore[attr-defined]
    sys.modules["tests"] = module
    exec(compile(tree, wire.DRIVER, "exec", dont_inherit=True), vars(module))
    return module


def _collector(session: Any, module: ModuleType) -> Any:
    import pytest

    class Tests(pytest.Module):
        def _getobj(self) -> ModuleType:
            return module

    return Tests.from_parent(session, path=Path(module.__file__ or _FILE))


class _Reporter:
    """A pytest plugin that sends two frames per test: that it begins, and how it ended. Stops when the program is gone."""

    def __init__(self, send: Callable[..., None], remote: Any, session: Any) -> None:
        self._send, self._remote, self._session = send, remote, session
        self._outcome, self._message = "passed", ""
        self._place: tuple[int, ...] | None = None
        self.broken = ""

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.broken = text_of(report.longreprtext.strip())

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._outcome, self._message, self._place = "passed", "", None
        self._remote.begin()
        self._send("begin", nodeid.partition("::")[2][:NAME])

    def pytest_runtest_logreport(self, report: Any) -> None:
        expected = hasattr(report, "wasxfail")
        if report.failed:
            self._outcome = "failed" if report.when == "call" else "error"
            self._message = text_of(report.longreprtext.strip())
        elif expected or report.skipped:
            self._outcome = "expected" if expected else "skipped"

    def pytest_exception_interact(self, call: Any) -> None:
        error = call.excinfo.value
        names, text, self._place = describe(error, wire.DRIVER)
        self._message = f"{names[0].removeprefix('builtins.')}: {text}"

    def pytest_runtest_logfinish(self) -> None:
        calls, gone, _ = self._remote.verdict()
        self._send("test", self._outcome, text_of(self._message), self._place, calls, gone)
        if gone:
            self._session.shouldstop = "the program is gone"


def _new_session() -> Any:
    """A pytest session that has started and waits for its tests. No configuration file, no cache, no plugin from outside."""
    import pytest
    from _pytest.config import _prepareconfig

    arguments = ["-qq", "-s", "--tb=no", "--assert=plain", "--color=no", "--noconftest", "-c", os.devnull, f"--rootdir={os.getcwd()}"]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        config = _prepareconfig([*arguments, *(part for name in _UNUSED for part in ("-p", f"no:{name}"))])
        config._do_configure()
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    session = pytest.Session.from_config(config)
    config.hook.pytest_sessionstart(session=session)
    return session


_ready: list[Any] = []
"""At most one session, made before the fork, so that a run does not wait for it."""
_SAMPLE = """
import pytest
@pytest.fixture
def one(): return 1
@pytest.mark.parametrize("x", [1, 2])
def test_value(one, x):
    assert f(x) == one
def test_error():
    with pytest.raises(ValueError):
        int("x")
    assert 0.1 + 0.2 == pytest.approx(0.3)
"""


class _Echo:
    """Stands for the program while the nursery warms up."""

    gone = ""

    def function(self, name: str) -> Callable[..., Any]:
        return lambda *values: values[0]

    def begin(self) -> None: ...

    def verdict(self) -> tuple[int, str, bool]:
        return 0, "", False


def warm_up() -> None:
    """In the nursery, if pytest was preloaded: run a sample, then make the session that the next test file will use."""
    request = {"tests": _SAMPLE, "module": "sample", "entry_point": "f"}
    seat = Seat.__new__(Seat)
    seat.request, seat.send = request, lambda *frame: None  # type: ignore[method-assign]
    _run_tests(seat, _Echo(), ast.parse(_SAMPLE))
    del sys.modules["sample"], sys.modules["tests"]
    _ready.append(_new_session())
