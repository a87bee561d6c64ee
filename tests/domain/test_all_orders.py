"""Six people decide, in every order there is, each of them once or twice: the pure lifecycle, exhaustively.

The six decisions of `FORWARD` are those without which nobody comes to access: each moves the reference story
(guide §2.2 to §2.4) to its next status, and each is one person's: the partner submits, BD approves, BD
issues the sheet, the partner confirms the terms, both sign. What else the story has moves nothing forward
(record_contact, choose_signing_path), or is a detour: the other casts put six decisions of a detour together,
those that can get into each other's way.

Each of the six of `FORWARD` is said twice, under two IDs, anywhere between the others: 12! / 2^6 = 7,484,400
orders, those of the 720 permutations among them. After every step, everything said so far is said once more
under its own ID. Orders that have come to the same point (the same application, the same said, the same
known) go on as one, so that all of them take seconds.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import factorial, prod
from typing import Any, Final

import pytest

from domain import intake
from domain.audit import Verdict
from domain.contract import Command
from domain.documents import DecisionSheet, sheet_hash
from domain.inquiry import Account
from domain.state import Application
from domain.status import Status
from tests import payloads
from tests.domain.applications import ENTERPRISE, UID
from tests.long import LONG
from tests.model.process import Answer, Process
from tests.model.promises import Happening, Known, Said, keep
from tests.payloads import Json

MONDAY: Final = datetime(2026, 3, 2, 4, tzinfo=UTC)
START: Final = "2026-06-01"
FIRST, SECOND = payloads.sheet(start=START), payloads.sheet(start=START, ecs="12")
FORM: Final = payloads.form(UID)
EDITED: Final = payloads.form(UID, qualification="Now certified.")


@dataclass(frozen=True)
class Decision:
    """What one person has decided, and how many ``times`` that is said, each time under another ID.

    ``needs``: the decisions it builds on, where the cast knows them.
    """

    kind: str
    payload: Json
    times: int = 2
    role: str = ""
    needs: tuple[str, ...] | None = None
    commands: tuple[Command, ...] = field(init=False)

    def __post_init__(self) -> None:
        said = [
            payloads.command(self.kind, role=self.role or None, command_id=f"{self}-{n}", **self.payload)
            for n in range(self.times)
        ]
        commands = tuple(intake.parse_command(self.kind, (each,)) for each in said)
        object.__setattr__(self, "commands", commands)

    def __str__(self) -> str:
        about = ("party", "sheet_revision", "form_revision")
        which = next((f".{self.payload[name]}" for name in about if name in self.payload), "")
        return f"{self.kind}{which}"


def named(revision: int, sheet: Json) -> Json:
    """Confirmation and signatures name the sheet they are made against."""
    return {"sheet_revision": revision, "sheet_hash": sheet_hash(DecisionSheet.model_validate(sheet))}


def sign(party: str, terms: Json, **more: Any) -> Decision:
    """A party signs these terms."""
    signature = {
        "party": party,
        "signer_name": f"{party} signs",
        "signed_at": "2026-03-02T04:00:00Z",
        **terms,
    }
    return Decision("sign_contract", signature, role=party, **more)


FORWARD: Final = (
    Decision("submit_application", {"application": FORM}, needs=()),
    Decision("approve_application", {"form_revision": 1}, needs=("submit_application",)),
    Decision("issue_decision_sheet", {"sheet": FIRST}, needs=("approve_application.1",)),
    Decision("confirm_terms", named(1, FIRST), needs=("issue_decision_sheet",)),
    sign("partner", named(1, FIRST), needs=("confirm_terms.1",)),
    sign("vendor", named(1, FIRST), needs=("confirm_terms.1",)),
)
CORRECTED: Final = (
    Decision("modify_terms", {"sheet_revision": 1, "description": "12 % on ecs, as agreed."}, times=1),
    Decision("issue_decision_sheet", {"sheet": SECOND}, times=2),
    Decision("confirm_terms", named(1, FIRST), times=1),
    Decision("confirm_terms", named(2, SECOND), times=2),
    Decision("reopen_terms", {"reason": "The credit line is wrong."}, times=1),
    sign("partner", named(2, SECOND), times=2),
)
RECONSIDERED: Final = (
    Decision("request_justification", {"question": "How many engineers?"}, times=1),
    Decision("provide_justification", {"answer": "Twelve."}, times=1),
    Decision("withdraw_application", {}, times=2),
    Decision("submit_application", {"application": EDITED}, times=1),
    Decision("approve_application", {"form_revision": 1}, times=1),
    Decision("approve_application", {"form_revision": 2}, times=2),
)
CALLED_OFF: Final = (
    Decision("approve_application", {"form_revision": 1}, times=1),
    Decision("issue_decision_sheet", {"sheet": FIRST}, times=2),
    Decision("withdraw_application", {}, times=1),
    Decision("reject_application", {"reason_code": "NO_FIT", "explanation": "Get certified first."}, times=1),
    Decision("decline", {"reason": "Too dear."}, times=1),
    Decision("cancel_application", {"reason": "Applied twice."}, times=1),
)


@dataclass(frozen=True)
class Point:
    """How far an order has come: all that makes a difference from here on.

    ``said``: how often each decision was said; ``counted``: how often it counted.
    """

    said: tuple[int, ...]
    counted: tuple[int, ...]
    application: Application
    known: Known


@dataclass(frozen=True)
class Branch:
    """One of the orders that have come to a point, and what each command in it was answered."""

    process: Process
    status: Status
    answers: dict[str, str | None]


class Orders:
    """All the orders of a cast: what comes of each, and how many there are."""

    def __init__(self, cast: tuple[Decision, ...], process: Process) -> None:
        self.cast: Final = cast
        nothing = (0,) * len(cast)
        start = Point(nothing, nothing, process.application, Known.of(process.status))
        self.branches: dict[Point, Branch] = {start: Branch(process, process.status, {})}
        self.number: dict[Point, int] = {start: 1}
        self.points = 0

    def go_on(self) -> Iterator[tuple[Point, Decision, Answer]]:
        """In every order, somebody who has something left to say says it; what comes of each."""
        branches, number = self.branches, self.number
        self.branches, self.number = {}, defaultdict(int)
        for point, branch in branches.items():
            for who, decision in enumerate(self.cast):
                if point.said[who] == decision.times:
                    continue
                after, answer, child = self._say(point, branch, who)
                self.number[after] += number[point]
                self.branches.setdefault(after, child)
                yield point, decision, answer
        self.points += len(self.branches)

    def _say(self, point: Point, branch: Branch, who: int) -> tuple[Point, Answer, Branch]:
        process = branch.process.copy()
        decision = self.cast[who]
        command = decision.commands[point.said[who]]
        known, answer = _told(process, branch.status, decision, command, point.known)
        counts = answer.verdict is Verdict.ACCEPTED
        after = Point(
            said=_with_one_more(point.said, who),
            counted=_with_one_more(point.counted, who) if counts else point.counted,
            application=process.application,
            known=known,
        )
        error = answer.refusal.error.value if answer.refusal else None
        answers = {**branch.answers, command.command_id: error}
        return after, answer, Branch(process, process.status, answers)

    def everybody_says_it_again(self) -> None:
        """Whatever was said is said once more under the same ID, and is answered as it was."""
        for point, branch in self.branches.items():
            trail = len(branch.process.trail)
            for who, decision in enumerate(self.cast):
                for command in decision.commands[: point.said[who]]:
                    _, answer = _told(branch.process, branch.status, decision, command, point.known)
                    error = answer.refusal.error.value if answer.refusal else None
                    assert error == branch.answers[command.command_id]
            assert branch.process.application == point.application
            assert len(branch.process.trail) == trail

    def time_passes(self, days: int) -> None:
        """When nobody has anything left to say, whatever is due comes, one after the other."""
        for point, branch in self.branches.items():
            process, known = branch.process.copy(), point.known
            until = process.now + timedelta(days=days)
            while (due := process.next_at) and due < until:
                before, mails = process.status, len(process.mails)
                process.pass_until(due)
                notices = tuple(notice.template for notice in process.mails[mails:])
                known = keep(known, Happening(process.now, before, process.status, notices))


def _told(
    process: Process, before: Status, decision: Decision, command: Command, known: Known
) -> tuple[Known, Answer]:
    mails = len(process.mails)
    answer = process.obey(command)
    said = Said(
        kind=command.kind,
        role=command.actor.role,
        command_id=command.command_id,
        payload=decision.payload,
        verdict=answer.verdict,
        error=answer.refusal.error if answer.refusal else None,
    )
    notices = tuple(notice.template for notice in process.mails[mails:])
    return keep(known, Happening(process.now, before, answer.status, notices, said)), answer


def _with_one_more(counts: tuple[int, ...], who: int) -> tuple[int, ...]:
    return tuple(count + (index == who) for index, count in enumerate(counts))


def joined() -> Process:
    """The company is confirmed; from here on people decide."""
    process = Process("run-1", payloads.join(UID), Account(uid=UID, enterprise=ENTERPRISE), MONDAY)
    process.say("confirm_company", payloads.command("confirm_company"))
    return process


def reviewed() -> Process:
    """BD has a form to review."""
    process = joined()
    _decided(process, FORWARD[0])
    return process


def offered() -> Process:
    """The partner has the first sheet to confirm."""
    process = reviewed()
    for decision in FORWARD[1:3]:
        _decided(process, decision)
    return process


def _decided(process: Process, decision: Decision) -> None:
    process.say(decision.kind, payloads.command(decision.kind, **decision.payload))


def every_order(cast: tuple[Decision, ...], process: Process) -> Iterator[tuple[Point, Decision, Answer]]:
    """Every step of every order, once; every promise is held against each."""
    orders = Orders(cast, process)
    times = [decision.times for decision in cast]
    for _ in range(sum(times)):
        yield from orders.go_on()
        orders.everybody_says_it_again()
    orders.time_passes(days=200)
    assert sum(orders.number.values()) == factorial(sum(times)) // prod(map(factorial, times))


@pytest.mark.parametrize(
    ("cast", "start"),
    [pytest.param(CORRECTED, offered, marks=LONG), (RECONSIDERED, reviewed), (CALLED_OFF, reviewed)],
    ids=["corrected", "reconsidered", "called_off"],
)
def test_every_promise_is_kept_in_every_order(cast: tuple[Decision, ...], start: Any) -> None:
    steps = list(every_order(cast, start()))
    # Each of the six can count, and each can come too early or too late.
    for decision in cast:
        verdicts = {answer.verdict for _, said, answer in steps if said is decision}
        assert {Verdict.ACCEPTED, Verdict.REFUSED} <= verdicts, f"{decision}"


@LONG
def test_a_decision_counts_when_what_it_builds_on_is_decided_and_it_is_not() -> None:
    """The straight way, where the process owner can say beforehand what becomes of each in every order."""
    names = [str(decision) for decision in FORWARD]
    for point, decision, answer in every_order(FORWARD, joined()):
        decided = {name for name, count in zip(names, point.counted, strict=True) if count}
        assert decision.needs is not None
        if str(decision) in decided:
            assert answer.verdict is Verdict.NO_OP
        elif decided.issuperset(decision.needs):
            assert answer.verdict is Verdict.ACCEPTED
        else:
            assert answer.verdict is Verdict.REFUSED
            assert answer.refusal
            assert answer.refusal.error == "wrong_stage"
    assert len(names) == 6
