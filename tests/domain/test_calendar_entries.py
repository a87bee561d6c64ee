"""What stands in people's calendars: entered, moved and withdrawn by the mails that leave anyway."""

from datetime import timedelta
from typing import Final

import pytest

from domain import decisions
from domain.audiences import audience_of
from domain.calendar_entries import CalendarEvent
from domain.invitations import entry_of
from domain.notice import Audience
from tests import payloads
from tests.domain.applications import UID, Journey, journey_to, signature

REVIEW: Final = CalendarEvent.REVIEW_DEADLINE
CONTACT: Final = CalendarEvent.CONTACT_DEADLINE
START: Final = CalendarEvent.CONTRACT_START


def calendar(journey: Journey, audience: Audience) -> dict[CalendarEvent, int]:
    """What the reader of all mails has in his calendar, with the number it came or was moved under."""
    entries: dict[CalendarEvent, int] = {}
    for mail in journey.mails:
        if mail.audience is audience:
            for gone in mail.notice.withdraws:
                assert entries[gone.event] < mail.sequence, "only what is there, and later"
                del entries[gone.event]
            if entered := entry_of(mail.notice, mail.at):
                assert entries.get(entered.event, 0) < mail.sequence
                entries[entered.event] = mail.sequence
    return entries


def withdrawn(journey: Journey) -> list[tuple[str, CalendarEvent]]:
    """Which mails have withdrawn what."""
    return [(mail.template, gone.event) for mail in journey.mails for gone in mail.notice.withdraws]


def test_a_review_that_is_withdrawn_leaves_bd_s_calendar_and_comes_back() -> None:
    journey = journey_to("under_review")
    assert calendar(journey, Audience.BD).keys() == {REVIEW}
    journey.say("withdraw_application")
    assert withdrawn(journey) == [("withdrawn_to_bd", REVIEW)]
    assert calendar(journey, Audience.BD) == {}
    journey.say("submit_application", application=payloads.form(UID))
    assert calendar(journey, Audience.BD).keys() == {REVIEW}


def test_an_answered_justification_moves_it_and_a_withdrawal_meanwhile_takes_it_away() -> None:
    journey = journey_to("justifying")
    first = calendar(journey, Audience.BD)[REVIEW]
    answered = journey.copy()
    answered.say("provide_justification", answer="Twelve.")
    assert calendar(answered, Audience.BD)[REVIEW] > first
    assert withdrawn(answered) == []

    journey.say("withdraw_application")
    assert withdrawn(journey) == [("withdrawn_to_bd", REVIEW)]


def test_of_what_bd_has_decided_himself_the_next_mail_to_him_clears_his_calendar() -> None:
    journey = journey_to("awaiting_signatures")
    assert withdrawn(journey) == [("terms_confirmed_to_bd", REVIEW)]
    assert calendar(journey, Audience.BD).keys() == {CONTACT}
    journey.say("record_contact")
    journey.say("decline", reason="Too dear.")
    assert withdrawn(journey)[1:] == [("closed_to_bd", CONTACT)]
    assert calendar(journey, Audience.BD) == {}


def test_what_is_over_is_not_withdrawn_any_more() -> None:
    journey = journey_to("under_review")
    review = decisions.next_clock(journey.application)
    assert review
    journey.say("approve_application", form_revision=1)
    journey.now = review.due_at
    journey.wait()
    assert journey.mails[-1].template == "sheet_reminder"
    assert withdrawn(journey) == []
    assert journey.application.calendar_entries == ()


def test_a_contract_start_moves_with_its_amendment_and_goes_with_the_contract() -> None:
    journey = journey_to("signed")
    signed = calendar(journey, Audience.PARTNER)[START]
    journey.say("amend_start_date", start_date="2026-10-01", time_zone="Europe/Paris", reason="Later.")
    assert calendar(journey, Audience.PARTNER)[START] > signed

    cancelled = journey.copy()
    cancelled.carry_out(decisions.cancelled_by_operator(cancelled.application, cancelled.now))
    [(template, event)] = [each for each in withdrawn(cancelled) if each[1] is START]
    assert (template, event) == ("application_cancelled", START)
    entry = next(gone for mail in cancelled.mails for gone in mail.notice.withdraws if gone.event is START)
    assert (str(entry.day), entry.time_zone) == ("2026-10-01", "Europe/Paris")

    while not journey.application.ended:
        journey.wait()
    assert journey.status.stage == "active"
    assert set(calendar(journey, Audience.PARTNER)) == {START}


