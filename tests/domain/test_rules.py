"""What a command has to meet once role and stage are right, and what a refusal tells to do (guide, FAQ)."""

from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

import pytest

from domain.audit import Verdict
from domain.contract import Party
from domain.inquiry import Account
from domain.refusal import RefusedError
from domain.signing import parties_to_sign
from domain.status import Signature, Signing
from domain.terms import sheet_is_current
from tests import payloads
from tests.domain.applications import (
    ENTERPRISE,
    UID,
    Journey,
    directory,
    journey_to,
    refused,
    signature,
)
from tests.payloads import Json


class TestTheCompanyThatIsShown:
    """What is confirmed is what was shown; the directory may have another company meanwhile."""

    RENAMED: Final = ENTERPRISE.model_copy(update={"legal_name": "Acme Global Pte. Ltd."})

    def renamed(self, situation: str) -> Journey:
        """A journey whose company is another by now, as far as the directory knows."""
        journey = journey_to(situation)
        journey.directory = directory(Account(uid=UID, enterprise=self.RENAMED))
        return journey

    def shown(self, journey: Journey) -> str:
        """The hash of the company the status shows."""
        company = journey.status.company
        assert company
        assert company.hash
        return company.hash

    def say(self, journey: Journey, kind: str, **payload: Any) -> str:
        """What it is refused with, or ``""``."""
        try:
            journey.say(kind, **payload)
        except RefusedError as refusal:
            return refusal.error.value
        return ""

    def test_its_hash_is_that_of_who_it_is(self) -> None:
        journey = journey_to("drafting")
        text = '{"country":"SG","legal_name":"Acme Cloud Pte. Ltd.","registration_number":"201912345K"}'
        assert self.shown(journey) == sha256(text.encode()).hexdigest()
        unverified = ENTERPRISE.model_copy(update={"verified": False})
        assert unverified.digest == ENTERPRISE.digest
        assert self.RENAMED.digest != ENTERPRISE.digest

    @pytest.mark.parametrize("named", [False, True])
    def test_another_one_is_refused_once_and_shown(self, named: bool) -> None:
        journey = self.renamed("drafting")
        for error in ("stale_revision", ""):
            payload = {"company_hash": self.shown(journey).upper()} if named else {}
            assert self.say(journey, "confirm_company", **payload) == error
            assert journey.status.company_confirmed is (error == "")
            assert self.shown(journey) == self.RENAMED.digest

    def test_the_one_it_was_before_is_no_more(self) -> None:
        journey = self.renamed("drafting")
        for _ in range(2):
            assert self.say(journey, "confirm_company", company_hash=ENTERPRISE.digest) == "stale_revision"
            assert self.shown(journey) == self.RENAMED.digest
        assert self.say(journey, "confirm_company", company_hash=self.RENAMED.digest) == ""

    def test_who_has_seen_the_newest_first_may_say_so(self) -> None:
        journey = self.renamed("drafting")
        assert self.say(journey, "confirm_company", company_hash=self.RENAMED.digest) == ""
        assert self.shown(journey) == self.RENAMED.digest

    def test_where_none_was_shown_there_is_none_it_could_have_been_taken_for(self) -> None:
        journey = journey_to("drafting")
        journey.application = journey.application.but(company=None)
        assert self.say(journey, "confirm_company", company_hash="ab") == "stale_revision"
        assert self.shown(journey) == ENTERPRISE.digest
        journey.application = journey.application.but(company=None)
        assert self.say(journey, "confirm_company") == ""

    def test_who_names_another_than_was_confirmed_undoes_nothing(self) -> None:
        journey = journey_to("company_confirmed")
        assert self.say(journey, "confirm_company", company_hash="ab") == "stale_revision"
        assert journey.status.company_confirmed
        assert journey.judge("confirm_company", company_hash=ENTERPRISE.digest).verdict is Verdict.NO_OP

    @pytest.mark.parametrize("situation", ["company_confirmed", "withdrawn"])
    def test_a_form_is_not_submitted_for_another_than_was_confirmed(self, situation: str) -> None:
        journey = self.renamed(situation)
        form = payloads.form(UID, legal_name=self.RENAMED.legal_name)
        for _ in range(2):
            assert self.say(journey, "submit_application", application=form) == "company_not_confirmed"
            assert (self.shown(journey), journey.status.company_confirmed) == (self.RENAMED.digest, False)
        assert self.say(journey, "confirm_company", company_hash=self.RENAMED.digest) == ""
        assert self.say(journey, "submit_application", application=form) == ""
        assert self.shown(journey) == self.RENAMED.digest


