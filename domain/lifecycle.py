"""The process, as four tables: stages, steps, moments and attempts. Pure: no Temporal, no I/O, no clock, no
library tables.

`STAGES` says what the applicant reads and whose move it is; `STEPS` what each command does, who may send it
and where; `MOMENTS` what happens when time is up; `ATTEMPTS` what becomes of an attempt to open access. The
rows of all but the first stand in the parts of the guide they belong to; `decisions.py` reads the tables.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from domain import access, anytime, application, questions, signing, terms
from domain.clocks import ClockKind, When
from domain.contract import Command, Stage, WaitingOn
from domain.editions import FIRST, mentioned
from domain.periods import (
    BY_EDITION,
    access_clock,
    contact_clock,
    expiry_clock,
    reminder_clock,
    review_clock,
    start_date_clock,
    start_recount_clock,
)
from domain.steps import Attempt, Moment, StageRow, Step

STAGES: Final[dict[Stage, StageRow]] = {
    Stage.DRAFTING: StageRow(
        "Signing Process: Alibaba Cloud Reseller Partner", WaitingOn.PARTNER, (expiry_clock,)
    ),
    Stage.UNDER_REVIEW: StageRow(
        "Please be patient and wait for the approval", WaitingOn.BD, (review_clock,)
    ),
    Stage.JUSTIFYING: StageRow(
        "Please justify your qualification", WaitingOn.PARTNER, (reminder_clock, expiry_clock)
    ),
    Stage.WITHDRAWN: StageRow("Application withdrawn", WaitingOn.PARTNER, (expiry_clock,)),
    Stage.QUALIFIED: StageRow(
        "Congratulations on passing the qualification", WaitingOn.BD, (reminder_clock,)
    ),
    Stage.CONFIRMING_TERMS: StageRow(
        "Please confirm the following business terms", WaitingOn.PARTNER, (reminder_clock, expiry_clock)
    ),
    Stage.CORRECTING_TERMS: StageRow("Your modification is being processed", WaitingOn.BD, (reminder_clock,)),
    Stage.AWAITING_SIGNATURES: StageRow("Waiting for signing contract", WaitingOn.BOTH, (contact_clock,)),
    Stage.SIGNED: StageRow(
        "You have successfully signed the contract",
        WaitingOn.PLATFORM,
        (start_date_clock, start_recount_clock),
    ),
    Stage.ACTIVATING: StageRow(
        "Your contract is in effect; access is being opened", WaitingOn.PLATFORM, (access_clock,)
    ),
    Stage.ACTIVE: StageRow("ACPN access granted", WaitingOn.NONE),
    Stage.REJECTED: StageRow("Application rejected", WaitingOn.NONE),
    Stage.CANCELLED: StageRow("Application cancelled", WaitingOn.NONE),
    Stage.EXPIRED: StageRow("Application expired", WaitingOn.NONE),
}

STEPS: Final[tuple[Step, ...]] = (
    *application.STEPS,  # guide §2.2
    *terms.STEPS,  # §2.3
    *signing.STEPS,  # §2.3, §2.4
    *access.STEPS,  # §2.4, §2.5
    *questions.STEPS,  # §2.3, and before and after
    *anytime.STEPS,
)
MOMENTS: Final[tuple[Moment, ...]] = (
    *application.MOMENTS,
    *terms.MOMENTS,
    *signing.MOMENTS,
    *access.MOMENTS,
    *questions.MOMENTS,
    *anytime.MOMENTS,
)
ATTEMPTS: Final[tuple[Attempt, ...]] = access.ATTEMPTS


def _editions(
    stages: Iterable[StageRow],
    steps: Iterable[Step],
    moments: Iterable[Moment],
    attempts: Iterable[Attempt],
) -> Iterator[int]:
    yield FIRST
    for by_edition in BY_EDITION:
        yield from by_edition
    for stage in stages:
        yield from mentioned(stage.clocks)
    rows: list[Step | Moment | Attempt] = [*steps, *moments, *attempts]
    for row in rows:
        yield row.since
        if row.until is not None:
            yield row.until
        yield from mentioned((*row.notices, *row.restarts))
    for moment in moments:
        yield from mentioned((*moment.if_start_moves, *moment.unanswered))
    for step in steps:
        yield from mentioned((*step.rules, *step.timed_rules))
        yield from mentioned(step.branch.notices if step.branch else ())
        for told in step.tells_refusal.values():
            yield from mentioned(told)


NEWEST: Final = max(_editions(STAGES.values(), STEPS, MOMENTS, ATTEMPTS))
"""The edition new applications begin with: the newest one that anything here speaks of.

What comes after access was given (`coverage.py`) is judged by these tables' functions, so it can't be among
them. Its rows may not speak of a newer edition, which no application would have: a test refuses that. Where a
change is to be newer than all of this, name the edition here, too.
"""


def steps_of(edition: int) -> tuple[Step, ...]:
    """The steps applications of this edition have."""
    return tuple(step for step in STEPS if step.holds(edition))


def attempts_of(edition: int) -> tuple[Attempt, ...]:
    """What an attempt to open access may come to for applications of this edition."""
    return tuple(attempt for attempt in ATTEMPTS if attempt.holds(edition))


def newest_rows(steps: Iterable[Step] = STEPS) -> tuple[Step, ...]:
    """One row for each command: that of the newest edition."""
    rows: dict[type[Command], Step] = {}
    for step in steps:
        if step.command not in rows or rows[step.command].since < step.since:
            rows[step.command] = step
    return tuple(rows.values())


def rows_of(command: type[Command], edition: int) -> tuple[Step, Step | None]:
    """The command's newest row, and the one applications of this edition have."""
    rows = [step for step in STEPS if step.command is command]
    return newest_rows(rows)[0], next((row for row in rows if row.holds(edition)), None)


def moment_for(edition: int, kind: ClockKind, stage: Stage, when: When) -> Moment:
    """What happens when a clock of this kind is due in this stage, or before or after that.

    Raises ``StopIteration`` where the tables set a clock and say nothing about it: a bug, which a test finds.
    """
    return next(
        moment
        for moment in MOMENTS
        if moment.holds(edition) and moment.clock is kind and stage in moment.where and moment.when is when
    )
