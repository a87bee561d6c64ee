"""Associated UIDs after access is given: one is added, or taken away (guide, FAQ Q4, Q5).

The form stays as it was submitted and the contract as it was signed; what is covered now stands beside them.
Each change is a short run of its own, by the rules the form was accepted by.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, get_args

from pydantic import Field, JsonValue

from domain import decisions, notices
from domain.access import in_words
from domain.account_rules import not_covered_elsewhere, same_business, same_enterprise, verified
from domain.audit import AuditEvent, Verdict
from domain.contract import Command, ErrorType, Stage
from domain.decisions import Decision
from domain.inquiry import About, AccessOutcome, AccountAnswers, AccountQuery, Answers, Head, Inquiry
from domain.intake import parse_one_of
from domain.refusal import RefusedError, used_for_another
from domain.state import Application, newest_within
from domain.status import AccessCause, CoverageChanged
from domain.steps import BD, PARTNER, Step
from domain.values import Contract, Uid

MOST_ASSOCIATED: Final = 100
"""As many as a form may have."""


class _CoverageCommand(Command):
    company_master_uid: Uid = Field(description="Company Master UID of the applicant.")
    associated_uid: Uid = Field(description="The Associated UID.", examples=["5123456790"])


class AddAssociatedUid(_CoverageCommand):
    """Partner or BD: this account shall have access, too, by the contract that is in effect (guide, FAQ Q4,
    Q5)."""

    kind: Literal["add_associated_uid"] = "add_associated_uid"


class RemoveAssociatedUid(_CoverageCommand):
    """Partner or BD: this account shall have no access any more; the Main UID keeps it."""

    kind: Literal["remove_associated_uid"] = "remove_associated_uid"


AnyCoverageCommand = AddAssociatedUid | RemoveAssociatedUid
"""The start input of a change, told apart by ``kind``."""


class CoverageAnswer(Contract):
    """What became of a change; the result of its run.

    ``sequence``: the number of its audit event, 0 where the application has no access and nothing is on
    record. ``covered_uids``: the accounts with access afterwards. ``error``, ``message``: of a refusal.
    """

    verdict: Verdict
    sequence: int = 0
    covered_uids: tuple[Uid, ...] = ()
    error: ErrorType | None = None
    message: str | None = None


class Recall(Contract):
    """The company's application, once its own run has ended; ``command_id``: of the change that goes on with
    it."""

    company_master_uid: Uid
    command_id: str


class Recalled(Contract):
    """The application as it is stored, ``None`` where there is none.

    ``head``: where its trail ends; ``None`` where it has no access. ``before``: the event of the command with
    that ID, if there was one.
    """

    application: Application | None = None
    head: Head | None = None
    before: AuditEvent | None = None


def parse(arguments: tuple[Any, ...]) -> AnyCoverageCommand:
    """The start input. Raises `RefusedError` (``invalid``) with the paths of the fields that are wrong."""
    return parse_one_of(_KINDS, arguments)


def _in_place(application: Application, command: AddAssociatedUid) -> bool:
    return application.stage is Stage.ACTIVE and command.associated_uid in application.covered_uids


def _gone(application: Application, command: RemoveAssociatedUid) -> bool:
    return application.stage is Stage.ACTIVE and command.associated_uid not in application.covered_uids


def not_too_many(application: Application, command: AddAssociatedUid) -> None:
    """There are at most as many Associated UIDs as a form may have."""
    if len(application.covered_uids) > MOST_ASSOCIATED:
        raise RefusedError(
            ErrorType.INVALID,
            f"associated_uid: there are {MOST_ASSOCIATED} Associated UIDs already: take one away first.",
        )


def not_the_main_uid(application: Application, command: RemoveAssociatedUid) -> None:
    """The Main UID stays: the contract is for it."""
    if application.form and command.associated_uid == application.form.main_uid:
        raise RefusedError(
            ErrorType.INVALID,
            f"associated_uid: {command.associated_uid} is the Main UID; only Associated UIDs can go.",
        )


def _accounts_covered(application: Application, command: AddAssociatedUid) -> AccountQuery:
    return AccountQuery(
        company_master_uid=application.company_master_uid,
        uids=(*application.covered_uids, command.associated_uid),
    )


def account_belongs(application: Application, command: AddAssociatedUid, accounts: AccountAnswers) -> None:
    """Enterprise verified (FAQ Q1), the same enterprise (Q3), business type and level (Q5), and no other
    application covers the account, running or active."""
    added = verified(command.associated_uid, accounts)
    same_enterprise(verified(application.company_master_uid, accounts), (added,))
    known = (accounts.account(uid) for uid in application.covered_uids)
    if application.form:
        same_business((*(account for account in known if account), added), application.form)
    not_covered_elsewhere(application, command, (command.associated_uid,), accounts)


def _add(
    application: Application, command: AddAssociatedUid, now: datetime, accounts: AccountAnswers
) -> Application:
    return _changed(application, command, now, (*application.covered_uids[1:], command.associated_uid))


def _remove(
    application: Application, command: RemoveAssociatedUid, now: datetime, accounts: AccountAnswers
) -> Application:
    left = tuple(uid for uid in application.covered_uids[1:] if uid != command.associated_uid)
    return _changed(application, command, now, left)


def _changed(
    application: Application, command: AnyCoverageCommand, now: datetime, associated: tuple[Uid, ...]
) -> Application:
    change = CoverageChanged(
        uid=command.associated_uid,
        added=isinstance(command, AddAssociatedUid),
        at=now,
        by=command.actor,
    )
    return application.but(
        associated_uids=associated,
        coverage_changes=newest_within((*application.coverage_changes, change)),
    )


_TOLD: Final = (notices.AssociatedUidChanged, notices.AssociatedUidChangedToBd)
# fmt: off
STEPS: Final[tuple[Step, ...]] = (
    Step(AddAssociatedUid, (*PARTNER, *BD), (Stage.ACTIVE,), None, _TOLD,
         done=_in_place, rules=(not_too_many,),
         asks=_accounts_covered, about=(About.ACCOUNTS, About.COVERAGE),
         account_rules=(account_belongs,), changes=_add),
    Step(RemoveAssociatedUid, (*PARTNER, *BD), (Stage.ACTIVE,), None, _TOLD,
         done=_gone, rules=(not_the_main_uid,), changes=_remove),
)
# fmt: on
_KINDS: Final[Mapping[str, type[AnyCoverageCommand]]] = {
    kind.model_fields["kind"].default: kind for kind in get_args(AnyCoverageCommand)
}
CHANGES: Final = tuple(_KINDS)
"""The events of changes, by name: no steps of the application's run, so that no reset of it undoes one."""
_ROWS: Final[Mapping[type[Command], Step]] = {step.command: step for step in STEPS}
_ERRORS: Final[Mapping[AccessCause, ErrorType]] = {
    AccessCause.ACCOUNT_UNKNOWN: ErrorType.NOT_FOUND,
    AccessCause.ENTERPRISE_NOT_VERIFIED: ErrorType.ENTERPRISE_NOT_VERIFIED,
}


