"""An application in each situation of the process, brought there by the commands that lead there.

`Journey` plays the workflow without Temporal: commands come in as JSON, the tables decide, and a calendar
in which every day is a working day sets the clocks.
"""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from activities.emails.addressed import AddressedNotice
from activities.tables import same_name
from domain import decisions, intake, view
from domain.clocks import MARKED, ONLY_TOLD, Clock, ClockKind, ClockRequest
from domain.contract import Command, OnboardingInput, Stage
from domain.decisions import Decision
from domain.inquiry import AccessOutcome, Account, AccountAnswers, Answers, Inquiry, Problem
from domain.invitations import compose_all
from domain.lifecycle import NEWEST
from domain.policy import Policy
from domain.refusal import RefusedError
from domain.refused import told_of_refusal
from domain.state import Application
from domain.status import AccessCause, Company, FailedEmail, Missing, Status
from domain.steps import Moment
from tests import payloads
from tests.model.commands import something_new, terms_in_force
from tests.model.mailing import addressed
from tests.payloads import Json

UID: Final = "5000000000000001"
JOINED_AT: Final = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
START: Final = "2026-09-01"
ENTERPRISE: Final = Company.model_validate(
    {
        "legal_name": payloads.ENTERPRISE,
        "registration_number": payloads.REGISTRATION,
        "country": "SG",
        "verified": True,
    }
)
MISSING: Final = Missing(cause=AccessCause.CREDIT_CONTROL_MISSING, uids=(UID,))
MAIL_HOUR: Final = timedelta(hours=9)
NOT_KNOWN: Final = "no calendar of that name"
"""Why a deadline is only estimated while `Journey.calendar_known` is false."""


def directory(*accounts: Account) -> AccountAnswers:
    """What the account directory answers: the applicant's account unless others are given."""
    return AccountAnswers(accounts=accounts or (Account(uid=UID, enterprise=ENTERPRISE),))


def set_clocks(
    requests: tuple[ClockRequest, ...],
    at: datetime,
    *,
    known: bool = True,
    day_begins_later: timedelta = timedelta(),
) -> tuple[Clock, ...]:
    """The clocks asked for, by a calendar in which every day is a working day and begins as UTC has it; its
    mornings are at `MAIL_HOUR`.

    Where it is not ``known``, they are estimates, a day late. ``day_begins_later``: by so much, where a
    date begins in a zone of its own.
    """
    counted = tuple(_clock(request.counted_from(at), day_begins_later) for request in requests)
    return counted if known else tuple(map(_estimated, counted, requests))


def _clock(request: ClockRequest, day_begins_later: timedelta) -> Clock:
    assert request.since
    if request.on and request.time_zone:
        midnight = datetime.combine(request.on, time(), ZoneInfo(request.time_zone))
        due_at = midnight.astimezone(UTC) + day_begins_later
        return Clock(kind=request.kind, due_at=due_at, time_zone=request.time_zone)
    if request.calendar_days:
        due_at = _midnight_after(request.since, request.calendar_days)
        before = (due_at - timedelta(days=days + 1) + MAIL_HOUR for days in request.remind_days_before)
        clock = Clock(kind=request.kind, due_at=due_at)
        return clock.reminding(sorted(at for at in before if at > request.since))
    count = request.working_days or 0
    if request.resume:
        paused_on = request.resume.paused_at.date()
        count = max(1, sum(day > paused_on for day in request.resume.days_counted))
    due_at = _midnight_after(request.since, count)
    return Clock(
        kind=request.kind,
        due_at=due_at,
        remind_at=due_at - timedelta(days=1) + MAIL_HOUR if request.kind is ClockKind.REVIEW else None,
        notify_at=due_at + MAIL_HOUR if request.kind in MARKED | ONLY_TOLD else None,
        calendar="every day",
        days_counted=tuple((request.since + timedelta(days=n)).date() for n in range(1, count + 1)),
    )


