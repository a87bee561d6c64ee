"""The process in tables, written from the contract and the guide, and held against the decisions.

Columns are the situations of `applications.py`, rows the commands. Cells:

    =  the effect is in place already: nothing happens          ·  wrong stage
    o  accepted, the stage stays                                ~  stale revision
    x  closed: the application has ended                        !  the company is not confirmed yet
    or the stage the application enters
    (-: was not said on the way here)
"""

from collections.abc import Collection
from typing import Any

import pytest

from domain import decisions, lifecycle
from domain.audit import Verdict
from domain.clocks import Clock, ClockKind, ClockRequest
from domain.contract import Role, Stage
from domain.decisions import Decision
from domain.lifecycle import STEPS
from domain.policy import Policy
from domain.refusal import RefusedError
from domain.steps import OPEN, Step
from tests import payloads
from tests.domain.applications import STAGES, Journey, journey_to, signature
from tests.domain.situations import ABBREVIATIONS, LONG_WAY, SHORT, usual_role
from tests.payloads import Json

# fmt: off
SOMETHING_NEW = """
                      draft conf revw just wdrn qual cfrm corr sign 1sig sgnd actg ACTV REJD CANC EXPD
confirm_company         o    =    =    =    =    =    =    =    =    =    =    =    x    x    x    x
submit_application      !   revw  ·    ·   revw  ·    ·    ·    ·    ·    ·    ·    x    x    x    x
withdraw_application    ·    ·   wdrn wdrn  =    ·    ·    ·    ·    ·    ·    ·    x    x    x    x
request_justification   ·    ·   just  ·    ·    ·    ·    ·    ·    ·    ·    ·    x    x    x    x
provide_justification   ·    ·    ·   revw  ·    ·    ·    ·    ·    ·    ·    ·    x    x    x    x
approve_application     ·    ·   qual  ·    ·    =    =    =    =    =    =    =    x    x    x    x
reject_application      ·    ·   REJD REJD  ·    ·    ·    ·    ·    ·    ·    ·    x    x    x    x
issue_decision_sheet    ·    ·    ·    ·    ·   cfrm cfrm cfrm  ·    ·    ·    ·    x    x    x    x
confirm_terms           ·    ·    ·    ·    ·    ·   sign  ·    =    =    =    =    x    x    x    x
modify_terms            ·    ·    ·    ·    ·    ·   corr  ·    ·    ·    ·    ·    x    x    x    x
record_contact          ·    ·    ·    ·    ·    ·    ·    ·    o    o    ·    ·    x    x    x    x
choose_signing_path     ·    ·    ·    ·    ·    ·    ·    ·    o    ·    ·    ·    x    x    x    x
sign_contract           ·    ·    ·    ·    ·    ·    ·    ·    o   sgnd  ·    ·    x    x    x    x
reopen_terms            ·    ·    ·    ·    ·    ·    ·    ·   corr corr  ·    ·    x    x    x    x
amend_start_date        ·    ·    ·    ·    ·    ·    ·    ·    ·    ·    o    ·    x    x    x    x
ask_bd                  o    o    o    o    o    o    o    o    o    o    o    o    x    x    x    x
answer_partner          o    o    o    o    o    o    o    o    o    o    o    o    x    x    x    x
reassign_bd             o    o    o    o    o    o    o    o    o    o    o    o    x    x    x    x
reassign_lead           o    o    o    o    o    o    o    o    o    o    o    o    x    x    x    x
correct_contact         o    o    o    o    o    o    o    o    o    o    o    o    x    x    x    x
resend_email            o    o    o    o    o    o    o    o    o    o    o    o    x    x    x    x
decline                CANC CANC CANC CANC CANC CANC CANC CANC CANC CANC  ·    ·    x    x    x    x
end_contract            ·    ·    ·    ·    ·    ·    ·    ·    ·    ·   CANC  ·    x    x    x    x
cancel_application     CANC CANC CANC CANC CANC CANC CANC CANC CANC CANC  ·    ·    x    x    x    x
"""

