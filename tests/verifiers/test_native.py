"""The verifier contract for C and C++ programs, with the real compiler in the real jail."""

import asyncio
import shutil

import msgspec
import pytest

from burnish.core.errors import InputError, SandboxError, Unavailable
from burnish.core.plugins import find
from burnish.core.records import CheckSpec, Task, Verdict
from burnish.signals.feedback import feedback
from burnish.verifiers import c, cpp
from burnish.verifiers._native import NativeVerifier
from burnish.verifiers.base import Limits, Verifier

LANGUAGES = {"c": c.c.language, "cpp": cpp.cpp.language}
pytestmark = [
    pytest.mark.skipif(shutil.which(language.compiler) is None, reason=f"{language.compiler} is not installed")
    for language in LANGUAGES.values()
]
SUM = {
    "c": '#include <stdio.h>\nint main(void) {\n  int a, b;\n  scanf("%d %d", &a, &b);\n  printf("%d\\n", a + b);\n}\n',
    "cpp": "#include <iostream>\nint main() {\n  int a, b;\n  std::cin >> a >> b;\n  std::cout << a + b << std::endl;\n}\n",
}
ADD = "int add(int a, int b) {\n  return a + b;\n}\n"
TESTS = "#undef NDEBUG\n#include <assert.h>\nint main() {\n  assert(add(1, 2) == 3);\n  assert(add(20, 22) == 42);\n  return 0;\n}\n"
MAIN = "main", {"code": TESTS}
MEMORY = "#include <stdlib.h>\n#include <string.h>\nint main(void) { for (;;) memset(malloc(1 << 20), 1, 1 << 20); }\n"
BOTH = pytest.mark.parametrize("kind", ["c", "cpp"])


@pytest.fixture(scope="module")
def verifiers():
    """One verifier per language, with one jail each."""
    made = {"c": c.CVerifier(workers=1), "cpp": cpp.CppVerifier(workers=1)}
    yield made
    for verifier in made.values():
        verifier.close()


@pytest.fixture
def judge(verifiers):
    """`judge(kind, artefact, *checks, limits=…, **context)`: `(kind, data)` per check; those in `hidden` by index."""

    def run(kind, artefact, *checks, limits=Limits(), hidden=(), first_fail=False, **context):
        return verifiers[kind].verify(make(kind, *checks, hidden=hidden, **context), artefact, limits=limits, first_fail=first_fail)

    return run


def make(kind, *checks, hidden=(), **context):
    specs = tuple(CheckSpec(id=f"c{n}", kind=name, data=data, hidden=n in hidden) for n, (name, data) in enumerate(checks))
    return Task(id="t", group_id="g", kind=kind, prompt="", context=context, checks=specs)


def stdio(stdin="2 3\n", stdout="5\n", **more):
    return "stdio", {"stdin": stdin, "stdout": stdout, **more}


def note(verdict):
    """The first diagnostic of the first failure, or of the whole verdict."""
    return verdict.first_failure.diagnostics[0] if verdict.first_failure else verdict.diagnostics[0]


@BOTH
def test_it_is_a_plug_in_with_the_protocol(kind):
    assert isinstance(find("verifier", kind), Verifier)
    assert find("verifier", kind).id == kind


@BOTH
def test_doctor_shows_the_compiler(kind):
    report = find("verifier", kind).doctor()[0]
    assert report.found
    assert report.version[0].isdigit()
    assert report.name == {"c": "gcc", "cpp": "g++"}[kind]


class _Absent:
    """A language whose compiler nobody has."""

    id, compiler, install = "absent", "no-such-compiler", "apt install no-such-compiler"

    def options(self, context):
        return None


def test_a_missing_compiler_is_named_with_its_mend():
    class AbsentVerifier(NativeVerifier):
        language = _Absent()

    verifier = AbsentVerifier(workers=1)
    assert not verifier.doctor()[0].found
    assert verifier.doctor()[0].optional
    with pytest.raises(Unavailable, match="apt install no-such-compiler"):
        verifier.verify(make("absent", stdio()), "x")


@BOTH
def test_known_good_passes(judge, kind):
    verdict = judge(kind, SUM[kind], stdio(), stdio("-1 1", "0"))
    assert verdict.status == "pass"
    assert verdict.score == 1.0
    assert verdict.coverage == 1.0
    assert verdict.provenance.isolation == "separate"
    assert verdict.cost.wall_s > 0


