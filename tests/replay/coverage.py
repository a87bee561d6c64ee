"""Journeys of active applications: Associated UIDs are added and taken away, each by a run of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, text
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from activities.acpn_access import Grant
from activities.db.access import SqlAcpnAccess
from activities.db.tables import CoveredAccountRow
from domain.audit import Verdict
from domain.contract import ErrorType, Stage, coverage_id
from domain.coverage import CoverageAnswer
from tests import payloads
from tests.activities.receivers import until
from tests.coverage_changes import ADD, REMOVE, changed, started, wanted
from tests.replay.outages import without_table
from tests.replay.resets import after, reset
from tests.replay.ways import Journey
from tests.rig import Applicant
from tests.service.evidence import audit, row
from tests.service.resetting import mark, taken_up, turn_back
from tests.service.test_waits_access import account_beside, grants_fail
from tests.smtp_server import Plan, SmtpServer
from tests.temporal_env import fast_forward
from workflows import calls

_TRIED_OFTEN: Final = 5
"""The attempt of an activity before which there are eight seconds."""


async def _to_active(applicant: Applicant) -> str:
    """The application is active and its run has ended; another account of the enterprise."""
    await applicant.to_signed()
    await applicant.result()
    return await account_beside(applicant)


async def _added_and_removed(applicant: Applicant) -> None:
    """Each twice under its ID and once under another; what the rules refuse in between."""
    other = await _to_active(applicant)
    for command_id in ("add", "add", "add-again"):
        await changed(applicant, ADD, other, command_id=command_id)
    await changed(applicant, ADD, "404")
    await changed(applicant, REMOVE, applicant.uid)
    await changed(applicant, ADD, other, role="vendor", command_id="forbidden")
    await changed(applicant, REMOVE, other, command_id="add")
    for command_id in ("remove", "remove", "remove-again"):
        await changed(applicant, REMOVE, other, role="bd", command_id=command_id)


async def _acpn_down(applicant: Applicant) -> None:
    other = await _to_active(applicant)
    async with grants_fail(applicant.service, other):
        run = await started(applicant, wanted(applicant, ADD, other))
        await fast_forward(applicant.service.env, run, timedelta(seconds=5))
    await fast_forward(applicant.service.env, run, timedelta(minutes=1))
    await run.result()


async def _mails_wait(applicant: Applicant, *, server: SmtpServer) -> None:
    """The partner's mailbox is refused for now when an account is added, and bounces in the end."""
    other = await _to_active(applicant)
    server.plan = Plan(recipients={payloads.CONTACT["email"]: "550 5.1.1 No such user"})
    await changed(applicant, ADD, other)
    server.plan = Plan(recipients={payloads.CONTACT["email"]: "450 4.2.1 Later, please"})
    await changed(applicant, REMOVE, other)
    server.plan = Plan()


async def _stays_through_resets(applicant: Applicant) -> None:
    """The application's run is reset, to its end and to before access was given, and gets there again."""
    other = await _to_active(applicant)
    await changed(applicant, ADD, other)
    await turn_back(applicant, await mark(applicant))
    await taken_up(applicant)
    await changed(applicant, ADD, other)
    await reset(applicant, await after(applicant, Stage.CONFIRMING_TERMS), reapply=False)
    await taken_up(applicant, 2)
    await applicant.signal("confirm_terms", **await applicant.named_sheet())
    for party in ("partner", "vendor"):
        await applicant.sign(party)


async def _access_by_another(applicant: Applicant) -> None:
    """At every look-up another company's active application covers the applicant's account, and then gives it
    up."""
    other = await applicant.service.applicant()
    await _to_active(other)
    application_id = (await row(other)).application_id
    database = applicant.service.database

    @asynccontextmanager
    async def covered() -> AsyncIterator[None]:
        added = {"application_id": application_id, "uid": applicant.uid}
        await database.write(lambda connection: connection.execute(insert(CoveredAccountRow), added))
        try:
            yield
        finally:
            removed = delete(CoveredAccountRow).filter_by(**added)
            await database.write(lambda connection: connection.execute(removed))

    async def refused_and_then_not(kind: str, **payload: Any) -> None:
        async with covered():
            await applicant.signal(kind, **payload)
        await applicant.signal(kind, **payload)
        await applicant.stored()

    async with covered():
        await applicant.join()
    await refused_and_then_not("confirm_company")
    await refused_and_then_not("submit_application", application=payloads.form(applicant.uid))
    await refused_and_then_not("approve_application", form_revision=1)
    await refused_and_then_not("issue_decision_sheet", sheet=payloads.sheet())
    await refused_and_then_not("confirm_terms", **await applicant.named_sheet())


