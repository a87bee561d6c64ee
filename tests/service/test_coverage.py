"""Associated UIDs after access is given: added and taken away, by runs of their own (guide, FAQ Q4, Q5)."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.acpn_access import Grant
from activities.db.access import SqlAcpnAccess
from activities.db.email_ledger import EmailLedger
from domain.audit import Verdict
from domain.contract import ErrorType, Role, Stage, coverage_id
from domain.coverage import AddAssociatedUid
from domain.status import AccessCause, Closing, Missing
from starter.client.errors import OnboardingError
from starter.client.onboarding_client import OnboardingClient
from tests import payloads
from tests.coverage_changes import ADD, REMOVE, changed, started, wanted
from tests.long import SHORT
from tests.replay.outages import without_table
from tests.rig import Applicant, Service
from tests.service.coverage import CHANGED, grants, intact, replays
from tests.service.evidence import BD, PARTNER, audit, mails, row
from tests.service.own_server import HANG, templates, without_mail
from tests.service.test_waits_access import account_beside, grants_fail
from tests.service.trail import delivery_of
from tests.temporal_env import fast_forward

pytestmark = SHORT


async def test_an_associated_uid_is_added_once_and_taken_away_once(active: Applicant) -> None:
    other = await account_beside(active)
    before, sent = await row(active), len(mails(active))

    added = await changed(active, ADD, other)
    assert (added.verdict, added.sequence) == (Verdict.ACCEPTED, before.sequence + 1)
    assert added.covered_uids == (active.uid, other)
    assert await grants(active) == {active.uid, other}
    assert await changed(active, ADD, other) == added, "the same command, the same answer"
    again = await changed(active, ADD, other, command_id="another")
    assert (again.verdict, again.sequence) == (Verdict.NO_OP, before.sequence + 2)

    removed = await changed(active, REMOVE, other, role="bd")
    assert (removed.verdict, removed.covered_uids) == (Verdict.ACCEPTED, (active.uid,))
    assert await grants(active) == {active.uid}
    assert await changed(active, ADD, other) == added.model_copy(update={"covered_uids": (active.uid,)}), (
        "a command that comes again late is not carried out again"
    )
    assert await grants(active) == {active.uid}

    assert mails(active)[sent:] == CHANGED * 2
    after = await row(active)
    assert after.stage is Stage.ACTIVE
    assert after.status.access.covered_uids == (active.uid,)
    assert [(change.uid, change.added) for change in after.status.coverage_changes] == [
        (other, True),
        (other, False),
    ]
    assert [event.command for event in (await audit(active))[before.sequence :]] == [ADD, ADD, REMOVE]
    await intact(active)
    await replays(active)


async def test_what_the_rules_refuse_is_on_record_and_opens_nothing(active: Applicant) -> None:
    service = active.service
    others = await service.applicant()
    await others.to_review(main_uid=others.uid)
    unverified, foreign, distributor = [await account_beside(active) for _ in range(3)]
    await service.account(unverified, verified=False)
    await service.account(foreign, enterprise={"registration_number": "99-9"})
    await service.account(distributor, business_type="distributor")
    before, sent = await row(active), len(mails(active))

    refused = {
        unverified: ErrorType.ENTERPRISE_NOT_VERIFIED,
        foreign: ErrorType.UID_MISMATCH,
        distributor: ErrorType.UID_MISMATCH,
        others.uid: ErrorType.UID_MISMATCH,
    }
    for uid, error in refused.items():
        answer = await changed(active, ADD, uid)
        assert (answer.verdict, answer.error) == (Verdict.REFUSED, error)
        assert uid in (answer.message or "")
    main = await changed(active, REMOVE, active.uid)
    assert (main.error, main.covered_uids) == (ErrorType.INVALID, (active.uid,))
    vendor = await changed(active, ADD, unverified, role="vendor", command_id="v")
    assert vendor.error is ErrorType.FORBIDDEN
    used = await changed(active, REMOVE, unverified, command_id="v")
    assert used.error is ErrorType.INVALID

    assert await grants(active) == {active.uid}
    assert mails(active)[sent:] == []
    events = (await audit(active))[before.sequence :]
    assert [event.error for event in events] == [*refused.values(), "invalid", "forbidden", "invalid"]
    await intact(active)


async def test_while_acpn_is_down_it_goes_on_and_gets_there(active: Applicant) -> None:
    other = await account_beside(active)
    async with grants_fail(active.service, other):
        run = await started(active, wanted(active, ADD, other))
        await fast_forward(active.service.env, run, timedelta(minutes=20))
        assert await grants(active) == {active.uid}
    await fast_forward(active.service.env, run, timedelta(minutes=6))
    assert (await run.result()).verdict is Verdict.ACCEPTED
    assert await grants(active) == {active.uid, other}
    await intact(active)


async def test_while_the_directory_is_down_it_goes_on_and_gets_there(active: Applicant) -> None:
    other = await account_beside(active)
    async with without_table(active, "accounts"):
        run = await started(active, wanted(active, ADD, other))
        await fast_forward(active.service.env, run, timedelta(minutes=1))
        assert await grants(active) == {active.uid}
    await fast_forward(active.service.env, run, timedelta(minutes=6))
    assert (await run.result()).verdict is Verdict.ACCEPTED
    assert await grants(active) == {active.uid, other}
    await intact(active)


async def test_a_start_that_is_none_fails_as_invalid_and_one_too_early_is_refused(service: Service) -> None:
    applicant = await service.applicant()
    right = wanted(applicant, ADD, "1")
    for arguments, name, told in (
        ((), None, "expected one argument"),
        (({"kind": "no"},), None, "kind: must be one of"),
        (({**right, "associated_uid": "x"},), None, "associated_uid"),
        ((right,), "an-id-of-my-own", coverage_id(applicant.uid)),
    ):
        run = await started(applicant, *arguments, name=name)
        with pytest.raises(WorkflowFailureError) as failure:
            await run.result()
        assert isinstance(failure.value.cause, ApplicationError)
        assert failure.value.cause.type == ErrorType.INVALID
        assert told in failure.value.cause.message
    before = await audit(applicant)
    assert (await changed(applicant, ADD, "1")).error is ErrorType.WRONG_STAGE
    assert await audit(applicant) == before, "its own run writes the trail"
    stranger = await service.applicant(start=False)
    assert (await changed(stranger, ADD, "1")).error is ErrorType.NOT_FOUND


async def test_the_client_adds_and_is_refused(active: Applicant) -> None:
    client = OnboardingClient(active.service.env.client)
    other = await account_beside(active)
    command = AddAssociatedUid.model_validate(wanted(active, ADD, other))
    assert (await client.change_coverage(command)).covered_uids == (active.uid, other)
    with pytest.raises(OnboardingError) as refusal:
        await client.change_coverage(
            command.model_copy(update={"associated_uid": "404", "command_id": "another"})
        )
    assert refusal.value.type is ErrorType.NOT_FOUND


async def test_a_cancel_ends_nothing_that_acpn_may_have_done(active: Applicant) -> None:
    other = await account_beside(active)
    async with grants_fail(active.service, other):
        run = await started(active, wanted(active, ADD, other))
        await fast_forward(active.service.env, run, timedelta(seconds=5))
        await run.cancel()
        await fast_forward(active.service.env, run, timedelta(minutes=1))
    await fast_forward(active.service.env, run, timedelta(minutes=6))
    assert (await run.result()).verdict is Verdict.ACCEPTED
    await intact(active)


async def test_a_form_with_an_account_another_application_covers_is_refused(service: Service) -> None:
    theirs, ours = await service.applicant(), await service.applicant()
    shared = await account_beside(theirs)
    await theirs.to_review(associated_uids=[shared])
    await ours.update("confirm_company")
    form = payloads.form(ours.uid, associated_uids=[shared])
    with pytest.raises(ApplicationError, match=f"Another application covers UID {shared}") as refusal:
        await ours.update("submit_application", application=form)
    assert refusal.value.type == ErrorType.UID_MISMATCH
    await theirs.signal("reject_application", reason_code="SIZE", explanation="Twenty engineers.")
    assert (await ours.update("submit_application", application=form)).stage is Stage.UNDER_REVIEW


async def test_of_two_submitted_at_once_the_first_goes_on_and_bd_is_told_so_of_the_other(
    service: Service,
) -> None:
    """Neither finds the other's row; one of them is stopped before anybody signs."""
    theirs, ours = await service.applicant(), await service.applicant()
    shared = await account_beside(theirs)
    for applicant in (theirs, ours):
        await applicant.update("confirm_company")
    async with without_table(ours, "covered_accounts"):
        for applicant in (theirs, ours):
            form = payloads.form(applicant.uid, associated_uids=[shared])
            status = await applicant.update("submit_application", application=form)
            assert status.stage is Stage.UNDER_REVIEW
    for applicant in (theirs, ours):
        await applicant.pass_time(timedelta(minutes=1))
    told = (
        f"Another application comes first: UID {shared} is covered by that of {payloads.ENTERPRISE}, "
        f"Company Master UID {theirs.uid} "
    )
    for _ in range(2):
        with pytest.raises(ApplicationError, match=told) as refusal:
            await ours.update("approve_application", form_revision=1)
        assert refusal.value.type == ErrorType.UID_MISMATCH
    assert (await theirs.update("approve_application", form_revision=1)).stage is Stage.QUALIFIED
    await theirs.stored()
    await ours.update("withdraw_application")
    again = payloads.form(ours.uid, associated_uids=[shared])
    with pytest.raises(ApplicationError, match=f"Another application covers UID {shared}: leave it out"):
        await ours.update("submit_application", application=again)
    await theirs.update("cancel_application", reason="Entered twice")
    await theirs.result()
    await ours.update("submit_application", application=again)
    assert (await ours.update("approve_application", form_revision=2)).stage is Stage.QUALIFIED