@BOTH
def test_it_is_deterministic(judge, kind):
    address = '#include <stdio.h>\nint g;\nint main(void) { int l; printf("%p %p", (void *)&g, (void *)&l); }\n'
    first, second = (judge(kind, address, stdio()).first_failure.counterexample for _ in range(2))
    assert first == second
    assert first.actual.startswith("0x")


@BOTH
def test_a_wrong_answer_fails_with_a_counterexample(judge, kind):
    verdict = judge(kind, SUM[kind].replace("a + b", "a - b"), stdio(), stdio("0 0", "0"))
    assert verdict.status == "fail"
    assert verdict.score == 0.5
    example = verdict.first_failure.counterexample
    assert (example.input, example.expected, example.actual) == ("2 3\n", "5\n", "-1\n")
    assert note(verdict).code == f"{kind}.wrong_output"


@BOTH
def test_comparators(judge, kind):
    assert judge(kind, SUM[kind], stdio(stdout=" 5", comparator="tokens")).passed
    assert not judge(kind, SUM[kind], stdio(stdout=" 5", comparator="exact")).passed


@BOTH
@pytest.mark.parametrize(
    ("artefact", "place"),
    [
        ("int main() {\n  int é = 1; retur 0;\n}\n", (2, 13, "retur")),
        ("int main() {\n\tint x = y;\n}\n", (2, 9, "y")),
        ("#include <nothing.h>\n", (1, 9, "<")),
        ("@@@ not a program", (1, 0, "@")),
    ],
)
def test_junk_is_invalid_at_its_place(judge, kind, artefact, place):
    verdict = judge(kind, artefact, stdio())
    assert verdict.status == "invalid"
    assert verdict.score == 0.0
    span = note(verdict).span
    assert note(verdict).code == f"{kind}.compile"
    assert (span.line, span.col, artefact[span.start : span.end]) == place
    assert feedback(verdict).startswith("The code cannot be used:")


def test_an_error_inside_a_template_is_placed_where_it_was_used(judge):
    artefact = "#include <algorithm>\n#include <list>\nint main() {\n  std::list<int> l;\n  std::sort(l.begin(), l.end());\n}\n"
    verdict = judge("cpp", artefact, stdio())
    assert verdict.status == "invalid"
    assert note(verdict).span.line == 5


@BOTH
def test_a_compiler_that_was_killed_is_no_fault_of_the_artefact(kind):
    name = LANGUAGES[kind].compiler
    with pytest.raises(SandboxError, match="Killed"):
        LANGUAGES[kind].errors(f"{name}: fatal error: Killed signal terminated program cc1\ncompilation terminated.\n", "")
    assert LANGUAGES[kind].errors(f"solution.c:1:2: error: #error {name}: fatal error: Killed signal\n", "") is not None


@BOTH
def test_what_the_compiler_says_is_bounded(judge, kind):
    macros = "".join(f"#define NAME_{n} {'x' * 1000}\n" for n in range(6000))
    assert judge(kind, macros + ADD, MAIN).status == "invalid"


@BOTH
@pytest.mark.parametrize("artefact", ["", " \n\t\n"])
def test_no_code_is_invalid(judge, kind, artefact):
    assert judge(kind, artefact, stdio()).status == "invalid"


@BOTH
def test_linker_errors_are_named(judge, kind):
    verdict = judge(kind, "int missing();\nint main() { return missing(); }\n", stdio())
    assert verdict.status == "invalid"
    assert note(verdict).code == f"{kind}.link"
    assert "missing" in note(verdict).message
    assert "main" in note(judge(kind, ADD, stdio())).message


@BOTH
@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("volatile int *p = 0; *p = 1;", "signal", "SIGSEGV"),
        ("abort();", "signal", "SIGABRT"),
        ("volatile int z = 0; return 7 / z;", "signal", "SIGFPE"),
        ("return 3;", "exit", "exit code 3"),
        ('fprintf(stderr, "because"); exit(1);', "exit", "because"),
        ("raise(SIGKILL);", "signal", "SIGKILL"),
    ],
)
def test_crashes_are_named(judge, kind, body, code, message):
    verdict = judge(kind, f"#include <stdio.h>\n#include <stdlib.h>\n#include <signal.h>\nint main(void) {{ {body} }}\n", stdio(stdout=""))
    assert verdict.first_failure.outcome == "crash"
    assert note(verdict).code == f"{kind}.{code}"
    assert message in note(verdict).message


