"""Temporal's Reset in every stage and to every place: by command line and Web UI, with and without the
messages sent since.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import pytest

from domain.contract import Role, Stage
from domain.readers import status_for
from domain.status import Status, WarningCode
from tests import payloads
from tests.replay.resets import update_accepted
from tests.rig import Applicant, Service
from tests.service.resetting import (
    Stored,
    Way,
    each_mail_left_once,
    mark,
    names_the_head_it_leaves,
    nothing_overwritten,
    outcome,
    replays,
    row_tells_the_truth,
    stored,
    taken_up,
    task_ends,
    temporal,
    turn_back,
)

FAR: Final = "2099-01-01"
HANG: Final = 60.0
"""Seconds after which a test gives up on a batch."""
Step = Callable[[Applicant], Awaitable[object]]


@dataclass(frozen=True)
class Journey:
    """How an application gets into a stage: ``first`` to where the reset leads back, ``then`` on."""

    first: Step
    then: tuple[Step, ...]
    stage: Stage
    policy: payloads.Json | None = None


async def joined(applicant: Applicant) -> None:
    """It has."""


def by_signal(kind: str, **payload: Any) -> Step:
    """A command as a signal; the form is the applicant's own, the sheet the current one, where needed."""

    async def send(applicant: Applicant) -> None:
        await applicant.handle.signal(
            kind, payloads.command(kind, **await _with_documents(applicant, kind, payload))
        )

    return send


def by_update(kind: str, **payload: Any) -> Step:
    """The same as an update."""

    async def send(applicant: Applicant) -> None:
        await applicant.update(kind, **await _with_documents(applicant, kind, payload))

    return send


async def _with_documents(applicant: Applicant, kind: str, payload: payloads.Json) -> payloads.Json:
    if kind == "submit_application":
        return payload | {"application": payloads.form(applicant.uid)}
    if kind == "confirm_terms":
        return payload | await applicant.named_sheet()
    if kind == "sign_contract":
        return await applicant.signature(**payload)
    return payload


SIGN: Final = (by_signal("sign_contract", party="partner"), by_update("sign_contract", party="vendor"))
REJECT: Final = by_update("reject_application", reason_code="other", explanation="No team.")
JOURNEYS: Final = (
    Journey(joined, (by_signal("confirm_company"), by_update("correct_contact", email="a@acme.example")),
            Stage.DRAFTING),
    Journey(joined, (by_signal("confirm_company"), by_update("submit_application")), Stage.UNDER_REVIEW),
    Journey(Applicant.to_review, (by_signal("request_justification", question="Who?"),), Stage.JUSTIFYING),
    Journey(Applicant.to_review, (by_update("withdraw_application"),), Stage.WITHDRAWN),
    Journey(Applicant.to_review, (by_signal("approve_application", form_revision=1),), Stage.QUALIFIED),
    Journey(Applicant.to_qualified, (by_update("issue_decision_sheet", sheet=payloads.sheet()),),
            Stage.CONFIRMING_TERMS),
    Journey(Applicant.to_confirming, (by_signal("modify_terms", sheet_revision=1, description="12 %"),),
            Stage.CORRECTING_TERMS),
    Journey(Applicant.to_confirming, (by_signal("confirm_terms"), SIGN[1]), Stage.AWAITING_SIGNATURES),
    Journey(lambda applicant: applicant.to_signatures(start=FAR), SIGN, Stage.SIGNED),
    Journey(Applicant.to_signatures, SIGN, Stage.ACTIVATING, {"require_credit_control": True}),
    Journey(Applicant.to_signatures, SIGN, Stage.ACTIVE),
    Journey(Applicant.to_review, (REJECT,), Stage.REJECTED),
    Journey(Applicant.to_confirming, (by_signal("decline", reason="Another vendor"),), Stage.CANCELLED),
)  # fmt: skip


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.stage.value)
async def test_reset_in_every_stage(service: Service, journey: Journey) -> None:
    await asyncio.gather(
        *(turned_back_and_on(service, journey, way, reapply) for way, reapply in product(Way, (True, False)))
    )


async def turned_back_and_on(service: Service, journey: Journey, way: Way, reapply: bool) -> None:
    applicant = await service.applicant(policy=journey.policy)
    await journey.first(applicant)
    there, at_the_mark = await mark(applicant), await applicant.settled()
    await go_on(applicant, journey)
    before = await stored(applicant)

    await turn_back(applicant, there, way=way, reapply=reapply)
    await taken_up(applicant)
    status = await applicant.settled()
    if reapply:
        assert status.stage is journey.stage
    else:
        gone = (WarningCode.ACCESS_TAKEN_BACK,) if journey.stage is Stage.ACTIVE else ()
        stands_as(status, at_the_mark, *gone)
    await check(applicant, before, at_the_mark)
    undone_documents_are_void(before, await stored(applicant), at_the_mark)

    if not reapply:
        assert (await stored(applicant)).grants == []
        await go_on(applicant, journey)
        await check(applicant, before, at_the_mark)
    after = await stored(applicant)
    assert after.grants == before.grants
    again = [row["template"] for row in after.emails.values() if row["sequence"] > len(before.events)]
    once = [row["template"] for row in before.emails.values() if row["sequence"] > at_the_mark.sequence]
    assert sorted(again) == sorted(once), "what was undone is told again when it comes about again"


