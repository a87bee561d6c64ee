"""A command is carried out once, however often it comes (docs/reference/contract.md)."""

import asyncio
from typing import Any, Final

import pytest
from temporalio.exceptions import ApplicationError

from domain.audit import Verdict
from domain.contract import UPDATE_NAME, Stage
from domain.status import Status
from tests import payloads
from tests.rig import Applicant, Service
from tests.service.evidence import row
from tests.service.trail import audit, ledger, refused, unharmed

IN_FLIGHT: Final = 9
"""One less than the server lets be in flight at once."""


@pytest.fixture
async def applicant(service: Service) -> Applicant:
    """One whose application is under review."""
    applicant = await service.applicant()
    await applicant.to_review()
    return applicant


def approval(**changes: Any) -> payloads.Json:
    return payloads.command("approve_application", form_revision=1, **changes)


def tagged(command: payloads.Json, kind: str = "approve_application") -> payloads.Json:
    return {"kind": kind, **command}


async def verdicts(applicant: Applicant, command: str) -> list[Verdict]:
    return [event.verdict for event in await audit(applicant) if event.command == command]


async def test_a_signal_repeated_by_update(service: Service, applicant: Applicant) -> None:
    command = approval()
    await applicant.handle.signal("approve_application", command)
    await applicant.settled()
    answer = await applicant.submit(tagged(command), update_id=command["command_id"])
    assert answer.stage is Stage.QUALIFIED
    await applicant.settled()
    assert await verdicts(applicant, "approve_application") == [Verdict.ACCEPTED]
    assert applicant.templates().count("application_approved") == 1
    await unharmed(applicant)


async def test_an_update_repeated_by_signal(service: Service, applicant: Applicant) -> None:
    command = approval()
    await applicant.submit(tagged(command), update_id=command["command_id"])
    await applicant.handle.signal("approve_application", command)
    status = await applicant.settled()
    assert status.last_refusals == ()
    assert await verdicts(applicant, "approve_application") == [Verdict.ACCEPTED]
    assert applicant.templates().count("application_approved") == 1
    await unharmed(applicant)


async def test_an_update_repeated_under_its_update_id_and_under_another(
    service: Service, applicant: Applicant
) -> None:
    command = approval()
    first = await applicant.submit(tagged(command), update_id=command["command_id"])
    again = await applicant.submit(tagged(command), update_id=command["command_id"])
    other = await applicant.submit(tagged(command))
    assert again == first
    assert other.stage is first.stage
    assert await verdicts(applicant, "approve_application") == [Verdict.ACCEPTED]
    await unharmed(applicant)


async def test_a_repeated_command_is_told_what_became_of_it_the_first_time(
    service: Service, applicant: Applicant
) -> None:
    """Whatever has happened since: verdict, stage and number, of what was carried out and what was not."""
    accepted, idle = tagged(approval()), tagged(approval())
    refused = tagged(payloads.command("confirm_terms", sheet_revision=1, sheet_hash="ab"), "confirm_terms")
    firsts = [await applicant.submit(accepted), await applicant.submit(idle)]
    with pytest.raises(ApplicationError) as first:
        await applicant.submit(refused)
    number = firsts[0].sequence
    assert [status.answered and status.answered.model_dump() for status in firsts] == [
        {"verdict": "accepted", "stage": "qualified", "sequence": number},
        {"verdict": "no_op", "stage": "qualified", "sequence": number + 1},
    ]
    assert first.value.details == ({"verdict": "refused", "stage": "qualified", "sequence": number + 2},)
    now = await applicant.signal("issue_decision_sheet", sheet=payloads.sheet())
    assert now.answered is None
    for _ in range(2):
        again = [await applicant.submit(accepted), await applicant.submit(idle)]
        with pytest.raises(ApplicationError) as still:
            await applicant.submit(refused)
        assert [status.answered for status in again] == [status.answered for status in firsts]
        assert {(status.stage, status.sequence) for status in again} == {(now.stage, now.sequence)}
        assert (still.value.type, still.value.details) == (first.value.type, first.value.details)
    await unharmed(applicant)