def test_an_uncaught_exception_says_its_text(judge):
    verdict = judge("cpp", "#include <vector>\nint main() { std::vector<int> v; return v.at(3); }\n", stdio())
    assert "out_of_range" in note(verdict).message


@BOTH
def test_deep_recursion_and_threads_work(judge, kind):
    deep = "#include <stdio.h>\nint f(int n) { volatile char b[20]; b[0] = n; return n ? f(n - 1) + b[0] * 0 + 1 : 0; }\n"
    assert judge(kind, deep + 'int main(void) { printf("%d", f(400000)); }\n', stdio(stdout="400000")).passed
    thread = (
        "#include <pthread.h>\n#include <stdio.h>\nvoid *f(void *x) { return x; }\nint main(void) { pthread_t t[4]; int n = 0;\n"
        "for (int i = 0; i < 4; i++) n += !pthread_create(t + i, 0, f, 0);\n"
        'for (int i = 0; i < 4; i++) pthread_join(t[i], 0);\nprintf("%d", n); }\n'
    )
    assert judge(kind, thread, stdio(stdout="4")).passed


@BOTH
def test_limits(judge, kind):
    loop = "int main(void) { for (volatile int i = 0;; i++); }\n"
    assert judge(kind, loop, stdio(), limits=Limits(wall_s=0.3)).status == "timeout"
    assert "CPU" in note(judge(kind, loop, stdio(), limits=Limits(wall_s=20, cpu_s=0.3))).message
    assert judge(kind, MEMORY, stdio(), limits=Limits(wall_s=10, memory_mb=64)).first_failure.outcome == "crash"
    flood = '#include <stdio.h>\nint main(void) { for (;;) puts("flood"); }\n'
    verdict = judge(kind, flood, stdio(), limits=Limits(output_bytes=10_000))
    assert verdict.first_failure.outcome == "crash"
    assert note(verdict).code == f"{kind}.output"
    forks = "#include <unistd.h>\nint main(void) { for (;;) fork(); }\n"
    assert judge(kind, forks, stdio(), limits=Limits(wall_s=0.5, processes=4)).status == "timeout"
    assert judge(kind, SUM[kind], stdio()).passed


def test_a_compile_bomb_meets_the_compiler_s_limit():
    bomb = (
        "template <int N, int M> struct F { static constexpr int v = F<N - 1, 2 * M>::v + F<N - 1, 2 * M + 1>::v; };\n"
        "template <int M> struct F<0, M> { static constexpr int v = 1; };\nint main() { return F<40, 0>::v; }\n"
    )
    verifier = cpp.CppVerifier(workers=1, compile_limits=Limits(wall_s=1.0, cpu_s=5.0, memory_mb=2048))
    verdict = verifier.verify(make("cpp", stdio(), MAIN), bomb)
    verifier.close()
    assert verdict.status == "timeout"
    assert [check.outcome for check in verdict.checks] == ["timeout", "timeout"]
    assert note(verdict).code == "cpp.compile_timeout"


@BOTH
def test_first_fail_skips_the_rest(judge, kind):
    verdict = judge(kind, SUM[kind], stdio(stdout="6"), stdio(), first_fail=True)
    assert [check.outcome for check in verdict.checks] == ["fail", "skip"]


@BOTH
def test_hidden_checks_are_for_evaluation_only(judge, kind):
    verdict = judge(kind, SUM[kind], stdio("1234 1", "9"), hidden=(0,))
    assert {diagnostic.visibility for diagnostic in verdict.checks[0].diagnostics} == {"eval"}
    assert "1234" not in feedback(verdict)
    verdict = judge(kind, ADD.replace("+", "-"), MAIN, hidden=(0,))
    assert {diagnostic.visibility for diagnostic in (*verdict.checks[0].diagnostics, *verdict.diagnostics)} == {"eval"}
    verdict = judge(kind, "int sub(int a) { return a; }", MAIN, hidden=(0,))
    assert {diagnostic.visibility for diagnostic in verdict.checks[0].diagnostics} == {"eval"}


