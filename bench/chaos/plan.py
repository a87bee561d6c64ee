"""The plan of a run: what goes wrong when, and what every applicant sends. Pure: one seed, one plan."""

import random
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from domain.lifecycle import STEPS


class FaultKind(StrEnum):
    """What can go wrong, by the names ``--faults`` takes."""

    WORKER = "worker"
    SERVER = "server"
    DATABASE = "database"
    OUTAGE = "outage"
    REFUSED = "refused"
    BUSY = "busy"
    GREYLIST = "greylist"
    DENIED = "denied"
    HANG = "hang"
    CUT = "cut"
    LOST = "lost"
    DROPPED = "dropped"
    BOUNCE = "bounce"
    REPEATED = "repeated"
    EARLY = "early"
    STALE = "stale"
    FORBIDDEN = "forbidden"
    BROKEN = "broken"
    TWICE = "twice"
    RESET = "reset"


MEANING: Final = {
    FaultKind.WORKER: "a worker is killed (-9) every 2 to 10 s and started again",
    FaultKind.SERVER: "the Temporal server is killed (-9) every 15 to 45 s and started again",
    FaultKind.DATABASE: "PostgreSQL is restarted every 5 to 40 s",
    FaultKind.OUTAGE: "PostgreSQL is down once for 60 s (a third of a shorter run)",
    FaultKind.REFUSED: "mail: connection refused",
    FaultKind.BUSY: "mail: 421 and 451",
    FaultKind.GREYLIST: "mail: 450 at the first try for a recipient",
    FaultKind.DENIED: "mail: 554 5.7.1 (relaying denied) for every recipient outside our own domain",
    FaultKind.HANG: "mail: no answer to the final dot",
    FaultKind.CUT: "mail: connection dropped before the message is taken",
    FaultKind.LOST: "mail: message taken, connection dropped before the final 250",
    FaultKind.DROPPED: "mail: connection dropped right after the final 250",
    FaultKind.BOUNCE: "mail: 550 for some recipients",
    FaultKind.REPEATED: "commands: up to three copies with the same ID",
    FaultKind.EARLY: "commands: one of a later step first",
    FaultKind.STALE: "commands: against an old revision or hash",
    FaultKind.FORBIDDEN: "commands: by the wrong actor",
    FaultKind.BROKEN: "commands: payloads that do not parse",
    FaultKind.TWICE: "commands: the same again under another ID",
    FaultKind.RESET: "Temporal's Reset of some applicants to anywhere in their history, up to three times",
}
ORDINARY: Final = frozenset(FaultKind) - {FaultKind.RESET}
"""What ``all`` stands for: what happens by itself."""
MAIL_WINDOWS: Final = (
    FaultKind.REFUSED,
    FaultKind.BUSY,
    FaultKind.GREYLIST,
    FaultKind.DENIED,
    FaultKind.HANG,
    FaultKind.CUT,
    FaultKind.LOST,
    FaultKind.DROPPED,
)
OUTAGE_SECONDS: Final = 60.0
BOUNCING: Final = 0.05
"""Share of applicants whose mailbox does not exist."""
NOISY: Final = 0.25
"""How likely a step is to come with each sort of wrong command."""
TURNED_BACK: Final = 0.4
"""Share of applicants that an operator resets."""
MOST_RESETS: Final = 3


class Sort(StrEnum):
    """What a command is in the plan: the right one, or which wrong one."""

    RIGHT = "right"
    EARLY = "early"
    STALE = "stale"
    FORBIDDEN = "forbidden"
    BROKEN = "broken"
    TWICE = "twice"


class Channel(StrEnum):
    """How a command is sent."""

    SIGNAL = "signal"
    UPDATE = "update"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Fault(_Frozen):
    """A fault, ``at`` seconds after the start for ``lasts`` seconds; ``slot`` is the worker to kill."""

    kind: FaultKind
    at: float
    lasts: float = 0.0
    slot: int | None = None


class Dispatch(_Frozen):
    """One command: its ID, and the channel of each copy. ``step`` is the story's step it is made from."""

    step: str
    command_id: str
    sort: Sort
    copies: tuple[Channel, ...]


