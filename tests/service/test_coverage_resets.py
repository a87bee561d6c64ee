"""What was changed after access was given, and changes themselves, when Temporal resets their runs."""

from domain.contract import ErrorType, Stage, coverage_id
from domain.coverage import CoverageAnswer
from domain.status import WarningCode
from tests import payloads
from tests.coverage_changes import ADD, REMOVE, changed
from tests.long import SHORT
from tests.replay.resets import after, first_task, reset
from tests.rig import Applicant
from tests.service.coverage import grants, intact, text_of
from tests.service.evidence import audit, mails, row
from tests.service.resetting import mark, outcome, resets, taken_up, task_ends, turn_back
from tests.service.test_waits_access import account_beside

pytestmark = SHORT


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
