"""Beside the main story: an applicant who is rejected and comes back, and one who shows what a run costs."""

from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from activities.db.email_ledger import LedgerState
from domain.contract import Actor, Stage
from domain.status import Rejection, Status
from starter.demo.checks import Checks, Source
from starter.demo.documents import (
    BD,
    BD_ACTOR,
    ESIGN,
    FALCON,
    LOTUS,
    MEI,
    REFERENCE_UID,
    SECOND_UID,
    email_of,
    form,
    joining,
    sheet,
    signal,
)
from starter.demo.play import ACCEPTED, Play
from starter.demo.service import DemoService, HistoryCost
from starter.local.mail_sink import KeptMail

MOST_EVENTS: Final = 140
MOST_WORKFLOW_TASKS: Final = 22
"""Two for each of ten messages, to decide and to be told that it is stored, and two for opening access."""
REFERENCE_MAILS: Final = 10
MEI_EMAIL: Final = email_of(MEI)


async def rejected_and_back(play: Play) -> None:
    """Lotus Data: rejected with a reason, applies again. Its mails are in Chinese."""
    client, equal = play.service.onboarding, play.checks.equal
    await play.service.account(SECOND_UID, LOTUS)
    first = await _apply(play, "", "We would like to start.")
    code, explanation = "no_references", "Name two customers of the last two years, then apply again."
    status = await play.step(
        "Second applicant rejected with a reason",
        BD_ACTOR,
        f"rejects: {explanation}",
        client.reject_application(SECOND_UID, BD_ACTOR, code, explanation),
        stage=Stage.REJECTED,
        events={"reject_application": ACCEPTED},
        mails={"application_rejected": MEI_EMAIL},
    )
    reason = Rejection(reason_code=code, explanation=explanation)
    equal("Second applicant rejected with a reason", Source.WORKFLOW, "reason", reason, status.rejection)
    again = await _apply(play, " again", "Two customers: a port and a bank, both since last year.")
    stored = await play.service.records.applications_of(SECOND_UID)
    equal(
        "Second applicant submits again",
        Source.DATABASE,
        "applications",
        {(first.application_id, Stage.REJECTED), (again.application_id, Stage.UNDER_REVIEW)},
        {(each.application_id, each.stage) for each in stored},
    )


async def _apply(play: Play, again: str, qualification: str) -> Status:
    client = play.service.onboarding
    await play.step(
        f"Second applicant joins{again}",
        MEI,
        f"clicks JOIN NOW{again}",
        client.join(joining(SECOND_UID, MEI, locale="zh")),
        stage=Stage.DRAFTING,
        events={"join": ACCEPTED},
    )
    await play.step(
        f"Second applicant confirms the company{again}",
        MEI,
        "confirms the company information",
        client.confirm_company(SECOND_UID, MEI),
        stage=Stage.DRAFTING,
        events={"confirm_company": ACCEPTED},
    )
    return await play.step(
        f"Second applicant submits{again}",
        MEI,
        f"submits the application: {qualification}",
        client.submit_application(SECOND_UID, MEI, form(LOTUS, MEI, SECOND_UID, qualification=qualification)),
        stage=Stage.UNDER_REVIEW,
        events={"submit_application": ACCEPTED},
        mails={"application_received": MEI_EMAIL, "review_requested": BD.email},
    )