async def test_the_company_confirmed_and_submitted_is_the_one_that_was_shown(service: Service) -> None:
    """The account directory has another one meanwhile, twice; the row shows what the status shows."""
    applicant = await service.applicant()
    first = (await applicant.status()).company
    assert first
    await service.account(applicant.uid, enterprise={"legal_name": "Acme Global Pte. Ltd."})
    for named in ({"company_hash": first.hash}, {"company_hash": first.hash}):
        with pytest.raises(ApplicationError) as refusal:
            await applicant.update("confirm_company", **named)
        assert refusal.value.type == "stale_revision"
    shown = (await applicant.settled()).company
    assert shown
    assert shown.legal_name == "Acme Global Pte. Ltd."
    assert (await row(applicant)).status.company == shown
    assert (await applicant.signal("confirm_company", company_hash=shown.hash)).company_confirmed

    await service.account(applicant.uid)
    form = payloads.form(applicant.uid)
    status = await applicant.signal("submit_application", application=form)
    assert status.last_refusals[-1].error == "company_not_confirmed"
    assert (status.company, status.company_confirmed) == (first, False)
    await applicant.signal("confirm_company")
    assert (await applicant.signal("submit_application", application=form)).stage is Stage.UNDER_REVIEW
    assert await refused(applicant) == [
        *[("confirm_company", "stale_revision")] * 2,
        ("submit_application", "company_not_confirmed"),
    ]
    await unharmed(applicant)


async def test_the_same_command_in_flight_several_times_at_once(
    service: Service, applicant: Applicant
) -> None:
    command = approval()
    answers = await asyncio.gather(
        *(applicant.submit(tagged(command)) for _ in range(5)),
        *(applicant.handle.signal("approve_application", command) for _ in range(5)),
    )
    assert {answer.stage for answer in answers if isinstance(answer, Status)} == {Stage.QUALIFIED}
    await applicant.settled()
    assert await verdicts(applicant, "approve_application") == [Verdict.ACCEPTED]
    assert applicant.templates().count("application_approved") == 1
    await unharmed(applicant)


async def test_a_refused_command_gets_the_same_refusal_again_even_if_it_would_be_accepted_now(
    service: Service, applicant: Applicant
) -> None:
    command = payloads.command("issue_decision_sheet", sheet=payloads.sheet())
    tagged_command = tagged(command, "issue_decision_sheet")
    with pytest.raises(ApplicationError) as first:
        await applicant.submit(tagged_command)
    await applicant.signal("approve_application", form_revision=1)
    with pytest.raises(ApplicationError) as again:
        await applicant.submit(tagged_command)
    assert (again.value.type, again.value.message) == (first.value.type, first.value.message)
    await applicant.handle.signal("issue_decision_sheet", command)
    status = await applicant.settled()
    assert status.stage is Stage.QUALIFIED
    assert await refused(applicant) == [("issue_decision_sheet", "wrong_stage")]
    assert (await applicant.signal("issue_decision_sheet", sheet=payloads.sheet())).sheet
    await unharmed(applicant)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("approve_application", {"form_revision": 2}),
        ("withdraw_application", {}),
        ("decline", {"reason": "x"}),
    ],
)
async def test_the_same_id_with_another_payload_is_invalid(
    service: Service, applicant: Applicant, kind: str, changes: dict[str, Any]
) -> None:
    command = approval()
    await applicant.handle.signal("approve_application", command)
    other = payloads.command(kind, command_id=command["command_id"], **changes)
    await applicant.handle.signal(kind, other)
    status = await applicant.settled()
    assert [refusal.error for refusal in status.last_refusals] == ["invalid"]
    assert "was used for another command" in status.last_refusals[0].message
    with pytest.raises(ApplicationError) as refusal:
        await applicant.submit(tagged(other, kind))
    assert refusal.value.type == "invalid"
    # The first one's answer stands.
    assert (await applicant.submit(tagged(command))).stage is Stage.QUALIFIED
    assert await refused(applicant) == [(kind, "invalid")] * 2
    await unharmed(applicant)


async def test_the_time_of_sending_does_not_make_another_command(
    service: Service, applicant: Applicant
) -> None:
    command = approval()
    await applicant.submit(tagged(command))
    await applicant.submit(tagged(command | {"occurred_at": "2026-01-05T02:00:00Z"}))
    assert await refused(applicant) == []


