"""The field-by-field difference between two revisions of a sheet, as the partner is shown it."""

from typing import Any

import pytest

from domain.contract import Party
from domain.sheets import field_changes
from domain.status import Signature, Signing
from tests import payloads
from tests.domain.applications import journey_to
from tests.payloads import Json


def changes(before: Json, after: Json) -> list[tuple[str, Any, Any]]:
    return [(change.field, change.before, change.after) for change in field_changes(before, after)]


class TestDifferences:
    """Named things are compared by name, everything else by its place."""

    def test_none(self) -> None:
        assert changes(payloads.sheet(), payloads.sheet()) == []

    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, [("a.b", 1, 2)], id="a field"),
            pytest.param({"a": 1}, {"a": 1, "b": {"c": 2}}, [("b.c", None, 2)], id="a field that is new"),
            pytest.param({"a": 1, "b": 2}, {"b": 2}, [("a", 1, None)], id="a field that is gone"),
            pytest.param(
                {"t": ["SG"]}, {"t": ["SG", "MY"]}, [("t", ["SG"], ["SG", "MY"])], id="a plain list"
            ),
            pytest.param({"t": []}, {"t": ["SG"]}, [("t", None, ["SG"])], id="a list that was empty"),
            pytest.param({"t": []}, {}, [], id="an empty list is nothing"),
            pytest.param(
                {"d": [{"product_code": "ecs", "percent": "1"}, {"product_code": "oss", "percent": "2"}]},
                {"d": [{"product_code": "oss", "percent": "3"}, {"product_code": "ecs", "percent": "1"}]},
                [("d[oss].percent", "2", "3")],
                id="products by their code, whatever their order",
            ),
            pytest.param(
                {"b": [{"rate": "1"}]},
                {"b": [{"rate": "2"}, {"rate": "3"}]},
                [("b[1].rate", "1", "2"), ("b[2].rate", None, "3")],
                id="bands by their place, from 1",
            ),
        ],
    )
    def test_one(self, before: Json, after: Json, expected: list[tuple[str, Any, Any]]) -> None:
        assert changes(before, after) == expected

    def test_they_are_in_the_order_of_the_sheet(self) -> None:
        before, after = payloads.sheet(), payloads.sheet(start="2026-10-01", ecs="20")
        after["basic"]["currency"] = "SGD"
        del after["commitment"]
        assert [field for field, *_ in changes(before, after)] == [
            "basic.currency",
            "basic.contract_start_date",
            "commitment.amount",
            "commitment.period_months",
            "commitment.compensation",
            "discounts[ecs].percent",
        ]

    def test_the_first_revision_has_none(self) -> None:
        sheet = journey_to("sheet_1").status.sheet
        assert sheet
        assert sheet.changes == ()


def test_a_contract_is_signed_when_both_have() -> None:
    done = Signature.model_validate({"signer_name": "A", "signed_at": "2026-03-02T00:00:00Z"})
    states = [Signing(), Signing(partner=done), Signing(vendor=done), Signing(partner=done, vendor=done)]
    assert [(signing.begun, signing.complete) for signing in states] == [
        (False, False),
        (True, False),
        (True, False),
        (True, True),
    ]
    assert states[1].by(Party.PARTNER) == done
    assert states[1].by(Party.VENDOR) is None
