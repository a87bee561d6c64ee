"""Whatever comes in becomes a command or a refusal that says where it is wrong."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from domain import intake
from domain.contract import Command, OnboardingInput
from domain.refusal import RefusedError
from tests import payloads
from tests.domain.applications import UID
from tests.payloads import Json


def refused(parse: Callable[[], Any]) -> str:
    with pytest.raises(RefusedError) as refusal:
        parse()
    assert refusal.value.error == "invalid"
    return refusal.value.message


def signal(kind: str, payload: Any) -> Command:
    return intake.parse_command(kind, (payload,))


def raw(data: bytes, encoding: bytes = b"binary/unheard-of") -> RawValue:
    return RawValue(Payload(metadata={"encoding": encoding}, data=data))


def confirm(**more: Any) -> Json:
    return payloads.command("confirm_company") | more


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


class TestCommands:
    """Signals under their own name, updates by their tag."""

    def test_a_signal_needs_no_tag_and_an_update_does(self) -> None:
        payload = confirm(command_id="c-1")
        assert signal("confirm_company", payload) == intake.parse_command(
            None, (payload | {"kind": "confirm_company"},)
        )
        assert signal("confirm_company", payload | {"kind": "confirm_company"}).command_id == "c-1"
        assert refused(lambda: intake.parse_command(None, (payload,))).startswith("kind: must be one of ")

    @pytest.mark.parametrize("tag", ["decline", None, 7, ["confirm_company"], {}])
    def test_a_tag_that_contradicts_the_signals_name(self, tag: Any) -> None:
        message = refused(lambda: signal("confirm_company", confirm(kind=tag)))
        assert message == "kind: must be 'confirm_company' as the signal's name, or absent"

    @pytest.mark.parametrize("tag", ["approve", "", None, 7, ["x"], {"a": 1}, "Z" * 5_000])
    def test_an_update_of_no_known_kind_is_not_repeated(self, tag: Any) -> None:
        message = refused(lambda: intake.parse_command(None, (confirm(kind=tag),)))
        assert message.startswith("kind: must be one of amend_start_date, answer_partner, ")
        assert "ZZZ" not in message

    def test_an_unknown_signal(self) -> None:
        message = refused(lambda: signal("aprove\x1b[2J", confirm()))
        assert message.startswith("there is no command 'aprove\\x1b[2J'; the commands are amend_start_date, ")

    def test_fields_it_does_not_know_are_ignored(self) -> None:
        plain = confirm(command_id="c-1")
        odd = plain | {"colour": "red", "actor": plain["actor"] | {"shoe": 42}, "": None}
        assert signal("confirm_company", odd) == signal("confirm_company", plain)


class TestGarbage:
    """Each kind of what is not one JSON object of the contract."""

    @pytest.mark.parametrize("count", [0, 2, 5])
    def test_not_one_argument(self, count: int) -> None:
        message = refused(lambda: intake.parse_command("confirm_company", (confirm(),) * count))
        assert message == f"expected one argument, a JSON object, but got {count}"

    @pytest.mark.parametrize(
        "argument",
        [None, True, 7, 1.5, "text", "{}", [], [{}], b"\x00\xff", raw(b"\xff\xfe"), raw(b""), float("nan")],
        ids=repr,
    )
    def test_not_an_object(self, argument: Any) -> None:
        expected = "expected one JSON object; what came could not be decoded as one"
        assert refused(lambda: signal("confirm_company", argument)) == expected
        assert refused(lambda: intake.parse_command(None, (argument,))) == expected
        assert refused(lambda: intake.parse_start((argument,))) == expected

    def test_every_wrong_field_is_named_by_its_path(self) -> None:
        form = payloads.form("12x", contact=payloads.CONTACT | {"email": "nobody"}, country="SGP")
        del form["qualification"]
        said = {"application": form, "actor": {"role": "boss", "id": " "}, "command_id": ""}

        message = refused(lambda: signal("submit_application", said))

        assert [problem.split(": ")[0] for problem in message.split("; ")] == [
            "command_id",
            "actor.role",
            "actor.id",
            "application.country",
            "application.contact.email",
            "application.main_uid",
            "application.qualification",
        ]

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"territories": "CN"}, "territories: must be a JSON array"),
            ({"associated_uids": {"1": "2"}}, "associated_uids: must be a JSON array"),
            ({"associated_uids": ["1"] * 101}, "associated_uids: must have at most 100 of them"),
            ({"contact": []}, "contact: must be a JSON object"),
            ({"qualification": " \n "}, "qualification: must have something to read"),
            ({"qualification": "\u200b"}, "qualification: must have something to read"),
            ({"qualification": 5}, "qualification: must be a JSON string"),
            ({"legal_name": "x" * 201}, "legal_name: must have at most 200 characters"),
            ({"business_type": 1}, "business_type: must be 'reseller', 'distributor' or 'agency'"),
        ],
    )
    def test_a_form_is_refused_in_words_of_json(self, change: Json, told: str) -> None:
        said = payloads.command("submit_application", application=payloads.form(UID) | change)
        assert refused(lambda: signal("submit_application", said)) == f"application.{told}"

    @pytest.mark.parametrize(
        ("part", "change", "told"),
        [
            ("basic", {"term_months": "x"}, "term_months: must be a whole number"),
            ("basic", {"term_months": 1.5}, "term_months: must be a whole number"),
            ("basic", {"term_months": None}, "term_months: must be a whole number"),
            ("basic", {"term_months": 0}, "term_months: must be 1 or more"),
            ("basic", {"term_months": 10**30}, "term_months: must be 1200 or less"),
            *(
                (
                    "basic",
                    {"contract_start_date": day},
                    "contract_start_date: must be a date of the calendar, such as 2026-03-31",
                )
                for day in ("2026-02-30", "2026-13-01", "2026-02-xx")
            ),
        ],
    )
    def test_a_sheet_is_refused_in_words_of_json(self, part: str, change: Json, told: str) -> None:
        sheet = payloads.sheet()
        sheet[part] |= change
        said = payloads.command("issue_decision_sheet", sheet=sheet)
        assert refused(lambda: signal("issue_decision_sheet", said)) == f"sheet.{part}.{told}"

    @pytest.mark.parametrize("value", ["2026-02-30T09:00:00Z", "2026-03-31 soon", True, [], {}])
    def test_what_is_no_instant_is_told_what_one_is(self, value: Any) -> None:
        told = "occurred_at: must be an ISO 8601 instant with its zone, such as 2026-03-31T09:00:00Z"
        assert refused(lambda: signal("confirm_company", confirm(occurred_at=value))) == told

    def test_no_more_than_twenty_are_named(self) -> None:
        sheet = payloads.sheet() | {"discounts": [{"product_code": "!"} for _ in range(100)]}
        message = refused(
            lambda: signal("issue_decision_sheet", payloads.command("issue_decision_sheet", sheet=sheet))
        )
        assert len(message.split("; ")) == 20
        assert message.startswith("sheet.discounts.0.product_code: ")

    @pytest.mark.parametrize("number", [10, 10.5, 0, True, None, [], {}])
    def test_money_and_percentages_are_strings(self, number: Any) -> None:
        sheet = payloads.sheet(ecs=number)
        sheet["commitment"]["amount"] = number
        message = refused(
            lambda: signal("issue_decision_sheet", payloads.command("issue_decision_sheet", sheet=sheet))
        )
        expected = 'must be a decimal in a JSON string, such as "12.50" (a JSON number loses digits)'
        assert message == f"sheet.commitment.amount: {expected}; sheet.discounts.0.percent: {expected}"

    @pytest.mark.parametrize(
        "value",
        ["1609459200", "1609459200.5", 1609459200, True, "2026-03-31", "2026-03-31T09:00:00", "soon", ""],
    )
    def test_instants_have_a_zone(self, value: Any) -> None:
        message = refused(lambda: signal("confirm_company", confirm(occurred_at=value)))
        assert message.startswith("occurred_at: ")

    @pytest.mark.parametrize(
        "value",
        ["1609459200", 1609459200, "2026-02-30", "2026-03-31T00:00:00Z", "31.03.2026", "", None, True],
    )
    def test_days_are_iso_dates(self, value: Any) -> None:
        said = payloads.command("amend_start_date", start_date=value, time_zone="Asia/Shanghai", reason="x")
        assert refused(lambda: signal("amend_start_date", said)).startswith("start_date: ")

    @pytest.mark.parametrize("zone", ["../etc/passwd", "/etc", "UTC\x00", "UTC\n", "", "x" * 65, 8])
    def test_zones_look_like_iana_zones(self, zone: Any) -> None:
        said = payloads.command("amend_start_date", start_date="2026-09-01", time_zone=zone, reason="x")
        assert refused(lambda: signal("amend_start_date", said)).startswith("time_zone: ")

    @pytest.mark.parametrize(
        "text", ["NUL \x00", "escape \x1b[2J", "\x85", "x" * 4_001, " \n ", "\ud800"], ids=ascii
    )
    def test_texts_that_would_break_something_later(self, text: str) -> None:
        said = payloads.command("request_justification", question=text)
        message = refused(lambda: signal("request_justification", said))
        assert message.isprintable()
        assert message.startswith(("question: ", "payload: Invalid JSON"))

    def test_lone_surrogates_anywhere(self) -> None:
        for said in (confirm(command_id="a\udfff"), confirm() | {"x\ud800": 1}, confirm(unknown="\ud83d")):
            assert refused(partial(signal, "confirm_company", said)).startswith("payload: ")

    def test_a_pair_of_surrogates_is_a_character(self) -> None:
        said = json.loads('{"note": "\\ud83d\\ude00"}')
        command = signal("record_contact", payloads.command("record_contact", **said))
        assert command.model_dump()["note"] == "\U0001f600"

    @pytest.mark.parametrize("depth", [1, 100, 190, 198])
    def test_as_deep_as_json_is_decoded(self, depth: int) -> None:
        said = from_json(json.dumps(confirm(unknown=nested(depth))))
        assert signal("confirm_company", said).kind == "confirm_company"
        assert len(str(intake.kept_payload((said,)))) < 4_100

    def test_as_large_as_a_payload_can_be(self) -> None:
        said = confirm(unknown="x" * 2_000_000)
        assert signal("confirm_company", said).kind == "confirm_company"
        message = refused(lambda: signal("confirm_company", confirm(command_id="y" * 2_000_000)))
        assert "yy" not in message
        assert len(message) < 200

    def test_no_larger_than_what_is_made_of_it_can_be_kept(self) -> None:
        territories = ["\U0001f600" * 200] * 300
        form = payloads.form("5123456789", territories=territories)
        said = payloads.command("submit_application", application=form)
        assert refused(lambda: signal("submit_application", said)) == (
            "payload: must not be larger than 64 KiB of JSON"
        )

    @pytest.mark.parametrize("hashed", ["\0", "ab\x1b[31m"])
    def test_a_hash_no_database_or_terminal_can_take(self, hashed: str) -> None:
        said = payloads.command("confirm_terms") | {"sheet_hash": hashed}
        assert "sheet_hash: must not contain control characters" in refused(
            lambda: signal("confirm_terms", said)
        )

    @pytest.mark.parametrize("number", ["1" * 4_299, "1e400", "-0", "NaN", "Infinity"])
    def test_numbers_that_are_too_much(self, number: str) -> None:
        said = confirm() | from_json(f'{{"unknown": {number}}}')
        assert signal("confirm_company", said).kind == "confirm_company"
        assert intake.kept_payload((said,))

    @pytest.mark.parametrize(
        "payload",
        [
            confirm(command_id="SECRET\n"),
            confirm(actor={"role": "SECRET", "id": "SECRET\x00"}),
            confirm(occurred_at="SECRET"),
            confirm(kind="SECRET"),
            {"SECRET": "SECRET"},
        ],
    )
    def test_what_was_sent_is_not_repeated(self, payload: Json) -> None:
        assert "SECRET" not in refused(lambda: signal("confirm_company", payload))
        assert "SECRET" not in refused(lambda: intake.parse_command(None, (payload,)))

    # Any JSON, by any name: a command or a refusal, never another exception.
    @given(
        name=st.one_of(st.none(), st.text(), st.sampled_from(sorted(payloads.ROLE_OF))),
        arguments=st.lists(
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=5,
            ),
            max_size=2,
        ),
    )
    def test_anything_at_all(self, name: str | None, arguments: list[Any]) -> None:
        said = tuple(arguments)
        with pytest.raises(RefusedError):
            intake.parse_command(name, said)
        assert intake.claimed_name(name, said).isascii()
        assert intake.claimed_name(name, said).isprintable()
        assert str(intake.kept_payload(said)).isascii()
        assert intake.claimed_id(said) is None or isinstance(intake.claimed_id(said), str)


class TestStart:
    """The workflow's argument."""

    def test_it_parses(self) -> None:
        joined = intake.parse_start((payloads.join(UID, unknown=1),))
        assert joined == OnboardingInput.model_validate(payloads.join(UID))

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"company_master_uid": 5}, "company_master_uid"),
            ({"company_master_uid": "5\n"}, "company_master_uid"),
            ({"contact_email": "a@"}, "contact_email"),
            ({"locale": "fr"}, "locale"),
            ({"bd": {"name": "B"}}, "bd.email"),
            ({"policy": {"review_working_days": 0}}, "policy.review_working_days"),
            ({"policy": {"calendar": "china"}}, "policy.calendar"),
            ({"policy": {"time_zone": "Mars Base"}}, "policy.time_zone"),
        ],
    )
    def test_it_names_the_field(self, change: Json, path: str) -> None:
        message = refused(lambda: intake.parse_start((payloads.join(UID) | change,)))
        assert message.split(": ")[0] == path

    def test_no_argument(self) -> None:
        assert refused(lambda: intake.parse_start(())) == "expected one argument, a JSON object, but got 0"


