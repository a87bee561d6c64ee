"""An anonymised history: nothing personal is left, and programs see no difference."""

import json
from contextlib import nullcontext
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionSignaledEventAttributes
from temporalio.client import WorkflowHistory

from domain.audit import Verdict
from domain.contract import ErrorType, coverage_id, workflow_id
from domain.documents import ApplicationForm, canonical_hash, path_of
from domain.refusal import RefusedError
from domain.values import Code, Email, HeaderText, Text, Uid
from starter.release.anonymise import Anonymiser
from starter.release.anonymise import payloads as payloads_of
from starter.release.stand_ins import StandIns
from tests import payloads
from tests.domain.applications import UID, journey_to
from tests.domain.test_form_rules import NO_WEB_ADDRESS, WEB_ADDRESSES
from tests.long import some_of
from tests.replay.corpus import Ask, Recorded, recorded, replay


@cache
def _reader(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def valid(kind: Any, value: str) -> bool:
    try:
        _reader(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@given(st.text())
@example("ß")
def test_what_a_text_is_valid_as_its_stand_in_is_too(text: str) -> None:
    stand_in = StandIns().text(text)
    for kind in (Code, HeaderText, Text, Uid, Email):
        assert valid(kind, stand_in) is valid(kind, text)


@given(
    st.lists(
        st.text(st.sampled_from("abcXYZ 019.-中"), min_size=4),
        unique_by=lambda text: "".join(text.casefold().split()),
    )
)
def test_different_texts_have_different_stand_ins(texts: list[str]) -> None:
    stand_ins = StandIns()
    given_out = [stand_ins.text(text) for text in texts]
    assert given_out == [stand_ins.text(text) for text in texts]
    assert [len(each) for each in given_out] == [len(text) for text in texts]


def test_one_name_in_two_spellings_has_one_stand_in_in_two_spellings() -> None:
    stand_ins = StandIns()
    one, other = stand_ins.text("Straße & Co"), stand_ins.text("STRASSE  &  CO")
    assert " ".join(one.casefold().split()) == " ".join(other.casefold().split())
    assert stand_ins.text("Acme").upper() == stand_ins.text("ACME")


@pytest.mark.parametrize(
    "address",
    [
        "ann.tan@acme.com",
        "Ann Tan <ann.tan@acme.com>",
        " ann@acme.com",
        "a@b.co",
        "安娜@例え.jp",
        "ann..tan@acme.com",
        "ann@localhost",
        "ann@acme.test",
        "@",
        f"{'a' * 65}@acme.com",
        f"{'a' * 60}@{'acme.' * 37}com",
    ],
)
def test_an_address_stays_as_valid_as_it_was_and_reaches_nobody(address: str) -> None:
    stand_in = StandIns().text(address)
    assert valid(Email, stand_in) is valid(Email, address)
    assert "acme" not in stand_in
    if valid(Email, stand_in):
        assert stand_in.rstrip(">").endswith("example.com")


@pytest.mark.parametrize("website", [*WEB_ADDRESSES, *NO_WEB_ADDRESS])
def test_a_website_stays_as_valid_as_it_was(website: str) -> None:
    stand_in = StandIns().text(website)
    assert "acme" not in stand_in.casefold()
    assert len(stand_in) == len(website)
    journey = journey_to("company_confirmed")
    expected = pytest.raises(RefusedError) if website in NO_WEB_ADDRESS else nullcontext()
    with expected:
        journey.judge("submit_application", application=payloads.form(UID, website=stand_in))


def test_identifiers_made_of_others_stay_made_of_them() -> None:
    stand_ins = StandIns()
    uid, application = "5000000000000001", "01a21003-6b20-7141-bbdc-6719a26768d9"
    stand_in = workflow_id(stand_ins.text(uid))
    assert stand_ins.text(workflow_id(uid)) == stand_in
    change = stand_ins.text(f"{coverage_id(uid)}-delivery-{application}-12")
    assert change == f"{coverage_id(stand_ins.text(uid))}-delivery-{stand_ins.text(application)}-12"
    delivery = stand_ins.text(f"{workflow_id(uid)}-delivery-{application}-12")
    assert delivery == f"{stand_in}-delivery-{stand_ins.text(application)}-12"
    assert stand_ins.number(int(uid)) == int(stand_ins.text(uid))


def test_digests_are_put_in_their_spelling() -> None:
    stand_ins = StandIns()
    stand_ins.put_digest("ABCDEF01", "12345678")
    assert stand_ins.text("abcdef01") == "12345678"


def test_short_texts_run_out_without_an_error() -> None:
    stand_ins = StandIns()
    assert {len(stand_ins.text(notice)) for notice in "abcdefghijklmnopqrstuvwxyz0123456789"} == {1}


@pytest.mark.parametrize("one", some_of(recorded(), every=8), ids=lambda one: one.name)
async def test_every_recorded_history_replays_the_same_way_without_its_data(one: Recorded) -> None:
    original = one.history()
    anonymous = Anonymiser().history(original)
    assert [event.event_type for event in anonymous.events] == [event.event_type for event in original.events]
    assert [text for text in PERSONAL if text in _seen(anonymous)] == []
    replayed = await replay(anonymous)
    assert replayed.failure is None
    assert [_unnamed(ask) for ask in replayed.trail] == [_unnamed(ask) for ask in one.trail()]


PERSONAL = (
    *("Ann Tan", "join@acme.example.com", *payloads.BD.values(), *payloads.BD_LEAD.values()),
    *(payloads.ENTERPRISE, payloads.REGISTRATION, *payloads.CONTACT.values(), "Raffles Place"),
    *("certified engineers", "of the shortfall", "Who are your customers?", "Signer of partner"),
)
"""What journeys say of people and companies."""


def _seen(history: WorkflowHistory) -> str:
    """All there is to read in the payloads of a history."""
    data = [payload.data for payload in payloads_of(history.events)]
    return "\n".join(json.dumps(_loaded(each), ensure_ascii=False) for each in data)


def _loaded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")


def _unnamed(ask: Ask) -> Ask:
    """Without the name of a command there is not, which somebody made up."""
    invalid = ask.verdict is Verdict.REFUSED and ask.error is ErrorType.INVALID
    return ask.model_copy(update={"command": None}) if invalid else ask


def test_recorded_histories_have_all_that_is_looked_for() -> None:
    seen = "".join(_seen(one.history()) for one in recorded())
    assert [text for text in PERSONAL if text not in seen] == []


SECRETS = ("wilhelmina", "walnut", "61234567", "geheim")


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("json/plain", b'{"wilhelmina": {"name": ["walnut", 6561234567, 6561234567.0]}}'),
        ("json/plain", b'{"kind": "walnut", "time_zone": "Europe/Walnut", "currency": "walnut"}'),
        ("json/plain", b'{"locale": "wilhelmina", "amount": "61234567x", "country": "walnut"}'),
        ("json/plain", b'{"wilhelmina": "walnut'),
        ("json/plain", b'"wilhelmina@walnut.example.org"'),
        ("json/protobuf", b'{"name": "wilhelmina"}'),
        ("binary/plain", b"\xff\x00wilhelmina"),
        ("geheim", b"walnut"),
        ("binary/null", b""),
    ],
)
def test_a_payload_nobody_expected_gives_nothing_away(encoding: str, data: bytes) -> None:
    payload = Payload(metadata={"encoding": encoding.encode(), "wilhelmina": b"walnut"}, data=data)
    signal = WorkflowExecutionSignaledEventAttributes(
        signal_name="walnut", identity="wilhelmina@host", input=Payloads(payloads=[payload])
    )
    signal.header.fields["wilhelmina"].CopyFrom(payload)
    event = HistoryEvent(
        event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
        workflow_execution_signaled_event_attributes=signal,
    )
    anonymous = Anonymiser().history(WorkflowHistory("wilhelmina", [event]))
    seen = anonymous.workflow_id + str(anonymous.events[0]).casefold()
    assert [secret for secret in SECRETS if secret in seen] == []


