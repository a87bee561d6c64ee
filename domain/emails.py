"""What the e-mail activity is given and gives back."""

from domain.letters import AnyLetter
from domain.status import FailedEmail
from domain.values import Contract


class EmailBatch(Contract):
    """Letters of one application, to be sent in this order."""

    letters: tuple[AnyLetter, ...]


class EmailReceipt(Contract):
    """All letters of the batch were sent or have failed for good; these failed."""

    failed: tuple[FailedEmail, ...] = ()
