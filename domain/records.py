"""What one transition writes down, and what comes back."""

from domain.audit import AuditEvent
from domain.clocks import Clock, ClockRequest
from domain.policy import Policy
from domain.state import Application
from domain.status import Refusal
from domain.values import Contract, Instant


class Record(Contract):
    """The newest state of an application and the audit events not yet stored.

    ``sequence`` is that of the newest event: a row is never overwritten by an older one.
    """

    application: Application
    sequence: int
    at: Instant
    events: tuple[AuditEvent, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    pending_emails: int = 0


class Transition(Contract):
    """Set these clocks, then store the record with them (not, when the database is known to be down)."""

    record: Record
    requests: tuple[ClockRequest, ...] = ()
    store: bool = True


class Settled(Contract):
    """The clocks as set; ``stored`` is false when the database did not take the record in time.

    ``policy`` is what they were counted by. It comes back so that history keeps it: an application started
    without a policy of its own must not change with the code's defaults.
    """

    clocks: tuple[Clock, ...] = ()
    stored: bool = False
    policy: Policy | None = None