async def test_an_effect_in_place_is_no_op_without_a_second_mail(service: Service) -> None:
    """Every step of the way again under a new ID, right after the step and at the end."""
    applicant = await service.applicant()
    done: list[tuple[str, payloads.Json]] = []

    async def twice(kind: str, **payload: Any) -> None:
        accepted = await applicant.signal(kind, **payload)
        mails = applicant.templates()
        repeated = await applicant.update(kind, **payload)
        again = await applicant.signal(kind, **payload)
        # Both are on record, and nothing else has changed.
        assert again == accepted.model_copy(update={"sequence": accepted.sequence + 2})
        assert repeated.stage is accepted.stage
        assert repeated.due_at == accepted.due_at
        assert applicant.templates() == mails
        done.append((kind, payload))

    await twice("confirm_company")
    await twice("submit_application", application=payloads.form(applicant.uid))
    await twice("request_justification", question="Who are your engineers?")
    await twice("provide_justification", answer="Twelve of them.")
    await twice("withdraw_application", reason="a typing error")
    await twice("submit_application", application=payloads.form(applicant.uid, address="2 Raffles Place"))
    await twice("approve_application", form_revision=2)
    await twice("issue_decision_sheet", sheet=payloads.sheet(start="2030-01-01"))
    await twice("modify_terms", sheet_revision=1, description="12 %, please")
    await twice("issue_decision_sheet", sheet=payloads.sheet(start="2030-01-01", ecs="12"))
    await twice("confirm_terms", **await applicant.named_sheet())
    await twice("record_contact", note="called")
    await twice("choose_signing_path", path="framework_addendum", order="partner_first")
    await twice("reassign_bd", bd={"name": "New One", "email": "new.one@vendor.example.com"})
    await twice("sign_contract", **await applicant.signature("partner"))
    await twice("sign_contract", **await applicant.signature("vendor"))
    await twice("amend_start_date", start_date="2031-01-01", time_zone="Asia/Singapore", reason="later")

    status = await applicant.status()
    assert status.stage is Stage.SIGNED
    assert status.last_refusals == ()
    trail = [(event.command, event.verdict) for event in await audit(applicant)]
    expected = [("join", Verdict.ACCEPTED)]
    for kind, _ in done:
        expected += [(kind, Verdict.ACCEPTED), (kind, Verdict.NO_OP), (kind, Verdict.NO_OP)]
    assert trail == expected
    keys = [mail.key for mail in await ledger(applicant)]
    assert len(keys) == len(set(keys)) == len(applicant.templates())
    await unharmed(applicant)


async def test_a_burst_is_finished_in_order(service: Service) -> None:
    applicant = await service.applicant()
    form = payloads.form(applicant.uid)
    burst: list[tuple[str, payloads.Json]] = [
        ("confirm_company", payloads.command("confirm_company")),
        ("submit_application", payloads.command("submit_application", application=form)),
        ("withdraw_application", payloads.command("withdraw_application")),
        ("submit_application", payloads.command("submit_application", application=form)),
        ("approve_application", payloads.command("approve_application", form_revision=1)),
        ("approve_application", payloads.command("approve_application", form_revision=2)),
        ("withdraw_application", payloads.command("withdraw_application")),
        ("issue_decision_sheet", payloads.command("issue_decision_sheet", sheet=payloads.sheet())),
    ]
    for kind, command in burst:
        await applicant.handle.signal(kind, command)
    answer = await applicant.update("modify_terms", sheet_revision=1, description="sent last, so judged last")
    assert answer.stage is Stage.CORRECTING_TERMS
    await applicant.settled()
    trail = (await audit(applicant))[1:]
    assert [event.command_id for event in trail][:-1] == [command["command_id"] for _, command in burst]
    assert [event.error for event in trail] == [
        *(None, None, None, None, "stale_revision", None, "wrong_stage", None, None)
    ]
    assert applicant.templates() == [
        "application_received",
        "review_requested",
        "application_withdrawn",
        "withdrawn_to_bd",
        "application_received",
        "review_requested",
        "application_approved",
        "sheet_to_confirm",
        "modification_requested",
    ]
    await unharmed(applicant)


async def test_nine_updates_at_once_are_each_answered_in_the_order_of_arrival(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_signatures()
    commands = [payloads.command("record_contact", note=f"call {n}") for n in range(IN_FLIGHT)]
    answers = await asyncio.gather(
        *(
            applicant.submit(tagged(command, "record_contact"), update_id=command["command_id"])
            for command in commands
        )
    )
    assert {answer.stage for answer in answers} == {Stage.AWAITING_SIGNATURES}
    await applicant.settled()
    accepted = [event for event in await audit(applicant) if event.command == "record_contact"]
    in_history = [
        event.workflow_execution_update_accepted_event_attributes.accepted_request.meta.update_id
        for event in (await applicant.history()).events
        if event.HasField("workflow_execution_update_accepted_event_attributes")
    ]
    assert [event.command_id for event in accepted] == in_history
    assert sorted(in_history) == sorted(command["command_id"] for command in commands)
    await unharmed(applicant)


async def test_an_answer_can_be_fetched_by_command_id(applicant: Applicant) -> None:
    """The update ID is the command's: who lost the connection asks again for the answer."""
    command = approval()
    await applicant.submit(tagged(command), update_id=command["command_id"])
    handle = applicant.handle.get_update_handle(command["command_id"], result_type=Status)
    assert (await handle.result()).stage is Stage.QUALIFIED
    assert UPDATE_NAME == "submit_command"
