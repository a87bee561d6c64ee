"""How the workflow calls its activities: time limits, retries and the summaries ops read.

Local activities run inside a workflow task, which an update's caller waits for, so each is bounded to
well under a second or two; whatever may take longer, or has to be tried until it works, is a normal
activity (design §8, "Cost and speed"). A local activity's own error comes as it is, not as the cause of an
`ActivityError`.
"""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.access import AccessActivities
    from activities.accounts import AccountActivities
    from activities.email import EmailActivities
    from activities.records import RecordActivities

from domain.emails import EmailBatch, EmailReceipt
from domain.facts import AccessOutcome, AccessRequest, AccountFacts, AccountQuery
from domain.letters import AnyLetter
from domain.records import Record, Settled, Transition

UNTIL_IT_WORKS: Final = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=5)
)
LOOK_UP: Final = timedelta(milliseconds=900)
"""What a look-up gets to be answered in, the second try included."""
OUTAGE: Final = "an answer of the account directory and the ACPN platform (one of them is down)"


async def settle(transition: Transition) -> Settled:
    """Set the clocks of a transition and store it, if the database answers in time.

    Raises `FailureError` only for a calendar nobody knows.
    """
    settled: Settled = await workflow.execute_local_activity_method(
        RecordActivities.settle,
        transition,
        start_to_close_timeout=timedelta(seconds=5),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=50),
            maximum_interval=timedelta(seconds=1),
            non_retryable_error_types=["ValueError"],
        ),
        summary="Set deadlines, store the record",
    )
    return settled


async def look_up(query: AccountQuery) -> AccountFacts | None:
    """What the account directory knows; ``None`` when it does not answer within a second."""
    try:
        facts: AccountFacts = await workflow.execute_local_activity_method(
            AccountActivities.look_up_accounts,
            query,
            schedule_to_close_timeout=LOOK_UP,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=2),
            summary="Look up the accounts",
        )
    except FailureError:
        return None
    return facts


async def open_access(request: AccessRequest, *, committed: bool) -> AccessOutcome:
    """Ask ACPN once to give access; an outage counts as something that is missing, and is asked again.

    ``committed``: all that led here is in history. If not, a normal activity waits until it is: access
    must not be given on the word of an update that a dying worker may have been the only one to know.
    """
    call = workflow.execute_local_activity_method if committed else workflow.execute_activity_method
    try:
        outcome: AccessOutcome = await call(
            AccessActivities.open_access,
            request,
            start_to_close_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(maximum_attempts=1),
            summary="Open access to ACPN",
        )
    except FailureError:
        return AccessOutcome(granted=False, missing=(OUTAGE,), outage=True)
    return outcome


def store(record: Record) -> workflow.ActivityHandle[None]:
    """Store the record, however long the database is down."""
    return workflow.start_activity_method(
        RecordActivities.store,
        record,
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=UNTIL_IT_WORKS,
        summary="Catch up with the database",
    )


def send(letters: tuple[AnyLetter, ...]) -> workflow.ActivityHandle[EmailReceipt]:
    """Send the letters in order, however long the mail server is down.

    Once a cancelled one has ended, no attempt is still sending: the next run, or the child, may take over.
    """
    return workflow.start_activity_method(
        EmailActivities.send_emails,
        EmailBatch.model_construct(letters=letters),
        start_to_close_timeout=timedelta(minutes=10),
        heartbeat_timeout=timedelta(seconds=10),
        retry_policy=UNTIL_IT_WORKS,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary="E-mails: " + ", ".join(letter.template for letter in letters),
    )
