"""The decision sheet: issued, confirmed, modified, superseded, and waited for (guide §2.3)."""

from datetime import timedelta

from activities.clocks import SPREAD
from domain.clocks import ClockKind
from domain.contract import Stage, WaitingOn
from domain.documents import sheet_hash
from domain.status import Status
from tests import payloads
from tests.rig import Applicant, Service
from tests.service.evidence import (
    A_MINUTE,
    BD,
    BD_LEAD,
    DESK,
    PARTNER,
    attributes,
    count,
    last,
    mails,
    morning,
    morning_after,
    records,
    refused,
    row,
    working_days_after,
)

QUALIFIED = [("application_received", PARTNER), ("review_requested", BD), ("application_approved", PARTNER)]
ISSUED = ("sheet_to_confirm", PARTNER)
CONFIRMED = [("terms_confirmed", PARTNER), ("terms_confirmed_to_bd", BD)]
EXPIRED = [("application_expired", PARTNER), ("closed_to_bd", BD)]


async def issue(applicant: Applicant, **terms: str) -> Status:
    return await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(**terms))


async def modify(applicant: Applicant, revision: int, description: str, *fields: str) -> Status:
    return await applicant.signal(
        "modify_terms", sheet_revision=revision, description=description, fields=list(fields)
    )


async def reminded_until_now(applicant: Applicant, rounds: int) -> Status:
    """Let so many reminders to BD become due, each three working days of the desk's calendar counted."""
    status = await applicant.status()
    for number in range(rounds):
        assert status.deadline is not None
        assert status.deadline.kind is ClockKind.REMINDER
        assert len(status.deadline.days_counted) == 3
        due_at = status.deadline.due_at
        assert due_at == DESK.end_of_calendar_day(due_at - A_MINUTE, 0)
        await applicant.pass_until(morning_after(due_at) - SPREAD - A_MINUTE)
        assert await count(applicant, "sheet_reminder") == number
        status = await applicant.pass_until(morning_after(due_at))
        assert await count(applicant, "sheet_reminder") == number + 1
        assert status.due_at is not None
        assert status.due_at > due_at
    return status


