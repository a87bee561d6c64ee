"""A question that waits: BD is reminded as of anything else he has to do, until it is answered."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from domain.clocks import ClockKind
from domain.contract import Stage
from domain.inquiry import AccessOutcome
from domain.state import OUTCOMES
from tests import payloads
from tests.domain.applications import MISSING, Journey, journey_to
from tests.domain.situations import SHORT

OPEN = [name for name in SHORT if name not in OUTCOMES]
HELD_UP = AccessOutcome(granted=False, missing=(MISSING,))
DAY = timedelta(days=1)


def asked(situation: str = "qualified") -> Journey:
    journey = journey_to(situation)
    journey.say("ask_bd", question="May we start in May?")
    return journey


def reminders(journey: Journey, template: str = "question_reminder") -> list[datetime]:
    return [mail.at for mail in journey.mails if mail.template == template]


def until(journey: Journey, count: int) -> list[datetime]:
    """When BD was reminded, once he was so often."""
    while len(reminders(journey)) < count:
        journey.wait(HELD_UP)
    return reminders(journey)


@pytest.mark.parametrize("situation", OPEN)
def test_three_then_the_lead_is_told_once_then_more_rarely(situation: str) -> None:
    journey = asked(situation)
    stage, asked_at = journey.application.stage, journey.now
    if stage is Stage.SIGNED:
        later = {"start_date": "2027-01-01", "time_zone": "UTC", "reason": "Later."}
        journey.say("amend_start_date", **later)
    times = until(journey, 5)

    assert journey.application.stage is stage
    days = [(later.date() - earlier.date()).days for earlier, later in pairwise([asked_at, *times])]
    assert days == [4, 3, 3, 10, 10]
    assert {at.hour for at in times} == {9}
    assert reminders(journey, "question_unanswered") == [times[2]]
    [lead] = [mail for mail in journey.mails if mail.template == "question_unanswered"]
    assert (lead.to.email, lead.said["question_reminders"]) == (payloads.BD_LEAD["email"], 3)
    bd = [mail for mail in journey.mails if mail.template == "question_reminder"][-1]
    assert (bd.to.email, bd.said["waiting_questions"]) == (payloads.BD["email"], 1)
    assert bd.said["oldest_question"].question == "May we start in May?"


def test_an_answer_in_time_lets_no_reminder_leave() -> None:
    journey = asked()
    for _ in range(2):
        journey.say("answer_partner", answer="Yes.")
    assert journey.application.clock(ClockKind.QUESTION) is None
    for _ in range(4):
        journey.wait()
    assert reminders(journey) == []


def test_after_an_answer_the_next_question_has_its_days_anew() -> None:
    journey = asked()
    until(journey, 3)
    journey.say("ask_bd", question="And in June?")
    journey.say("answer_partner", answer="Yes.", question_number=1)
    answered_at, count = journey.now, len(reminders(journey))
    fourth = until(journey, count + 1)[-1]
    assert (fourth.date() - answered_at.date()).days == 4
    assert journey.mails[-1].said["oldest_question"].number == 2
    until(journey, count + 3)
    assert len(reminders(journey, "question_unanswered")) == 2


def test_another_question_puts_no_reminder_off() -> None:
    journey = asked()
    clock = journey.application.clock(ClockKind.QUESTION)
    journey.now += DAY
    for _ in range(2):
        journey.say("ask_bd", question="And in June?")
    assert journey.application.clock(ClockKind.QUESTION) == clock
    until(journey, 1)
    assert (
        journey.mails[-1].said["oldest_question"].number,
        journey.mails[-1].said["waiting_questions"],
    ) == (1, 2)


def test_it_goes_on_waiting_whatever_else_moves() -> None:
    journey = asked("confirming_terms")
    clock = journey.application.clock(ClockKind.QUESTION)
    journey.say("confirm_terms", **journey.terms())
    assert journey.application.clock(ClockKind.QUESTION) == clock
    journey.say("reopen_terms", reason="Currency.")
    assert journey.application.clock(ClockKind.QUESTION) == clock


def test_with_the_end_of_the_application_it_waits_no_longer() -> None:
    journey = asked()
    journey.say("decline")
    assert journey.application.clocks == ()


def test_while_no_question_waits_there_is_no_clock_for_one() -> None:
    for situation in OPEN:
        assert journey_to(situation).application.clock(ClockKind.QUESTION) is None


def test_what_was_only_estimated_is_counted_again_in_a_stage_that_asks_no_calendar() -> None:
    journey = journey_to("signed")
    journey.calendar_known = False
    journey.say("ask_bd", question="May we start in May?")
    while journey.application.stage is Stage.SIGNED:
        journey.wait(HELD_UP)
    question = journey.application.clock(ClockKind.QUESTION)
    assert journey.application.stage is Stage.ACTIVATING
    assert question
    assert question.estimated == (journey.application.clock(ClockKind.CALENDAR_CHECK) is not None) is True
