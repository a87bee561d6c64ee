"""What may happen at any time before the end: other people, mails that bounced, giving up."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from domain import notices
from domain import notices_of_assignments as assigned
from domain.access import contract_has_not_begun
from domain.audiences import FAREWELLS, audience_of
from domain.clocks import ClockKind
from domain.contract import Command, ErrorType, Person, Role, Stage
from domain.inquiry import AccountAnswers, Table, TableEntry
from domain.notice import Audience, Notice
from domain.refusal import RefusedError
from domain.state import Application, newest_within
from domain.status import AccessCause, Closing, ClosingCode, FailedEmail
from domain.steps import (
    ANYBODY,
    BD,
    BD_LEAD,
    BD_OR_OPS,
    BEFORE_SIGNED,
    OPEN,
    PARTNER,
    Condition,
    Moment,
    Step,
    known_to_bd,
)
from domain.values import Email, HeaderText, Text

KEPT_RESENT_EMAILS: Final = 50


class ReassignBd(Command):
    """BD lead: another BD looks after this application from now on."""

    kind: Literal["reassign_bd"] = "reassign_bd"
    bd: Person = Field(
        description="The new BD.", examples=[{"name": "Wei Zhang", "email": "wei@vendor.example"}]
    )


def _bd_reassigned(application: Application, command: ReassignBd) -> bool:
    return application.bd == command.bd


def _entries_of_the_bd(command: ReassignBd) -> tuple[TableEntry, ...]:
    return (TableEntry(field="bd.email", table=Table.EMAIL, value=command.bd.email),)


def _reassign_bd(
    application: Application, command: ReassignBd, now: datetime, accounts: AccountAnswers
) -> Application:
    return application.but(bd=command.bd, former_bd=application.bd)


class ReassignLead(Command):
    """BD lead: another lead looks after this application from now on."""

    kind: Literal["reassign_lead"] = "reassign_lead"
    bd_lead: Person = Field(
        description="The new lead.", examples=[{"name": "Ada Li", "email": "ada@vendor.example"}]
    )


def _lead_reassigned(application: Application, command: ReassignLead) -> bool:
    return application.bd_lead == command.bd_lead


def _entries_of_the_lead(command: ReassignLead) -> tuple[TableEntry, ...]:
    return (TableEntry(field="bd_lead.email", table=Table.EMAIL, value=command.bd_lead.email),)


def _reassign_lead(
    application: Application, command: ReassignLead, now: datetime, accounts: AccountAnswers
) -> Application:
    return application.but(bd_lead=command.bd_lead, former_lead=application.bd_lead)


class CorrectContact(Command):
    """Partner or BD: mails to the partner go to this address (and name) from now on."""

    kind: Literal["correct_contact"] = "correct_contact"
    email: Email = Field(
        description="Where mails to the partner go from now on.", examples=["ann.tan@acme.example"]
    )
    name: HeaderText | None = Field(default=None, description="Whom they address; as before if left out.")


def _contact_corrected(application: Application, command: CorrectContact) -> bool:
    recipient = application.recipient
    return recipient.email == command.email and command.name in (None, recipient.name)


def _entries_of_the_contact(command: CorrectContact) -> tuple[TableEntry, ...]:
    return (TableEntry(field="email", table=Table.EMAIL, value=command.email),)


def _correct_contact(
    application: Application, command: CorrectContact, now: datetime, accounts: AccountAnswers
) -> Application:
    name = command.name or application.recipient.name
    return application.but(corrected_contact=Person(name=name, email=command.email))


class ResendEmail(Command):
    """Partner or BD: send the e-mail with this key, which could not be delivered, once more."""

    kind: Literal["resend_email"] = "resend_email"
    key: HeaderText = Field(
        description="Its key, as the status and the list of mails show it.", examples=["12.sheet_to_confirm"]
    )


def _email_resent(application: Application, command: ResendEmail) -> bool:
    return command.key in application.resent_emails


def email_has_failed(application: Application, command: ResendEmail) -> None:
    """Only what could not be delivered is sent once more."""
    if command.key not in {failed.key for failed in application.failed_emails}:
        keys = ", ".join(failed.key for failed in application.failed_emails) or "none"
        raise RefusedError(
            ErrorType.INVALID,
            f"key: no e-mail with this key has failed; the failed ones are: {keys}.",
        )


def _resend_email(
    application: Application, command: ResendEmail, now: datetime, accounts: AccountAnswers
) -> Application:
    still_failed = tuple(failed for failed in application.failed_emails if failed.key != command.key)
    return application.but(
        failed_emails=still_failed,
        resent_emails=(*application.resent_emails, command.key)[-KEPT_RESENT_EMAILS:],
    )


def _key_of_the_email(command: ResendEmail) -> str:
    return command.key


def emails_failed(application: Application, failed: tuple[FailedEmail, ...]) -> Application:
    """These mails can't be delivered; the latest are kept, to be sent again if asked."""
    return application.but(failed_emails=newest_within((*application.failed_emails, *failed)))