class TestQualified:
    async def test_bd_issues_the_sheet(self, service: Service) -> None:
        applicant = await service.applicant()
        status = await applicant.to_qualified()
        assert status.status_text == "Congratulations on passing the qualification"
        assert status.waiting_on is WaitingOn.BD
        assert status.due_at == (await working_days_after(applicant, "approve_application")).due_at

        status = await issue(applicant)
        assert status.stage is Stage.CONFIRMING_TERMS
        assert status.sheet is not None
        assert status.sheet.content is not None
        assert status.sheet.revision == 1
        assert status.sheet.hash == sheet_hash(status.sheet.content)
        assert status.sheet.changes == ()
        assert status.confirmed_revision is None
        assert mails(applicant) == [*QUALIFIED, ISSUED]
        (stored,) = await (await records(applicant)).sheets(status.application_id)
        assert stored.sheet.model_dump() == status.sheet.model_dump()
        assert stored.issued_at == (await last(applicant, "issue_decision_sheet")).at

    async def test_bd_is_reminded_again_and_again_until_the_sheet_is_there(self, service: Service) -> None:
        """Three times every three working days; then the lead is told, and it is every ten."""
        applicant = await service.applicant()
        await applicant.to_qualified()
        status = await reminded_until_now(applicant, 3)

        assert status.stage is Stage.QUALIFIED
        assert not status.overdue
        three = [*QUALIFIED, *[("sheet_reminder", BD)] * 3, ("reminders_unanswered", BD_LEAD)]
        assert mails(applicant) == three
        assert (await attributes(applicant))["due_at"] == status.due_at
        assert status.deadline is not None
        assert len(status.deadline.days_counted) == 10

        await applicant.pass_until(morning_after(status.deadline.due_at))
        assert mails(applicant) == [*three, ("sheet_reminder", BD)]
        await issue(applicant)
        await applicant.pass_time(timedelta(days=14))
        assert await count(applicant, "sheet_reminder") == 4

    async def test_qualified_application_never_expires(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_qualified()

        assert (await applicant.pass_time(timedelta(days=120))).stage is Stage.QUALIFIED


class TestConfirmingTerms:
    async def test_confirmation_names_revision_and_hash(self, service: Service) -> None:
        applicant = await service.applicant()
        status = await applicant.to_confirming()
        assert status.status_text == "Please confirm the following business terms"
        assert status.waiting_on is WaitingOn.PARTNER
        assert status.deadline is not None
        assert status.deadline.kind is ClockKind.EXPIRY

        status = await applicant.signal("confirm_terms", **await applicant.named_sheet())
        assert status.stage is Stage.AWAITING_SIGNATURES
        assert status.confirmed_revision == 1
        assert mails(applicant) == [*QUALIFIED, ISSUED, *CONFIRMED]

    async def test_partner_is_reminded_and_warned_and_then_it_expires(self, service: Service) -> None:
        applicant = await service.applicant()
        due_at = (await applicant.to_confirming()).due_at
        assert due_at == DESK.end_of_calendar_day((await last(applicant, "issue_decision_sheet")).at, 90)
        remind_at = morning_after((await working_days_after(applicant, "issue_decision_sheet")).due_at)

        await applicant.pass_until(remind_at - SPREAD - A_MINUTE)
        assert mails(applicant) == [*QUALIFIED, ISSUED]
        status = await applicant.pass_until(remind_at)
        assert mails(applicant) == [*QUALIFIED, ISSUED, ("terms_reminder", PARTNER)]
        assert status.due_at == due_at

        last_day = DESK.local_date(due_at - A_MINUTE)
        for days, warnings in ((14, 1), (3, 2)):
            warned = morning(DESK.last_working_day(last_day - timedelta(days=days)))
            await applicant.pass_until(warned - SPREAD - A_MINUTE)
            assert await count(applicant, "expiry_warning") == warnings - 1
            await applicant.pass_until(warned)
            assert await count(applicant, "expiry_warning") == warnings
        status = await applicant.pass_until(due_at - A_MINUTE)
        assert status.stage is Stage.CONFIRMING_TERMS
        status = await applicant.pass_until(due_at)
        assert status.stage is Stage.EXPIRED
        told = mails(applicant)
        assert told[-2:] == EXPIRED
        assert told.count(("expiry_warning", PARTNER)) == 2
        assert told.count(("reminders_unanswered", BD_LEAD)) == 1
        # Three every three working days, then every ten, in some sixty.
        assert 5 <= told.count(("terms_reminder", PARTNER)) <= 9

    async def test_bd_supersedes_the_sheet_while_the_partner_reads_it(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_confirming()
        old = await applicant.named_sheet()
        due = await working_days_after(applicant, "issue_decision_sheet")
        await applicant.pass_until(morning_after(due.due_at))
        status = await issue(applicant, ecs="11")

        assert status.stage is Stage.CONFIRMING_TERMS
        assert status.sheet is not None
        assert status.sheet.revision == 2
        assert [(c.field, c.before, c.after) for c in status.sheet.changes] == [
            ("discounts[ecs].percent", "10", "11")
        ]
        # The partner's time begins anew with the new terms.
        assert status.due_at == DESK.end_of_calendar_day(
            (await last(applicant, "issue_decision_sheet")).at, 90
        )
        due = await working_days_after(applicant, "issue_decision_sheet")
        await applicant.pass_until(morning_after(due.due_at))
        reminder = ("terms_reminder", PARTNER)
        assert mails(applicant) == [*QUALIFIED, ISSUED, reminder, ISSUED, reminder]

        assert (await refused(applicant, "confirm_terms", **old)).type == "stale_revision"
        assert (await applicant.status()).stage is Stage.CONFIRMING_TERMS
        status = await applicant.signal("confirm_terms", **await applicant.named_sheet())
        assert status.confirmed_revision == 2

    async def test_stale_confirmation_is_refused_on_record(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_confirming()
        current = await applicant.named_sheet()
        status = await applicant.signal("confirm_terms", **current | {"sheet_hash": "0" * 64})
        assert [(r.command, r.error) for r in status.last_refusals] == [("confirm_terms", "stale_revision")]
        error = await refused(applicant, "confirm_terms", **current | {"sheet_revision": 2})
        assert error.type == "stale_revision"
        error = await refused(applicant, "modify_terms", sheet_revision=2, description="Not this one")
        assert error.type == "stale_revision"

        status = await applicant.settled()
        assert status.stage is Stage.CONFIRMING_TERMS
        assert status.confirmed_revision is None
        assert mails(applicant) == [*QUALIFIED, ISSUED]

    async def test_terms_nobody_confirmed_cannot_be_signed(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_confirming()

        error = await refused(applicant, "sign_contract", **await applicant.signature("partner"))
        assert error.type == "wrong_stage"


class TestCorrectingTerms:
    async def test_modification_reaches_bd_with_the_fields_in_question(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_confirming()
        status = await modify(applicant, 1, "We agreed on 12 % for ecs.", "discounts[ecs].percent")

        assert status.stage is Stage.CORRECTING_TERMS
        assert status.status_text == "Your modification is being processed"
        assert status.waiting_on is WaitingOn.BD
        assert status.modification == "We agreed on 12 % for ecs."
        assert status.modification_fields == ("discounts[ecs].percent",)
        assert mails(applicant) == [*QUALIFIED, ISSUED, ("modification_requested", BD)]
        notice = service.mailbox.of(applicant.uid)[-1].get_body(("plain",))
        assert notice is not None
        assert "We agreed on 12 % for ecs." in notice.get_content()

    async def test_bd_is_reminded_until_the_corrected_sheet_is_there(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_confirming()
        await modify(applicant, 1, "Twelve, please.")
        await reminded_until_now(applicant, 2)
        assert mails(applicant)[-2:] == [("sheet_reminder", BD)] * 2

        status = await issue(applicant, ecs="12")
        assert status.stage is Stage.CONFIRMING_TERMS
        assert status.modification is None
        assert status.sheet is not None
        assert status.sheet.revision == 2

    async def test_three_rounds_each_with_its_differences(self, service: Service) -> None:
        applicant = await service.applicant()
        before, after = payloads.REACHED, payloads.REACHED.replace("-01-01", "-02-01")
        await applicant.to_confirming(start=before)
        # Each round: what BD corrects, and the one field it changes.
        rounds = (
            ({"ecs": "11"}, ("discounts[ecs].percent", "10", "11")),
            ({"ecs": "11", "start": after}, ("basic.contract_start_date", before, after)),
            (
                {"ecs": "11", "start": after, "zone": "Asia/Shanghai"},
                ("basic.time_zone", "Asia/Singapore", "Asia/Shanghai"),
            ),
        )
        for revision, (terms, change) in enumerate(rounds, start=1):
            await modify(applicant, revision, f"Round {revision}")
            status = await issue(applicant, **terms)
            assert status.sheet is not None
            assert status.sheet.revision == revision + 1
            assert [(c.field, c.before, c.after) for c in status.sheet.changes] == [change]
            notice = service.mailbox.of(applicant.uid)[-1].get_body(("plain",))
            assert notice is not None
            assert change[1] in notice.get_content()
            assert change[2] in notice.get_content()

        stored = await (await records(applicant)).sheets((await row(applicant)).application_id)
        assert [entry.sheet.revision for entry in stored] == [1, 2, 3, 4]
        assert len({entry.sheet.hash for entry in stored}) == 4
        assert all(entry.sheet.hash == sheet_hash(entry.sheet.content) for entry in stored)
        status = await applicant.signal("confirm_terms", **await applicant.named_sheet())
        assert status.confirmed_revision == 4

    async def test_sheet_for_another_business_type_is_refused(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_qualified()
        sheet = payloads.sheet()
        sheet["basic"]["business_type"] = "agency"

        error = await refused(applicant, "issue_decision_sheet", sheet=sheet)
        assert error.type == "invalid"
        assert "sheet.basic.business_type" in error.message
        assert (await applicant.settled()).stage is Stage.QUALIFIED
