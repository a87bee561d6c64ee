"""What a caller reads back: the status of an application (query ``get_status``, update results)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Literal, Self

from pydantic import Field

from domain.audit import CAME_AGAIN, AuditEvent, Verdict
from domain.clocks import ClockKind, Unknown
from domain.contract import (
    Actor,
    ErrorType,
    Party,
    Person,
    Role,
    SignatureOrder,
    SigningPath,
    Stage,
    WaitingOn,
)
from domain.documents import ApplicationForm, Evidence, canonical_hash
from domain.sheets import SheetShown
from domain.values import Contract, CountedDay, Country, Day, Instant, TimeZone, Uid, says_nothing

_WHO_IT_IS: Final = {"legal_name", "registration_number", "country"}


class Company(Contract):
    """A verified enterprise as the account directory knows it: what ``confirm_company`` confirms."""

    legal_name: str
    registration_number: str
    country: Country | None = None
    verified: bool = False

    @property
    def digest(self) -> str:
        """`canonical_hash` of who it is, members that are not set left out; that it is verified is no part of
        that."""
        return canonical_hash(self.model_dump(mode="json", include=_WHO_IT_IS, exclude_none=True))


class CompanyShown(Company):
    """The company as the status shows it; by its ``hash`` `confirm_company` names it (`Company.digest`)."""

    hash: str | None = None


class Deadline(Contract):
    """What is due next, and why then: the days counted, by which calendar, in which zone.

    ``estimate`` says why it is only an estimate, ``unknown`` the same for programs.
    """

    kind: ClockKind
    due_at: Instant
    calendar: str | None = None
    time_zone: TimeZone | None = None
    days_counted: tuple[CountedDay, ...] = ()
    provisional: bool = False
    estimate: str | None = None
    unknown: Unknown | None = None


class Justification(Contract):
    """BD's question about the qualification and the partner's answer, with the files that support it."""

    question: str
    answer: str | None = None
    evidence: tuple[Evidence, ...] = Field(default=(), exclude_if=says_nothing)


class Question(Contract):
    """What the partner asked BD at some time (`ask_bd`), and the answer; ``number`` counts from 1."""

    number: int
    question: str
    asked_at: Instant
    answer: str | None = None
    answered_at: Instant | None = None


def unanswered(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """The questions that wait for their answer, the oldest first."""
    return tuple(question for question in questions if question.answer is None)


def numbered(questions: tuple[Question, ...], number: int | None) -> Question | None:
    """The question of this number."""
    return next((question for question in questions if question.number == number), None)


class Signature(Contract):
    """One party's signature on the confirmed terms.

    ``signed_at`` is the word of who sent it, ``recorded_at`` the service's clock when it came.
    """

    signer_name: str
    signed_at: Instant
    document_ref: str | None = None
    evidence: tuple[Evidence, ...] = Field(default=(), exclude_if=says_nothing)
    recorded_at: Instant | None = None


class Signing(Contract):
    """How the contract is signed, and who has signed."""

    path: SigningPath = SigningPath.ONLINE_ESIGN
    order: SignatureOrder = SignatureOrder.ANY
    partner: Signature | None = None
    vendor: Signature | None = None

    def by(self, party: Party) -> Signature | None:
        """The signature of one party."""
        return self.partner if party is Party.PARTNER else self.vendor

    @property
    def begun(self) -> bool:
        """Whether anybody has signed."""
        return bool(self.partner or self.vendor)

    @property
    def complete(self) -> bool:
        """Whether both have signed."""
        return bool(self.partner and self.vendor)


class Amendment(Contract):
    """A contract start date agreed on after signing; it stands beside the sheet, which stays as signed."""

    start_date: Day
    time_zone: TimeZone
    reason: str
    at: Instant
    by: Actor | None = None


class CoverageChanged(Contract):
    """An Associated UID that was added or taken away after access was given; the form stays as submitted."""

    uid: Uid
    added: bool
    at: Instant
    by: Actor | None = None


class AccessCause(StrEnum):
    """Why access can't be opened yet.

    ``account_unknown``: not in the account directory. ``enterprise_not_verified`` (guide, FAQ Q1).
    ``enterprise_differs``: verified, but for another enterprise than the Company Master UID (FAQ Q3).
    ``covered_elsewhere``: another application has given the account access.
    ``credit_control_missing``: the policy requires it. ``platform_unavailable``: the account directory or
    the ACPN platform does not answer, so nothing is known.
    """

    ACCOUNT_UNKNOWN = "account_unknown"
    ENTERPRISE_NOT_VERIFIED = "enterprise_not_verified"
    ENTERPRISE_DIFFERS = "enterprise_differs"
    COVERED_ELSEWHERE = "covered_elsewhere"
    CREDIT_CONTROL_MISSING = "credit_control_missing"
    PLATFORM_UNAVAILABLE = "platform_unavailable"


class Missing(Contract):
    """What access still needs: a cause, and the accounts it is about (none where a service is down)."""

    cause: AccessCause
    uids: tuple[Uid, ...] = ()


class Access(Contract):
    """The answer of the gate at the ACPN platform (guide §2.4, §2.5).

    ``reason`` is one of ``granted``, ``not_signed``, ``before_start_date``, ``being_opened``, ``closed``;
    ``message`` is the text of the error box, in English; the other fields say the same for programs.
    ``start_date`` in ``time_zone``: when the contract starts, once it is signed. ``covered_uids``: the
    accounts that have access.
    """

    granted: bool = False
    reason: Literal["granted", "not_signed", "before_start_date", "being_opened", "closed"] = "not_signed"
    message: str = ""
    available_at: Instant | None = None
    start_date: Day | None = None
    time_zone: TimeZone | None = None
    missing: tuple[Missing, ...] = ()
    covered_uids: tuple[Uid, ...] = ()


class Refusal(Contract):
    """A command that was refused; a signal's sender has no other way to learn of it.

    ``role``: who sent it; ``None`` where it could not be read. ``again``: it came again by Temporal's Reset,
    and nobody has sent it then.
    """

    at: Instant
    command: str
    command_id: str | None = None
    error: str
    message: str
    role: Role | None = None
    again: bool = Field(default=False, exclude_if=says_nothing)

    @classmethod
    def of(cls, event: AuditEvent) -> Self:
        """The refusal an event of the trail tells of."""
        return cls(
            at=event.at,
            command=event.command,
            command_id=event.command_id,
            error=event.error or "",
            message=event.message or "",
            role=event.actor.role if event.actor else None,
            again=event.details.get(CAME_AGAIN) is True,
        )


class FailedEmail(Contract):
    """A mail that can't be delivered, and what the receiving server said."""

    key: str
    template: str
    to: str
    reason: str
    at: Instant


