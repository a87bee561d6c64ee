"""What the tables of libraries do not have is refused with its field, and what they said stays said."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer

from activities import tables
from domain.audit import Verdict
from domain.inquiry import Table
from tests import payloads
from tests.rig import Applicant, Service, unchanged
from tests.service.evidence import audit
from tests.service.trail import failed_as_invalid, unharmed
from workflows.onboarding import ResellerOnboarding
from workflows.plugin import OnboardingPlugin

Way = Callable[[Applicant], Awaitable[Any]]
NO_COUNTRY: Final = "ZZ"
NO_CURRENCY: Final = "BGN"
"""The lev: the tables had it until 2025."""
NO_ZONE: Final = "Mars/Olympus"
ZONE_OF_THE_MACHINE: Final = "localtime"
NO_EMAIL: Final = "ann@-acme-.example.com"
"""An address by its shape."""


async def company_confirmed(applicant: Applicant) -> None:
    await applicant.signal("confirm_company")


async def joined(applicant: Applicant) -> None:
    """Nothing more than JOIN NOW."""


async def waiting_for_start(applicant: Applicant) -> None:
    await applicant.to_signed(start="2030-01-01")


def form(**changes: Any) -> Callable[[Applicant], payloads.Json]:
    return lambda applicant: {"application": payloads.form(applicant.uid, **changes)}


def sheet(**changes: Any) -> Callable[[Applicant], payloads.Json]:
    def with_changes(applicant: Applicant) -> payloads.Json:
        made = payloads.sheet()
        made["basic"] |= changes
        return {"sheet": made}

    return with_changes


def fixed(**payload: Any) -> Callable[[Applicant], payloads.Json]:
    return lambda applicant: payload


def amendment(zone: str) -> Callable[[Applicant], payloads.Json]:
    return fixed(start_date="2031-01-01", time_zone=zone, reason="x")


UNKNOWN: Final[dict[str, tuple[Way, str, Callable[[Applicant], payloads.Json], str]]] = {
    "country": (company_confirmed, "submit_application", form(country=NO_COUNTRY), "application.country"),
    "contact e-mail": (
        company_confirmed,
        "submit_application",
        form(contact=payloads.CONTACT | {"email": NO_EMAIL}),
        "application.contact.email",
    ),
    "currency": (
        Applicant.to_qualified,
        "issue_decision_sheet",
        sheet(currency=NO_CURRENCY),
        "sheet.basic.currency",
    ),
    "zone": (
        Applicant.to_qualified,
        "issue_decision_sheet",
        sheet(time_zone=NO_ZONE),
        "sheet.basic.time_zone",
    ),
    "zone of the machine": (
        Applicant.to_qualified,
        "issue_decision_sheet",
        sheet(time_zone=ZONE_OF_THE_MACHINE),
        "sheet.basic.time_zone",
    ),
    "zone of an amendment": (waiting_for_start, "amend_start_date", amendment(NO_ZONE), "time_zone"),
    "new BD's e-mail": (joined, "reassign_bd", fixed(bd={"name": "B", "email": NO_EMAIL}), "bd.email"),
    "corrected e-mail": (joined, "correct_contact", fixed(email=NO_EMAIL), "email"),
}


async def replays(applicant: Applicant) -> None:
    """The history leads to the commands it has."""
    replayer = Replayer(workflows=[ResellerOnboarding], plugins=[OnboardingPlugin()])
    await replayer.replay_workflow(await applicant.history())


@pytest.mark.parametrize(("way", "kind", "payload", "field"), UNKNOWN.values(), ids=UNKNOWN)
async def test_what_no_table_has_is_refused_with_its_field_and_on_record(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    way: Way,
    kind: str,
    payload: Callable[[Applicant], payloads.Json],
    field: str,
) -> None:
    applicant = await service.applicant()
    await way(applicant)
    before = await applicant.status()
    after = await applicant.signal(kind, **payload(applicant))
    with pytest.raises(ApplicationError) as answer:
        await applicant.update(kind, **payload(applicant))

    assert answer.value.type == "invalid"
    assert answer.value.message.startswith(f"{field}: must be ")
    [refusal] = after.last_refusals
    assert (refusal.command, refusal.error, refusal.message) == (kind, "invalid", answer.value.message)
    assert unchanged(await applicant.settled()) == unchanged(before)
    first, second = (await audit(applicant))[-2:]
    assert {first.verdict, second.verdict} == {Verdict.REFUSED}
    assert first.message == second.message == answer.value.message

    # With tables that have everything, the same history still tells of a refusal.
    monkeypatch.setattr(tables, "_CHECKS", dict.fromkeys(Table, str))
    await replays(applicant)
    await unharmed(applicant)


async def test_what_the_tables_had_once_is_not_asked_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    applicant = await service.applicant()
    await applicant.to_confirming()
    status = await applicant.status()

    def unknown(value: str) -> None:
        raise ValueError(f"no table has {value}")

    monkeypatch.setattr(tables, "_CHECKS", dict.fromkeys(Table, unknown))
    await replays(applicant)
    await applicant.signal("confirm_terms", **await applicant.named_sheet())
    await applicant.sign("partner")
    assert (await applicant.sign("vendor")).outcome == "active"
    assert (await applicant.status()).sheet == status.sheet
    await replays(applicant)
    await unharmed(applicant)


async def test_several_unknown_values_are_told_at_once(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_qualified()
    with pytest.raises(ApplicationError) as answer:
        await applicant.update(
            "issue_decision_sheet", **sheet(currency=NO_CURRENCY, time_zone=NO_ZONE)(applicant)
        )
    assert [told.partition(":")[0] for told in answer.value.message.split("; ")] == [
        "sheet.basic.currency",
        "sheet.basic.time_zone",
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"policy": {"calendar": "QQ"}}, "policy.calendar"),
        ({"policy": {"time_zone": ZONE_OF_THE_MACHINE}}, "policy.time_zone"),
        ({"contact_email": NO_EMAIL}, "contact_email"),
        ({"bd_lead": {"name": "L", "email": NO_EMAIL}}, "bd_lead.email"),
    ],
)
async def test_a_start_with_an_unknown_value_fails_and_leaves_nothing(
    service: Service, change: dict[str, Any], field: str
) -> None:
    applicant = await service.applicant(start=False)
    await applicant.start(payloads.join(applicant.uid, **change))
    assert (await failed_as_invalid(applicant)).startswith(f"{field}: ")
    assert applicant.templates() == []
    await replays(applicant)