async def reference_onboarding(play: Play) -> HistoryCost:
    """The shortest way with one modification, by plain signals, each sent when all before has settled.

    Nine messages, ten mails, and a start date that is already reached; untold, but checked.
    """
    service = play.service
    await service.account(REFERENCE_UID, FALCON)
    await service.onboarding.join(joining(REFERENCE_UID, MEI))
    await service.settled(REFERENCE_UID)
    now = await service.now(REFERENCE_UID)
    long_ago = now.date() - timedelta(days=365)

    async def send(kind: str, actor: Actor, **fields: Any) -> Status:
        await service.signal(REFERENCE_UID, kind, signal(str(uuid4()), actor, **fields))
        return await service.settled(REFERENCE_UID)

    def terms(discount: str) -> dict[str, Any]:
        return sheet(long_ago, compute_discount=discount).model_dump(mode="json")

    await send("confirm_company", MEI)
    papers = form(FALCON, MEI, REFERENCE_UID).model_dump(mode="json")
    await send("submit_application", MEI, application=papers)
    await send("approve_application", BD_ACTOR, form_revision=1)
    await send("issue_decision_sheet", BD_ACTOR, sheet=terms("10"))
    await send("modify_terms", MEI, sheet_revision=1, description="12 % for ecs, please.")
    issued = (await send("issue_decision_sheet", BD_ACTOR, sheet=terms("12"))).sheet
    named = {"sheet_revision": issued and issued.revision, "sheet_hash": issued and issued.hash}
    await send("confirm_terms", MEI, **named)
    signed_at = (await service.now(REFERENCE_UID)).isoformat()
    await send("sign_contract", ESIGN, party="partner", signer_name="Mei", signed_at=signed_at, **named)
    status = await send(
        "sign_contract", ESIGN, party="vendor", signer_name="Yi", signed_at=signed_at, **named
    )
    cost = await service.history_cost(REFERENCE_UID)
    element = "Cost of the reference onboarding by signals"
    equal = play.checks.equal
    equal(element, Source.WORKFLOW, "stage", Stage.ACTIVE, status.stage)
    equal(element, Source.WORKFLOW, f"at most {MOST_EVENTS} events", True, cost.events <= MOST_EVENTS)
    at_most = cost.workflow_tasks <= MOST_WORKFLOW_TASKS
    equal(element, Source.WORKFLOW, f"at most {MOST_WORKFLOW_TASKS} workflow tasks", True, at_most)
    grant = await service.archive.grant(REFERENCE_UID)
    equal(element, Source.DATABASE, "access grant", True, grant is not None)
    equal(element, Source.MAILS, "mails", REFERENCE_MAILS, len(await service.new_mails()))
    return cost


async def whole_record(play: Play, element: str) -> None:
    """The applications of one applicant from the beginning: audit without gaps, ledger as in the sink."""
    service, equal = play.service, play.checks.equal
    status = await service.onboarding.status(play.uid)
    undelivered = (status.pending_emails, status.failed_emails)
    equal(element, Source.WORKFLOW, "mails waiting, failed", (0, ()), undelivered)
    arrived = await service.mails()
    for application in await service.records.applications_of(play.uid):
        events = await service.archive.audit(application.application_id)
        numbers = [event.sequence for event in events]
        equal(element, Source.DATABASE, "audit without gaps", list(range(1, len(events) + 1)), numbers)
        ledger = await service.archive.mails(application.application_id)
        equal(element, Source.DATABASE, "ledger states", {LedgerState.SENT}, {row.state for row in ledger})
        ids = {row.message_id for row in ledger}
        equal(
            element,
            Source.MAILS,
            "ledger and sink, in order",
            [(row.message_id, row.template, row.recipient, row.subject) for row in ledger],
            [accounts for mail in arrived if (accounts := _facts(mail))[0] in ids],
        )


def _facts(mail: KeptMail) -> tuple[str, str, str, str]:
    headers = mail.message
    template, subject = str(headers["X-Onboarding-Template"]), str(headers["Subject"])
    return str(headers["Message-ID"]), template, ", ".join(mail.recipients), subject


async def every_mail(service: DemoService, checks: Checks, uids: tuple[str, ...]) -> None:
    """What holds for all mails together."""
    element = "All mails"
    arrived = [_facts(mail) for mail in await service.mails()]
    ids = [message_id for message_id, *_ in arrived]
    checks.equal(element, Source.MAILS, "Message-IDs, all different", len(ids), len(set(ids)))
    recorded = {
        row.message_id
        for uid in uids
        for application in await service.records.applications_of(uid)
        for row in await service.archive.mails(application.application_id)
    }
    checks.equal(element, Source.DATABASE, "Message-IDs in the ledger", set(ids), recorded)
    promising = {template for _, template, _, subject in arrived if "ACPN access" in subject}
    checks.equal(element, Source.MAILS, 'subjects with "ACPN access"', {"access_granted"}, promising)
