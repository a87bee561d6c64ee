"""What a caller is told when something is refused or can't be done: the type, the reason, the remedy."""

from collections.abc import Mapping
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from domain.contract import ErrorType
from domain.intake import field_errors
from domain.status import CommandResult

Model = TypeVar("Model", bound=BaseModel)

_REMEDIES: Final[Mapping[ErrorType, str]] = {
    ErrorType.WRONG_STAGE: "Read the status: it names the stage and the commands allowed in it.",
    ErrorType.STALE_REVISION: "Read the status with what is current, then send it for that.",
    ErrorType.FORBIDDEN: "Send it as one of the roles that the message names; on the console: --as ROLE.",
    ErrorType.INVALID: "Correct the fields named and send the command again, under a new command ID.",
    ErrorType.COMPANY_NOT_CONFIRMED: "Confirm the company the status shows first (confirm_company).",
    ErrorType.ENTERPRISE_NOT_VERIFIED: "Go to Verify, complete it, then send the command again: {verify_url}",
    ErrorType.UID_MISMATCH: (
        "Company Master, Main and Associated UIDs must be verified for the same enterprise; Main and"
        " Associated UIDs must have the same business type and partner level, and be covered by no other"
        " application."
    ),
    ErrorType.SIGNATURE_ORDER: "Let the other party sign first, or have BD choose another order.",
    ErrorType.UNAVAILABLE: "Try again, with the same command ID: a command is never carried out twice.",
    ErrorType.ALREADY_PARTNER: "Nothing to do: log in to the ACPN platform.",
    ErrorType.CLOSED: (
        "After rejected, cancelled or expired, join again. Where access has been given, only which accounts"
        " have it can be changed: `onboarding coverage add`, `onboarding coverage remove`."
    ),
    ErrorType.NOT_FOUND: (
        "Check the digits of the UID. A company without an application joins first; a missing account is"
        " entered first (embedded directory: `onboarding account set`)."
    ),
}


NOT_DONE: Final = "Nothing was done: correct what is named, then do it again."


class OnboardingError(Exception):
    """Refused, or not possible now: ``type`` is for programs, ``message`` and ``remedy`` are for people.

    ``answered``: the application as the refused command left it, where the workflow has judged it.
    """

    def __init__(
        self,
        error: ErrorType,
        message: str,
        *,
        remedy: str | None = None,
        verify_url: str = "",
        answered: CommandResult | None = None,
    ) -> None:
        """``remedy``: what helps here, where more is known than the type alone says."""
        super().__init__(message)
        self.type: Final = error
        self.message: Final = message
        self.answered: Final = answered
        self.remedy: Final = remedy or _REMEDIES[error].format(verify_url=verify_url).removesuffix(": ")

    @classmethod
    def unless_valid(cls, model: type[Model], fields: object) -> Model:
        """The model with these fields, none of them unknown.

        Raises:
            OnboardingError: ``invalid``, with the path of each field that is wrong, never its value.
        """
        try:
            return model.model_validate(fields, extra="forbid")
        except ValidationError as error:
            raise cls(ErrorType.INVALID, field_errors(error), remedy=NOT_DONE) from None

    @classmethod
    def from_detail(
        cls, error: ErrorType, detail: str, fields: str, answered: CommandResult | None
    ) -> "OnboardingError":
        """As it was raised behind the API, whose problem documents have message and remedy in one ``detail``,
        and what is wrong with fields beside it."""
        if fields:
            return cls(error, fields, remedy=detail, answered=answered)
        begins, _, ends = _REMEDIES[error].partition("{verify_url}")
        message, found, rest = detail.partition(f" {begins}")
        remedy = f"{begins}{rest}{ends}" if found else " "
        return cls(error, message, remedy=remedy, answered=answered)


class ArchiveError(Exception):
    """The database can't be read or written; ``remedy`` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy
