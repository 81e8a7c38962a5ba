"""The prompts of LPW and what its replies hold (arXiv 2411.14503): plan, verify, check, code, print, explain, analyse, refine.

The markers in brackets are those of the paper's official prompts; the wording around them is ours. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from burnish.core.records import Check, Message, Task, Verdict
from burnish.core.traces import Trace
from burnish.signals.feedback import feedback
from burnish.signals.prompts import REPLY, ask, block, check_text, request, wanted
from burnish.signals.traces import printed_trace

VERIFICATION = "[Plan Verification for"
REVISED = "[Revised Solution Plan]"
ACCEPTED = "Correct Analysis"
Messages = tuple[Message, ...]


def ask_plan(task: Task) -> Messages:
    """PLAN: steps only, no program."""
    return _user(
        f"[Problem]\n{task.prompt.strip()}",
        f"Write a plan of numbered steps that solves this problem for every valid input. Only the plan, no {wanted(task)}.\n"
        "Put it between [Start Plan] and [End Plan].",
    )


def ask_verification(task: Task, plan: str) -> Messages:
    """VERIFY: go through the plan by hand on every visible test, and revise it where a result is wrong."""
    return _user(
        f"[Problem]\n{task.prompt.strip()}",
        f"[Solution Plan]\n{plan}",
        f"[Tests]\n{_tests(task)}",
        "Verify the plan on each test, one block per test:\n"
        f"{VERIFICATION} test n]\n"
        "Name the intermediate values to track. Go through the plan step by step and write [Record]: variable=value for each of them.\n"
        "[Results Compare] Compare the final value with the expected one.\n"
        "Write [Correct Plan] if they agree. If not, write [Incorrect Plan], then [Incorrect Reasons] and why,\n"
        f"then {REVISED} with the whole corrected plan between [Start Plan] and [End Plan], and stop.",
    )


def ask_check(task: Task, plan: str, verifications: Sequence[str]) -> Messages:
    """CHECK: judge every step of every verification."""
    return _user(
        f"[Problem]\n{task.prompt.strip()}",
        f"[Solution Plan]\n{plan}",
        *verifications,
        "Check each verification step by step: is every recorded value right, and does it follow from the plan?\n"
        f'For each verification write "{ACCEPTED}" if all of it is right, else "Incorrect Analysis" and the first step that is wrong.',
    )


def ask_code(task: Task, plan: str, verifications: Sequence[str]) -> Messages:
    """CODE: the program, with the plan and its verified traces as constraints."""
    (problem,) = ask(task)
    return _user(f"[Solution Plan]\n{plan}", *verifications, f"Follow the plan; the recorded values must come out.\n\n{problem.content}")


def ask_printing(task: Task, code: str, verifications: Sequence[str]) -> Messages:
    """PRINT: the same program with statements that show the values that the verifications record."""
    return _user(
        block(task, code),
        *verifications,
        f"Add print statements that show the values recorded above, with their names. Change nothing else. {_only(task)}",
    )


def ask_explanation(task: Task, code: str) -> Messages:
    """EXPLAIN: the program line by line."""
    return _user(f"[Problem]\n{task.prompt.strip()}", block(task, code), "Explain this program line by line.")


def ask_analysis(task: Task, printed: str, check: Check, verdict: Verdict, trace: Trace | None, verification: str) -> Messages:
    """ANALYSE: what the program printed on its first failed test beside the verified reasoning on that test."""
    failed = Verdict.of([check])
    return _user(
        f"[Problem]\n{task.prompt.strip()}",
        block(task, printed),
        f"[Failed Test]\n{feedback(failed if check.outcome != 'skip' else verdict)}",
        f"[Execution Trace]\n{printed_trace(trace) if trace else '(not available)'}",
        f"[Verified Reasoning]\n{verification}",
        "[Compare Results] Compare the values in the trace with the verified ones, step by step; name the first that differs.\n"
        "[My Analysis] Say which line of the program makes it differ, and how to correct it.",
    )


def ask_refined(task: Task, code: str, explanation: str, analysis: str) -> Messages:
    """REFINE: the corrected program."""
    return _user(
        f"[Problem]\n{task.prompt.strip()}",
        f"[Incorrect Program]\n{block(task, code)}",
        f"[Explanation]\n{explanation}",
        f"[Analysis]\n{analysis}",
        f"Correct the program by the analysis. {_only(task)}",
    )


def plan_in(reply: str) -> str:
    """The plan between its markers, or the whole reply."""
    found = re.search(r"\[Start Plan\](.*?)(?:\[End Plan\]|\Z)", reply, re.DOTALL)
    return (found[1] if found else reply).strip()


def revised_plan_in(reply: str) -> str:
    """The revised plan of a verification; empty if it has none."""
    _, marker, rest = reply.rpartition(REVISED)
    return plan_in(rest) if marker else ""


def verifications_in(reply: str) -> list[str]:
    """The verification blocks, in order, each with its heading."""
    return [f"{VERIFICATION}{part.rstrip()}" for part in reply.split(VERIFICATION)[1:]]


def is_accepted(reply: str, tests: int) -> bool:
    """True if the check accepts the verification of every test."""
    return len(re.findall(rf"(?<!In)(?<!in){ACCEPTED}", reply)) == tests


def _tests(task: Task) -> str:
    return "\n".join(f"test {number}: {check_text(task, check)}" for number, check in enumerate(task.visible(), start=1))


def _only(task: Task) -> str:
    return request(task, REPLY)


def _user(*parts: str) -> Messages:
    return (Message(role="user", content="\n\n".join(parts)),)