# The ends no command leads to.


async def test_what_has_expired_expires_again_as_its_deadline_stays(service: Service) -> None:
    await asyncio.gather(
        *(expired_again(service, way, reapply) for way, reapply in product(Way, (True, False)))
    )


async def expired_again(service: Service, way: Way, reapply: bool) -> None:
    applicant = await service.applicant()
    at_the_mark, there = await applicant.to_confirming(), await mark(applicant)
    assert at_the_mark.due_at
    assert (await applicant.pass_until(at_the_mark.due_at)).stage is Stage.EXPIRED
    before = await stored(applicant)
    await turn_back(applicant, there, way=way, reapply=reapply)
    await taken_up(applicant)
    assert (await outcome(applicant)).outcome is Stage.EXPIRED
    await check(applicant, before, at_the_mark)
    trail = (await stored(applicant)).events[at_the_mark.sequence :]
    commands = [event["command"] for event in trail]
    turned_back = commands.index("reset")
    assert Counter(commands[:turned_back])["expiry_warning"] == 2
    assert commands[turned_back - 1] == "expiry"
    again = commands[turned_back:]
    assert (again[1], again[-1], again.count("expiry")) == ("terms_reminder", "expiry", 1)
    assert Counter(again)["expiry_warning"] <= 2
    assert Counter(applicant.templates())["application_expired"] == 2


@pytest.mark.parametrize("reapply", [True, False])
async def test_an_operators_cancel_is_undone_and_not_made_again(service: Service, reapply: bool) -> None:
    applicant = await service.applicant()
    at_the_mark, there = await applicant.to_confirming(), await mark(applicant)
    await applicant.handle.cancel()
    assert (await outcome(applicant)).outcome is Stage.CANCELLED
    before = await stored(applicant)
    await turn_back(applicant, there, reapply=reapply)
    await taken_up(applicant)
    stands_as(await applicant.settled(), at_the_mark)
    await check(applicant, before, at_the_mark)
    await applicant.handle.cancel()
    assert (await outcome(applicant)).outcome is Stage.CANCELLED
    assert [event["command"] for event in (await stored(applicant)).events][-3:] == [
        *("cancel_application", "reset", "cancel_application"),
    ]
    await row_tells_the_truth(applicant)


# Other places to turn back to.


@pytest.mark.parametrize("way", Way)
async def test_reset_to_the_last_task_of_an_end_undoes_nothing(service: Service, way: Way) -> None:
    applicant = await service.applicant()
    await applicant.to_signatures()
    for step in SIGN:
        await step(applicant)
        ended = await applicant.settled()
    assert ended.stage is Stage.ACTIVE
    before = await stored(applicant)
    await turn_back(applicant, await mark(applicant), way=way)
    await taken_up(applicant)
    assert (await outcome(applicant)).outcome is Stage.ACTIVE
    await check(applicant, before, ended)
    after = await stored(applicant)
    assert len(after.events) == len(before.events) + 1
    assert after.grants == before.grants != []
    assert after.events[-1]["message"] == "Reset in Temporal: nothing that was stored is undone."


@pytest.mark.parametrize("reapply", [True, False])
@pytest.mark.parametrize("way", Way)
async def test_reset_of_a_partner_to_the_first_task(service: Service, way: Way, reapply: bool) -> None:
    """All that has access is the application itself: that is no reason to refuse it."""
    applicant = await service.applicant()
    [first, *_] = await task_ends(applicant)
    await applicant.to_signatures()
    for step in SIGN:
        await step(applicant)
        await applicant.settled()
    before = await stored(applicant)
    assert before.grants
    await turn_back(applicant, first, way=way, reapply=reapply)
    event = await taken_up(applicant)
    status = await applicant.settled()
    assert (event.details["back_to"], event.details["access_taken_back"]) == (0, True)
    assert WarningCode.ACCESS_TAKEN_BACK in {warned.code for warned in status.warned}
    after = await nothing_overwritten(applicant, before)
    assert [row["void"] for row in (after.forms[1], after.sheets[1])] == [True, True]
    assert after.grants == []
    assert [event["command"] for event in after.events][len(before.events) :][:2] == ["reset", "join"]
    if reapply:
        # The form has another number now, so the approval of the first one is refused, and what came of it.
        assert (status.stage, status.form_revision) == (Stage.UNDER_REVIEW, 2)
        assert {refusal.again for refusal in status.last_refusals} == {True}
        assert status_for(status, Role.PARTNER).last_refusals == ()
    else:
        assert (status.stage, status.form_revision) == (Stage.DRAFTING, 0)
        await applicant.signal("confirm_company")
        await applicant.signal("submit_application", application=payloads.form(applicant.uid))
    await applicant.signal("approve_application", form_revision=2)
    status = await applicant.signal("issue_decision_sheet", sheet=payloads.sheet())
    assert status.sheet is not None
    assert status.sheet.revision == 2
    await applicant.signal("confirm_terms", **await applicant.named_sheet())
    for step in SIGN:
        await step(applicant)
        await applicant.settled()
    assert (await outcome(applicant)).outcome is Stage.ACTIVE
    after = await nothing_overwritten(applicant, before)
    assert after.grants == before.grants
    await each_mail_left_once(applicant, after)
    await row_tells_the_truth(applicant)
    await replays(applicant)


