"""A notice as it leaves: addressed, with what every mail says and the documents it speaks of."""

from datetime import datetime

from activities.emails.addressed import AddressedNotice
from domain import decisions
from domain.notice import Audience
from domain.notices import AnyNotice, audience_of, key_of
from domain.state import Application


def addressed(notice: AnyNotice, application: Application, sequence: int, at: datetime) -> AddressedNotice:
    """The mail that comes of a notice about the event of this number."""
    to = {
        Audience.PARTNER: application.recipient,
        Audience.BD: application.bd,
        Audience.BD_LEAD: application.bd_lead,
    }
    return AddressedNotice(
        key=key_of(sequence, notice),
        sequence=sequence,
        application_id=application.application_id,
        locale=application.locale,
        at=at,
        to=notice.addressee or to[audience_of(notice.template)],
        bd=application.bd,
        time_zone=application.policy.time_zone,
        company_master_uid=application.company_master_uid,
        company_name=application.company_name,
        status_text=decisions.status_text(application),
        notice=notice,
        sheet=application.sheet if hasattr(notice, "sheet_revision") else None,
        form=application.form if hasattr(notice, "form_revision") else None,
    )
