"""The moves of LPW and SLPW: make a plan and verify it by hand, write its program, correct the program by its print trace."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.core.records import Attempt, Task, Verdict
from burnish.signals import lpw as prompts
from burnish.signals.feedback import first_failed
from burnish.signals.prompts import STOP, wrong_code
from burnish.strategies.base import Judge, Judged, Writer
from burnish.text.code import program_in


@dataclass(frozen=True)
class Plan:
    """An accepted plan, with its verification on each visible test, in their order. `attempt` is the check that accepted it."""

    text: str
    verifications: tuple[str, ...]
    attempt: Attempt


@dataclass(frozen=True)
class Program:
    """A program of a plan: the attempt with its verdict, and the same program with print statements."""

    plan: Plan
    attempt: Attempt
    verdict: Verdict
    printed: str

    @property
    def judged(self) -> Judged:
        """The attempt with its verdict."""
        return self.attempt, self.verdict


class Planner:
    """Plans and programs for one task. All is asked at temperature 0, but repeated questions at `retry_temperature`."""

    def __init__(self, task: Task, policy: Writer, verifier: Judge, retry_temperature: float) -> None:
        self._task, self._policy, self._verifier, self._retry = task, policy, verifier, retry_temperature

    async def plan(self, tries: int, temperature: float = 0.0) -> Plan | None:
        """PLAN, then VERIFY until no revision is due and CHECK accepts; None if that takes more than `tries` verifications."""
        last = await self._say(prompts.ask_plan(self._task), "plan", None, temperature)
        plan, tests = prompts.plan_in(last.text), len(self._task.visible())
        is_repeated = False
        for _ in range(tries):
            last = await self._say(prompts.ask_verification(self._task, plan), "verify", last, self._retry if is_repeated else temperature)
            blocks = tuple(prompts.verifications_in(last.text))
            if revised := prompts.revised_plan_in(last.text):
                plan, is_repeated = revised, False
                continue
            is_repeated = True
            if len(blocks) == tests:
                last = await self._say(prompts.ask_check(self._task, plan, blocks), "check", last, temperature)
                if prompts.is_accepted(last.text, tests):
                    return Plan(plan, blocks, last)
        return None

    async def program(self, plan: Plan) -> Program:
        """CODE and PRINT."""
        attempt = await self._policy.write(
            prompts.ask_code(self._task, plan.text, plan.verifications), op="code", parent=plan.attempt, temperature=0.0
        )
        return await self._printed(plan, attempt)

    async def corrected(self, program: Program, round: int) -> Program:
        """EXPLAIN, ANALYSE the first failed test, REFINE and PRINT."""
        task, code = self._task, wrong_code(program.attempt)
        explained = await self._say(prompts.ask_explanation(task, code), "explain", program.attempt, 0.0, round)
        question = await self._analysis(program)
        analysed = await self._say(question, "analyse", explained, 0.0, round)
        turn = prompts.ask_refined(task, code, explained.text, analysed.text)
        temperature = 0.0 if round == 1 else self._retry
        refined = await self._policy.write(turn, op="refine", parent=program.attempt, round=round, temperature=temperature)
        return await self._printed(program.plan, refined)

    async def _printed(self, plan: Plan, attempt: Attempt) -> Program:
        turn = prompts.ask_printing(self._task, wrong_code(attempt), plan.verifications)
        reply = await self._say(turn, "print", attempt, 0.0, attempt.round, stop=STOP)
        printed = program_in(self._task, reply.text) or attempt.artefacts.get("code", "")
        return Program(plan, attempt, await self._verifier.verify(attempt), printed)

    async def _analysis(self, program: Program) -> prompts.Messages:
        number, check = first_failed(self._task, program.verdict)
        trace = await self._verifier.trace(program.printed, check.id) if program.printed else None
        return prompts.ask_analysis(self._task, program.printed, check, program.verdict, trace, program.plan.verifications[number])

    async def _say(
        self, turn: prompts.Messages, op: str, parent: Attempt | None, temperature: float, round: int = 0, stop: tuple[str, ...] = ()
    ) -> Attempt:
        return await self._policy.write(turn, op=op, parent=parent, round=round, kind=op, temperature=temperature, stop=stop)
