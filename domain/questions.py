"""The partner asks BD (guide §2.3, "please consult BD"), and BD answers: at any time before the end, as many
rounds as it takes."""

from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from domain import notices_of_questions as told
from domain.clocks import ClockKind, When
from domain.contract import Command, ErrorType
from domain.inquiry import AccountAnswers
from domain.periods import question_clock
from domain.refusal import RefusedError
from domain.state import KEPT_BYTES, Application, newest_within
from domain.status import Question, Status, numbered, unanswered
from domain.steps import BD, OPEN, PARTNER, Condition, Moment, Step
from domain.values import Text

WAITING_BYTES: Final = KEPT_BYTES // 2
"""What the questions that wait for their answer may take as JSON; the rest is for answered ones."""
NUMBERS_NAMED: Final = 10
"""How many of the questions that wait a refusal names, by their numbers."""


class AskBd(Command):
    """Partner: a question to BD, about the terms or anything else (guide §2.3)."""

    kind: Literal["ask_bd"] = "ask_bd"
    question: Text = Field(
        description="What the partner wants to know.", examples=["Does the discount hold for renewals?"]
    )


def _asked(application: Application, command: AskBd) -> bool:
    return command.question in {question.question for question in unanswered(application.questions)}


def room_for_another(application: Application, command: AskBd, now: datetime) -> None:
    """The questions that wait for their answer are not more than can be kept and shown (32 KiB)."""
    waiting = (*unanswered(application.questions), _question(application, command, now))
    if newest_within(waiting, WAITING_BYTES) != waiting:
        raise RefusedError(
            ErrorType.INVALID,
            f"question: {len(waiting) - 1} questions wait for BD's answer already, and there is no room for "
            "another: wait for an answer, or write to BD.",
        )


def _question(application: Application, command: AskBd, now: datetime) -> Question:
    return Question(number=application.questions_asked + 1, question=command.question, asked_at=now)


def _ask_bd(application: Application, command: AskBd, now: datetime, accounts: AccountAnswers) -> Application:
    question = _question(application, command, now)
    return application.but(
        questions=_kept((*application.questions, question)), questions_asked=question.number
    )


def _kept(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """All that wait, and of those that are answered the latest."""
    with_answer = (question for question in questions if question.answered_at)
    by_time = sorted(with_answer, key=lambda each: (each.answered_at or each.asked_at, each.number))
    kept = {question.number for question in newest_within(by_time, KEPT_BYTES - WAITING_BYTES)}
    return tuple(q for q in questions if q.answer is None or q.number in kept)


class AnswerPartner(Command):
    """BD: the answer to a question of the partner."""

    kind: Literal["answer_partner"] = "answer_partner"
    answer: Text = Field(description="The answer.", examples=["Yes, for the whole term"])
    question_number: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="The question meant; the oldest unanswered, if left out.",
    )


def _answered(application: Application, command: AnswerPartner) -> bool:
    meant = _meant(application, command)
    return meant is not None and meant.answer == command.answer


def _meant(application: Application, command: AnswerPartner) -> Question | None:
    """The question that is answered; where none is named and none waits, the one answered last."""
    number, waiting = command.question_number, unanswered(application.questions)
    if number is None:
        number = waiting[0].number if waiting else application.last_answered
    return numbered(application.questions, number)


def question_waits(application: Application, command: AnswerPartner) -> None:
    """There is such a question, and it has no answer yet."""
    meant = _meant(application, command)
    waiting = unanswered(application.questions)
    if meant not in waiting:
        numbers = ", ".join(str(question.number) for question in waiting[:NUMBERS_NAMED])
        if len(waiting) > NUMBERS_NAMED:
            numbers += f" and {len(waiting) - NUMBERS_NAMED} more"
        why = "is not known any more, or never was" if meant is None else "has been answered already"
        raise RefusedError(
            ErrorType.INVALID,
            f"question_number: question {command.question_number} {why}; unanswered: {numbers}.",
        )


def _answer_partner(
    application: Application, command: AnswerPartner, now: datetime, accounts: AccountAnswers
) -> Application:
    meant = _meant(application, command)
    with_answer = {"answer": command.answer, "answered_at": now}
    questions = (q.model_copy(update=with_answer) if q is meant else q for q in application.questions)
    return application.but(
        questions=_kept(tuple(questions)),
        last_answered=meant.number if meant else None,
        question_reminders=0,
    )


def _oldest_shown(status: Status) -> int | None:
    return next((question.number for question in unanswered(status.questions)), None)


ASKED: Final = Condition(
    lambda application: bool(unanswered(application.questions)),
    "without an unanswered question",
    "Only while a question of the partner waits for its answer.",
)

# fmt: off
STEPS: Final[tuple[Step, ...]] = (
    Step(AskBd, PARTNER, OPEN, None, (told.PartnerAsked,),
         done=_asked, timed_rules=(room_for_another,), changes=_ask_bd, restarts=(question_clock,)),
    Step(AnswerPartner, BD, OPEN, None, (told.PartnerAnswered,), only=ASKED,
         done=_answered, rules=(question_waits,), changes=_answer_partner,
         stops=(ClockKind.QUESTION,), restarts=(question_clock,),
         current={"question_number": _oldest_shown}),
)
MOMENTS: Final[tuple[Moment, ...]] = (
    Moment("question_reminder", ClockKind.QUESTION, OPEN,
           None, (told.QuestionReminder,), when=When.MORNING,
           unanswered=(told.QuestionUnanswered,), restarts=(question_clock,)),
)
# fmt: on
