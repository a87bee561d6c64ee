"""A command that is not carried out."""

from domain.contract import ErrorType


class RefusedError(Exception):
    """``error`` is the type of the contract, the message says what to do."""

    def __init__(self, error: ErrorType, message: str) -> None:
        super().__init__(message)
        self.error = error
        self.message = message
