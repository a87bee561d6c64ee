"""One seed, one plan; and a plan holds everything that was asked for."""

from functools import cache
from itertools import pairwise

import pytest

from bench.chaos.plan import MAIL_WINDOWS, MEANING, FaultKind, Plan, Sort, plan


@cache
def made(seed: int = 7, **changes: object) -> Plan:
    return plan(seed, 200, **{"seconds": 300, "workers": 3, **changes})  # type: ignore[arg-type] # by name


def test_the_same_seed_gives_the_same_plan() -> None:
    assert made.__wrapped__() == made()
    assert made() != made(seed=8)


def test_a_plan_crosses_to_the_mail_server_unchanged() -> None:
    assert Plan.model_validate_json(made().model_dump_json()) == made()


def test_leaving_a_fault_out_moves_no_other() -> None:
    without = made(faults=frozenset(FaultKind) - {FaultKind.WORKER, FaultKind.HANG})
    left_out = {FaultKind.WORKER, FaultKind.HANG}
    assert without.faults == tuple(fault for fault in made().faults if fault.kind not in left_out)


def test_faults_come_as_often_as_announced() -> None:
    kills = [fault for fault in made().faults if fault.kind is FaultKind.WORKER]
    pauses = [after.at - before.at for before, after in pairwise(kills)]
    assert all(2 <= pause <= 10 for pause in pauses)
    assert {kill.slot for kill in kills} == {0, 1, 2}
    [outage] = [fault for fault in made().faults if fault.kind is FaultKind.OUTAGE]
    assert outage.lasts == 60
    assert {fault.kind for fault in made().windows()} == set(MAIL_WINDOWS)


def test_nothing_goes_wrong_after_the_time_for_it() -> None:
    for seed in range(20):
        planned = made(seed)
        assert all(fault.at < planned.seconds for fault in planned.faults)
        assert all(fault.at + fault.lasts <= planned.seconds for fault in planned.windows())


def test_the_database_is_not_restarted_while_it_is_down() -> None:
    for seed in range(20):
        faults = made(seed).faults
        [outage] = [fault for fault in faults if fault.kind is FaultKind.OUTAGE]
        restarts = [fault for fault in faults if fault.kind is FaultKind.DATABASE]
        assert not any(outage.at < fault.at < outage.at + outage.lasts for fault in restarts)


@pytest.mark.parametrize("sort", list(Sort))
def test_every_sort_of_command_is_sent(sort: Sort) -> None:
    sorts = {
        dispatch.sort
        for script in made().scripts
        for turn in script.turns
        for dispatch in (turn.right, *turn.before, *turn.together)
    }
    assert sort in sorts


def test_command_ids_are_unique() -> None:
    ids = [
        dispatch.command_id
        for script in made().scripts
        for turn in script.turns
        for dispatch in (turn.right, *turn.before, *turn.together)
    ]
    assert len(ids) == len(set(ids))


def test_without_faults_every_command_is_right_and_sent_once() -> None:
    planned = made(faults=frozenset())
    assert planned.faults == ()
    for script in planned.scripts:
        assert not script.bounces
        assert all(not (turn.before or turn.together) for turn in script.turns)
        assert all(len(turn.right.copies) == 1 for turn in script.turns)


def test_resets_move_nothing_else() -> None:
    turned = made(faults=frozenset(FaultKind))
    assert turned.faults == made().faults
    still = [script.model_copy(update={"resets": ()}) for script in turned.scripts]
    assert tuple(still) == made().scripts
    assert not any(script.resets for script in made().scripts)


def test_some_applicants_are_reset_once_or_more_anywhere() -> None:
    scripts = made(faults=frozenset(FaultKind)).scripts
    assert {len(script.resets) for script in scripts} == {0, 1, 2, 3}
    assert {reset.at for script in scripts for reset in script.resets} == set(range(14))
    for script in scripts:
        steps = [reset.at for reset in script.resets]
        assert steps == sorted(set(steps))
        assert all(0 <= reset.back < 1 for reset in script.resets)


def test_every_fault_is_explained() -> None:
    assert set(MEANING) == set(FaultKind)
