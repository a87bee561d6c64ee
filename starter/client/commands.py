"""One typed method for every command, written by `make generate` from the commands' models."""

from datetime import date, datetime
from typing import TypedDict, Unpack

from domain.access import AmendStartDate
from domain.anytime import (
    CancelApplication,
    CorrectContact,
    Decline,
    EndContract,
    ReassignBd,
    ReassignLead,
    ResendEmail,
)
from domain.application import (
    ApproveApplication,
    ConfirmCompany,
    ProvideJustification,
    RejectApplication,
    RequestJustification,
    SubmitApplication,
    WithdrawApplication,
)
from domain.contract import Actor, Party, Person, SignatureOrder, SigningPath, Via
from domain.documents import ApplicationForm, DecisionSheet, Evidence
from domain.questions import AnswerPartner, AskBd
from domain.signing import ChooseSigningPath, RecordContact, SignContract
from domain.status import Status
from domain.terms import ConfirmTerms, IssueDecisionSheet, ModifyTerms, ReopenTerms
from starter.client.sender import Sender


class Envelope(TypedDict, total=False):
    """What every command may carry beside its own fields (`domain.contract.Command`)."""

    command_id: str | None
    occurred_at: datetime | None
    via: Via | None
    if_sequence: int | None


class Commands(Sender):
    """Every method sends its command to one applicant's running application and returns the status it led to,
    without documents (`Status.without_documents`).

    ``command_id`` is the caller's unique ID of this command, a new one by default: to send a command again
    after a lost answer, send it with the same ID. All raise `OnboardingError`; ``invalid`` for wrong fields.
    """

    async def confirm_company(
        self, uid: str, actor: Actor, company_hash: str | None = None, **envelope: Unpack[Envelope]
    ) -> Status:
        """Partner: the company information shown is ours (guide §2.2, Step 1)."""
        return await self._command(uid, ConfirmCompany, actor, envelope, company_hash=company_hash)

    async def submit_application(
        self, uid: str, actor: Actor, application: ApplicationForm, **envelope: Unpack[Envelope]
    ) -> Status:
        """Partner: here is the completed form; please review it (guide §2.2, Step 2)."""
        return await self._command(uid, SubmitApplication, actor, envelope, application=application)

    async def withdraw_application(
        self,
        uid: str,
        actor: Actor,
        reason: str | None = None,
        form_revision: int | None = None,
        **envelope: Unpack[Envelope],
    ) -> Status:
        """Partner: give the form back to me, I have to modify it (guide §2.2, Step 2)."""
        return await self._command(
            uid, WithdrawApplication, actor, envelope, reason=reason, form_revision=form_revision
        )

    async def request_justification(
        self,
        uid: str,
        actor: Actor,
        question: str,
        form_revision: int | None = None,
        **envelope: Unpack[Envelope],
    ) -> Status:
        """BD: please justify your qualification; the review clock is paused (guide §2.2, Step 2)."""
        return await self._command(
            uid, RequestJustification, actor, envelope, question=question, form_revision=form_revision
        )

    async def provide_justification(
        self,
        uid: str,
        actor: Actor,
        answer: str,
        evidence: tuple[Evidence, ...] = (),
        form_revision: int | None = None,
        **envelope: Unpack[Envelope],
    ) -> Status:
        """Partner: the answer to BD's question; the review clock goes on."""
        return await self._command(
            uid,
            ProvideJustification,
            actor,
            envelope,
            answer=answer,
            evidence=evidence,
            form_revision=form_revision,
        )

    async def approve_application(
        self, uid: str, actor: Actor, form_revision: int, **envelope: Unpack[Envelope]
    ) -> Status:
        """BD: the application, as in this revision of the form, qualifies (guide §2.3)."""
        return await self._command(uid, ApproveApplication, actor, envelope, form_revision=form_revision)

    async def reject_application(
        self,
        uid: str,
        actor: Actor,
        reason_code: str,
        explanation: str,
        form_revision: int | None = None,
        **envelope: Unpack[Envelope],
    ) -> Status:
        """BD: the application does not qualify, and what would fix it."""
        return await self._command(
            uid,
            RejectApplication,
            actor,
            envelope,
            reason_code=reason_code,
            explanation=explanation,
            form_revision=form_revision,
        )

    async def issue_decision_sheet(
        self, uid: str, actor: Actor, sheet: DecisionSheet, **envelope: Unpack[Envelope]
    ) -> Status:
        """BD: these are the terms as agreed, for the partner to confirm (guide §2.3)."""
        return await self._command(uid, IssueDecisionSheet, actor, envelope, sheet=sheet)

    async def confirm_terms(
        self, uid: str, actor: Actor, sheet_revision: int, sheet_hash: str, **envelope: Unpack[Envelope]
    ) -> Status:
        """Partner: everything in this revision of the sheet is correct ("Confirm", guide §2.3)."""
        return await self._command(
            uid, ConfirmTerms, actor, envelope, sheet_revision=sheet_revision, sheet_hash=sheet_hash
        )

    async def modify_terms(
        self,
        uid: str,
        actor: Actor,
        sheet_revision: int,
        description: str,
        fields: tuple[str, ...] = (),
        **envelope: Unpack[Envelope],
    ) -> Status:
        """Partner: what is wrong in this revision of the sheet ("Modify", guide §2.3)."""
        return await self._command(
            uid,
            ModifyTerms,
            actor,
            envelope,
            sheet_revision=sheet_revision,
            description=description,
            fields=fields,
        )

    async def reopen_terms(
        self,
        uid: str,
        actor: Actor,
        reason: str,
        sheet_revision: int | None = None,
        **envelope: Unpack[Envelope],
    ) -> Status:
        """BD: the confirmed terms have to change; signatures given so far are void."""
        return await self._command(
            uid, ReopenTerms, actor, envelope, reason=reason, sheet_revision=sheet_revision
        )

    async def record_contact(
        self, uid: str, actor: Actor, note: str | None = None, **envelope: Unpack[Envelope]
    ) -> Status:
        """BD: the partner has been contacted about signing (guide §2.3, last step)."""
        return await self._command(uid, RecordContact, actor, envelope, note=note)

    async def choose_signing_path(
        self,
        uid: str,
        actor: Actor,
        path: SigningPath,
        order: SignatureOrder = SignatureOrder.ANY,
        **envelope: Unpack[Envelope],
    ) -> Status:
        """BD: how, and in which order, the contract is signed (guide §2.4)."""
        return await self._command(uid, ChooseSigningPath, actor, envelope, path=path, order=order)

    async def sign_contract(
        self,
        uid: str,
        actor: Actor,
        party: Party,
        signer_name: str,
        sheet_revision: int,
        sheet_hash: str,
        signed_at: datetime,
        document_ref: str | None = None,
        evidence: tuple[Evidence, ...] = (),
        **envelope: Unpack[Envelope],
    ) -> Status:
        """A party, or the e-signature service for it: signed, on exactly these terms (guide §2.4)."""
        return await self._command(
            uid,
            SignContract,
            actor,
            envelope,
            party=party,
            signer_name=signer_name,
            sheet_revision=sheet_revision,
            sheet_hash=sheet_hash,
            signed_at=signed_at,
            document_ref=document_ref,
            evidence=evidence,
        )

    async def amend_start_date(
        self,
        uid: str,
        actor: Actor,
        start_date: date,
        time_zone: str,
        reason: str,
        **envelope: Unpack[Envelope],
    ) -> Status:
        """BD: the signed contract takes effect on another day; on one that is past, at once, which no command
        takes back.
        """
        return await self._command(
            uid, AmendStartDate, actor, envelope, start_date=start_date, time_zone=time_zone, reason=reason
        )

    async def ask_bd(self, uid: str, actor: Actor, question: str, **envelope: Unpack[Envelope]) -> Status:
        """Partner: a question to BD, about the terms or anything else (guide §2.3)."""
        return await self._command(uid, AskBd, actor, envelope, question=question)

    async def answer_partner(
        self,
        uid: str,
        actor: Actor,
        answer: str,
        question_number: int | None = None,
        **envelope: Unpack[Envelope],
    ) -> Status:
        """BD: the answer to a question of the partner."""
        return await self._command(
            uid, AnswerPartner, actor, envelope, answer=answer, question_number=question_number
        )

    async def reassign_bd(self, uid: str, actor: Actor, bd: Person, **envelope: Unpack[Envelope]) -> Status:
        """BD lead: another BD looks after this application from now on."""
        return await self._command(uid, ReassignBd, actor, envelope, bd=bd)

    async def reassign_lead(
        self, uid: str, actor: Actor, bd_lead: Person, **envelope: Unpack[Envelope]
    ) -> Status:
        """BD lead: another lead looks after this application from now on."""
        return await self._command(uid, ReassignLead, actor, envelope, bd_lead=bd_lead)

    async def correct_contact(
        self, uid: str, actor: Actor, email: str, name: str | None = None, **envelope: Unpack[Envelope]
    ) -> Status:
        """Partner or BD: mails to the partner go to this address (and name) from now on."""
        return await self._command(uid, CorrectContact, actor, envelope, email=email, name=name)

    async def resend_email(self, uid: str, actor: Actor, key: str, **envelope: Unpack[Envelope]) -> Status:
        """Partner or BD: send the e-mail with this key, which could not be delivered, once more."""
        return await self._command(uid, ResendEmail, actor, envelope, key=key)

    async def decline(
        self, uid: str, actor: Actor, reason: str | None = None, **envelope: Unpack[Envelope]
    ) -> Status:
        """Partner: no contract after all."""
        return await self._command(uid, Decline, actor, envelope, reason=reason)

    async def end_contract(self, uid: str, actor: Actor, reason: str, **envelope: Unpack[Envelope]) -> Status:
        """BD: the signed contract is off before it has begun, or while another application keeps access from
        being opened.
        """
        return await self._command(uid, EndContract, actor, envelope, reason=reason)

    async def cancel_application(
        self, uid: str, actor: Actor, reason: str, **envelope: Unpack[Envelope]
    ) -> Status:
        """BD: the application is called off (also Temporal's own Cancel, by ``system``)."""
        return await self._command(uid, CancelApplication, actor, envelope, reason=reason)
