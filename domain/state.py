"""An application as the workflow remembers it. All of it survives continue-as-new.

Lists are bounded (`newest_within`), as all of it has to fit into one payload of 2 MiB, with what waits to
be published; the whole of them is in the audit trail.
"""

from collections.abc import Iterable
from typing import Final, Self, TypeVar

from domain.calendar_entries import CalendarEntry
from domain.clocks import Clock, ClockKind, PausedClock
from domain.contract import OnboardingInput, Person, Stage
from domain.documents import ApplicationForm
from domain.editions import FIRST
from domain.policy import Policy
from domain.sheets import IssuedSheet, Modification
from domain.signatures import RefusedSignature
from domain.status import (
    Amendment,
    Closing,
    Company,
    CoverageChanged,
    FailedEmail,
    Justification,
    Missing,
    Question,
    Rejection,
    Signing,
)
from domain.values import Contract, Day, Instant, TimeZone, Uid

OUTCOMES = frozenset({Stage.ACTIVE, Stage.REJECTED, Stage.CANCELLED, Stage.EXPIRED})


KEPT_BYTES: Final = 64 * 1024
"""What a list of an application may take as JSON."""
Item = TypeVar("Item", bound=Contract)


def newest_within(items: Iterable[Item], most_bytes: int = KEPT_BYTES) -> tuple[Item, ...]:
    """The newest of these, in their order, that fit into so many bytes of JSON; the newest one in any
    case."""
    kept: list[Item] = []
    size = 0
    for item in reversed(tuple(items)):
        size += len(item.model_dump_json().encode())
        if kept and size > most_bytes:
            break
        kept.append(item)
    return tuple(reversed(kept))


