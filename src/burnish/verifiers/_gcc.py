"""What C and C++ have in common: gcc's arguments, its messages, sanitizer reports, and how tests are joined to a program."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from burnish.core.errors import SandboxError
from burnish.core.records import Diagnostic, SourceSpan
from burnish.sandbox.jobs import Command
from burnish.verifiers import _python_report as report
from burnish.verifiers._native_language import PROGRAM, Options, Tool, Unit

_SANITIZERS = ("address", "undefined")
_STANDARDS = {"c": re.compile(r"(?:c|gnu)[0-9][0-9x]"), "cpp": re.compile(r"(?:c|gnu)\+\+[0-9][0-9a-z]")}
_QUIET = ("-w", "-pipe", "-fdiagnostics-plain-output", "-fdiagnostics-column-unit=byte", "-fmax-errors=20")
_HARNESS = "harness.c"
_TESTS = "tests"
_MACRO = re.compile(r"#define ([^\s(]+)(.*)")
_ASSERT_HEADER = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<(?:assert\.h|cassert)>[^\n]*", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Gcc:
    """A language that gcc compiles. `headers` are those whose macros test code may rely on."""

    id: str
    compiler: str
    install: str
    suffix: str
    standard: str
    headers: tuple[str, ...]
    libraries: tuple[str, ...] = ()

    @property
    def _source(self) -> str:
        return f"solution.{self.suffix}"

    def options(self, context: Mapping[str, Any]) -> Options:
        """`std` (such as `c11` or `c++20`) and `sanitize` (a list of `address`, `undefined`). Raises `ValueError`."""
        standard, sanitize = context.get("std", self.standard), context.get("sanitize", [])
        if not isinstance(standard, str) or not _STANDARDS[self.suffix].fullmatch(standard):
            raise ValueError(f"context['std'] must name a standard as gcc does, such as {self.standard!r}, found {standard!r}")
        if not isinstance(sanitize, list | tuple) or not set(sanitize) <= set(_SANITIZERS):
            raise ValueError(f"context['sanitize'] must be a list of {', '.join(_SANITIZERS)}, found {sanitize!r}")
        if not sanitize:
            return Options(arguments=(f"-std={standard}", "-O2"))
        checks = (f"-fsanitize={','.join(sanitize)}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")
        return Options(arguments=(f"-std={standard}", "-O1", *checks), reserves_memory="address" in sanitize)

    def program(self, artefact: str, options: Options) -> Unit:
        """The artefact as a whole program."""
        parts = _parts_in_c(options)
        arguments = (*self._build(parts, options), self._source, "-o", PROGRAM, *self.libraries)
        return Unit(files={**parts, self._source: _bytes(artefact)}, arguments=arguments)

    def parses(self, artefact: str, options: Options) -> Unit:
        """Read the artefact alone."""
        return Unit(files={self._source: _bytes(artefact)}, arguments=(*options.arguments, *_QUIET, "-fsyntax-only", self._source))

    def tests(self, artefact: str, tests: str, options: Options, tool: Tool) -> Unit:
        """Artefact and test code as one program: macros of the artefact do not reach the tests, its own `main` is put aside."""
        macros = self._macros({self._source: _bytes(artefact)}, options, tool)
        if macros is None:  # it cannot even be preprocessed by itself: what it leaves open must not be closed by the tests
            return self.parses(artefact, options)
        mark = f"failed_{secrets.token_hex(8)}"
        joined = (  # handed over by standard input: an artefact could include a file
            f'#define main aside_{mark}\n#line 1 "{self._source}"\n{artefact}\n\n#undef main',
            *_repairs(macros, self._clean_macros(options, tool)),
            _ASSERT.replace("FAILED", mark),
            f'#line 1 "{_TESTS}"\n{_ASSERT_HEADER.sub("", tests)}\n',
        )
        parts = {_HARNESS: _bytes(_HARNESS_SOURCE), **_parts_in_c(options)}
        language = ("-x", "c" if self.suffix == "c" else "c++")
        arguments = (*self._build(parts, options), *language, "-", "-Wl,--wrap=main", "-o", PROGRAM, *self.libraries)
        return Unit(files=parts, arguments=arguments, stdin="\n".join(joined), mark=mark)

    def _build(self, parts: Mapping[str, bytes], options: Options) -> tuple[str, ...]:
        """The beginning of a command that builds a program, with parts of the judge's own in C. g++ needs the language of each."""
        return (*options.arguments, *_QUIET, *(word for name in parts for word in ("-x", "c", name)), "-x", "none")

    def errors(self, text: str, artefact: str) -> list[Diagnostic]:
        """Errors of the compiler, else of the linker, else of the assembler."""
        if trouble := _TROUBLE.search(text):
            raise SandboxError(f"{self.compiler} could not do its work: {trouble[0]}")
        found, context = [], 0
        for message in _MESSAGE.finditer(text):
            if message[4] == "error":
                place = (message[2], message[3]) if message[1] == self._source else self._user(text[context : message.start()])
                found.append(report.diagnostic(f"{self.id}.compile", message[5], False, _span(place, artefact)))
            context = message.end()
        linker = dict.fromkeys(f"{what} {name}" for what, name in _LINKER.findall(text))
        found += [report.diagnostic(f"{self.id}.link", message, False) for message in linker]
        return found or [report.diagnostic(f"{self.id}.assembler", message, False) for message in _ASSEMBLER.findall(text)]

    def _user(self, context: str) -> tuple[str, str] | None:
        """The last place of the artefact in the lines above a message about a header: what used the template, or included the file."""
        places: list[tuple[str, str]] = re.findall(
            rf"^(?:In file included from |  +from )?{re.escape(self._source)}:(\d{{1,9}}):?(\d{{1,9}})?", context, re.MULTILINE
        )
        return places[-1] if places else None

    def fault(self, text: str, artefact: str, binary: bytes, tool: Tool) -> Diagnostic | None:
        """The first report of a sanitizer, with its place in the artefact if that can be found."""
        undefined = re.search(rf"^{re.escape(self._source)}:(\d{{1,9}}):(\d{{1,9}}): runtime error: (.*)$", text, re.MULTILINE)
        if undefined:
            return report.diagnostic(f"{self.id}.ubsan", undefined[3], False, _span((undefined[1], undefined[2]), artefact))
        address = re.search(r"ERROR: AddressSanitizer: ([\w-]+)", text)
        if address is None:
            return None
        stack = text[address.start() :].partition("\n\n")[0]
        access = re.search(r"^(?:READ|WRITE) of size \d+", stack, re.MULTILINE)
        message = f"{address[1]}, {access[0]}" if access else address[1]
        return report.diagnostic(f"{self.id}.asan.{address[1]}", message, False, self._place(stack, artefact, binary, tool))

    def _place(self, stack: str, artefact: str, binary: bytes, tool: Tool) -> SourceSpan | None:
        """The line of the artefact in the innermost frame of a stack that lies in it."""
        offsets = re.findall(r"\(/proc/self/exe\+(0x[0-9a-f]{1,16})\)", stack)[:50]
        if not offsets:
            return None
        _, lines, _ = tool(Command(argv=["addr2line", "-e", PROGRAM, *offsets], files={PROGRAM: binary}))
        found = re.search(rf"/{re.escape(self._source)}:(\d{{1,9}})", lines)
        if found is None:
            return None
        row = int(found[1])
        return report.span_at(artefact, (row, 0, row, 1 << 20))

    def _macros(self, files: Mapping[str, bytes], options: Options, tool: Tool) -> dict[str, str] | None:
        """Name → the rest of its definition, of all macros at the end of the one file. None if there are errors."""
        arguments = (*options.arguments, "-w", "-E", "-dM", *files)
        status, text, _ = tool(Command(argv=[self.compiler, *arguments], files=files))
        return None if status else dict(_MACRO.findall(text))

    def _clean_macros(self, options: Options, tool: Tool) -> dict[str, str]:
        key = (self.compiler, *options.arguments)
        if key not in _clean:
            headers = "".join(f"#include <{header}>\n" for header in self.headers)
            macros = self._macros({self._source: _bytes(headers)}, options, tool)
            if macros is None:
                raise SandboxError(f"the standard headers of {self.compiler} cannot be read; are they installed? ({self.install})")
            _clean[key] = macros
        return _clean[key]


