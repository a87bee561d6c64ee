"""The notices of the process: each says its own accounts, taken from the application when it is written."""

from datetime import timedelta
from typing import Final

import pytest
from pydantic import ValidationError

from activities.db.queued import QueuedNotice
from activities.emails.wording import WORDINGS
from domain import coverage, notices
from domain.anytime import ALERTS
from domain.audiences import audience_of, templates_for
from domain.clocks import ClockKind
from domain.editions import In
from domain.facts import SOURCES, compose
from domain.lifecycle import ATTEMPTS, MOMENTS, STEPS
from domain.notice import Audience, Notice, key_of
from domain.notices import NOTICE_ADAPTER, NOTICES
from domain.notices_of_assignments import AssignedToBd
from domain.status import FailedEmail
from domain.steps import Attempt, Moment, Step
from tests.activities.notices import TEMPLATES, notice
from tests.domain.applications import MISSING, SITUATIONS, Journey, journey_to

DOCUMENTS: Final = {"sheet", "form", "content", "application", "changes"}
"""What a notice names by revision instead of carrying it."""


def template_of(each: type[Notice]) -> str:
    return str(each.model_fields["template"].default)


@pytest.mark.parametrize("each", NOTICES, ids=template_of)
class TestEachNotice:
    """What holds for every one of them."""

    def test_each_of_its_fields_is_a_fact(self, each: type[Notice]) -> None:
        missing = each.model_fields.keys() - SOURCES.keys() - {"template", "withdraws"}
        assert not missing, f"Say in SOURCES (facts.py) what {each.__name__} knows by {', '.join(missing)}"

    def test_it_carries_no_document(self, each: type[Notice]) -> None:
        assert not DOCUMENTS & each.model_fields.keys()

    def test_its_template_is_its_name(self, each: type[Notice]) -> None:
        words = "".join(f"_{c.lower()}" if c.isupper() else c for c in each.__name__).removeprefix("_")
        assert template_of(each) == words
        assert audience_of(template_of(each)) is each.audience

    def test_it_survives_as_json(self, each: type[Notice]) -> None:
        said = notice(template_of(each))
        assert type(said) is each
        assert NOTICE_ADAPTER.validate_json(said.model_dump_json(exclude_none=True)) == said
        assert NOTICE_ADAPTER.validate_json(said.model_dump_json()) == said

    def test_a_fact_that_is_not_set_survives_too(self, each: type[Notice]) -> None:
        """Histories and the ledger leave ``null`` out."""
        for situation in SITUATIONS:
            application = journey_to(situation).application.but(modification=None, clocks=())
            try:
                said = compose(each, application)
            except (ValidationError, IndexError):
                continue
            assert NOTICE_ADAPTER.validate_json(said.model_dump_json(exclude_none=True)) == said

    def test_something_sends_it(self, each: type[Notice]) -> None:
        rows: list[Step | Moment | Attempt] = [*STEPS, *coverage.STEPS, *MOMENTS, *ATTEMPTS]
        sent = [each for row in rows for each in row.notices]
        sent += [each for step in STEPS if step.branch for each in step.branch.notices]
        sent += [each for step in STEPS for told in step.tells_refusal.values() for each in told]
        sent += [each for moment in MOMENTS for each in (*moment.if_start_moves, *moment.unanswered)]
        by_tables = {each.what if isinstance(each, In) else each for each in sent}
        otherwise = {*ALERTS.values(), notices.DeadlineEstimated}
        assert (each in by_tables) != (each in otherwise)


def test_every_fact_is_told_by_some_notice() -> None:
    told = {name for each in NOTICES for name in each.model_fields} - {"template", "withdraws"}
    assert told == SOURCES.keys()


def test_every_template_is_for_one_mailbox() -> None:
    of_all = [template for audience in Audience for template in templates_for(audience)]
    assert sorted(of_all) == sorted(TEMPLATES)
    assert {audience_of(template) for template in templates_for(Audience.PARTNER)} == {Audience.PARTNER}


def test_templates_and_classes_are_one_to_one() -> None:
    assert len(set(TEMPLATES)) == len(TEMPLATES) == len(NOTICES)
    assert all(audience in {each.audience for each in NOTICES} for audience in Audience)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_a_notice_said_stays_true_however_late_it_leaves(situation: str) -> None:
    """The notices of a journey say what was so when they were written: documents by the number they had."""
    journey = journey_to(situation)
    for mail in journey.mails:
        said = mail.notice.model_dump()
        assert mail.key == key_of(mail.sequence, mail.notice) == f"{mail.sequence}.{mail.template}"
        assert said.get("sheet_revision", 0) <= journey.application.sheets_used
        assert said.get("form_revision", 0) <= journey.application.forms_used
    sheets = [m.said["sheet_revision"] for m in journey.mails if m.template == "sheet_to_confirm"]
    assert sheets == list(range(1, len(sheets) + 1))


