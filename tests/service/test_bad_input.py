"""Whatever comes in, the application goes on; what was refused is on record (docs/reference/contract.md)."""

import json
from typing import Any, Final

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from domain.contract import DELIVERY_TYPE, QUERY_NAME, TASK_QUEUE, ErrorType, Stage
from domain.intake import parse_start
from domain.policy import Policy
from domain.state import Application
from domain.status import Status
from tests import payloads
from tests.long import SHORT
from tests.rig import Applicant, Service, undecodable
from tests.service.trail import audit, failed_as_invalid, refused, unharmed
from tests.temporal_env import unique
from workflows.memory import RunMemory

GOOD: Final = payloads.command("decline")
UNREADABLE: Final[dict[str, tuple[Any, ...]]] = {
    "no argument": (),
    "two arguments": (GOOD, GOOD),
    "five arguments": (GOOD, 1, None, "x", []),
    "broken JSON": (undecodable(b'{"command_id": "1", '),),
    "no text": (undecodable(b"\xff\xfe\x00"),),
    "empty payload": (undecodable(b""),),
    "unknown encoding": (undecodable(b".-- .... .- -", "binary/morse"),),
    "bytes": (undecodable(b"\x00\x01", "binary/plain"),),
    "encrypted by a codec nobody has": (undecodable(b"secret", "binary/encrypted"),),
    "JSON nested too deeply": (undecodable(b"[" * 20_000 + b"]" * 20_000),),
    "a number too long": (undecodable(b'{"command_id": ' + b"9" * 5_000 + b"}"),),
    "not a number": (undecodable(b'{"command_id": NaN}'),),
    "lone surrogate": (undecodable(b'{"command_id": "\\ud800", "actor": {"role": "\\udfff"}}'),),
    "null": (None,),
    "a list": ([GOOD],),
    "a string": ("decline",),
    "a number": (7,),
    "a boolean": (True,),
    "an empty object": ({},),
    "another command's tag": ({**GOOD, "kind": "no_such_command"},),
    "a tag of the wrong type": ({**GOOD, "kind": ["decline"]},),
    "an unknown role": (GOOD | {"actor": {"role": "emperor", "id": "1"}},),
    "no command ID": ({"actor": GOOD["actor"]},),
    "an endless command ID": (GOOD | {"command_id": "x" * 100_000},),
    "a header in the command ID": (GOOD | {"command_id": "x\r\nBcc: z@example.com"},),
    "an instant before all time zones": (GOOD | {"occurred_at": "0001-01-01T00:00:00+08:00"},),
    "an instant after all time zones": (GOOD | {"occurred_at": "9999-12-31T23:59:59-08:00"},),
    "an instant without a zone": (GOOD | {"occurred_at": "2026-01-05T02:00:00"},),
}


def unreadable(update: bool) -> list[tuple[Any, ...]]:
    """What no reader makes a ``decline`` of; an update names its command by the tag."""
    return [
        tuple(
            {"kind": "decline", **argument} if update and isinstance(argument, dict) else argument
            for argument in arguments
        )
        for arguments in UNREADABLE.values()
    ]


@pytest.fixture
async def applicant(service: Service) -> Applicant:
    """One who has joined."""
    return await service.applicant()


async def test_every_unreadable_signal_is_on_record_and_the_application_goes_on(
    service: Service, applicant: Applicant
) -> None:
    for arguments in unreadable(update=False):
        await applicant.handle.signal("decline", args=arguments)
    status = await applicant.settled()

    assert status.stage is Stage.DRAFTING
    assert {refusal.error for refusal in status.last_refusals} == {"invalid"}
    assert len(status.last_refusals) == 20
    assert await refused(applicant) == [("decline", "invalid")] * len(UNREADABLE)
    assert (await applicant.to_review()).stage is Stage.UNDER_REVIEW
    await unharmed(applicant)


async def test_every_unreadable_update_is_answered_and_on_record(
    service: Service, applicant: Applicant
) -> None:
    for arguments in unreadable(update=True):
        with pytest.raises(ApplicationError) as refusal:
            await applicant.submit(*arguments)
        assert refusal.value.type == "invalid"
        assert refusal.value.non_retryable
    assert [error for _, error in await refused(applicant)] == ["invalid"] * len(UNREADABLE)
    assert (await applicant.update("confirm_company")).company_confirmed
    await unharmed(applicant)


