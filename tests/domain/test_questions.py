"""The partner asks BD, and BD answers (guide §2.3): kept, told to the other, as many rounds as it takes."""

from datetime import timedelta
from typing import Any, Final

import pytest

from domain.audit import Verdict
from domain.state import KEPT_BYTES
from tests import payloads
from tests.domain.applications import Journey, journey_to, refused

LONG: Final = "问" * 4_000
"""As much as one question or answer may have, in 12 kB."""


def asked(*questions: str, situation: str = "confirming_terms") -> Journey:
    """A journey on which the partner has asked these."""
    journey = journey_to(situation)
    for question in questions:
        journey.say("ask_bd", question=question)
    return journey


def rounds(journey: Journey) -> list[tuple[int, str, str | None]]:
    """What the status shows of them."""
    return [(each.number, each.question, each.answer) for each in journey.status.questions]


def mails(journey: Journey, count: int) -> list[tuple[str, str]]:
    """The template of the latest mails, and who gets them."""
    return [(mail.template, mail.to.email) for mail in journey.mails[-count:]]


def news(journey: Journey, before: Journey) -> list[str]:
    """The templates of the mails it has more than before."""
    return [mail.template for mail in journey.mails[len(before.mails) :]]


def test_a_question_is_kept_and_told_to_bd_and_its_answer_to_the_partner() -> None:
    journey = journey_to("confirming_terms")
    clocks = journey.application.clocks
    journey.say("ask_bd", question="Per year?")
    later = journey.now = journey.now + timedelta(hours=1)
    journey.say("answer_partner", answer="Per contract.")

    assert rounds(journey) == [(1, "Per year?", "Per contract.")]
    assert journey.status.questions[0].answered_at == later
    assert mails(journey, 2) == [
        ("partner_asked", "bo.chen@vendor.example.com"),
        ("partner_answered", "ann.tan@acme.example.com"),
    ]
    assert journey.mails[-2].said["asked"].question == "Per year?"
    assert journey.mails[-1].said["answered"].answer == "Per contract."
    assert (journey.status.stage, journey.application.clocks) == ("confirming_terms", clocks)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"kind": "ask_bd", "question": "A?"}, "is open"),
        ({"kind": "answer_partner", "answer": "No.", "question_number": 1}, "has that answer"),
    ],
)
def test_what_is_in_place_is_not_done_again(said: dict[str, Any], what: str) -> None:
    journey = asked("B?", "A?")
    journey.say("answer_partner", answer="No.")
    before = journey.application
    assert journey.say(**said).verdict is Verdict.NO_OP, what
    assert journey.application == before


def test_an_answer_said_again_is_no_answer_to_nothing() -> None:
    journey = asked("A?")
    journey.say("answer_partner", answer="No.")
    assert journey.judge("answer_partner", answer="No.").verdict is Verdict.NO_OP
    assert refused(journey, "answer_partner", answer="Yes.") == (
        "wrong_stage",
        "'answer_partner' is not possible in stage 'confirming_terms' (Please confirm the following business "
        "terms) without an unanswered question. Possible now for 'bd': issue_decision_sheet, "
        "correct_contact, resend_email, cancel_application.",
    )
    assert "answer_partner" not in journey.status.allowed_commands
    journey.say("ask_bd", question="A?")
    assert rounds(journey) == [(1, "A?", "No."), (2, "A?", None)], "answered, it may be asked again"
    assert "answer_partner" in journey.status.allowed_commands


def test_the_question_meant_is_the_one_named_or_the_oldest_that_waits() -> None:
    journey = asked("A?", "B?", "C?")
    journey.say("answer_partner", answer="To B.", question_number=2)
    journey.say("answer_partner", answer="To A.")
    assert rounds(journey) == [(1, "A?", "To A."), (2, "B?", "To B."), (3, "C?", None)]
    assert journey.mails[-1].said["answered"].number == 1
    assert refused(journey, "answer_partner", answer="Else.", question_number=2) == (
        "invalid",
        "question_number: question 2 has been answered already; unanswered: 3.",
    )
    assert refused(journey, "answer_partner", answer="Else.", question_number=9) == (
        "invalid",
        "question_number: question 9 is not known any more, or never was; unanswered: 3.",
    )


def test_questions_that_wait_are_never_dropped_and_so_have_a_bound() -> None:
    journey = asked(f"1{LONG[1:]}", f"2{LONG[1:]}")
    for _ in range(2):
        assert refused(journey, "ask_bd", question=f"3{LONG[1:]}") == (
            "invalid",
            "question: 2 questions wait for BD's answer already, and there is no room for another: wait for "
            "an answer, or write to BD.",
        )
    journey.say("ask_bd", question="Short?")
    assert [each.number for each in journey.status.questions] == [1, 2, 3]


def test_of_answered_questions_the_latest_are_kept() -> None:
    journey = journey_to("confirming_terms")
    for number in range(12):
        journey.say("ask_bd", question=f"{number}{LONG[2:]}")
        journey.now += timedelta(minutes=1)
        journey.say("answer_partner", answer=LONG)
        size = sum(len(each.model_dump_json().encode()) for each in journey.application.questions)
        assert size <= KEPT_BYTES
    assert [each.number for each in journey.status.questions] == [12], "answered in their order"
    journey.say("ask_bd", question="Number thirteen?")
    assert [each.number for each in journey.status.questions] == [12, 13]


def test_who_was_asked_is_told_when_it_comes_to_nothing() -> None:
    """BD has not seen a form, but a question, or was put in charge."""
    silent, told = journey_to("drafting"), asked("Which form?", situation="drafting")
    assigned = journey_to("drafting")
    assigned.say("reassign_bd", **assigned.something_new("reassign_bd"))
    for journey, expected in ((silent, []), (told, ["closed_to_bd"]), (assigned, ["closed_to_bd"])):
        declined, expired = journey.copy(), journey.copy()
        declined.say("decline")
        while not expired.application.ended:
            expired.wait()
        assert news(declined, journey) == ["application_cancelled", *expected]
        about_it = {"question_reminder", "question_unanswered"}
        others = [template for template in news(expired, journey) if template not in about_it]
        assert others == [*["expiry_warning"] * 2, "application_expired", *expected]
        assert declined.status.closing
        assert (declined.status.stage, declined.status.closing.by) == ("cancelled", "partner")


@pytest.mark.parametrize(
    ("role", "told"), [("ops", ["closed_to_bd"]), ("bd_lead", ["closed_to_bd"]), ("bd", [])]
)
def test_bd_is_told_of_a_cancellation_that_is_not_his_own(role: str, told: list[str]) -> None:
    journey = asked("Which form?", situation="drafting")
    before = journey.copy()
    journey.say("cancel_application", role=role, reason="Entered twice.")
    assert news(journey, before) == ["application_cancelled", *told]
    assert [mail.to.email for mail in journey.mails[len(before.mails) + 1 :]] == [payloads.BD["email"]] * len(
        told
    )
    unknown = journey_to("drafting")
    before = unknown.copy()
    unknown.say("cancel_application", role=role, reason="Entered twice.")
    assert news(unknown, before) == ["application_cancelled"], "he has never heard of it"


def test_an_answer_to_the_wrong_question_names_the_first_that_wait_and_how_many_more() -> None:
    journey = asked(*(f"Question {number}?" for number in range(1, 101)))
    _, message = refused(journey, "answer_partner", answer="Yes.", question_number=777)
    assert message == (
        "question_number: question 777 is not known any more, or never was; unanswered: "
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 90 more."
    )
    assert "Question 1?" not in message
