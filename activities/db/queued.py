"""What the ledger keeps of an e-mail until it leaves."""

from domain.contract import Person
from domain.notices import AnyNotice
from domain.values import Contract, TimeZone


class QueuedNotice(Contract):
    """The notice, and what every mail says, as it was when the event it tells of was stored."""

    to: Person
    bd: Person
    company_master_uid: str
    company_name: str
    status_text: str
    time_zone: TimeZone
    notice: AnyNotice
