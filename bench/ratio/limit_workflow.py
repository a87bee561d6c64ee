"""The limit's workflow: what an onboarding asks of Temporal, and no logic."""

import asyncio
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from bench.ratio.reference import (
        DEADLINE,
        DEADLINES,
        MESSAGES,
        START,
        START_DATE,
        STEPS,
        ends_deadline_of,
    )
    from workflows.search_attributes import STAGE


@workflow.defn
class NoLogic:
    """Every step: its look-up and its storing as local activities, the stage as a search attribute, its
    mails as a normal activity beside; updates and timers as the onboarding has them."""

    def __init__(self) -> None:
        self._name = ""
        self._started = False
        self._answered = 0
        self._deadlines: dict[str, asyncio.Task[None]] = {}
        self._mails: list[asyncio.Task[None]] = []

    @workflow.run
    async def run(self, name: str) -> str:
        """From the start to active."""
        self._name = name
        await self._take(START.name)
        self._started = True
        await workflow.wait_condition(
            lambda: self._answered == len(MESSAGES) and workflow.all_handlers_finished()
        )
        # Reached already, and a real timer nevertheless.
        await asyncio.sleep(0.001)
        await self._take(START_DATE.name)
        await asyncio.gather(*self._mails)
        return START_DATE.stage

    @workflow.update
    async def say(self, message: str) -> str:
        """A message; answered with the stage it led to."""
        await workflow.wait_condition(lambda: self._started)
        await self._take(message)
        self._answered += 1
        return STEPS[message].stage

    async def _take(self, name: str) -> None:
        step = STEPS[name]
        if name in DEADLINES:
            self._deadlines[name] = asyncio.create_task(asyncio.sleep(DEADLINE))
        if begun := ends_deadline_of(name):
            self._deadlines.pop(begun).cancel()
        if step.looked_up:
            await self._locally("look_up")
        await self._locally("store", self._name, name)
        workflow.upsert_search_attributes([STAGE.value_set(step.stage)])
        if step.mails:
            self._mails.append(asyncio.create_task(self._mail(name)))

    async def _locally(self, activity: str, *arguments: str) -> None:
        await workflow.execute_local_activity(
            activity, args=arguments, start_to_close_timeout=timedelta(seconds=5)
        )

    async def _mail(self, name: str) -> None:
        await workflow.execute_activity(
            "mail", args=[self._name, name], start_to_close_timeout=timedelta(seconds=30)
        )
