"""Whatever people send to the real service, in whatever order, with time passing between.

The machine of hypothesis picks what happens next; `Twins` lets it happen to the real service and to the
model, compares the two after every step, and holds every promise of `tests/model/promises.py` against the
real one. What is picked is always the same, unless ``MODEL_CHECK_RUNS`` names a number of runs, as `make
test-long` does: then that many are made, longer ones, each time others (200 take a quarter of an hour), and
a failure is made small::

    MODEL_CHECK_RUNS=200 .venv/bin/python -m pytest -n 0 -m long tests/service/test_model_check.py
"""

import asyncio
import os
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from enum import Enum, auto
from typing import Any, Final, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests import payloads
from tests.long import LONG
from tests.model.commands import (
    Pick,
    any_kind,
    any_role,
    anything,
    something_forward,
    something_new,
    usual_role,
)
from tests.model.twin import Twins
from tests.payloads import Json
from tests.rig import Service

RUNS: Final = int(os.environ.get("MODEL_CHECK_RUNS", "0"))
pytestmark = [LONG] if RUNS else []
STARTS: Final = ("2040-06-01", "2040-05-01", "2040-03-09", payloads.REACHED)
"""Contract start dates: reached in months, in days, and long ago."""
STRAIGHT: Final = (
    *("confirm_company", "submit_application", "approve_application", "issue_decision_sheet"),
    *("confirm_terms", "sign_contract", "sign_contract"),
)
STEPS_TAKEN: Final = (7, 5, 6, 3, 2, 4, 1, 0)
"""The straight way, and how much of it has been gone when the machine begins to pick."""
STUCK_AFTER: Final = 300
"""Seconds. No step takes longer, unless the service waits for something that will never come: in a month in
which access is missing it is asked for 700 times."""
PAUSES: Final = tuple(map(timedelta, (0.1, 1, 1, 8, 8, 30)))
"""Days: less than one, one, more than three working days, many."""

SETTINGS: Final = settings(
    max_examples=RUNS or 4,
    stateful_step_count=20 if RUNS else 12,
    derandomize=not RUNS,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # To shrink takes hundreds of runs.
    phases=(Phase.generate, Phase.shrink) if RUNS else (Phase.generate,),
)
T = TypeVar("T")


def _under_way(people: "People") -> bool:
    return not people.twins.model.application.ended


def _goes_on(people: "People") -> bool:
    return something_forward(people.twins.model.application, lambda among: among[0]) is not None


def _has_been_told(people: "People") -> bool:
    return _under_way(people) and bool(people.twins.said)


def _has_ended(people: "People") -> bool:
    return not _under_way(people)


def _has_ended_for_the_first_time(people: "People") -> bool:
    return _has_ended(people) and people.applications == 1


class Again(Enum):
    """What comes again of something said before."""

    UNDER_ITS_ID = auto()
    UNDER_ANOTHER_ID = auto()
    ONLY_THE_ID = auto()