class TestRevisions:
    """Approval names the form read, confirmation and signatures the sheet."""

    def test_the_form_bd_has_read(self) -> None:
        journey = journey_to("withdrawn")
        journey.say("submit_application", application=payloads.form(UID))
        assert refused(journey, "approve_application", form_revision=1) == (
            "stale_revision",
            "The form is at revision 2, not 1: read the current form, then send the command for that one.",
        )

    @pytest.mark.parametrize(
        ("situation", "kind"), [("sheet_2", "confirm_terms"), ("sheet_2_confirmed", "sign_contract")]
    )
    def test_the_sheet_by_number_and_by_hash(self, situation: str, kind: str) -> None:
        journey = journey_to(situation)
        terms = journey.terms()
        said = signature(journey, "partner") if kind == "sign_contract" else terms
        old = terms | {"sheet_revision": 1}, "revision 2, not revision 1"
        wrong = (
            terms | {"sheet_hash": "ab" * 32},
            f"revision 2 with hash {terms['sheet_hash']}, not hash {'ab' * 32}",
        )

        for stale, told in (old, wrong):
            error, message = refused(journey, kind, **said | stale)
            assert error == "stale_revision"
            assert message == (
                f"The decision sheet is at {told}: "
                "read the current sheet, then send the command for that one."
            )

    def test_a_modification_names_the_revision_only(self) -> None:
        error, message = refused(
            journey_to("sheet_2"), "modify_terms", sheet_revision=1, description="ECS at 15 %"
        )
        assert error == "stale_revision"
        assert "at revision 2" in message
        assert ", not revision 1: " in message

    @pytest.mark.parametrize(
        ("kind", "asked"),
        [
            ("withdraw_application", False),
            ("withdraw_application", True),
            ("request_justification", False),
            ("provide_justification", True),
            ("reject_application", False),
            ("reject_application", True),
        ],
    )
    def test_who_names_the_form_means_that_one(self, kind: str, asked: bool) -> None:
        journey = journey_to("withdrawn")
        journey.say("submit_application", application=payloads.form(UID))
        if asked:
            journey.say("request_justification", question="Who?")
        said = journey.something_new(kind)
        assert refused(journey, kind, **said, form_revision=1) == (
            "stale_revision",
            "The form is at revision 2, not 1: read the current form, then send the command for that one.",
        )
        current: Json = {"form_revision": 2}
        for named in (current, {}):
            assert journey.judge(kind, **said | named).verdict is Verdict.ACCEPTED

    def test_terms_are_reopened_as_they_were_read(self) -> None:
        journey = journey_to("sheet_2_confirmed")
        error, message = refused(journey, "reopen_terms", reason="Wrong.", sheet_revision=1)
        assert error == "stale_revision"
        assert "at revision 2, not revision 1: " in message
        current: Json = {"reason": "Wrong.", "sheet_revision": 2}
        for said in (current, {"reason": "Wrong."}):
            assert journey.judge("reopen_terms", **said).verdict is Verdict.ACCEPTED

    def test_without_a_sheet_there_is_nothing_to_confirm(self) -> None:
        journey = journey_to("qualified")
        with pytest.raises(RefusedError, match="No decision sheet has been issued yet"):
            sheet_is_current(journey.application, 1, None)


# path, order, who signs first, with a document? -> first signature; then the other's
SIGNATURES = """
online_esign        any            partner  no   ok
online_esign        any            vendor   no   ok
online_esign        partner_first  partner  no   ok
online_esign        partner_first  vendor   no   signature_order
online_esign        vendor_first   partner  no   signature_order
online_esign        vendor_first   vendor   no   ok
offline_paper       any            partner  no   invalid
offline_paper       any            partner  yes  ok
offline_paper       any            vendor   no   invalid
offline_paper       any            vendor   yes  ok
offline_paper       partner_first  partner  no   invalid
offline_paper       partner_first  partner  yes  ok
offline_paper       partner_first  vendor   yes  signature_order
offline_paper       vendor_first   partner  yes  signature_order
offline_paper       vendor_first   vendor   yes  ok
framework_addendum  any            partner  no   ok
framework_addendum  any            vendor   no   ok
framework_addendum  partner_first  partner  no   ok
framework_addendum  partner_first  vendor   no   signature_order
framework_addendum  vendor_first   partner  no   signature_order
framework_addendum  vendor_first   vendor   no   ok
"""


