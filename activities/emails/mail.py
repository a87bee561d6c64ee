"""An e-mail on its way: a letter with what every mail says, and the documents it speaks of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.contract import Person
from domain.documents import ApplicationForm
from domain.letters import AnyLetter, Audience, audience_of
from domain.status import SheetShown


@dataclass(frozen=True)
class Mail:
    """A letter addressed.

    ``key`` is unique and stable within the application (ledger, Message-ID). ``sequence`` numbers the event
    the letter tells of; a later one supersedes an earlier one's dates.
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
    letter: AnyLetter
    sheet: SheetShown | None = None
    form: ApplicationForm | None = None

    @property
    def template(self) -> str:
        """Which letter it is."""
        return self.letter.template

    @property
    def audience(self) -> Audience:
        """Whose mailbox it is for."""
        return audience_of(self.letter.template)

    @property
    def said(self) -> dict[str, Any]:
        """What the templates know as ``letter``."""
        own = {name: getattr(self.letter, name) for name in type(self.letter).model_fields}
        every = {name: getattr(self, name) for name in _IN_EVERY_MAIL}
        return every | own


_IN_EVERY_MAIL = (
    "key", "sequence", "application_id", "locale", "at", "to", "bd", "time_zone", "company_master_uid",
    "company_name", "status_text", "sheet", "form", "audience",
)  # fmt: skip
