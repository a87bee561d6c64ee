"""The process as a release after this one might have it: an edition more, with a stricter rule, a longer
period and a notice that was not sent before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final

import pytest

from activities import look_up
from domain import decisions, lifecycle, periods
from domain.application import ApproveApplication
from domain.clocks import ClockRequest
from domain.contract import ErrorType, Stage
from domain.editions import In, in_force
from domain.notices_of_assignments import AssignedToBd
from domain.refusal import RefusedError
from domain.state import Application
from domain.steps import Step
from domain.terms import IssueDecisionSheet

NEXT: Final = lifecycle.NEWEST + 1
LONGEST_TERM: Final = 12
TOO_LONG: Final = f"sheet.basic.term_months: must be {LONGEST_TERM} at most"
RECHECK: Final = 3 * in_force(periods.FIRST_ACCESS_RECHECK, lifecycle.NEWEST)
"""How long after the first failed attempt access is tried again; it was a third."""


def _term_is_short(application: Application, command: IssueDecisionSheet) -> None:
    if command.sheet.basic.term_months > LONGEST_TERM:
        raise RefusedError(ErrorType.INVALID, TOO_LONG)


def _longer_review_clock(application: Application, now: datetime) -> ClockRequest:
    request = periods.review_clock(application, now)
    return request.model_copy(update={"working_days": request.working_days and 2 * request.working_days})


def _changed(step: Step) -> Step:
    if step.command is IssueDecisionSheet:
        return replace(step, rules=(*step.rules, In(_term_is_short, since=NEXT)))
    if step.command is ApproveApplication:
        return replace(step, notices=(*step.notices, In(AssignedToBd, since=NEXT)))
    return step


@contextmanager
def newer_process() -> Iterator[None]:
    """This process runs the newer code inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        review = lifecycle.STAGES[Stage.UNDER_REVIEW]
        clocks = (In(periods.review_clock, until=NEXT), In(_longer_review_clock, since=NEXT))
        patch.setitem(lifecycle.STAGES, Stage.UNDER_REVIEW, replace(review, clocks=clocks))
        patch.setitem(vars(periods)["FIRST_ACCESS_RECHECK"], NEXT, RECHECK)
        steps = tuple(_changed(step) for step in lifecycle.STEPS)
        patch.setattr(lifecycle, "STEPS", steps)
        newest = max(
            lifecycle._editions(lifecycle.STAGES.values(), steps, lifecycle.MOMENTS, lifecycle.ATTEMPTS)
        )
        with knowing(newest):
            yield


@contextmanager
def knowing(newest: int) -> Iterator[None]:
    """This process knows editions up to ``newest`` inside the block, and begins applications with it."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (lifecycle, decisions, look_up):
            patch.setattr(module, "NEWEST", newest)
        yield
