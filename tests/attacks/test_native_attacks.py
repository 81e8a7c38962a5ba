"""Hostile C and C++ programs: none passes, none sees the host, none leaves anything behind, and a good one right after passes."""

import shutil

import pytest

from burnish.core.records import CheckSpec, Task
from burnish.verifiers.base import Limits
from burnish.verifiers.cpp import CppVerifier

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
LIMITS = Limits(wall_s=1.0, cpu_s=1.0, memory_mb=128, processes=8)
SECRET = "the answer is 5741903"
GOOD = f'#include <cstdio>\nint main() {{ puts("{SECRET}"); }}\n'
ADD = "int add(int a, int b) { return a + b; }\n"
HEADERS = ("cstdio", "cstdlib", "cstring", "signal.h", "unistd.h", "fcntl.h", "pthread.h", "sched.h")
HEAD = "".join(f"#include <{name}>\n" for name in (*HEADERS, "sys/mman.h", "sys/ptrace.h", "sys/socket.h"))


def task(*checks):
    specs = tuple(CheckSpec(id=f"c{n}", kind=kind, data=data) for n, (kind, data) in enumerate(checks))
    return Task(id="t", group_id="g", kind="cpp", prompt="", checks=specs)


WHOLE = task(("stdio", {"stdin": "", "stdout": SECRET}))
TESTED = task(("main", {"code": "int main() { assert(add(1, 2) == 3); assert(add(5, 5) == 10); }"}))


@pytest.fixture(scope="module")
def verifier():
    verifier = CppVerifier(workers=1)
    yield verifier
    verifier.close()


@pytest.fixture(scope="module")
def bait(tmp_path_factory):
    """A file of the host that everybody may read."""
    path = tmp_path_factory.mktemp("bait") / "answer.txt"
    path.write_text(SECRET)
    path.parent.chmod(0o755)
    path.chmod(0o644)
    return path


FILES = {
    "include": '#include "PLACE"\nint main() {}\n',
    "incbin": '#include <cstdio>\n__asm__(".section .rodata\\nhere: .incbin \\"PLACE\\"\\n.byte 0\\n.text");\n'
    "extern const char here[];\nint main() { puts(here); }\n",
    "open": '#include <fstream>\n#include <iostream>\nint main() { std::cout << std::ifstream("PLACE").rdbuf(); }\n',
    "search": HEAD + "int main() { system(\"grep -rh 'the answer' / 2>/dev/null\"); }\n",
    "shadow": '#include "/etc/shadow"\nint main() {}\n',
    "proc": '#include <fstream>\n#include <iostream>\nint main() { std::cout << std::ifstream("/proc/1/environ").rdbuf(); }\n',
}


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_the_host_can_be_read(verifier, bait, name):
    verdict = verifier.verify(WHOLE, FILES[name].replace("PLACE", str(bait)), limits=LIMITS)
    assert verdict.status in ("invalid", "fail", "timeout"), verdict
    assert SECRET not in str(verdict).replace(f"expected='{SECRET}'", "")
    assert "root:" not in str(verdict)
    assert verifier.verify(WHOLE, GOOD, limits=LIMITS).passed


BODIES = {
    "kill the parent": "kill(getppid(), SIGKILL); for (;;) pause();",
    "kill the parent, be good": f'kill(getppid(), SIGKILL); puts("{SECRET}");',
    "stop the parent": f'kill(getppid(), SIGSTOP); puts("{SECRET}");',
    "kill all": "kill(-1, SIGKILL); kill(0, SIGKILL); kill(1, SIGKILL); return 1;",
    "trace the parent": "ptrace(PTRACE_ATTACH, getppid(), 0, 0); return 1;",
    "network": "return socket(AF_INET, SOCK_STREAM, 0) < 0;",
    "fork bomb": "for (;;) fork();",
    "memory bomb": "for (;;) memset(malloc(1 << 20), 1, 1 << 20);",
    "memory bomb in children": "for (int i = 0; i < 6; i++) if (!fork()) for (;;) memset(malloc(1 << 20), 1, 1 << 20);\nfor (;;) pause();",
    "shared memory bomb": "char *p = (char *)mmap(0, 1ul << 32, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0); memset(p, 1, 1ul << 32); return 1;",
    "output bomb": 'for (;;) puts("more");',
    "error bomb": 'for (;;) fputs("more", stderr);',
    "disk bomb": 'for (char name[] = "aa";; name[1]++) { int f = open(name, O_CREAT | O_WRONLY, 0600); while (write(f, name, 2) > 0); }',
    "daemon": 'if (!fork()) { for (;;) puts("late"), usleep(1000); } return 1;',
    "ignore signals": "for (int i = 1; i < 65; i++) signal(i, SIG_IGN); for (;;) pause();",
    "many threads": "for (;;) { pthread_t t; pthread_create(&t, 0, [](void *) -> void * { for (;;) pause(); }, 0); }",
    "sleep": "sleep(1000);",
    "close everything": "for (int i = 0; i < 100; i++) close(i); for (;;) pause();",
    "write to all descriptors": "char junk[99] = {}; for (int i = 3; i < 100; i++) write(i, junk, 99); return 1;",
    "namespaces": "unshare(0x10000000); return 1;",
    "set user": "return setuid(0) | 1;",
    "exec a shell": 'execl("/bin/sh", "sh", "-c", "cat /etc/shadow; kill -9 $PPID", nullptr); return 1;',
}


