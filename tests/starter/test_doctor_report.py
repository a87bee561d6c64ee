"""A look that breaks or hangs is a finding like any other."""

import asyncio
from datetime import timedelta

import pytest

from starter.doctor.report import Finding, Part, Report, State, within


async def _breaks(error: Exception) -> Finding:
    raise error


async def _deaf() -> Finding:
    """Takes no notice of being cancelled, once."""
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
    raise RuntimeError("too late for anybody to hear")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("first\nsecond"), "RuntimeError: first"),
        (OSError(), "OSError: no reason is given"),
    ],
)
async def test_what_nobody_foresaw_is_told(error: Exception, says: str) -> None:
    finding = await within(timedelta(seconds=1), Part.MAIL, _breaks(error), remedy="Look.")
    assert (finding.state, finding.detail, finding.remedy) == (State.FAILED, says, "Look.")


async def test_who_does_not_answer_in_time_is_left() -> None:
    finding = await within(timedelta(), Part.MAIL, _deaf(), remedy="Look.")
    assert (finding.state, finding.detail) == (State.FAILED, "no answer within 0 s")


def test_a_warning_is_no_failure() -> None:
    warned = Finding.warning(Part.CALENDAR, "2027 is predicted", "Update.")
    assert Report(findings=(warned,)).ok
    assert not Report(findings=(warned, Finding.failed(Part.MAIL, "down", "Start it."))).ok
