"""The mails of the process in a table, written from the contract and the guide, and held to the decisions.

A row says what happens in which of the situations of `situations.py`, what the application becomes, and what
each reader reads.
"""

from datetime import timedelta

import pytest

from domain import coverage
from domain.anytime import ALERTS
from domain.clocks import ClockKind
from domain.contract import Stage
from domain.decisions import Decision
from domain.inquiry import AccessOutcome
from domain.lifecycle import MOMENTS, STEPS
from domain.notice import Audience, Notice
from domain.notices import NOTICES, DeadlineEstimated
from tests.domain.applications import MISSING, Journey, journey_to
from tests.domain.situations import ABBREVIATIONS, LONG_WAY, SHORT, usual_role

# situation | what happens | becomes | partner reads | BD reads | BD lead reads
MAILS = """
conf  | submit_application    | revw | application_received    | review_requested         |
wdrn  | submit_application    | revw | application_received    | review_requested         |
revw  | withdraw_application  | wdrn | application_withdrawn   | withdrawn_to_bd          |
just  | withdraw_application  | wdrn | application_withdrawn   | withdrawn_to_bd          |
revw  | request_justification | just | justification_requested |                          |
just  | provide_justification | revw |                         | justification_answered   |
revw  | approve_application   | qual | application_approved    |                          |
revw  | reject_application    | REJD | application_rejected    |                          |
just  | reject_application    | REJD | application_rejected    |                          |
qual  | issue_decision_sheet  | cfrm | sheet_to_confirm        |                          |
cfrm  | issue_decision_sheet  | cfrm | sheet_to_confirm        |                          |
corr  | issue_decision_sheet  | cfrm | sheet_to_confirm        |                          |
cfrm  | modify_terms          | corr |                         | modification_requested   |
cfrm  | confirm_terms         | sign | terms_confirmed         | terms_confirmed_to_bd    |
sign  | record_contact        | sign |                         |                          |
sign  | choose_signing_path   | sign |                         |                          |
sign  | sign_contract         | sign |                         |                          |
1sig  | sign_contract         | sgnd | contract_signed         |                          |
sign  | reopen_terms          | corr | terms_reopened          |                          |
sgnd  | amend_start_date      | sgnd | start_date_amended      |                          |
draft | ask_bd                | draft |                        | partner_asked            |
sgnd  | ask_bd                | sgnd |                         | partner_asked            |
sgnd  | answer_partner        | sgnd | partner_answered        |                          |
draft | a question waits      | draft|                         | question_reminder        |
revw  | a question waits      | revw |                         | question_reminder        |
just  | a question waits      | just |                         | question_reminder        |
wdrn  | a question waits      | wdrn |                         | question_reminder        |
qual  | a question waits      | qual |                         | question_reminder        |
cfrm  | a question waits      | cfrm |                         | question_reminder        |
sign  | a question waits      | sign |                         | question_reminder        |
sgnd  | a question waits      | sgnd |                         | question_reminder        |
actg  | a question waits      | actg |                         | question_reminder        |
corr  | a question waits      | corr |                         | question_reminder        |
corr  | it waits for long     | corr |                         | question_reminder      | question_unanswered
sgnd  | reassign_bd           | sgnd |                         | handed_over assigned_to_bd |
sgnd  | reassign_lead         | sgnd |                         |           | lead_handed_over assigned_to_lead
sgnd  | correct_contact       | sgnd |                         |                          |
revw  | resend_email          | revw |                         |                          |
draft | decline               | CANC | application_cancelled   |                          |
revw  | decline               | CANC | application_cancelled   | closed_to_bd             |
wdrn  | decline               | CANC | application_cancelled   | closed_to_bd             |
qual  | decline               | CANC | application_cancelled   | closed_to_bd             |
sgnd  | end_contract          | CANC | contract_ended          | contract_ended_to_bd     |
sign  | cancel_application    | CANC | application_cancelled   |                          |
draft | time passes           | draft | expiry_warning         |                          |
draft | time passes twice     | draft | expiry_warning         |                          |
draft | 3 times               | EXPD | application_expired     |                          |
just  | time passes           | just | justification_reminder  |                          |
just  | 3 times               | just | justification_reminder  |                        | reminders_unanswered
just  | 4 times               | just | justification_reminder  |                          |
just  | two weeks are left    | just | expiry_warning          |                          |
just  | it is forgotten       | EXPD | application_expired     | closed_to_bd             |
wdrn  | time passes           | wdrn | expiry_warning          |                          |
wdrn  | time passes twice     | wdrn | expiry_warning          |                          |
wdrn  | 3 times               | EXPD | application_expired     | closed_to_bd             |
revw  | time passes           | revw |                         | review_reminder          |
revw  | time passes twice     | revw |                         |                          |
revw  | 3 times               | revw |                         |                        | review_overdue
qual  | time passes           | qual |                         | sheet_reminder           |
qual  | time passes twice     | qual |                         | sheet_reminder           |
qual  | 3 times               | qual |                         | sheet_reminder         | reminders_unanswered
qual  | 4 times               | qual |                         | sheet_reminder           |
corr  | time passes           | corr |                         | sheet_reminder           |
corr  | 3 times               | corr |                         | sheet_reminder         | reminders_unanswered
cfrm  | time passes           | cfrm | terms_reminder          |                          |
cfrm  | time passes twice     | cfrm | terms_reminder          |                          |
cfrm  | 3 times               | cfrm | terms_reminder          |                        | reminders_unanswered
cfrm  | 4 times               | cfrm | terms_reminder          |                          |
cfrm  | two weeks are left    | cfrm | expiry_warning          |                          |
cfrm  | it is forgotten       | EXPD | application_expired     | closed_to_bd             |
sign  | time passes           | sign |                         |                          |
sign  | time passes twice     | sign |                         |                        | contact_overdue
sign  | 3 times               | sign | signature_reminder      | signature_reminder_to_bd |
sign  | 5 times               | sign | signature_reminder      | signature_reminder_to_bd|reminders_unanswered
sign  | 6 times               | sign | signature_reminder      | signature_reminder_to_bd |
1sig  | time passes           | sign |                         | signature_reminder_to_bd |
1sig  | time passes twice     | sign |                         | signature_reminder_to_bd |
cont  | time passes           | sign | signature_reminder      |                          |
sgnd  | time passes           | sgnd |                         |                          |
sgnd  | zone rules change     | sgnd | contract_start_moved    |                          |
sgnd  | the contract starts   | actg |                         |                          |
actg  | access is missing     | actg | access_delayed          | access_alert             |
actg  | access missing twice  | actg |                         |                          |
actg  | missing for a day     | actg |                         |                        | access_still_delayed
actg  | missing for a week    | actg |                         |                        | access_still_delayed
actg  | access is granted     | ACTV | access_granted          |                          |
"""