@pytest.mark.parametrize("why", UNREADABLE)
async def test_start_input_that_does_not_parse_fails_the_run(service: Service, why: str) -> None:
    arguments = UNREADABLE[why]
    if len(arguments) > 1:
        joining = payloads.join("1")
        arguments = (joining, *arguments[1:])
    applicant = await service.applicant(start=False)
    await applicant.start(*arguments)
    why_failed = await failed_as_invalid(applicant)
    with pytest.raises(WorkflowQueryFailedError) as asked:
        await applicant.status()
    assert why_failed in str(asked.value)
    await unharmed(applicant)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"company_master_uid": 5}, "company_master_uid"),
        ({"company_master_uid": "12x"}, "company_master_uid"),
        ({"contact_email": "nobody"}, "contact_email"),
        ({"contact_name": "=?utf-8?q?x=0ABcc:_z@z?="}, "contact_name"),
        ({"locale": "tlh"}, "locale"),
        ({"bd": {"name": "Bo"}}, "bd.email"),
        ({"policy": {"review_working_days": 0}}, "policy.review_working_days"),
        ({"policy": {"time_zone": "Mars/Olympus"}}, "policy.time_zone"),
        ({"policy": {"calendar": "ZZ"}}, "policy.calendar"),
    ],
)
async def test_a_wrong_start_input_names_the_field(
    service: Service, change: dict[str, Any], field: str
) -> None:
    applicant = await service.applicant(start=False)
    await applicant.start(payloads.join(applicant.uid, **change))
    assert (await failed_as_invalid(applicant)).startswith(field)
    await unharmed(applicant)


async def test_a_memory_from_outside_is_not_believed(service: Service) -> None:
    """Only a run before has one to hand over; with it a caller could start as an approved application."""
    applicant = await service.applicant(start=False)
    await applicant.start(payloads.join(applicant.uid), {"application": {"stage": "signed"}})
    await failed_as_invalid(applicant)
    await unharmed(applicant)


@SHORT
async def test_a_delivery_that_no_onboarding_has_begun_fails(applicant: Applicant) -> None:
    """Or a caller could send mails in an application's name."""
    joining = parse_start((payloads.join(applicant.uid),))
    memory = RunMemory.of(Application.joined("forged", joining, Policy())).memory()
    client = applicant.service.env.client
    with pytest.raises(WorkflowFailureError) as failed:
        await client.execute_workflow(DELIVERY_TYPE, memory, id=unique("delivery"), task_queue=TASK_QUEUE)
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == ErrorType.INVALID
    await unharmed(applicant)


@pytest.mark.parametrize(
    "name",
    ["no_such_command", "Submit-Application", "submit_command", "get_status", "x" * 900, "名\n字", "<b>"],
)
async def test_a_signal_of_an_unknown_name_is_on_record(
    service: Service, applicant: Applicant, name: str
) -> None:
    await applicant.handle.signal(name, GOOD)
    status = await applicant.settled()
    [refusal] = status.last_refusals
    assert refusal.error == "invalid"
    assert refusal.command.isascii()
    assert refusal.command.isprintable()
    assert len(refusal.command) <= 200
    last = (await audit(applicant))[-1]
    assert (last.command, last.error) == (refusal.command, "invalid")
    assert GOOD["command_id"] in str(last.details)
    await unharmed(applicant)


