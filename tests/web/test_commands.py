"""Commands over HTTP: under which ID they are sent, on which condition, and what their refusal says."""

import asyncio
from functools import partial
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from domain.audit import Verdict
from domain.contract import ErrorType, OnboardingInput, Stage
from domain.status import CommandResult, Status
from starter.client.errors import OnboardingError
from starter.client.joining import Joined
from starter.web.desks import Desks
from starter.web.door import MOST_AT_ONCE
from starter.web.problems import KINDS
from tests.web.doors import OTHERS, OWN, Doors, opened

ASK = {"question": "Does the discount hold?"}


async def test_the_key_is_the_commands_id(doors: Doors) -> None:
    for key in ("8e03978e", '"8e03978e"', "8e03978e"):
        response = await doors.command("ask_bd", "partner", json=ASK, headers={"Idempotency-Key": key})
        assert response.status_code == 200
    ids = [(command.command_id, update) for _, command, update in doors.service.sent]
    assert {command_id for command_id, _ in ids} == {"8e03978e"}
    assert len({update for _, update in ids}) == 1, "Temporal knows the repeated call"
    changed = {"question": "Another one"}
    await doors.command("ask_bd", "partner", json=changed, headers={"Idempotency-Key": "8e03978e"})
    assert doors.service.sent[-1][2] not in {update for _, update in ids}, "the workflow is to judge it"


