"""One application twice, on the real service and in the model: what happens to one happens to the other.

Real runs are started on a date of their own (`JOINS_AT`, by a start delay and time skipping): which days are
worked is then the same whenever the check is run.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from pydantic import BaseModel
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.db.access import SqlAcpnAccess
from activities.db.applications import ApplicationRecords
from domain.contract import TASK_QUEUE, WORKFLOW_TYPE, workflow_id
from domain.inquiry import Account
from domain.status import CommandResult, Company, Status
from tests import payloads
from tests.model.process import Answer, Process
from tests.model.promises import Happening, Known, Said, keep
from tests.payloads import Json
from tests.rig import Applicant, Service
from tests.service import trail
from tests.temporal_env import fast_forward

JOINS_AT: Final = datetime(2040, 3, 5, 4, tzinfo=UTC)
"""A Monday, at noon where BD works: far from the midnights at which deadlines end."""
A_LITTLE: Final = timedelta(seconds=2)
"""How far beyond a deadline time is moved: the run's own clock is some milliseconds behind."""
SOON: Final = timedelta(seconds=20)
"""What is due within this time is waited for, lest it comes to one of the two before the next command."""
ABOUT_NOW: Final = timedelta(minutes=1)
"""How far apart the times of one event may be in the two. Deadlines are a day apart, or more."""
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Twins:
    """The run and the model. Every step compares them, and holds the promises against the real one."""

    def __init__(self, applicant: Applicant) -> None:
        self.applicant: Final = applicant
        self.said: list[tuple[str, Json]] = []
        self._read = 0
        self._mails: list[tuple[str, str]] = []
        self._known = Known()

    @classmethod
    async def join(cls, service: Service) -> "Twins":
        """A new applicant joins."""
        twins = cls(await service.applicant(start=False))
        await twins._join(JOINS_AT, _account(twins.applicant.uid, verified=True))
        return twins

    async def _join(self, at: datetime, account: Account) -> None:
        uid, service = self.applicant.uid, self.applicant.service
        self._read = len(service.mailbox.messages)
        joined, env = payloads.join(uid), service.env
        delay = at - datetime.now(UTC)
        with env.with_time_skipping_disabled():
            self.applicant.handle = await env.client.start_workflow(
                WORKFLOW_TYPE,
                joined,
                id=workflow_id(uid),
                task_queue=TASK_QUEUE,
                result_type=Status,
                start_delay=delay,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            )
        await fast_forward(env, self.applicant.handle, delay)
        self.status = await self.applicant.settled()
        self.model = Process(self.status.application_id, joined, account, await self.applicant.now())
        alike(self.model.status, self.status)

    async def say(self, kind: str, message: Json, *, by_signal: bool) -> None:
        """Somebody sends this to both."""
        await self._wait_for_what_is_due()
        self.said.append((kind, message))
        before = self.status
        if by_signal:
            expected = self.model.say(kind, message)
            await self.applicant.handle.signal(kind, message)
        else:
            tagged = {"kind": kind, **message}
            expected = self.model.say(None, tagged)
            await self._answered(tagged, expected)
        self.model.pass_until(self.model.now)
        refused = expected.refusal
        said = Said(
            kind=kind,
            role=message["actor"]["role"],
            command_id=message["command_id"],
            payload=message,
            verdict=expected.verdict,
            error=refused.error if refused else None,
        )
        await self._compared(before, said)

    async def _answered(self, message: Json, expected: Answer) -> None:
        refusal = found = None
        try:
            found = await self.applicant.submit(message)
        except ApplicationError as error:
            refusal = (error.type, error.message)
            alike(expected.answered, CommandResult.model_validate(error.details[0]))
        should_be = expected.refusal and (expected.refusal.error.value, expected.refusal.message)
        assert refusal == should_be, f"the answer should be {should_be or 'a status'} and is {refusal}"
        if found:
            told = {"answered": expected.answered}
            alike(answered(expected.status.model_copy(update=told)), found)

    async def pass_time(self, duration: timedelta) -> None:
        """Nobody says anything for so long."""
        await self._pass_until(await self.applicant.now() + duration)

    async def pass_until_due(self) -> None:
        """Nobody says anything until something is due."""
        if self.model.next_at:
            await self._pass_until(self.model.next_at)

    async def verification(self, *, valid: bool) -> None:
        """The company's enterprise verification lapses, or is renewed."""
        await self._wait_for_what_is_due()
        await self.applicant.service.account(self.applicant.uid, verified=valid)
        self.model.account = _account(self.applicant.uid, verified=valid)

    async def say_too_late(self, kind: str, message: Json, *, by_signal: bool) -> None:
        """Once it has ended nobody is there to hear it, and nothing changes."""
        before = self.status
        handle, submit = self.applicant.handle, self.applicant.submit
        with pytest.raises(RPCError) as answer:
            await (handle.signal(kind, message) if by_signal else submit({"kind": kind, **message}))
        assert answer.value.status is RPCStatusCode.NOT_FOUND
        await self._compared(before, None)

    async def join_again(self) -> bool:
        """JOIN NOW after the end: another application of the same company; false where it has access."""
        if self.status.access.granted:
            return False
        self.said.clear()
        self._mails.clear()
        self._known = Known()
        tomorrow = (self.model.now + timedelta(days=1)).replace(hour=JOINS_AT.hour, minute=0)
        await self._join(tomorrow, self.model.account)
        return True

    async def compare_what_is_left(self) -> None:
        """What is kept for good, the result and the history, once nothing more is to happen."""
        applicant, model = self.applicant, self.model
        await trail.unharmed(applicant)
        database = applicant.service.database
        records, application_id = ApplicationRecords(database), self.status.application_id
        alike(model.trail, await records.audit(application_id))
        sheets = [stored.sheet for stored in await records.sheets(application_id)]
        assert [(sheet.revision, sheet.hash) for sheet in sheets] == list(self._known.issued)
        grants = await SqlAcpnAccess(database).grants(applicant.uid)
        assert bool(grants) == self.status.access.granted
        ledger = [(each.template, each.recipient, each.state) for each in await trail.ledger(applicant)]
        assert ledger == [(*mail, "sent") for mail in self._mails]
        if self.status.outcome:
            alike(answered(model.status), await applicant.result())

    async def _wait_for_what_is_due(self) -> None:
        now = await self.applicant.now()
        while self.model.next_at and self.model.next_at < now + SOON:
            await self._pass_until(self.model.next_at)
            now = await self.applicant.now()
        self.model.pass_until(now)

    async def _pass_until(self, instant: datetime) -> None:
        before, then = self.status, instant + A_LITTLE
        await fast_forward(
            self.applicant.service.env, self.applicant.handle, then - await self.applicant.now()
        )
        self.model.pass_until(then)
        await self._compared(before, None)

    async def _compared(self, before: Status, said: Said | None) -> None:
        self.status = await self.applicant.settled()
        alike(self.model.status, self.status)
        await self._compare_row()
        news = self._new_mails()
        self._mails += news
        assert self._mails == [(mail.template, mail.to.email) for mail in self.model.mails]
        templates = tuple(template for template, _ in news)
        it = Happening(self.model.now, before, self.status, templates, said)
        self._known = keep(self._known, it)

    async def _compare_row(self) -> None:
        """What the database knows is never behind what the run says, once that has settled."""
        applicant = self.applicant
        row = await ApplicationRecords(applicant.service.database).newest(applicant.uid)
        assert row is not None
        assert (row.application_id, row.sequence) == (self.status.application_id, len(self.model.trail))
        alike(self.model.status, row.status)

    def _new_mails(self) -> list[tuple[str, str]]:
        mailbox = self.applicant.service.mailbox
        fresh, self._read = mailbox.messages[self._read :], len(mailbox.messages)
        return [
            (str(mail["X-Onboarding-Template"]), mail["To"].addresses[0].addr_spec)
            for mail in fresh
            if (body := mail.get_body(("plain",))) and self.applicant.uid in body.get_content()
        ]


