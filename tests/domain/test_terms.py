"""The terms on the decision sheet (guide §2.3, FAQ Q5): level, start date, fields that may be disputed."""

from datetime import timedelta
from typing import Any, Final

import pytest

from domain.documents import SHEET_FIELDS, path_of
from domain.inquiry import Account, AccountAnswers
from domain.refusal import RefusedError
from tests import payloads
from tests.domain.applications import ENTERPRISE, START, UID, Journey, journey_to, refused, signature

MAIN: Final = "5000000000000002"
ASSOCIATED: Final = "5000000000000003"


def account(uid: str, **more: Any) -> Account:
    """An account of the applicant's enterprise."""
    return Account(uid=uid, enterprise=ENTERPRISE, **more)


class TestLevel:
    """FAQ Q5: the sheet's level is that of the accounts, as the directory has it when it is issued."""

    def issue(self, level: str, *accounts: Account) -> tuple[str, str]:
        """A sheet of this level for Main and Associated UID; the answer is '' when it is accepted."""
        journey = journey_to("company_confirmed")
        known = (account(UID, partner_level="platinum"), account(MAIN), account(ASSOCIATED))
        journey.directory = AccountAnswers(accounts=known)
        journey.say("submit_application", application=payloads.form(MAIN, associated_uids=[ASSOCIATED]))
        journey.say("approve_application", form_revision=1)
        journey.directory = AccountAnswers(accounts=accounts)
        sheet = payloads.sheet(start=START)
        sheet["basic"]["partner_level"] = level
        try:
            journey.say("issue_decision_sheet", sheet=sheet)
        except RefusedError as refusal:
            return refusal.error.value, refusal.message
        return "", ""

    def test_the_same_or_none_set(self) -> None:
        assert self.issue("gold", account(MAIN, partner_level="gold"), account(ASSOCIATED)) == ("", "")
        assert self.issue("gold", account(UID, partner_level="silver")) == ("", ""), (
            "the master's says nothing"
        )

    @pytest.mark.parametrize("wrong", [MAIN, ASSOCIATED])
    def test_another(self, wrong: str) -> None:
        for _ in range(2):
            assert self.issue("silver", account(wrong, partner_level="gold")) == (
                "uid_mismatch",
                f"sheet.basic.partner_level: UID {wrong} has partner level gold, the sheet says silver: "
                "correct the sheet, or have the account's level changed first.",
            )


class TestFieldsInQuestion:
    """A modification names fields that there are (guide §2.3)."""

    @pytest.mark.parametrize(
        "field",
        [
            *("basic", "basic.term_months", "basic.territories", "commitment", "commitment.amount"),
            *("commission_policy.bands", "commission_policy.bands[1].rate_percent", "discounts"),
            *("discounts[ecs]", "discounts[ecs].percent", "discounts[a-new-product].percent"),
        ],
    )
    def test_there_is(self, field: str) -> None:
        journey = journey_to("confirming_terms")
        journey.say("modify_terms", sheet_revision=1, description="Wrong.", fields=[field])
        assert journey.status.modification_fields == (field,)

    @pytest.mark.parametrize(
        "field",
        [
            *("basic.nonsense", "nonsense", "Basic", "basic.", "basic[1]", "basic.territories[1]"),
            *("discounts.percent", "discounts[]", "discounts[ecs", "discounts[ecs].price", "discounts[a][b]"),
        ],
    )
    def test_there_is_not(self, field: str) -> None:
        journey = journey_to("confirming_terms")
        error, message = refused(
            journey, "modify_terms", sheet_revision=1, description="Wrong.", fields=["discounts", field]
        )
        assert error == "invalid"
        assert message.startswith(
            f"fields: no field of a decision sheet is called '{field}'; there are: basic, "
        )
        assert message.endswith(", discounts[…].valid_to.")
        assert len(message) < 1_000

    def test_whatever_differs_between_two_sheets_can_be_named(self) -> None:
        status = journey_to("sheet_2").status
        assert status.sheet
        assert {path_of(change.field) for change in status.sheet.changes} <= set(SHEET_FIELDS)


