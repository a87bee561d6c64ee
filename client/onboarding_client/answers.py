"""Answers that are more than their body."""

from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel

from onboarding_client.models import Status, WebhookData


class Joined(NamedTuple):
    """JOIN NOW is done. ``started``: an application has begun; if not, one was running and is entered."""

    started: bool
    status: Status


class StreamedEvent(BaseModel):
    """An audit event, with nothing personal. ``id``: where to resume after it.

    ``types``: of the webhooks it gives; none for what concerns nobody outside, such as a reminder.
    """

    id: str
    at: datetime
    types: list[str]
    data: WebhookData
