"""Associated UIDs after access is given: added and taken away, by runs of their own (guide, FAQ Q4, Q5)."""

import asyncio
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from activities.acpn_access import Grant
from activities.db.access import SqlAcpnAccess
from activities.db.email_ledger import EmailLedger
from domain.audit import Verdict
from domain.chain import broken_at
from domain.contract import ErrorType, Role, Stage, coverage_id
from domain.coverage import AddAssociatedUid, CoverageAnswer
from domain.status import AccessCause, Closing, Missing, WarningCode
from starter.client.errors import OnboardingError
from starter.client.onboarding_client import OnboardingClient
from tests import payloads
from tests.coverage_changes import ADD, REMOVE, changed, started, wanted
from tests.long import SHORT
from tests.replay.outages import without_table
from tests.replay.resets import after, first_task, reset
from tests.rig import Applicant, Service
from tests.service.evidence import BD, PARTNER, audit, mails, records, row
from tests.service.own_server import HANG, templates, without_mail
from tests.service.resetting import mark, outcome, resets, taken_up, task_ends, turn_back
from tests.service.test_waits_access import account_beside, grants_fail
from tests.service.trail import delivery_of
from tests.temporal_env import fast_forward
from worker import WORKFLOWS
from workflows.plugin import OnboardingPlugin

pytestmark = SHORT

CHANGED = [("associated_uid_changed", PARTNER), ("associated_uid_changed_to_bd", BD)]


async def grants(applicant: Applicant) -> set[str]:
    """The accounts that have access."""
    given = await SqlAcpnAccess(applicant.service.database).grants(applicant.uid)
    return {grant.uid for grant in given}


def text_of(mail: EmailMessage) -> str:
    """What a mail says."""
    body = mail.get_body(("plain",))
    assert body
    return str(body.get_content())


async def intact(applicant: Applicant) -> None:
    """No number is missing, none is used twice, and the chain holds."""
    application_id = (await row(applicant)).application_id
    trail = await (await records(applicant)).trail(application_id)
    assert [stored.event.sequence for stored in trail] == list(range(1, len(trail) + 1))
    assert broken_at(application_id, trail) is None


async def replays(applicant: Applicant) -> None:
    """Every change of the company replays as it was written."""
    client = applicant.service.env.client
    replayer = Replayer(workflows=WORKFLOWS, plugins=[OnboardingPlugin()])
    runs = [run async for run in client.list_workflows(f"WorkflowId = '{coverage_id(applicant.uid)}'")]
    assert runs
    for run in runs:
        handle = client.get_workflow_handle(run.id, run_id=run.run_id)
        await replayer.replay_workflow(await handle.fetch_history())


@pytest.fixture
async def active(service: Service) -> Applicant:
    """An applicant with access."""
    applicant = await service.applicant()
    assert (await applicant.to_signed()).stage is Stage.ACTIVE
    await applicant.result()
    return applicant


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


async def test_what_was_changed_since_stays_when_the_application_is_reset(active: Applicant) -> None:
    """A change is no step of the application's run: a reset of that undoes none."""
    other, gone = await account_beside(active), await account_beside(active)
    added = await changed(active, ADD, other)
    await changed(active, ADD, gone)
    removed = await changed(active, REMOVE, gone)
    sent = mails(active)
    await turn_back(active, await mark(active))
    event = await taken_up(active)
    assert not event.details["access_taken_back"]
    assert (event.message or "").endswith(f"The Associated UIDs stay as they were changed: {other}.")
    assert await grants(active) == {active.uid, other}
    shown = (await row(active)).status
    assert shown.access.covered_uids == (active.uid, other)
    assert [(change.uid, change.added) for change in shown.coverage_changes] == [
        (other, True),
        (gone, True),
        (gone, False),
    ]
    assert await changed(active, ADD, other) == added, "the same command, the same answer"
    assert await changed(active, REMOVE, gone) == removed
    assert mails(active) == sent, "nothing has changed, so there is nothing to tell"
    await intact(active)


async def test_what_was_changed_since_stays_when_access_is_taken_back_and_given_again(
    active: Applicant,
) -> None:
    other = await account_beside(active)
    added = await changed(active, ADD, other)
    for _ in range(2):
        number = len(await resets(active))
        await reset(active, await after(active, Stage.CONFIRMING_TERMS), reapply=False)
        assert (await taken_up(active, number + 1)).details["access_taken_back"]
        assert await grants(active) == set()
        assert (await changed(active, REMOVE, other)).error is ErrorType.WRONG_STAGE
        await active.signal("confirm_terms", **await active.named_sheet())
        await active.sign("partner")
        await active.sign("vendor")
        assert (await outcome(active)).access.covered_uids == (active.uid, other)
        assert await grants(active) == {active.uid, other}
        granted = active.service.mailbox.of(active.uid)[-1]
        assert granted["X-Onboarding-Template"] == "access_granted"
        assert other in text_of(granted)
        assert await changed(active, ADD, other) == added
    await intact(active)


async def test_who_is_to_submit_the_form_again_is_told_what_it_leaves_out(active: Applicant) -> None:
    """Before the form there is nothing an account could have been added to: the new form says what is
    covered."""
    other = await account_beside(active)
    await changed(active, ADD, other)
    await turn_back(active, await first_task(active), reapply=False)
    await taken_up(active)
    await active.settled()
    await active.signal("confirm_company")
    status = await active.signal("submit_application", application=payloads.form(active.uid))
    warned = [(warned.code, warned.uid) for warned in status.warned]
    assert (status.stage, warned) == (
        Stage.UNDER_REVIEW,
        [(WarningCode.ACCESS_TAKEN_BACK, None), (WarningCode.ADDED_UID_LEFT_OUT, other)],
    )
    *_, to_partner, to_bd = active.service.mailbox.of(active.uid)
    for mail, template in ((to_partner, "application_received"), (to_bd, "review_requested")):
        assert mail["X-Onboarding-Template"] == template
        assert f"UID {other}" in text_of(mail)
    await active.signal("withdraw_application")
    form = payloads.form(active.uid, associated_uids=[other])
    status = await active.signal("submit_application", application=form)
    assert [warned.code for warned in status.warned] == [WarningCode.ACCESS_TAKEN_BACK]
    await intact(active)


async def test_a_change_that_is_reset_tells_what_came_of_it(active: Applicant) -> None:
    other = await account_beside(active)
    added = await changed(active, ADD, other)
    sent, events = mails(active), await audit(active)
    run = active.service.env.client.get_workflow_handle(coverage_id(active.uid), result_type=CoverageAnswer)
    change = Applicant(active.service, active.uid)
    change.handle = run
    for place in (0, 1, -1):
        await turn_back(change, (await task_ends(change))[place])
        assert await run.result() == added
    assert (mails(active), await audit(active)) == (sent, events)
    assert await grants(active) == {active.uid, other}


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
