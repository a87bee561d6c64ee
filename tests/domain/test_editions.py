"""Editions: an application keeps the rules, notices and periods it began with; a stricter rule is one row."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from domain import decisions, lifecycle, periods
from domain.clocks import MARKED, ONLY_TOLD, Clock, ClockKind, ClockRequest, When
from domain.contract import ErrorType, Stage
from domain.editions import FIRST, In, UnknownEditionError, in_force, mentioned, of_edition
from domain.lifecycle import ATTEMPTS, MOMENTS, NEWEST, STAGES, STEPS
from domain.notices import ApplicationApproved, ApplicationReceived, ReviewRequested, TermsReopened
from domain.refusal import RefusedError
from domain.state import Application
from domain.status import Question
from domain.steps import Attempt, Moment, StageRow, Step
from tests import payloads
from tests.domain.applications import JOINED_AT, UID, Journey, forget_journeys, journey_to, refused, signature

NEXT: Final = NEWEST + 1
DEPLOYED: Final = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
PERIODS: Final = [name for name, value in vars(periods).items() if name.isupper() and isinstance(value, dict)]
"""Those that are given by edition."""


class TestWhatHolds:
    """`In`: since an edition, until another, or for all from a moment on."""

    @pytest.mark.parametrize(
        ("what", "editions"),
        [
            (In("x"), [1, 2, 3, 4]),
            (In("x", since=2), [2, 3, 4]),
            (In("x", until=3), [1, 2]),
            (In("x", since=2, until=3), [2]),
            (In("x", since=3, until=3), []),
        ],
    )
    def test_since_and_until(self, what: In[str], editions: list[int]) -> None:
        assert [edition for edition in (1, 2, 3, 4) if what.holds(edition)] == editions
        assert [edition for edition in (1, 2, 3, 4) if what.holds(edition, DEPLOYED)] == editions

    @pytest.mark.parametrize(
        ("now", "holds"),
        [
            (None, False),
            (DEPLOYED - timedelta(microseconds=1), False),
            (DEPLOYED, True),
            (DEPLOYED + timedelta(days=1), True),
        ],
    )
    def test_binding_holds_from_a_moment_on_for_older_ones_too(
        self, now: datetime | None, holds: bool
    ) -> None:
        what = In("x", since=2, binding=DEPLOYED)
        assert what.holds(1, now) is holds
        assert what.holds(2, now), "for newer ones in any case"

    def test_of_several_what_holds_in_their_order(self) -> None:
        items = ("a", In("b", since=2), "c", In("d", until=2), In("e", since=9, binding=DEPLOYED))
        assert list(of_edition(items, 1)) == ["a", "c", "d"]
        assert list(of_edition(items, 2)) == ["a", "b", "c"]
        assert list(of_edition(items, 1, DEPLOYED)) == ["a", "c", "d", "e"]

    def test_a_period_is_that_of_the_newest_edition_that_is_not_newer(self) -> None:
        by_edition = {1: "minute", 3: "hour"}
        assert [in_force(by_edition, edition) for edition in (1, 2, 3, 4)] == [
            "minute",
            "minute",
            "hour",
            "hour",
        ]

    def test_what_is_mentioned(self) -> None:
        items = ("a", In("b", since=2), In("c", until=5), In("d", since=3, until=4))
        assert set(mentioned(items)) == {1, 2, 3, 4, 5}
        assert list(mentioned(("a", "b"))) == []


class TestNewest:
    """The newest edition is the newest anything speaks of: no number to keep."""

    def newest(
        self,
        stages: dict[Stage, StageRow] | None = None,
        steps: tuple[Step, ...] = STEPS,
        moments: tuple[Moment, ...] = MOMENTS,
        attempts: tuple[Attempt, ...] = ATTEMPTS,
    ) -> int:
        return max(lifecycle._editions((stages or STAGES).values(), steps, moments, attempts))

    def test_as_it_is(self) -> None:
        assert self.newest() == NEWEST >= FIRST

    @pytest.mark.parametrize("in_place", [{"since": 7}, {"until": 7}])
    def test_a_row(self, in_place: Any) -> None:
        step, moment = replace(STEPS[0], **in_place), replace(MOMENTS[0], **in_place)
        assert self.newest(steps=(*STEPS, step)) == 7
        assert self.newest(moments=(*MOMENTS, moment)) == 7
        assert self.newest(attempts=(*ATTEMPTS, replace(ATTEMPTS[0], **in_place))) == 7

    @pytest.mark.parametrize("change", [{"since": 7}, {"until": 7}])
    def test_a_rule_notice_branch_or_clock(self, change: Any) -> None:
        notices = (In(ApplicationApproved, **change),)
        branch = next(step.branch for step in STEPS if step.branch)
        changed: list[dict[str, Any]] = [
            {"rules": (In(no_rule, **change),)},
            {"notices": notices},
            {"branch": replace(branch, notices=notices)},
            {"restarts": (In(periods.reminder_clock, **change),)},
        ]
        for each in changed:
            assert self.newest(steps=(*STEPS, replace(STEPS[0], **each))) == 7, each
        for each in changed[1::2]:
            if "branch" not in each:
                assert self.newest(moments=(*MOMENTS, replace(MOMENTS[0], **each))) == 7, each
        assert self.newest(moments=(*MOMENTS, replace(MOMENTS[0], restarts=changed[3]["restarts"]))) == 7
        for each in (changed[1], changed[3]):
            assert self.newest(attempts=(*ATTEMPTS, replace(ATTEMPTS[0], **each))) == 7, each
        timed = replace(STEPS[0], timed_rules=(In(no_timed_rule, **change),))
        assert self.newest(steps=(*STEPS, timed)) == 7
        assert self.newest(moments=(*MOMENTS, replace(MOMENTS[0], if_start_moves=notices))) == 7
        clocks = (In(periods.review_clock, **change),)
        stages = {**STAGES, Stage.SIGNED: replace(STAGES[Stage.SIGNED], clocks=clocks)}
        assert self.newest(stages=stages) == 7

    @pytest.mark.parametrize("name", PERIODS)
    def test_a_period(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(getattr(periods, name), 7, timedelta(minutes=9))
        assert self.newest() == 7

    def test_every_period_is_counted(self) -> None:
        assert len(PERIODS) == len(periods.BY_EDITION)
        assert all(FIRST in by_edition for by_edition in periods.BY_EDITION), "the first edition has each"


def no_rule(application: Application, command: Any) -> None:
    """Refuses nothing."""


def no_timed_rule(application: Application, command: Any, now: datetime) -> None:
    """Refuses nothing, whatever time it is."""


def signers_have_two_names(application: Application, command: Any) -> None:
    """A stricter rule, as a release might bring it."""
    if " " not in command.signer_name:
        raise RefusedError(ErrorType.INVALID, "signer_name: must be the full name.")


@pytest.fixture
def next_edition(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A release whose next edition has a stricter rule, other notices, periods and clocks, a step less."""
    monkeypatch.setattr(lifecycle, "STEPS", tuple(map(_in_next_edition, STEPS)))
    reminder = replace(
        next(moment for moment in MOMENTS if moment.name == "sheet_reminder"),
        since=NEXT,
        name="sheet_overdue",
        overdue=True,
    )
    moments = [replace(m, until=NEXT) if m.name == "sheet_reminder" else m for m in MOMENTS]
    monkeypatch.setattr(lifecycle, "MOMENTS", (*moments, reminder))
    monkeypatch.setattr(decisions, "NEWEST", NEXT)
    monkeypatch.setitem(periods.FIRST_ACCESS_RECHECK, NEXT, timedelta(minutes=5))
    row = STAGES[Stage.QUALIFIED]
    clocks = (*row.clocks, In(periods.expiry_clock, since=NEXT))
    monkeypatch.setitem(STAGES, Stage.QUALIFIED, replace(row, clocks=clocks))
    # Journeys are kept, and those of these tables are not those of today's.
    forget_journeys()
    yield
    forget_journeys()