class TestWhatIsKept:
    """A broken message in the audit trail."""

    def test_its_arguments_in_ascii(self) -> None:
        assert intake.kept_payload(({"a": "é\ud800\x00"}, 7)) == {
            "arguments": '[{"a": "\\u00e9\\ud800\\u0000"}, 7]'
        }
        assert intake.kept_payload(()) == {"arguments": "[]"}

    def test_what_could_not_be_decoded_as_far_as_it_is_text(self) -> None:
        assert intake.kept_payload((raw(b'{"a": \xff'),)) == {"arguments": '["{\\"a\\": \\ufffd"]'}
        assert intake.kept_payload((b"\xff",)) == {"arguments": json.dumps([repr(b"\xff")])}

    def test_no_more_than_the_audit_trail_holds(self) -> None:
        for argument in ("x" * 1_000_000, raw(b"x" * 1_000_000)):
            assert len(str(intake.kept_payload((argument,))["arguments"])) == intake.MAX_KEPT_CHARACTERS

    def test_the_name_and_the_id_it_seems_to_have(self) -> None:
        said = {"kind": "decline", "command_id": "c-1"}
        assert intake.claimed_name("approve", (said,)) == "approve"
        assert intake.claimed_name(None, (said,)) == "decline"
        assert intake.claimed_id((said,)) == "c-1"
        for unclear in ((), (said, said), ("text",), ({"kind": 7, "command_id": 7},), (raw(b"x"),)):
            assert intake.claimed_name(None, unclear) == "submit_command"
            assert intake.claimed_id(unclear) is None

    def test_neither_can_play_tricks_on_a_terminal(self) -> None:
        trick = "a\x00\x1b[2J\r\n\x7f\u202eé\ud800" + "x" * 1_000
        for shown in (intake.printable(trick), intake.claimed_id(({"command_id": trick},)) or ""):
            assert shown.startswith("a\\x00\\x1b[2J\\r\\n\\x7f\\u202e\\xe9\\ud800x")
            assert shown.isprintable()
            assert shown.isascii()
            assert len(shown) < 300


class TestWhatNoTableDecides:
    """Whether there is such a country, currency, zone or calendar is asked later, and recorded."""

    def test_what_only_looks_right_is_a_command(self) -> None:
        sheet = payloads.sheet(zone="Mars/Base")
        sheet["basic"]["currency"] = "XYZ"
        signal("issue_decision_sheet", payloads.command("issue_decision_sheet", sheet=sheet))
        form = payloads.form(UID, country="XX", contact=payloads.CONTACT | {"email": "ann@acme.invalid"})
        signal("submit_application", payloads.command("submit_application", application=form))
        policy = {"calendar": "XX", "time_zone": "Mars/Base"}
        assert intake.parse_start((payloads.join(UID, policy=policy),)).policy
