"""How a command or a due clock is judged, where the tables of `test_lifecycle_table.py` can't say it."""

import pytest
from pydantic import ValidationError

from domain import decisions
from domain.audiences import FAREWELLS
from domain.contract import Command
from domain.facts import compose
from domain.inquiry import AccountAnswers, Inquiry
from domain.notice import Audience
from domain.notices import ContractSigned, SheetToConfirm, TermsConfirmed
from domain.refusal import RefusedError
from domain.status import FailedEmail
from tests import payloads
from tests.domain.applications import Journey, directory, journey_to, signature


def test_a_refusal_says_who_may_and_what_is_possible() -> None:
    journey = journey_to("awaiting_signatures")

    with pytest.raises(RefusedError) as forbidden:
        journey.judge("sign_contract", role="bd", **signature(journey, "vendor"))
    with pytest.raises(RefusedError) as wrong_stage:
        journey.judge("approve_application", role="bd_lead", form_revision=7)
    journey = journey_to("partner_signed")
    with pytest.raises(RefusedError) as after_signature:
        journey.judge("choose_signing_path", path="offline_paper", order="any")

    assert forbidden.value.message == (
        "Role 'bd' may not send 'sign_contract' for party 'vendor'; it is for: vendor, esign."
    )
    assert wrong_stage.value.message == (
        "'approve_application' is not possible in stage 'awaiting_signatures' (Waiting for signing contract)."
        " Possible now for 'bd_lead': reopen_terms, record_contact, choose_signing_path, reassign_bd,"
        " reassign_lead, correct_contact, resend_email, cancel_application."
    )
    assert after_signature.value.message == (
        "'choose_signing_path' is not possible in stage 'awaiting_signatures' (Waiting for signing contract) "
        "after a signature. Possible now for 'bd': reopen_terms, record_contact, "
        "correct_contact, resend_email, cancel_application."
    )


def overdue(stage: str) -> Journey:
    """In this stage, with BD's deadline missed."""
    journey = journey_to(stage)
    while not journey.status.overdue:
        journey.wait()
    return journey