@BOTH
def test_malformed_checks_and_options_are_the_user_s_fault(judge, kind):
    for check in (("call", {}), ("main", {}), stdio(stdout=5), stdio(comparator="no")):
        with pytest.raises(InputError, match="task 't', check 'c0'"):
            judge(kind, SUM[kind], check)
    for context in (
        {"std": "c11; rm"},
        {"std": 17},
        {"std": "c++17" if kind == "c" else "c11"},
        {"sanitize": ["thread"]},
        {"sanitize": "address"},
    ):
        with pytest.raises(InputError, match="task 't'"):
            judge(kind, SUM[kind], stdio(), **context)


@BOTH
def test_a_standard_that_this_compiler_does_not_know_is_no_fault_of_the_artefact(judge, kind):
    for check in (stdio(), MAIN):
        verdict = judge(kind, SUM[kind], check, std={"c": "c77", "cpp": "c++77"}[kind])
        assert verdict.status == "error"
        assert "77" in verdict.checks[0].diagnostics[0].message


@BOTH
def test_forged_reports_are_only_text(judge, kind):
    number = "9" * 5000
    lines = f"solution.{kind}:{number}:1: runtime error: x", "ERROR: AddressSanitizer: x\\n (/proc/self/exe+0xffffffffffffffff)"
    for line in lines:
        verdict = judge(kind, f'#include <stdio.h>\nint main(void) {{ fputs("{line}", stderr); return 1; }}\n', stdio())
        assert verdict.first_failure.outcome == "crash"
    source = f'#line 1 "solution.{kind}:{number}:1: error: x"\nint main(void) {{ retur; }}\n'
    assert judge(kind, source, stdio()).status == "invalid"


def test_no_checks_is_unknown(judge):
    assert judge("c", SUM["c"]).status == "unknown"


@BOTH
def test_standards(judge, kind):
    old, new, artefact = {
        "c": ("c99", "c11", '_Static_assert(__STDC_VERSION__ >= 201112L, "old");\nint main(void) {}'),
        "cpp": ("c++11", "c++20", "template <class T> concept Any = true;\nint main() {}"),
    }[kind]
    assert judge(kind, artefact, stdio(stdout=""), std=old).status == "invalid"
    assert judge(kind, artefact, stdio(stdout=""), std=new).passed


# sanitizers -------------------------------------------------------------------------------------------------------

OVERFLOW = "#include <stdlib.h>\nint get(int *p, int n) {\n  return p[n];\n}\nint main(void) {\n  return get((int *)calloc(4, 4), 5);\n}\n"


@BOTH
def test_sanitizers_accept_good_programs(judge, kind):
    assert judge(kind, SUM[kind], stdio(), sanitize=["address", "undefined"]).passed
    assert judge(kind, ADD, MAIN, sanitize=["address", "undefined"]).passed
    leak = "#include <stdlib.h>\nint main(void) { volatile char *p = (char *)malloc(9); p[0] = 1; p = 0; }\n"
    assert judge(kind, leak, stdio(stdout=""), sanitize=["address"]).passed


@BOTH
def test_address_sanitizer_reports_have_their_kind_and_line(judge, kind):
    assert judge(kind, OVERFLOW, stdio(stdout="")).passed  # nobody notices without it
    verdict = judge(kind, OVERFLOW, stdio(stdout=""), sanitize=["address"])
    assert verdict.first_failure.outcome == "crash"
    assert note(verdict).code == f"{kind}.asan.heap-buffer-overflow"
    assert note(verdict).span.line == 3


@BOTH
def test_undefined_behaviour_reports_have_line_and_column(judge, kind):
    artefact = "#include <limits.h>\nint main(void) {\n  volatile int x = INT_MAX;\n  return x + 1 ? 0 : 1;\n}\n"
    verdict = judge(kind, artefact, stdio(stdout=""), sanitize=["undefined"])
    assert note(verdict).code == f"{kind}.ubsan"
    assert "signed integer overflow" in note(verdict).message
    assert (note(verdict).span.line, note(verdict).span.col) == (4, 11)