def _in_next_edition(step: Step) -> Step:
    match step.name:
        case "sign_contract":
            return replace(step, rules=(*step.rules, In(signers_have_two_names, since=NEXT)))
        case "submit_application":
            received, requested = step.notices
            assert (received, requested) == (ApplicationReceived, ReviewRequested)
            return replace(step, notices=(In(ApplicationReceived, until=NEXT), ReviewRequested))
        case "reopen_terms":
            return replace(step, until=NEXT)
        case _:
            return step


def of(edition: int, situation: str) -> Journey:
    """A journey to this situation by an application of this edition."""
    journey = journey_to(situation)
    journey.application = journey.application.but(edition=edition)
    return journey


@pytest.mark.usefixtures("next_edition")
class TestBothAtOnce:
    """Under one release, applications of both editions go their way."""

    def test_a_stricter_rule_is_for_new_applications(self) -> None:
        for edition, error in ((NEWEST, None), (NEXT, "invalid")):
            journey = of(edition, "awaiting_signatures")
            said = signature(journey, "partner") | {"signer_name": "Ann"}
            if error:
                assert refused(journey, "sign_contract", **said) == (
                    error,
                    "signer_name: must be the full name.",
                )
            else:
                assert journey.say("sign_contract", **said).application.signing.partner

    def test_a_notice_is_sent_by_edition(self) -> None:
        told = {}
        for edition in (NEWEST, NEXT):
            decision = of(edition, "company_confirmed").judge(
                "submit_application", application=payloads.form(UID)
            )
            told[edition] = decision.notices
        assert told == {NEWEST: (ApplicationReceived, ReviewRequested), NEXT: (ReviewRequested,)}

    def test_a_step_that_is_gone_is_refused_in_words_and_in_the_list(self) -> None:
        old, new = of(NEWEST, "awaiting_signatures"), of(NEXT, "awaiting_signatures")
        assert old.judge("reopen_terms", reason="x").notices == (TermsReopened,)
        assert "reopen_terms" in old.status.allowed_commands
        assert "reopen_terms" not in new.status.allowed_commands
        error, message = refused(new, "reopen_terms", reason="x")
        assert error == "wrong_stage"
        assert message.startswith(
            f"'reopen_terms' is not part of the process this application goes by (edition {NEXT})"
        )
        assert message.endswith("correct_contact, resend_email, cancel_application.")

    def test_who_may_not_send_it_and_who_comes_too_late_is_told_so_first(self) -> None:
        assert (
            refused(of(NEXT, "awaiting_signatures"), "reopen_terms", role="partner", reason="x")[0]
            == "forbidden"
        )
        assert refused(of(NEXT, "rejected"), "reopen_terms", reason="x")[0] == "closed"

    def test_a_moment_happens_by_edition(self) -> None:
        for edition, name, overdue in ((NEWEST, "sheet_reminder", False), (NEXT, "sheet_overdue", True)):
            journey = of(edition, "qualified")
            journey.wait()
            [(moment, _)] = journey.moments
            assert (moment.name, journey.status.overdue) == (name, overdue)

    def test_a_period_lasts_as_long_as_it_did(self) -> None:
        first = in_force(periods.FIRST_ACCESS_RECHECK, NEWEST).total_seconds() / 60
        for edition, minutes in ((NEWEST, [first, 2 * first]), (NEXT, [5, 10])):
            application = of(edition, "activating").application
            waits = []
            for attempts in (1, 2):
                tried = application.but(access_attempts=attempts)
                waits.append((periods.access_clock(tried, JOINED_AT).due_at - JOINED_AT).total_seconds() / 60)
            assert waits == minutes

    def test_a_clock_is_set_by_edition(self) -> None:
        for edition, kinds in ((NEWEST, {"reminder"}), (NEXT, {"reminder", "expiry"})):
            journey = of(edition, "under_review")
            journey.say("approve_application", form_revision=1)
            assert {clock.kind.value for clock in journey.application.clocks} == kinds

    def test_an_application_keeps_its_edition_to_its_end(self) -> None:
        for edition in (NEWEST, NEXT):
            journey = of(edition, "drafting")
            journey.say("confirm_company")
            journey.say("submit_application", application=payloads.form(UID))
            journey.say("approve_application", form_revision=1)
            journey.say("cancel_application", reason="Enough.")
            assert (journey.application.edition, journey.status.outcome) == (edition, "cancelled")

    def test_an_edition_this_release_does_not_know_fails_the_task_not_the_application(self) -> None:
        decisions.check_edition(of(NEXT, "signed").application)
        with pytest.raises(
            UnknownEditionError,
            match=rf"of edition {NEXT + 1} .* knows editions up to {NEXT}: run the release",
        ):
            decisions.check_edition(of(NEXT + 1, "signed").application)
        assert not issubclass(UnknownEditionError, RefusedError)