@pytest.mark.parametrize("arguments", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_query_ignores_its_arguments(applicant: Applicant, arguments: tuple[Any, ...]) -> None:
    status: Status = await applicant.handle.query(QUERY_NAME, args=arguments, result_type=Status)
    assert status.stage is Stage.DRAFTING


COMMITMENT: Final = "sheet.commitment.amount"
CREDIT: Final = "sheet.basic.credit_line"
START: Final = "sheet.basic.contract_start_date"
BANDS: Final = "sheet.commission_policy.bands"
DISCOUNTS: Final = "sheet.discounts"
TEN_PERCENT: Final = {"product_code": "ecs", "percent": "10"}
OVERLAPPING: Final = [
    {"from_amount": "0", "to_amount": "10", "rate_percent": "5"},
    {"from_amount": "9", "rate_percent": "6"},
]
WRONG_SHEETS: Final[dict[str, tuple[str, Any, str]]] = {
    "a float for money": (COMMITMENT, 1200000.5, COMMITMENT),
    "an integer for money": (CREDIT, 50000, CREDIT),
    "negative money": (CREDIT, "-1", CREDIT),
    "not a number": (CREDIT, "NaN", CREDIT),
    "an exponent without end": (CREDIT, "1e999999999", CREDIT),
    "an unknown currency": ("sheet.basic.currency", "XXQ", "sheet.basic.currency"),
    "no time zone": ("sheet.basic.time_zone", "../etc/passwd", "sheet.basic.time_zone"),
    "no date": (START, "2026-02-30", START),
    "a date without a midnight in UTC": (START, "0001-01-01", START),
    "a date beyond every timer": (START, "9999-12-31", START),
    "more than all": (DISCOUNTS, [TEN_PERCENT | {"percent": "100.01"}], f"{DISCOUNTS}.0.percent"),
    "a product twice": (DISCOUNTS, [TEN_PERCENT, TEN_PERCENT], "sheet: discounts name a product twice"),
    "overlapping bands": (BANDS, OVERLAPPING, "sheet.commission_policy: bands overlap"),
    "another business type": ("sheet.basic.business_type", "agency", "sheet.basic.business_type"),
}


def sheet_with(path: str, value: Any) -> payloads.Json:
    """A decision sheet in which one field has been changed."""
    sheet = payloads.sheet()
    *parents, name = path.removeprefix("sheet.").split(".")
    part: Any = sheet
    for parent in parents:
        part = part[parent]
    part[name] = value
    return sheet


async def test_a_wrong_sheet_is_refused_by_signal_and_by_update_with_its_field(
    service: Service, applicant: Applicant
) -> None:
    await applicant.to_qualified()
    for path, value, field in WRONG_SHEETS.values():
        sheet = sheet_with(path, value)
        status = await applicant.signal("issue_decision_sheet", sheet=sheet)
        assert status.last_refusals[-1].message.startswith(field)
        with pytest.raises(ApplicationError, match=f"invalid: {field}") as refusal:
            await applicant.update("issue_decision_sheet", sheet=sheet)
        assert refusal.value.type == "invalid"
    assert status.stage is Stage.QUALIFIED
    assert status.sheet is None
    assert len(await refused(applicant)) == 2 * len(WRONG_SHEETS)
    await unharmed(applicant)


async def test_fields_unknown_to_the_contract_are_ignored(applicant: Applicant) -> None:
    status = await applicant.signal("confirm_company", colour="blue", nested={"deep": [1, 2]})
    assert status.company_confirmed
    assert status.last_refusals == ()


async def test_what_was_refused_is_kept_without_harm(service: Service, applicant: Applicant) -> None:
    await applicant.handle.signal("decline", undecodable(b'{"no": "\xff end'))
    await applicant.handle.signal("decline", args=[undecodable(b'{"command_id": "a\\u0000"}'), 2])
    await applicant.handle.signal("decline", "x" * 100_000)
    await applicant.settled()
    first, second, third = (await audit(applicant))[-3:]
    assert "no" in str(first.details["arguments"])
    assert second.command_id is None
    assert len(json.dumps(third.details)) < 5_000
    await unharmed(applicant)


def test_a_raw_value_is_sent_as_it_is() -> None:
    """Else the table above would prove nothing."""
    assert isinstance(undecodable(b"{"), RawValue)
    assert undecodable(b"{").payload.data == b"{"


async def test_an_unknown_update_leaves_no_trace(applicant: Applicant) -> None:
    before = len((await applicant.history()).events)
    with pytest.raises(WorkflowUpdateFailedError):
        await applicant.handle.execute_update("no_such_update", GOOD)
    after = (await applicant.history()).events[before:]
    assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED not in [
        event.event_type for event in after
    ]
    assert (await applicant.signal("confirm_company")).company_confirmed
    await unharmed(applicant)
