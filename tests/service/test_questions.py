"""A question and its answer on the real parts: kept, stored, mailed to the right people, twice."""

from datetime import timedelta

from domain.contract import Stage
from tests import payloads
from tests.rig import Service
from tests.service.evidence import row


async def test_bd_is_reminded_of_a_question_until_it_is_answered(service: Service) -> None:
    """Three times every three working days; then the lead is told."""
    applicant = await service.applicant()
    await applicant.update("ask_bd", question="Which UID is the Main UID?")
    await applicant.pass_time(timedelta(days=20))
    told = ["partner_asked", *["question_reminder"] * 3, "question_unanswered"]
    assert applicant.templates() == told
    await applicant.update("answer_partner", answer="Any of the same enterprise.")
    await applicant.pass_time(timedelta(days=30))
    assert applicant.templates() == [*told, "partner_answered"]


async def test_a_question_reaches_bd_and_the_answer_the_partner(service: Service) -> None:
    applicant = await service.applicant()
    for _ in range(2):
        await applicant.update("ask_bd", command_id="q-1", question="Which UID is the Main UID?")
    await applicant.signal("reassign_bd", bd={"name": "Nia New", "email": "nia@vendor.example.com"})
    for _ in range(2):
        await applicant.update("answer_partner", command_id="a-1", answer="Any of the same enterprise.")

    [question] = (await applicant.settled()).questions
    assert (question.number, question.answer) == (1, "Any of the same enterprise.")
    told = [(mail["X-Onboarding-Template"], mail["To"]) for mail in service.mailbox.of(applicant.uid)]
    assert told == [
        ("partner_asked", f"{payloads.BD['name']} <{payloads.BD['email']}>"),
        ("handed_over", f"{payloads.BD['name']} <{payloads.BD['email']}>"),
        ("assigned_to_bd", "Nia New <nia@vendor.example.com>"),
        ("partner_answered", "Ann Tan <join@acme.example.com>"),
    ]
    assert (await row(applicant)).status.questions == (question,)

    await applicant.signal("decline", reason="Too dear.")
    assert (await applicant.result()).stage is Stage.CANCELLED
    assert applicant.templates()[-2:] == ["application_cancelled", "closed_to_bd"], "BD was asked"