def _estimated(clock: Clock, request: ClockRequest) -> Clock:
    late = timedelta(days=1)
    later = {"due_at": clock.due_at + late, "notify_at": clock.notify_at and clock.notify_at + late}
    why = {"estimate": NOT_KNOWN, "request": request, "calendar": None}
    return clock.reminding([at + late for at in clock.reminders]).model_copy(update=later | why)


def _midnight_after(at: datetime, days: int) -> datetime:
    return datetime.combine(at.date() + timedelta(days=days + 1), time(), UTC)


class Journey:
    """One application on its way: what was said, what was mailed, and what time it is.

    ``problems``: what the tables of libraries find wrong.
    ``calendar_known``: whether deadlines can be counted. ``day_begins_later``: how the rules of zones have
    changed. ``moments`` and ``times``: what time alone has brought about, and when.
    """

    def __init__(
        self, policy: Policy | None = None, locale: str = "en", *, calendar_known: bool = True
    ) -> None:
        joined = OnboardingInput.model_validate(payloads.join(UID, locale=locale))
        self.now = JOINED_AT
        self.directory: AccountAnswers | None = directory()
        self.problems: tuple[Problem, ...] = ()
        self.calendar_known = calendar_known
        self.day_begins_later = timedelta()
        self.said: dict[str, Json] = {}
        self.mails: list[AddressedNotice] = []
        self.moments: list[tuple[Moment, Stage]] = []
        self.times: list[datetime] = []
        self.transitions = 0
        self.application: Application = Application.joined("run-1", joined, policy or Policy()).but(
            company=ENTERPRISE, edition=NEWEST
        )
        self.carry_out(self.counted(decisions.opening(self.application, self.now)))

    def copy(self) -> "Journey":
        """Another journey that has come as far."""
        other = copy.copy(self)
        other.said, other.mails = dict(self.said), list(self.mails)
        other.moments, other.times = list(self.moments), list(self.times)
        return other

    def command(self, kind: str, *, role: str | None = None, **payload: Any) -> Command:
        """The command as it came in; raises `RefusedError` when it does not parse."""
        return intake.parse_command(kind, (payloads.command(kind, role=role, **payload),))

    def judge(self, kind: str, *, role: str | None = None, **payload: Any) -> Decision:
        """What would be decided about this command; raises `RefusedError`."""
        command = self.command(kind, role=role, **payload)
        asked = decisions.inquiry(self.application, command, self.now, self.transitions)
        answers = Answers() if asked.empty else self.answers(asked)
        return decisions.decide(self.application, command, self.now, self.transitions, answers)

    def answers(self, asked: Inquiry) -> Answers:
        """What the outside knows."""
        accounts, wanted = self.directory, asked.accounts
        if accounts and wanted:
            master = accounts.account(wanted.company_master_uid)
            if wanted.legal_name and master and master.enterprise:
                matches = same_name(wanted.legal_name, master.enterprise.legal_name)
                accounts = accounts.model_copy(update={"name_matches": matches})
        return Answers(
            accounts=accounts if wanted else None,
            problems=self.problems if asked.entries else (),
            clocks=self._set(asked.clocks, asked.at),
        )

    def counted(self, decision: Decision) -> Decision:
        """The decision with the clocks it asks for."""
        if not decision.requests:
            return decision
        clocks = self._set(decision.requests, self.now)
        return decisions.completed(decision, Answers(clocks=clocks), self.now)

    def _set(self, requests: tuple[ClockRequest, ...], at: datetime) -> tuple[Clock, ...]:
        return set_clocks(requests, at, known=self.calendar_known, day_begins_later=self.day_begins_later)

    def say(self, kind: str, *, role: str | None = None, **payload: Any) -> Decision:
        """Send a command and carry out what is decided; raises `RefusedError` and then changes nothing
        but the company shown."""
        try:
            decision = self.judge(kind, role=role, **payload)
        except RefusedError as refusal:
            if refusal.company:
                self.application = self.application.showing(refusal.company)
            self._tell(kind, role, payload, refusal)
            raise
        self.carry_out(decision)
        self.said[kind] = payload
        return decision

    def _tell(self, kind: str, role: str | None, payload: Json, refusal: RefusedError) -> None:
        """Write the notices about a refusal, which is on record as they are, as the workflow does."""
        try:
            command = self.command(kind, role=role, **payload)
        except RefusedError:
            return
        told = told_of_refusal(self.application, command, refusal)
        self.transitions += bool(told)
        self.mails += [addressed(notice, self.application, self.transitions, self.now) for notice in told]

    def carry_out(self, decision: Decision) -> None:
        """Take over what was decided, and write the notices, as the workflow does."""
        self.application, written = compose_all(decision.notices, decision.application, self.now)
        self.transitions += 1
        self.mails += [addressed(notice, self.application, self.transitions, self.now) for notice in written]

    def wait(self, access: AccessOutcome | None = None) -> Decision:
        """Let time pass until the next clock has something to say; ``access``: what ACPN answers then."""
        clock = decisions.next_clock(self.application)
        assert clock
        assert clock.next_at
        self.now = max(self.now, clock.next_at)
        moment = decisions.moment_of(self.application, clock, self.now)
        self.moments.append((moment, self.application.stage))
        self.times.append(self.now)
        if clock.kind is ClockKind.ACCESS_CHECK:
            granted = access or AccessOutcome(granted=True)
            decision = self.counted(decisions.access_answered(self.application, granted, self.now))
        else:
            decision = self.counted(decisions.time_is_up(self.application, clock, self.now))
        if decisions.only_rechecked(self.application, decision):
            self.application = decision.application
        else:
            self.carry_out(decision)
        return decision

    @property
    def status(self) -> Status:
        """What a caller reads."""
        return view.describe(self.application, sequence=self.transitions)

    def terms(self) -> Json:
        """The revision and hash of the sheet in force; of one that does not exist before there is one."""
        return terms_in_force(self.application)

    def bounce(self) -> str:
        """A mail to the partner can't be delivered; its key."""
        failed = FailedEmail(
            key=f"{self.transitions}.sheet_to_confirm",
            template="sheet_to_confirm",
            to=self.application.recipient.email,
            reason="550 No such user",
            at=self.now,
        )
        self.carry_out(decisions.mails_bounced(self.application, (failed,)))
        return failed.key

    def something_new(self, kind: str) -> Json:
        """What a well-formed command of this kind says that was not said before and meets the rules."""
        return something_new(kind, self.application, self.now, START)