class Application(Contract):
    """Everything the process decides on. It changes only by replacing it: ``application.but(stage=…)``.

    What has changed is stored field by field, so no field of its own may be left out while it is empty.

    ``account_unknown``: the account directory had no account of the applicant when he joined, and he has
    confirmed no company since. ``account_covered``: then it had access by another company's application.
    ``form_revision`` is that of the form under review or being edited,
    ``submitted_revision`` that of ``form``. ``forms_used`` and ``sheets_used``: the highest revision
    there has ever been, also on a way that Temporal's Reset has left; a number is never used twice.
    ``access_told``: what holds access up and has been told, last ``access_told_at``. ``estimates_told``:
    what deadlines can't be counted by, as the lead knows: the names of zones, or the desk's calendar.
    ``reminders``: how many in a row nobody has answered; ``question_reminders``: the same of the questions
    that wait. ``calendar_entries``: what stands in the calendars of partner and BD, and is not over.
    ``access_taken_back``: the application has given access, and Temporal's Reset has led back to before that.
    ``former_bd``, ``former_lead``: whom the present one has replaced.
    ``last_answered``: the number of the question that was answered last. ``refused_signature``: the one that
    is being told of. ``associated_uids``: those in force since one was added or taken away after access was
    given; the form stays as it was submitted.
    """

    application_id: str
    company_master_uid: str
    contact_name: str
    contact_email: str
    locale: str = "en"
    bd: Person
    bd_lead: Person
    former_bd: Person | None = None
    former_lead: Person | None = None
    policy: Policy
    desk: str | None = None
    edition: int = FIRST
    stage: Stage = Stage.DRAFTING
    clocks: tuple[Clock, ...] = ()
    overdue: bool = False
    reminders: int = 0
    question_reminders: int = 0
    calendar_entries: tuple[CalendarEntry, ...] = ()
    company: Company | None = None
    company_confirmed: bool = False
    account_unknown: bool = False
    account_covered: bool = False
    form: ApplicationForm | None = None
    associated_uids: tuple[Uid, ...] | None = None
    coverage_changes: tuple[CoverageChanged, ...] = ()
    form_revision: int = 0
    submitted_revision: int = 0
    forms_used: int = 0
    approved_revision: int | None = None
    justification: Justification | None = None
    questions: tuple[Question, ...] = ()
    questions_asked: int = 0
    last_answered: int | None = None
    paused_review: PausedClock | None = None
    sheet: IssuedSheet | None = None
    sheets_used: int = 0
    modification: Modification | None = None
    confirmed_revision: int | None = None
    contacted_at: Instant | None = None
    contact_note: str | None = None
    signing: Signing = Signing()
    refused_signature: RefusedSignature | None = None
    contract_start_at: Instant | None = None
    amendments: tuple[Amendment, ...] = ()
    access_taken_back: bool = False
    access_missing: tuple[Missing, ...] = ()
    access_attempts: int = 0
    access_told: tuple[Missing, ...] = ()
    access_told_at: Instant | None = None
    estimates_told: tuple[str, ...] = ()
    corrected_contact: Person | None = None
    failed_emails: tuple[FailedEmail, ...] = ()
    resent_emails: tuple[str, ...] = ()
    rejection: Rejection | None = None
    closing: Closing | None = None

    @classmethod
    def joined(cls, application_id: str, joined: OnboardingInput, policy: Policy) -> Self:
        """A new application right after JOIN NOW."""
        return cls(
            application_id=application_id,
            company_master_uid=joined.company_master_uid,
            contact_name=joined.contact_name,
            contact_email=joined.contact_email,
            locale=joined.locale,
            bd=joined.bd,
            bd_lead=joined.bd_lead,
            policy=policy,
            desk=joined.desk,
        )

    def but(self, **changes: object) -> Self:
        """The same application with these fields changed."""
        return self.model_copy(update=changes)

    def showing(self, company: Company) -> Self:
        """The same application with another company, which nobody has confirmed."""
        return self.but(company=company, company_confirmed=False)

    @property
    def ended(self) -> bool:
        """Whether an outcome is reached."""
        return self.stage in OUTCOMES

    @property
    def known_to_bd(self) -> bool:
        """Whether BD has heard of it: by a form, a question, or by being put in charge."""
        return self.form is not None or self.questions_asked > 0 or self.former_bd is not None

    @property
    def covered_uids(self) -> tuple[str, ...]:
        """The accounts the application is for: the Main UID, then the Associated UIDs."""
        if self.form is None:
            return ()
        if self.associated_uids is None:
            return self.form.covered_uids
        return (self.form.main_uid, *self.associated_uids)

    @property
    def holds_uids(self) -> tuple[str, ...]:
        """The accounts that no other application may cover: those of one that runs, or has access."""
        return self.covered_uids if self.stage is Stage.ACTIVE or not self.ended else ()

    @property
    def company_name(self) -> str:
        """How mails and summaries call the applicant."""
        if self.form:
            return self.form.legal_name
        return self.company.legal_name if self.company else self.contact_name

    @property
    def recipient(self) -> Person:
        """Who gets the partner's mails: the join's contact, once a form is accepted its contact,
        after ``correct_contact`` that one, until a form is submitted again."""
        if self.corrected_contact:
            return self.corrected_contact
        if self.form:
            return Person(name=self.form.contact.name, email=self.form.contact.email)
        return Person(name=self.contact_name, email=self.contact_email)

    @property
    def start_date(self) -> Day | None:
        """The contract start date in force: the last amendment's, else the sheet's."""
        if self.amendments:
            return self.amendments[-1].start_date
        return self.sheet.content.basic.contract_start_date if self.sheet else None

    @property
    def start_zone(self) -> TimeZone | None:
        """The contract's time zone in force."""
        if self.amendments:
            return self.amendments[-1].time_zone
        return self.sheet.content.basic.time_zone if self.sheet else None

    @property
    def start_set_at(self) -> Instant | None:
        """When the contract start date in force was set: by the last amendment, else by the sheet."""
        if self.amendments:
            return self.amendments[-1].at
        return self.sheet.issued_at if self.sheet else None

    def clock(self, kind: ClockKind) -> Clock | None:
        """The running (or passed) clock of a kind."""
        return next((clock for clock in self.clocks if clock.kind is kind), None)