async def test_what_another_application_keeps_from_access_is_ended_by_bd(service: Service) -> None:
    ours = await service.applicant()
    access = SqlAcpnAccess(service.database)
    await access.give(
        [Grant(uid=ours.uid, application_id="x", company_master_uid="999", granted_at=await ours.now())]
    )
    status = await ours.to_signed()
    assert (status.stage, "end_contract" in status.allowed_for[Role.BD]) == (Stage.ACTIVATING, True)
    ended = await ours.update("end_contract", reason="Company 999 keeps the account.")
    assert (ended.stage, ended.outcome) == (Stage.CANCELLED, Stage.CANCELLED)
    closing = (await ours.result()).closing
    assert closing == Closing(by=Role.BD, reason="Company 999 keeps the account.")
    assert mails(ours)[-2:] == [("contract_ended", PARTNER), ("contract_ended_to_bd", BD)]
    assert await access.grants(ours.uid) == ()
    assert await access.grants("999")
    assert await access.take_back("999", "x")


async def test_what_slipped_through_waits_for_access_until_the_other_gives_it_up(service: Service) -> None:
    """Rows lag behind the runs: two forms may both have passed."""
    ours = await service.applicant()
    access = SqlAcpnAccess(service.database)
    await access.give(
        [Grant(uid=ours.uid, application_id="x", company_master_uid="999", granted_at=await ours.now())]
    )
    status = await ours.to_signed()
    assert status.stage is Stage.ACTIVATING
    assert status.access.missing == (Missing(cause=AccessCause.COVERED_ELSEWHERE, uids=(ours.uid,)),)
    assert mails(ours)[-2:] == [("access_delayed", PARTNER), ("access_alert", BD)]
    assert await access.take_back("999", "x")
    assert (await ours.pass_time(timedelta(hours=1))).stage is Stage.ACTIVE


