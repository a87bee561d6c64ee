"""What is measured of many open applications, and the arithmetic on it: spreads, rates and ratios. Pure."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import mean, median
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, computed_field

from bench.percentiles import percentile
from settings import PREFIX, Settings

SETTLED: Final = 0.05
"""Share of a backlog left out at either end of its drain: a worker's first steps, and its last stragglers."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class WorkerOptions(_Frozen):
    """What a worker is started with: the settings ``ONBOARDING_WORKER_*``."""

    pollers: int | Literal["auto"] = Settings.model_fields["worker_pollers"].default
    tasks: int = Settings.model_fields["worker_tasks"].default
    cache: int = Settings.model_fields["worker_cache"].default

    @property
    def environment(self) -> dict[str, str]:
        """The variables."""
        return {f"{PREFIX}WORKER_{name.upper()}": str(value) for name, value in self}

    def __str__(self) -> str:
        return f"{self.pollers} pollers, {self.tasks} tasks"


SDK: Final = WorkerOptions(pollers=5, tasks=100, cache=1000)
"""The defaults of temporalio 1.35: what drains are compared with."""


class Spread(_Frozen):
    """How long something took, in milliseconds."""

    count: int
    median: float
    p95: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        """Of single times in seconds, at least one."""
        times = [1000 * each for each in seconds]
        return cls(
            count=len(times),
            median=round(median(times), 1),
            p95=round(percentile(times, 95), 1),
            longest=round(max(times), 1),
        )


class Level(_Frozen):
    """With so many open: a command to any of them, one more to the same; to the site of 100 in between."""

    open: int
    first: Spread
    again: Spread
    reference: Spread
    server_mb: float | None
    worker_mb: float

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def first_ratio(self) -> float:
        """Median against that with 100 open, of the same minute."""
        return ratio(self.first.median, self.reference.median)

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def again_ratio(self) -> float:
        """The same for the second command, whose run the worker has in memory."""
        return ratio(self.again.median, self.reference.median)


class Opening(_Frozen):
    """How fast the workers took them in, the driver on the same machine.

    ``by_client``: the typed client instead of signals, at the site of 100: start, status, commands answered.
    """

    wanted: int
    opened: int
    workers: int
    seconds: float
    by_client_per_second: float

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def per_second(self) -> float:
        """Applications a second, from the start to waiting in their stage."""
        return round(self.opened / self.seconds, 1)


class Restart(_Frozen):
    """A worker killed (-9) and started again at once, while a command comes in four times a second.

    ``served``: from the kill to the first answer to anyone, and ``reference`` the same with 100 open;
    ``waits``: how long the single commands of those seconds waited.
    """

    served: Spread
    reference: Spread
    waits: Spread

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def ratio(self) -> float:
        """Median against that with 100 open, of the same minute."""
        return ratio(self.served.median, self.reference.median)


class History(_Frozen):
    """What Temporal keeps of one open application, on average."""

    events: float
    bytes: float


class Stored(_Frozen):
    """What one open application takes on disk, in bytes; None: not ours to see."""

    temporal: float | None
    database: float


class Drain(_Frozen):
    """A backlog of first workflow tasks, and of what they store, worked off by one worker."""

    options: WorkerOptions
    backlog: int
    accepted_per_second: float
    """Starts the server took while no worker ran."""
    first_tasks_per_second: float
    first_tasks_per_cpu_second: float
    """The same by the worker's CPU time, which what else the machine does hardly changes."""
    worker_mb: float
    complaints: int
    """Lines the worker logged as WARNING or ERROR."""


class Compared(_Frozen):
    """A drain between two by the SDK's defaults."""

    drain: Drain
    baseline: float

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def ratio(self) -> float:
        """First tasks a second against the SDK's defaults, of the same minute."""
        return ratio(self.drain.first_tasks_per_second, self.baseline)


class Cached(_Frozen):
    """A worker with so many runs in memory; how many it replays, and finds again, in a second of its CPU."""

    runs: int
    worker_mb: float
    replays_per_cpu_second: float | None
    hits_per_cpu_second: float | None


class Report(_Frozen):
    """All figures of a run, or those until it was `stopped`."""

    at: datetime
    stopped: str | None = None
    """What ended it before everything was measured, and what to do about it."""
    server: str
    stage: str
    options: WorkerOptions
    cores: int
    load_before: float
    """The machine's load average of a minute before anything was started: what others were at."""
    seconds: float
    opening: Opening | None = None
    levels: tuple[Level, ...] = ()
    restart: Restart | None = None
    history: History | None = None
    stored: Stored | None = None
    drains: tuple[Compared, ...] = ()
    cached: tuple[Cached, ...] = ()

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def complete(self) -> bool:
        """Whether everything was measured."""
        return self.stopped is None


def ratio(value: float, baseline: float) -> float:
    """How many times the baseline, two decimals."""
    return round(value / baseline, 2)


def rate(counts: Sequence[tuple[float, int]], total: int) -> float:
    """Done a second, by readings (seconds, done so far), but for the first and last `SETTLED` of ``total``.

    Raises:
        ValueError: the readings do not reach from one end to the other.
    """
    low, high = SETTLED * total, (1 - SETTLED) * total
    begun = next((reading for reading in counts if reading[1] >= low), None)
    ended = next((reading for reading in counts if reading[1] >= high), None)
    if begun is None or ended is None or ended[0] <= begun[0]:
        raise ValueError(f"{len(counts)} readings do not show how {total} were worked off")
    return round((ended[1] - begun[1]) / (ended[0] - begun[0]), 1)


def compared(drains: Sequence[Drain]) -> tuple[Compared, ...]:
    """Of baseline, drain, baseline, drain, … baseline: each drain against the mean of its neighbours."""
    baselines = [drain.first_tasks_per_second for drain in drains[::2]]
    return tuple(
        Compared(drain=drain, baseline=round(mean(around), 1))
        for drain, around in zip(drains[1::2], pairwise(baselines), strict=False)
    )
