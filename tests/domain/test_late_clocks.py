"""Commands that come when a clock is due and has not been looked at yet, as after an outage of the workers.

They are judged by the time they are looked at. What is in effect by its date (guide §2.4) is in effect,
whatever the stage says; everything else that is due is told or done by the service, and who comes before that
is heard.
"""

from datetime import timedelta

import pytest

from domain.clocks import ClockKind
from domain.contract import Stage
from domain.lifecycle import MOMENTS, STEPS
from domain.possible import allowed_commands
from domain.refusal import RefusedError
from domain.state import OUTCOMES
from tests.domain.applications import Journey, journey_to
from tests.domain.situations import SHORT, usual_role

TOO_LATE = {
    ("signed", ClockKind.START_DATE): {"amend_start_date", "end_contract"},
}
"""What is refused, though the stage still has it, once this clock is due."""
SITUATIONS = [name for name in SHORT if name not in OUTCOMES]
CASES = [(name, clock.kind) for name in SITUATIONS for clock in journey_to(name).application.clocks]


def refused_of(journey: Journey) -> set[tuple[str, str]]:
    """The commands the stage has that are refused just now, and by which error."""
    refused = set()
    for kind in allowed_commands(journey.application):
        payload = journey.something_new(kind)
        try:
            journey.judge(kind, role=usual_role(kind, payload), **payload)
        except RefusedError as refusal:
            refused.add((kind, refusal.error.value))
    return refused


def ready(situation: str) -> Journey:
    """There, with a mail that failed and a question that waits, which some commands are about."""
    journey = journey_to(situation)
    journey.bounce()
    journey.say("ask_bd", question="May we start in May?")
    return journey


@pytest.mark.parametrize(("situation", "kind"), CASES)
@pytest.mark.parametrize("late", [timedelta(), timedelta(minutes=1), timedelta(days=3)])
def test_what_may_still_be_said_before_a_clock_that_is_due(
    situation: str, kind: ClockKind, late: timedelta
) -> None:
    journey = ready(situation)
    clock = journey.application.clock(kind)
    assert clock
    journey.now = clock.due_at - timedelta(microseconds=1)
    in_time = refused_of(journey)
    assert in_time == (
        {("submit_application", "company_not_confirmed")} if situation == "drafting" else set()
    )
    journey.now = clock.due_at + late
    too_late = TOO_LATE.get((situation, kind), set())
    assert refused_of(journey) == in_time | {(name, "wrong_stage") for name in too_late}


def test_every_stage_that_time_alone_ends_and_every_command_of_it_are_among_these() -> None:
    led_on = {(stage, moment.clock) for moment in MOMENTS if moment.to for stage in moment.where}
    assert led_on <= {(journey_to(name).application.stage, kind) for name, kind in CASES}
    tried = {kind for name in SITUATIONS for kind in allowed_commands(ready(name).application)}
    assert tried == {step.name for step in STEPS}


def test_who_comes_before_the_expiry_is_looked_at_is_heard_and_nothing_expires() -> None:
    journey = journey_to("confirming_terms")
    clock = journey.application.clock(ClockKind.EXPIRY)
    assert clock
    journey.now = clock.due_at + timedelta(hours=2)
    journey.say("confirm_terms", **journey.terms())
    assert journey.application.stage is Stage.AWAITING_SIGNATURES
    assert not journey.application.clock(ClockKind.EXPIRY)


def test_a_start_date_is_amended_until_the_last_moment_and_not_once_it_has_come() -> None:
    """Or what has begun would begin once more."""
    journey = journey_to("signed")
    starts = journey.application.contract_start_at
    assert starts
    later = {"start_date": "2026-12-24", "time_zone": "Asia/Shanghai", "reason": "Later."}
    journey.now = starts
    for _ in range(2):
        with pytest.raises(RefusedError) as refusal:
            journey.judge("amend_start_date", **later)
        assert refusal.value.message == (
            "'amend_start_date' is possible only before the contract starts; it has been in effect since "
            "2026-08-31T16:00:00Z. What is in effect is undone by the operators alone, by Temporal's Reset "
            "or Cancel (docs/how-to/resetting.md)."
        )
    journey.now -= timedelta(microseconds=1)
    journey.say("amend_start_date", **later)
    assert str(journey.application.start_date) == "2026-12-24"
