"""Random walks of the pure lifecycle: whatever is sent in whatever order, and however much time passes.

Beside the promises to the process owner (`tests/model/promises.py`) they look inside: what the workflow
remembers, with mails that bounce, a directory that is down and a calendar that is not known.
"""

from random import Random
from typing import Final
from uuid import uuid4

from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from domain import decisions
from domain.audit import Verdict
from domain.clocks import ClockKind
from domain.decisions import Decision
from domain.inquiry import AccessOutcome
from domain.publication import Entry
from domain.refusal import RefusedError
from domain.state import Application
from domain.status import Status
from tests.domain.applications import MISSING, SITUATIONS, START, directory, journey_to
from tests.model.commands import any_kind, any_role, anything, something_forward, usual_role
from tests.model.promises import Happening, Known, Said, keep
from tests.payloads import Json
from workflows.memory import Memory, RunMemory

WITH_TERMS: Final = ("sheet_2", "awaiting_signatures", "contacted", "partner_signed", "one_signature")
STARTS: Final = ("2026-01-01", START, "2026-12-24")


class Onboarding:
    """An application that people and services send commands to, sensible ones and others, in any order."""

    def __init__(self, situation: str) -> None:
        self.journey = journey_to(situation)
        self.known = Known.of(self.journey.status)
        self.ended: Application | None = None

    def something_happens(self, random: Random) -> None:
        goes_on, anything_at_all = self.the_process_goes_on, self.anybody_sends_anything
        happens = [goes_on, goes_on, goes_on, anything_at_all, anything_at_all, self.the_same_is_sent_again]
        others = [self.time_passes, self.the_directory_comes_and_goes, self.a_mail_bounces]
        random.choice([*happens, *others, self.the_calendar_comes_and_goes])(random)

    def the_process_goes_on(self, random: Random) -> None:
        kind = something_forward(self.journey.application, random.choice)
        if kind:
            payload = self.journey.something_new(kind)
            self._send(kind, usual_role(kind, payload), payload)

    def anybody_sends_anything(self, random: Random) -> None:
        application = self.journey.application
        kind = any_kind(application, random.choice)
        payload = anything(kind, application, self.journey.now, random.choice, STARTS)
        self._send(kind, any_role(kind, payload, random.choice), payload)

    def the_same_is_sent_again(self, random: Random) -> None:
        said = self.journey.said
        if said:
            kind = random.choice(sorted(said))
            self._send(kind, usual_role(kind, said[kind]), said[kind])

    def _send(self, kind: str, role: str, payload: Json) -> None:
        note(f"{self.journey.now} {role}: {kind} {payload}")
        before, status, mails = self.journey.application, self.journey.status, len(self.journey.mails)
        error = None
        try:
            decision = self.journey.say(kind, role=role, **payload)
        except RefusedError as refusal:
            assert self.journey.application is before
            error, verdict = refusal.error.value, Verdict.REFUSED
        else:
            verdict = decision.verdict
            if verdict is Verdict.NO_OP:
                assert decision == Decision(before, Verdict.NO_OP), "a no-op stops and starts nothing"
                assert self.journey.application == before
        event(f"{verdict}: {error or kind}")
        self._keep(status, mails, Said(kind, role, str(uuid4()), payload, verdict, error))

    def time_passes(self, random: Random) -> None:
        before, status, mails = self.journey.application, self.journey.status, len(self.journey.mails)
        if decisions.next_clock(before) is None:
            return
        granted: bool = random.random() < 0.5
        note(f"{self.journey.now} time passes, access is {'granted' if granted else 'missing'}")
        answer = AccessOutcome(granted=granted, missing=() if granted else (MISSING,))
        after = self.journey.wait(answer).application
        assert (after.stage == "activating") <= (before.stage in ("signed", "activating"))
        assert (after.stage == "active") <= (before.stage == "activating" and granted)
        self._keep(status, mails)

    def _keep(self, before: Status, mails: int, said: Said | None = None) -> None:
        journey = self.journey
        templates = tuple(notice.template for notice in journey.mails[mails:])
        self.known = keep(self.known, Happening(journey.now, before, journey.status, templates, said))

    def the_directory_comes_and_goes(self, random: Random) -> None:
        down: bool = random.random() < 0.5
        self.journey.directory = None if down else directory()

    def the_calendar_comes_and_goes(self, random: Random) -> None:
        self.journey.calendar_known = random.random() < 0.5

    def a_mail_bounces(self, random: Random) -> None:
        before = self.journey.application
        self.journey.bounce()
        after = self.journey.application
        kept = {"failed_emails": after.failed_emails, "calendar_entries": after.calendar_entries}
        assert after == before.but(**kept), "nothing but the list of failed mails, and what BD is told by it"
        assert set(after.calendar_entries) <= set(before.calendar_entries)
        assert len(after.failed_emails) == len(before.failed_emails) + 1
        if self.ended is not None:
            self.ended = after

    def nothing_changes_after_the_end(self) -> None:
        application = self.journey.application
        if self.ended is not None:
            assert application == self.ended
        elif application.ended:
            self.ended = application
            assert application.clocks == ()

    def no_clock_runs_twice(self) -> None:
        kinds = [clock.kind for clock in self.journey.application.clocks]
        assert len(kinds) == len(set(kinds))
        assert (ClockKind.REVIEW in kinds) == (self.journey.application.stage == "under_review")

    def what_is_estimated_is_counted_again(self) -> None:
        clocks = self.journey.application.clocks
        estimated = any(clock.estimate and not clock.passed for clock in clocks)
        assert estimated == any(clock.kind is ClockKind.CALENDAR_CHECK for clock in clocks)

    def it_survives_continue_as_new(self) -> None:
        memory = RunMemory.of(self.journey.application)
        event = memory.event(self.journey.now, "join", Verdict.ACCEPTED, memory.application)
        notices = tuple(mail.notice for mail in self.journey.mails[-3:])
        memory.note(event, Entry(event=event, notices=notices))
        handed_over = Memory.model_validate_json(memory.memory().model_dump_json())
        assert handed_over == memory.memory()
        assert handed_over.application == self.journey.application
        assert [entry.notices for entry in handed_over.backlog] == [notices]


INSIDE: Final = (
    Onboarding.nothing_changes_after_the_end,
    Onboarding.no_clock_runs_twice,
    Onboarding.what_is_estimated_is_counted_again,
    Onboarding.it_survives_continue_as_new,
)


# Hypothesis prefers few and simple choices, but this process needs them all: it only draws the dice.
@settings(max_examples=150, deadline=None)
@given(random=st.randoms(use_true_random=True))
def test_what_the_process_owner_relies_on(random: Random) -> None:
    onboarding = Onboarding(random.choice(WITH_TERMS if random.random() < 0.5 else SITUATIONS))
    for _ in range(25):
        onboarding.something_happens(random)
        for promise in INSIDE:
            promise(onboarding)
