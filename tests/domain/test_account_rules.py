"""Which accounts may belong to one application, and what a refusal tells to do (guide, FAQ Q1, Q3 to Q5)."""

from typing import Any, Final

import pytest

from domain.documents import BusinessType
from domain.inquiry import Account, AccountAnswers
from domain.refusal import RefusedError
from domain.status import Company, Warned, WarningCode
from tests import payloads
from tests.domain.applications import (
    ENTERPRISE,
    UID,
    directory,
    journey_to,
    refused,
)
from tests.payloads import Json

OTHER: Final = ENTERPRISE.model_copy(update={"legal_name": "Other Ltd.", "registration_number": "9"})


MAIN, ASSOCIATED = "5000000000000002", "5000000000000003"


def account(uid: str, enterprise: Company | None = ENTERPRISE, **more: Any) -> Account:
    return Account(uid=uid, enterprise=enterprise, **more)


class TestEnterprise:
    """FAQ Q1 and §2.2 Step 1."""

    @pytest.mark.parametrize(
        "known",
        [(account(UID, None),), (account(UID, ENTERPRISE.model_copy(update={"verified": False})),)],
        ids=["no enterprise", "not verified"],
    )
    @pytest.mark.parametrize("kind", ["confirm_company", "submit_application"])
    def test_not_verified(self, known: tuple[Account, ...], kind: str) -> None:
        journey = journey_to("drafting")
        journey.directory = AccountAnswers(accounts=known)
        payload = {"application": payloads.form(UID)} if kind == "submit_application" else {}

        assert refused(journey, kind, **payload) == (
            "enterprise_not_verified",
            f"Your account has not completed enterprise verification (UID {UID}): "
            "complete it by Go to Verify.",
        )

    @pytest.mark.parametrize("kind", ["confirm_company", "submit_application"])
    def test_an_account_nobody_knows_is_not_one_that_is_not_verified(self, kind: str) -> None:
        journey = journey_to("drafting")
        journey.directory = AccountAnswers()
        payload = {"application": payloads.form(UID)} if kind == "submit_application" else {}

        assert refused(journey, kind, **payload) == (
            "not_found",
            f"The account directory has no account of UID {UID}: check its digits, or open the account"
            " first.",
        )

    def test_company_not_confirmed(self) -> None:
        assert refused(journey_to("drafting"), "submit_application", application=payloads.form(UID)) == (
            "company_not_confirmed",
            "The company information is not confirmed yet: send confirm_company first.",
        )

    @pytest.mark.parametrize("kind", ["confirm_company", "submit_application"])
    def test_a_partner_needs_no_second_application(self, kind: str) -> None:
        journey = journey_to("drafting")
        journey.directory = AccountAnswers(accounts=directory().accounts, already_partner=True)
        payload = {"application": payloads.form(UID)} if kind == "submit_application" else {}

        assert refused(journey, kind, **payload) == (
            "already_partner",
            f"Company Master UID {UID} already has access to the ACPN platform.",
        )


