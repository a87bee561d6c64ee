"""What is measured of each engine, and the arithmetic on it: percentiles, medians, ratios. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from statistics import median
from typing import Final

from pydantic import BaseModel, ConfigDict, computed_field

from bench.percentiles import percentile
from bench.ratio.histories import History
from bench.ratio.reference import MAILS, STEPS
from workflows.calls import DELIVER, PUBLISH

ONE_AFTER_ANOTHER: Final = 3
"""Onboardings one after another, at least: fewer would be mostly the beginning and the end of a run."""


_ALLOWED: Final = {PUBLISH: len(STEPS), DELIVER: 0}
"""Tries of activities in one onboarding that need not be as many in each."""


class Which(StrEnum):
    """An engine."""

    LIMIT = "limit"
    """A workflow without logic, of our history's shape, on the same Temporal server."""
    OURS = "ours"
    """This service."""
    DBOS = "dbos"
    """The same onboarding on DBOS, on the same PostgreSQL."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Answered(_Frozen):
    """How long messages waited for their answer, in milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Answered":
        """Of single times in seconds, at least one."""
        return cls(p50=_milliseconds(percentile(seconds, 50)), p99=_milliseconds(percentile(seconds, 99)))


class Mailed(_Frozen):
    """What arrived of the mails that had to."""

    wanted: int
    accepted: int
    distinct: int

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def missing(self) -> int:
        """Mails that never came."""
        return max(0, self.wanted - self.distinct)

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def unwanted(self) -> int:
        """Mails that nothing in the onboarding is the reason of, or that came again under another ID."""
        return max(0, self.distinct - self.wanted)

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def repeated(self) -> int:
        """Mails that came again under the same Message-ID."""
        return self.accepted - self.distinct


class Measured(_Frozen):
    """One run of one engine.

    ``events``, ``bytes``: of one history, the median. ``cpu``: CPU seconds for each onboarding: of our
    worker, of the limit and of DBOS with their driver. ``server_cpu``: of the Temporal server, likewise.
    ``tries``: of all activities, by type; ``extra_activities``: see the function. ``again``: commands that
    had to be sent again. ``disturbances``: lines of the worker's log that are a WARNING or worse.
    ``kills``: how often it was killed; ``exits``: the codes it ended with by itself.
    """

    which: Which
    at_once: int
    round: int
    count: int
    seconds: float
    answered: Answered
    events: float | None = None
    bytes: float | None = None
    cpu: float | None = None
    server_cpu: float | None = None
    mails: Mailed | None = None
    tries: Mapping[str, int] = {}
    extra_activities: int = 0
    again: int = 0
    disturbances: tuple[str, ...] = ()
    kills: int = 0
    exits: tuple[int, ...] = ()

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def per_second(self) -> float:
        """Onboardings completed a second."""
        return round(self.count / self.seconds, 3)

    def wrong(self) -> list[str]:
        """What must not have been: mails missing, unwanted or twice; and, unless the worker was killed, what
        our own load must never lead to."""
        mails = self.mails
        found = {
            "mails missing": mails.missing if mails else 0,
            "mails unwanted": mails.unwanted if mails else 0,
            "times the worker ended by itself": len(self.exits),
            # Who is killed between the mail server's answer and its record sends it again (at least once).
            "mails twice": mails.repeated if mails and not self.kills else 0,
            "commands sent again": 0 if self.kills else self.again,
            "activities done again": 0 if self.kills else self.extra_activities,
            "lines of the log that are a WARNING or worse": 0 if self.kills else len(self.disturbances),
        }
        return [
            f"{self.which} at {self.at_once} at once, round {self.round}: {count} {what}"
            for what, count in found.items()
            if count
        ]


class Failed(_Frozen):
    """A run that did not get through, and why."""

    which: Which
    at_once: int
    round: int
    why: str