async def test_reset_to_the_task_of_an_update_that_is_not_made_again(service: Service) -> None:
    """Where it leads there is nothing to do, were it not for the reset."""
    applicant = await service.applicant()
    at_the_mark = await applicant.to_review()
    await applicant.update("request_justification", question="Who?")
    await applicant.settled()
    before = await stored(applicant)

    await turn_back(applicant, await update_accepted(applicant), reapply=False)
    async with asyncio.timeout(HANG):
        await taken_up(applicant)

    stands_as(await applicant.settled(), at_the_mark)
    await check(applicant, before, at_the_mark)


async def test_reset_of_a_reset_run_and_of_the_run_before_it(service: Service) -> None:
    applicant = await service.applicant()
    qualified, early = await applicant.to_qualified(), await mark(applicant)
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet())
    confirming, late = await applicant.status(), await mark(applicant)
    left = (await applicant.handle.describe()).run_id
    before = await stored(applicant)
    await turn_back(applicant, early, reapply=False)
    await taken_up(applicant)
    await applicant.settled()
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(ecs="12"))

    second = await stored(applicant)
    await turn_back(applicant, early, reapply=False)
    await taken_up(applicant, 2)
    stands_as(await applicant.settled(), qualified)
    await nothing_overwritten(applicant, second)
    await names_the_head_it_leaves(applicant, second, qualified.sequence)
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(ecs="14"))

    # It was a mistake from the first: the run of before is where the application is to go on.
    third = await stored(applicant)
    assert [row["void"] for row in third.sheets.values()] == [True, True, False]
    await turn_back(applicant, late, reapply=False, run_id=left)
    await taken_up(applicant, 3)
    stands_as(await applicant.settled(), confirming)
    after = await nothing_overwritten(applicant, third)
    assert [row["void"] for row in after.sheets.values()] == [False, True, True]
    await names_the_head_it_leaves(applicant, third, confirming.sequence)
    assert (await applicant.signal("confirm_terms", **await applicant.named_sheet())).stage is (
        Stage.AWAITING_SIGNATURES
    )
    after = await nothing_overwritten(applicant, before)
    await each_mail_left_once(applicant, after)
    await row_tells_the_truth(applicant)
    await replays(applicant)


async def test_a_batch_of_resets_by_the_command_line(service: Service) -> None:
    applicants = await asyncio.gather(*(service.applicant() for _ in range(2)))
    before = []
    for applicant in applicants:
        await applicant.to_review()
        before.append(await stored(applicant))
    ids = " OR ".join(f"WorkflowId='{applicant.handle.id}'" for applicant in applicants)
    async with asyncio.timeout(HANG):
        # The list of runs, which a batch goes by, lags a moment behind.
        client = service.env.client
        while True:
            if (await client.count_workflows(f"({ids}) AND OnboardingStage='under_review'")).count == 2:
                break
            await asyncio.sleep(0.1)
        await temporal(
            applicants[0],
            *("workflow", "reset", "--query", ids, "--type", "FirstWorkflowTask"),
            *("--reason", "a test", "--yes"),
        )
        for applicant, was in zip(applicants, before, strict=True):
            await taken_up(applicant)
            assert (await applicant.settled()).stage is Stage.UNDER_REVIEW
            await nothing_overwritten(applicant, was)
            await names_the_head_it_leaves(applicant, was, 0)
            await row_tells_the_truth(applicant)


async def go_on(applicant: Applicant, journey: Journey) -> None:
    for step in journey.then:
        await step(applicant)
        await applicant.settled()
    assert (await applicant.status()).stage is journey.stage


async def check(applicant: Applicant, before: Stored, at_the_mark: Status) -> None:
    """What must hold whatever is turned back to where."""
    after = await nothing_overwritten(applicant, before)
    await each_mail_left_once(applicant, after)
    await names_the_head_it_leaves(applicant, before, at_the_mark.sequence)
    await row_tells_the_truth(applicant)
    await replays(applicant)


def stands_as(status: Status, at_the_mark: Status, *warned_of: WarningCode) -> None:
    """The application stands as it did, but for the number of its newest event, and what it warns of now."""
    assert {each.code for each in status.warned} - {each.code for each in at_the_mark.warned} == {*warned_of}
    counts: dict[str, Any] = {"sequence": 0}
    if warned_of:
        counts |= {"warned": (), "warnings": ()}
    assert status.model_copy(update=counts) == at_the_mark.model_copy(update=counts)


def undone_documents_are_void(before: Stored, after: Stored, at_the_mark: Status) -> None:
    for was, now in ((before.forms, after.forms), (before.sheets, after.sheets)):
        for revision, row in was.items():
            assert now[revision]["void"] is (row["sequence"] > at_the_mark.sequence)