@pytest.mark.parametrize("key", [None, "", " "])
async def test_without_a_key_nothing_is_sent(doors: Doors, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    response = await doors.post(f"/applications/{OWN}/commands/ask_bd", "partner", json=ASK, headers=headers)
    assert response.status_code == 400
    assert "Idempotency-Key" in response.json()["detail"]
    assert not doors.service.sent


async def test_a_key_that_can_be_no_id(doors: Doors) -> None:
    response = await doors.command("ask_bd", "partner", json=ASK, headers={"Idempotency-Key": "x" * 129})
    assert response.status_code == 422
    assert [each["field"] for each in response.json()["errors"]] == ["Idempotency-Key"]


@pytest.mark.parametrize(("given", "sequence"), [(None, None), ("*", None), ('"12"', 12), (' "0" ', 0)])
async def test_the_condition_is_judged_in_the_workflow(
    doors: Doors, given: str | None, sequence: int | None
) -> None:
    headers = {} if given is None else {"If-Match": given}
    assert (await doors.command("ask_bd", "partner", json=ASK, headers=headers)).status_code == 200
    assert doors.service.sent[0][1].if_sequence == sequence


@pytest.mark.parametrize(
    "given", ["12", 'W/"12"', '"x"', '"1", "2"', '"-1"', '"99999999999"', '"4294967296"', ""]
)
async def test_a_condition_that_names_no_sequence(doors: Doors, given: str) -> None:
    response = await doors.command("ask_bd", "partner", json=ASK, headers={"If-Match": given})
    assert response.status_code == 400
    assert "If-Match" in response.json()["detail"]
    assert not doors.service.sent


@pytest.mark.parametrize("error", ErrorType)
async def test_a_refusal_says_what_is_possible_instead(doors: Doors, error: ErrorType) -> None:
    answered = CommandResult(verdict=Verdict.REFUSED, stage=Stage.QUALIFIED, sequence=7)
    doors.service.refusal = OnboardingError(error, "That is not so.", answered=answered)
    response = await doors.command("ask_bd", "partner", json=ASK)
    problem = response.json()
    assert response.status_code == problem["status"] == KINDS[error].status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["type"] == f"urn:onboarding:error:{error}"
    assert problem["detail"].startswith("That is not so. ")
    assert problem["stage"] == "qualified"
    assert "confirm_company" in problem["allowed_commands"]
    assert ("Retry-After" in response.headers) is (error is ErrorType.UNAVAILABLE)


async def test_with_a_condition_an_application_that_has_moved_on_is_412(doors: Doors) -> None:
    doors.service.refusal = OnboardingError(ErrorType.STALE_REVISION, "It has moved on.")
    with_it = await doors.command("ask_bd", "partner", json=ASK, headers={"If-Match": '"1"'})
    without = await doors.command("ask_bd", "partner", json=ASK)
    assert (with_it.status_code, without.status_code) == (412, 409)


async def test_what_was_not_judged_names_no_stage(doors: Doors) -> None:
    doors.service.refusal = OnboardingError(ErrorType.UNAVAILABLE, "No answer within 30 s.")
    response = await doors.command("ask_bd", "partner", json=ASK)
    assert response.status_code == 503
    assert not {"stage", "allowed_commands", "errors"} & response.json().keys()


@pytest.mark.parametrize("error", [RPCError("down", RPCStatusCode.UNAVAILABLE, b""), OSError("gone")])
async def test_a_part_that_is_down_is_said_to_be(doors: Doors, error: Exception) -> None:
    doors.service.refusal = error
    response = await doors.command("ask_bd", "partner", json=ASK)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert response.json()["type"] == "urn:onboarding:error:unavailable"


async def test_a_bug_shows_nothing_of_itself(doors: Doors) -> None:
    doors.service.refusal = KeyError("secret of the house")
    response = await doors.command("ask_bd", "partner", json=ASK)
    assert response.status_code == 500
    assert response.json()["type"] == "urn:onboarding:error:internal"
    assert "secret" not in response.text


async def test_the_answer_is_the_whole_status_and_what_became_of_the_command(doors: Doors) -> None:
    response = await doors.command("ask_bd", "partner", json=ASK)
    status = Status.model_validate(response.json())
    assert status.answered == CommandResult(verdict=Verdict.ACCEPTED, stage=Stage.DRAFTING, sequence=2)
    assert status.bd_lead is None, "as a partner reads it"
    assert status.company_master_uid == OWN


async def test_more_than_a_run_can_take_are_told_to_wait(doors: Doors) -> None:
    """Of one application; others' go on."""
    entered: asyncio.Queue[None] = asyncio.Queue()
    held = asyncio.Event()
    send = doors.service.send

    async def slow(*given: Any, **named: Any) -> Status:
        entered.put_nowait(None)
        await held.wait()
        return await send(*given, **named)

    doors.service.send = slow  # type: ignore[method-assign]  # it is to take long
    ask = partial(doors.command, "ask_bd", "partner", json=ASK)
    under_way = [asyncio.create_task(ask()) for _ in range(MOST_AT_ONCE)]
    for _ in range(MOST_AT_ONCE):
        await entered.get()
    refused = await ask()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert refused.json()["type"] == "urn:onboarding:error:too_many"
    others = asyncio.create_task(doors.command("ask_bd", "partner-of-others", OTHERS, json=ASK))
    await entered.get()
    held.set()
    assert {each.status_code for each in await asyncio.gather(*under_way, others)} == {200}
    assert (await ask()).status_code == 200


async def test_joins_of_one_company_are_bounded_as_well(doors: Doors) -> None:
    entered: asyncio.Queue[None] = asyncio.Queue()
    held = asyncio.Event()
    join = doors.service.join

    async def slow(joining: OnboardingInput) -> Joined:
        entered.put_nowait(None)
        await held.wait()
        return await join(joining)

    doors.service.join = slow  # type: ignore[method-assign]  # it is to take long
    joining = {"company_master_uid": OWN, "contact_name": "Mei Lin", "contact_email": "mei@lincloud.example"}
    ask = partial(doors.post, "/applications", "partner", json=joining)
    under_way = [asyncio.create_task(ask()) for _ in range(MOST_AT_ONCE)]
    for _ in range(MOST_AT_ONCE):
        await entered.get()
    assert (await ask()).status_code == 429
    held.set()
    assert {each.status_code for each in await asyncio.gather(*under_way)} == {201}


async def test_who_enters_an_application_that_runs_is_told_so(doors: Doors) -> None:
    joining = {"company_master_uid": OWN, "contact_name": "Mei Lin", "contact_email": "mei@lincloud.example"}
    doors.service.started = False
    response = await doors.post("/applications", "partner", json=joining)
    assert (response.status_code, response.headers["Location"]) == (200, f"/api/v1/applications/{OWN}")


async def test_a_company_nobody_serves_can_not_join_by_itself(doors: Doors) -> None:
    joining = {"company_master_uid": OWN, "contact_name": "Mei Lin", "contact_email": "mei@lincloud.example"}
    async with opened(doors.database, desks=Desks()) as nobody:
        response = await nobody.post("/applications", "partner", json=joining)
        assert response.status_code == 422
        assert [each["field"] for each in response.json()["errors"]] == ["bd", "bd_lead"]
        person = {"name": "A B", "email": "a@vendor.example"}
        served = await nobody.post("/applications", "ops", json={**joining, "bd": person, "bd_lead": person})
        assert served.status_code == 201