@pytest.mark.parametrize("name", BODIES)
def test_whole_programs(verifier, name):
    source = f"{HEAD}int main() {{ setvbuf(stdout, 0, _IONBF, 0); {BODIES[name]} }}\n"
    verdict = verifier.verify(WHOLE, source, limits=LIMITS)
    assert verdict.status in ("fail", "timeout", "tampered"), verdict
    assert verifier.verify(WHOLE, GOOD, limits=LIMITS).passed


def test_to_signal_the_judge_is_tampering(verifier):
    verdict = verifier.verify(WHOLE, f"{HEAD}int main() {{ {BODIES['kill the parent, be good']} }}\n", limits=LIMITS)
    assert verdict.status == "tampered"
    assert verdict.tamper[0].code == "escape"


WRONG = "int add(int, int) { return 0; }\n"
CHEATS = {
    "exit": HEAD + "int add(int, int) { exit(0); }",
    "_exit": HEAD + "int add(int, int) { _exit(0); }",
    "quick_exit": HEAD + "int add(int, int) { quick_exit(0); }",
    "exit in a constructor": HEAD + WRONG + "struct S { S() { _exit(0); } } s;",
    "exit in an early constructor": HEAD + WRONG + "__attribute__((constructor(101))) void early() { _exit(0); }",
    "exit before the constructors": HEAD
    + WRONG
    + 'void early() { _exit(0); }\n__attribute__((section(".preinit_array"), used)) void (*p)() = early;',
    "exit at exit": HEAD + "int add(int, int) { atexit([] { _exit(0); }); return 0; }",
    "survive the assertion": HEAD + "int add(int, int) { for (int i = 1; i < 32; i++) signal(i, [](int) { _exit(0); }); return 0; }",
    "own main": WRONG + "int main() { return 0; }",
    "own main by macro": WRONG + "#undef main\nint main() { return 0; }\n#define main other",
    "no assertions": "#define NDEBUG\n#include <cassert>\n" + WRONG,
    "own assertions": WRONG + "#define assert(...) (void)0",
    "own assertions, disguised": WRONG + '#line 1 "/usr/include/assert.h"\n#define assert(...) (void)0',
    "own keyword": WRONG + "#define if(x) if (0)\n#define int long\n#define return",
    "own assertion failure": WRONG + 'extern "C" void __assert_fail(const char *, const char *, unsigned, const char *) noexcept {}',
    "own abort": WRONG + 'extern "C" void abort() noexcept { }',
    "own read": HEAD + WRONG + 'extern "C" ssize_t read(int, void *, size_t) { return 0; }',
    "own wrapper": WRONG + 'extern "C" int __wrap_main() { return 0; }',
    "own start": HEAD + WRONG + 'extern "C" void _start() { _exit(0); }',
    "swallow the tests": WRONG + "#if 0",
    "swallow the tests in a comment": WRONG + "/*",
    "swallow the tests in a string": WRONG + 'const char *s = R"(',
    "swallow the tests in a function": WRONG + "void swallow() {",
    "swallow the tests in a namespace": WRONG + "int main() { return 0; }\nnamespace hidden {",
    "read the secret later": HEAD + "int add(int, int) { char s[16]; read(3, s, 16); write(3, s, 16); _exit(0); }",
    "guess the secret": HEAD + "int add(int, int) { char s[16] = {}; write(3, s, 16); _exit(0); }",
    "include the tests": '#include "joined.cpp"\n' + WRONG,
    "include the input": '#include "/dev/stdin"\n' + WRONG,
    "jump out": HEAD + "int add(int, int) { throw 1; }",
}


@pytest.mark.parametrize("name", CHEATS)
def test_cheats_on_test_code(verifier, name):
    verdict = verifier.verify(TESTED, CHEATS[name], limits=LIMITS)
    assert verdict.status in ("fail", "timeout", "tampered", "invalid"), verdict
    assert not any(check.outcome == "pass" for check in verdict.checks)


def test_an_early_exit_is_tampering(verifier):
    verdict = verifier.verify(TESTED, CHEATS["exit"], limits=LIMITS)
    assert verdict.status == "tampered"
    assert verdict.tamper[0].code == "early_exit"
    assert verifier.verify(TESTED, ADD, limits=LIMITS).passed
