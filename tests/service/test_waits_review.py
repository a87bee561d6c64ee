"""From JOIN NOW to the approval: each wait answered, and each wait timed out (guide §2.2)."""

from datetime import timedelta
from email.message import EmailMessage

from icalendar import Calendar

from activities.clocks import SPREAD
from domain.clocks import ClockKind
from domain.contract import Role, Stage, WaitingOn
from domain.status import Status
from tests import payloads
from tests.rig import Applicant, Service
from tests.service.evidence import (
    A_MINUTE,
    BD,
    BD_LEAD,
    DESK,
    JOINER,
    PARTNER,
    attributes,
    count,
    last,
    mails,
    morning,
    morning_after,
    noon,
    refused,
    row,
    working_days_after,
)

SUBMITTED = [("application_received", PARTNER), ("review_requested", BD)]
WARNED = ("expiry_warning", PARTNER)
EXPIRED = [("application_expired", PARTNER), ("closed_to_bd", BD)]


def entries(mail: EmailMessage) -> list[tuple[str, str]]:
    """The calendar entries of a mail: what is to be done with them, and which they are."""
    found = []
    for part in mail.walk():
        if part.get_content_type() == "text/calendar":
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            calendar = Calendar.from_ical(content)
            found += [(str(calendar["METHOD"]), str(event["UID"])) for event in calendar.walk("VEVENT")]
    return found


async def ask(applicant: Applicant) -> Status:
    return await applicant.signal("request_justification", question="Who runs your support desk?")


async def answer(applicant: Applicant) -> Status:
    return await applicant.signal("provide_justification", answer="Twelve engineers in Singapore.")


class TestDrafting:
    async def test_confirmed_and_submitted_goes_to_review(self, service: Service) -> None:
        applicant = await service.applicant()
        status = await applicant.status()
        assert status.stage is Stage.DRAFTING
        assert status.status_text == "Signing Process: Alibaba Cloud Reseller Partner"
        assert status.waiting_on is WaitingOn.PARTNER
        assert status.deadline is not None
        assert status.deadline.kind is ClockKind.EXPIRY
        assert mails(applicant) == []

        status = await applicant.signal("confirm_company")
        assert status.company_confirmed
        assert status.stage is Stage.DRAFTING

        status = await applicant.signal("submit_application", application=payloads.form(applicant.uid))
        assert status.stage is Stage.UNDER_REVIEW
        assert status.form_revision == 1
        assert mails(applicant) == SUBMITTED
        assert (await row(applicant)).stage is Stage.UNDER_REVIEW

    async def test_expires_when_nothing_is_heard_for_ninety_days(self, service: Service) -> None:
        applicant = await service.applicant()
        due_at = (await applicant.status()).due_at
        assert due_at == DESK.end_of_calendar_day((await last(applicant, "join")).at, 90)

        status = await applicant.pass_until(due_at - A_MINUTE)
        assert status.stage is Stage.DRAFTING

        status = await applicant.pass_until(due_at)
        assert status.stage is status.outcome is Stage.EXPIRED
        assert status.status_text == "Application expired"
        assert status.closing is not None
        assert status.closing.by is Role.SYSTEM
        warned = ("expiry_warning", JOINER)
        assert mails(applicant) == [warned, warned, ("application_expired", JOINER)]
        assert (await applicant.result()).stage is Stage.EXPIRED

    async def test_confirming_the_company_does_not_restart_the_ninety_days(self, service: Service) -> None:
        applicant = await service.applicant()
        due_at = (await applicant.status()).due_at
        await applicant.pass_time(timedelta(days=30))

        assert (await applicant.signal("confirm_company")).due_at == due_at


