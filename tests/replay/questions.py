"""The journeys of the partner's questions: asked, answered, and waiting for their answer in every stage."""

from datetime import timedelta
from functools import partial
from typing import Final

from domain.contract import Stage
from tests.replay.ways import WAYS, Journey, Story, confirm, to_activating
from tests.rig import Applicant
from tests.service.evidence import morning_after, working_days_after


async def _asks_and_answers(applicant: Applicant) -> None:
    """Before there is a form, and about the terms; twice each, and the answer to one of two."""
    await applicant.signal("ask_bd", question="Which of our accounts may be the Main UID?")
    await applicant.signal("answer_partner", answer="Any of the same enterprise.")
    await applicant.signal("answer_partner", answer="Any of the same enterprise.")
    await applicant.to_confirming()
    for question in ("Per year?", "Per year?", "And renewals?"):
        await applicant.signal("ask_bd", question=question)
    await applicant.signal("answer_partner", answer="As for new ones.", question_number=3)
    await applicant.signal("answer_partner", answer="Again.", question_number=3)
    await confirm(applicant)


async def _question_waits(applicant: Applicant, *, way: Story, days: int = 7) -> None:
    await way(applicant)
    await applicant.signal("ask_bd", question="May we start in May?")
    await applicant.pass_time(timedelta(days=days))


async def _question_waits_for_access(applicant: Applicant) -> None:
    """Asked days before, as access that is held up is tried again every hour."""
    await applicant.signal("ask_bd", question="May we start in May?")
    due_at = (await working_days_after(applicant, "ask_bd")).due_at
    await applicant.pass_until(due_at)
    await to_activating(applicant)
    await applicant.pass_until(morning_after(due_at))


QUESTIONS: Final[tuple[Journey, ...]] = (
    Journey("asks_and_answers", _asks_and_answers, Stage.AWAITING_SIGNATURES),
    *(
        Journey(f"question_waits_in_{stage}", partial(_question_waits, way=way), stage)
        for stage, way in WAYS.items()
        if stage is not Stage.ACTIVATING
    ),
    Journey("question_waits_in_activating", _question_waits_for_access, Stage.ACTIVATING),
    Journey(
        "question_unanswered",
        partial(_question_waits, way=Applicant.to_qualified, days=21),
        Stage.QUALIFIED,
    ),
)
