"""A letter as it leaves: addressed, with what every mail says and the documents it speaks of."""

from datetime import datetime

from activities.emails.mail import Mail
from domain import decisions
from domain.letters import AnyLetter, Audience, audience_of, key_of
from domain.state import Application


def addressed(letter: AnyLetter, application: Application, sequence: int, at: datetime) -> Mail:
    """The mail that comes of a letter about the event of this number."""
    to = {
        Audience.PARTNER: application.recipient,
        Audience.BD: application.bd,
        Audience.BD_LEAD: application.bd_lead,
    }
    return Mail(
        key=key_of(sequence, letter),
        sequence=sequence,
        application_id=application.application_id,
        locale=application.locale,
        at=at,
        to=to[audience_of(letter.template)],
        bd=application.bd,
        time_zone=application.policy.time_zone,
        company_master_uid=application.company_master_uid,
        company_name=application.company_name,
        status_text=decisions.status_text(application),
        letter=letter,
        sheet=application.sheet if hasattr(letter, "sheet_revision") else None,
        form=application.form if hasattr(letter, "form_revision") else None,
    )