class TestStartDates:
    """A contract start date that is past is accepted and told; of long ago, it is a slip of the pen."""

    def issue(self, day: str) -> Journey:
        """The sheet is issued, with this date."""
        journey = journey_to("qualified")
        journey.say("issue_decision_sheet", sheet=payloads.sheet(start=day))
        return journey

    def amend(self, day: str) -> Journey:
        """The contract is signed, and the date amended to this one."""
        journey = journey_to("signed")
        journey.say("amend_start_date", start_date=day, time_zone="Asia/Singapore", reason="As agreed.")
        return journey

    @pytest.mark.parametrize(
        ("day", "told"),
        [
            ("2026-03-01", "Sunday, 1 March 2026"),
            ("2025-01-01", "Wednesday, 1 January 2025"),
            ("2021-03-01", "Monday, 1 March 2021"),
        ],
    )
    def test_in_the_past_it_is_a_warning(self, day: str, told: str) -> None:
        for journey in (self.issue(day), self.amend(day)):
            assert journey.status.warnings == (
                f"The contract start date, {told} (Asia/Singapore), is past: "
                "the contract is in effect once both parties have signed, and access is opened as soon as "
                "nothing else is missing.",
            )
            assert journey.status.answer()["warnings"] == [*journey.status.warnings]

    @pytest.mark.parametrize(
        ("day", "told"),
        [("2031-03-05", "Wednesday, 5 March 2031"), ("2200-01-01", "Wednesday, 1 January 2200")],
    )
    def test_more_than_five_years_ahead_it_is_a_warning(self, day: str, told: str) -> None:
        for journey in (self.issue(day), self.amend(day)):
            assert journey.status.warnings == (
                f"The contract start date, {told} (Asia/Singapore), is more than five years ahead: "
                "access is opened only then.",
            )
            assert [warned.code for warned in journey.status.warned] == ["start_date_far"]
            later = journey.copy()
            later.now += timedelta(days=400)
            assert later.status.warnings == journey.status.warnings, "by the day it was set"

    @pytest.mark.parametrize("day", ["2026-03-02", "2027-01-01", "2031-03-03"])
    def test_from_today_on_it_is_none(self, day: str) -> None:
        for journey in (self.issue(day), self.amend(day)):
            assert journey.status.warnings == ()
        superseded = self.issue("2025-01-01")
        superseded.say("issue_decision_sheet", sheet=payloads.sheet(start=day))
        assert superseded.status.warnings == ()

    @pytest.mark.parametrize("day", ["2021-02-28", "2016-03-02", "1900-01-01"])
    def test_of_more_than_five_years_ago_it_is_refused(self, day: str) -> None:
        for kind, situation, field, said in (
            (
                "issue_decision_sheet",
                "qualified",
                "sheet.basic.contract_start_date",
                {"sheet": payloads.sheet(start=day)},
            ),
            (
                "amend_start_date",
                "signed",
                "start_date",
                {"start_date": day, "time_zone": "UTC", "reason": "x"},
            ),
        ):
            for _ in range(2):
                assert refused(journey_to(situation), kind, **said) == (
                    "invalid",
                    f"{field}: {day} lies more than five years back; the earliest possible is 2021-03-01: "
                    "correct the date.",
                )

    @pytest.mark.parametrize("amended", [False, True])
    def test_nobody_is_told_to_wait_for_a_date_that_is_past(self, amended: bool) -> None:
        """Between the signature and the opening of access the answer says how it stands."""
        if amended:
            journey = self.amend("2025-01-01")
        else:
            journey = self.issue("2025-01-01")
            journey.say("confirm_terms", **journey.terms())
            journey.say("sign_contract", **signature(journey, "partner"))
            journey.say("sign_contract", role="vendor", **signature(journey, "vendor"))
        assert journey.status.stage == "signed"
        access = journey.status.access
        assert (access.granted, access.reason) == (False, "being_opened")
        assert access.message == (
            "Your contract is in effect since Wednesday, 1 January 2025 (Asia/Singapore); access to the ACPN "
            "platform is being opened, and you will get an e-mail."
        )

    def test_a_date_to_come_is_waited_for(self) -> None:
        for journey in (journey_to("signed"), self.amend("2026-03-03")):
            assert journey.status.access.reason == "before_start_date"
            assert "is opened then, and you will get an e-mail" in journey.status.access.message
