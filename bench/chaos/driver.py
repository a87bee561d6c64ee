"""Pushes the applicants through their scripts, and writes down what it was told, command by command."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from bench.chaos.evidence import FaultSeen, Sending
from bench.chaos.plan import Channel, Dispatch, Reset, Script, Sort, Turn
from bench.chaos.resets import turn_back
from bench.chaos.story import Terms, argument, joining, kind_of, needs_terms, next_step, wanted_revision
from domain.commands import COMMAND_ADAPTER
from domain.contract import UPDATE_NAME, ErrorType, OnboardingInput, workflow_id
from domain.status import Status
from starter.client.errors import OnboardingError
from starter.client.onboarding_client import OnboardingClient

ANSWER_WITHIN: Final = timedelta(seconds=40)
SIGNAL_WITHIN: Final = timedelta(seconds=15)
PAUSE: Final = 0.5
AFTER_RESET: Final = 3.0
"""Seconds in which what was sent together with a reset is to be answered; it may wait for what was undone."""
_FINAL: Final = frozenset({"done", "acknowledged", ErrorType.CLOSED, ErrorType.NOT_FOUND})
# The server's own failure of an update whose run ended before answering it: not taken, not refused.
_RUN_ENDED: Final = "AcceptedUpdateCompletedWorkflow"


class StuckError(Exception):
    """An applicant can't go on: its right command was refused, or its workflow failed."""


class Applicant:
    """One applicant, its BD and the vendor's signatory, all following the script."""

    def __init__(
        self,
        client: Client,
        script: Script,
        tell: Callable[[Sending], None],
        reset: Callable[[FaultSeen], None],
    ) -> None:
        self._client = client
        self._service = OnboardingClient(client, answer_within=ANSWER_WITHIN)
        self._script = script
        self._tell = tell
        self._tell_reset = reset
        self._terms = Terms()
        self._handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id(script.uid))

    async def play(self) -> str | None:
        """The outcome, as the workflow returns it.

        Raises:
            StuckError: a right command was refused, or the workflow failed.
        """
        await self._join()
        resets = list(self._script.resets)
        until = resets[0].at if resets else len(self._script.turns)
        for turn in self._script.turns[:until]:
            await self._take(turn)
        if resets:
            together = self._script.turns[until : until + 1]
            await self._reset_while(resets.pop(0), *(self._take(turn) for turn in together))
            await self._go_on(resets, until + 1)
        return (await self._outcome()).outcome

    async def _reset_while(self, reset: Reset, *sending: Coroutine[Any, Any, object]) -> None:
        """Reset the application while something is sent, which may be refused now, or wait in vain."""
        tasks = [asyncio.create_task(each) for each in sending]
        try:
            self._tell_reset(await turn_back(self._client, self._script.uid, reset.back))
            if tasks:
                await asyncio.wait(tasks, timeout=AFTER_RESET)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception) and not isinstance(error, StuckError):
                raise error

    async def _go_on(self, resets: list[Reset], number: int) -> None:
        """After a reset: send what the application waits for, step by step, until its end."""
        while (status := await self._status()).outcome is None:
            self._terms = Terms.of(status)
            step = next_step(status)
            sending = self._step(step, number) if step else asyncio.sleep(PAUSE)
            if resets and resets[0].at <= number:
                await self._reset_while(resets.pop(0), sending)
            else:
                await sending
            number += 1

    async def _step(self, step: str, number: int) -> None:
        command_id = f"{self._script.uid}.{number}.again.{step}"
        copies = (Channel.UPDATE,) if number % 2 else (Channel.SIGNAL, Channel.UPDATE)
        await self._send_all(Dispatch(step=step, command_id=command_id, sort=Sort.RIGHT, copies=copies))

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
        while (answer := await self._send(dispatch, channel)) == "unknown":  # noqa: ASYNC110 - sends, asks nothing
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
            self._learn(await self._status())
            if self._terms.revision < revision:
                await asyncio.sleep(PAUSE)

    async def _status(self) -> Status:
        while True:
            with suppress(OnboardingError, RPCError):
                return await self._service.status(self._script.uid)
            await asyncio.sleep(PAUSE)

    def _learn(self, status: Status) -> None:
        if status.sheet is not None and status.sheet.revision > self._terms.revision:
            self._terms = Terms.of(status)

    async def _outcome(self) -> Status:
        while True:
            try:
                result = await self._client.get_workflow_handle(self._handle.id, result_type=Status).result(
                    rpc_timeout=ANSWER_WITHIN
                )
            except WorkflowFailureError as error:
                # A run that is reset while it is waited for is terminated.
                if not isinstance(error.cause, TerminatedError):
                    raise StuckError(f"the workflow failed: {error.cause}") from None
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
    reset: Callable[[FaultSeen], None],
    ended: Callable[[Script, str], None],
) -> None:
    """Play all scripts, so many at a time; ``ended`` hears how each ended, ``reset`` of every reset done."""
    gate = asyncio.Semaphore(concurrency)

    async def one(script: Script) -> None:
        async with gate:
            try:
                outcome = await Applicant(client, script, tell, reset).play()
            except StuckError as error:
                ended(script, str(error))
            else:
                ended(script, str(outcome))

    async with asyncio.TaskGroup() as group:
        for script in scripts:
            group.create_task(one(script))