def test_a_binding_rule_holds_for_running_applications_from_its_moment_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bound = In(signers_have_two_names, since=NEWEST + 1, binding=JOINED_AT + timedelta(days=1))
    steps = tuple(
        replace(step, rules=(*step.rules, bound)) if step.name == "sign_contract" else step for step in STEPS
    )
    monkeypatch.setattr(lifecycle, "STEPS", steps)
    journey = journey_to("awaiting_signatures")
    said = signature(journey, "partner") | {"signer_name": "Ann"}

    before = journey.copy()
    before.say("sign_contract", **said)
    journey.now += timedelta(days=1)

    assert refused(journey, "sign_contract", **said) == ("invalid", "signer_name: must be the full name.")
    assert before.application.signing.partner, "what was signed before stays"


def test_the_editions_there_are_today() -> None:
    """Each stage, step and moment of the tables holds for the newest edition, or has ended on purpose."""
    assert {step.name for step in lifecycle.steps_of(NEWEST)} == {s.name for s in STEPS if s.until is None}
    with pytest.raises(UnknownEditionError):
        decisions.check_edition(journey_to("drafting").application.but(edition=NEWEST + 1))
    decisions.check_edition(journey_to("drafting").application.but(edition=NEWEST))


def test_a_clock_the_tables_say_nothing_about_is_a_bug_that_shows() -> None:
    with pytest.raises(StopIteration):
        lifecycle.moment_for(FIRST, ClockKind.CONTACT, Stage.DRAFTING, When.DUE)