# The same words once more, under an ID of their own, on the way on which everything is said once.
SAID_BEFORE = """
                      conf revw just answ wdrn qual shee1 mody shee2 sign cont 1sig reop sgnd amnd actg
confirm_company         =    =    =    =    =    =    =    =    =     =    =    =    =    =    =    =
submit_application      -    =    =    =  revw   =    =    =    =     =    =    =    =    =    =    =
withdraw_application    -    -    -    -    =    -    -    -    -     -    -    -    -    -    -    -
request_justification   -    -    =  just   ·    ·    ·    ·    ·     ·    ·    ·    ·    ·    ·    ·
provide_justification   -    -    -    =    =    =    =    =    =     =    =    =    =    =    =    =
approve_application     -    -    -    -    -    =    =    =    =     =    =    =    =    =    =    =
issue_decision_sheet    -    -    -    -    -    -    =   cfrm  =     =    =    =   cfrm  =    =    =
modify_terms            -    -    -    -    -    -    -    =    ~     ·    ·    ·    ·    ·    ·    ·
confirm_terms           -    -    -    -    -    -    -    -    -     =    =    =    ·    =    =    =
record_contact          -    -    -    -    -    -    -    -    -     -    =    =    ·    =    =    =
choose_signing_path     -    -    -    -    -    -    -    -    -     -    =    =    ·    =    =    =
sign_contract           -    -    -    -    -    -    -    -    -     -    -    =    ·    =    =    =
reopen_terms            -    -    -    -    -    -    -    -    -     -    -    -    =    -    -    -
amend_start_date        -    -    -    -    -    -    -    -    -     -    -    -    -    -    =    =
"""

WHO_MAY = """
                           partner  bd  bd_lead  vendor  esign  ops  system
confirm_company               x
submit_application            x
withdraw_application          x
request_justification               x      x
provide_justification         x
approve_application                 x      x
reject_application                  x      x
issue_decision_sheet                x      x
confirm_terms                 x
modify_terms                  x
record_contact                      x      x
choose_signing_path                 x      x
sign_contract:partner         x                            x
sign_contract:vendor                                x      x
reopen_terms                        x      x
amend_start_date                    x      x
ask_bd                        x
answer_partner                      x      x
reassign_bd                                x
reassign_lead                              x
correct_contact               x     x      x                     x
resend_email                  x     x      x                     x
decline                       x
end_contract                        x      x
cancel_application                  x      x                     x
"""

STATUS_TEXTS = """
drafting             partner   Signing Process: Alibaba Cloud Reseller Partner
under_review         bd        Please be patient and wait for the approval
justifying           partner   Please justify your qualification
withdrawn            partner   Application withdrawn
qualified            bd        Congratulations on passing the qualification
confirming_terms     partner   Please confirm the following business terms
correcting_terms     bd        Your modification is being processed
awaiting_signatures  both      Waiting for signing contract
signed               platform  You have successfully signed the contract
activating           platform  Your contract is in effect; access is being opened
active               none      ACPN access granted
rejected             none      Application rejected
cancelled            none      Application cancelled
expired              none      Application expired
"""

CLOCKS_ON_ENTERING = """
drafting             expiry 90 days
under_review         review 3 working days
justifying           reminder 3 working days, expiry 90 days
withdrawn            expiry 90 days
qualified            reminder 3 working days
confirming_terms     reminder 3 working days, expiry 90 days
correcting_terms     reminder 3 working days
awaiting_signatures  contact 3 working days
signed               start_recount 2026-08-02, start_date 2026-09-01 Asia/Singapore
activating           access_check at once
active
rejected
cancelled
expired
"""

# fmt: on


def grid(table: str) -> dict[str, dict[str, str]]:
    """The cells of a table with a heading: row, then column."""
    heading, *rows = (line.split() for line in table.strip().splitlines())
    return {name: dict(zip(heading, cells, strict=True)) for name, *cells in rows}


def outcome(journey: Journey, kind: str, role: str | None = None, **payload: Any) -> str:
    """What becomes of the command, as the tables write it."""
    before = journey.application
    try:
        decision = journey.judge(kind, role=role, **payload)
    except RefusedError as refusal:
        refused = {"wrong_stage": "·", "closed": "x", "stale_revision": "~", "company_not_confirmed": "!"}
        return refused.get(refusal.error, refusal.error)
    if decision.verdict is Verdict.NO_OP:
        assert decision == Decision(before, Verdict.NO_OP), "a no-op does something"
        return "="
    entered = decision.application.stage is not before.stage or kind == "issue_decision_sheet"
    return SHORT[decision.application.stage] if entered else "o"


