"""Signatures that a provider reports: what binds them to terms, and who is told of one that is refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.contract import ErrorType, Party, Stage
from domain.intake import parse_command
from domain.notices import SignatureRefused
from domain.refusal import RefusedError
from domain.refused import told_of_refusal
from domain.signatures import Provider, ReceivedSignature, Terms
from tests import payloads
from tests.domain.applications import Journey, journey_to, signature

HASH = "ab" * 32


class TestTerms:
    """A document is bound to one application, and one revision of its sheet."""

    def test_status_shows_what_a_document_carries(self) -> None:
        journey = journey_to("awaiting_signatures")
        sheet = journey.application.sheet
        assert sheet
        wanted = f"{journey.application.application_id}:{sheet.revision}:{sheet.hash}"

        assert journey.status.external_id == wanted
        assert Terms.named(wanted) == Terms.on(journey.application.application_id, sheet)

    def test_only_while_it_is_to_be_signed(self) -> None:
        for situation in ("confirming_terms", "signed"):
            assert journey_to(situation).status.external_id is None

    def test_no_answer_to_a_command_has_it(self) -> None:
        assert "external_id" not in journey_to("awaiting_signatures").status.answer()

    @pytest.mark.parametrize(
        "external_id",
        ["", "17", f"a:1:{HASH}:x", f"a:0:{HASH}", f"a:1:{HASH[:-1]}", f"a b:1:{HASH}", f"a:1e0:{HASH}"],
    )
    def test_what_names_no_terms(self, external_id: str) -> None:
        assert Terms.named(external_id) is None

    @given(st.text())
    def test_anything_may_come(self, external_id: str) -> None:
        terms = Terms.named(external_id)
        assert terms is None or terms.external_id == external_id.strip()


@given(st.text(), st.text())
def test_a_command_id_can_be_made_of_any_identifiers(document: str, signer: str) -> None:
    received = ReceivedSignature(
        provider=Provider.DOCUSEAL,
        document=document,
        signer=signer,
        terms=Terms(application_id="a", sheet_revision=1, sheet_hash=HASH),
        party=Party.PARTNER,
        signer_name="Ann Tan",
        signed_at=datetime(2025, 3, 20, 2, tzinfo=UTC),
    )

    assert received.command_id.isascii()
    assert len(received.command_id) <= 128


class TestWhoIsTold:
    """BD is told of a signature that was given at a provider, and is none here."""

    def told(self, journey: Journey, role: str, **changes: object) -> list[str]:
        payload = {**signature(journey, "partner"), **changes}
        command = parse_command("sign_contract", (payloads.command("sign_contract", role=role, **payload),))
        with pytest.raises(RefusedError) as refusal:
            journey.say("sign_contract", role=role, **payload)
        assert journey.application.refused_signature is None
        written = told_of_refusal(journey.application, command, refusal.value)
        assert all(isinstance(mail, SignatureRefused) for mail in written)
        return [
            f"{mail.refused_signature.party} {mail.refused_signature.error}"
            for mail in written
            if isinstance(mail, SignatureRefused)
        ]

    def test_of_one_on_other_terms(self) -> None:
        journey = journey_to("awaiting_signatures")
        assert self.told(journey, "esign", sheet_hash=HASH) == ["partner stale_revision"]

    def test_of_one_that_nobody_awaits(self) -> None:
        journey = journey_to("confirming_terms")
        assert journey.application.stage is Stage.CONFIRMING_TERMS
        assert self.told(journey, "esign") == ["partner wrong_stage"]

    def test_not_of_what_a_person_hears_himself(self) -> None:
        assert self.told(journey_to("awaiting_signatures"), "partner", sheet_hash=HASH) == []

    def test_not_of_what_is_to_be_sent_again(self) -> None:
        journey = journey_to("awaiting_signatures")
        command = parse_command(
            "sign_contract",
            (payloads.command("sign_contract", role="esign", **signature(journey, "partner")),),
        )
        later = RefusedError(ErrorType.UNAVAILABLE, "The database is down.")
        assert told_of_refusal(journey.application, command, later) == ()

    def test_nor_of_a_message_that_is_no_command(self) -> None:
        journey = journey_to("awaiting_signatures")
        unread = RefusedError(ErrorType.INVALID, "?")
        assert told_of_refusal(journey.application, None, unread) == ()