async def _held_up_by_another(applicant: Applicant) -> None:
    """Another company's application has given the account access; BD ends the contract that waits for it."""
    access = SqlAcpnAccess(applicant.service.database)
    theirs = {"uid": applicant.uid, "application_id": "x", "company_master_uid": "999"}
    await access.give([Grant.model_validate(theirs | {"granted_at": await applicant.now()})])
    await applicant.to_signed()
    await applicant.signal("end_contract", role="partner", reason="Off.")
    for _ in range(2):
        with suppress(RPCError):
            await applicant.signal("end_contract", command_id="end", reason="Company 999 keeps the account.")
    await applicant.result()


async def _taken_elsewhere(applicant: Applicant) -> None:
    """ACPN, asked last, finds that another application has given the account access; then it gives it up."""
    other = await _to_active(applicant)
    access = SqlAcpnAccess(applicant.service.database)
    grant = {"uid": other, "application_id": "x", "company_master_uid": "999"}
    await access.give([Grant.model_validate(grant | {"granted_at": await applicant.now()})])
    refused = await changed(applicant, ADD, other)
    assert (refused.verdict, refused.error) == (Verdict.REFUSED, ErrorType.UID_MISMATCH)
    assert other in (refused.message or "")
    assert await access.take_back("999", "x")
    added = await changed(applicant, ADD, other, command_id="add-again")
    assert added.covered_uids == (applicant.uid, other)


async def _cancelled(applicant: Applicant) -> None:
    """While nothing is known of the account: ACPN has not been asked, so there is nothing to carry to its
    end."""
    other = await _to_active(applicant)
    before = await row(applicant)
    async with without_table(applicant, "accounts"):
        run = await started(applicant, wanted(applicant, ADD, other))
        await fast_forward(applicant.service.env, run, timedelta(seconds=5))
        await run.cancel()
        with suppress(WorkflowFailureError):
            await run.result()
    assert (await run.describe()).status is WorkflowExecutionStatus.CANCELED
    assert (await row(applicant)).sequence == before.sequence


async def _goes_on_as_new(applicant: Applicant) -> None:
    """The directory is down so long that a run goes on as a new one, which adds the account."""
    other = await _to_active(applicant)
    async with without_table(applicant, "accounts"):
        run = await started(applicant, wanted(applicant, ADD, other))
        await fast_forward(applicant.service.env, run, timedelta(minutes=1))
    await fast_forward(applicant.service.env, run, timedelta(minutes=6))
    answer: CoverageAnswer = await run.result()
    assert answer.covered_uids == (applicant.uid, other)


async def _bounced_untold(applicant: Applicant, *, server: SmtpServer) -> None:
    """A mail that waits bounces, but the database does not take the event that tells of it: the next change
    tells."""
    other = await _to_active(applicant)
    server.plan = Plan(recipients={payloads.CONTACT["email"]: "450 4.2.1 Later, please"})
    await changed(applicant, ADD, other)
    before = await row(applicant)
    left = f"{coverage_id(applicant.uid)}-delivery-{before.application_id}-{before.sequence}"
    child = applicant.service.env.client.get_workflow_handle(left)
    async with _not_stored(applicant, "email_failed"):
        server.plan = Plan(recipients={payloads.CONTACT["email"]: "550 5.1.1 No such user"})
        await until(lambda: _tried_again(child, calls.PUBLISH, _TRIED_OFTEN), within=60)
    assert not (await row(applicant)).status.failed_emails
    server.plan = Plan()
    removed = await changed(applicant, REMOVE, other)
    assert [event.command for event in await audit(applicant)][removed.sequence - 1 :] == [
        REMOVE,
        "email_failed",
    ]
    assert (await row(applicant)).status.failed_emails
    await child.result()