async def test_mails_that_wait_for_the_mail_server_leave_once_whoever_decided_them(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    async with without_mail(server, tmp_path) as (applicant, smtp):
        await applicant.service.account(applicant.uid)
        await applicant.update("confirm_company")
        await applicant.update("submit_application", application=payloads.form(applicant.uid))
        await applicant.update("approve_application", form_revision=1)
        await applicant.update("issue_decision_sheet", sheet=payloads.sheet())
        await applicant.update("confirm_terms", **await applicant.named_sheet())
        for party in ("partner", "vendor"):
            await applicant.update("sign_contract", **await applicant.signature(party))
        await server.fast_forward(applicant.handle, timedelta(minutes=1))
        assert (await applicant.result()).stage is Stage.ACTIVE
        before = await delivery_of(applicant)
        other = await account_beside(applicant)
        assert (await changed(applicant, ADD, other)).verdict is Verdict.ACCEPTED
        async with smtp.running(), asyncio.timeout(HANG):
            await before.result()
            while (await row(applicant)).status.pending_emails:  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.1)
        sent = await EmailLedger(applicant.service.database).of((await applicant.status()).application_id)
        assert [mail.state for mail in sent] == ["sent"] * len(sent)
        assert templates(smtp) == [mail.template for mail in sent], "each once, in order"
        assert templates(smtp)[-3:] == ["access_granted", *(name for name, _ in CHANGED)]
