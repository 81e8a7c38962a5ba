"""LPW and SLPW: the order of calls, what each of them reads, and the caps. Scripted policies, the real judge and tracer."""

import random

from tests.strategies.conftest import Roles, assert_nothing_hidden, ops, program

from burnish.core.budget import Budget
from burnish.signals import lpw as prompts
from burnish.signals.prompts import STOP

WORDS = {
    "PLAN": "Write a plan of numbered steps",
    "VERIFY": "Verify the plan on each test",
    "CHECK": "Check each verification",
    "PRINT": "Add print statements",
    "EXPLAIN": "Explain this program",
    "ANALYSE": "[My Analysis]",
    "REFINE": "Correct the program by the analysis",
    "CODE": "Follow the plan",
}
PLAN = "[Start Plan]\n1. Add.\n[End Plan]"
FIRST = "[Plan Verification for test 1]\n[Record]: total=1\n[Results Compare] [Correct Plan]\n"
SECOND = "[Plan Verification for test 2]\n[Record]: total=5\n[Results Compare] [Correct Plan]\n"
REVISED = "[Plan Verification for test 1]\n[Incorrect Plan]\n[Revised Solution Plan]\n[Start Plan]\n1. Add both.\n[End Plan]"
PRINTED = "```python\ndef add(a, b):\n    total = a - b\n    print('total', total)\n    return total\n```"


def roles(**changes):
    usual = {
        "PLAN": [PLAN],
        "VERIFY": [REVISED, FIRST + SECOND, FIRST + SECOND],
        "CHECK": ["Correct Analysis. Incorrect Analysis: step 2", "Correct Analysis. Correct Analysis."],
        "CODE": [program("a - b")],
        "PRINT": [PRINTED],
        "EXPLAIN": ["It subtracts."],
        "ANALYSE": ["The sign."],
        "REFINE": [program("a + b")],
    }
    return Roles(WORDS, **{**usual, **changes})


def test_the_order_of_calls_is_that_of_the_paper(run, two_tests):
    model = roles()
    store, _ = run(model, [two_tests], strategy="lpw")
    order = "PLAN VERIFY VERIFY CHECK VERIFY CHECK CODE PRINT EXPLAIN ANALYSE REFINE PRINT"
    assert model.asked == order.split()
    assert ops(store) == [role.lower() for role in model.asked]
    answer = store.attempt(store.episodes()[0].answer)
    assert answer.op == "refine"
    assert store.label(answer.id).passed
    assert_nothing_hidden(store)


def test_the_revised_plan_is_what_is_verified_and_coded(run, two_tests):
    store, _ = run(roles(), [two_tests], strategy="lpw")
    by_op = {attempt.op: attempt for attempt in store.attempts()}
    assert "1. Add both." in by_op["code"].messages[0].content
    assert "1. Add.\n" not in by_op["verify"].messages[0].content


def test_the_analysis_reads_the_failed_test_and_its_own_trace_only(run, two_tests):
    store, _ = run(roles(), [two_tests], strategy="lpw")
    asked = next(attempt for attempt in store.attempts() if attempt.op == "analyse").messages[0].content
    assert "add(2, 3) returned -1, but it should return 5" in asked
    assert "| total -1" in asked
    assert "Plan Verification for test 2" in asked
    assert "Plan Verification for test 1" not in asked
    assert "| total 1" not in asked


def test_prose_is_no_answer_and_is_not_labelled(run, two_tests):
    store, _ = run(roles(), [two_tests], strategy="lpw")
    answers = [attempt for attempt in store.attempts() if attempt.is_answer]
    assert [attempt.op for attempt in answers] == ["code", "refine"]
    assert set(store.verdicts("hidden")) == {attempt.id for attempt in answers}
    plan = next(store.attempts())
    assert plan.artefacts == {"plan": PLAN}
    assert [(span.kind, span.start, span.end) for span in plan.spans] == [("plan", 0, len(PLAN))]


def test_the_first_question_is_greedy_and_a_repeated_one_is_not(run, two_tests):
    store, _ = run(roles(), [two_tests], strategy="lpw")
    assert [a.sampling.temperature for a in store.attempts() if a.op == "verify"] == [0.0, 0.0, 0.6]
    assert {a.op: a.sampling.stop for a in store.attempts() if a.op in ("verify", "print")} == {"verify": (), "print": STOP}