class Turn(_Frozen):
    """One step of an applicant's story: what is sent before it, itself, and together with it.

    ``confirmed``: the driver then asks by an update under the same ID until it knows the outcome; else it
    trusts the acknowledgement of its signals.
    """

    right: Dispatch
    before: tuple[Dispatch, ...] = ()
    together: tuple[Dispatch, ...] = ()
    confirmed: bool = True


class Reset(_Frozen):
    """An operator turns the application back, while its step number ``at`` is sent.

    ``back``: how much of its history stays, of 1.
    """

    at: int
    back: float


class Script(_Frozen):
    """What one applicant sends, in order. ``bounces``: its mailbox does not exist.

    After the first of its ``resets`` it goes on from where the application stands, whatever the script says.
    """

    uid: str
    turns: tuple[Turn, ...]
    bounces: bool = False
    resets: tuple[Reset, ...] = ()


class Plan(_Frozen):
    """All that a run is about to do."""

    seed: int
    seconds: float
    workers: int
    faults: tuple[Fault, ...]
    scripts: tuple[Script, ...]

    def windows(self) -> tuple[Fault, ...]:
        """The times in which the mail server misbehaves."""
        return tuple(fault for fault in self.faults if fault.kind in MAIL_WINDOWS)


STRAIGHT: Final = (
    "confirm_company",
    "submit_application",
    "approve_application",
    "issue_decision_sheet",
    "modify_terms",
    "issue_decision_sheet.2",
    "confirm_terms",
    "record_contact",
    "choose_signing_path",
    "sign_contract.partner",
    "sign_contract.vendor",
)
JUSTIFIED: Final = (*STRAIGHT[:2], "request_justification", "provide_justification", *STRAIGHT[2:])
WITHDRAWN: Final = (*STRAIGHT[:2], "withdraw_application", "submit_application.2", *STRAIGHT[2:])
JOURNEYS: Final = (STRAIGHT, STRAIGHT, JUSTIFIED, WITHDRAWN)
"""The reference story (guide §2.2 to §2.5), plain and with its two detours."""
_ASKING: Final = frozenset(step.name for step in STEPS if step.asks_directory)
NEEDS_DIRECTORY: Final = frozenset(
    step for journey in JOURNEYS for step in journey if step.partition(".")[0] in _ASKING
)
"""Steps that are refused as unavailable while the account directory is down: their outcome must be asked."""
TOO_EARLY: Final = {
    "confirm_company": "approve_application",
    "submit_application": "issue_decision_sheet",
    "approve_application": "confirm_terms",
    "issue_decision_sheet": "sign_contract.partner",
    "issue_decision_sheet.2": "record_contact",
    "confirm_terms": "sign_contract.vendor",
}
"""Before which step a command of which later step is sent."""
CAN_BE_STALE: Final = frozenset(
    {"approve_application", "modify_terms", "confirm_terms", "sign_contract.partner", "sign_contract.vendor"}
)


def plan(
    seed: int,
    applicants: int,
    *,
    seconds: float,
    workers: int = 2,
    faults: frozenset[FaultKind] = ORDINARY,
) -> Plan:
    """The plan of this seed: the same arguments give the same plan.

    ``seconds``: how long things go wrong; afterwards everything works, so that what waits can be finished.
    """
    dice = random.Random(seed)  # noqa: S311 - a plan has to be repeatable, not unpredictable
    planned = sorted(_faults(dice, seconds, workers, faults), key=lambda fault: (fault.at, fault.kind))
    scripts = tuple(_script(dice, number, faults) for number in range(applicants))
    if FaultKind.RESET in faults:
        # By dice of their own, so that resets move no other fault.
        resets = random.Random(f"{seed} resets")  # noqa: S311 - a plan has to be repeatable, not unpredictable
        scripts = tuple(script.model_copy(update={"resets": _resets(resets, script)}) for script in scripts)
    return Plan(seed=seed, seconds=seconds, workers=workers, faults=tuple(planned), scripts=scripts)


