"""Whether the parts the front door needs answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final

ANSWER_WITHIN: Final = timedelta(seconds=2)

Check = Callable[[], Awaitable[object]]
"""Asks a part; raises where it does not answer."""


class Ready:
    """Asks all parts at once."""

    def __init__(self, parts: Mapping[str, Check], *, answer_within: timedelta = ANSWER_WITHIN) -> None:
        self._parts = parts
        self._answer_within = answer_within

    async def problems(self) -> dict[str, str]:
        """The parts that do not answer, with the name of the error: what it says may be personal."""
        answers = await asyncio.gather(*(self._problem(check) for check in self._parts.values()))
        return {part: problem for part, problem in zip(self._parts, answers, strict=True) if problem}

    async def _problem(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(self._answer_within.total_seconds()):
                await check()
        # Each part fails in its own ways; whatever it is, it does not answer.
        except Exception as error:
            return type(error).__name__
        return None