class Rejection(Contract):
    """Why BD rejected, and what would fix it."""

    reason_code: str
    explanation: str


class ClosingCode(StrEnum):
    """Why the service itself ended an application.

    ``expired``: nothing was heard from the partner. ``cancelled_in_temporal``: by an operator.
    ``run_ended``: its run is gone, as after Terminate. ``by_service``: what partners read of these two.
    """

    EXPIRED = "expired"
    CANCELLED_IN_TEMPORAL = "cancelled_in_temporal"
    RUN_ENDED = "run_ended"
    BY_SERVICE = "by_service"


class Closing(Contract):
    """Who ended an application without access, and why.

    ``code``: where the service itself did; ``days``: for how many nothing was heard.
    """

    by: Role
    reason: str | None = None
    code: ClosingCode | None = None
    days: int | None = None

    @property
    def by_operators(self) -> bool:
        """Whether its reason is the operators' own, which partners do not read."""
        return self.by is Role.OPS or (self.by is Role.SYSTEM and self.code is not ClosingCode.EXPIRED)


class WarningCode(StrEnum):
    """What a warning warns of.

    ``master_uid_not_covered``: the Company Master UID is neither Main nor Associated UID (guide, FAQ Q4).
    ``account_unknown``: the account directory did not have the applicant's account when it began.
    ``account_covered``: the applicant's account had access by another company's application then.
    ``start_date_past``: the contract start date was past already when it was set. ``start_date_far``: it was
    more than five years ahead.
    ``added_uid_left_out``, ``removed_uid_named``: after access was given, an account was added, or taken
    away; the application was reset in Temporal, and the form that was submitted then says otherwise.
    ``access_taken_back``: it was reset to before access was given.
    """

    MASTER_UID_NOT_COVERED = "master_uid_not_covered"
    ACCOUNT_UNKNOWN = "account_unknown"
    ACCOUNT_COVERED = "account_covered"
    START_DATE_PAST = "start_date_past"
    ADDED_UID_LEFT_OUT = "added_uid_left_out"
    REMOVED_UID_NAMED = "removed_uid_named"
    START_DATE_FAR = "start_date_far"
    ACCESS_TAKEN_BACK = "access_taken_back"


