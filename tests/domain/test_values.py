"""What a value of the contract may be: header texts, numbers, times, and the form's own."""

import json
from decimal import Decimal
from typing import Any, Final

import pytest
from pydantic import TypeAdapter, ValidationError

from domain import values
from domain.documents import ApplicationForm, DecisionSheet
from tests import payloads
from tests.domain.applications import UID, journey_to


class TestHeaderTexts:
    """What could break out of an e-mail header is refused at the model."""

    TRICKS: Final = (
        "=?utf-8?q?x=0ABcc:_z@z?=",
        "a\nBcc: z@z",
        "a\rb",
        "a\tb",
        "a\x00b",
        "a\x1bb",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "a\u2029b",
        "a\ud800b",
    )
    HEADER: Final[TypeAdapter[str]] = TypeAdapter(values.HeaderText)

    @pytest.mark.parametrize("trick", TRICKS, ids=ascii)
    def test_refused(self, trick: str) -> None:
        with pytest.raises(ValidationError):
            self.HEADER.validate_python(trick)

    @pytest.mark.parametrize("trick", TRICKS, ids=ascii)
    @pytest.mark.parametrize(
        "change",
        [
            lambda text: payloads.form(UID, legal_name=text),
            lambda text: payloads.form(UID, contact=payloads.CONTACT | {"name": text}),
            lambda text: payloads.form(UID, contact=payloads.CONTACT | {"email": f"{text}@example.com"}),
        ],
        ids=["legal_name", "name", "email"],
    )
    def test_refused_in_the_form(self, trick: str, change: Any) -> None:
        with pytest.raises(ValidationError):
            ApplicationForm.model_validate(change(trick))

    @pytest.mark.parametrize(
        "text", ["x" * 200, "Ünïcödé 有限公司 \U0001f600", "a = b ? c", 'O\'Neil & Sons, "Ltd"']
    )
    def test_taken(self, text: str) -> None:
        assert self.HEADER.validate_python(f"  {text} \n") == text

    @pytest.mark.parametrize("text", ["", "   ", "x" * 201])
    def test_length(self, text: str) -> None:
        with pytest.raises(ValidationError):
            self.HEADER.validate_python(text)

    @pytest.mark.parametrize(
        "text", ["\u200b", "\ufeff \u2060", "\u202a\u202c", "\u200d", "\u3164"], ids=ascii
    )
    def test_nothing_to_be_seen(self, text: str) -> None:
        """A name nobody can read is none."""
        for kind in (values.HeaderText, values.Text):
            adapter: TypeAdapter[str] = TypeAdapter(kind)
            with pytest.raises(ValidationError, match="must have something to read"):
                adapter.validate_python(text)

    @pytest.mark.parametrize(
        "text",
        [
            "می\u200cشود",
            "\U0001f469\u200d\U0001f4bb",
            "Acme\u200b Ltd",
            "\u202a+65 1234\u202c",
            "שלום\u200f",
        ],
        ids=ascii,
    )
    def test_what_can_not_be_seen_is_kept_as_written(self, text: str) -> None:
        """Scripts and emoji need some of it, and what is copied from a page or a contact list has it."""
        assert self.HEADER.validate_python(text) == text

    @pytest.mark.parametrize("trick", [text for text in TRICKS if "=?" not in text], ids=ascii)
    def test_by_the_check_itself(self, trick: str) -> None:
        """Which is asked again where a message is built, of what no model has read."""
        with pytest.raises(ValueError, match="must "):
            values.safe_in_header(trick)

    def test_free_text_may_have_lines(self) -> None:
        adapter: TypeAdapter[str] = TypeAdapter(values.Text)
        assert adapter.validate_python(" a\r\n\tb =?x ") == "a\r\n\tb =?x"


class TestNumbers:
    """Decimals are strings and are written in one way."""

    AMOUNT: Final[TypeAdapter[Decimal]] = TypeAdapter(values.Amount)

    @pytest.mark.parametrize(
        ("said", "written"),
        [
            ("12.50", "12.5"),
            ("100", "100"),
            ("1E+3", "1000"),
            ("0.000", "0"),
            ("-0", "0"),
            (" 7 ", "7"),
            ("007.10", "7.1"),
            ("999999999999999999", "999999999999999999"),
            ("0.0000000001", "0.0000000001"),
        ],
    )
    def test_written_in_one_way(self, said: str, written: str) -> None:
        amount = self.AMOUNT.validate_python(said)
        assert self.AMOUNT.dump_python(amount, mode="json") == written
        assert self.AMOUNT.validate_json(json.dumps(written)) == amount

    @pytest.mark.parametrize(
        "said",
        [
            "",
            "x",
            "1,5",
            "NaN",
            "Infinity",
            "-0.01",
            "1" * 19,
            "1e18",
            "0.00000000001",
            "1e-400",
            "0e99999",
            1,
            1.5,
            None,
        ],
    )
    def test_refused(self, said: object) -> None:
        with pytest.raises(ValidationError):
            self.AMOUNT.validate_python(said)

    def test_a_decimal_of_our_own_is_taken(self) -> None:
        assert self.AMOUNT.validate_python(Decimal("1.50")) == Decimal("1.5")

    def test_instants_are_written_in_utc(self) -> None:
        signed = journey_to("partner_signed").status.model_dump(mode="json")["signing"]["partner"]
        assert signed["signed_at"] == "2026-03-02T01:30:00Z"


class TestTimes:
    """What no calendar or timer could reckon with is refused at the model."""

    @pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
    def test_days_out_of_reach(self, day: str) -> None:
        with pytest.raises(ValidationError, match="must be a date of the years"):
            TypeAdapter(values.Day).validate_python(day)

    @pytest.mark.parametrize("instant", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"])
    def test_instants_out_of_reach(self, instant: str) -> None:
        with pytest.raises(ValidationError, match="must be an instant of the years"):
            TypeAdapter(values.Instant).validate_python(instant)


class TestForm:
    """The application form."""

    @pytest.mark.parametrize("associated", [["1", "1"], [UID], ["1", UID]])
    def test_a_uid_is_named_once(self, associated: list[str]) -> None:
        with pytest.raises(ValidationError, match="must not repeat a UID or name the Main UID again"):
            ApplicationForm.model_validate(payloads.form(UID, associated_uids=associated))

    def test_main_uid_then_associated_uids_are_covered(self) -> None:
        form = ApplicationForm.model_validate(payloads.form(UID, associated_uids=["2", "1"]))
        assert form.covered_uids == (UID, "2", "1")

    @pytest.mark.parametrize("uid", ["", "12a", "-1", "1 ", "1\n", "\u0661\u0662", "1" * 33, 12])
    def test_uids_are_digit_strings(self, uid: object) -> None:
        with pytest.raises(ValidationError):
            ApplicationForm.model_validate(payloads.form(UID, main_uid=uid))

    @pytest.mark.parametrize(
        ("field", "value"), [("country", "SGP"), ("country", "sg"), ("business_type", "shop")]
    )
    def test_codes(self, field: str, value: str) -> None:
        with pytest.raises(ValidationError):
            ApplicationForm.model_validate(payloads.form(UID, **{field: value}))

    @pytest.mark.parametrize(
        ("field", "value"),
        [("currency", "usd"), ("currency", "US$"), ("time_zone", "../etc/passwd"), ("time_zone", "")],
    )
    def test_codes_of_a_sheet(self, field: str, value: str) -> None:
        sheet = payloads.sheet()
        sheet["basic"][field] = value
        with pytest.raises(ValidationError, match=field):
            DecisionSheet.model_validate(sheet)
