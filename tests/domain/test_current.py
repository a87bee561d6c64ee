"""What a person need not name: the revision, the hash, the zone in force are taken from the status."""

from typing import Any, Final

import pytest

from domain.access import access_request
from domain.contract import Stage
from domain.lifecycle import STEPS
from domain.steps import Step
from tests import payloads
from tests.domain.applications import SITUATIONS, UID, Journey, journey_to

CURRENT: Final = [step for step in STEPS if step.current]


def filled(step: Step, journey: Journey) -> dict[str, Any]:
    """The values that stand for what a person has not named."""
    assert step.current
    return {name: value_of(journey.status) for name, value_of in step.current.items()}


@pytest.mark.parametrize("step", CURRENT, ids=lambda step: step.name)
def test_they_are_fields_of_the_command(step: Step) -> None:
    assert step.current
    assert step.current.keys() <= step.command.model_fields.keys()


@pytest.mark.parametrize("step", CURRENT, ids=lambda step: step.name)
def test_where_the_command_is_possible_they_are_right(step: Step) -> None:
    for stage in step.where:
        journey = journey_to(stage.value)
        if step.name == "answer_partner":
            journey.say("ask_bd", question="May we start in May?")
        said = journey.something_new(step.name)
        role = str(said.get("party", payloads.ROLE_OF[step.name]))
        journey.judge(step.name, role=role, **said | filled(step, journey))


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("step", CURRENT, ids=lambda step: step.name)
def test_everywhere_else_they_parse_so_that_the_refusal_says_what_is_possible(
    step: Step, situation: str
) -> None:
    journey = journey_to(situation)
    command = journey.command(step.name, **journey.something_new(step.name) | filled(step, journey))
    assert command.kind == step.name


def test_what_is_in_force() -> None:
    by_name = {step.name: step for step in CURRENT}
    journey = journey_to("sheet_2")
    assert filled(by_name["confirm_terms"], journey) == journey.terms()
    assert filled(by_name["modify_terms"], journey) == {"sheet_revision": 2}
    assert filled(by_name["sign_contract"], journey) == journey.terms()
    assert filled(by_name["confirm_terms"], journey_to("qualified")) == {
        "sheet_revision": 1,
        "sheet_hash": "0" * 64,
    }
    assert filled(by_name["approve_application"], journey_to("withdrawn")) == {"form_revision": 2}
    assert filled(by_name["approve_application"], journey_to("drafting")) == {"form_revision": 1}
    assert filled(by_name["amend_start_date"], journey_to("signed")) == {"time_zone": "Asia/Singapore"}
    assert filled(by_name["amend_start_date"], journey_to("drafting")) == {"time_zone": "UTC"}
    journey = journey_to("signed")
    journey.say("amend_start_date", start_date="2027-01-01", time_zone="Asia/Tokyo", reason="Moved.")
    assert filled(by_name["amend_start_date"], journey) == {"time_zone": "Asia/Tokyo"}, "as amended last"


class TestAccessRequest:
    """What ACPN is asked to open (guide §2.5)."""

    def test_for_all_accounts_of_the_form(self) -> None:
        journey = journey_to("activating")
        form = journey.application.form
        assert form
        both = journey.application.but(form=form.model_copy(update={"associated_uids": ("7", "8")}))
        asked = access_request(both, journey.now, 3)
        assert asked.uids == (UID, "7", "8")
        assert (asked.application_id, asked.company_master_uid, asked.at) == ("run-1", UID, journey.now)
        assert (asked.generation, asked.require_credit_control) == (3, False)

    def test_credit_control_is_a_matter_of_policy(self) -> None:
        application = journey_to("activating").application
        strict = application.policy.model_copy(update={"require_credit_control": True})
        asked = access_request(application.but(policy=strict), journey_to("activating").now, 0)
        assert asked.require_credit_control

    def test_before_a_form_there_is_nothing_to_open(self) -> None:
        journey = journey_to("drafting")
        assert access_request(journey.application, journey.now, 0).uids == ()
        assert journey.status.stage is Stage.DRAFTING