class TestNotices:
    """Whom a notice reaches, and what it says."""

    def test_a_notice_reaches_its_audience_at_the_time_of_the_transition(self) -> None:
        for journey in (journey_to("started"), overdue("under_review"), overdue("awaiting_signatures")):
            for mail in journey.mails:
                address = {
                    Audience.PARTNER: "ann.tan@acme.example.com",
                    Audience.BD: payloads.BD["email"],
                    Audience.BD_LEAD: payloads.BD_LEAD["email"],
                }[mail.audience]
                assert mail.to.email == address
                assert mail.bd.name == payloads.BD["name"], "whom the partner may consult"

    def test_each_has_a_key_of_its_own_that_stays_the_same(self) -> None:
        journey = journey_to("started")

        keys = [mail.key for mail in journey.mails]

        assert len(set(keys)) == len(keys) == len(journey.mails) > 10
        assert keys == [mail.key for mail in journey_to("started").mails]

    def test_until_a_form_is_accepted_the_joins_contact_is_written_to(self) -> None:
        mails = journey_to("expired").mails
        assert {(mail.to.name, mail.to.email) for mail in mails} == {("Ann Tan", "join@acme.example.com")}

    def test_a_new_bd_gets_the_mails_from_then_on(self) -> None:
        journey = journey_to("qualified")
        journey.say("reassign_bd", **journey.something_new("reassign_bd"))
        journey.wait()

        told = [(mail.template, mail.to.email) for mail in journey.mails[-3:]]
        assert told == [
            ("handed_over", payloads.BD["email"]),
            ("assigned_to_bd", "nia@vendor.example.com"),
            ("sheet_reminder", "nia@vendor.example.com"),
        ]
        assert len({mail.key for mail in journey.mails}) == len(journey.mails)
        assert journey.status.bd
        assert journey.status.bd.name == "Nia New"

    def test_a_new_lead_gets_the_mails_from_then_on_and_the_former_one_is_told(self) -> None:
        journey = overdue("under_review")
        journey.say("reassign_lead", **journey.something_new("reassign_lead"))
        told = [(mail.template, mail.to.email) for mail in journey.mails[-2:]]
        assert told == [
            ("lead_handed_over", payloads.BD_LEAD["email"]),
            ("assigned_to_lead", "leo@vendor.example.com"),
        ]
        assert journey.status.bd_lead
        assert journey.status.bd_lead.name == "Leo New"

    def test_each_former_bd_is_told_at_his_own_address(self) -> None:
        journey = journey_to("qualified")
        for name in ("one", "two", "three"):
            journey.say("reassign_bd", bd={"name": name, "email": f"{name}@vendor.example.com"})
        told = [mail.to.name for mail in journey.mails if mail.template == "handed_over"]
        assert told == [payloads.BD["name"], "one", "two"]

    def test_each_who_is_put_in_charge_is_named_by_the_notice_to_him(self) -> None:
        """It may leave together with the next one, when he no longer is."""
        journey = journey_to("qualified")
        for name in ("one", "two"):
            journey.say("reassign_bd", bd={"name": name, "email": f"{name}@vendor.example.com"})
            journey.say("reassign_lead", bd_lead={"name": f"lead {name}", "email": f"{name}@v.example"})
        named = [
            (mail.template, mail.notice.addressee.name) for mail in journey.mails if mail.notice.addressee
        ]
        assert named == [
            ("handed_over", payloads.BD["name"]),
            ("assigned_to_bd", "one"),
            ("lead_handed_over", payloads.BD_LEAD["name"]),
            ("assigned_to_lead", "lead one"),
            ("handed_over", "one"),
            ("assigned_to_bd", "two"),
            ("lead_handed_over", "lead one"),
            ("assigned_to_lead", "lead two"),
        ]
        assert sorted(FAREWELLS) == ["handed_over", "lead_handed_over"]

    @pytest.mark.parametrize("template", sorted(FAREWELLS))
    def test_a_farewell_that_does_not_arrive_bothers_nobody(self, template: str) -> None:
        journey = journey_to("qualified")
        failed = FailedEmail(key=f"9.{template}", template=template, to="x@y.z", reason="550", at=journey.now)
        bounced = decisions.mails_bounced(journey.application, (failed,))
        assert (bounced.notices, bounced.application.failed_emails) == ((), ())
        other = failed.model_copy(update={"template": "assigned_to_bd"})
        both = decisions.mails_bounced(journey.application, (failed, other))
        assert both.application.failed_emails == (other,)

    def test_the_notice_to_a_new_bd_names_what_is_due(self) -> None:
        journey = journey_to("confirming_terms")
        journey.say("reassign_bd", **journey.something_new("reassign_bd"))
        assert journey.mails[-1].said["deadline"].kind == "reminder"

        journey = overdue("under_review")
        journey.say("reassign_bd", **journey.something_new("reassign_bd"))
        assert journey.mails[-1].said["deadline"] is None, "the only one is past"

    def test_notices_to_the_partner_are_in_the_language_of_the_application(self) -> None:
        journey = Journey(locale="zh")
        journey.wait()
        assert [mail.locale for mail in journey.mails] == ["zh"]

    def test_the_company_is_called_by_the_best_name_known(self) -> None:
        drafting = journey_to("drafting").application
        assert drafting.company_name == payloads.ENTERPRISE
        assert drafting.but(company=None).company_name == "Ann Tan"
        assert journey_to("qualified").application.company_name == payloads.ENTERPRISE

    def test_the_second_sheet_comes_with_its_differences(self) -> None:
        mail = journey_to("sheet_2").mails[-1]
        assert (mail.template, mail.said["sheet_revision"]) == ("sheet_to_confirm", 2)
        assert mail.sheet
        assert [change.model_dump() for change in mail.sheet.changes] == [
            {"field": "discounts[ecs].percent", "before": "10", "after": "11"}
        ]

    def test_a_notice_without_its_facts_is_a_bug_that_shows(self) -> None:
        journey = journey_to("qualified")
        for notice in (SheetToConfirm, TermsConfirmed, ContractSigned):
            with pytest.raises(ValidationError, match=r"sheet|day"):
                compose(notice, journey.application)

    def test_the_last_notice_names_the_accounts_that_have_access(self) -> None:
        mail = journey_to("active").mails[-1]
        assert (mail.template, mail.said["covered_uids"]) == ("access_granted", ("5000000000000001",))


