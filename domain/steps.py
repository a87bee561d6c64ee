"""What a row of the process says: a stage, a step (one command), a moment (time is up) or an attempt to
open access.

The rows themselves stand where their command lives (`application.py`, `terms.py`, `signing.py`, `access.py`,
`anytime.py`); `lifecycle.py` puts them together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from inspect import cleandoc
from typing import Any, Final

from domain.clocks import ClockKind, When
from domain.contract import Command, Role, Stage, WaitingOn
from domain.editions import FIRST, In
from domain.inquiry import (
    ALL_ABOUT_IT,
    TOLD_BY_DIRECTORY,
    About,
    AccessOutcome,
    AccountAnswers,
    AccountQuery,
    TableEntry,
)
from domain.notice import Notice
from domain.periods import SetClock
from domain.refusal import RefusedError
from domain.state import OUTCOMES, Application
from domain.status import Status

OPEN: Final = tuple(stage for stage in Stage if stage not in OUTCOMES)
BEFORE_SIGNED: Final = OPEN[: OPEN.index(Stage.SIGNED)]
PARTNER: Final = (Role.PARTNER,)
BD: Final = (Role.BD, Role.BD_LEAD)
BD_LEAD: Final = (Role.BD_LEAD,)
BD_OR_OPS: Final = (*BD, Role.OPS)
ANYBODY: Final = (*BD, *PARTNER, Role.OPS)
"""BD first: who is at the console acts as BD unless he says otherwise."""
BY_OPERATORS: Final = (
    "What is in effect is undone by the operators alone, by Temporal's Reset or Cancel "
    "(docs/how-to/resetting.md)."
)
"""What BD is told who wants a contract otherwise that is in effect."""
SIGNATORIES: Final = (Role.PARTNER, Role.VENDOR, Role.ESIGN)

Notices = tuple[type[Notice] | In[type[Notice]], ...]
SetClocks = tuple[SetClock | In[SetClock], ...]
Rule = Callable[[Application, Any], None]
"""Raises `RefusedError` where the command may not be carried out; changes nothing."""
TimedRule = Callable[[Application, Any, datetime], None]
"""A `Rule` that has to know what time it is."""


@dataclass(frozen=True)
class StageRow:
    """A stage: what the applicant reads, whose move it is, and the clocks that start on entering it."""

    status_text: str
    waiting_on: WaitingOn
    clocks: SetClocks = ()


@dataclass(frozen=True)
class Condition:
    """What must hold of the application for a command to be possible where its row has it.

    ``otherwise``: what a refusal says after naming the stage; ``meaning``: what the reference says.
    """

    holds: Callable[[Application], bool]
    otherwise: str
    meaning: str


BEFORE_SIGNATURES: Final = Condition(
    lambda application: not application.signing.begun, "after a signature", "Only before anybody has signed."
)
Concerns = Mapping[type[Notice], Callable[[Application], bool]]
"""When a notice is for its reader at all; it is left out otherwise."""


def known_to_bd(application: Application) -> bool:
    """Nothing need be closed for BD that he has never heard of."""
    return application.known_to_bd


@dataclass(frozen=True)
class Branch:
    """Where a step leads when, after it, ``when`` holds: to another stage, with these notices."""

    when: Callable[[Application], bool]
    to: Stage
    notices: Notices = ()


@dataclass(frozen=True)
class Step:
    """A row of the process: this command, by one of these roles, in one of these stages.

    ``to``: the stage it enters (its clocks start anew); ``None``: it stays, the clocks run on; ``branch``: or
    that way. ``speaks_for``: whether its actor's role may speak for whom the command names. ``turn``: whether
    it is this role's turn, where the status says what is possible now. ``notices`` leave
    when it is done. ``done``: its effect is in place already. ``revision``: it names a revision that must be
    current. ``only``: what else makes it possible at all. ``concerns``: when a notice is for its reader.
    ``rules``, ``timed_rules``: what else must hold. ``asks`` about accounts, and what ``about`` them;
    ``account_rules`` judge the answer. ``entries``: its values that must be in a table. ``changes``: what it
    changes. ``restarts``: clocks it sets while staying; ``stops``: clocks it ends. ``resends``: the key of an
    e-mail it sends once more. ``tells_refusal``: the notices that leave when it is refused, by the role of a
    sender behind whom nobody would see to it; ``refused``: what they tell of. ``since``, ``until``: the
    editions it holds for, from the first one on to before the other.

    ``inside``: its fields that are for the vendor's people only (`readers.py`). ``current`` is for clients:
    it fills fields a person need not name from the status.
    """

    command: type[Command]
    by: tuple[Role, ...]
    where: tuple[Stage, ...]
    to: Stage | None
    notices: Notices = ()
    branch: Branch | None = None
    speaks_for: Callable[[Any], bool] = lambda command: True
    turn: Callable[[Application, Role], bool] = lambda application, role: True
    done: Callable[[Application, Any], bool] = lambda application, command: False
    revision: Rule | None = None
    rules: tuple[Rule | In[Rule], ...] = ()
    timed_rules: tuple[TimedRule | In[TimedRule], ...] = ()
    asks: Callable[[Application, Any], AccountQuery] | None = None
    about: tuple[About, ...] = ALL_ABOUT_IT
    account_rules: tuple[Callable[[Application, Any, AccountAnswers], None], ...] = ()
    entries: Callable[[Any], tuple[TableEntry, ...]] = lambda command: ()
    changes: Callable[[Application, Any, datetime, AccountAnswers], Application] = (
        lambda application, command, now, accounts: application
    )
    restarts: SetClocks = ()
    stops: tuple[ClockKind, ...] = ()
    resends: Callable[[Any], str] | None = None
    tells_refusal: Mapping[Role, Notices] = field(default_factory=dict)
    refused: Callable[[Application, Any, RefusedError], Application] = lambda application, command, refusal: (
        application
    )
    only: Condition | None = None
    concerns: Concerns = field(default_factory=dict)
    since: int = FIRST
    until: int | None = None
    inside: tuple[str, ...] = ()
    current: Mapping[str, Callable[[Status], object]] | None = None

    @property
    def name(self) -> str:
        """The command's name: signal name and tag ``kind``."""
        return str(self.command.model_fields["kind"].default)

    @property
    def description(self) -> str:
        """Who says what with the command, as the Web UI shows it."""
        return cleandoc(self.command.__doc__ or "").replace("``", "`")

    def query(self, application: Application, command: Command) -> AccountQuery | None:
        """What has to be known about accounts, if anything."""
        return self.asks(application, command).model_copy(update={"about": self.about}) if self.asks else None

    @property
    def asks_directory(self) -> bool:
        """Whether it needs an answer of the account directory."""
        return self.asks is not None and not TOLD_BY_DIRECTORY.isdisjoint(self.about)

    def possible(self, application: Application) -> bool:
        """Whether it can be done to the application as it stands, whoever may send it."""
        return application.stage in self.where and (self.only is None or self.only.holds(application))

    def is_for(self, role: Role, application: Application) -> bool:
        """Whether this role may do it, and it is its turn."""
        return role in self.by and self.turn(application, role)

    def senders(self, command: Command) -> tuple[Role, ...]:
        """The roles that may send this command: a signature, those that may sign for the party it names."""
        as_sent_by = (
            command.model_copy(update={"actor": command.actor.model_copy(update={"role": role})})
            for role in self.by
        )
        return tuple(sent.actor.role for sent in as_sent_by if self.speaks_for(sent))

    def holds(self, edition: int) -> bool:
        """Whether applications of this edition have the step."""
        return self.since <= edition and (self.until is None or edition < self.until)