def ready_for(kind: str, situation: str) -> Journey:
    """A journey to this situation; what is to be sent once more has failed before, what is to be answered
    was asked."""
    journey = journey_to(situation)
    if kind == "resend_email":
        journey.bounce()
    if kind == "answer_partner" and not journey.application.ended:
        journey.say("ask_bd", question="May we start in May?")
    return journey


@pytest.mark.parametrize("kind", payloads.ROLE_OF)
def test_a_new_command_in_every_stage(kind: str) -> None:
    expected = grid(SOMETHING_NEW)[kind]

    actual = {}
    for short in expected:
        journey = ready_for(kind, ABBREVIATIONS[short])
        payload = journey.something_new(kind)
        actual[short] = outcome(journey, kind, usual_role(kind, payload), **payload)

    assert actual == expected


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_the_tables_leave_no_command_out(step: Step) -> None:
    tables: dict[str, Collection[str]] = {
        "ROLE_OF of tests/payloads.py": payloads.ROLE_OF,
        "SOMETHING_NEW": grid(SOMETHING_NEW),
        "WHO_MAY": {command.partition(":")[0] for command, _ in who_may()},
    }
    missing = [table for table, commands in tables.items() if step.name not in commands]
    assert not missing, f"Say what is right for '{step.name}' in {', '.join(missing)}"


def test_the_tables_leave_no_stage_out_and_have_no_command_there_is_not() -> None:
    assert grid(SOMETHING_NEW).keys() | payloads.ROLE_OF.keys() <= {step.name for step in STEPS}
    assert tuple(lifecycle.STAGES) == tuple(Stage), "STAGES (lifecycle.py) has a row for each Stage, in order"
    assert tuple(Stage) == STAGES, "STAGES of applications.py has a situation for each Stage, in order"
    columns = grid(SOMETHING_NEW)["decline"]
    assert {journey_to(ABBREVIATIONS[short]).application.stage for short in columns} == set(STAGES)


@pytest.mark.parametrize("kind", grid(SAID_BEFORE))
def test_the_same_command_again_under_an_id_of_its_own(kind: str) -> None:
    expected = grid(SAID_BEFORE)[kind]

    actual = {}
    for short in expected:
        journey = journey_to(LONG_WAY[short])
        said = journey.said.get(kind)
        actual[short] = "-" if said is None else outcome(journey, kind, usual_role(kind, said), **said)

    assert actual == expected


def test_who_looks_after_the_application_already_is_not_reassigned() -> None:
    for stage in OPEN:
        assert outcome(journey_to(stage), "reassign_bd", bd=payloads.BD) == "=", stage
        assert outcome(journey_to(stage), "reassign_lead", bd_lead=payloads.BD_LEAD) == "=", stage


def who_may() -> list[tuple[str, set[str]]]:
    """Each row with the roles marked in it."""
    allowed = []
    heading, *rows = WHO_MAY.strip("\n").splitlines()
    columns = [(role, heading.index(role)) for role in heading.split()]
    for row in rows:
        command = row.split()[0]
        marks = [at for at, mark in enumerate(row) if mark == "x" and at > len(command)]
        roles = {role for role, at in columns if any(at <= mark < at + len(role) for mark in marks)}
        allowed.append((command, roles))
    return allowed


@pytest.mark.parametrize(("command", "allowed"), who_may())
def test_every_role_in_every_stage(command: str, allowed: set[str]) -> None:
    kind, _, party = command.partition(":")
    for situation in SHORT:
        journey = ready_for(kind, situation)
        payload = journey.something_new(kind) | ({"party": party} if party else {})
        outcomes = {role.value: outcome(journey, kind, role, **payload) for role in Role}

        assert {role for role, became in outcomes.items() if became != "forbidden"} == allowed, situation
        assert len({outcomes[role] for role in allowed}) == 1, "the roles that may are treated alike"