class Compared(_Frozen):
    """The engines with so many at once: medians over the rounds; None where one has no figure."""

    at_once: int
    count: int
    per_second: Mapping[Which, float | None]
    answered: Mapping[Which, Answered | None]
    to_limit: float | None
    to_dbos: float | None
    events: float | None
    limit_events: float | None
    kilobytes: float | None
    cpu: float | None
    limit_cpu: float | None
    server_cpu: float | None
    limit_server_cpu: float | None


class Report(_Frozen):
    """Everything of one call; ``kill_every``: seconds the worker worked until it was killed, each time."""

    at: datetime
    cores: int
    load_before: float
    rounds: int
    kill_every: float | None = None
    runs: tuple[Measured, ...] = ()
    failed: tuple[Failed, ...] = ()

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def compared(self) -> tuple[Compared, ...]:
        """The engines beside each other, by how many were at once."""
        return tuple(_compared(self.runs, at_once) for at_once in sorted({run.at_once for run in self.runs}))

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def wrong(self) -> tuple[str, ...]:
        """All that must not have been; empty: the run is good."""
        failed = (
            f"{each.which} at {each.at_once} at once, round {each.round}: failed" for each in self.failed
        )
        return (*failed, *(each for run in self.runs for each in run.wrong()))


def count_for(at_once: int, least: int) -> int:
    """How many onboardings a run has with so many at once, at least ``least``."""
    return max(least, ONE_AFTER_ANOTHER * at_once)


def ratio(value: float | None, baseline: float | None) -> float | None:
    """How many times the baseline, two decimals; None where either is missing."""
    return None if value is None or not baseline else round(value / baseline, 2)


def extra_activities(histories: Sequence[History]) -> int:
    """Tries of activities beyond those of the onboarding that needed the fewest, of each type.

    What is decided while something is being published is published together: fewer publications are no
    measure for the others, which may have one for each step. Deliveries are mails put off: none.
    """
    extra = 0
    for name in all_tries(histories):
        tries = [history.tries.get(name, 0) for history in histories]
        allowed = _ALLOWED.get(name, min(tries))
        extra += sum(max(0, each - allowed) for each in tries)
    return extra


def all_tries(histories: Sequence[History]) -> dict[str, int]:
    """Tries of activities in all of them, by type."""
    found = Counter[str]()
    for history in histories:
        found.update(history.tries)
    return dict(sorted(found.items()))


def wanted_mails(count: int) -> int:
    """Mails of so many onboardings."""
    return count * MAILS


def _compared(runs: Sequence[Measured], at_once: int) -> Compared:
    of = {which: [run for run in runs if (run.which, run.at_once) == (which, at_once)] for which in Which}

    def middle(which: Which, figure: Callable[[Measured], float | None]) -> float | None:
        found = [value for run in of[which] if (value := figure(run)) is not None]
        return round(median(found), 3) if found else None

    def answered(which: Which) -> Answered | None:
        p50 = middle(which, lambda run: run.answered.p50)
        p99 = middle(which, lambda run: run.answered.p99)
        return None if p50 is None or p99 is None else Answered(p50=p50, p99=p99)

    per_second = {which: middle(which, lambda run: run.per_second) for which in Which}
    size = middle(Which.OURS, lambda run: run.bytes)
    return Compared(
        at_once=at_once,
        count=max(run.count for run in runs if run.at_once == at_once),
        per_second=per_second,
        answered={which: answered(which) for which in Which},
        to_limit=ratio(per_second[Which.OURS], per_second[Which.LIMIT]),
        to_dbos=ratio(per_second[Which.OURS], per_second[Which.DBOS]),
        events=middle(Which.OURS, lambda run: run.events),
        limit_events=middle(Which.LIMIT, lambda run: run.events),
        kilobytes=None if size is None else round(size / 1000, 1),
        cpu=middle(Which.OURS, lambda run: run.cpu),
        limit_cpu=middle(Which.LIMIT, lambda run: run.cpu),
        server_cpu=middle(Which.OURS, lambda run: run.server_cpu),
        limit_server_cpu=middle(Which.LIMIT, lambda run: run.server_cpu),
    )


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 1)