def test_twelve_verifications_without_acceptance_end_in_failure(run, two_tests):
    model = roles(VERIFY=[FIRST])  # one block for two tests: retried
    store, _ = run(model, [two_tests], strategy="lpw")
    assert model.asked == ["PLAN", *["VERIFY"] * 12]
    episode = store.episodes()[0]
    assert (episode.status, episode.answer) == ("done", None)


def test_twelve_corrections_at_most_and_the_best_is_kept(run, two_tests):
    model = roles(CODE=[program("a")], REFINE=[program("7")])  # the first passes one test, the others none
    store, _ = run(model, [two_tests], strategy="lpw")
    assert model.asked.count("REFINE") == 12
    assert store.attempt(store.episodes()[0].answer).op == "code"


def test_a_program_that_cannot_be_used_is_corrected_too(run, two_tests):
    store, _ = run(roles(CODE=["I cannot."], PRINT=["nor this"]), [two_tests], strategy="lpw")
    asked = next(attempt for attempt in store.attempts() if attempt.op == "analyse").messages[0].content
    assert "cannot be used" in asked
    assert store.label(store.episodes()[0].answer).passed


def test_a_task_without_visible_tests_has_nothing_to_verify_a_plan_with(run, two_tests):
    bare = type(two_tests)(id="bare", group_id="bare", kind="python", prompt="p", context=two_tests.context)
    for strategy in ("lpw", "slpw"):
        store, policy = run(roles(), [bare], folder=strategy, strategy=strategy)
        assert (policy.calls, store.episodes()[0].answer) == (0, None)


def test_replies_are_read_by_their_markers():
    assert prompts.plan_in("So: [Start Plan]\n1. x\n[End Plan] ok") == "1. x"
    assert prompts.plan_in("no markers") == "no markers"
    assert prompts.revised_plan_in(REVISED) == "1. Add both."
    assert prompts.revised_plan_in(FIRST) == ""
    assert prompts.verifications_in(FIRST + SECOND) == [FIRST.strip(), SECOND.strip()]
    assert prompts.is_accepted("Correct Analysis, Correct Analysis", 2)
    assert not prompts.is_accepted("Correct Analysis, Incorrect Analysis", 2)


def test_slpw_pulls_the_better_arm_more_often(run, two_tests):
    """Two plans, whose corrections pass one of two tests with probability 0.1 and 0.6."""
    luck = random.Random(1)
    plans = iter(["[Start Plan]\nworse plan\n[End Plan]", "[Start Plan]\nbetter plan\n[End Plan]"])

    def coded(text):
        return program("7 + 0" if "worse plan" in text else "8 + 0")

    def refined(text):
        chance, wrong = (0.1, "7 + 0") if "7 + 0" in text else (0.6, "8 + 0")
        return program(f"a if {wrong} else 0" if luck.random() < chance else wrong)

    model = roles(
        PLAN=[lambda text: next(plans)],
        VERIFY=[FIRST + SECOND],
        CHECK=["Correct Analysis Correct Analysis"],
        CODE=[coded],
        REFINE=[refined],
    )
    store, _ = run(model, [two_tests], strategy="slpw", options={"plans": 2, "rounds": 30, "c": 0.5})
    refinements = [attempt for attempt in store.attempts() if attempt.op == "refine"]
    better = sum("8 + 0" in attempt.messages[0].content for attempt in refinements)
    assert len(refinements) == 30
    assert better > 18
    assert_nothing_hidden(store)


def test_slpw_stops_at_the_first_full_pass(run, two_tests):
    model = roles(VERIFY=[FIRST + SECOND], CHECK=["Correct Analysis Correct Analysis"])
    store, _ = run(model, [two_tests], strategy="slpw", options={"plans": 3})
    assert model.asked.count("CODE") == 3
    assert model.asked.count("REFINE") == 1
    assert store.label(store.episodes()[0].answer).passed


def test_a_budget_ends_it_with_the_best_program_so_far(run, two_tests):
    store, policy = run(roles(), [two_tests], strategy="lpw", budget=Budget(calls=9))
    assert policy.calls == 9
    episode = store.episodes()[0]
    assert episode.status == "budget"
    assert store.attempt(episode.answer).op == "code"
