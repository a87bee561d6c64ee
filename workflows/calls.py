"""How the workflow calls its activities: their names, time limits, retries and the summaries ops read.

The activities are named, not imported: the process does not depend on what carries it out. A test holds
both sides to each other. Local activities run inside a workflow task, which an update's caller waits for:
only what reads is one. What has an effect is a normal activity, which begins only when the task that
decided it is committed.
"""

from datetime import timedelta
from typing import Any, Final, TypeVar

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import FailureError

from domain.coverage import Recall, Recalled
from domain.inquiry import OUTAGE, AccessClosed, AccessOutcome, AccessRequest, Answers, Head, Inquiry
from domain.publication import Delivery, Publication, Receipt, TakeUp
from domain.webhooks import Outcome, Outgoing

LOOK_UP: Final = "look_up"
OPEN_ACCESS: Final = "open_access"
PUBLISH: Final = "publish"
DELIVER: Final = "deliver"
TAKE_UP: Final = "take_up"
RECALL: Final = "recall"
CLOSE_ACCESS: Final = "close_access"
SEND_WEBHOOKS: Final = "send_webhooks"
TELL_OF_WEBHOOKS: Final = "tell_of_webhooks"
NAMES: Final = (
    *(LOOK_UP, OPEN_ACCESS, PUBLISH, DELIVER, TAKE_UP, RECALL, CLOSE_ACCESS),
    *(SEND_WEBHOOKS, TELL_OF_WEBHOOKS),
)

Answer = TypeVar("Answer")

UNTIL_IT_WORKS: Final = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=5)
)


_AFTER_THE_REST: Final = Priority(priority_key=4)
"""What has waited for the mail server waits until the server has given out what has just been decided; 3 is
the default, less comes first."""


async def look_up(inquiry: Inquiry) -> Answers:
    """What the outside knows. The activity bounds each service it asks, and answers in any case."""
    answers: Answers = await workflow.execute_local_activity(
        LOOK_UP,
        inquiry,
        result_type=Answers,
        start_to_close_timeout=timedelta(seconds=8),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=50), maximum_interval=timedelta(seconds=1)
        ),
        summary="Look up",
    )
    return answers


async def open_access(request: AccessRequest) -> AccessOutcome:
    """Ask ACPN once to give access; an outage counts as something that is missing, and is asked again."""
    return await _asked_once(OPEN_ACCESS, request, AccessOutcome, "Open access to ACPN") or OUTAGE


async def close_access(request: AccessRequest) -> bool:
    """Ask ACPN once to take access back; false in an outage, or if the application was reset meanwhile."""
    answer = await _asked_once(CLOSE_ACCESS, request, AccessClosed, "Take back access to ACPN")
    return answer is not None and answer.closed


async def _asked_once(name: str, request: AccessRequest, answer: type[Answer], summary: str) -> Answer | None:
    """What ACPN answers; ``None`` in an outage.

    The error is looked at, not caught: Python's tracing does not see what an exception is thrown into.
    """
    asked: workflow.ActivityHandle[Answer] = workflow.start_activity(
        name,
        request,
        result_type=answer,
        # The services have limits of their own; this one is for a worker that has died, and must not be
        # reached by one that has much to do: it would count as an outage. A form may have a hundred accounts.
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=RetryPolicy(maximum_attempts=1),
        summary=summary,
    )
    await workflow.wait([asked])
    return None if isinstance(asked.exception(), FailureError) else asked.result()


def publish(publication: Publication) -> workflow.ActivityHandle[Receipt]:
    """Store what was decided, however long the database is down, and send its mails if the mail server
    takes them."""
    return _until_it_works(PUBLISH, publication, _what_is_published(publication), answer=Receipt)


def deliver(delivery: Delivery) -> workflow.ActivityHandle[Receipt]:
    """Send what waits in the ledger, in order, however long the mail server is down."""
    summary = "E-mails that wait for the mail server"
    return _until_it_works(DELIVER, delivery, summary, _AFTER_THE_REST, answer=Receipt)


async def take_up(request: TakeUp) -> Head:
    """Where the stored trail ends, after Temporal's Reset; waits for the database."""
    return await _asked_until_it_works(TAKE_UP, request, Head, "Take up after a reset")


async def recall(request: Recall) -> Recalled:
    """The application as its own run has left it; waits for the database, and for that run to end."""
    return await _asked_until_it_works(RECALL, request, Recalled, "Recall the application")


async def _asked_until_it_works(
    name: str, request: TakeUp | Recall, answer: type[Answer], summary: str
) -> Answer:
    found: Answer = await workflow.execute_activity(
        name,
        request,
        result_type=answer,
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=UNTIL_IT_WORKS,
        summary=summary,
    )
    return found


async def send_webhooks(outgoing: Outgoing) -> Outcome:
    """Deliver what waits for an endpoint, as far as it takes it; waits for the database."""
    return await _until_it_works(SEND_WEBHOOKS, outgoing, "Deliver webhooks", _AFTER_THE_REST, answer=Outcome)


async def tell_of_webhooks(outgoing: Outgoing) -> Outcome:
    """Tell the operators that an endpoint was switched off; waits for the mail server."""
    summary = "Tell the operators that the endpoint is off"
    return await _until_it_works(TELL_OF_WEBHOOKS, outgoing, summary, _AFTER_THE_REST, answer=Outcome)


def _until_it_works(
    name: str,
    argument: Any,
    summary: str,
    priority: Priority = Priority.default,
    *,
    answer: type[Answer],
) -> workflow.ActivityHandle[Answer]:
    """Once a cancelled one has ended, no attempt is still at work: the next run, or the child, may take
    over."""
    return workflow.start_activity(
        name,
        argument,
        result_type=answer,
        start_to_close_timeout=timedelta(minutes=10),
        heartbeat_timeout=timedelta(seconds=10),
        retry_policy=UNTIL_IT_WORKS,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary,
        priority=priority,
    )


def _what_is_published(publication: Publication) -> str:
    events = ", ".join(entry.event.command for entry in publication.entries[:5])
    notices = [notice.template for entry in publication.entries for notice in entry.notices]
    return f"Store {events}" + (f"; e-mails: {', '.join(notices[:5])}" if notices else "")