class Decline(Command):
    """Partner: no contract after all."""

    kind: Literal["decline"] = "decline"
    reason: Text | None = Field(default=None, description="Why.", examples=["We stay with another vendor"])


class EndContract(Command):
    """BD: the signed contract is off before it has begun, or while another application keeps access from
    being opened."""

    kind: Literal["end_contract"] = "end_contract"
    reason: Text = Field(description="Why.", examples=["The partner has been taken over"])


def _not_held_up_otherwise(application: Application) -> bool:
    causes = {missing.cause for missing in application.access_missing}
    return application.stage is Stage.SIGNED or AccessCause.COVERED_ELSEWHERE in causes


BEFORE_ACCESS: Final = Condition(
    _not_held_up_otherwise,
    "unless another application's access to an account keeps it from being opened",
    "In `activating` only while another application has access to one of the accounts (`covered_elsewhere`).",
)


class CancelApplication(Command):
    """BD: the application is called off (also Temporal's own Cancel, by ``system``)."""

    kind: Literal["cancel_application"] = "cancel_application"
    reason: Text = Field(description="Why.", examples=["Entered twice"])


def _called_off(
    application: Application,
    command: Decline | EndContract | CancelApplication,
    now: datetime,
    accounts: AccountAnswers,
) -> Application:
    return application.but(closing=Closing(by=command.actor.role, reason=command.reason))


def _news_to_bd(application: Application) -> bool:
    """Who calls off what is his own need not be told."""
    own = application.closing is not None and application.closing.by is Role.BD
    return not own and application.known_to_bd


def expired(days: int) -> Closing:
    """Why an application nobody went on with has ended."""
    return Closing(
        by=Role.SYSTEM,
        reason=f"Nothing was heard from the partner for {days} days.",
        code=ClosingCode.EXPIRED,
        days=days,
    )


# fmt: off
STEPS: Final[tuple[Step, ...]] = (
    Step(ReassignBd, BD_LEAD, OPEN, None, (assigned.HandedOver, assigned.AssignedToBd),
         done=_bd_reassigned, entries=_entries_of_the_bd, changes=_reassign_bd),
    Step(ReassignLead, BD_LEAD, OPEN, None, (assigned.LeadHandedOver, assigned.AssignedToLead),
         done=_lead_reassigned, entries=_entries_of_the_lead, changes=_reassign_lead, inside=("bd_lead",)),
    Step(CorrectContact, ANYBODY, OPEN, None,
         done=_contact_corrected, entries=_entries_of_the_contact, changes=_correct_contact),
    Step(ResendEmail, ANYBODY, OPEN, None, resends=_key_of_the_email,
         done=_email_resent, rules=(email_has_failed,), changes=_resend_email),
    Step(Decline, PARTNER, BEFORE_SIGNED, Stage.CANCELLED,
         (notices.ApplicationCancelled, notices.ClosedToBd), concerns={notices.ClosedToBd: known_to_bd},
         changes=_called_off),
    Step(EndContract, BD, (Stage.SIGNED, Stage.ACTIVATING), Stage.CANCELLED,
         (notices.ContractEnded, notices.ContractEndedToBd), only=BEFORE_ACCESS,
         timed_rules=(contract_has_not_begun,), changes=_called_off),
    Step(CancelApplication, BD_OR_OPS, BEFORE_SIGNED, Stage.CANCELLED,
         (notices.ApplicationCancelled, notices.ClosedToBd), concerns={notices.ClosedToBd: _news_to_bd},
         changes=_called_off),
)
MOMENTS: Final[tuple[Moment, ...]] = (
    Moment("calendar_check", ClockKind.CALENDAR_CHECK, OPEN, counts_again=True),
)
# fmt: on

ALERTS: Final[Mapping[Audience, type[Notice]]] = {
    Audience.PARTNER: notices.EmailFailed,
    Audience.BD: notices.EmailToBdFailed,
}
"""Who is told when a mail to this audience can't be delivered."""
REMEDIES: Final[Mapping[Audience, str]] = {
    Audience.PARTNER: "correct_contact",
    Audience.BD: "reassign_bd",
    Audience.BD_LEAD: "reassign_lead",
}
"""The command that puts right where mails to this audience go."""


def missed_emails(failed: tuple[FailedEmail, ...]) -> tuple[FailedEmail, ...]:
    """Those somebody misses: whom a farewell does not reach has nothing to do with it any more."""
    return tuple(email for email in failed if email.template not in FAREWELLS)


def alerts(failed: tuple[FailedEmail, ...]) -> tuple[type[Notice], ...]:
    """The notices that tell of them."""
    audiences = {audience_of(email.template) for email in failed}
    return tuple(ALERTS[audience] for audience in Audience if audience in audiences and audience in ALERTS)