class TestFailedMails:
    """Whom a mail that can't be delivered is told to; a notice to the lead is only shown."""

    @pytest.mark.parametrize(
        ("templates", "alerts"),
        [
            (["sheet_to_confirm"], ["email_failed"]),
            (["review_requested"], ["email_to_bd_failed"]),
            (["review_overdue"], []),
            (
                ["review_requested", "sheet_to_confirm", "terms_confirmed"],
                ["email_failed", "email_to_bd_failed"],
            ),
        ],
    )
    def test_alerts(self, templates: list[str], alerts: list[str]) -> None:
        journey = journey_to("qualified")
        failed = tuple(
            FailedEmail(key=f"{n}.{name}", template=name, to="a@b.example.com", reason="550", at=journey.now)
            for n, name in enumerate(templates)
        )

        decision = decisions.mails_bounced(journey.application, failed)

        told = [notice.model_fields["template"].default for notice in decision.notices]
        assert told == alerts
        assert decision.application.failed_emails == failed
        assert decision.application.stage == "qualified"

    def test_one_sent_again_is_not_sent_a_third_time(self) -> None:
        journey = journey_to("qualified")
        key = journey.bounce()
        journey.say("resend_email", key=key)
        assert journey.say("resend_email", key=key).resend is None

    def test_a_corrected_contact_holds_until_a_form_is_submitted_again(self) -> None:
        journey = journey_to("under_review")
        journey.say("correct_contact", email="ann@acme.example.com")
        contact = journey.application.recipient
        assert (contact.name, contact.email) == ("Ann Tan", "ann@acme.example.com")
        journey.say("withdraw_application")
        journey.say("submit_application", **journey_to("under_review").said["submit_application"])
        assert journey.application.recipient.email == "ann.tan@acme.example.com"


def asked(journey: Journey, command: Command) -> Inquiry:
    """What has to be known before the command can be decided on."""
    return decisions.inquiry(journey.application, command, journey.now, journey.transitions)


class TestDirectory:
    """What is asked of the account directory, and when it does not answer."""

    def test_only_the_commands_that_need_it_ask(self) -> None:
        journey = journey_to("company_confirmed")
        submitted = journey.command(
            "submit_application", application=payloads.form("1", associated_uids=["2"])
        )
        query = asked(journey, submitted).accounts
        assert query
        assert (query.company_master_uid, query.uids) == ("5000000000000001", ("1", "2"))
        assert query.legal_name == payloads.ENTERPRISE

        confirmed = asked(journey_to("drafting"), journey.command("confirm_company")).accounts
        assert confirmed
        assert (confirmed.uids, confirmed.legal_name) == (("5000000000000001",), None)
        declined = journey.command("cancel_application", reason="No.")
        assert asked(journey, declined).accounts is None

    def test_it_is_not_asked_for_what_is_refused_or_done_anyway(self) -> None:
        journey = journey_to("qualified")
        again = journey.command("confirm_company")
        late = journey.command("submit_application", application=payloads.form("1"))

        assert asked(journey, again).empty
        with pytest.raises(RefusedError, match="is not possible in stage"):
            asked(journey, late)

    def test_no_answer_is_unavailable_and_changes_nothing(self) -> None:
        journey = journey_to("drafting")
        journey.directory = None

        with pytest.raises(RefusedError, match="send it again later") as refused:
            journey.say("confirm_company")

        assert refused.value.error == "unavailable"
        assert not journey.status.company_confirmed

    def test_the_company_confirmed_is_what_the_directory_says_now(self) -> None:
        journey = journey_to("drafting")
        journey.application = journey.application.but(company=None)
        journey.directory = directory()
        journey.say("confirm_company")
        assert journey.status.company
        assert journey.status.company.legal_name == payloads.ENTERPRISE

    def test_who_became_a_partner_meanwhile_is_refused(self) -> None:
        journey = journey_to("company_confirmed")
        journey.directory = AccountAnswers(accounts=directory().accounts, already_partner=True)

        with pytest.raises(RefusedError, match="already has access") as refused:
            journey.say("submit_application", application=payloads.form("5000000000000001"))

        assert refused.value.error == "already_partner"


