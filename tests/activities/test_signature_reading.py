"""What is read of a provider's delivery: who signed which terms, and nothing else."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.signatures.reading import UnreadableError, read
from domain.contract import Party
from domain.signatures import Provider, ReceivedSignature
from tests.activities import signature_payloads as sent
from tests.activities.signature_payloads import BOTH, NAMES, TERMS

PARTNER = {Party.PARTNER: BOTH[Party.PARTNER]}
OTHER = TERMS.model_copy(update={"sheet_revision": 1, "sheet_hash": "cd" * 32})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


def said(provider: Provider, delivery: Any) -> list[ReceivedSignature]:
    return list(read(provider, json.dumps(delivery).encode(), "msg_1").signatures)


def whole(provider: Provider) -> dict[str, Any]:
    """The delivery that tells of both signatures, of one by Standard Webhooks."""
    found: dict[str, Any] = json.loads(sent.deliveries(provider, TERMS, BOTH)[-1])
    return found


@pytest.mark.parametrize("provider", Provider)
class TestEach:
    """What holds for all of them."""

    def test_who_signed_what_and_when(self, provider: Provider) -> None:
        found = {
            one.party: one
            for body in sent.deliveries(provider, TERMS, BOTH)
            for one in read(provider, body).signatures
        }

        assert found.keys() == set(Party)
        for party, one in found.items():
            assert one.terms == TERMS
            assert one.signer_name == NAMES[party]
            assert one.model_dump(mode="json")["signed_at"] == BOTH[party].replace(".000Z", "Z")
            assert one.document_ref
            assert len(one.command_id) <= 128

    def test_one_command_id_for_each_signature(self, provider: Provider) -> None:
        """However often it is told of, and whatever by."""
        told = [
            one.command_id
            for attempt in (1, 2, 3)
            for body in sent.deliveries(provider, TERMS, BOTH, attempt)
            for one in read(provider, body).signatures
        ]
        assert len(set(told)) == len(Party)
        assert len(told) >= 3 * len(Party)

    def test_another_one_for_other_terms(self, provider: Provider) -> None:
        """A reference may be the sender's own; a provider set up anew counts from 1 again; and an external ID
        that was wrong may be put right."""
        one, other = (
            {
                found.command_id
                for body in sent.deliveries(provider, terms, BOTH)
                for found in read(provider, body).signatures
            }
            for terms in (TERMS, OTHER)
        )
        assert len(one) == len(other) == len(Party)
        assert not one & other

    def test_an_attempt_is_the_same_event(self, provider: Provider) -> None:
        first, second = (
            [read(provider, body, "msg_1").event for body in sent.deliveries(provider, TERMS, BOTH, attempt)]
            for attempt in (1, 2)
        )
        assert first == second
        if provider is not Provider.STANDARD:
            assert len(set(first)) == len(first)

    @given(value=JSON)
    def test_any_json(self, provider: Provider, value: Any) -> None:
        with suppress(UnreadableError):
            read(provider, json.dumps(value).encode())

    @given(body=st.binary(max_size=60))
    def test_any_bytes(self, provider: Provider, body: bytes) -> None:
        with pytest.raises(UnreadableError):
            read(provider, b"[" + body)

    @given(data=st.data())
    def test_any_value_in_any_place(self, provider: Provider, data: st.DataObject) -> None:
        """Whatever a field becomes, the rest is read or refused, and what is read can be sent."""
        delivery = whole(provider)
        part: Any = delivery
        while isinstance(part, dict | list) and part:
            keys = list(part) if isinstance(part, dict) else list(range(len(part)))
            key = data.draw(st.sampled_from(keys))
            if not isinstance(part[key], dict | list) or data.draw(st.booleans()):
                part[key] = data.draw(JSON)
                break
            part = part[key]
        try:
            found = said(provider, delivery)
        except UnreadableError:
            return
        assert all(len(one.command_id) <= 128 and one.command_id.isascii() for one in found)

    def test_nesting_without_end(self, provider: Provider) -> None:
        with pytest.raises(UnreadableError):
            read(provider, b"[" * 100_000)


class TestDocumenso:
    """The recipient's role says what he does with a document; for whom, stands behind his name."""

    def test_not_signed_yet(self) -> None:
        assert [one.party for one in said(Provider.DOCUMENSO, sent.documenso(TERMS, PARTNER))] == ["partner"]

    @pytest.mark.parametrize(
        "changes", [{"status": "REJECTED"}, {"status": "CANCELLED"}, {"externalId": None}]
    )
    def test_of_a_document_that_is_none(self, changes: dict[str, Any]) -> None:
        assert said(Provider.DOCUMENSO, sent.documenso(TERMS, BOTH, **changes)) == []

    @pytest.mark.parametrize(
        ("name", "party", "signer"),
        [
            ("Mei Lin (partner)", "partner", "Mei Lin"),
            ("Mei (May) Lin  ( Vendor ) ", "vendor", "Mei (May) Lin"),
            ("(partner)", "partner", "partner@example.com"),
            ("Mei Lin", None, None),
            ("Mei Lin (witness)", None, None),
        ],
    )
    def test_whose_name_says_for_whom(self, name: str, party: str | None, signer: str | None) -> None:
        delivery = sent.documenso(TERMS, PARTNER)
        delivery["payload"]["recipients"][0]["name"] = name
        found = said(Provider.DOCUMENSO, delivery)
        assert [(one.party, one.signer_name) for one in found] == ([(party, signer)] if party else [])

    def test_who_only_gets_a_copy(self) -> None:
        delivery = sent.documenso(TERMS, BOTH)
        delivery["payload"]["recipients"][0]["role"] = "CC"
        assert [one.party for one in said(Provider.DOCUMENSO, delivery)] == ["vendor"]

    def test_releases_that_have_recipients_under_their_older_name(self) -> None:
        delivery = sent.documenso(TERMS, BOTH)
        del delivery["payload"]["recipients"]
        del delivery["payload"]["envelopeId"]
        found = said(Provider.DOCUMENSO, delivery)
        ids = [one.command_id.rpartition(":")[0] for one in found]
        assert ids == ["documenso:10:51", "documenso:10:52"]


