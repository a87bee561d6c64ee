"""The e-mails about the partner's questions to BD (guide §2.3, "please consult BD")."""

from typing import Literal

from domain.notice import Notice, ToBd, ToBdLead
from domain.status import Question


class PartnerAsked(ToBd):
    """The partner has a question."""

    template: Literal["partner_asked"] = "partner_asked"
    asked: Question


class PartnerAnswered(Notice):
    """BD has answered a question."""

    template: Literal["partner_answered"] = "partner_answered"
    answered: Question


class QuestionReminder(ToBd):
    """Questions of the partner wait for their answer; again and again."""

    template: Literal["question_reminder"] = "question_reminder"
    oldest_question: Question
    waiting_questions: int


class QuestionUnanswered(ToBdLead):
    """With the third reminder in a row after which no question was answered; once."""

    template: Literal["question_unanswered"] = "question_unanswered"
    oldest_question: Question
    waiting_questions: int
    question_reminders: int
