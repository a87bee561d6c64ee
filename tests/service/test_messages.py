"""Each refusal of the contract, by signal and by update: its type, its record, and that nothing changed."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain.audit import Verdict
from domain.contract import Role, Stage
from tests import payloads
from tests.rig import Applicant, Service, answered, unchanged
from tests.service import evidence
from tests.service.trail import audit, refused, unharmed

Way = Callable[[Applicant], Awaitable[Any]]
NO_HASH: Final = "0" * 64


async def joined(applicant: Applicant) -> None:
    """Nothing more than JOIN NOW."""


async def company_confirmed(applicant: Applicant) -> None:
    await applicant.signal("confirm_company")


async def superseded(applicant: Applicant) -> None:
    await applicant.to_confirming()
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(ecs="12"))


async def vendor_first(applicant: Applicant) -> None:
    await applicant.to_signatures()
    await applicant.signal("choose_signing_path", path="offline_paper", order="vendor_first")


async def half_signed(applicant: Applicant) -> None:
    await applicant.to_signatures()
    await applicant.sign("partner")


async def waiting_for_start(applicant: Applicant) -> None:
    await applicant.to_signed(start="2030-01-01")


def signature(party: str, **changes: Any) -> payloads.Json:
    return {
        "role": party,
        "party": party,
        "signer_name": "S",
        "sheet_revision": 1,
        "sheet_hash": NO_HASH,
        "signed_at": "2026-01-05T02:00:00Z",
        **changes,
    }


REFUSED: Final[dict[str, tuple[Way, str, payloads.Json, str, str]]] = {
    "too early": (joined, "approve_application", {"form_revision": 1}, "wrong_stage", "drafting"),
    "too late": (Applicant.to_qualified, "withdraw_application", {}, "wrong_stage", "qualified"),
    "sheet too early": (
        Applicant.to_review,
        "issue_decision_sheet",
        {"sheet": payloads.sheet()},
        "wrong_stage",
        "under_review",
    ),
    "path after a signature": (
        half_signed,
        "choose_signing_path",
        {"path": "offline_paper", "order": "any"},
        "wrong_stage",
        "after a signature",
    ),
    "cancelled after signing": (
        waiting_for_start,
        "cancel_application",
        {"reason": "x"},
        "wrong_stage",
        "amend_start_date",
    ),
    "declined after signing": (waiting_for_start, "decline", {}, "wrong_stage", "signed"),
    "reopened after signing": (waiting_for_start, "reopen_terms", {"reason": "x"}, "wrong_stage", "signed"),
    "old form": (
        Applicant.to_review,
        "approve_application",
        {"form_revision": 2},
        "stale_revision",
        "revision 1",
    ),
    "old sheet confirmed": (
        superseded,
        "confirm_terms",
        {"sheet_revision": 1, "sheet_hash": NO_HASH},
        "stale_revision",
        "revision 2",
    ),
    "right revision, wrong hash": (
        superseded,
        "confirm_terms",
        {"sheet_revision": 2, "sheet_hash": NO_HASH},
        "stale_revision",
        NO_HASH,
    ),
    "old sheet modified": (
        superseded,
        "modify_terms",
        {"sheet_revision": 1, "description": "x"},
        "stale_revision",
        "revision 2",
    ),
    "signed on other terms": (
        Applicant.to_signatures,
        "sign_contract",
        signature("partner"),
        "stale_revision",
        "revision 1",
    ),
    "partner does BD's work": (
        Applicant.to_review,
        "approve_application",
        {"form_revision": 1, "role": "partner"},
        "forbidden",
        "bd",
    ),
    "BD does the partner's work": (joined, "confirm_company", {"role": "bd"}, "forbidden", "partner"),
    "BD does the lead's work": (
        joined,
        "reassign_bd",
        {"bd": payloads.BD, "role": "bd"},
        "forbidden",
        "bd_lead",
    ),
    "system from outside": (
        joined,
        "cancel_application",
        {"reason": "x", "role": "system"},
        "forbidden",
        "system",
    ),
    "system signs": (
        Applicant.to_signatures,
        "sign_contract",
        signature("partner", role="system"),
        "forbidden",
        "system",
    ),
    "vendor signs for the partner": (
        Applicant.to_signatures,
        "sign_contract",
        signature("partner", role="vendor"),
        "forbidden",
        "partner",
    ),
    "partner signs for the vendor": (
        Applicant.to_signatures,
        "sign_contract",
        signature("vendor", role="partner"),
        "forbidden",
        "vendor",
    ),
    "forbidden before too early": (
        joined,
        "approve_application",
        {"form_revision": 1, "role": "partner"},
        "forbidden",
        "partner",
    ),
    "company not confirmed": (
        joined,
        "submit_application",
        {"application": payloads.form("1")},
        "company_not_confirmed",
        "confirm_company",
    ),
    "UID nobody knows": (
        company_confirmed,
        "submit_application",
        {"application": payloads.form("1")},
        "not_found",
        "has no account of UID 1",
    ),
}


@pytest.mark.parametrize(("way", "kind", "payload", "error", "told"), REFUSED.values(), ids=REFUSED)
async def test_it_is_refused_by_signal_and_by_update(
    service: Service, way: Way, kind: str, payload: payloads.Json, error: str, told: str
) -> None:
    applicant = await service.applicant()
    await way(applicant)
    before = await applicant.status()
    mails = applicant.templates()
    by_signal = payloads.command(kind, **payload)
    await applicant.handle.signal(kind, by_signal)
    after = await applicant.settled()

    refusal = after.last_refusals[-1]
    assert (refusal.command, refusal.command_id, refusal.error) == (kind, by_signal["command_id"], error)
    assert told in refusal.message
    assert unchanged(after) == unchanged(before)
    assert after.sequence == before.sequence + 1

    with pytest.raises(ApplicationError) as answer:
        await applicant.update(kind, **payload)
    assert answer.value.type == error
    assert told in answer.value.message
    assert answer.value.non_retryable
    last = await applicant.settled()
    assert unchanged(last) == unchanged(before)
    assert last.sequence == before.sequence + 2
    assert len(last.last_refusals) == 2

    assert await refused(applicant) == [(kind, error)] * 2
    first = (await audit(applicant))[-2]
    assert first.command_id == by_signal["command_id"]
    assert first.actor is not None
    assert first.actor.role == by_signal["actor"]["role"]
    assert (first.from_stage, first.to_stage) == (before.stage, before.stage)
    assert (await evidence.row(applicant)).status.model_dump() == last.model_dump()
    assert applicant.templates() == mails
    await unharmed(applicant)


async def test_wrong_stage_names_the_commands_possible_now(service: Service) -> None:
    applicant = await service.applicant()
    status = await applicant.signal("approve_application", form_revision=1)
    [refusal] = status.last_refusals
    for command in status.allowed_for[Role.BD]:
        assert command in refusal.message


async def test_signatures_against_the_order_and_without_the_document(service: Service) -> None:
    applicant = await service.applicant()
    await vendor_first(applicant)
    for refuse, error in (
        (await applicant.signature("partner", document_ref="DOC-1"), "signature_order"),
        (await applicant.signature("vendor"), "invalid"),
    ):
        status = await applicant.signal("sign_contract", **refuse)
        assert status.last_refusals[-1].error == error
        with pytest.raises(ApplicationError) as answer:
            await applicant.update("sign_contract", **refuse)
        assert answer.value.type == error
    assert not status.signing.begun
    await applicant.sign("vendor", document_ref="DOC-2")
    assert (await applicant.sign("partner", document_ref="DOC-1")).stage is Stage.ACTIVE
    await unharmed(applicant)


async def test_not_verified_is_refused_until_it_is_and_under_a_new_id(service: Service) -> None:
    applicant = await service.applicant(verified=False)
    with pytest.raises(ApplicationError) as answer:
        await applicant.update("confirm_company")
    assert answer.value.type == "enterprise_not_verified"
    assert "Your account has not completed enterprise verification" in answer.value.message
    await service.account(applicant.uid)
    assert (await applicant.update("confirm_company")).company_confirmed


async def test_uids_of_another_enterprise_or_business_do_not_match(service: Service) -> None:
    applicant, stranger, agency = [await service.applicant(start=False) for _ in range(3)]
    await service.account(stranger.uid, enterprise={"legal_name": "Another Ltd."})
    await service.account(agency.uid, business_type="agency")
    await applicant.join()
    await company_confirmed(applicant)
    for form in (
        payloads.form(stranger.uid),
        payloads.form(applicant.uid, associated_uids=[stranger.uid]),
        payloads.form(applicant.uid, associated_uids=[agency.uid]),
        payloads.form(applicant.uid, legal_name="Another Ltd."),
    ):
        status = await applicant.signal("submit_application", application=form)
        assert status.last_refusals[-1].error == "uid_mismatch"
        with pytest.raises(ApplicationError) as answer:
            await applicant.update("submit_application", application=form)
        assert answer.value.type == "uid_mismatch"
    assert status.stage is Stage.DRAFTING
    await unharmed(applicant)


async def test_only_the_latest_twenty_refusals_are_shown_but_all_are_on_record(service: Service) -> None:
    applicant = await service.applicant()
    sent = [payloads.command("withdraw_application") for _ in range(25)]
    for command in sent:
        await applicant.handle.signal("withdraw_application", command)
    status = await applicant.settled()
    ids = [command["command_id"] for command in sent]
    assert [refusal.command_id for refusal in status.last_refusals] == ids[-20:]
    assert [e.command_id for e in await audit(applicant) if e.verdict is Verdict.REFUSED] == ids
    await unharmed(applicant)


async def test_after_the_end_nothing_is_taken_any_more(service: Service) -> None:
    applicant = await service.applicant()
    outcome = await applicant.signal("cancel_application", reason="by mistake")
    assert await applicant.result() == answered(outcome)
    with pytest.raises(RPCError) as signalled:
        await applicant.handle.signal("confirm_company", payloads.command("confirm_company"))
    with pytest.raises(RPCError) as updated:
        await applicant.update("confirm_company")
    assert {signalled.value.status, updated.value.status} == {RPCStatusCode.NOT_FOUND}
    assert (await applicant.status()).outcome is Stage.CANCELLED
    await unharmed(applicant)


async def test_what_comes_while_the_end_is_reached_is_closed(service: Service) -> None:
    """In one workflow task with the command that ends it: refused as ``closed``, not lost."""
    applicant = await service.applicant()
    for _ in range(3):
        await applicant.handle.signal(
            "cancel_application", payloads.command("cancel_application", reason="x")
        )
    # What the server takes before the run has ended is refused; afterwards it is the server's not-found.
    assert (await applicant.result()).outcome is Stage.CANCELLED
    errors = [refusal.error for refusal in (await applicant.status()).last_refusals]
    assert errors == ["closed"] * len(errors)
    assert await refused(applicant) == [("cancel_application", "closed")] * len(errors)
    assert applicant.templates().count("application_cancelled") == 1
    await unharmed(applicant)
