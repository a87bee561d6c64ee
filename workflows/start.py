"""How a run begins: what may start one, and what it remembers then."""

from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from domain import decisions
from domain.account_rules import has_access_by_another
from domain.contract import ErrorType, OnboardingInput, workflow_id
from domain.editions import FIRST
from domain.inquiry import AccountQuery, Answers, Inquiry, Table, TableEntry
from domain.policy import Policy
from domain.refusal import RefusedError
from domain.state import Application
from domain.status import CommandResult
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


def inquiry(joined: OnboardingInput, application: Application, now: datetime) -> Inquiry:
    """What has to be known before an application can begin.

    Its clocks are asked for by the defaults and the edition of this code, which are those that are answered
    and recorded: a local activity is carried out by the worker that asks.
    """
    uid = joined.company_master_uid
    return Inquiry(
        at=now,
        application_id=application.application_id,
        policy=joined.policy,
        accounts=AccountQuery(company_master_uid=uid, uids=(uid,)),
        entries=_entries(joined),
        clocks=decisions.first_clocks(application, now),
        opening=True,
    )


def begun(application: Application, answers: Answers) -> Application:
    """The application as it begins, by the answers to its `inquiry`.

    With the directory down, the look-up is made up for when the company is confirmed.

    Raises:
        ApplicationError: ``invalid``, what was entered is in no table.
        UnknownEditionError: the worker that answered is newer than this code.
    """
    if answers.problems:
        told = "; ".join(f"{problem.field}: {problem.message}" for problem in answers.problems)
        raise failure(RefusedError(ErrorType.INVALID, told))
    uid = application.company_master_uid
    account = answers.accounts and answers.accounts.account(uid)
    application = application.but(
        edition=answers.edition or application.edition,
        policy=answers.policy or application.policy,
        company=account and account.enterprise,
        account_unknown=answers.accounts is not None and account is None,
        account_covered=answers.accounts is not None and has_access_by_another(uid, answers.accounts),
    )
    decisions.check_edition(application)
    return application


def _entries(joined: OnboardingInput) -> tuple[TableEntry, ...]:
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


def failure(refusal: RefusedError, answered: CommandResult | None = None) -> ApplicationError:
    """The refusal as the caller of an update, or whoever started the run, gets it; ``answered`` comes as its
    detail."""
    details = [answered.model_dump(mode="json")] if answered else []
    return ApplicationError(refusal.message, *details, type=refusal.error, non_retryable=True)
