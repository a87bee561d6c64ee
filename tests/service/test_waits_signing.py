"""From confirmed terms to both signatures: each wait answered, and each timed out (guide §2.3, §2.4)."""

from datetime import timedelta
from typing import Any

import pytest

from domain.clocks import ClockKind
from domain.contract import Role, SignatureOrder, SigningPath, Stage, WaitingOn
from domain.status import Status
from tests.rig import Applicant, Service
from tests.service.evidence import (
    A_MINUTE,
    BD,
    BD_LEAD,
    DESK,
    PARTNER,
    Sent,
    attributes,
    count,
    last,
    mails,
    morning_after,
    refused,
    row,
    working_days_after,
)

CONFIRMED = 6
"""How many mails have left when the terms are confirmed."""
TO_PARTNER = ("signature_reminder", PARTNER)
TO_BD = ("signature_reminder_to_bd", BD)
TO_LEAD = ("reminders_unanswered", BD_LEAD)
SIGNED = ("contract_signed", PARTNER)


def news(applicant: Applicant) -> list[Sent]:
    """The mails since the terms were confirmed."""
    return mails(applicant)[CONFIRMED:]


async def choose(applicant: Applicant, path: str = "online_esign", order: str = "any") -> Status:
    return await applicant.signal("choose_signing_path", path=path, order=order)


async def refused_signature(applicant: Applicant, party: str, **changes: Any) -> str | None:
    return (await refused(applicant, "sign_contract", **await applicant.signature(party, **changes))).type