@BOTH
def test_memory_is_limited_under_the_address_sanitizer(judge, kind):
    verdict = judge(kind, MEMORY, stdio(), limits=Limits(wall_s=20, cpu_s=10, memory_mb=128), sanitize=["address"])
    assert note(verdict).code == f"{kind}.memory"


# test code with a main --------------------------------------------------------------------------------------------


@BOTH
def test_main_checks_pass_and_say_that_they_share(judge, kind):
    verdict = judge(kind, ADD, MAIN)
    assert verdict.passed
    assert verdict.provenance.isolation == "shared"
    assert verdict.diagnostics[0].severity == "info"
    assert verdict.diagnostics[0].code == f"{kind}.shared_isolation"


@BOTH
def test_a_failed_assertion_is_shown(judge, kind):
    verdict = judge(kind, ADD.replace("a + b", "a + b * 1 - (a > 9)"), MAIN)
    assert verdict.first_failure.outcome == "fail"
    assert note(verdict).message == "assertion failed: line 5 of the tests: add(20, 22) == 42"


@BOTH
def test_exit_codes_of_the_tests_count(judge, kind):
    tests = "main", {"code": "int main() { return add(1, 1) == 2 ? 0 : 4; }"}
    assert judge(kind, ADD, tests).passed
    assert "exit code 4" in note(judge(kind, ADD.replace("+", "-"), tests)).message
    assert judge(kind, ADD, ("main", {"code": "int main() { add(1, 1); }"})).passed


@BOTH
def test_errors_are_told_apart_by_whose_they_are(judge, kind):
    verdict = judge(kind, "int add(int a, int b) {\n  return a + ;\n}\n", MAIN)
    assert verdict.status == "invalid"
    assert note(verdict).span.line == 2
    verdict = judge(kind, "int plus(int a, int b) { return a + b; }", MAIN)
    assert verdict.status == "fail"
    assert note(verdict).code == f"{kind}.interface"


@BOTH
def test_an_example_main_of_the_artefact_is_put_aside(judge, kind):
    assert judge(kind, ADD + '#include <stdio.h>\nint main() { puts("hi"); return 1; }\n', MAIN).passed
    assert judge(kind, ADD.replace("+", "-") + "int main() { return 0; }\n", MAIN).status == "fail"


def test_templates_and_headers_meet_the_tests(judge):
    artefact = "#include <bits/stdc++.h>\nusing namespace std;\n#define ALL v.begin(), v.end()\n"
    artefact += "vector<int> f(vector<int> v) { sort(ALL); return v; }\n"
    tests = "#include <limits.h>\nint main() { auto g = f; assert(g({2, 1, INT_MAX}) == (vector<int>{1, 2, INT_MAX})); }"
    assert judge("cpp", artefact, ("main", {"code": tests})).passed


CRASHES = {
    "signal": ("abort();", "crash", "signal"),
    "code": ("exit(5);", "crash", "exit"),
    "loop": ("for (volatile int i = 0;; i++);", "timeout", "timeout"),
}


@BOTH
@pytest.mark.parametrize("how", CRASHES)
def test_the_program_s_own_end_is_no_failed_assertion(judge, kind, how):
    body, outcome, code = CRASHES[how]
    verdict = judge(kind, f"#include <stdlib.h>\nint add(int a, int b) {{ {body} return 0; }}\n", MAIN, limits=Limits(wall_s=0.5))
    assert verdict.first_failure.outcome == outcome
    assert note(verdict).code == f"{kind}.{code}"


# many at once -----------------------------------------------------------------------------------------------------


def test_batches_keep_their_order_and_verdicts_survive_json(verifiers):
    items = [(make("cpp", stdio(f"{n} 1", str(n + 1))), SUM["cpp"] if n % 2 else "int main() {}") for n in range(4)]
    verdicts = list(verifiers["cpp"].verify_batch(items))
    assert [verdict.passed for verdict in verdicts] == [False, True, False, True]
    assert msgspec.json.decode(msgspec.json.encode(verdicts), type=list[Verdict]) == verdicts


def test_awaiting_does_not_block(verifiers):
    async def many():
        return await asyncio.gather(*(verifiers["c"].averify(make("c", stdio()), SUM["c"]) for _ in range(3)))

    assert all(verdict.passed for verdict in asyncio.run(many()))
