"""How the workflow calls its activities, where no history of a test shows it."""

from typing import Any

import pytest
from temporalio import workflow

from domain.publication import Delivery, Lineage, Publication
from workflows import calls

LINEAGE = Lineage(application_id="a", generation=0)


def test_mails_that_have_waited_come_after_what_has_just_been_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(workflow, "start_activity", lambda *_, priority, **__: given.append(priority))
    calls.publish(Publication(lineage=LINEAGE, since=None, changes={}, entries=(), hold=False))
    calls.deliver(Delivery(lineage=LINEAGE, failed_through=0))
    publish, deliver = (priority.priority_key or 3 for priority in given)
    assert publish < deliver