def test_terms_that_are_reopened_take_the_deadline_to_make_contact_away_by_the_next_mail() -> None:
    journey = journey_to("awaiting_signatures")
    journey.say("reopen_terms", reason="Currency.")
    assert calendar(journey, Audience.BD).keys() == {CONTACT}, "no mail leaves to BD, who did it"
    journey.say("issue_decision_sheet", sheet=payloads.sheet(ecs="20"))
    journey.say("modify_terms", sheet_revision=2, description="Not this.")
    assert withdrawn(journey)[-1] == ("modification_requested", CONTACT)


def test_the_deadline_leaves_the_calendar_of_the_former_bd_and_enters_the_new_ones() -> None:
    journey = journey_to("qualified")
    journey.say("reassign_bd", bd={"name": "Nia New", "email": "nia@vendor.example.com"})
    assert withdrawn(journey) == [("handed_over", REVIEW)], "the approval told him nothing"
    journey = journey_to("under_review")
    journey.say("reassign_bd", bd={"name": "Nia New", "email": "nia@vendor.example.com"})
    assert withdrawn(journey) == [("handed_over", REVIEW)]
    entered = entry_of(journey.mails[-1].notice, journey.now)
    assert entered
    assert entered.event is REVIEW
    journey.say("withdraw_application")
    assert withdrawn(journey)[1:] == [("withdrawn_to_bd", REVIEW)]


@pytest.mark.parametrize("situation", ["signed", "amended", "awaiting_signatures", "answered_withdrawn"])
def test_what_is_entered_has_its_reader(situation: str) -> None:
    journey = journey_to(situation)
    readers = {REVIEW: Audience.BD, CONTACT: Audience.BD, START: Audience.PARTNER}
    for mail in journey.mails:
        for entry in (*mail.notice.withdraws, *filter(None, (entry_of(mail.notice, mail.at),))):
            assert readers[entry.event] is audience_of(mail.template)


def test_mails_to_the_lead_enter_nothing() -> None:
    journey = journey_to("under_review")
    while "review_overdue" not in {mail.template for mail in journey.mails}:
        journey.wait()
    assert entry_of(journey.mails[-1].notice, journey.now) is None


def test_both_signatures_end_the_deadline_to_make_contact() -> None:
    journey = journey_to("partner_signed")
    journey.say("sign_contract", role="vendor", **signature(journey, "vendor"))
    assert {entry.event for entry in journey.application.calendar_entries} >= {START}
    journey.now += timedelta(days=30)
    journey.say("amend_start_date", start_date="2026-12-01", time_zone="UTC", reason="Later.")
    assert {entry.event for entry in journey.application.calendar_entries} == {START}


def signed(start: str) -> Journey:
    journey = journey_to("qualified")
    journey.say("issue_decision_sheet", sheet=payloads.sheet(start=start, zone="UTC"))
    journey.say("confirm_terms", **journey.terms())
    journey.say("sign_contract", **signature(journey, "partner"))
    journey.say("sign_contract", role="vendor", **signature(journey, "vendor"))
    return journey


@pytest.mark.parametrize(
    ("start", "entered"),
    [("2025-03-02", False), ("2026-03-01", False), ("2026-03-02", True), ("2026-03-03", True)],
)
def test_a_day_that_is_over_enters_no_calendar(start: str, entered: bool) -> None:
    """It is 2 March 2026."""
    journey = signed(start)
    assert journey.mails[-1].template == "contract_signed"
    assert (calendar(journey, Audience.PARTNER).keys() == {START}) is entered
    assert withdrawn(journey)[2:] == []


def test_a_start_that_is_amended_to_a_day_that_is_over_takes_the_entry_away() -> None:
    journey = signed("2026-09-01")
    assert calendar(journey, Audience.PARTNER).keys() == {START}
    journey.say("amend_start_date", start_date="2026-02-01", time_zone="UTC", reason="In effect already.")
    assert calendar(journey, Audience.PARTNER) == {}
    assert withdrawn(journey)[-1] == ("start_date_amended", START)
    assert START not in {entry.event for entry in journey.application.calendar_entries}