_clean: dict[tuple[str, ...], dict[str, str]] = {}
"""Macros that the standard headers define, by compiler and arguments."""


def _repairs(macros: Mapping[str, str], clean: Mapping[str, str]) -> Iterator[str]:
    """Directives that undo what an artefact did to macros: unknown ones go, those of the standard headers mean what they should."""
    for name, definition in macros.items():
        if clean.get(name) != definition:
            yield f"#undef {name}"
            if name in clean:
                yield f"#define {name}{clean[name]}"


def _parts_in_c(options: Options) -> dict[str, bytes]:
    return {_NO_LEAKS: _bytes(_NO_LEAKS_SOURCE)} if options.reserves_memory else {}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _span(place: tuple[str, str] | None, artefact: str) -> SourceSpan | None:
    """The word, or the character, at a line and a column (in bytes, from 1)."""
    if place is None:
        return None
    row, column = int(place[0]), int(place[1] or 1)
    span = report.span_at(artefact, (row, column - 1, row, column))
    word = _WORD.match(artefact, span.start) if span else None
    return msgspec.structs.replace(span, end=word.end(), end_col=span.col + len(word[0])) if span and word else span


_MESSAGE = re.compile(r"^([^\s:][^:\n]*):(\d{1,9}):(\d{1,9}): (?:fatal )?(error|note|warning): (.*)$", re.MULTILINE)
_TROUBLE = re.compile(
    r"^(?:gcc|g\+\+|cc1\w*)[^\s:]*: (?:(?:fatal|internal compiler) error: Killed signal|error: unrecognized command-line option).*",
    re.MULTILINE,
)
"""Not the artefact's fault: limits of ours end the whole run, options come from the task."""
_WORD = re.compile(r"\w+")
_LINKER = re.compile(r"(undefined reference to|multiple definition of) (`[^'\n]*')")
_ASSEMBLER = re.compile(r"^[^\s:]+:\d+: Error: (.*)$", re.MULTILINE)
_ASSERT = """
#include <stdio.h>
static __attribute__((noreturn, noinline, unused)) void FAILED(const char *text, int line) {
    fprintf(stderr, "\\nFAILED line %d of the tests: %s\\n", line, text);
    __builtin_trap();
}
#undef assert
#define assert(...) ((__VA_ARGS__) ? (void)0 : FAILED(#__VA_ARGS__, __LINE__))
"""
"""Test code's `assert`: its name and its way out are out of the artefact's reach, unlike those of the C library's."""
_NO_LEAKS = "sanitizer.c"
_NO_LEAKS_SOURCE = 'const char *__asan_default_options(void) { return "detect_leaks=0"; }\n'
"""The leak checker needs ptrace. The sanitizer reads its environment from /proc, which the jail does not have."""
_HARNESS_SOURCE = """
static char secret[16];

static __attribute__((no_sanitize("address", "undefined"))) long call(long number, const void *buffer) {
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(3L), "S"(buffer), "d"(sizeof secret) : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = 3;
    register const void *x1 __asm__("x1") = buffer;
    register long x2 __asm__("x2") = sizeof secret;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#endif
}

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1 };
#else
enum { READ = 63, WRITE = 64 };
#endif

static __attribute__((no_sanitize("address", "undefined"))) void receive(void) { call(READ, secret); }

__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = receive;

extern int __real_main(int, char **, char **);

int __wrap_main(int count, char **arguments, char **environment) {
    int status = __real_main(count, arguments, environment);
    call(WRITE, secret);
    return status;
}
"""
"""Around the tests' `main`: takes the secret before any other code runs and sends it back once the tests have returned. Own system calls:
the C library's functions can be replaced by the artefact. What remains: hostile code in the same address space can look for the secret."""