class TestUids:
    """FAQ Q3, Q4 and Q5."""

    def submit(self, *accounts: Account, **changes: Any) -> tuple[str, str]:
        """Company Master, Main and Associated UID with these accounts; the answer is '' when accepted."""
        journey = journey_to("company_confirmed")
        journey.directory = AccountAnswers(accounts=(account(UID), *accounts))
        form = payloads.form(MAIN, **{"associated_uids": [ASSOCIATED], **changes})
        try:
            journey.say("submit_application", application=form)
        except RefusedError as refusal:
            return refusal.error.value, refusal.message
        return "", ""

    def test_that_another_application_covers(self) -> None:
        taken = AccountAnswers(
            accounts=(account(UID), account(MAIN), account(ASSOCIATED)), covered_elsewhere=(ASSOCIATED,)
        )
        journey = journey_to("company_confirmed")
        journey.directory = taken
        form = payloads.form(MAIN, associated_uids=[ASSOCIATED])
        error, message = refused(journey, "submit_application", application=form)
        assert error == "uid_mismatch"
        assert message.startswith(f"Another application covers UID {ASSOCIATED}: leave it out")
        form["associated_uids"] = []
        assert journey.say("submit_application", application=form).application.stage == "under_review"

    def test_all_of_one_enterprise(self) -> None:
        assert self.submit(account(MAIN), account(ASSOCIATED)) == ("", "")

    @pytest.mark.parametrize(
        ("main", "associated", "wrong"), [(OTHER, ENTERPRISE, MAIN), (ENTERPRISE, OTHER, ASSOCIATED)]
    )
    def test_of_another_enterprise(self, main: Company, associated: Company, wrong: str) -> None:
        assert self.submit(account(MAIN, main), account(ASSOCIATED, associated)) == (
            "uid_mismatch",
            f"UID {wrong} is verified for another enterprise than the Company Master UID {UID}: "
            "Company Master UID, Main UID and Associated UIDs must apply the same "
            "enterprise-verified information.",
        )

    def test_main_and_associated_are_verified_too(self) -> None:
        error, message = self.submit(account(MAIN), account(ASSOCIATED, None))
        assert error == "enterprise_not_verified"
        assert f"(UID {ASSOCIATED})" in message

    def test_main_and_associated_are_accounts(self) -> None:
        error, message = self.submit(account(MAIN))
        assert error == "not_found"
        assert f"UID {ASSOCIATED}:" in message

    def test_the_form_is_in_the_verified_enterprises_name(self) -> None:
        accounts = (account(MAIN), account(ASSOCIATED))
        assert self.submit(*accounts, legal_name="acme  CLOUD pte. ltd.") == ("", ""), "case and spaces aside"
        assert self.submit(*accounts, legal_name="Acme") == (
            "uid_mismatch",
            f"legal_name 'Acme' is not the name of the verified enterprise, '{ENTERPRISE.legal_name}': "
            "correct the form, or the verification.",
        )

    @pytest.mark.parametrize(
        ("main", "associated"),
        [(None, None), ("reseller", None), (None, "reseller"), ("reseller", "reseller")],
    )
    def test_business_types_that_agree(
        self, main: BusinessType | None, associated: BusinessType | None
    ) -> None:
        accounts = account(MAIN, business_type=main), account(ASSOCIATED, business_type=associated)
        assert self.submit(*accounts) == ("", "")

    @pytest.mark.parametrize(
        ("main", "associated", "wrong"),
        [("agency", None, MAIN), (None, "distributor", ASSOCIATED), ("reseller", "agency", ASSOCIATED)],
    )
    def test_business_types_that_do_not(
        self, main: BusinessType | None, associated: BusinessType | None, wrong: str
    ) -> None:
        accounts = account(MAIN, business_type=main), account(ASSOCIATED, business_type=associated)
        error, message = self.submit(*accounts)
        assert error == "uid_mismatch"
        assert message.startswith(f"UID {wrong} has business type {main if wrong == MAIN else associated}, ")
        assert message.endswith("Main UID and Associated UIDs must have the same business type.")

    def test_partner_levels(self) -> None:
        gold, unset = account(MAIN, partner_level="gold"), account(ASSOCIATED)
        assert self.submit(gold, unset) == ("", ""), "an account with none set matches any"
        assert self.submit(gold, account(ASSOCIATED, partner_level="silver")) == (
            "uid_mismatch",
            f"Main UID and Associated UIDs must have the same partner level: {MAIN} has gold, "
            f"{ASSOCIATED} has silver.",
        )

    def test_the_company_master_uids_own_type_and_level_do_not_count(self) -> None:
        journey = journey_to("company_confirmed")
        master = account(UID, business_type="agency", partner_level="silver")
        journey.directory = AccountAnswers(accounts=(master, account(MAIN, partner_level="gold")))
        journey.say("submit_application", application=payloads.form(MAIN))
        assert journey.status.stage == "under_review"

    def test_a_company_master_uid_that_may_not_distribute_is_a_warning(self) -> None:
        journey = journey_to("company_confirmed")
        journey.directory = AccountAnswers(accounts=(account(UID), account(MAIN)))
        assert not journey.status.warnings
        journey.say("submit_application", application=payloads.form(MAIN))

        assert journey.status.warnings == (
            f"The Company Master UID {UID} may not carry out distribution business: "
            "enter it as Main UID or Associated UID if it shall.",
        )
        warned = (Warned(code=WarningCode.MASTER_UID_NOT_COVERED, uid=UID),)
        assert journey.status.warned == warned, "and the same for programs"
        assert [mail.said["warnings"] for mail in journey.mails[-2:]] == [warned] * 2

    @pytest.mark.parametrize("form", [payloads.form(UID), payloads.form(MAIN, associated_uids=[UID])])
    def test_as_main_or_associated_uid_it_may(self, form: Json) -> None:
        journey = journey_to("company_confirmed")
        journey.directory = AccountAnswers(accounts=(account(UID), account(MAIN)))
        journey.say("submit_application", application=form)
        assert (journey.status.warnings, journey.status.warned) == ((), ())
