from burnish.core.records import Diagnostic, Example, Message, Verdict
from burnish.viewer.stories import forest, story


def order(attempts):
    return [(attempt.id, depth) for attempt, depth in forest(attempts)]


def test_a_chain_stays_flush_and_a_branching_is_indented(make_attempt):
    chain = [make_attempt("a"), make_attempt("b", parent="a"), make_attempt("c", parent="b")]
    assert order(chain) == [("a", 0), ("b", 0), ("c", 0)]
    assert order([*chain, make_attempt("d", parent="a")]) == [("a", 0), ("b", 1), ("c", 1), ("d", 1)]


def test_parents_come_first_whatever_the_order(make_attempt):
    assert order([make_attempt("b", parent="a"), make_attempt("a")]) == [("a", 0), ("b", 0)]


def test_an_attempt_whose_parent_is_absent_is_a_root(make_attempt):
    assert order([make_attempt("b", parent="gone"), make_attempt("c")]) == [("b", 0), ("c", 0)]
    assert order([]) == []


def test_a_long_chain_is_no_recursion(make_attempt):
    chain = [make_attempt("0"), *(make_attempt(str(i), parent=str(i - 1)) for i in range(1, 3000))]
    assert len(order(chain)) == 3000


def test_a_repair_is_told_in_full(make_task, make_attempt, judged):
    wrong = make_attempt("a", told="Write it.")
    right = make_attempt("b", parent="a", code="def mean(xs):\n    return 0.0\n", explanation="Empty lists.", told="It fails.")
    visible = {"a": judged("crash"), "b": judged("pass")}
    hidden = {"a": judged("fail", hidden=True), "b": judged("pass", hidden=True)}
    first, second = story(make_task("t"), [wrong, right], visible, hidden, answers=["b"]).turns
    assert (first.visible, first.hidden, first.prompt, first.feedback, first.before) == ("fail", "fail", "Write it.", "", None)
    assert (second.title, second.feedback, second.explanation, second.before) == (
        "Refine, round 1",
        "It fails.",
        "Empty lists.",
        wrong.artefacts["code"],
    )
    assert [(mark.line, mark.text) for mark in first.marks] == [(2, "ZeroDivisionError: division by zero")]
    assert [(check.asked, check.outcome, check.actual, check.message, check.hidden) for check in first.checks] == [
        ("mean([]) == 0.0", "crash", "", "ZeroDivisionError: division by zero", False),
        ("mean([1, 3]) == 2.0", "fail", "1.5", "", True),
    ]
    assert "handed in" in second.facts
    assert "handed in" not in first.facts


def test_one_finding_of_many_checks_is_shown_once(make_task, make_attempt, judged):
    (turn,) = story(make_task("t"), [make_attempt("a")], {"a": judged("crash")}, {"a": judged("crash", hidden=True)}).turns
    assert len(turn.marks) == 1


def test_a_finding_about_the_whole_program_has_no_line(make_task, make_attempt):
    verdict = Verdict.of((), invalid=[Diagnostic(code="syntax", message="no function", hint="write one")])
    (turn,) = story(make_task("t"), [make_attempt("a")], {"a": verdict}, {}).turns
    assert [(mark.line, mark.text) for mark in turn.marks] == [(0, "no function\nwrite one")]
    assert (turn.visible, turn.hidden) == ("invalid", "")


def test_lessons_show_the_prompt_and_what_is_learned(make_task):
    messages = (Message(role="user", content="ask"), Message(role="assistant", content="wrong"), Message(role="user", content="told"))
    example = Example(id="e", kind="refine", task_id="t", messages=(*messages, Message(role="assistant", content="right")))
    (lesson,) = story(make_task("t"), [], {}, {}, examples=[example]).lessons
    assert (lesson.kind, lesson.target) == ("refine", "right")
    assert lesson.prompt == "[user]\nask\n\n[assistant]\nwrong\n\n[user]\ntold"


def test_prose_on_the_way_is_shown_whole_and_is_no_program_to_compare_with(make_task, make_attempt):
    wrong = make_attempt("a")
    fields = {name: getattr(wrong, name) for name in wrong.__struct_fields__}
    review = type(wrong)(
        **{**fields, "id": "b", "parent_id": "a", "op": "review", "text": "Empty lists.", "artefacts": {"review": "Empty lists."}}
    )
    right = make_attempt("c", parent="b")
    _, second, third = story(make_task("t"), [wrong, review, right], {}, {}).turns
    assert (second.explanation, second.code, second.before) == ("Empty lists.", "", None)
    assert third.before is None
