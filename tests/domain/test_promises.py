"""The promises to the process owner have teeth: each is broken by a happening made up for it, and says so."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from domain.audit import Verdict
from domain.contract import Stage
from domain.status import Status
from tests import payloads
from tests.domain.applications import journey_to
from tests.model import promises
from tests.model.promises import PROMISES, Happening, Known, Promise, Said, keep
from tests.payloads import Json

LONG_AFTER: Final = datetime(2027, 1, 1, tzinfo=UTC)


def status(situation: str, **changes: Any) -> Status:
    """What is read in this situation, with something made up."""
    return journey_to(situation).status.model_copy(update=changes)


def said(kind: str, verdict: Verdict = Verdict.ACCEPTED, role: str = "", **payload: Any) -> Said:
    """A command, and what became of it."""
    return Said(kind, role or payloads.ROLE_OF[kind], "id-1", payload, verdict)


def signature(situation: str, party: str) -> Json:
    """A party signs the sheet as it stands."""
    return {"party": party, **journey_to(situation).terms()}


def it(before: Status, after: Status, command: Said | None = None, *mails: str) -> Happening:
    """What happened, long after every date."""
    return Happening(LONG_AFTER, before, after, mails, command)


def signed_by_partner(situation: str) -> Status:
    """With a signature nobody may have given yet."""
    return status(situation, signing=status("partner_signed").signing)


REVIEW, SIGNED = status("under_review"), status("signed")
MISSED: Final = status("under_review", overdue=True)
HALF_SIGNED, OFFERED = status("partner_signed"), status("confirming_terms")
APPROVED: Final = said("approve_application", form_revision=1)
SAID_BEFORE: Final = replace(Known.of(OFFERED), heard=frozenset({"id-1"}))
BROKEN: Final[dict[Promise, Happening]] = {
    promises.nobody_signs_before_the_terms_are_agreed: it(
        OFFERED,
        signed_by_partner("confirming_terms"),
        said("sign_contract", **signature("confirming_terms", "partner")),
    ),
    promises.terms_are_agreed_as_they_are_offered: it(
        status("correcting_terms"),
        status("awaiting_signatures"),
        said("confirm_terms", **journey_to("correcting_terms").terms()),
    ),
    promises.a_party_signs_once: it(
        HALF_SIGNED, HALF_SIGNED, said("sign_contract", **signature("partner_signed", "partner"))
    ),
    promises.the_contract_is_signed_when_both_have_signed: it(
        HALF_SIGNED, HALF_SIGNED.model_copy(update={"stage": Stage.SIGNED})
    ),
    promises.an_issued_sheet_never_changes: it(
        OFFERED, status("confirming_terms", sheet=status("sheet_2").sheet)
    ),
    promises.access_never_opens_before_the_contract_start_date: replace(
        it(SIGNED, status("active")), at=journey_to("signed").now
    ),
    promises.an_application_ends_once: it(status("rejected"), REVIEW, said("submit_application")),
    promises.a_refused_command_changes_nothing: it(
        REVIEW, status("qualified"), said("approve_application", Verdict.REFUSED)
    ),
    promises.what_is_in_place_already_is_not_done_again: it(
        REVIEW, REVIEW, said("submit_application", Verdict.NO_OP), "application_received"
    ),
    promises.a_command_said_twice_counts_once: it(
        OFFERED, OFFERED.model_copy(update={"overdue": True}), said("confirm_terms", Verdict.NO_OP)
    ),
    promises.nobody_decides_for_another: it(REVIEW, status("qualified"), replace(APPROVED, role="partner")),
    promises.approved_is_the_form_that_was_read: it(
        status("under_review", form_revision=2), status("qualified"), APPROVED
    ),
    promises.time_decides_nothing: it(REVIEW, status("qualified")),
    promises.a_missed_deadline_is_told_to_the_lead: it(MISSED, MISSED),
    promises.every_status_change_is_told_to_whoever_waits_on_it: it(REVIEW, status("qualified"), APPROVED),
    promises.nothing_is_told_that_did_not_happen: it(
        HALF_SIGNED, HALF_SIGNED, said("record_contact"), "contract_signed"
    ),
    promises.no_question_gets_lost: it(
        REVIEW, REVIEW, said("answer_partner", answer="Yes."), "partner_answered"
    ),
    promises.it_is_always_known_until_when: it(REVIEW, status("under_review", due_at=None)),
    promises.what_changes_is_on_record: it(
        REVIEW, status("qualified", sequence=REVIEW.sequence), APPROVED, "application_approved"
    ),
}


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_a_broken_promise_is_noticed(promise: Promise) -> None:
    broken = BROKEN[promise]
    known = SAID_BEFORE if promise is promises.a_command_said_twice_counts_once else Known.of(broken.before)
    with pytest.raises(AssertionError):
        promise(known, broken, known.after(broken))


def test_a_missed_deadline_is_told_once_and_only_while_it_is_missed() -> None:
    promise = promises.a_missed_deadline_is_told_to_the_lead
    told = it(MISSED, MISSED, None, "review_overdue")
    known = Known()
    promise(known, told, known.after(told))
    again = known.after(told)
    for broken, before in ((told, again), (it(REVIEW, REVIEW, None, "review_overdue"), known)):
        with pytest.raises(AssertionError):
            promise(before, broken, before.after(broken))


def test_the_promise_is_named_in_the_owners_words() -> None:
    broken = BROKEN[promises.time_decides_nothing]
    with pytest.raises(AssertionError) as caught:
        keep(Known.of(broken.before), broken)
    assert "Broken promise: Time alone never approves" in caught.value.__notes__[0]


def test_what_should_happen_breaks_none() -> None:
    known = Known.of(REVIEW)
    known = keep(known, it(REVIEW, status("qualified"), APPROVED, "application_approved"))
    assert known == replace(Known(), heard=frozenset({"id-1"}))
