"""The decision sheet: what BD may issue (guide §2.3, FAQ Q5)."""

from typing import Any

import pytest

from tests import payloads
from tests.domain.applications import START, journey_to, refused
from tests.payloads import Json


class TestSheet:
    """What BD may issue."""

    def test_of_the_business_type_applied_for(self) -> None:
        sheet = payloads.sheet(start=START)
        sheet["basic"]["business_type"] = "agency"
        assert refused(journey_to("qualified"), "issue_decision_sheet", sheet=sheet) == (
            "invalid",
            "sheet.basic.business_type: must be 'reseller' as in the application, not 'agency'.",
        )

    @pytest.mark.parametrize(
        ("change", "where", "why"),
        [
            pytest.param(
                {"bands": [("0", "100", "5"), ("99.99", None, "7")]},
                "sheet.commission_policy",
                "bands overlap at 99.99",
                id="overlap",
            ),
            pytest.param(
                {"bands": [("0", None, "5"), ("100", None, "7")]},
                "sheet.commission_policy",
                "bands overlap at 100",
                id="an open band below another",
            ),
            pytest.param(
                {"bands": [("0", "50", "5"), ("0", "50", "7")]},
                "sheet.commission_policy",
                "bands overlap at 0",
                id="the same band twice",
            ),
            pytest.param(
                {"bands": [("5", "5", "5")]},
                "sheet.commission_policy.bands.0",
                "to_amount must be greater than from_amount",
                id="an empty band",
            ),
            pytest.param(
                {"bands": [("0", None, "100.01")]},
                "sheet.commission_policy.bands.0.rate_percent",
                "must be between 0 and 100",
                id="more than all",
            ),
            pytest.param(
                {"bands": [("-1", None, "1")]},
                "sheet.commission_policy.bands.0.from_amount",
                "must not be negative",
                id="a negative amount",
            ),
            pytest.param(
                {"discounts": [("ecs", "-0.01")]},
                "sheet.discounts.0.percent",
                "must be between 0 and 100",
                id="a negative discount",
            ),
            pytest.param(
                {"discounts": [("oss", "1"), ("ecs", "1"), ("oss", "2")]},
                "sheet",
                "discounts name a product twice: oss",
                id="a product twice",
            ),
        ],
    )
    def test_it_contradicts_itself(self, change: dict[str, Any], where: str, why: str) -> None:
        error, message = refused(journey_to("qualified"), "issue_decision_sheet", sheet=changed(change))
        assert (error, message) == ("invalid", f"{where}: {why}")

    @pytest.mark.parametrize(
        "change",
        [
            {"bands": []},
            {"bands": [("100", None, "7"), ("0", "100", "5")]},
            {"bands": [("0", "10", "0"), ("20", None, "100")]},
            {"discounts": []},
            {"discounts": [("ecs", "0"), ("oss", "100")]},
        ],
    )
    def test_it_is_in_order(self, change: dict[str, Any]) -> None:
        journey = journey_to("qualified")
        journey.say("issue_decision_sheet", sheet=changed(change))
        assert journey.status.stage == "confirming_terms"

    def test_a_discount_is_not_valid_backwards(self) -> None:
        discount = {
            "product_code": "ecs",
            "percent": "5",
            "valid_from": "2026-03-02",
            "valid_to": "2026-03-01",
        }
        sheet = payloads.sheet() | {"discounts": [discount]}
        assert refused(journey_to("qualified"), "issue_decision_sheet", sheet=sheet) == (
            "invalid",
            "sheet.discounts.0: valid_to must not be before valid_from",
        )
        one_day = discount | {"valid_from": "2026-03-01"}
        journey_to("qualified").judge("issue_decision_sheet", sheet=sheet | {"discounts": [one_day]})

    def test_rounds_have_no_limit(self) -> None:
        journey = journey_to("sheet_1")
        for revision in range(2, 12):
            journey.say("modify_terms", sheet_revision=revision - 1, description=f"Round {revision}")
            journey.say("issue_decision_sheet", sheet=payloads.sheet(ecs=str(revision)))
            assert journey.terms()["sheet_revision"] == revision


def changed(change: dict[str, Any]) -> Json:
    """A sheet with other bands, or other discounts."""
    sheet = payloads.sheet()
    if "bands" in change:
        band_names = ("from_amount", "to_amount", "rate_percent")
        sheet["commission_policy"]["bands"] = [
            dict(zip(band_names, band, strict=True)) for band in change["bands"]
        ]
    if "discounts" in change:
        names = ("product_code", "percent")
        sheet["discounts"] = [dict(zip(names, line, strict=True)) for line in change["discounts"]]
    return sheet