async def _overtaken_by_a_reset(applicant: Applicant) -> None:
    """The application is reset when a change was decided and could not be stored: it is decided once more."""
    other = await _to_active(applicant)
    async with _not_stored(applicant, ADD):
        run = await started(applicant, wanted(applicant, ADD, other))
        await until(lambda: _tried_again(run, calls.PUBLISH))
        await turn_back(applicant, await mark(applicant))
        await taken_up(applicant)
    await fast_forward(applicant.service.env, run, timedelta(minutes=6))
    answer: CoverageAnswer = await run.result()
    assert (answer.verdict, answer.covered_uids) == (Verdict.ACCEPTED, (applicant.uid, other))
    events = [event.command for event in await audit(applicant)]
    assert events[-2:] == ["reset", ADD], "stored once, after the reset"


@asynccontextmanager
async def _not_stored(applicant: Applicant, command: str) -> AsyncIterator[None]:
    """The database takes no such event of the applicant's application meanwhile."""
    name, database = f"not_stored_{int(applicant.uid)}", applicant.service.database
    application_id = UUID((await row(applicant)).application_id)
    trigger = text(
        f"CREATE TRIGGER {name} BEFORE INSERT ON audit_events WHEN NEW.command = '{command}' "
        f"AND NEW.application_id = '{application_id}' BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    await database.write(lambda connection: connection.execute(trigger))
    try:
        yield
    finally:
        await database.write(lambda connection: connection.execute(text(f"DROP TRIGGER {name}")))


async def _tried_again(run: WorkflowHandle[Any, Any], activity: str, attempt: int = 2) -> bool:
    """Whether an activity of the run has failed, and waits for this attempt."""
    pending = (await run.describe()).raw_description.pending_activities
    return any(each.activity_type.name == activity and each.attempt >= attempt for each in pending)


async def _too_early(applicant: Applicant) -> None:
    await changed(applicant, ADD, "1")
    run = await started(applicant, {"kind": ADD})
    with suppress(WorkflowFailureError):
        await run.result()


def coverage(server: SmtpServer) -> tuple[Journey, ...]:
    """These journeys, with ``server`` as the service's mail server."""
    return (
        Journey(
            "associated_uids",
            _added_and_removed,
            Stage.ACTIVE,
            asks=(calls.RECALL, calls.OPEN_ACCESS, calls.CLOSE_ACCESS),
        ),
        Journey("access_by_another", _access_by_another, Stage.AWAITING_SIGNATURES, joins=False),
        Journey("held_up_by_another", _held_up_by_another, Stage.CANCELLED),
        Journey("associated_uid_while_acpn_is_down", _acpn_down, Stage.ACTIVE, asks=(calls.RECALL,)),
        Journey(
            "associated_uid_mails_wait",
            partial(_mails_wait, server=server),
            Stage.ACTIVE,
            asks=(calls.RECALL, calls.DELIVER),
        ),
        Journey(
            "associated_uid_stays_through_resets",
            _stays_through_resets,
            Stage.ACTIVE,
            asks=(calls.RECALL, calls.TAKE_UP),
        ),
        Journey(
            "associated_uid_taken_elsewhere",
            _taken_elsewhere,
            Stage.ACTIVE,
            asks=(calls.RECALL, calls.OPEN_ACCESS),
        ),
        Journey("associated_uid_cancelled", _cancelled, Stage.ACTIVE, asks=("cancel_workflow_execution",)),
        Journey(
            "associated_uid_goes_on_as_new",
            _goes_on_as_new,
            Stage.ACTIVE,
            short_runs=True,
            asks=(calls.RECALL, "continue_as_new"),
        ),
        Journey(
            "associated_uid_bounced_untold",
            partial(_bounced_untold, server=server),
            Stage.ACTIVE,
            asks=(calls.RECALL, calls.DELIVER),
        ),
        Journey(
            "associated_uid_overtaken_by_a_reset",
            _overtaken_by_a_reset,
            Stage.ACTIVE,
            asks=(calls.RECALL, calls.TAKE_UP),
        ),
        Journey("associated_uid_too_early", _too_early, Stage.DRAFTING, asks=(calls.RECALL,)),
    )
