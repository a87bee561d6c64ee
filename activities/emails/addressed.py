"""An e-mail on its way: a notice with what every mail says, and the documents it speaks of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.audiences import audience_of
from domain.contract import Person
from domain.documents import ApplicationForm
from domain.notice import Audience
from domain.notices import AnyNotice
from domain.sheets import SheetShown


@dataclass(frozen=True)
class AddressedNotice:
    """A notice addressed.

    ``key`` is unique and stable within the application (ledger, Message-ID). ``sequence`` numbers the event
    the notice tells of; a later one supersedes an earlier one's dates.
    """

    key: str
    sequence: int
    application_id: str
    locale: str
    at: datetime
    to: Person
    bd: Person
    time_zone: str
    company_master_uid: str
    company_name: str
    status_text: str
    notice: AnyNotice
    sheet: SheetShown | None = None
    form: ApplicationForm | None = None

    @property
    def template(self) -> str:
        """Which notice it is."""
        return self.notice.template

    @property
    def audience(self) -> Audience:
        """Whose mailbox it is for."""
        return audience_of(self.notice.template)

    @property
    def said(self) -> dict[str, Any]:
        """What the templates know as ``notice``."""
        own = {name: getattr(self.notice, name) for name in type(self.notice).model_fields}
        every = {name: getattr(self, name) for name in _IN_EVERY_MAIL}
        return every | own


_IN_EVERY_MAIL = (
    "key", "sequence", "application_id", "locale", "at", "to", "bd", "time_zone", "company_master_uid",
    "company_name", "status_text", "sheet", "form", "audience",
)  # fmt: skip