def test_what_is_allowed_is_what_is_accepted() -> None:
    for situation, short in SHORT.items():
        if situation == "drafting":
            continue  # There the form waits for the company to be confirmed, which the list does not tell.
        listed = set(ready_for("answer_partner", situation).status.allowed_commands)
        expected = {kind for kind, cells in grid(SOMETHING_NEW).items() if cells[short] not in "·=x"}
        done = {kind for kind, cells in grid(SOMETHING_NEW).items() if cells[short] == "="}
        assert listed - done == expected, situation


def test_the_judging_order_is_that_of_the_contract() -> None:
    """Role, then effect in place, then stage, then revision, then rules."""
    journey = journey_to("confirming_terms")
    old: Json = {"sheet_revision": 7, "sheet_hash": "f" * 64}
    assert outcome(journey, "confirm_terms", "bd", **old) == "forbidden"
    assert outcome(journey_to("correcting_terms"), "confirm_terms", **old) == "·"
    assert outcome(journey, "confirm_terms", **old) == "~"

    paper = journey_to("awaiting_signatures")
    paper.say("choose_signing_path", path="offline_paper", order="vendor_first")
    signing = signature(paper, "partner")
    assert outcome(paper, "sign_contract", **signing | old) == "~"
    assert outcome(paper, "sign_contract", **signing) == "signature_order"
    assert (
        outcome(
            journey_to("partner_signed"),
            "sign_contract",
            **journey_to("partner_signed").said["sign_contract"],
        )
        == "="
    )


@pytest.mark.parametrize("row", STATUS_TEXTS.strip().splitlines())
def test_status_texts(row: str) -> None:
    stage, waiting_on, text = row.split(maxsplit=2)

    status = journey_to(stage).status

    assert (status.stage, status.waiting_on, status.status_text) == (stage, waiting_on, text)


def test_every_command_says_in_the_web_ui_who_says_what() -> None:
    described = {step.name: step.description for step in STEPS}
    assert described["confirm_company"].startswith("Partner: the company information shown is ours")
    assert all(
        text.startswith(("Partner", "BD", "A party")) and "``" not in text for text in described.values()
    )


def test_every_stage_has_a_status_text_and_a_clock_row() -> None:
    for table in (STATUS_TEXTS, CLOCKS_ON_ENTERING):
        assert [row.split()[0] for row in table.strip().splitlines()] == list(STAGES)


def described(clock: Clock | ClockRequest, journey: Journey) -> str:
    if isinstance(clock, Clock):
        if clock.kind is ClockKind.START_RECOUNT:
            return f"{clock.kind} {clock.due_at:%Y-%m-%d}"
        assert clock.due_at == journey.now
        return f"{clock.kind} at once"
    assert clock.since == journey.now
    if clock.working_days:
        return f"{clock.kind} {clock.working_days} working days"
    if clock.calendar_days:
        return f"{clock.kind} {clock.calendar_days} days"
    return f"{clock.kind} {clock.on} {clock.time_zone}"


@pytest.mark.parametrize("row", CLOCKS_ON_ENTERING.strip().splitlines())
def test_clocks_of_a_stage(row: str) -> None:
    stage, _, expected = row.partition(" ")
    journey = journey_to(stage)

    entered = decisions.opening(journey.application, journey.now)

    clocks: tuple[Clock | ClockRequest, ...] = (*entered.application.clocks, *entered.requests)
    assert ", ".join(described(clock, journey) for clock in clocks) == expected.strip()
    kinds = {clock.kind for clock in journey.application.clocks}
    assert kinds == {clock.kind for clock in clocks}, "the clocks of the stage run"


def test_clocks_follow_the_policy_of_the_application() -> None:
    policy = Policy(
        review_working_days=5, contact_working_days=2, reminder_working_days=7, partner_expiry_days=30
    )
    expected = {
        "drafting": "expiry 30 days",
        "under_review": "review 5 working days",
        "qualified": "reminder 7 working days",
        "awaiting_signatures": "contact 2 working days",
    }
    for stage, clocks in expected.items():
        journey = journey_to(stage)
        application = journey.application.but(policy=policy, paused_review=None)
        requests = decisions.opening(application, journey.now).requests
        assert ", ".join(described(request, journey) for request in requests) == clocks
