"""What leaves an application once the workflow task that decided it is committed: rows, events, documents,
notices.

There is one way out: entries are published in the order of their events, each once, in one transaction with
the state they led to; the notices leave from what is stored.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field, JsonValue

from domain.audit import AuditEvent
from domain.clocks import MORNINGS
from domain.documents import ApplicationForm, DecisionSheet
from domain.notices import AnyNotice
from domain.state import Application
from domain.status import FailedEmail
from domain.values import Contract, Uid, says_nothing


class Entry(Contract):
    """An event of the audit trail with what it brought: the form or sheet it is about, and the notices to
    send.

    ``sheet_replaces``: the revision the sheet differs from. ``resend``: the key of an e-mail to send once
    more. ``close_access_of``: the Company Master UID whose access, which may have been given, is taken
    back.
    """

    event: AuditEvent
    notices: tuple[AnyNotice, ...] = Field(default=(), exclude_if=says_nothing)
    form: ApplicationForm | None = None
    sheet: DecisionSheet | None = None
    sheet_replaces: int | None = None
    resend: str | None = None
    close_access_of: Uid | None = None


class Lineage(Contract):
    """Who writes: an application, and how often Temporal's Reset has turned it back, or a run of its own has
    taken it over.

    What comes from a run that has been reset (an activity that is still on its way) is not written any more.
    """

    application_id: str
    generation: int = Field(default=0, exclude_if=says_nothing)


_NOT_STORED: Final[Any] = {
    "form": True,
    "sheet": {"content", "changes"},
    "clocks": {"__all__": MORNINGS},
    "calendar_entries": True,
    "refused_signature": True,
}


def stored_state(application: Application) -> dict[str, JsonValue]:
    """The application as it is stored: form and sheet by revision, as they have tables of their own; without
    what only the run goes by: when e-mails leave, and what they do to calendars."""
    state: dict[str, JsonValue] = application.model_dump(mode="json", exclude=_NOT_STORED, exclude_none=True)
    return state


UNSAID: Final[Mapping[str, JsonValue]] = {
    name: [] if field.default == () else field.default
    for name, field in Application.model_fields.items()
    if field.default in ((), 0) and name not in _NOT_STORED
}
"""The fields of an application that are left out where all of it is told, while they are empty, false or
zero."""


class Publication(Contract):
    """Store these entries and the state after them; then send what waits for being sent, unless told to
    ``hold`` it.

    ``changes``: what has changed in the `Application`, field by field, since it was stored after the event
    ``since``; without that, all of it (`stored_state`) but what is `UNSAID`. ``takes_over``: from now on
    nobody of an older generation writes, or sends what waits. ``failed_through``: the position of the newest
    failed e-mail the workflow knows of.
    """

    lineage: Lineage
    since: int | None = None
    changes: dict[str, JsonValue]
    entries: tuple[Entry, ...]
    hold: bool = Field(default=False, exclude_if=says_nothing)
    takes_over: bool = Field(default=False, exclude_if=says_nothing)
    failed_through: int = Field(default=0, exclude_if=says_nothing)


class Delivery(Contract):
    """Send what waits for being sent, however long the mail server is down."""

    lineage: Lineage
    failed_through: int = 0


class Receipt(Contract):
    """How the application's e-mails stand.

    ``pending``: those that wait; ``put_off``: those of them whose recipient is refused for now, and those
    behind them. ``failed``: those that failed since ``failed_through`` of the question,
    the position of the newest of them is ``failed_through`` here. ``superseded``: the writer has been
    reset; nothing was written. ``behind``: the database has lost what the changes start from (it was
    restored, say); nothing was written either.
    """

    pending: int = Field(default=0, exclude_if=says_nothing)
    put_off: int = Field(default=0, exclude_if=says_nothing)
    failed: tuple[FailedEmail, ...] = Field(default=(), exclude_if=says_nothing)
    failed_through: int = Field(default=0, exclude_if=says_nothing)
    superseded: bool = Field(default=False, exclude_if=says_nothing)
    behind: bool = Field(default=False, exclude_if=says_nothing)


class TurnedBack(Contract):
    """A reset that was taken up: after its event ``sequence`` goes on what stood after event ``back_to``."""

    sequence: int
    back_to: int


class TakeUp(Contract):
    """Temporal's Reset has turned an application back to the event ``sequence``: go on from there, under
    new numbers.

    E-mails of later events that have not left never leave. ``uids``: the accounts that have access as it
    stands now, the Main UID first, but for what was changed since (`Head.associated_uids`); without any,
    access the application gave is taken back. ``failed_through``: the position of
    the newest failed e-mail the run knows of. ``resets``: those whose events may not be stored yet.
    """

    application_id: str
    company_master_uid: Uid
    sequence: int
    resets: tuple[TurnedBack, ...] = Field(default=(), exclude_if=says_nothing)
    uids: tuple[Uid, ...] = Field(default=(), exclude_if=says_nothing)
    failed_through: int = Field(default=0, exclude_if=says_nothing)
