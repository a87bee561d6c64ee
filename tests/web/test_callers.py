"""Who somebody is towards an application, by his token."""

from typing import Any

import pytest

from domain.contract import Command, Role
from domain.lifecycle import newest_rows
from domain.steps import Step
from domain.view import describe
from starter.web.bodies import body_of, example_of
from starter.web.callers import (
    Caller,
    CallerRole,
    ClaimNames,
    InCharge,
    Reader,
    UnusableClaimsError,
    acting,
    caller_of,
    roles_on,
)
from tests.activities.examples import application

MINE = InCharge("1001", "li@vendor.example", "chen@vendor.example")
STEPS = {step.name: step for step in newest_rows()}


def of(**claims: Any) -> Caller:
    return caller_of({"sub": "mei", **claims}, ClaimNames())


def roles(*names: str, **claims: Any) -> tuple[str, ...]:
    return tuple(roles_on(of(onboarding_roles=list(names), **claims), MINE))


def test_who_has_the_uid_never_acts_for_the_vendor_on_it() -> None:
    verified = {"email": "li@vendor.example", "email_verified": True}
    both = ("partner", "bd", "bd_lead", "vendor")
    assert roles(*both, **verified) == ("bd", "vendor")
    assert roles(*both, **verified, onboarding_uids=["1001"]) == ("partner",)
    assert roles("bd", **verified, onboarding_uids=["1001"]) == ()


@pytest.mark.parametrize("said", [None, False, "true", 1])
def test_an_address_counts_only_once_the_issuer_has_verified_it(said: object) -> None:
    assert roles("bd", email="li@vendor.example", email_verified=said) == ()


def test_addresses_are_compared_without_their_case() -> None:
    assert roles("bd", email="Li@Vendor.Example", email_verified=True) == ("bd",)


@pytest.mark.parametrize(
    "claims",
    [
        {"onboarding_roles": "partner ops"},
        {"onboarding_roles": ["partner", "ops", "partner", "ops "]},
        {"onboarding_roles": ["partner", 7, None, "ops"]},
    ],
)
def test_roles_are_a_list_or_words(claims: dict[str, Any]) -> None:
    assert of(**claims).roles == (CallerRole.PARTNER, CallerRole.OPS)


@pytest.mark.parametrize("claims", [{}, {"onboarding_roles": {"partner": True}}, {"onboarding_roles": 7}])
def test_without_roles_nobody_is_anything(claims: dict[str, Any]) -> None:
    assert of(**claims).roles == ()


def test_claims_may_stand_within_others() -> None:
    names = ClaimNames(roles="realm_access.roles", uids="https://vendor.example/uids")
    claims = {
        "sub": "mei",
        "realm_access": {"roles": ["partner"]},
        "https://vendor.example/uids": ["1001"],
    }
    caller = caller_of(claims, names)
    assert (caller.roles, sorted(caller.uids)) == ((CallerRole.PARTNER,), ["1001"])


@pytest.mark.parametrize("subject", [None, "", " ", 7, "a\nb", "=?utf-8?q?x?=", "x" * 201])
def test_a_subject_that_an_audit_trail_can_not_hold(subject: object) -> None:
    with pytest.raises(UnusableClaimsError):
        of(sub=subject)


def test_a_name_that_it_can_not_hold_is_left_out() -> None:
    assert of(name="a\nb").name is None


@pytest.mark.parametrize(
    ("claim", "acts_for"),
    [
        ({}, {"partner"}),
        ({"onboarding_acts_for": []}, set()),
        ({"onboarding_acts_for": ["bd", "partner"]}, {"bd", "partner"}),
        ({"onboarding_acts_for": ["esign", "system", "gardener", "service"]}, set()),
    ],
)
def test_for_whom_a_service_may_act(claim: dict[str, Any], acts_for: set[str]) -> None:
    assert {str(role) for role in of(onboarding_roles=["service"], **claim).acts_for} == acts_for


def _step(name: str) -> tuple[Step, Command]:
    step = STEPS[name]
    said = example_of(body_of(step.command)) | {"command_id": "1", "actor": {"role": "ops", "id": "x"}}
    return step, step.command.model_validate(said | ({"party": "vendor"} if "party" in said else {}))


@pytest.mark.parametrize(
    ("roles", "name", "role"),
    [
        (("ops", "bd"), "approve_application", Role.BD),
        (("bd", "bd_lead"), "reassign_bd", Role.BD_LEAD),
        (("bd_lead", "bd"), "approve_application", Role.BD_LEAD),
        (("ops", "partner"), "decline", Role.PARTNER),
        (("bd", "vendor"), "sign_contract", Role.VENDOR),
        (("bd",), "decline", Role.BD),
    ],
)
def test_one_acts_by_the_first_role_that_may(roles: tuple[str, ...], name: str, role: Role) -> None:
    """And by the first there is where none may, for the record."""
    reader = Reader(Caller("x"), tuple(CallerRole(each) for each in roles))
    step, command = _step(name)
    assert acting(reader, step, command) is role


def test_who_has_several_roles_reads_as_the_one_that_reads_most() -> None:
    reader = Reader(Caller("x"), (CallerRole.PARTNER, CallerRole.OPS))
    assert (reader.role, reader.is_outside) == (Role.OPS, False)
    status = describe(application(), sequence=1)
    allowed = reader.status(status).allowed_commands
    assert {"confirm_company", "cancel_application"} <= set(allowed)
    assert "reassign_bd" not in allowed


def test_a_service_reads_all_that_is_possible() -> None:
    status = describe(application(), sequence=1)
    shown = Reader(Caller("crm"), (CallerRole.SERVICE,)).status(status)
    assert (shown.allowed_commands, shown.allowed_for) == (status.allowed_commands, status.allowed_for)
