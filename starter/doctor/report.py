"""What `onboarding doctor` found: one finding for each part, each with what to do about it."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, computed_field

from runtime.errors import first_line


class Part(StrEnum):
    """What is checked, in the order it is shown."""

    SETTINGS = "settings"
    TEMPORAL = "temporal"
    NAMESPACE = "namespace"
    SEARCH_ATTRIBUTES = "search_attributes"
    WORKERS = "workers"
    VERSIONS = "versions"
    ENCRYPTION = "encryption"
    DATABASE = "database"
    MAIL = "mail"
    SERVICES = "services"
    CALENDAR = "calendar"
    APPLICATIONS = "applications"


class State(StrEnum):
    """How a part is. ``skipped``: it could not be looked at, because of another one that failed."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Finding(BaseModel):
    """One part: what was seen, and, unless it is ok or skipped, what to do."""

    model_config = ConfigDict(frozen=True)

    part: Part
    state: State
    detail: str
    remedy: str = ""

    @classmethod
    def ok(cls, part: Part, detail: str) -> Self:
        """It works."""
        return cls(part=part, state=State.OK, detail=detail)

    @classmethod
    def warning(cls, part: Part, detail: str, remedy: str) -> Self:
        """It works, but not for ever, or not as one might think."""
        return cls(part=part, state=State.WARNING, detail=detail, remedy=remedy)

    @classmethod
    def failed(cls, part: Part, detail: str, remedy: str) -> Self:
        """It does not work."""
        return cls(part=part, state=State.FAILED, detail=detail, remedy=remedy)

    @classmethod
    def skipped(cls, part: Part, detail: str) -> Self:
        """It could not be looked at."""
        return cls(part=part, state=State.SKIPPED, detail=detail)


class Report(BaseModel):
    """All findings, one for each part."""

    model_config = ConfigDict(frozen=True)

    findings: tuple[Finding, ...]

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property
    @property
    def ok(self) -> bool:
        """Whether nothing failed; warnings don't count."""
        return all(finding.state is not State.FAILED for finding in self.findings)

    def of(self, part: Part) -> Finding:
        """The finding about a part."""
        return next(finding for finding in self.findings if finding.part is part)


async def within(
    limit: timedelta, part: Part, look: Coroutine[Any, Any, Finding], *, remedy: str, whom: str = ""
) -> Finding:
    """What the look found; a look that does not end in time, or breaks, is a finding as well.

    ``remedy``: what to do when it does not answer; ``whom``: who is asked, to be told then.
    """
    task = asyncio.ensure_future(look)
    # Not by `asyncio.timeout`, which waits for the look to take notice: a library's thread may not.
    done, _ = await asyncio.wait({task}, timeout=limit.total_seconds())
    if not done:
        task.cancel()
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        return Finding.failed(
            part, f"{whom and f'{whom}: '}no answer within {limit.total_seconds():g} s", remedy
        )
    error = task.exception()
    if error is None:
        return task.result()
    if not isinstance(error, Exception):
        raise error
    return Finding.failed(part, f"{type(error).__name__}: {first_line(error)}", remedy)
