"""A typed method for each call of the API, written by `make generate` from its description."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from typing import Any, Unpack

from onboarding_client.answers import Joined
from onboarding_client.models import (
    Access,
    ApplicationForm,
    AuditEvent,
    CoverageAnswer,
    DecisionSheet,
    Delivery,
    Endpoint,
    Evidence,
    LedgerRow,
    NewEndpoint,
    Page,
    Party,
    Person,
    Policy,
    SignatureOrder,
    SigningPath,
    Stage,
    Status,
    StoredSheet,
    StreamedEvent,
    TriedEndpoint,
    WaitingOn,
    WebhookType,
)
from onboarding_client.requests import Answer, Options, path_of


class AsyncCalls:
    """The calls of the API; how they are made, `AsyncOnboardingClient` says."""

    @abstractmethod
    async def _read(self, path: str, answer: type[Answer], query: Mapping[str, Any]) -> Answer: ...

    @abstractmethod
    async def _command(
        self, path: str, answer: type[Answer], fields: Mapping[str, Any], options: Options
    ) -> Answer: ...

    @abstractmethod
    async def _call(
        self, method: str, path: str, answer: type[Answer], fields: Mapping[str, Any] | None = None
    ) -> Answer: ...

    @abstractmethod
    async def _join(self, path: str, fields: Mapping[str, Any]) -> Joined: ...

    @abstractmethod
    def _events(
        self, path: str, query: Mapping[str, Any], last: str | None
    ) -> AsyncIterator[StreamedEvent]: ...

    async def list_applications(
        self,
        *,
        stage: Stage | None = None,
        waiting_on: WaitingOn | None = None,
        overdue: bool | None = None,
        bd: str | None = None,
        desk: str | None = None,
        due_before: datetime | None = None,
        q: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page:
        """The applications one may see, the latest first."""
        return await self._read(
            "/api/v1/applications",
            Page,
            {
                "stage": stage,
                "waiting_on": waiting_on,
                "overdue": overdue,
                "bd": bd,
                "desk": desk,
                "due_before": due_before,
                "q": q,
                "limit": limit,
                "cursor": cursor,
            },
        )

    async def join(
        self,
        *,
        company_master_uid: str,
        contact_name: str,
        contact_email: str,
        locale: str | None = None,
        bd: Person | None = None,
        bd_lead: Person | None = None,
        policy: Policy | None = None,
    ) -> Joined:
        """JOIN NOW: start an application, or enter the one that runs."""
        return await self._join(
            "/api/v1/applications",
            {
                "company_master_uid": company_master_uid,
                "contact_name": contact_name,
                "contact_email": contact_email,
                "locale": locale,
                "bd": bd,
                "bd_lead": bd_lead,
                "policy": policy,
            },
        )

    async def get_status(
        self, uid: str, *, application: str | None = None, since: int | None = None, wait: int | None = None
    ) -> Status:
        """What an application waits for, on whom, and until when."""
        return await self._read(
            path_of("/api/v1/applications/{uid}", uid=uid),
            Status,
            {"application": application, "since": since, "wait": wait},
        )

    async def get_audit(
        self, uid: str, *, application: str | None = None, since: int | None = None, wait: int | None = None
    ) -> list[AuditEvent]:
        """Every command and every due deadline, accepted or refused."""
        return await self._read(
            path_of("/api/v1/applications/{uid}/audit", uid=uid),
            list[AuditEvent],
            {"application": application, "since": since, "wait": wait},
        )

    async def get_mails(
        self, uid: str, *, application: str | None = None, since: int | None = None, wait: int | None = None
    ) -> list[LedgerRow]:
        """The e-mails, in the order they were queued: sent, waiting, failed, withdrawn."""
        return await self._read(
            path_of("/api/v1/applications/{uid}/mails", uid=uid),
            list[LedgerRow],
            {"application": application, "since": since, "wait": wait},
        )

    async def get_sheets(
        self, uid: str, *, application: str | None = None, since: int | None = None, wait: int | None = None
    ) -> list[StoredSheet]:
        """Every revision of the decision sheet, each with what it changed."""
        return await self._read(
            path_of("/api/v1/applications/{uid}/sheets", uid=uid),
            list[StoredSheet],
            {"application": application, "since": since, "wait": wait},
        )

    async def get_sheet(
        self,
        uid: str,
        revision: int,
        *,
        application: str | None = None,
        since: int | None = None,
        wait: int | None = None,
    ) -> StoredSheet:
        """One revision of the decision sheet."""
        return await self._read(
            path_of("/api/v1/applications/{uid}/sheets/{revision}", uid=uid, revision=revision),
            StoredSheet,
            {"application": application, "since": since, "wait": wait},
        )

    async def get_access(
        self, uid: str, *, application: str | None = None, since: int | None = None, wait: int | None = None
    ) -> Access:
        """What the gate of the ACPN platform answers: may the company's account log in?"""
        return await self._read(
            path_of("/api/v1/applications/{uid}/access", uid=uid),
            Access,
            {"application": application, "since": since, "wait": wait},
        )

    def stream_application_events(
        self,
        uid: str,
        *,
        application: str | None = None,
        since: int | None = None,
        wait: int | None = None,
        last_event_id: str | None = None,
    ) -> AsyncIterator[StreamedEvent]:
        """The events of an application as they happen; `id` is their `sequence`."""
        return self._events(
            path_of("/api/v1/applications/{uid}/events", uid=uid),
            {"application": application, "since": since, "wait": wait},
            last_event_id,
        )

    def stream_events(self, *, last_event_id: str | None = None) -> AsyncIterator[StreamedEvent]:
        """The events of all applications one may see, as they happen; `id` is opaque."""
        return self._events("/api/v1/events", {}, last_event_id)

    async def confirm_company(
        self, uid: str, company_hash: str | None = None, **options: Unpack[Options]
    ) -> Status:
        """Partner: the company information shown is ours (guide §2.2, Step 1)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/confirm_company", uid=uid),
            Status,
            {"company_hash": company_hash},
            options,
        )

    async def submit_application(
        self, uid: str, application: ApplicationForm, **options: Unpack[Options]
    ) -> Status:
        """Partner: here is the completed form; please review it (guide §2.2, Step 2)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/submit_application", uid=uid),
            Status,
            {"application": application},
            options,
        )

    async def withdraw_application(
        self,
        uid: str,
        form_revision: int | None = None,
        reason: str | None = None,
        **options: Unpack[Options],
    ) -> Status:
        """Partner: give the form back to me, I have to modify it (guide §2.2, Step 2)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/withdraw_application", uid=uid),
            Status,
            {"form_revision": form_revision, "reason": reason},
            options,
        )

    async def request_justification(
        self, uid: str, question: str, form_revision: int | None = None, **options: Unpack[Options]
    ) -> Status:
        """BD: please justify your qualification; the review clock is paused (guide §2.2, Step 2)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/request_justification", uid=uid),
            Status,
            {"question": question, "form_revision": form_revision},
            options,
        )

    async def provide_justification(
        self,
        uid: str,
        answer: str,
        form_revision: int | None = None,
        evidence: list[Evidence] | None = None,
        **options: Unpack[Options],
    ) -> Status:
        """Partner: the answer to BD's question; the review clock goes on."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/provide_justification", uid=uid),
            Status,
            {"answer": answer, "form_revision": form_revision, "evidence": evidence},
            options,
        )

    async def approve_application(self, uid: str, form_revision: int, **options: Unpack[Options]) -> Status:
        """BD: the application, as in this revision of the form, qualifies (guide §2.3)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/approve_application", uid=uid),
            Status,
            {"form_revision": form_revision},
            options,
        )

    async def reject_application(
        self,
        uid: str,
        reason_code: str,
        explanation: str,
        form_revision: int | None = None,
        **options: Unpack[Options],
    ) -> Status:
        """BD: the application does not qualify, and what would fix it."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/reject_application", uid=uid),
            Status,
            {"reason_code": reason_code, "explanation": explanation, "form_revision": form_revision},
            options,
        )

    async def issue_decision_sheet(
        self, uid: str, sheet: DecisionSheet, **options: Unpack[Options]
    ) -> Status:
        """BD: these are the terms as agreed, for the partner to confirm (guide §2.3)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/issue_decision_sheet", uid=uid),
            Status,
            {"sheet": sheet},
            options,
        )

    async def confirm_terms(
        self, uid: str, sheet_revision: int, sheet_hash: str, **options: Unpack[Options]
    ) -> Status:
        """Partner: everything in this revision of the sheet is correct ("Confirm", guide §2.3)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/confirm_terms", uid=uid),
            Status,
            {"sheet_revision": sheet_revision, "sheet_hash": sheet_hash},
            options,
        )

    async def modify_terms(
        self,
        uid: str,
        sheet_revision: int,
        description: str,
        fields: list[str] | None = None,
        **options: Unpack[Options],
    ) -> Status:
        """Partner: what is wrong in this revision of the sheet ("Modify", guide §2.3)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/modify_terms", uid=uid),
            Status,
            {"sheet_revision": sheet_revision, "description": description, "fields": fields},
            options,
        )

    async def reopen_terms(
        self, uid: str, reason: str, sheet_revision: int | None = None, **options: Unpack[Options]
    ) -> Status:
        """BD: the confirmed terms have to change; signatures given so far are void."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/reopen_terms", uid=uid),
            Status,
            {"reason": reason, "sheet_revision": sheet_revision},
            options,
        )

    async def record_contact(self, uid: str, note: str | None = None, **options: Unpack[Options]) -> Status:
        """BD: the partner has been contacted about signing (guide §2.3, last step)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/record_contact", uid=uid),
            Status,
            {"note": note},
            options,
        )

    async def choose_signing_path(
        self, uid: str, path: SigningPath, order: SignatureOrder | None = None, **options: Unpack[Options]
    ) -> Status:
        """BD: how, and in which order, the contract is signed (guide §2.4)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/choose_signing_path", uid=uid),
            Status,
            {"path": path, "order": order},
            options,
        )

    async def sign_contract(
        self,
        uid: str,
        party: Party,
        signer_name: str,
        sheet_revision: int,
        sheet_hash: str,
        signed_at: datetime,
        document_ref: str | None = None,
        evidence: list[Evidence] | None = None,
        **options: Unpack[Options],
    ) -> Status:
        """A party, or the e-signature service for it: signed, on exactly these terms (guide §2.4)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/sign_contract", uid=uid),
            Status,
            {
                "party": party,
                "signer_name": signer_name,
                "sheet_revision": sheet_revision,
                "sheet_hash": sheet_hash,
                "signed_at": signed_at,
                "document_ref": document_ref,
                "evidence": evidence,
            },
            options,
        )

    async def amend_start_date(
        self, uid: str, start_date: date, time_zone: str, reason: str, **options: Unpack[Options]
    ) -> Status:
        """BD: the signed contract takes effect on another day; on one that is past, at once, which no command
        takes back.
        """
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/amend_start_date", uid=uid),
            Status,
            {"start_date": start_date, "time_zone": time_zone, "reason": reason},
            options,
        )

    async def ask_bd(self, uid: str, question: str, **options: Unpack[Options]) -> Status:
        """Partner: a question to BD, about the terms or anything else (guide §2.3)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/ask_bd", uid=uid),
            Status,
            {"question": question},
            options,
        )

    async def answer_partner(
        self, uid: str, answer: str, question_number: int | None = None, **options: Unpack[Options]
    ) -> Status:
        """BD: the answer to a question of the partner."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/answer_partner", uid=uid),
            Status,
            {"answer": answer, "question_number": question_number},
            options,
        )

    async def reassign_bd(self, uid: str, bd: Person, **options: Unpack[Options]) -> Status:
        """BD lead: another BD looks after this application from now on."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/reassign_bd", uid=uid), Status, {"bd": bd}, options
        )

    async def reassign_lead(self, uid: str, bd_lead: Person, **options: Unpack[Options]) -> Status:
        """BD lead: another lead looks after this application from now on."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/reassign_lead", uid=uid),
            Status,
            {"bd_lead": bd_lead},
            options,
        )

    async def correct_contact(
        self, uid: str, email: str, name: str | None = None, **options: Unpack[Options]
    ) -> Status:
        """Partner or BD: mails to the partner go to this address (and name) from now on."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/correct_contact", uid=uid),
            Status,
            {"email": email, "name": name},
            options,
        )

    async def resend_email(self, uid: str, key: str, **options: Unpack[Options]) -> Status:
        """Partner or BD: send the e-mail with this key, which could not be delivered, once more."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/resend_email", uid=uid),
            Status,
            {"key": key},
            options,
        )

    async def decline(self, uid: str, reason: str | None = None, **options: Unpack[Options]) -> Status:
        """Partner: no contract after all."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/decline", uid=uid),
            Status,
            {"reason": reason},
            options,
        )

    async def end_contract(self, uid: str, reason: str, **options: Unpack[Options]) -> Status:
        """BD: the signed contract is off before it has begun, or while another application keeps access from
        being opened.
        """
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/end_contract", uid=uid),
            Status,
            {"reason": reason},
            options,
        )

    async def cancel_application(self, uid: str, reason: str, **options: Unpack[Options]) -> Status:
        """BD: the application is called off (also Temporal's own Cancel, by `system`)."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/cancel_application", uid=uid),
            Status,
            {"reason": reason},
            options,
        )

    async def add_associated_uid(
        self, uid: str, associated_uid: str, **options: Unpack[Options]
    ) -> CoverageAnswer:
        """Partner or BD: this account shall have access, too, by the contract that is in effect (guide, FAQ
        Q4,
        Q5).
        """
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/add_associated_uid", uid=uid),
            CoverageAnswer,
            {"associated_uid": associated_uid},
            options,
        )

    async def remove_associated_uid(
        self, uid: str, associated_uid: str, **options: Unpack[Options]
    ) -> CoverageAnswer:
        """Partner or BD: this account shall have no access any more; the Main UID keeps it."""
        return await self._command(
            path_of("/api/v1/applications/{uid}/commands/remove_associated_uid", uid=uid),
            CoverageAnswer,
            {"associated_uid": associated_uid},
            options,
        )

    async def list_webhooks(
        self,
    ) -> list[Endpoint]:
        """The endpoints, the oldest first."""
        return await self._read("/api/v1/webhooks", list[Endpoint], {})

    async def add_webhook(self, *, url: str, types: list[WebhookType] | None = None) -> NewEndpoint:
        """Add an endpoint for what happens from now on; its secret is shown in this answer only."""
        return await self._call("POST", "/api/v1/webhooks", NewEndpoint, {"url": url, "types": types})

    async def remove_webhook(self, endpoint: str) -> None:
        """Remove an endpoint; what waits for it never leaves."""
        return await self._call(
            "DELETE", path_of("/api/v1/webhooks/{endpoint}", endpoint=endpoint), type(None)
        )

    async def rotate_webhook_secret(self, endpoint: str) -> NewEndpoint:
        """A new secret, shown in this answer only; for a day, that of before signs deliveries, too."""
        return await self._call(
            "POST", path_of("/api/v1/webhooks/{endpoint}/rotate", endpoint=endpoint), NewEndpoint
        )

    async def list_webhook_deliveries(self, endpoint: str, *, pending: bool | None = None) -> list[Delivery]:
        """The newest deliveries to an endpoint, a hundred at most."""
        return await self._read(
            path_of("/api/v1/webhooks/{endpoint}/deliveries", endpoint=endpoint),
            list[Delivery],
            {"pending": pending},
        )

    async def resend_webhook_delivery(self, endpoint: str, delivery: str) -> None:
        """Send a delivery once more, under its ID; an endpoint that was switched off is on again."""
        return await self._call(
            "POST",
            path_of(
                "/api/v1/webhooks/{endpoint}/deliveries/{delivery}/resend",
                endpoint=endpoint,
                delivery=delivery,
            ),
            type(None),
        )

    async def test_webhook(self, endpoint: str) -> TriedEndpoint:
        """Send a signed delivery of type `webhook.test` now, from here; what the endpoint answered."""
        return await self._call(
            "POST", path_of("/api/v1/webhooks/{endpoint}/test", endpoint=endpoint), TriedEndpoint
        )