def test_what_the_contract_lists_and_counts_stays() -> None:
    harmless = {
        "role": "partner",
        "stage": "signed",
        "signed_at": "2026-01-05T02:00:00Z",
        "contract_start_date": "2026-03-01",
        "amount": "1200000",
        "percent": "12.5",
        "currency": "USD",
        "country": "SG",
        "time_zone": "Asia/Singapore",
        "calendar": "CN (holidays 0.109)",
        "key": "3.application_received",
        "allowed_commands": ["approve_application"],
        "form_revision": 2,
        "pause": "PT0.942636S",
        "verified": True,
        "phone": None,
    }
    payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(harmless).encode())
    event = HistoryEvent(
        workflow_execution_signaled_event_attributes=WorkflowExecutionSignaledEventAttributes(
            signal_name="sign_contract", input=Payloads(payloads=[payload])
        )
    )
    [anonymous] = Anonymiser().history(WorkflowHistory("1", [event])).events
    kept = anonymous.workflow_execution_signaled_event_attributes
    assert kept.signal_name == "sign_contract"
    assert json.loads(kept.input.payloads[0].data) == harmless


def sent(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a signal, made anonymous."""
    payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(content).encode())
    event = HistoryEvent(
        workflow_execution_signaled_event_attributes=WorkflowExecutionSignaledEventAttributes(
            signal_name="correct_contact", input=Payloads(payloads=[payload])
        )
    )
    [anonymous] = Anonymiser().history(WorkflowHistory("1", [event])).events
    [replaced] = anonymous.workflow_execution_signaled_event_attributes.input.payloads
    return json.loads(replaced.data)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("name", "PTSD"),
        ("id", "PHYSTY"),
        ("question", "PSYDM.T"),
        ("reason", "PWD"),
        ("after", "PTSD"),
        ("after", "P13800138000D"),
        ("due_at", "P3D"),
        ("birthday", "1985-03-12"),
        ("reason", "1985-03-12"),
        ("signed_at", "2026-01-05T02:00:00.13800138000Z"),
        ("amount", "13800138000"),
        ("amount", "5551234"),
        ("amount", "555123.4"),
        ("rate_percent", "8613800138001"),
        ("credit_line", "1380013800138001380013800000"),
        ("key", "5551234.closed"),
        ("key", "5551234.closed_to_bd"),
        ("key", "3.partner"),
        ("resent_emails", "5551234.closed_to_bd"),
        ("calendar", "CN-ABC"),
        ("calendar", "CN (holidays 13800138000)"),
        ("calendar", "QQ"),
        ("country", "WT"),
        ("currency", "WTN"),
        ("time_zone", "Asia/Walnut"),
        ("resend", "5551234.closed_to_bd"),
        ("channel", "portal of Wilhelmina"),
        ("estimate", "'QQ' is not a region"),
        ("hash", "9f86d081884c7d659a2feaa0c55ad015"),
    ],
)
def test_what_only_looks_harmless_is_replaced(key: str, text: str) -> None:
    [value] = sent({key: text}).values()
    assert value != text


def test_names_of_fields_stay_names_of_fields() -> None:
    """A modification that names other ones is refused."""
    named = ["basic.term_months", "commission_policy.bands[1].rate_percent", "discounts[walnut].percent"]
    replaced = sent({"fields": named, "product_code": "walnut", "modification_fields": ["walnut.size"]})
    first, second, third = replaced["fields"]
    assert first == named[0]
    assert path_of(second) == "commission_policy.bands[…].rate_percent"
    assert third == f"discounts[{replaced['product_code']}].percent"
    assert "walnut" not in str(replaced)


def test_the_hash_of_a_form_is_that_of_its_stand_in() -> None:
    form = ApplicationForm.model_validate(payloads.form("5000000000000001"))
    known = canonical_hash(form.model_dump(mode="json"))
    replaced = sent({"application": form.model_dump(mode="json"), "details": {"application_hash": known}})
    stand_in = ApplicationForm.model_validate(replaced["application"])
    assert stand_in.legal_name != form.legal_name
    assert [*replaced["details"].values()] == [canonical_hash(stand_in.model_dump(mode="json"))]


def test_free_content_under_known_names_is_replaced() -> None:
    content = {
        "amount": "13800138000",
        "rate_percent": "8613800138001",
        "key": "5551234.closed",
        "calendar": "CN-ABC",
    }
    replaced = sent(content)
    assert replaced.keys() == content.keys()
    assert [key for key, text in content.items() if replaced[key] == text] == []


@pytest.mark.parametrize(
    "content",
    [
        {"amount": "12345678.90", "period_months": 12},
        {"from_amount": "12345678", "to_amount": "23456789", "rate_percent": "7.5"},
        {"partner_level": "A", "credit_line": "1E+12"},
        {"amount": "120000000000"},
        {"percent": "-5"},
        {"due_at": "2026-12-02T16:00:00Z", "days_counted": ["2026-12-01"]},
        {"country": "SG", "currency": "USD", "time_zone": "Asia/Singapore"},
        {"resend": "12.closed_to_bd"},
        {"calendar": "US-CA"},
        {"resent_emails": ["12.closed_to_bd"]},
    ],
)
def test_what_the_field_can_hold_stays(content: dict[str, Any]) -> None:
    harmless = {key: value for key, value in content.items() if key != "partner_level"}
    assert harmless.items() <= sent(content).items()
