"""How a run begins: what may start one, and what it remembers then."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from domain import decisions
from domain.contract import ErrorType, OnboardingInput, workflow_id
from domain.editions import FIRST
from domain.inquiry import Table, TableEntry
from domain.policy import Policy
from domain.refusal import RefusedError
from domain.state import Application
from workflows.memory import Memory, RunMemory


def has_memory(run: workflow.Info) -> bool:
    """Whether the run before handed this one its memory; whoever starts a run can send a second argument.

    By a cron schedule or a retry Temporal also starts one run after another, with what the starter sent.
    """
    return run.continued_run_id is not None and run.cron_schedule is None and run.attempt == 1


def memory_of(joined: OnboardingInput, arguments: tuple[Any, ...]) -> RunMemory:
    """The memory of the run before or, of the first run, that of a new application.

    Raises:
        RefusedError: ``invalid``, a run under another workflow ID than the applicant's.
        UnknownEditionError: the memory is of a newer edition than this code knows.
    """
    run = workflow.info()
    wanted = workflow_id(joined.company_master_uid)
    if run.workflow_id != wanted:
        # Two runs could be open for one company, and every look-up by UID would miss one of them.
        raise RefusedError(ErrorType.INVALID, f"the workflow ID must be '{wanted}', the applicant's own")
    application = Application.joined(run.first_execution_run_id, joined, joined.policy or Policy())
    if len(arguments) == 1:
        return RunMemory.of(application)
    # First: what a newer edition brings (a stage, a notice), older code can't read.
    decisions.check_edition(application.but(edition=arguments[1]["application"].get("edition", FIRST)))
    return RunMemory(Memory.model_validate(arguments[1]))


def entries_of_the_start(joined: OnboardingInput) -> tuple[TableEntry, ...]:
    """What of the start input has to be in a table."""
    emails = {
        "contact_email": joined.contact_email,
        "bd.email": joined.bd.email,
        "bd_lead.email": joined.bd_lead.email,
    }
    entries = [TableEntry(field=field, table=Table.EMAIL, value=value) for field, value in emails.items()]
    if joined.policy:
        entries += [
            TableEntry(field="policy.calendar", table=Table.CALENDAR, value=joined.policy.calendar),
            TableEntry(field="policy.time_zone", table=Table.TIME_ZONE, value=joined.policy.time_zone),
        ]
    return tuple(entries)


def failure(refusal: RefusedError) -> ApplicationError:
    """The refusal as the caller of an update, or whoever started the run, gets it."""
    return ApplicationError(refusal.message, type=refusal.error, non_retryable=True)
