"""What events bring: notices, which go into the ledger with them, and documents."""

from typing import Any

import pytest
from sqlalchemy import select

from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import EmailLedger, LedgerState
from activities.db.engine import Database
from activities.db.tables import (
    FormRow,
)
from activities.db.trail import AuditTrail, Written
from domain.audit import Verdict
from domain.contract import Person, Stage
from domain.notices import EmailFailed
from domain.notices_of_assignments import AssignedToBd, AssignedToLead, HandedOver, LeadHandedOver
from domain.status import FailedEmail
from tests.activities.examples import (
    APPROVED,
    CHEN,
    LI,
    LINEAGE,
    NOON,
    OVERDUE,
    RECEIVED,
    REQUESTED,
    application,
    entry,
    form,
    issued,
    publication,
    sheet,
    submitted,
    with_form,
    with_sheet,
)
from tests.activities.stored import by_key, intact

ASSIGNED = AssignedToBd()
UNDER_REVIEW = with_form(application(stage=Stage.UNDER_REVIEW), 1)
QUALIFIED = UNDER_REVIEW.but(stage=Stage.QUALIFIED)
CONFIRMING = with_sheet(UNDER_REVIEW.but(stage=Stage.CONFIRMING_TERMS), 1)


# Notices


async def test_each_notice_goes_to_its_audience_in_order(trail: AuditTrail, ledger: EmailLedger) -> None:
    told = FailedEmail(key="1.x", template="x", to="x@y.example", reason="550", at=NOON)
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1, RECEIVED, REQUESTED, OVERDUE)))
    await trail.publish(publication(UNDER_REVIEW, entry(2, EmailFailed(failed_emails=(told,)))))
    await trail.publish(publication(UNDER_REVIEW, entry(10, APPROVED)))
    assert [(row.key, row.recipient, row.locale) for row in await ledger.of("run-1")] == [
        ("1.application_received", "mei@partner.example", "en"),
        ("1.review_requested", LI.email, "en"),
        ("1.review_overdue", CHEN.email, "en"),
        ("2.email_failed", LI.email, "en"),
        ("10.application_approved", "mei@partner.example", "en"),
    ]


