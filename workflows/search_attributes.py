"""The search attributes ops filter runs by. Nothing personal: a payload codec does not cover them."""

from typing import Any, Final

from temporalio.common import SearchAttributeKey, SearchAttributeUpdate, TypedSearchAttributes

from domain import decisions, view
from domain.state import Application

STAGE: Final = SearchAttributeKey.for_keyword("OnboardingStage")
"""The stage, such as ``activating``."""
WAITING_ON: Final = SearchAttributeKey.for_keyword("OnboardingWaitingOn")
"""Whose move it is: ``partner``, ``bd``, ``both``, ``platform`` or ``none``."""
DUE_AT: Final = SearchAttributeKey.for_datetime("OnboardingDueAt")
"""When the next deadline is due; not set where there is none."""
OVERDUE: Final = SearchAttributeKey.for_bool("OnboardingOverdue")
"""Whether BD has missed the deadline of the review or of the contact."""
ALL: Final[tuple[SearchAttributeKey[Any], ...]] = (STAGE, WAITING_ON, DUE_AT, OVERDUE)


def updates(application: Application, current: TypedSearchAttributes) -> list[SearchAttributeUpdate[Any]]:
    """What has to be set or unset so that the attributes show the application as it stands."""
    clock = view.shown_clock(application)
    wanted: dict[SearchAttributeKey[Any], Any] = {
        STAGE: application.stage.value,
        WAITING_ON: decisions.waiting_on(application).value,
        DUE_AT: clock.due_at if clock else None,
        OVERDUE: application.overdue,
    }
    return [
        key.value_unset() if value is None else key.value_set(value)
        for key, value in wanted.items()
        if current.get(key) != value
    ]