@pytest.mark.parametrize("stage", [stage for stage in Stage if STAGES[stage].clocks])
def test_whatever_clock_a_stage_sets_something_is_said_about_it(stage: Stage) -> None:
    application = journey_to(stage.value).application
    for set_clock in of_edition(STAGES[stage].clocks, NEWEST):
        asked: Clock | ClockRequest | None = set_clock(application, JOINED_AT)
        assert asked
        told_of(asked, stage)
    question = Question(number=1, question="May we start in May?", asked_at=JOINED_AT)
    waiting = application.but(questions=(question,))
    for step in STEPS:
        if stage in step.where and step.to is None:
            for set_clock in of_edition(step.restarts, NEWEST):
                asked = set_clock(waiting.but(contacted_at=JOINED_AT), JOINED_AT)
                assert asked
                told_of(asked, stage)


def told_of(asked: Clock | ClockRequest, stage: Stage) -> None:
    """The tables say what happens whenever this clock has something to say, and at no other time."""
    whens = {When.MORNING} if asked.kind in MARKED | ONLY_TOLD else set()
    whens |= set() if asked.kind in ONLY_TOLD else {When.DUE}
    if asked.kind in (ClockKind.REVIEW, ClockKind.EXPIRY):
        whens.add(When.BEFORE)
    for when in whens:
        assert stage in lifecycle.moment_for(NEWEST, asked.kind, stage, when).where
    rows = [moment for moment in lifecycle.MOMENTS if moment.clock is asked.kind and stage in moment.where]
    assert {moment.when for moment in rows} == whens


def test_the_newest_row_of_a_command_counts_wherever_it_stands() -> None:
    row = lifecycle.STEPS[0]
    older, newer = replace(row, until=2), replace(row, since=2)
    assert lifecycle.newest_rows([older, newer]) == lifecycle.newest_rows([newer, older]) == (newer,)