def inquiry(application: Application, command: AnyCoverageCommand, now: datetime, sequence: int) -> Inquiry:
    """What has to be known before the change can be decided on; `Inquiry.empty` when nothing.

    Raises `RefusedError` where it is refused whatever the outside says.
    """
    return decisions.inquiry_by(_row(command), application, command, now, sequence)


def decide(
    application: Application, command: AnyCoverageCommand, now: datetime, sequence: int, answers: Answers
) -> Decision:
    """Judge a change, in the order of any command. Raises `RefusedError`."""
    return decisions.decide_by(_row(command), application, command, now, sequence, answers)


def _row(command: AnyCoverageCommand) -> Step:
    step = _ROWS[type(command)]
    decisions.may_send(step, command)
    return step


def no_access(command: AnyCoverageCommand, application: Application | None) -> RefusedError:
    """The company has no access that could cover more or less."""
    if application is None:
        return RefusedError(
            ErrorType.NOT_FOUND, f"UID {command.company_master_uid} has no application with access to ACPN."
        )
    return RefusedError(
        ErrorType.WRONG_STAGE,
        f"'{command.kind}' is possible only once access is given; the application is in stage "
        f"'{application.stage}' ({decisions.status_text(application)}), as far as is stored. Until then, "
        "what it covers is a matter of the form.",
    )


def not_opened(outcome: AccessOutcome) -> RefusedError:
    """ACPN, asked after all rules were met, has something missing."""
    cause = outcome.missing[0].cause
    return RefusedError(
        _ERRORS.get(cause, ErrorType.UID_MISMATCH), f"Access is not opened. {in_words(outcome.missing)}"
    )


def answer_before(application: Application, command: AnyCoverageCommand, event: AuditEvent) -> CoverageAnswer:
    """The answer the command with this ID has got.

    Raises `RefusedError` (``invalid``) if it stood for another command then.
    """
    meant: dict[str, JsonValue] = {
        "company_master_uid": command.company_master_uid,
        "associated_uid": command.associated_uid,
    }
    same = {name: event.details.get(name) for name in meant} == meant
    if (event.command, event.actor) != (command.kind, command.actor) or not same:
        raise used_for_another()
    return CoverageAnswer(
        verdict=event.verdict,
        sequence=event.sequence,
        covered_uids=application.covered_uids,
        error=ErrorType(event.error) if event.error else None,
        message=event.message,
    )
