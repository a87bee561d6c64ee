"""What other systems are told of an event: its types in their order, and nothing personal."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic_core import from_json

from domain.audit import AuditEvent, Verdict
from domain.contract import SYSTEM, Actor, Role, Stage
from domain.lifecycle import MOMENTS, STEPS
from domain.webhooks import (
    COMMANDS,
    GIVEN_UP_AFTER,
    LONGEST_PAUSE,
    WebhookType,
    body_of,
    pause_after,
    types_of,
    webhook_id,
)

AT = "2026-03-02T09:30:00Z"
MEI = Actor(role=Role.PARTNER, id="mei@partner.example", name="Mei Lin")


def event(command: str, to: Stage = Stage.DRAFTING, **changes: Any) -> AuditEvent:
    """An event in drafting, by the partner."""
    fields = {
        "sequence": 5,
        "at": AT,
        "command": command,
        "verdict": Verdict.ACCEPTED,
        "actor": MEI,
        "command_id": "c-5",
        "from_stage": Stage.DRAFTING,
        "to_stage": to,
    }
    return AuditEvent.model_validate(fields | changes)


SUBMITTED = event("submit_application", Stage.UNDER_REVIEW)


@pytest.mark.parametrize(
    ("happened", "types"),
    [
        (event("join", actor=SYSTEM), ["application.started"]),
        (SUBMITTED, ["application.stage_changed", "application.command_accepted"]),
        (event("confirm_company"), ["application.command_accepted"]),
        (
            event("add_associated_uid", Stage.ACTIVE, from_stage=Stage.ACTIVE),
            ["application.command_accepted"],
        ),
        (event("confirm_company", verdict=Verdict.NO_OP), []),
        (
            event("confirm_company", verdict=Verdict.REFUSED, error="wrong_stage"),
            ["application.command_refused"],
        ),
        (event("what is this", verdict=Verdict.REFUSED, actor=None), ["application.command_refused"]),
        (event("review_reminder", actor=SYSTEM), []),
        (
            event("decline", Stage.CANCELLED),
            ["application.stage_changed", "application.command_accepted", "application.ended"],
        ),
        (
            event("access_check", Stage.ACTIVE, from_stage=Stage.ACTIVATING, actor=SYSTEM),
            ["application.stage_changed", "application.access_granted", "application.ended"],
        ),
        (event("expiry", Stage.EXPIRED, actor=SYSTEM), ["application.stage_changed", "application.ended"]),
        (event("email_failed", actor=SYSTEM), ["email.failed"]),
        (
            event("reset", Stage.SIGNED, actor=SYSTEM, from_stage=Stage.UNDER_REVIEW),
            ["application.stage_changed"],
        ),
    ],
)
def test_types_of_an_event_in_their_order(happened: AuditEvent, types: list[str]) -> None:
    assert list(types_of(happened)) == types


def test_every_missed_deadline_is_told_and_no_reminder() -> None:
    for moment in MOMENTS:
        told = WebhookType.OVERDUE in types_of(event(moment.name, actor=SYSTEM))
        assert told is moment.overdue, moment.name


def test_every_command_of_the_process_is_told() -> None:
    for step in STEPS:
        assert WebhookType.COMMAND_ACCEPTED in types_of(event(step.name))


def test_the_body_says_what_the_contract_says_and_no_more() -> None:
    said = from_json(body_of(SUBMITTED, "run-1", "5123456789", "application.stage_changed"))

    assert said == {
        "type": "application.stage_changed",
        "timestamp": AT,
        "data": {
            "application_id": "run-1",
            "company_master_uid": "5123456789",
            "sequence": 5,
            "stage": "under_review",
            "from_stage": "drafting",
            "command": "submit_application",
        },
    }


def test_nothing_personal_is_told_also_of_what_did_not_parse() -> None:
    foreign = event(
        "Mei Lin, mei@partner.example",
        verdict=Verdict.REFUSED,
        error="invalid",
        message="mei@partner.example is wrong",
        actor=None,
        details={"name": "Mei Lin"},
        via={"channel": "api", "client": "Mei"},
        command_id="mei@partner.example",
    )
    for happened in (foreign, event("confirm_company", command_id="Mei"), event("decline", error="Mei")):
        body = body_of(happened, "run-1", "5123456789", "application.command_refused")
        assert "mei" not in body.lower(), body
    assert from_json(body_of(foreign, "run-1", "1", "x"))["data"]["error"] == "invalid"
    assert "join" in COMMANDS


def test_the_same_event_has_the_same_body_and_id() -> None:
    bodies = {body_of(SUBMITTED, "run-1", "1", "application.ended") for _ in range(2)}
    assert len(bodies) == 1
    assert webhook_id("run-1", 5, "application.ended") == "run-1-5-application_ended"
    ids = [
        webhook_id(name, number, kind) for name in ("a", "b") for number in (1, 11) for kind in WebhookType
    ]
    assert len(set(ids)) == len(ids)
    # The scheme parts ID, timestamp and body by full stops.
    assert not any("." in each for each in ids)


def test_pauses_double_from_a_second_to_an_hour() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, 16)]
    assert pauses[:4] == [timedelta(seconds=seconds) for seconds in (1, 2, 4, 8)]
    assert pauses[-3:] == [LONGEST_PAUSE] * 3
    assert pause_after(10_000) == LONGEST_PAUSE
    assert timedelta(days=3) == GIVEN_UP_AFTER
