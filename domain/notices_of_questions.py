"""The e-mails about the partner's questions to BD (guide §2.3, "please consult BD")."""

from typing import Literal

from domain.notice import Notice, ToBd
from domain.status import Question


class PartnerAsked(ToBd):
    """The partner has a question."""

    template: Literal["partner_asked"] = "partner_asked"
    asked: Question


class PartnerAnswered(Notice):
    """BD has answered a question."""

    template: Literal["partner_answered"] = "partner_answered"
    answered: Question
