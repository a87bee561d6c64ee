"""Answers that are more than their body."""

from typing import NamedTuple

from onboarding_client.models import Status


class Joined(NamedTuple):
    """JOIN NOW is done. ``started``: an application has begun; if not, one was running and is entered."""

    started: bool
    status: Status