class People(RuleBasedStateMachine):
    """Everybody who has to do with one applicant, and the time that passes."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._service, self._loop = service, loop
        self._twins: Twins | None = None
        self.applications = 1

    def _do(self, step: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(step, STUCK_AFTER), self._loop).result()

    @property
    def twins(self) -> Twins:
        """The application under way."""
        assert self._twins
        return self._twins

    def _send(self, kind: str, role: str, payload: Json, data: st.DataObject) -> None:
        self._say(kind, payloads.command(kind, role=role, **payload), data)

    def _say(self, kind: str, message: Json, data: st.DataObject) -> None:
        by_signal = data.draw(st.booleans(), label="by signal")
        self._do(self.twins.say(kind, message, by_signal=by_signal))

    @initialize(steps=st.sampled_from(STEPS_TAKEN), start=st.sampled_from(STARTS))
    def somebody_joins(self, steps: int, start: str) -> None:
        """JOIN NOW, and so many steps of the straight way."""
        self._twins = self._do(Twins.join(self._service))
        for kind in STRAIGHT[:steps]:
            model = self.twins.model
            payload = something_new(kind, model.application, model.now, start)
            message = payloads.command(kind, role=usual_role(kind, payload), **payload)
            self._do(self.twins.say(kind, message, by_signal=False))

    @precondition(_goes_on)
    @rule(data=st.data())
    def the_process_goes_on(self, data: st.DataObject) -> None:
        """Whoever has to move does."""
        model, pick = self.twins.model, _dice(data)
        kind = something_forward(model.application, pick)
        assert kind
        payload = something_new(kind, model.application, model.now, pick(STARTS))
        self._send(kind, usual_role(kind, payload), payload, data)

    @precondition(_under_way)
    @rule(data=st.data())
    def anybody_says_anything(self, data: st.DataObject) -> None:
        """In the wrong stage perhaps, on stale terms, or not his to say."""
        model, pick = self.twins.model, _dice(data)
        kind = any_kind(model.application, pick)
        payload = anything(kind, model.application, model.now, pick, STARTS)
        self._send(kind, any_role(kind, payload, pick), payload, data)

    @precondition(_has_been_told)
    @rule(data=st.data(), how=st.sampled_from(Again), kind=st.sampled_from(sorted(payloads.ROLE_OF)))
    def something_is_sent_again(self, data: st.DataObject, how: Again, kind: str) -> None:
        """A command once more; or its ID, which is that command's and no other's."""
        said, message = _dice(data)(self.twins.said)
        match how:
            case Again.UNDER_ITS_ID:
                self._say(said, message, data)
            case Again.UNDER_ANOTHER_ID:
                self._say(said, {**message, "command_id": str(uuid4())}, data)
            case Again.ONLY_THE_ID:
                other = payloads.command(kind, command_id=message["command_id"], note="Something else.")
                self._say(kind, other, data)

    @precondition(_under_way)
    @rule(pause=st.sampled_from(PAUSES))
    def nobody_says_anything(self, pause: timedelta) -> None:
        """For a while."""
        self._do(self.twins.pass_time(pause))

    @precondition(_under_way)
    @rule()
    def the_next_deadline_passes(self) -> None:
        """Whatever it is."""
        self._do(self.twins.pass_until_due())

    @precondition(_under_way)
    @rule(valid=st.booleans())
    def the_verification_changes(self, valid: bool) -> None:
        """It lapses, or is renewed."""
        self._do(self.twins.verification(valid=valid))

    @precondition(_has_ended)
    @rule(data=st.data(), kind=st.sampled_from(sorted(payloads.ROLE_OF)))
    def somebody_comes_too_late(self, data: st.DataObject, kind: str) -> None:
        """The application has ended."""
        by_signal = data.draw(st.booleans(), label="by signal")
        self._do(self.twins.say_too_late(kind, payloads.command(kind), by_signal=by_signal))

    @precondition(_has_ended_for_the_first_time)
    @rule()
    def there_is_another_application(self) -> None:
        """Of the same company, or, where that has access now, of another."""
        self.applications += 1
        self._do(self.twins.compare_what_is_left())
        if not self._do(self.twins.join_again()):
            self._twins = self._do(Twins.join(self._service))

    def teardown(self) -> None:
        """Compare what is left of it."""
        if self._twins:
            self._do(self._twins.compare_what_is_left())
            event(f"left in {self._twins.status.stage}")


def _dice(data: st.DataObject) -> Pick:
    def pick(among: Sequence[T], /) -> T:
        return data.draw(st.sampled_from(among))

    return pick


@pytest.mark.timeout(60 * RUNS or 120)
async def test_the_real_service_does_what_the_model_does(service: Service) -> None:
    loop = asyncio.get_running_loop()

    class Here(People):
        def __init__(self) -> None:
            super().__init__(service, loop)

    # Beside the loop, which goes on with the service meanwhile.
    await asyncio.to_thread(run_state_machine_as_test, Here, settings=SETTINGS)
