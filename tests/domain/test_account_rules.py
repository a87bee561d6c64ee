"""Which accounts may belong to one application, and what a refusal tells to do (guide, FAQ Q1, Q3 to Q5)."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from domain.account_rules import covered_before
from domain.contract import Stage
from domain.documents import BusinessType
from domain.inquiry import Account, AccountAnswers, Covering
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
EARLY: Final = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
THEIRS: Final = Covering(
    uid=ASSOCIATED,
    application_id="run-2",
    company_master_uid="5000000000000009",
    company_name="Beta Ltd.",
    stage=Stage.UNDER_REVIEW,
    submitted_at=EARLY,
)
OURS: Final = THEIRS.model_copy(
    update={"application_id": "run-1", "company_name": "Acme", "submitted_at": EARLY + timedelta(seconds=1)}
)


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


def both(ours: Covering | None, theirs: Covering) -> AccountAnswers:
    """Who covers the associated account, as the database has it."""
    return AccountAnswers(
        accounts=(account(UID), account(ASSOCIATED)), covered_by=(*((ours,) if ours else ()), theirs)
    )


def changed(covering: Covering, **changes: Any) -> Covering:
    return covering.model_copy(update=changes)


class TestWhoComesFirst:
    """Of two applications that cover an account, as when both were submitted at once, one goes on."""

    @pytest.mark.parametrize(
        ("ours", "theirs", "first"),
        [
            (OURS, THEIRS, "run-2"),
            (changed(OURS, submitted_at=EARLY), THEIRS, "run-1"),
            (changed(OURS, submitted_at=EARLY - timedelta(days=1)), THEIRS, "run-1"),
            (changed(OURS, submitted_at=EARLY), changed(THEIRS, stage=Stage.ACTIVE), "run-2"),
            (changed(OURS, submitted_at=EARLY), changed(THEIRS, stage=Stage.SIGNED), "run-2"),
            (changed(OURS, submitted_at=EARLY), changed(THEIRS, stage=Stage.ACTIVATING), "run-2"),
            (changed(OURS, stage=Stage.SIGNED), changed(THEIRS, stage=Stage.ACTIVATING), "run-2"),
            (changed(OURS, stage=Stage.SIGNED), changed(THEIRS, stage=Stage.ACTIVE), "run-2"),
            (changed(OURS, stage=Stage.SIGNED), changed(THEIRS, stage=Stage.QUALIFIED), "run-1"),
            (OURS, changed(THEIRS, stage=Stage.ACTIVE, submitted_at=None), "run-2"),
            (OURS, changed(THEIRS, submitted_at=None), "run-2"),
            (None, changed(THEIRS, submitted_at=EARLY + timedelta(days=9)), "run-2"),
        ],
    )
    def test_never_both_and_never_none(self, ours: Covering | None, theirs: Covering, first: str) -> None:
        mine = journey_to("under_review").application
        yours = mine.but(application_id="run-2")
        assert mine.application_id == "run-1"
        for accounts in (
            both(ours, theirs),
            both(ours, theirs).model_copy(
                update={"covered_by": tuple(reversed(both(ours, theirs).covered_by))}
            ),
        ):
            refused_for_us = covered_before(mine, (ASSOCIATED,), accounts)
            refused_for_them = covered_before(yours, (ASSOCIATED,), accounts)
            assert [bool(refused_for_us), bool(refused_for_them)] == [first == "run-2", first == "run-1"]
            assert covered_before(mine, (MAIN,), accounts) == ()

    @pytest.mark.parametrize(
        ("situation", "kind", "way_out"),
        [
            ("under_review", "approve_application", "have the partner withdraw the form and submit it"),
            ("qualified", "issue_decision_sheet", "cancel this application, so that the partner can join"),
            ("confirming_terms", "issue_decision_sheet", "cancel this application, so that the partner can"),
        ],
    )
    def test_bd_is_refused_and_reads_whose_it_is_and_what_to_do(
        self, situation: str, kind: str, way_out: str
    ) -> None:
        journey = journey_to(situation)
        journey.directory = directory().model_copy(
            update={"covered_by": (changed(OURS, uid=UID), changed(THEIRS, uid=UID))}
        )
        said = journey.something_new(kind)
        for _ in range(2):
            error, message = refused(journey, kind, **said)
            assert error == "uid_mismatch"
            assert message.startswith(
                f"Another application comes first: UID {UID} is covered by that of Beta Ltd., "
                "Company Master UID 5000000000000009 (stage 'under_review'). "
                "Have it taken out or ended there; or "
            )
            assert way_out in message
        journey.directory = directory()
        journey.say(kind, **said)

    def test_the_partner_is_refused_at_the_confirmation_and_reads_no_name(self) -> None:
        journey = journey_to("confirming_terms")
        journey.directory = AccountAnswers(covered_by=(changed(THEIRS, uid=UID),))
        assert refused(journey, "confirm_terms", **journey.terms()) == (
            "uid_mismatch",
            f"Another application covers UID {UID}, and comes first: please consult your BD, who settles "
            "which of the two goes on.",
        )

    def test_what_was_recorded_without_the_uid_reads_without_it(self) -> None:
        journey = journey_to("under_review")
        recorded = changed(THEIRS, uid=UID, company_master_uid=None)
        journey.directory = directory().model_copy(update={"covered_by": (recorded,)})
        _, message = refused(journey, "approve_application", **journey.something_new("approve_application"))
        assert "covered by that of Beta Ltd. (stage 'under_review')." in message

    @pytest.mark.parametrize(
        ("situation", "kind"),
        [
            ("under_review", "approve_application"),
            ("qualified", "issue_decision_sheet"),
            ("confirming_terms", "confirm_terms"),
        ],
    )
    def test_who_comes_first_goes_on(self, situation: str, kind: str) -> None:
        journey = journey_to(situation)
        journey.directory = directory().model_copy(
            update={"covered_by": (changed(OURS, uid=UID, submitted_at=EARLY), changed(THEIRS, uid=UID))}
        )
        assert journey.say(kind, **journey.something_new(kind)).application.stage != situation

    def test_a_form_that_was_first_may_be_submitted_again(self) -> None:
        """Or the one would be refused at its submission, the other at its approval, for ever."""
        journey = journey_to("withdrawn")
        journey.directory = directory().model_copy(
            update={"covered_by": (changed(OURS, uid=UID, submitted_at=EARLY), changed(THEIRS, uid=UID))}
        )
        form = payloads.form(UID, qualification="Now certified.")
        assert journey.say("submit_application", application=form).application.stage == "under_review"

    def test_an_account_with_access_by_another_is_no_company_to_confirm(self) -> None:
        journey = journey_to("drafting")
        journey.application = journey.application.but(account_covered=True)
        running = changed(THEIRS, uid=UID)
        journey.directory = directory().model_copy(
            update={"covered_by": (changed(running, stage=Stage.ACTIVE),)}
        )
        error, message = refused(journey, "confirm_company")
        assert error == "uid_mismatch"
        assert message.startswith(f"UID {UID} has access to the ACPN platform already, by another company's")
        journey.directory = directory().model_copy(update={"covered_by": (running,)})
        assert journey.say("confirm_company").application.company_confirmed
        assert not journey.application.account_covered


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
            accounts=(account(UID), account(MAIN), account(ASSOCIATED)), covered_by=(THEIRS,)
        )
        journey = journey_to("company_confirmed")
        journey.directory = taken
        form = payloads.form(MAIN, associated_uids=[ASSOCIATED])
        error, message = refused(journey, "submit_application", application=form)
        assert error == "uid_mismatch"
        assert message.startswith(f"Another application covers UID {ASSOCIATED}: leave it out")
        assert "Beta" not in message, "whose it is, is no affair of this partner's"
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
