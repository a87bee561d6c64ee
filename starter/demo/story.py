"""The reference story: one applicant from JOIN NOW to ACPN access, with every detour the guide knows."""

from datetime import date, timedelta
from typing import Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from domain.account_rules import NOT_VERIFIED
from domain.contract import ErrorType, Party, Stage
from domain.documents import DecisionSheet, sheet_hash
from domain.sheets import IssuedSheet
from domain.status import Access, Status
from domain.values import day_text
from domain.view import company_shown
from starter.demo.checks import Source
from starter.demo.documents import (
    AMIRA,
    ASSOCIATED_UID,
    BD,
    BD_ACTOR,
    CONTRACT_ZONE,
    DESK_ZONE,
    ESIGN,
    FALCON,
    LEAD,
    MAIN_UID,
    MASTER_UID,
    SERVICE,
    email_of,
    form,
    joining,
    sheet,
    signal,
)
from starter.demo.play import ACCEPTED, BrokenOffError, Play, morning_of, next_working_day, start_of

AMIRA_EMAIL: Final = email_of(AMIRA)
_CONTRACT_STARTS_IN: Final = timedelta(days=30)
_MOVED_BY: Final = timedelta(days=7)


class FirstApplicant:
    """Falcon Cloud: everything that can happen on the way to access."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._client = play.service.onboarding
        self._equal = play.checks.equal

    async def apply(self) -> None:
        """Guide §2.1 and §2.2: from JOIN NOW to the approval."""
        play, client, service = self._play, self._client, self._play.service
        for uid in (MASTER_UID, MAIN_UID, ASSOCIATED_UID):
            await service.account(uid, FALCON, verified=False)
        await play.step(
            "Join",
            AMIRA,
            "clicks JOIN NOW",
            client.join(joining(MASTER_UID, AMIRA)),
            stage=Stage.DRAFTING,
            events={"join": ACCEPTED},
        )
        await self._submit_unverified()
        await play.until_hour(9)
        for uid in (MASTER_UID, MAIN_UID, ASSOCIATED_UID):
            await service.account(uid, FALCON)
        play.narrator.passes("Amira clicks Go to Verify; the enterprise is verified.")
        status = await play.step(
            "Verified, company confirmed",
            AMIRA,
            "confirms the company information",
            client.confirm_company(MASTER_UID, AMIRA),
            stage=Stage.DRAFTING,
            events={"confirm_company": ACCEPTED},
        )
        company = FALCON.model_copy(update={"verified": True})
        shown = company_shown(company)
        self._equal("Verified, company confirmed", Source.WORKFLOW, "company", shown, status.company)
        await self._submit_withdraw_submit()
        await self._review_overdue()
        await self._justify()

    async def _submit_unverified(self) -> None:
        element = "Submit refused: enterprise not verified, with the link"
        play = self._play
        status = await play.step(
            element,
            AMIRA,
            "submits the application",
            self._client.submit_application(MASTER_UID, AMIRA, form(FALCON, AMIRA, MAIN_UID)),
            stage=Stage.DRAFTING,
            events={"submit_application": ErrorType.ENTERPRISE_NOT_VERIFIED},
            refused=ErrorType.ENTERPRISE_NOT_VERIFIED,
            remedy=play.service.verify_url,
        )
        refusal = status.last_refusals[-1].message if status.last_refusals else ""
        self._equal(element, Source.WORKFLOW, "text of the guide", True, refusal.startswith(NOT_VERIFIED))

    async def _submit_withdraw_submit(self) -> None:
        play, client = self._play, self._client
        await play.until_hour(10)
        status = await play.step(
            "Submitted",
            AMIRA,
            "submits the application",
            client.submit_application(MASTER_UID, AMIRA, form(FALCON, AMIRA, MAIN_UID, ASSOCIATED_UID)),
            stage=Stage.UNDER_REVIEW,
            events={"submit_application": ACCEPTED},
            mails={"application_received": AMIRA_EMAIL, "review_requested": BD.email},
        )
        for warning in status.warnings:
            play.narrator.note(warning)
        self._equal("Submitted", Source.WORKFLOW, "warnings", 1, len(status.warnings))
        await play.until_hour(14)
        await play.step(
            "Withdrawn",
            AMIRA,
            "withdraws it, to enter the Company Master UID as well",
            client.withdraw_application(MASTER_UID, AMIRA, "The Company Master UID shall distribute, too."),
            stage=Stage.WITHDRAWN,
            events={"withdraw_application": ACCEPTED},
            mails={"application_withdrawn": AMIRA_EMAIL, "withdrawn_to_bd": BD.email},
        )
        await play.until_hour(16)
        edited = form(FALCON, AMIRA, MAIN_UID, ASSOCIATED_UID, MASTER_UID)
        status = await play.step(
            "Submitted again",
            AMIRA,
            "submits it again",
            client.submit_application(MASTER_UID, AMIRA, edited),
            stage=Stage.UNDER_REVIEW,
            events={"submit_application": ACCEPTED},
            mails={"application_received": AMIRA_EMAIL, "review_requested": BD.email},
        )
        self._equal("Submitted again", Source.WORKFLOW, "form revision", 2, status.form_revision)
        self._equal("Submitted again", Source.WORKFLOW, "form", edited, status.application)

    async def _review_overdue(self) -> None:
        play, service = self._play, self._play.service
        deadline = (await service.settled(MASTER_UID)).deadline
        if deadline is None or not deadline.days_counted:
            raise BrokenOffError("no review deadline in the status")
        days = deadline.days_counted
        self._equal("BD reminded", Source.WORKFLOW, "working days counted", 3, len(days))
        play.narrator.passes(f"Nobody reviews. Working days counted: {', '.join(map(str, days))}.")
        status = await play.step(
            "BD reminded",
            SERVICE,
            "",
            service.pass_until(MASTER_UID, morning_of(days[-1])),
            stage=Stage.UNDER_REVIEW,
            events={"review_reminder": ACCEPTED},
            mails={"review_reminder": BD.email},
        )
        self._equal("BD reminded", Source.WORKFLOW, "overdue", False, status.overdue)
        status = await play.step(
            "Deadline missed",
            SERVICE,
            "",
            service.pass_until(MASTER_UID, start_of(days[-1] + timedelta(days=1), DESK_ZONE)),
            stage=Stage.UNDER_REVIEW,
            events={"review_overdue": ACCEPTED},
        )
        self._equal("Deadline missed", Source.WORKFLOW, "overdue", True, status.overdue)
        await play.step(
            "Lead told",
            SERVICE,
            "",
            service.pass_until(MASTER_UID, morning_of(next_working_day(days[-1]))),
            stage=Stage.UNDER_REVIEW,
            events={"review_escalation": ACCEPTED},
            mails={"review_overdue": LEAD.email},
        )

    async def _justify(self) -> None:
        play, client = self._play, self._client
        await play.until_hour(9)
        question, answer = (
            "Which projects did you deliver, and where?",
            "A bank in Dubai, a port in Jeddah.",
        )
        await play.step(
            "BD asks",
            BD_ACTOR,
            f"asks: {question}",
            client.request_justification(MASTER_UID, BD_ACTOR, question),
            stage=Stage.JUSTIFYING,
            events={"request_justification": ACCEPTED},
            mails={"justification_requested": AMIRA_EMAIL},
        )
        await play.until_hour(11)
        status = await play.step(
            "Partner justifies",
            AMIRA,
            f"answers: {answer}",
            client.provide_justification(MASTER_UID, AMIRA, answer),
            stage=Stage.UNDER_REVIEW,
            events={"provide_justification": ACCEPTED},
            mails={"justification_answered": BD.email},
        )
        said = status.justification and (status.justification.question, status.justification.answer)
        self._equal("Partner justifies", Source.WORKFLOW, "justification", (question, answer), said)
        await play.until_hour(15)
        await play.step(
            "Approved",
            BD_ACTOR,
            "approves the application",
            client.approve_application(MASTER_UID, BD_ACTOR, 2),
            stage=Stage.QUALIFIED,
            events={"approve_application": ACCEPTED},
            mails={"application_approved": AMIRA_EMAIL},
        )

    async def agree(self) -> None:
        """Guide §2.3: the decision sheet, a modification, and the confirmation."""
        play, client = self._play, self._client
        now = await play.until_hour(17)
        start = now.astimezone(ZoneInfo(CONTRACT_ZONE)).date() + _CONTRACT_STARTS_IN
        first = await self._issue("Sheet 1", sheet(start))
        await play.until_hour(10)
        wish = "We agreed on 12 % for ecs, and on two years."
        status = await play.step(
            "Modified",
            AMIRA,
            f"clicks Modify: {wish}",
            client.modify_terms(MASTER_UID, AMIRA, first.revision, wish),
            stage=Stage.CORRECTING_TERMS,
            events={"modify_terms": ACCEPTED},
            mails={"modification_requested": BD.email},
        )
        self._equal("Modified", Source.WORKFLOW, "modification", wish, status.modification)
        await play.until_hour(15)
        element = "Sheet 2 with its differences"
        second = await self._issue(element, sheet(start, compute_discount="12", term_months=24))
        play.narrator.differences(second.revision, second.changes)
        changes = [("basic.term_months", 12, 24), ("discounts[ecs].percent", "10", "12")]
        found = [(change.field, change.before, change.after) for change in second.changes]
        self._equal(element, Source.WORKFLOW, "differences", changes, found)
        stored = (await play.service.records.sheets(await self._application_id()))[-1].sheet
        self._equal(element, Source.DATABASE, "differences", second.changes, stored.changes)
        await self._confirm(first, second)

    async def _issue(self, element: str, content: DecisionSheet) -> IssuedSheet:
        status = await self._play.step(
            element,
            BD_ACTOR,
            "issues the decision sheet",
            self._client.issue_decision_sheet(MASTER_UID, BD_ACTOR, content),
            stage=Stage.CONFIRMING_TERMS,
            events={"issue_decision_sheet": ACCEPTED},
            mails={"sheet_to_confirm": AMIRA_EMAIL},
        )
        issued = status.sheet
        if issued is None:
            raise BrokenOffError(f"{element}: no decision sheet in the status")
        self._equal(element, Source.WORKFLOW, "hash, computed again", sheet_hash(content), issued.hash)
        stored = await self._play.service.records.sheets(status.application_id)
        found = [(each.sheet.revision, each.sheet.hash) for each in stored[-1:]]
        self._equal(element, Source.DATABASE, "sheet", [(issued.revision, issued.hash)], found)
        return IssuedSheet.model_validate(issued.model_dump())

    async def _confirm(self, first: IssuedSheet, second: IssuedSheet) -> None:
        play, client = self._play, self._client
        await play.until_hour(9)
        await play.step(
            "Stale confirmation of sheet 1 refused",
            AMIRA,
            "confirms, still looking at sheet 1",
            client.confirm_terms(MASTER_UID, AMIRA, first.revision, first.hash),
            stage=Stage.CONFIRMING_TERMS,
            events={"confirm_terms": ErrorType.STALE_REVISION},
            refused=ErrorType.STALE_REVISION,
        )
        status = await play.step(
            "Confirmed",
            AMIRA,
            "reads sheet 2 and confirms it",
            client.confirm_terms(MASTER_UID, AMIRA, second.revision, second.hash),
            stage=Stage.AWAITING_SIGNATURES,
            events={"confirm_terms": ACCEPTED},
            mails={"terms_confirmed": AMIRA_EMAIL, "terms_confirmed_to_bd": BD.email},
        )
        self._equal("Confirmed", Source.WORKFLOW, "confirmed revision", 2, status.confirmed_revision)

    async def sign(self) -> None:
        """Guide §2.3 (contact) and §2.4, by the plain signals of other services."""
        play, service = self._play, self._play.service
        await play.until_hour(14)
        status = await play.step(
            "BD contact",
            BD_ACTOR,
            "calls about signing (signal record_contact)",
            service.signal(
                MASTER_UID, "record_contact", signal(str(uuid4()), BD_ACTOR, note="Signing online.")
            ),
            stage=Stage.AWAITING_SIGNATURES,
            events={"record_contact": ACCEPTED},
        )
        self._equal("BD contact", Source.WORKFLOW, "contacted", True, status.contacted_at is not None)
        await play.until_hour(9)
        await self._signature("Partner signs", Party.PARTNER, "Amira Haddad", Stage.AWAITING_SIGNATURES)
        await play.until_hour(11)
        status = await self._signature("Vendor signs", Party.VENDOR, "Sun Yi", Stage.SIGNED)
        self._equal("Vendor signs", Source.WORKFLOW, "both signed", True, status.signing.complete)

    async def _signature(self, element: str, party: Party, signer: str, stage: Stage) -> Status:
        service = self._play.service
        named = (await service.settled(MASTER_UID)).sheet
        payload = signal(
            str(uuid4()),
            ESIGN,
            party=party,
            signer_name=signer,
            sheet_revision=named and named.revision,
            sheet_hash=named and named.hash,
            signed_at=(await service.now(MASTER_UID)).isoformat(),
        )
        status = await self._play.step(
            element,
            ESIGN,
            f"reports that {signer} has signed for the {party}",
            service.signal(MASTER_UID, "sign_contract", payload),
            stage=stage,
            events={"sign_contract": ACCEPTED},
            mails={"contract_signed": AMIRA_EMAIL} if stage is Stage.SIGNED else None,
        )
        signature = status.signing.by(party)
        self._equal(element, Source.WORKFLOW, "signer", signer, signature and signature.signer_name)
        return status

    async def enter(self) -> None:
        """Guide §2.4 (the error box before the start date) and §2.5."""
        play, client = self._play, self._client
        status = await play.service.settled(MASTER_UID)
        if status.sheet is None or status.sheet.content is None:
            raise BrokenOffError("no decision sheet in the status")
        agreed = status.sheet.content.basic.contract_start_date
        moved = agreed + _MOVED_BY
        await play.log_in(
            "Log-in refused, reason and date", AMIRA, MASTER_UID, _before(agreed), names=day_text(agreed)
        )
        await play.until_hour(16)
        reason = "The partner's billing is ready a week later."
        status = await play.step(
            "Start date moved",
            BD_ACTOR,
            f"moves the contract start to {moved}: {reason}",
            client.amend_start_date(MASTER_UID, BD_ACTOR, moved, CONTRACT_ZONE, reason),
            stage=Stage.SIGNED,
            events={"amend_start_date": ACCEPTED},
            mails={"start_date_amended": AMIRA_EMAIL},
        )
        starts = start_of(moved, CONTRACT_ZONE)
        self._equal("Start date moved", Source.WORKFLOW, "contract start", starts, status.contract_start_at)
        await play.service.pass_until(MASTER_UID, start_of(agreed, CONTRACT_ZONE) + timedelta(hours=5))
        play.narrator.passes(
            f"Weeks later, on {agreed}, the date agreed first: the contract is not in effect."
        )
        await play.log_in(
            "Log-in refused until the new date", AMIRA, MASTER_UID, _before(moved), names=day_text(moved)
        )
        play.narrator.passes("Another week.")
        await play.step(
            "Start date reached, access granted",
            SERVICE,
            "",
            play.service.pass_until(MASTER_UID, start_of(moved, CONTRACT_ZONE)),
            stage=Stage.ACTIVE,
            events={"start_date": ACCEPTED, "access_check": ACCEPTED},
            mails={"access_granted": AMIRA_EMAIL},
        )
        granted = Access(granted=True, reason="granted")
        for uid in (MASTER_UID, MAIN_UID, ASSOCIATED_UID):
            await play.log_in("Log-in allowed", AMIRA, uid, granted)
        grants = await play.service.access.grants(MASTER_UID)
        expected = {MASTER_UID, MAIN_UID, ASSOCIATED_UID}
        self._equal("Log-in allowed", Source.DATABASE, "grants", expected, {grant.uid for grant in grants})
        in_time = all(grant.granted_at >= start_of(moved, CONTRACT_ZONE) for grant in grants)
        self._equal("Log-in allowed", Source.DATABASE, "granted after the start date", True, in_time)

    async def _application_id(self) -> str:
        return (await self._client.status(MASTER_UID)).application_id


def _before(start: date) -> Access:
    return Access(reason="before_start_date", available_at=start_of(start, CONTRACT_ZONE))
