"""What Temporal keeps of the onboardings of a run: events, bytes, and every try of every activity."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

_LOCAL_ACTIVITY: Final = "core_local_activity"
"""The SDK's marker of a local activity that has ended; its ``data`` names type and attempt."""
_READ_AT_ONCE: Final = 8


class History(BaseModel):
    """One onboarding's; ``tries``: by type of activity, each attempt counted."""

    model_config = ConfigDict(frozen=True)

    events: int
    bytes: int
    tries: dict[str, int]


def summary(events: Iterable[HistoryEvent]) -> History:
    """Of a whole history."""
    count, size, names, tries = 0, 0, dict[int, str](), Counter[str]()
    for event in events:
        count += 1
        size += event.ByteSize()
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                started = event.activity_task_started_event_attributes
                tries[names[started.scheduled_event_id]] += started.attempt
            case EventType.EVENT_TYPE_MARKER_RECORDED:
                marker = event.marker_recorded_event_attributes
                if marker.marker_name == _LOCAL_ACTIVITY:
                    [data] = marker.details["data"].payloads
                    about = json.loads(data.data)
                    tries[about["activity_type"]] += about["attempt"]
    return History(events=count, bytes=size, tries=dict(tries))


async def read(client: Client, names: Sequence[str]) -> list[History]:
    """Those of these workflow IDs."""
    gate = asyncio.Semaphore(_READ_AT_ONCE)

    async def one(name: str) -> History:
        async with gate:
            handle = client.get_workflow_handle(name)
            return summary([event async for event in handle.fetch_history_events()])

    return list(await asyncio.gather(*map(one, names)))
