"""Every command of the contract, as the tagged union ``submit_command`` takes (tag ``kind``)."""

from typing import Annotated, Final

from pydantic import Field, TypeAdapter

from domain.access import AmendStartDate
from domain.anytime import (
    CancelApplication,
    CorrectContact,
    Decline,
    EndContract,
    ReassignBd,
    ReassignLead,
    ResendEmail,
)
from domain.application import (
    ApproveApplication,
    ConfirmCompany,
    ProvideJustification,
    RejectApplication,
    RequestJustification,
    SubmitApplication,
    WithdrawApplication,
)
from domain.questions import AnswerPartner, AskBd
from domain.signing import ChooseSigningPath, RecordContact, SignContract
from domain.terms import ConfirmTerms, IssueDecisionSheet, ModifyTerms, ReopenTerms

AnyCommand = Annotated[
    ConfirmCompany | SubmitApplication | WithdrawApplication | RequestJustification | ProvideJustification
    | ApproveApplication | RejectApplication | IssueDecisionSheet | ConfirmTerms | ModifyTerms | RecordContact
    | ChooseSigningPath | SignContract | ReopenTerms | AmendStartDate | AskBd | AnswerPartner
    | ReassignBd | ReassignLead | Decline | EndContract | CancelApplication | CorrectContact | ResendEmail,
    Field(discriminator="kind"),
]  # fmt: skip

COMMAND_ADAPTER: Final[TypeAdapter[AnyCommand]] = TypeAdapter(AnyCommand)