def refused(journey: Journey, kind: str, **payload: Any) -> tuple[str, str]:
    """The type and the message the command is refused with."""
    with pytest.raises(RefusedError) as refusal:
        journey.judge(kind, **payload)
    assert str(refusal.value) == refusal.value.message
    return refusal.value.error.value, refusal.value.message


def signature(journey: Journey, party: str) -> Json:
    """A signature of this party on the sheet in force."""
    signer = {"partner": "Ann Tan", "vendor": "Vera Voss"}[party]
    signed_at = journey.now.isoformat()
    return {"party": party, "signer_name": signer, "signed_at": signed_at} | journey.terms()


def _confirmed(journey: Journey) -> None:
    journey.say("confirm_company")


def _submitted(journey: Journey) -> None:
    journey.say("submit_application", application=payloads.form(UID))


def _asked(journey: Journey) -> None:
    journey.say("request_justification", question="How many engineers?")


def _answered(journey: Journey) -> None:
    journey.say("provide_justification", answer="Twelve.")


def _withdrawn(journey: Journey) -> None:
    journey.say("withdraw_application")


def _approved(journey: Journey) -> None:
    journey.say("approve_application", form_revision=journey.application.form_revision)


def _sheet(journey: Journey) -> None:
    journey.say("issue_decision_sheet", sheet=payloads.sheet(start=START))


def _modify(journey: Journey) -> None:
    journey.say("modify_terms", sheet_revision=1, description="ECS at 11 %", fields=["discounts"])


