"""Brings letters to the mail server and records to the database, in order, while the process goes on."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from domain.emails import EmailReceipt
from domain.letters import AnyLetter
from workflows import calls
from workflows.memory import Desk

BATCH_OF_LETTERS: Final = 20
BATCH_CHARACTERS: Final = 256 * 1024
"""A batch is one payload, and Temporal terminates a run with one larger than 2 MiB. A character has up
to four bytes, and the first letter of a batch goes whatever its size."""


def next_batch(outbox: Sequence[AnyLetter]) -> tuple[AnyLetter, ...]:
    """As many of the first letters as one activity takes, in order; at least one if there is any."""
    batch: list[AnyLetter] = []
    characters = 0
    for letter in outbox[:BATCH_OF_LETTERS]:
        characters += len(letter.model_dump_json())
        if batch and characters > BATCH_CHARACTERS:
            break
        batch.append(letter)
    return tuple(batch)


class Courier:
    """Two errands in the background: the mails, and catching up with a database that was down.

    It sets out when ``quiet`` says that a transition is complete, so that what belongs together leaves
    together, and calls ``returned`` with the letters that are done with, and the receipt.
    """

    def __init__(
        self,
        desk: Desk,
        quiet: Callable[[], bool],
        returned: Callable[[tuple[AnyLetter, ...], EmailReceipt], None],
    ) -> None:
        self._desk = desk
        self._quiet = quiet
        self._returned = returned
        self._stopping = False
        self._under_way: set[workflow.ActivityHandle[Any]] = set()
        self._errands = [asyncio.create_task(self._mail()), asyncio.create_task(self._catch_up())]

    async def stop(self) -> None:
        """Call both errands back; what they have not delivered stays on the desk."""
        self._stopping = True
        for handle in self._under_way:
            handle.cancel()
        await workflow.wait(self._errands)
        for errand in self._errands:
            errand.result()

    async def _mail(self) -> None:
        while await self._something(lambda: bool(self._desk.outbox)):
            letters = next_batch(self._desk.outbox)
            receipt = await self._until_stopped(calls.send(letters))
            if receipt is not None:
                self._desk.delivered(letters)
                self._returned(letters, receipt)

    async def _catch_up(self) -> None:
        while await self._something(lambda: bool(self._desk.unstored)):
            record = self._desk.record(workflow.now())
            handle = calls.store(record)
            await self._until_stopped(handle)
            if handle.done() and not handle.cancelled() and handle.exception() is None:
                self._desk.stored(record)

    async def _something(self, to_do: Callable[[], bool]) -> bool:
        await workflow.wait_condition(lambda: self._stopping or (self._quiet() and to_do()))
        return not self._stopping

    async def _until_stopped(self, handle: workflow.ActivityHandle[Any]) -> Any:
        self._under_way.add(handle)
        try:
            return await handle
        except ActivityError:
            # An attempt that fails before it learns that it was called back is not tried again: its own
            # error comes instead of the cancellation.
            if not self._stopping:
                raise
            return None
        finally:
            self._under_way.discard(handle)