class TestSigning:
    """Paths and orders (guide §2.4)."""

    @pytest.mark.parametrize("row", SIGNATURES.strip().splitlines())
    def test_who_may_sign_first_and_with_what(self, row: str) -> None:
        path, order, party, document, expected = row.split()
        journey = journey_to("awaiting_signatures")
        journey.say("choose_signing_path", path=path, order=order)
        evidence = {"document_ref": "DOC-1"} if document == "yes" else {}
        first = signature(journey, party) | evidence
        if expected != "ok":
            assert refused(journey, "sign_contract", role="esign", **first)[0] == expected
            return

        journey.say("sign_contract", role="esign", **first)
        assert journey.status.stage == "awaiting_signatures"
        other = "vendor" if party == "partner" else "partner"
        journey.say("sign_contract", role="esign", **signature(journey, other) | evidence)

        assert journey.status.stage == "signed"
        signing = journey.status.signing
        assert signing.partner
        assert (signing.path, signing.order, signing.partner.document_ref) == (
            path,
            order,
            evidence.get("document_ref"),
        )

    def test_each_refusal_says_what_to_do(self) -> None:
        journey = journey_to("awaiting_signatures")
        journey.say("choose_signing_path", path="offline_paper", order="vendor_first")
        assert refused(journey, "sign_contract", **signature(journey, "partner")) == (
            "signature_order",
            "The order of signatures is vendor_first: the vendor has to sign first.",
        )
        assert refused(journey, "sign_contract", role="vendor", **signature(journey, "vendor")) == (
            "invalid",
            "document_ref: a signature on paper needs the reference of the signed document as evidence, here "
            "or in `evidence` with its hash.",
        )
        signed = journey_to("partner_signed")
        other = signature(signed, "partner") | {"signer_name": "Bea Tan"}
        assert refused(signed, "sign_contract", **other) == (
            "invalid",
            "The partner has signed already (Ann Tan): BD can void signatures with reopen_terms.",
        )

    @pytest.mark.parametrize("ahead", [timedelta(minutes=5, seconds=1), timedelta(days=400)])
    @pytest.mark.parametrize("role", ["partner", "esign"])
    def test_of_the_future_there_are_none(self, role: str, ahead: timedelta) -> None:
        journey = journey_to("awaiting_signatures")
        signed_at = (journey.now + ahead).isoformat()
        for _ in range(2):
            error, message = refused(
                journey,
                "sign_contract",
                role=role,
                **signature(journey, "partner") | {"signed_at": signed_at},
            )
            assert error == "invalid"
            assert message.startswith("signed_at: lies in the future, it is 2026-03-02T01:30:00Z now")

    @pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(), -timedelta(days=400)])
    def test_a_clock_may_be_fast_and_a_signature_old(self, ahead: timedelta) -> None:
        journey = journey_to("awaiting_signatures")
        journey.now += timedelta(days=400)
        signed_at = journey.now + ahead
        journey.say("sign_contract", **signature(journey, "partner") | {"signed_at": signed_at.isoformat()})
        assert journey.status.signing.partner
        assert journey.status.signing.partner.signed_at == signed_at

    def test_whose_turn_it_is(self) -> None:
        done = Signature.model_validate({"signer_name": "A", "signed_at": "2026-03-02T00:00:00Z"})
        turns = {
            ("any", None, None): (Party.PARTNER, Party.VENDOR),
            ("any", done, None): (Party.VENDOR,),
            ("partner_first", None, None): (Party.PARTNER,),
            ("partner_first", done, None): (Party.VENDOR,),
            ("vendor_first", None, None): (Party.VENDOR,),
            ("vendor_first", None, done): (Party.PARTNER,),
            ("any", done, done): (),
        }
        for (order, partner, vendor), turn in turns.items():
            signing = Signing.model_validate({"order": order, "partner": partner, "vendor": vendor})
            assert parties_to_sign(signing) == turn


def test_only_what_has_failed_is_sent_once_more() -> None:
    journey = journey_to("qualified")
    assert refused(journey, "resend_email", key="3.sheet_to_confirm") == (
        "invalid",
        "key: no e-mail with this key has failed; the failed ones are: none.",
    )
    key = journey.bounce()
    assert refused(journey, "resend_email", key="9.other")[1].endswith(f"the failed ones are: {key}.")
    decision = journey.say("resend_email", key=key)
    assert decision.resend == key
    assert not journey.status.failed_emails
