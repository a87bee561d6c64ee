"""A command that is not carried out."""

from domain.contract import ErrorType
from domain.status import Company


class RefusedError(Exception):
    """``error`` is the type of the contract, the message says what to do. ``company``: the one the account
    directory has instead of the one shown, which the status is to show from now on."""

    def __init__(self, error: ErrorType, message: str, *, company: Company | None = None) -> None:
        super().__init__(message)
        self.error = error
        self.message = message
        self.company = company


def used_for_another() -> RefusedError:
    """The command's ID stood for another command before."""
    return RefusedError(
        ErrorType.INVALID, "command_id: was used for another command; send this one under an ID of its own"
    )