async def test_a_farewell_goes_to_who_is_no_longer_in_charge_and_again_to_him(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    told = HandedOver(former_bd=Person(name="Bo Chen", email="bo@vendor.example"))
    lead = LeadHandedOver(former_lead=Person(name="Old Li", email="old@vendor.example"), bd_lead=CHEN)
    await trail.publish(publication(UNDER_REVIEW, entry(1, ASSIGNED, told, lead)))
    await ledger.failed("run-1", "1.handed_over", "550", NOON)
    await trail.publish(publication(UNDER_REVIEW, entry(2, resend="1.handed_over")))
    assert [(row.key, row.recipient) for row in await ledger.of("run-1")] == [
        ("1.assigned_to_bd", LI.email),
        ("1.handed_over", "bo@vendor.example"),
        ("1.lead_handed_over", "old@vendor.example"),
        ("2.handed_over", "bo@vendor.example"),
    ]


async def test_who_is_put_in_charge_is_told_though_another_is_by_the_time_it_leaves(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    one, two, three = (Person(name=name, email=f"{name}@vendor.example") for name in ("one", "two", "three"))
    four, five = (Person(name=name, email=f"{name}@vendor.example") for name in ("four", "five"))
    entries = (
        entry(1, HandedOver(former_bd=one), AssignedToBd(new_bd=two)),
        entry(2, HandedOver(former_bd=two), AssignedToBd(new_bd=three)),
        entry(3, LeadHandedOver(former_lead=CHEN, bd_lead=four), AssignedToLead(new_lead=four)),
        entry(4, LeadHandedOver(former_lead=four, bd_lead=five), AssignedToLead(new_lead=five)),
    )
    in_charge = UNDER_REVIEW.but(bd=three, bd_lead=five)
    for _ in range(2):
        await trail.publish(publication(in_charge, *entries))
    told = [(row.key, row.recipient.partition("@")[0]) for row in await ledger.of("run-1")]
    assert told == [
        ("1.handed_over", "one"),
        ("1.assigned_to_bd", "two"),
        ("2.handed_over", "two"),
        ("2.assigned_to_bd", "three"),
        ("3.lead_handed_over", CHEN.email.partition("@")[0]),
        ("3.assigned_to_lead", "four"),
        ("4.lead_handed_over", "four"),
        ("4.assigned_to_lead", "five"),
    ]


async def test_what_did_not_reach_a_new_bd_is_sent_again_to_who_is_in_charge_by_then(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    """It failed for a wrong address, say, and the lead has put that right."""
    mistyped = Person(name="Nia New", email="nai@vendor.example")
    await trail.publish(publication(UNDER_REVIEW, entry(1, AssignedToBd(new_bd=mistyped))))
    await ledger.failed("run-1", "1.assigned_to_bd", "550", NOON)
    await trail.publish(publication(UNDER_REVIEW, entry(2, resend="1.assigned_to_bd")))
    assert [(row.key, row.recipient) for row in await ledger.of("run-1")] == [
        ("1.assigned_to_bd", mistyped.email),
        ("2.assigned_to_bd", LI.email),
    ]


@pytest.mark.parametrize(
    ("applicant", "bd", "lead", "locales"),
    [
        ("zh", None, None, ["zh", "en", "en"]),
        ("en", "zh", "zh", ["en", "zh", "zh"]),
        ("zh", "en", "zh", ["zh", "en", "zh"]),
    ],
)
async def test_each_reads_mails_in_his_own_language(
    trail: AuditTrail, ledger: EmailLedger, applicant: str, bd: Any, lead: Any, locales: list[str]
) -> None:
    """The partner's does not decide what BD reads."""
    subject = UNDER_REVIEW.but(
        locale=applicant,
        bd=LI.model_copy(update={"locale": bd}),
        bd_lead=CHEN.model_copy(update={"locale": lead}),
    )
    await trail.publish(publication(subject, submitted(1, 1, RECEIVED, REQUESTED, OVERDUE)))
    assert [row.locale for row in await ledger.of("run-1")] == locales


async def test_a_notice_says_what_was_true_when_its_event_was_stored(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1, RECEIVED, to_stage=Stage.UNDER_REVIEW)))
    renamed = with_form(
        QUALIFIED.but(bd=CHEN, corrected_contact=Person(name="Wu", email="wu@partner.example")), 2
    )
    await trail.publish(publication(renamed, submitted(2, 2, to_stage=Stage.QUALIFIED)))
    [mail] = await ledger.waiting(LINEAGE)
    assert (mail.to, mail.bd) == (Person(name="Mei Tan", email="mei@partner.example"), LI)
    assert (mail.company_name, mail.company_master_uid) == ("Acme 1 有限公司", "1001")
    assert mail.status_text == "Please be patient and wait for the approval"
    assert (mail.notice, mail.form, mail.at, mail.sequence) == (RECEIVED, form(1), NOON, 1)
    assert (mail.time_zone, mail.locale, mail.key) == ("Asia/Shanghai", "en", "1.application_received")


async def failed(ledger: EmailLedger, key: str) -> None:
    await ledger.failed("run-1", key, "550 no such user", NOON)


async def test_a_failed_notice_is_sent_again_to_who_gets_such_mails_now(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await trail.publish(publication(UNDER_REVIEW, submitted(1, 1, RECEIVED, REQUESTED)))
    await failed(ledger, "1.application_received")
    await ledger.sent("run-1", "1.review_requested", NOON)
    reached = UNDER_REVIEW.but(corrected_contact=Person(name="Wu", email="wu@partner.example"))
    again = publication(reached, entry(2), entry(3, command="resend_email", resend="1.application_received"))
    for _ in range(2):
        await trail.publish(again)
    [mail] = await ledger.waiting(LINEAGE)
    assert (mail.key, mail.to.email, mail.to.name) == ("3.application_received", "wu@partner.example", "Wu")
    assert (mail.notice, mail.form, mail.sequence) == (RECEIVED, form(1), 3)
    rows = await by_key(ledger)
    assert rows["1.application_received"].state is LedgerState.FAILED
    assert rows["1.application_received"].recipient == "mei@partner.example"


async def test_a_resend_of_what_the_ledger_does_not_have_is_on_record_and_mails_nothing(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger
) -> None:
    asked = publication(application(), entry(1, command="resend_email", resend="0.application_received"))
    assert await trail.publish(asked) is Written.STORED
    await intact(records, 1)
    assert await ledger.of("run-1") == []


# Documents


async def test_documents_are_stored_once_each_under_its_number(
    trail: AuditTrail, records: ApplicationRecords, database: Database
) -> None:
    newest = with_sheet(with_form(application(), 2), 3, replaces=2)
    entries = [
        submitted(1, 1),
        submitted(2, 2),
        issued(3, 1),
        issued(4, 2, replaces=1),
        issued(5, 3, replaces=2),
    ]
    await trail.publish(publication(newest, *entries))
    await trail.publish(publication(newest, *entries, entry(6)))
    kept = await records.sheets("run-1")
    assert [stored.sheet for stored in kept] == [sheet(1), sheet(2, replaces=1), sheet(3, replaces=2)]
    assert [stored.issued_at for stored in kept] == [stored.event.at for stored in entries[2:]]
    forms = await database.rows(select(FormRow.__table__).order_by(FormRow.revision), {})
    assert [(row.revision, row.sequence, row.submitted_at) for row in forms] == [
        (1, 1, entries[0].event.at),
        (2, 2, entries[1].event.at),
    ]
    assert [row.content for row in forms] == [form(n).model_dump(mode="json") for n in (1, 2)]


async def test_a_refusal_that_names_a_revision_brings_no_document(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    refused = entry(
        1, command="issue_decision_sheet", verdict=Verdict.REFUSED, error="invalid", sheet_revision=1
    )
    await trail.publish(publication(application(), refused))
    assert await records.sheets("run-1") == ()