def answered(status: Status) -> Status:
    """What the sender of a command reads of this status."""
    return Status.model_validate(status.answer())


def alike(expected: object, found: object) -> None:
    """Raises ``AssertionError`` unless both say the same, the times of one event within `ABOUT_NOW`."""
    differences = list(_differences(_json(expected), _json(found), "status"))
    assert not differences, "model and service differ: " + "; ".join(differences)


def _differences(expected: Any, found: Any, path: str) -> Sequence[str]:
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        names = expected.keys() | found.keys()
        return [
            difference
            for name in sorted(names)
            for difference in _differences(expected.get(name), found.get(name), f"{path}.{name}")
        ]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [
            difference
            for number, (one, other) in pairs
            for difference in _differences(one, other, f"{path}[{number}]")
        ]
    if expected == found or (_instant(expected) and _instant(found) and _about_now(expected, found)):
        return []
    return [f"{path} should be {expected!r} and is {found!r}"]


def _instant(value: Any) -> bool:
    return isinstance(value, str) and _INSTANT.fullmatch(value) is not None


def _about_now(one: str, other: str) -> bool:
    return abs(datetime.fromisoformat(one) - datetime.fromisoformat(other)) < ABOUT_NOW


def _json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_json(each) for each in value] if isinstance(value, list | tuple) else value


def _account(uid: str, *, verified: bool) -> Account:
    company = {"legal_name": payloads.ENTERPRISE, "registration_number": payloads.REGISTRATION}
    enterprise = Company.model_validate({**company, "country": "SG", "verified": verified})
    return Account(uid=uid, enterprise=enterprise)
