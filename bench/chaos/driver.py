"""Pushes the applicants through their scripts, and writes down what it was told, command by command."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from bench.chaos.evidence import Sending
from bench.chaos.plan import Channel, Dispatch, Script, Sort, Turn
from bench.chaos.story import Terms, argument, joining, kind_of, needs_terms, wanted_revision
from domain.commands import COMMAND_ADAPTER
from domain.contract import UPDATE_NAME, ErrorType, OnboardingInput, Stage, workflow_id
from domain.status import Status
from starter.client import OnboardingClient
from starter.errors import OnboardingError

ANSWER_WITHIN: Final = timedelta(seconds=40)
SIGNAL_WITHIN: Final = timedelta(seconds=15)
PAUSE: Final = 0.5
_FINAL: Final = frozenset({"done", "acknowledged", ErrorType.CLOSED, ErrorType.NOT_FOUND})
# The server's own failure of an update whose run ended before answering it: not taken, not refused.
_RUN_ENDED: Final = "AcceptedUpdateCompletedWorkflow"


class StuckError(Exception):
    """An applicant can't go on: its right command was refused."""


class Applicant:
    """One applicant, its BD and the vendor's signatory, all following the script."""

    def __init__(self, client: Client, script: Script, tell: Callable[[Sending], None]) -> None:
        self._client = client
        self._service = OnboardingClient(client, answer_within=ANSWER_WITHIN)
        self._script = script
        self._tell = tell
        self._terms = Terms()
        self._handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id(script.uid))

    async def play(self) -> Stage | None:
        """The outcome, as the workflow returns it.

        Raises:
            StuckError: a right command was refused.
        """
        await self._join()
        for turn in self._script.turns:
            await self._take(turn)
        return (await self._outcome()).outcome

    async def _join(self) -> None:
        model = OnboardingInput.model_validate(joining(self._script))
        while True:
            try:
                await self._service.join(model)
            except (OnboardingError, RPCError):
                await asyncio.sleep(PAUSE)
            else:
                return

    async def _take(self, turn: Turn) -> None:
        if any(map(needs_terms, (turn.right, *turn.before))):
            await self._read_terms(wanted_revision(turn.right.step))
        for wrong in turn.before:
            await self._send_all(wrong)
        await asyncio.gather(self._right(turn), *(self._send_all(again) for again in turn.together))

    async def _right(self, turn: Turn) -> None:
        answers = await self._send_all(turn.right)
        while turn.confirmed or not _FINAL.intersection(answers):
            answer = await self._send(turn.right, Channel.UPDATE)
            if answer in _FINAL:
                break
            if answer not in {ErrorType.UNAVAILABLE, "unknown"}:
                raise StuckError(f"{turn.right.command_id} was refused: {answer}")
            await asyncio.sleep(PAUSE)

    async def _send_all(self, dispatch: Dispatch) -> list[str]:
        """All copies at once; each is sent again until it is known to have arrived, or to be refused."""
        return await asyncio.gather(*(self._until_answered(dispatch, channel) for channel in dispatch.copies))

    async def _until_answered(self, dispatch: Dispatch, channel: Channel) -> str:
        while (answer := await self._send(dispatch, channel)) == "unknown":  # noqa: ASYNC110 - asked, not told
            await asyncio.sleep(PAUSE)
        return answer

    async def _send(self, dispatch: Dispatch, channel: Channel) -> str:
        began = time.time()
        made = argument(dispatch, self._script, self._terms)
        send = self._signal if channel is Channel.SIGNAL else self._update
        answer = await send(dispatch, made)
        self._tell(
            Sending(
                uid=self._script.uid,
                command_id=dispatch.command_id,
                kind=kind_of(dispatch.step),
                sort=dispatch.sort,
                channel=channel,
                sent_at=began,
                answered_at=time.time(),
                answer=answer,
            )
        )
        return answer

    async def _signal(self, dispatch: Dispatch, made: Any) -> str:
        try:
            await self._handle.signal(kind_of(dispatch.step), made, rpc_timeout=SIGNAL_WITHIN)
        except RPCError as error:
            return ErrorType.CLOSED if error.status is RPCStatusCode.NOT_FOUND else "unknown"
        return "acknowledged"

    async def _update(self, dispatch: Dispatch, made: Any) -> str:
        if dispatch.sort is Sort.BROKEN:
            return await self._raw_update(dispatch, made)
        command = COMMAND_ADAPTER.validate_python({**made, "kind": kind_of(dispatch.step)})
        try:
            status = await self._service.send(self._script.uid, command)
        except OnboardingError as error:
            # Without an answer in time the client says the same as the service does of its directory.
            silent = error.type is ErrorType.UNAVAILABLE and "directory" not in error.message
            return "unknown" if silent else error.type
        except RPCError:
            return "unknown"
        self._learn(status)
        return "done"

    async def _raw_update(self, dispatch: Dispatch, made: Any) -> str:
        """What the typed client would not send."""
        if isinstance(made, dict):
            made = {**made, "kind": kind_of(dispatch.step)}
        try:
            async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
                await self._handle.execute_update(UPDATE_NAME, made, id=dispatch.command_id)
        except WorkflowUpdateFailedError as error:
            kind = error.cause.type if isinstance(error.cause, ApplicationError) else None
            return ErrorType.CLOSED if kind == _RUN_ENDED else kind or "unknown"
        except RPCError as error:
            return ErrorType.CLOSED if error.status is RPCStatusCode.NOT_FOUND else "unknown"
        except (TimeoutError, RPCTimeoutOrCancelledError):
            return "unknown"
        return "done"

    async def _read_terms(self, revision: int) -> None:
        while self._terms.revision < revision:
            with suppress(OnboardingError, RPCError):
                self._learn(await self._service.status(self._script.uid))
            if self._terms.revision < revision:
                await asyncio.sleep(PAUSE)

    def _learn(self, status: Status) -> None:
        if status.sheet is not None and status.sheet.revision > self._terms.revision:
            self._terms = Terms(status.sheet.revision, status.sheet.hash)

    async def _outcome(self) -> Status:
        while True:
            try:
                result = await self._client.get_workflow_handle(self._handle.id, result_type=Status).result(
                    rpc_timeout=ANSWER_WITHIN
                )
            except RPCError:
                await asyncio.sleep(PAUSE)
            else:
                return Status.model_validate(result)


async def drive(
    client: Client,
    scripts: tuple[Script, ...],
    *,
    concurrency: int,
    tell: Callable[[Sending], None],
    ended: Callable[[Script, str], None],
) -> None:
    """Play all scripts, so many at a time; ``ended`` hears how each one ended."""
    gate = asyncio.Semaphore(concurrency)

    async def one(script: Script) -> None:
        async with gate:
            try:
                outcome = await Applicant(client, script, tell).play()
            except StuckError as error:
                ended(script, str(error))
            else:
                ended(script, str(outcome))

    async with asyncio.TaskGroup() as group:
        for script in scripts:
            group.create_task(one(script))
