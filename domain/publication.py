"""What leaves an application once the workflow task that decided it is committed: rows, events, documents, letters.

There is one way out: entries are published in the order of their events, each once, in one transaction with the state
they led to; the letters leave from what is stored.
"""

from domain.audit import AuditEvent
from domain.contract import Person
from domain.documents import ApplicationForm, DecisionSheet
from domain.letters import AnyLetter
from domain.status import FailedEmail, Status
from domain.values import Contract, TimeZone, Uid


class Entry(Contract):
    """An event of the audit trail with what it brought: the form or sheet it is about, and the letters to send.

    ``sheet_replaces``: the revision the sheet differs from. ``resend``: the key of an e-mail to send once more. ``close_access``: access that may have been given is taken back.
    """

    event: AuditEvent
    letters: tuple[AnyLetter, ...] = ()
    form: ApplicationForm | None = None
    sheet: DecisionSheet | None = None
    sheet_replaces: int | None = None
    resend: str | None = None
    close_access: bool = False


class Snapshot(Contract):
    """The application as the newest of the entries left it; ``status`` goes without documents."""

    status: Status
    company_name: str
    partner: Person
    bd: Person
    bd_lead: Person
    locale: str
    time_zone: TimeZone


class Lineage(Contract):
    """Who writes: an application, and how often Temporal's Reset has turned it back.

    What comes from a run that has been reset (an activity that is still on its way) is not written any more.
    """

    application_id: str
    generation: int = 0


class Publication(Contract):
    """Store these entries and the state after them; then, if asked to, send what waits for being sent.

    ``failed_through``: the position of the newest failed e-mail the workflow knows of.
    """

    lineage: Lineage
    company_master_uid: Uid
    snapshot: Snapshot
    entries: tuple[Entry, ...]
    send: bool = True
    failed_through: int = 0


class Delivery(Contract):
    """Send what waits for being sent, however long the mail server is down."""

    lineage: Lineage
    failed_through: int = 0


class Receipt(Contract):
    """How the application's e-mails stand.

    ``pending``: those that wait. ``failed``: those that failed since ``failed_through`` of the question, the position of
    the newest of them is ``failed_through`` here. ``superseded``: the writer has been reset; nothing was written.
    """

    pending: int = 0
    failed: tuple[FailedEmail, ...] = ()
    failed_through: int = 0
    superseded: bool = False


class TakeUp(Contract):
    """Temporal's Reset has turned an application back to the event ``sequence``: go on from there, under new numbers.

    E-mails of later events that have not left never leave; access the application gave is taken back.
    """

    application_id: str
    company_master_uid: Uid
    sequence: int
