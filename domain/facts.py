"""What a notice may say about an application: the facts it is composed of."""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from domain import warnings
from domain.clocks import Clock, ClockKind
from domain.notice import ContractStart, Notice
from domain.notices import AnyNotice
from domain.state import Application, newest_within
from domain.status import numbered, unanswered

TOLD_BYTES: Final = 8 * 1024
"""What a notice about other e-mails may list."""


def _start(application: Application) -> ContractStart:
    clock = application.clock(ClockKind.START_DATE)
    return ContractStart.model_validate(
        {
            "day": application.start_date,
            "time_zone": application.start_zone,
            "at": clock and clock.due_at,
        }
    )


def _told(application: Application, kind: ClockKind) -> Clock | None:
    clock = application.clock(kind)
    return clock and clock.told


def _next_deadline(application: Application) -> Clock | None:
    running = [clock.told for clock in application.clocks if not clock.passed]
    return min(running, key=lambda clock: clock.due_at, default=None)


SOURCES: Final[Mapping[str, Callable[[Application], Any]]] = {
    "review": lambda application: _told(application, ClockKind.REVIEW),
    "contact": lambda application: _told(application, ClockKind.CONTACT),
    "expiry": lambda application: _told(application, ClockKind.EXPIRY),
    "deadline": _next_deadline,
    "stage": lambda application: application.stage,
    "reminders": lambda application: application.reminders,
    "estimates": lambda application: tuple(clock.told for clock in application.clocks if clock.estimated),
    "start": _start,
    "form_revision": lambda application: application.form_revision,
    "sheet_revision": lambda application: application.sheet and application.sheet.revision,
    "warnings": warnings.of,
    "justification": lambda application: application.justification,
    "asked": lambda application: application.questions[-1],
    "answered": lambda application: numbered(application.questions, application.last_answered),
    "oldest_question": lambda application: next(iter(unanswered(application.questions)), None),
    "waiting_questions": lambda application: len(unanswered(application.questions)),
    "question_reminders": lambda application: application.question_reminders,
    "modification": lambda application: application.modification,
    "signing": lambda application: application.signing,
    "refused_signature": lambda application: application.refused_signature,
    "amendment": lambda application: application.amendments[-1],
    "missing": lambda application: application.access_missing,
    "in_effect_since": lambda application: application.contract_start_at,
    "covered_uids": lambda application: application.covered_uids,
    "coverage_change": lambda application: application.coverage_changes[-1],
    "rejection": lambda application: application.rejection,
    "start_date": lambda application: application.start_date,
    "start_zone": lambda application: application.start_zone,
    "bd_lead": lambda application: application.bd_lead,
    "new_bd": lambda application: application.bd,
    "new_lead": lambda application: application.bd_lead,
    "former_bd": lambda application: application.former_bd,
    "former_lead": lambda application: application.former_lead,
    "closing": lambda application: application.closing,
    "failed_emails": lambda application: newest_within(application.failed_emails, TOLD_BYTES),
}
"""What a notice may say about an application, by the name of its field."""


def compose(notice: type[Notice], application: Application) -> AnyNotice:
    """Write a notice about the application as it stands.

    A notice that asks for a fact the application does not have is a bug and raises ``ValidationError``.
    """
    own = {name: SOURCES[name](application) for name in notice.model_fields if name in SOURCES}
    return cast("AnyNotice", notice.model_validate(own))