class TestContact:
    async def test_bd_has_three_working_days_to_contact_the_partner(self, service: Service) -> None:
        applicant = await service.applicant()
        status = await applicant.to_signatures()

        counted = await working_days_after(applicant, "confirm_terms")
        assert status.stage is Stage.AWAITING_SIGNATURES
        assert status.status_text == "Waiting for signing contract"
        assert status.waiting_on is WaitingOn.BOTH
        assert status.deadline is not None
        assert status.deadline.kind is ClockKind.CONTACT
        assert status.deadline.days_counted == counted.days
        assert status.due_at == counted.due_at
        assert (await attributes(applicant))["waiting_on"] == "both"
        assert (await attributes(applicant))["due_at"] == counted.due_at

    async def test_contact_in_time_is_followed_by_reminders(self, service: Service) -> None:
        applicant = await service.applicant()
        contact_due_at = (await applicant.to_signatures()).due_at
        assert contact_due_at is not None
        status = await applicant.signal("record_contact", note="Called Ms Tan; sends the papers by Friday.")
        assert status.contacted_at == (await last(applicant, "record_contact")).at
        assert status.deadline is not None
        assert status.deadline.kind is ClockKind.REMINDER
        assert status.due_at == (await working_days_after(applicant, "record_contact")).due_at

        status = await applicant.pass_until(morning_after(status.due_at))
        assert news(applicant) == [TO_PARTNER, TO_BD]
        status = await applicant.pass_until(contact_due_at + timedelta(days=30))
        assert await count(applicant, "contact_overdue") == 0
        assert not status.overdue
        assert set(news(applicant)) == {TO_PARTNER, TO_BD, TO_LEAD}
        assert news(applicant).count(TO_LEAD) == 1
        assert status.stage is Stage.AWAITING_SIGNATURES

    async def test_no_contact_escalates_and_then_reminds(self, service: Service) -> None:
        applicant = await service.applicant()
        due_at = (await applicant.to_signatures()).due_at
        assert due_at is not None
        await applicant.pass_until(due_at - A_MINUTE)
        assert news(applicant) == []

        status = await applicant.pass_until(due_at)
        assert status.overdue
        assert status.stage is Stage.AWAITING_SIGNATURES
        assert news(applicant) == []
        assert (await attributes(applicant))["overdue"] is True
        assert (await row(applicant)).overdue
        await applicant.pass_until(morning_after(due_at))
        assert news(applicant) == [("contact_overdue", BD_LEAD)]

        # Day 0 of the reminder is the last day of the deadline, and so on.
        first = DESK.working_days_after(due_at - A_MINUTE, 3).due_at
        await applicant.pass_until(morning_after(first))
        assert news(applicant) == [("contact_overdue", BD_LEAD), TO_PARTNER, TO_BD]
        await applicant.pass_until(morning_after(DESK.working_days_after(first - A_MINUTE, 3).due_at))
        assert news(applicant)[3:] == [TO_PARTNER, TO_BD]
        assert await count(applicant, "contact_overdue") == 1

    async def test_notes_put_no_reminder_off(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        due_at = (await applicant.signal("record_contact", note="Called Ms Tan.")).due_at
        assert due_at is not None
        for day in (1, 2):
            await applicant.pass_time(timedelta(days=1))
            assert (await applicant.signal("record_contact", note=f"Called, day {day}.")).due_at == due_at
        await applicant.pass_until(morning_after(due_at))
        assert news(applicant) == [TO_PARTNER, TO_BD]

    async def test_late_contact_and_signature_end_the_escalation(self, service: Service) -> None:
        called, signed = await service.applicant(), await service.applicant()
        for applicant in (called, signed):
            due_at = (await applicant.to_signatures()).due_at
            assert due_at is not None
            assert (await applicant.pass_until(due_at)).overdue

        status = await called.signal("record_contact")
        assert not status.overdue
        assert status.due_at == (await working_days_after(called, "record_contact")).due_at
        assert (await attributes(called))["overdue"] is False
        # Who has a signature has been in contact.
        status = await signed.sign("partner")
        assert not status.overdue
        assert status.contacted_at is not None


class TestReminders:
    @pytest.mark.parametrize(
        ("order", "signed", "waiting_on", "reminded"),
        [
            ("any", None, WaitingOn.BOTH, [TO_PARTNER, TO_BD]),
            ("any", "partner", WaitingOn.BD, [TO_BD]),
            ("any", "vendor", WaitingOn.PARTNER, [TO_PARTNER]),
            ("partner_first", None, WaitingOn.PARTNER, [TO_PARTNER]),
            ("partner_first", "partner", WaitingOn.BD, [TO_BD]),
            ("vendor_first", None, WaitingOn.BD, [TO_BD]),
            ("vendor_first", "vendor", WaitingOn.PARTNER, [TO_PARTNER]),
        ],
    )
    async def test_reminders_go_to_whoever_has_to_sign(
        self, service: Service, order: str, signed: str | None, waiting_on: WaitingOn, reminded: list[Sent]
    ) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        await choose(applicant, order=order)
        status = await applicant.sign(signed) if signed else await applicant.signal("record_contact")
        assert status.waiting_on is waiting_on
        assert (await attributes(applicant))["waiting_on"] == waiting_on

        for number in range(1, 3):
            assert status.deadline is not None
            assert status.deadline.kind is ClockKind.REMINDER
            assert len(status.deadline.days_counted) == 3
            status = await applicant.pass_until(morning_after(status.deadline.due_at))
            assert news(applicant) == reminded * number


class TestPathAndOrder:
    async def test_signing_is_online_in_any_order_unless_bd_chooses(self, service: Service) -> None:
        applicant = await service.applicant()
        status = await applicant.to_signatures()
        assert (status.signing.path, status.signing.order) == (SigningPath.ONLINE_ESIGN, SignatureOrder.ANY)

        await choose(applicant, "framework_addendum", "partner_first")
        status = await choose(applicant, "offline_paper", "vendor_first")
        assert (status.signing.path, status.signing.order) == (
            SigningPath.OFFLINE_PAPER,
            SignatureOrder.VENDOR_FIRST,
        )

    async def test_path_is_fixed_with_the_first_signature(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        status = await applicant.sign("vendor")
        assert "choose_signing_path" not in status.allowed_commands

        error = await refused(applicant, "choose_signing_path", path="offline_paper", order="any")
        assert error.type == "wrong_stage"
        assert (await applicant.status()).signing.path is SigningPath.ONLINE_ESIGN

    @pytest.mark.parametrize(
        ("order", "first", "second"),
        [("partner_first", "partner", "vendor"), ("vendor_first", "vendor", "partner")],
    )
    async def test_early_signature_is_refused(
        self, service: Service, order: str, first: str, second: str
    ) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        await choose(applicant, order=order)

        assert await refused_signature(applicant, second) == "signature_order"
        assert not (await applicant.status()).signing.begun
        await applicant.sign(first)
        assert (await applicant.sign(second)).signing.complete

    async def test_paper_needs_the_document_as_evidence(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        await choose(applicant, "offline_paper")

        assert await refused_signature(applicant, "partner") == "invalid"
        refusal = (await applicant.status()).last_refusals[-1]
        assert "document_ref" in refusal.message
        status = await applicant.sign("partner", document_ref="SCAN-2044-017")
        assert status.signing.partner is not None
        assert status.signing.partner.document_ref == "SCAN-2044-017"


class TestSignatures:
    async def test_both_signatures_sign_the_contract(self, service: Service) -> None:
        applicant = await service.applicant()
        start = ((await applicant.now()) + timedelta(days=60)).date().isoformat()
        await applicant.to_signatures(start=start)
        status = await applicant.sign("partner")
        assert status.stage is Stage.AWAITING_SIGNATURES
        assert status.signing.partner is not None
        assert status.signing.partner.signer_name == "Signer of partner"
        assert status.signing.vendor is None
        assert news(applicant) == []

        status = await applicant.sign("vendor")
        assert status.stage is Stage.SIGNED
        assert status.signing.complete
        assert news(applicant) == [SIGNED]

    async def test_esignature_service_signs_for_either_party(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        await applicant.sign("vendor", role="esign")
        status = await applicant.sign("partner", role="esign")

        assert status.signing.complete
        event = await last(applicant, "sign_contract")
        assert event.actor is not None
        assert event.actor.role is Role.ESIGN

    @pytest.mark.parametrize(
        ("party", "role"),
        [("vendor", "partner"), ("partner", "vendor"), ("partner", "bd"), ("vendor", "bd_lead")],
    )
    async def test_nobody_else_signs_for_a_party(self, service: Service, party: str, role: str) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()

        assert await refused_signature(applicant, party, role=role) == "forbidden"
        assert not (await applicant.status()).signing.begun

    async def test_signature_of_the_future_is_refused(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        tomorrow = (await applicant.now() + timedelta(days=1)).isoformat()

        assert await refused_signature(applicant, "partner", role="esign", signed_at=tomorrow) == "invalid"
        assert (
            (await applicant.status()).last_refusals[-1].message.startswith("signed_at: lies in the future")
        )
        now = (await applicant.now()).isoformat()
        assert (await applicant.sign("partner", role="esign", signed_at=now)).signing.partner is not None

    async def test_signature_on_other_terms_is_refused(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()

        assert await refused_signature(applicant, "partner", sheet_revision=2) == "stale_revision"
        assert await refused_signature(applicant, "vendor", sheet_hash="0" * 64) == "stale_revision"

    async def test_second_signature_of_a_party_is_refused_and_a_repeated_one_ignored(
        self, service: Service
    ) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        signed = (await applicant.sign("partner")).signing

        assert await refused_signature(applicant, "partner", signer_name="Somebody Else") == "invalid"
        status = await applicant.sign("partner")
        assert status.signing == signed
        assert status.stage is Stage.AWAITING_SIGNATURES


class TestReopenedTerms:
    async def test_reopening_voids_the_signatures(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        old = await applicant.signature("partner")
        await applicant.sign("partner")
        status = await applicant.signal("reopen_terms", reason="The credit line was left out.")

        assert status.stage is Stage.CORRECTING_TERMS
        assert not status.signing.begun
        assert status.confirmed_revision is None
        assert status.modification == "The credit line was left out."
        assert news(applicant) == [("terms_reopened", PARTNER)]
        assert (await refused(applicant, "sign_contract", **old)).type == "wrong_stage"

        await applicant.signal("issue_decision_sheet", sheet=await current_sheet(applicant, ecs="10"))
        await applicant.signal("confirm_terms", **await applicant.named_sheet())
        # The first signature was for revision 1, even though revision 2 says the same.
        assert (await refused(applicant, "sign_contract", **old)).type == "stale_revision"
        status = await applicant.sign("vendor")
        assert status.confirmed_revision == 2
        assert status.signing.partner is None

    async def test_contact_has_to_be_made_again(self, service: Service) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        await applicant.signal("record_contact")
        await applicant.signal("reopen_terms", reason="Another term.")
        await applicant.signal("issue_decision_sheet", sheet=await current_sheet(applicant, ecs="24"))
        status = await applicant.signal("confirm_terms", **await applicant.named_sheet())

        assert status.contacted_at is None
        assert status.deadline is not None
        assert status.deadline.kind is ClockKind.CONTACT
        assert status.due_at == (await working_days_after(applicant, "confirm_terms")).due_at

    async def test_signed_contract_is_not_reopened(self, service: Service) -> None:
        applicant = await service.applicant()
        start = ((await applicant.now()) + timedelta(days=60)).date().isoformat()
        await applicant.to_signed(start=start)

        assert (await refused(applicant, "reopen_terms", reason="Too late")).type == "wrong_stage"


async def current_sheet(applicant: Applicant, ecs: str) -> dict[str, Any]:
    """The current sheet with another discount on ecs."""
    sheet = (await applicant.status()).sheet
    assert sheet is not None
    assert sheet.content is not None
    content: dict[str, Any] = sheet.content.model_dump(mode="json")
    content["discounts"][0]["percent"] = ecs
    return content


class TestNoContract:
    @pytest.mark.parametrize(
        ("command", "payload", "by", "told"),
        [
            (
                "decline",
                {"reason": "We go with another vendor."},
                Role.PARTNER,
                [("application_cancelled", PARTNER), ("closed_to_bd", BD)],
            ),
            ("cancel_application", {"reason": "Sanctions."}, Role.BD, [("application_cancelled", PARTNER)]),
        ],
    )
    async def test_either_side_may_end_it_before_the_last_signature(
        self, service: Service, command: str, payload: dict[str, str], by: Role, told: list[Sent]
    ) -> None:
        applicant = await service.applicant()
        await applicant.to_signatures()
        await applicant.sign("vendor" if by is Role.PARTNER else "partner")
        status = await applicant.signal(command, **payload)

        assert status.stage is status.outcome is Stage.CANCELLED
        assert status.closing is not None
        assert (status.closing.by, status.closing.reason) == (by, payload["reason"])
        assert news(applicant) == told
        assert (await applicant.result()).stage is Stage.CANCELLED