class TestDocuseal:
    """The submitter's role is that of the template."""

    @pytest.mark.parametrize("event", ["form.viewed", "form.started", "form.declined", "submission.created"])
    def test_what_is_no_signature(self, event: str) -> None:
        assert said(Provider.DOCUSEAL, sent.docuseal(TERMS, Party.PARTNER, PARTNER, event=event)) == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"role": "First Party"},
            {"external_id": None},
            {"completed_at": None},
            {"status": "declined"},
            {"submission": {"id": 17, "status": "declined"}},
        ],
    )
    def test_which_does_not_count(self, changes: dict[str, Any]) -> None:
        assert said(Provider.DOCUSEAL, sent.docuseal(TERMS, Party.PARTNER, PARTNER, **changes)) == []


class TestDocusign:
    """JSON SIM; the older message tells how an envelope stood when it was sent."""

    @pytest.mark.parametrize("status", ["voided", "declined"])
    def test_of_an_envelope_that_is_none(self, status: str) -> None:
        assert said(Provider.DOCUSIGN, sent.docusign(TERMS, BOTH, status=status)) == []

    def test_seven_digits_of_a_second(self) -> None:
        found = said(Provider.DOCUSIGN, sent.docusign(TERMS, {Party.PARTNER: "2026-03-31T09:00:00.1230000Z"}))
        assert [str(one.signed_at) for one in found] == ["2026-03-31 09:00:00.123000+00:00"]

    def test_the_older_message(self) -> None:
        envelope = sent.docusign_envelope(TERMS, BOTH)
        with pytest.raises(UnreadableError, match="event"):
            said(Provider.DOCUSIGN, envelope)

    def test_a_custom_field_is_missing(self) -> None:
        delivery = sent.docusign(TERMS, BOTH)
        delivery["data"]["envelopeSummary"]["customFields"]["textCustomFields"].pop()
        assert said(Provider.DOCUSIGN, delivery) == []


class TestStandard:
    """A body of our own, so what is wrong with it is told."""

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"party": "both"}, r"data\.party"),
            ({"signed_at": "yesterday"}, r"data\.signed_at"),
            ({"signed_at": "2026-03-31T09:00:00"}, r"data\.signed_at"),
            ({"external_id": "17"}, r"data\.external_id: must be \{application_id\}:"),
            ({"signer_name": "a\nBcc: x"}, r"data\.signer_name"),
        ],
    )
    def test_what_is_wrong(self, changes: dict[str, Any], told: str) -> None:
        with pytest.raises(UnreadableError, match=told):
            said(Provider.STANDARD, sent.standard(TERMS, Party.PARTNER, **changes))

    def test_other_events_are_none_of_ours(self) -> None:
        assert read(Provider.STANDARD, b'{"type": "document.viewed"}', "m").signatures == ()


@pytest.mark.parametrize("provider", [Provider.DOCUMENSO, Provider.DOCUSEAL, Provider.DOCUSIGN])
def test_of_a_name_that_can_stand_nowhere_the_address_does(provider: Provider) -> None:
    text = json.dumps(whole(provider)).replace(NAMES[Party.PARTNER], "=?utf-8?q?x?=\\u0000")
    found = {one.party: one.signer_name for one in read(provider, text.encode()).signatures}
    assert found == {"partner": "partner@example.com", "vendor": NAMES[Party.VENDOR]}