class Warned(Contract):
    """A warning for programs, and for readers of other languages; ``uid``: the account it is about, ``day``
    in ``time_zone``: the date."""

    code: WarningCode
    uid: Uid | None = None
    day: Day | None = None
    time_zone: TimeZone | None = None


class CommandResult(Contract):
    """What became of a command, the same however often it is sent: the verdict, and the stage and the number
    of the newest audit event as it left them."""

    verdict: Verdict
    stage: Stage
    sequence: int


class Status(Contract):
    """The status of an application; unset values are ``null``.

    ``sequence`` is the number of the newest audit event. What `get_status` shows is whole; the answer to a
    command goes `without_documents`, and ``answered`` says what became of that command: to one that is
    repeated, what became of it the first time, whatever has happened since. ``outcome``: the stage it ended
    in, or ``already_partner`` where the applicant had access before it began.

    ``allowed_for``: the commands possible now, by the role that may send them; ``allowed_commands``: those
    of all roles. ``desk``: the one that serves the company, by name. ``time_zone``: the one its times are
    told in. ``warned``: the ``warnings`` for programs.
    ``external_id``: what the document to be signed carries at a provider of electronic signatures.
    """

    application_id: str
    company_master_uid: str
    sequence: int = 0
    stage: Stage
    status_text: str
    waiting_on: WaitingOn
    allowed_commands: tuple[str, ...] = ()
    allowed_for: Mapping[Role, tuple[str, ...]] = Field(default_factory=dict)
    due_at: Instant | None = None
    overdue: bool = False
    deadline: Deadline | None = None
    time_zone: TimeZone | None = None
    form_revision: int = 0
    contact_email: str | None = None
    bd: Person | None = None
    bd_lead: Person | None = None
    desk: str | None = None
    company: CompanyShown | None = None
    company_confirmed: bool = False
    application: ApplicationForm | None = None
    warnings: tuple[str, ...] = ()
    warned: tuple[Warned, ...] = ()
    justification: Justification | None = None
    questions: tuple[Question, ...] = ()
    sheet: SheetShown | None = None
    modification: str | None = None
    modification_fields: tuple[str, ...] = ()
    confirmed_revision: int | None = None
    signing: Signing = Field(default_factory=Signing)
    external_id: str | None = None
    contacted_at: Instant | None = None
    contract_start_at: Instant | None = None
    amendments: tuple[Amendment, ...] = ()
    access: Access = Field(default_factory=Access)
    coverage_changes: tuple[CoverageChanged, ...] = ()
    last_refusals: tuple[Refusal, ...] = ()
    pending_emails: int = 0
    failed_emails: tuple[FailedEmail, ...] = ()
    rejection: Rejection | None = None
    closing: Closing | None = None
    outcome: Stage | Literal[ErrorType.ALREADY_PARTNER] | None = None
    answered: CommandResult | None = None

    def without_documents(self) -> Self:
        """Without what can be read elsewhere: the form, the sheet's content and changes, the last
        refusals."""
        sheet = self.sheet and SheetShown(
            revision=self.sheet.revision, hash=self.sheet.hash, issued_at=self.sheet.issued_at
        )
        return self.model_copy(update={"application": None, "sheet": sheet, "last_refusals": ()})

    def answer(self) -> dict[str, Any]:
        """What the sender of a command is told: `without_documents`, and nothing that is empty or long known.

        It stays in the history for good, so it repeats as little as it can: neither who takes part and may
        send what, nor what was asked, nor when the service recorded it, nor the codes of its sentences, nor
        what follows from the sheet, nor, before the contract is signed, that there is no access.
        """
        known: dict[str, Any] = {
            "sheet": {"issued_at"},
            "signing": {"partner": {"recorded_at"}, "vendor": {"recorded_at"}},
            **dict.fromkeys(("company", "contact_email", "bd", "bd_lead", "allowed_for"), True),
            **dict.fromkeys(("questions", "time_zone", "warned", "external_id", "desk"), True),
        }
        if self.access.reason == "not_signed":
            known["access"] = True
        said: dict[str, Any] = without_empty(
            self.without_documents().model_dump(mode="json", exclude_none=True, exclude=known)
        )
        return said


def without_empty(value: Any) -> Any:
    """The JSON value without members that are empty lists or objects."""
    if isinstance(value, dict):
        shorter = ((name, without_empty(member)) for name, member in value.items())
        return {name: member for name, member in shorter if member not in ([], {})}
    return value