def _corrected(journey: Journey) -> None:
    journey.say("issue_decision_sheet", sheet=payloads.sheet(start=START, ecs="11"))


def _terms_confirmed(journey: Journey) -> None:
    journey.say("confirm_terms", **journey.terms())


def _contacted(journey: Journey) -> None:
    journey.say("choose_signing_path", path="online_esign", order="partner_first")
    journey.say("record_contact", note="Met Ann Tan.")


def _partner_signed(journey: Journey) -> None:
    journey.say("sign_contract", **signature(journey, "partner"))


def _vendor_signed(journey: Journey) -> None:
    journey.say("sign_contract", role="vendor", **signature(journey, "vendor"))


def _reopened(journey: Journey) -> None:
    journey.say("reopen_terms", reason="The level is wrong.")


def _amended(journey: Journey) -> None:
    journey.say("amend_start_date", start_date="2026-10-01", time_zone="Asia/Singapore", reason="Holidays.")


def _started(journey: Journey) -> None:
    while journey.application.stage is Stage.SIGNED:
        journey.wait()


def _rejected(journey: Journey) -> None:
    journey.say("reject_application", reason_code="NO_FIT", explanation="Get certified first.")


def _declined(journey: Journey) -> None:
    journey.say("decline", reason="Changed our mind.")


def _time_passed(journey: Journey) -> None:
    journey.wait()


def _forgotten(journey: Journey) -> None:
    while not journey.application.ended:
        journey.wait()


_STEPS: Final[dict[str, tuple[str | None, Callable[[Journey], None] | None]]] = {
    # The shortest way to every stage.
    "drafting": (None, None),
    "company_confirmed": ("drafting", _confirmed),
    "under_review": ("company_confirmed", _submitted),
    "justifying": ("under_review", _asked),
    "withdrawn": ("under_review", _withdrawn),
    "qualified": ("under_review", _approved),
    "confirming_terms": ("qualified", _sheet),
    "correcting_terms": ("confirming_terms", _modify),
    "awaiting_signatures": ("confirming_terms", _terms_confirmed),
    "partner_signed": ("awaiting_signatures", _partner_signed),
    "signed": ("partner_signed", _vendor_signed),
    "activating": ("signed", _started),
    "active": ("activating", _time_passed),
    "rejected": ("under_review", _rejected),
    "cancelled": ("qualified", _declined),
    "expired": ("drafting", _forgotten),
    # The long way, on which everything is said once.
    "answered": ("justifying", _answered),
    "answered_withdrawn": ("answered", _withdrawn),
    "answered_qualified": ("answered", _approved),
    "sheet_1": ("answered_qualified", _sheet),
    "modifying": ("sheet_1", _modify),
    "sheet_2": ("modifying", _corrected),
    "sheet_2_confirmed": ("sheet_2", _terms_confirmed),
    "contacted": ("sheet_2_confirmed", _contacted),
    "one_signature": ("contacted", _partner_signed),
    "reopened": ("one_signature", _reopened),
    "both_signatures": ("one_signature", _vendor_signed),
    "amended": ("both_signatures", _amended),
    "started": ("amended", _started),
}
SITUATIONS: Final = tuple(_STEPS)
STAGES: Final = (
    *("drafting", "under_review", "justifying", "withdrawn", "qualified", "confirming_terms"),
    *("correcting_terms", "awaiting_signatures", "signed", "activating"),
    *("active", "rejected", "cancelled", "expired"),
)
"""A situation of this name is the shortest way to that stage."""


def journey_to(situation: str) -> Journey:
    """A journey of its own to this situation."""
    return _arrived(situation).copy()


def forget_journeys() -> None:
    """Walk the next ones anew, by the tables as they are then."""
    _arrived.cache_clear()


@lru_cache
def _arrived(situation: str) -> Journey:
    before, step = _STEPS[situation]
    if before is None or step is None:
        return Journey()
    journey = journey_to(before)
    step(journey)
    return journey
