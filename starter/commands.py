"""One typed method for every command of the contract, whatever carries the commands."""

from abc import ABC, abstractmethod
from datetime import date, datetime
from typing import Any
from uuid import uuid4

from domain import commands
from domain.contract import Actor, Command, Party, Person, SignatureOrder, SigningPath
from domain.documents import ApplicationForm, DecisionSheet
from domain.status import Status
from starter.errors import OnboardingError


class Commands(ABC):
    """Every method sends its command to one applicant's running application and returns the status it led to.

    ``command_id`` is the caller's unique ID of this command, a new one by default: to send a command again
    after a lost answer, send it with the same ID. All raise `OnboardingError`; ``invalid`` for wrong fields.
    """

    @abstractmethod
    async def send(self, uid: str, command: Command) -> Status:
        """Send a command and return the status it led to.

        Raises:
            OnboardingError: it was refused, or not answered.
        """

    async def _command(
        self, uid: str, kind: type[Command], actor: Actor, command_id: str | None, **fields: Any
    ) -> Status:
        envelope = {"actor": actor, "command_id": command_id or str(uuid4())}
        command = OnboardingError.unless_valid(kind, {**envelope, **fields})
        return await self.send(uid, command)

    async def confirm_company(self, uid: str, actor: Actor, *, command_id: str | None = None) -> Status:
        """Partner: the company information is ours."""
        return await self._command(uid, commands.ConfirmCompany, actor, command_id)

    async def submit_application(
        self, uid: str, actor: Actor, application: ApplicationForm, *, command_id: str | None = None
    ) -> Status:
        """Partner: the completed form."""
        return await self._command(
            uid, commands.SubmitApplication, actor, command_id, application=application
        )

    async def withdraw_application(
        self, uid: str, actor: Actor, reason: str | None = None, *, command_id: str | None = None
    ) -> Status:
        """Partner: give the form back to me."""
        return await self._command(uid, commands.WithdrawApplication, actor, command_id, reason=reason)

    async def request_justification(
        self, uid: str, actor: Actor, question: str, *, command_id: str | None = None
    ) -> Status:
        """BD: please justify your qualification."""
        return await self._command(uid, commands.RequestJustification, actor, command_id, question=question)

    async def provide_justification(
        self, uid: str, actor: Actor, answer: str, *, command_id: str | None = None
    ) -> Status:
        """Partner: the answer."""
        return await self._command(uid, commands.ProvideJustification, actor, command_id, answer=answer)

    async def approve_application(
        self, uid: str, actor: Actor, form_revision: int, *, command_id: str | None = None
    ) -> Status:
        """BD: this revision of the form qualifies."""
        return await self._command(
            uid, commands.ApproveApplication, actor, command_id, form_revision=form_revision
        )

    async def reject_application(
        self, uid: str, actor: Actor, reason_code: str, explanation: str, *, command_id: str | None = None
    ) -> Status:
        """BD: it does not qualify, and what would fix it."""
        return await self._command(
            uid,
            commands.RejectApplication,
            actor,
            command_id,
            reason_code=reason_code,
            explanation=explanation,
        )

    async def issue_decision_sheet(
        self, uid: str, actor: Actor, sheet: DecisionSheet, *, command_id: str | None = None
    ) -> Status:
        """BD: the terms as agreed."""
        return await self._command(uid, commands.IssueDecisionSheet, actor, command_id, sheet=sheet)

    async def confirm_terms(
        self, uid: str, actor: Actor, sheet_revision: int, sheet_hash: str, *, command_id: str | None = None
    ) -> Status:
        """Partner: everything in this revision is correct."""
        return await self._command(
            uid,
            commands.ConfirmTerms,
            actor,
            command_id,
            sheet_revision=sheet_revision,
            sheet_hash=sheet_hash,
        )

    async def modify_terms(
        self,
        uid: str,
        actor: Actor,
        sheet_revision: int,
        description: str,
        fields: tuple[str, ...] = (),
        *,
        command_id: str | None = None,
    ) -> Status:
        """Partner: what is wrong in this revision."""
        return await self._command(
            uid,
            commands.ModifyTerms,
            actor,
            command_id,
            sheet_revision=sheet_revision,
            description=description,
            fields=fields,
        )

    async def record_contact(
        self, uid: str, actor: Actor, note: str | None = None, *, command_id: str | None = None
    ) -> Status:
        """BD: the partner has been contacted about signing."""
        return await self._command(uid, commands.RecordContact, actor, command_id, note=note)

    async def choose_signing_path(
        self,
        uid: str,
        actor: Actor,
        path: SigningPath,
        order: SignatureOrder,
        *,
        command_id: str | None = None,
    ) -> Status:
        """BD: how, and in which order, the contract is signed."""
        return await self._command(uid, commands.ChooseSigningPath, actor, command_id, path=path, order=order)

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
        *,
        command_id: str | None = None,
    ) -> Status:
        """A party, or the e-signature service for it: signed, on exactly these terms."""
        return await self._command(
            uid,
            commands.SignContract,
            actor,
            command_id,
            party=party,
            signer_name=signer_name,
            sheet_revision=sheet_revision,
            sheet_hash=sheet_hash,
            signed_at=signed_at,
            document_ref=document_ref,
        )

    async def reopen_terms(
        self, uid: str, actor: Actor, reason: str, *, command_id: str | None = None
    ) -> Status:
        """BD: the confirmed terms have to change."""
        return await self._command(uid, commands.ReopenTerms, actor, command_id, reason=reason)

    async def amend_start_date(
        self,
        uid: str,
        actor: Actor,
        start_date: date,
        time_zone: str,
        reason: str,
        *,
        command_id: str | None = None,
    ) -> Status:
        """BD: the signed contract takes effect on another day."""
        return await self._command(
            uid,
            commands.AmendStartDate,
            actor,
            command_id,
            start_date=start_date,
            time_zone=time_zone,
            reason=reason,
        )

    async def reassign_bd(
        self, uid: str, actor: Actor, bd: Person, *, command_id: str | None = None
    ) -> Status:
        """BD lead: another BD looks after this application."""
        return await self._command(uid, commands.ReassignBd, actor, command_id, bd=bd)

    async def correct_contact(
        self, uid: str, actor: Actor, email: str, name: str | None = None, *, command_id: str | None = None
    ) -> Status:
        """Partner or BD: mails to the partner go to this address from now on."""
        return await self._command(uid, commands.CorrectContact, actor, command_id, email=email, name=name)

    async def resend_email(
        self, uid: str, actor: Actor, key: str, *, command_id: str | None = None
    ) -> Status:
        """Partner or BD: send an e-mail that could not be delivered once more."""
        return await self._command(uid, commands.ResendEmail, actor, command_id, key=key)

    async def decline(
        self, uid: str, actor: Actor, reason: str | None = None, *, command_id: str | None = None
    ) -> Status:
        """Partner: no contract after all."""
        return await self._command(uid, commands.Decline, actor, command_id, reason=reason)

    async def cancel_application(
        self, uid: str, actor: Actor, reason: str, *, command_id: str | None = None
    ) -> Status:
        """BD: the application is called off."""
        return await self._command(uid, commands.CancelApplication, actor, command_id, reason=reason)