def _faults(
    dice: random.Random, seconds: float, workers: int, chosen: frozenset[FaultKind]
) -> Iterator[Fault]:
    # Every kind is diced whether it is chosen or not, so that leaving one out does not move the others.
    outage = min(OUTAGE_SECONDS, seconds / 3)
    outage_at = dice.uniform(0.2, 0.5) * seconds
    every = [
        *_again(dice, FaultKind.WORKER, seconds, (2, 10), lambda: 0.0, slots=workers),
        *_again(dice, FaultKind.SERVER, seconds, (15, 45), lambda: dice.uniform(0.2, 3)),
        *(
            fault
            for fault in _again(dice, FaultKind.DATABASE, seconds, (5, 40), lambda: dice.uniform(0.1, 2))
            if not outage_at - 5 < fault.at < outage_at + outage + 5 or FaultKind.OUTAGE not in chosen
        ),
        Fault(kind=FaultKind.OUTAGE, at=outage_at, lasts=outage),
        *_windows(dice, seconds),
    ]
    yield from (fault for fault in every if fault.kind in chosen)


def _again(
    dice: random.Random,
    kind: FaultKind,
    seconds: float,
    pause: tuple[float, float],
    lasts: Callable[[], float],
    slots: int | None = None,
) -> Iterator[Fault]:
    at = dice.uniform(*pause)
    while at < seconds:
        lasting = lasts()
        yield Fault(
            kind=kind,
            at=at,
            lasts=lasting,
            slot=None if slots is None else dice.randrange(slots),
        )
        at += lasting + dice.uniform(*pause)


def _windows(dice: random.Random, seconds: float) -> Iterator[Fault]:
    """One after the other, each kind as often as the others."""
    at, bag = dice.uniform(1, 4), list[FaultKind]()
    while at < seconds:
        if not bag:
            bag = list(MAIL_WINDOWS)
            dice.shuffle(bag)
        lasts = min(dice.uniform(2, 6), seconds - at)
        yield Fault(kind=bag.pop(), at=at, lasts=lasts)
        at += lasts + dice.uniform(1, 4)


def _script(dice: random.Random, number: int, chosen: frozenset[FaultKind]) -> Script:
    uid = str(7_000_000_000_000_001 + number)
    steps = list(dice.choice(JOURNEYS))
    if dice.random() < 0.5:
        steps[-2:] = reversed(steps[-2:])
    turns = tuple(_turn(dice, uid, index, step, chosen) for index, step in enumerate(steps))
    bounces = dice.random() < BOUNCING and FaultKind.BOUNCE in chosen
    return Script(uid=uid, turns=turns, bounces=bounces)


def _resets(dice: random.Random, script: Script) -> tuple[Reset, ...]:
    thrown, count = dice.random(), dice.randint(1, MOST_RESETS)
    found = sorted(dice.sample(range(len(script.turns) + 1), count))
    resets = tuple(Reset(at=at, back=dice.random()) for at in found)
    return resets if thrown < TURNED_BACK else ()


def _turn(dice: random.Random, uid: str, index: int, step: str, chosen: frozenset[FaultKind]) -> Turn:
    def dispatch(sort: Sort, of: str, most: int) -> Dispatch:
        copies = tuple(dice.choice(list(Channel)) for _ in range(dice.randint(1, most)))
        if FaultKind.REPEATED not in chosen:
            copies = copies[:1]
        return Dispatch(step=of, command_id=f"{uid}.{index}.{sort}.{of}", sort=sort, copies=copies)

    def perhaps(sort: Sort, of: str | None, wanted: bool = True) -> tuple[Dispatch, ...]:
        thrown, made = dice.random(), dispatch(sort, of or step, 2)
        happens = wanted and of is not None and thrown < NOISY and FaultKind(sort.value) in chosen
        return (made,) if happens else ()

    right = dispatch(Sort.RIGHT, step, 3)
    return Turn(
        right=right,
        before=(
            *perhaps(Sort.EARLY, TOO_EARLY.get(step)),
            *perhaps(Sort.STALE, step, step in CAN_BE_STALE),
            *perhaps(Sort.FORBIDDEN, step),
            *perhaps(Sort.BROKEN, step),
        ),
        together=perhaps(Sort.TWICE, step),
        confirmed=dice.random() < 0.6 or step in NEEDS_DIRECTORY,
    )