class TestSigning:
    """Signatures, their order, and voiding them."""

    def test_esign_signs_for_the_party_it_names(self) -> None:
        journey = journey_to("awaiting_signatures")
        journey.say("sign_contract", role="esign", **signature(journey, "vendor"))
        assert journey.status.waiting_on == "partner"
        journey.say("sign_contract", role="esign", **signature(journey, "partner"))
        assert journey.status.stage == "signed"

    def test_whose_turn_it_is_follows_the_order(self) -> None:
        turn = {}
        for order in ("any", "partner_first", "vendor_first"):
            journey = journey_to("awaiting_signatures")
            if order != "any":
                journey.say("choose_signing_path", path="online_esign", order=order)
            turn[order] = journey.status.waiting_on.value
        assert turn == {"any": "both", "partner_first": "partner", "vendor_first": "bd"}

    def test_reopening_voids_signatures_and_confirmation_and_asks_bd_for_a_new_sheet(self) -> None:
        journey = journey_to("reopened")
        status = journey.status

        assert status.stage == "correcting_terms"
        assert status.waiting_on == "bd"
        assert (status.signing.partner, status.signing.vendor, status.confirmed_revision) == (
            None,
            None,
            None,
        )
        assert status.modification == "The level is wrong."
        assert status.sheet
        assert status.sheet.revision == 2
        assert "sign_contract" not in status.allowed_commands

    def test_hash_notices_may_be_of_any_case(self) -> None:
        journey = journey_to("confirming_terms")
        terms = journey.terms()
        journey.say("confirm_terms", **terms | {"sheet_hash": terms["sheet_hash"].upper()})
        assert journey.status.stage == "awaiting_signatures"


class TestEnds:
    """Who ended an application, and why."""

    def test_rejection(self) -> None:
        status = journey_to("rejected").status
        assert status.rejection
        assert (status.rejection.reason_code, status.rejection.explanation) == (
            "NO_FIT",
            "Get certified first.",
        )
        assert status.outcome == "rejected"

    def test_declining_is_by_the_partner_and_cancelling_by_bd(self) -> None:
        declined = journey_to("cancelled").status
        assert declined.closing
        assert (declined.closing.by, declined.closing.reason) == ("partner", "Changed our mind.")
        journey = journey_to("qualified")
        journey.say("cancel_application", role="bd_lead", reason="No budget.")
        assert journey.status.closing
        assert (journey.status.closing.by, journey.status.closing.reason) == ("bd_lead", "No budget.")

    def test_who_ended_it_reads_so(self) -> None:
        for stage in ("active", "rejected", "cancelled", "expired"):
            with pytest.raises(RefusedError, match="The application has ended") as refused:
                journey_to(stage).say("cancel_application", reason="Late.")
            assert refused.value.error == "closed"
            assert ("neither changed nor ended here" in refused.value.message) is (stage == "active")
            assert ("add_associated_uid, remove_associated_uid" in refused.value.message) is (
                stage == "active"
            )