class TestUnderReview:
    async def test_bd_has_three_working_days(self, service: Service) -> None:
        applicant = await service.applicant()
        status = await applicant.to_review()

        counted = await working_days_after(applicant, "submit_application")
        assert status.status_text == "Please be patient and wait for the approval"
        assert status.waiting_on is WaitingOn.BD
        assert status.due_at == counted.due_at
        assert status.deadline is not None
        assert status.deadline.kind is ClockKind.REVIEW
        assert status.deadline.days_counted == counted.days
        assert status.deadline.calendar == DESK.label
        assert status.deadline.provisional is counted.provisional
        assert await attributes(applicant) == {
            "stage": "under_review",
            "waiting_on": "bd",
            "due_at": counted.due_at,
            "overdue": False,
        }
        stored = await row(applicant)
        assert (stored.waiting_on, stored.due_at, stored.overdue) == (WaitingOn.BD, counted.due_at, False)

    async def test_policy_of_the_join_sets_the_days(self, service: Service) -> None:
        applicant = await service.applicant(policy={"review_working_days": 5})
        status = await applicant.to_review()

        assert status.due_at == (await working_days_after(applicant, "submit_application", 5)).due_at

    async def test_approval(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_review()
        status = await applicant.signal("approve_application", form_revision=1)

        assert status.stage is Stage.QUALIFIED
        assert mails(applicant) == [*SUBMITTED, ("application_approved", PARTNER)]
        event = await last(applicant, "approve_application")
        assert (event.from_stage, event.to_stage) == (Stage.UNDER_REVIEW, Stage.QUALIFIED)
        assert event.actor is not None
        assert event.actor.role is Role.BD

    async def test_rejection_tells_why_and_what_would_fix_it(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_review()
        status = await applicant.signal(
            "reject_application", reason_code="no-references", explanation="Send two reference customers."
        )

        assert status.stage is status.outcome is Stage.REJECTED
        assert status.rejection is not None
        assert status.rejection.reason_code == "no-references"
        assert status.rejection.explanation == "Send two reference customers."
        assert mails(applicant) == [*SUBMITTED, ("application_rejected", PARTNER)]
        notice = service.mailbox.of(applicant.uid)[-1].get_body(("plain",))
        assert notice is not None
        assert "Send two reference customers." in notice.get_content()

    async def test_reminder_to_bd_one_working_day_before(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_review()
        remind_at = morning((await working_days_after(applicant, "submit_application")).days[-1])

        await applicant.pass_until(remind_at - SPREAD - A_MINUTE)
        assert mails(applicant) == SUBMITTED

        status = await applicant.pass_until(remind_at)
        assert mails(applicant) == [*SUBMITTED, ("review_reminder", BD)]
        assert status.stage is Stage.UNDER_REVIEW
        assert not status.overdue

    async def test_missed_deadline_escalates_and_decides_nothing(self, service: Service) -> None:
        applicant = await service.applicant()
        due_at = (await applicant.to_review()).due_at
        assert due_at is not None

        status = await applicant.pass_until(due_at - A_MINUTE)
        assert not status.overdue

        status = await applicant.pass_until(due_at)
        assert status.overdue
        assert status.stage is Stage.UNDER_REVIEW
        assert status.waiting_on is WaitingOn.BD
        assert mails(applicant) == [*SUBMITTED, ("review_reminder", BD)]
        assert (await attributes(applicant))["overdue"] is True
        assert (await row(applicant)).overdue

        # The lead is told in the morning of a working day.
        await applicant.pass_until(morning_after(due_at) - SPREAD - A_MINUTE)
        assert mails(applicant) == [*SUBMITTED, ("review_reminder", BD)]
        status = await applicant.pass_until(morning_after(due_at))
        assert mails(applicant) == [*SUBMITTED, ("review_reminder", BD), ("review_overdue", BD_LEAD)]
        assert status.due_at == due_at

        await applicant.pass_time(timedelta(days=200))
        assert (await applicant.status()).stage is Stage.UNDER_REVIEW
        assert await count(applicant, "review_overdue") == await count(applicant, "review_escalation") == 1

        status = await applicant.signal("approve_application", form_revision=1)
        assert status.stage is Stage.QUALIFIED
        assert not status.overdue
        assert (await attributes(applicant))["overdue"] is False

    async def test_approved_before_the_morning_nobody_is_told_of_it(self, service: Service) -> None:
        applicant = await service.applicant()
        due_at = (await applicant.to_review()).due_at
        assert due_at is not None
        assert (await applicant.pass_until(due_at)).overdue
        await applicant.pass_until(morning_after(due_at) - SPREAD - timedelta(hours=1))
        assert not (await applicant.signal("approve_application", form_revision=1)).overdue

        await applicant.pass_until(morning_after(due_at))
        assert mails(applicant) == [
            *(*SUBMITTED, ("review_reminder", BD)),
            ("application_approved", PARTNER),
        ]


class TestJustifying:
    async def test_bd_asks_and_the_review_clock_stands_still(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_review()
        status = await ask(applicant)

        assert status.stage is Stage.JUSTIFYING
        assert status.status_text == "Please justify your qualification"
        assert status.waiting_on is WaitingOn.PARTNER
        assert status.justification is not None
        assert status.justification.question == "Who runs your support desk?"
        assert status.due_at == DESK.end_of_calendar_day(
            (await last(applicant, "request_justification")).at, 90
        )

        status = await applicant.pass_time(timedelta(days=60))
        assert status.stage is Stage.JUSTIFYING
        assert not status.overdue
        reminder = ("justification_reminder", PARTNER)
        asked = [*SUBMITTED, ("justification_requested", PARTNER)]
        assert mails(applicant)[:7] == [*asked, *[reminder] * 3, ("reminders_unanswered", BD_LEAD)]
        # Then every ten working days.
        assert set(mails(applicant)[7:]) == {reminder}
        assert 2 <= len(mails(applicant)[7:]) <= 4

    async def test_answer_resumes_with_the_whole_working_days_left(self, service: Service) -> None:
        applicant = await service.applicant()
        deadline = (await applicant.to_review()).deadline
        assert deadline is not None
        await applicant.pass_until(noon(deadline.days_counted[0]))
        await ask(applicant)
        await applicant.pass_until(noon(deadline.days_counted[2] + timedelta(days=20)))
        status = await answer(applicant)

        two_days = await working_days_after(applicant, "provide_justification", 2)
        assert status.stage is Stage.UNDER_REVIEW
        assert status.deadline is not None
        assert status.deadline.kind is ClockKind.REVIEW
        assert status.deadline.days_counted == two_days.days
        assert status.due_at == two_days.due_at
        assert status.justification is not None
        assert status.justification.answer == "Twelve engineers in Singapore."
        assert mails(applicant)[-1] == ("justification_answered", BD)

        status = await applicant.pass_until(morning_after(two_days.due_at))
        assert status.overdue
        assert mails(applicant)[-2:] == [("review_reminder", BD), ("review_overdue", BD_LEAD)]

    async def test_at_least_one_working_day_is_left(self, service: Service) -> None:
        applicant = await service.applicant()
        deadline = (await applicant.to_review()).deadline
        assert deadline is not None
        status = await applicant.pass_until(noon(deadline.days_counted[-1] + timedelta(days=1)))
        assert status.overdue
        status = await ask(applicant)
        assert not status.overdue
        status = await answer(applicant)

        assert status.due_at == (await working_days_after(applicant, "provide_justification", 1)).due_at
        assert not status.overdue

    async def test_second_question_goes_on_from_what_the_first_left(self, service: Service) -> None:
        applicant = await service.applicant()
        deadline = (await applicant.to_review()).deadline
        assert deadline is not None
        await applicant.pass_until(noon(deadline.days_counted[0]))
        await ask(applicant)
        resumed = (await answer(applicant)).deadline
        assert resumed is not None
        assert resumed.days_counted == deadline.days_counted[1:]
        await applicant.pass_until(noon(resumed.days_counted[0]))
        await applicant.signal("request_justification", question="And who pays them?")
        status = await applicant.signal("provide_justification", answer="We do.")

        assert status.deadline is not None
        assert status.deadline.days_counted == resumed.days_counted[1:]

    async def test_expires_when_the_partner_never_answers(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_review()
        due_at = (await ask(applicant)).due_at
        assert due_at is not None

        assert (await applicant.pass_until(due_at - A_MINUTE)).stage is Stage.JUSTIFYING
        assert (await applicant.pass_until(due_at)).stage is Stage.EXPIRED
        asked = ("justification_requested", PARTNER)
        reminders = {("justification_reminder", PARTNER), ("reminders_unanswered", BD_LEAD)}
        told = [mail for mail in mails(applicant) if mail not in reminders]
        assert told == [*SUBMITTED, asked, WARNED, WARNED, *EXPIRED]

    async def test_bd_may_reject_and_the_partner_withdraw_meanwhile(self, service: Service) -> None:
        rejected, withdrawn = await service.applicant(), await service.applicant()
        for applicant in (rejected, withdrawn):
            await applicant.to_review()
            await ask(applicant)

        status = await rejected.signal("reject_application", reason_code="none", explanation="Not enough.")
        assert status.stage is Stage.REJECTED
        assert (await withdrawn.signal("withdraw_application")).stage is Stage.WITHDRAWN
        # The pause does not outlive the withdrawal: a new submission has all its days.
        status = await withdrawn.signal("submit_application", application=payloads.form(withdrawn.uid))
        assert status.due_at == (await working_days_after(withdrawn, "submit_application")).due_at
        assert status.justification is None


class TestWithdrawn:
    async def test_resubmission_raises_the_revision_and_restarts_the_clock(self, service: Service) -> None:
        applicant = await service.applicant()
        before = await applicant.to_review()
        assert before.deadline is not None
        await applicant.pass_until(noon(before.deadline.days_counted[0]))

        status = await applicant.signal("withdraw_application", reason="The address is wrong.")
        assert status.stage is Stage.WITHDRAWN
        assert status.status_text == "Application withdrawn"
        assert status.waiting_on is WaitingOn.PARTNER
        assert status.application == before.application
        assert status.form_revision == 2
        assert mails(applicant)[2:] == [("application_withdrawn", PARTNER), ("withdrawn_to_bd", BD)]
        entered, withdrawn = (entries(mail) for mail in service.mailbox.of(applicant.uid)[1::2])
        assert [method for method, _ in (*entered, *withdrawn)] == ["PUBLISH", "CANCEL"]
        assert len({uid for _, uid in (*entered, *withdrawn)}) == 1

        await applicant.pass_time(timedelta(days=7))
        corrected = payloads.form(applicant.uid, address="2 Raffles Place, Singapore")
        status = await applicant.signal("submit_application", application=corrected)
        counted = await working_days_after(applicant, "submit_application")
        assert status.stage is Stage.UNDER_REVIEW
        assert status.form_revision == 2
        assert status.application is not None
        assert status.application.address == "2 Raffles Place, Singapore"
        assert status.due_at == counted.due_at
        assert mails(applicant)[4:] == SUBMITTED

        error = await refused(applicant, "approve_application", form_revision=1)
        assert error.type == "stale_revision"
        assert (await applicant.signal("approve_application", form_revision=2)).stage is Stage.QUALIFIED

    async def test_expires_when_it_is_never_submitted_again(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_review()
        due_at = (await applicant.signal("withdraw_application")).due_at
        assert due_at == DESK.end_of_calendar_day((await last(applicant, "withdraw_application")).at, 90)

        assert (await applicant.pass_until(due_at - A_MINUTE)).stage is Stage.WITHDRAWN
        assert (await applicant.pass_until(due_at)).stage is Stage.EXPIRED
        assert mails(applicant)[4:] == [WARNED, WARNED, *EXPIRED]
        assert await count(applicant, "review_overdue") == 0