def test_a_queued_notice_is_the_same_when_it_is_read_again() -> None:
    mail = journey_to("signed").mails[-1]
    queued = QueuedNotice(
        to=mail.to,
        bd=mail.bd,
        company_master_uid=mail.company_master_uid,
        company_name=mail.company_name,
        status_text=mail.status_text,
        time_zone=mail.time_zone,
        notice=mail.notice,
    )
    assert QueuedNotice.model_validate_json(queued.model_dump_json()) == queued


class TestFacts:
    """What is told, fact by fact."""

    def test_the_start_of_the_contract(self) -> None:
        start = journey_to("amended").mails[-1].said["start"]
        assert (str(start.day), start.time_zone) == ("2026-10-01", "Asia/Singapore")
        assert start.at.isoformat() == "2026-09-30T16:00:00+00:00"
        amendment = journey_to("amended").mails[-1].said["amendment"]
        assert amendment == journey_to("amended").application.amendments[-1]

    def test_the_next_deadline_is_the_nearest_that_is_not_past(self) -> None:
        deadline = SOURCES["deadline"]
        journey = journey_to("confirming_terms")
        assert deadline(journey.application).kind is ClockKind.REMINDER
        assert deadline(journey_to("drafting").application).kind is ClockKind.EXPIRY
        missed = journey_to("under_review")
        while not missed.status.overdue:
            missed.wait()
        assert deadline(missed.application) is None, "though it is to be told in the morning"
        assert deadline(journey_to("active").application) is None

    def test_what_there_is_not_is_none_or_empty(self) -> None:
        application = journey_to("drafting").application
        there_is_one = ("amendment", "start", "asked", "answered", "coverage_change")
        told = {name: SOURCES[name](application) for name in SOURCES if name not in there_is_one}
        assert {name for name, value in told.items() if value} == {
            *("stage", "expiry", "deadline", "signing", "bd_lead", "new_bd", "new_lead")
        }

    def test_what_is_missing_and_who_is_covered(self) -> None:
        journey = journey_to("activating")
        application = journey.application.but(access_missing=(MISSING,))
        assert SOURCES["missing"](application) == (MISSING,)
        assert SOURCES["covered_uids"](application) == ("5000000000000001",)

    def test_estimates_are_those_that_are(self) -> None:
        assert SOURCES["estimates"](journey_to("under_review").application) == ()
        [estimate] = SOURCES["estimates"](Journey(calendar_known=False).application)
        assert estimate.kind is ClockKind.EXPIRY

    def test_failed_mails_are_the_newest_that_fit(self) -> None:
        journey = journey_to("qualified")
        failed = tuple(
            FailedEmail(key=f"{n}.x", template="x", to="a@b.example", reason="y" * 500, at=journey.now)
            for n in range(50)
        )
        told = SOURCES["failed_emails"](journey.application.but(failed_emails=failed))
        assert told == failed[-len(told) :]
        assert 5 < len(told) < 50

    @pytest.mark.parametrize("each", NOTICES, ids=template_of)
    def test_a_notice_without_its_facts_is_a_bug_that_shows(self, each: type[Notice]) -> None:
        nothing = journey_to("drafting").application.but(clocks=())
        needs = {
            name for name, field in each.model_fields.items() if name != "template" and field.is_required()
        }
        needs -= {
            "stage",
            "reminders",
            "form_revision",
            "warnings",
            "missing",
            "covered_uids",
            "signing",
            "failed_emails",
            "estimates",
        }
        if not needs or each in (notices.SheetReminder, AssignedToBd):
            assert compose(each, nothing).template == template_of(each)
        else:
            with pytest.raises((ValidationError, IndexError)):
                compose(each, nothing)


def test_a_deadline_is_told_as_it_was_counted() -> None:
    journey = journey_to("under_review")
    [received, requested] = journey.mails
    review = journey.application.clock(ClockKind.REVIEW)
    assert review
    assert received.said["review"] == requested.said["review"] == review.told
    assert (review.told.due_at, review.told.time_zone) == (review.due_at, review.time_zone)
    journey.now += timedelta(days=1)
    journey.say("request_justification", question="How many?")
    expiry = journey.application.clock(ClockKind.EXPIRY)
    assert expiry
    assert journey.mails[-1].said["expiry"] == expiry.told


@pytest.mark.parametrize("locale", WORDINGS)
@pytest.mark.parametrize("kind", ClockKind)
def test_every_clock_has_a_name_people_read(kind: ClockKind, locale: str) -> None:
    assert WORDINGS[locale].name(kind.value) != kind.value or kind is ClockKind.REMINDER
