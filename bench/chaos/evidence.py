"""What was seen of a run: four records made by four parties that do not know of each other.

The driver writes down what it was told, Temporal keeps the workflows and their histories, the service
writes the database, and the mail server keeps a log of its own. All times are seconds of the machine's
clock. The oracle (`oracle.py`) compares them.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from bench.chaos.plan import FaultKind, Sort


class Frozen(BaseModel):
    """Base of all evidence."""

    model_config = ConfigDict(frozen=True)


class Sending(Frozen):
    """One copy of a command, and what the driver was told.

    ``answer``: ``acknowledged`` (a signal Temporal has taken), ``done`` (an update that returned the status),
    the error type of a refusal, or ``unknown`` (no answer: it may have been carried out or not).
    """

    uid: str
    command_id: str
    kind: str
    sort: Sort
    channel: str
    sent_at: float
    answered_at: float
    answer: str


class Run(Frozen):
    """What Temporal says of one applicant's workflow, all its runs taken together.

    ``outcome``: what its result says; ``received``: the command IDs in the history's signals and updates;
    ``failures``: workflow tasks that failed by the code's fault; ``timeouts``: those that were lost with
    their worker; ``resets``: how many of its runs were left by a reset.
    """

    uid: str
    application_id: str
    status: str
    outcome: str | None = None
    received: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    timeouts: int = 0
    events: int = 0
    resets: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come of it."""
        return self.status != "running"


class Row(Frozen):
    """An application as its readers are shown it.

    ``refusals``: the command IDs of the refusals shown, the newest last; one that did not parse may lack it.
    """

    application_id: str
    uid: str
    stage: str
    sequence: int
    pending_emails: int = 0
    refusals: tuple[str | None, ...] = ()


class Audited(Frozen):
    """An event of the audit trail; ``details`` is its payload as text, ``hash`` its link of the chain."""

    application_id: str
    sequence: int
    at: float
    command: str
    verdict: str
    command_id: str | None = None
    error: str | None = None
    from_stage: str = ""
    to_stage: str = ""
    details: str = ""
    hash: str = ""


class Trail(Frozen):
    """What holds an application's trail together.

    ``broken_at``: the first event that does not follow, if any. ``head_sequence`` and ``head_hash`` are those
    of the newest event, as they are stored apart from it.
    """

    application_id: str
    broken_at: int | None
    head_sequence: int
    head_hash: str | None


class Reading(Frozen):
    """An event as the sampler read it for the first time."""

    application_id: str
    sequence: int
    hash: str | None


class DocumentRow(Frozen):
    """A stored form or decision sheet, brought by the event ``sequence``; ``void``: undone by a reset."""

    application_id: str
    revision: int
    sequence: int
    void: bool = False


class LedgerRow(Frozen):
    """A row of the e-mail ledger."""

    application_id: str
    key: str
    template: str
    recipient: str
    message_id: str
    state: str
    position: int
    queued_at: float


class GrantRow(Frozen):
    """ACPN access of one account."""

    application_id: str
    uid: str


class Sample(Frozen):
    """What the background sampler saw of a row; only changes are kept. ``sequence`` None: it is gone."""

    at: float
    application_id: str
    sequence: int | None
    audited: int


class MailEvent(StrEnum):
    """What the mail server did with a message or a connection."""

    ACCEPTED = "accepted"
    BOUNCED = "bounced"
    PUT_OFF = "put_off"
    CUT = "cut"
    HUNG = "hung"


class Mail(Frozen):
    """A line of the mail server's log.

    ``slot``: the worker that delivered (each has a port of its own). ``answered``: the final 250 was sent.
    """

    at: float
    event: MailEvent
    slot: int
    recipient: str = ""
    message_id: str = ""
    template: str = ""
    answered: bool = False


class FaultSeen(Frozen):
    """A fault as it was carried out; ``slot`` is the worker killed, ``uid`` the applicant it was done to."""

    kind: FaultKind
    began: float
    ended: float
    slot: int | None = None
    uid: str | None = None


class Evidence(Frozen):
    """All there is to judge a run by."""

    sendings: tuple[Sending, ...] = ()
    runs: tuple[Run, ...] = ()
    rows: tuple[Row, ...] = ()
    audit: tuple[Audited, ...] = ()
    trails: tuple[Trail, ...] = ()
    readings: tuple[Reading, ...] = ()
    forms: tuple[DocumentRow, ...] = ()
    sheets: tuple[DocumentRow, ...] = ()
    ledger: tuple[LedgerRow, ...] = ()
    grants: tuple[GrantRow, ...] = ()
    samples: tuple[Sample, ...] = ()
    mails: tuple[Mail, ...] = ()
    faults: tuple[FaultSeen, ...] = ()