@dataclass(frozen=True)
class Moment:
    """What happens by itself when a clock is due in one of these stages, or before that, or in the morning
    after (``when``).

    ``to``: the stage it enters. ``concerns``: when a notice is for its reader. ``overdue``: BD has missed the
    deadline; that is shown, and decides nothing. ``unanswered``: notices that leave, too, with the third
    reminder in a row that nobody has answered. ``restarts``: clocks it sets. ``counts_again``: what could
    only be estimated. ``if_start_moves``: notices that leave where the answer of the calendar moves the start
    of the contract.
    """

    name: str
    clock: ClockKind
    where: tuple[Stage, ...]
    to: Stage | None = None
    notices: Notices = ()
    concerns: Concerns = field(default_factory=dict)
    when: When = When.DUE
    unanswered: Notices = ()
    overdue: bool = False
    restarts: SetClocks = ()
    counts_again: bool = False
    if_start_moves: Notices = ()
    since: int = FIRST
    until: int | None = None

    def holds(self, edition: int) -> bool:
        """Whether it happens to applications of this edition."""
        return self.since <= edition and (self.until is None or edition < self.until)


@dataclass(frozen=True)
class Attempt:
    """What an attempt to open access comes to: the first row whose ``when`` holds, asked of the application
    as it was before.

    ``to``: the stage it enters; ``changes``, ``notices``, ``restarts``, ``stops`` as in `Step`.
    """

    name: str
    when: Callable[[Application, AccessOutcome, datetime], bool]
    changes: Callable[[Application, AccessOutcome, datetime], Application]
    to: Stage | None = None
    notices: Notices = ()
    restarts: SetClocks = ()
    stops: tuple[ClockKind, ...] = ()
    since: int = FIRST
    until: int | None = None

    def holds(self, edition: int) -> bool:
        """Whether applications of this edition go by it."""
        return self.since <= edition and (self.until is None or edition < self.until)
