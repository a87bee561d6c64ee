"""The picture of the lifecycle, true to the tables it is drawn from."""

from datetime import UTC, datetime
from typing import Final

import pytest

from domain import decisions
from domain.contract import OnboardingInput, Person, Role, Stage
from domain.inquiry import AccessOutcome
from domain.lifecycle import MOMENTS, STAGES, STEPS
from domain.policy import Policy
from domain.state import OUTCOMES, Application
from domain.steps import BEFORE_SIGNED
from tools import diagram

NOW: Final = datetime(2026, 3, 2, tzinfo=UTC)
WEI: Final = Person(name="Wei Zhang", email="wei@vendor.example.com")


def test_every_stage_is_drawn_with_its_status_text() -> None:
    for stage, row in STAGES.items():
        assert f'"<b>{stage}</b><br/>{row.status_text}"' in diagram.mermaid()


def test_every_command_and_clock_that_leads_on_is_drawn() -> None:
    drawn = diagram.mermaid()
    for step in STEPS:
        arrow = f'|"{step.name}<br/>({diagram.who(step.by)})"| {step.to}'
        assert (arrow in drawn) == (step.to is not None), step.name
    branching = [step for step in STEPS if step.branch]
    assert {step.name for step in branching} == diagram.BRANCHES.keys(), "when each leads on, in words"
    for step in branching:
        assert step.branch
        for stage in step.where:
            label = f"{step.name}<br/>({diagram.BRANCHES[step.name]})"
            assert f'{stage} -->|"{label}"| {step.branch.to}' in drawn
    for moment in MOMENTS:
        assert moment.to is None or any(
            "-.->" in line and line.endswith(f"| {moment.to}") for line in drawn.splitlines()
        )


def test_every_stage_but_the_ends_leads_somewhere() -> None:
    for stage in set(STAGES) - OUTCOMES:
        assert any(line.strip().startswith(f"{stage} -") for line in diagram.mermaid().splitlines()), stage


def test_access_opens_from_where_it_is_drawn() -> None:
    joined = OnboardingInput(
        company_master_uid="71", contact_name="Ann", contact_email="ann@acme.example.com", bd=WEI, bd_lead=WEI
    )
    application = Application.joined("run", joined, Policy())
    opened, active = diagram.ACCESS_GRANTED
    granted = decisions.access_answered(application.but(stage=opened), AccessOutcome(granted=True), NOW)
    assert granted.application.stage is active


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ((Stage.DRAFTING, Stage.WITHDRAWN), "drafting, withdrawn"),
        (BEFORE_SIGNED, "any from drafting to awaiting_signatures"),
        (
            (Stage.DRAFTING, Stage.JUSTIFYING, Stage.WITHDRAWN, Stage.SIGNED),
            "drafting, justifying, withdrawn, signed",
        ),
    ],
)
def test_where_something_is_possible(stages: tuple[Stage, ...], words: str) -> None:
    assert diagram.places(stages) == words


def test_who_may() -> None:
    assert diagram.who((Role.PARTNER, Role.BD, Role.BD_LEAD)) == "partner, bd"
    assert diagram.who((Role.BD_LEAD,)) == "bd_lead"
