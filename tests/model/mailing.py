"""A notice as it leaves: addressed, with what every mail says and the documents it speaks of."""

from datetime import datetime

from activities.emails.addressed import AddressedNotice
from domain import decisions
from domain.audiences import audience_of
from domain.notice import Audience, key_of
from domain.notices import AnyNotice
from domain.state import Application


def addressed(notice: AnyNotice, application: Application, sequence: int, at: datetime) -> AddressedNotice:
    """The mail that comes of a notice about the event of this number."""
    audience = audience_of(notice.template)
    of_audience = {
        Audience.PARTNER: application.recipient,
        Audience.BD: application.bd,
        Audience.BD_LEAD: application.bd_lead,
    }
    to = notice.addressee or of_audience[audience]
    return AddressedNotice(
        key=key_of(sequence, notice),
        sequence=sequence,
        application_id=application.application_id,
        locale=application.locale if audience is Audience.PARTNER else to.locale or "en",
        at=at,
        to=to,
        bd=application.bd,
        time_zone=application.policy.time_zone,
        company_master_uid=application.company_master_uid,
        company_name=application.company_name,
        status_text=decisions.status_text(application),
        notice=notice,
        sheet=application.sheet if hasattr(notice, "sheet_revision") else None,
        form=application.form if hasattr(notice, "form_revision") else None,
    )