def happens(journey: Journey, what: str) -> Decision:
    """Let it happen; of what happens twice, the second."""
    missing = AccessOutcome(granted=False, missing=(MISSING,))
    match what:
        case "time passes":
            return journey.wait()
        case "time passes twice":
            journey.wait()
            return journey.wait()
        case "3 times" | "4 times" | "5 times" | "6 times":
            for _ in range(int(what[0])):
                decision = journey.wait()
            return decision
        case "a question waits" | "it waits for long":
            journey.say("ask_bd", question="May we start in May?")
            name = "question_reminder" if what.startswith("a ") else "question_unanswered"
            while name not in {mail.template for mail in journey.mails}:
                decision = journey.wait(missing)
            return decision
        case "it is forgotten":
            while not journey.application.ended:
                decision = journey.wait()
            return decision
        case "two weeks are left":
            while not journey.moments or journey.moments[-1][0].name != "expiry_warning":
                decision = journey.wait()
            return decision
        case "the contract starts":
            while journey.application.stage is Stage.SIGNED:
                decision = journey.wait()
            return decision
        case "zone rules change":
            journey.day_begins_later = timedelta(hours=1)
            return journey.wait()
        case "missing for a day" | "missing for a week":
            name = "access_still_delayed" if what.endswith("day") else "access_reminder"
            while not journey.moments or journey.moments[-1][0].name != name:
                decision = journey.wait(missing)
            return decision
        case "access is granted":
            return journey.wait(AccessOutcome(granted=True))
        case "access is missing":
            return journey.wait(missing)
        case "access missing twice":
            journey.wait(missing)
            return journey.wait(missing)
        case kind:
            if kind == "resend_email":
                journey.bounce()
            if kind == "answer_partner":
                journey.say("ask_bd", question="May we start in May?")
            payload = journey.something_new(kind)
            return journey.say(kind, role=usual_role(kind, payload), **payload)


def templates(told: tuple[type[Notice], ...], audience: Audience) -> str:
    return " ".join(notice.model_fields["template"].default for notice in told if notice.audience is audience)


@pytest.mark.parametrize("row", MAILS.strip().splitlines())
def test_mails_of_a_transition(row: str) -> None:
    short, what, becomes, *expected = (cell.strip() for cell in row.split("|"))
    journey = journey_to((ABBREVIATIONS | LONG_WAY)[short])

    decision = happens(journey, what)

    assert SHORT[decision.application.stage] == becomes
    assert [templates(decision.notices, audience) for audience in Audience] == expected


def test_every_command_that_sends_mails_is_in_the_table() -> None:
    commands = {row.split("|")[1].strip() for row in MAILS.strip().splitlines()}
    missing = [step.name for step in STEPS if (step.notices or step.branch) and step.name not in commands]
    assert not missing, f"Say in MAILS what is right for {', '.join(missing)}"


def test_every_notice_is_in_the_table_of_mails() -> None:
    """Those about mails that bounce, deadlines that can't be counted, what was refused, and accounts that are
    added or taken away later have tests of their own."""
    later = {told for step in coverage.STEPS for told in step.notices}
    refused = {each for step in STEPS for told in step.tells_refusal.values() for each in told}
    of_their_own = {*ALERTS.values(), DeadlineEstimated, *refused, *later}
    listed = {notice for notice in NOTICES if notice.model_fields["template"].default in MAILS.split()}
    assert listed == set(NOTICES) - of_their_own


def test_every_moment_is_in_the_table_of_mails() -> None:
    """In every stage it may come in; that the calendar is asked again has tests of its own."""
    come = set()
    for row in MAILS.strip().splitlines():
        short, what, *_ = (cell.strip() for cell in row.split("|"))
        journey = journey_to((ABBREVIATIONS | LONG_WAY)[short])
        before = len(journey.moments)
        happens(journey, what)
        come |= {(id(moment), stage) for moment, stage in journey.moments[before:]}

    for moment in MOMENTS:
        if moment.clock is not ClockKind.CALENDAR_CHECK:
            missing = [stage for stage in moment.where if (id(moment), stage) not in come]
            assert not missing, f"Say in MAILS what '{moment.name}' brings in {', '.join(missing)}"
