"""Associated UIDs after access is given: the rules of the form, once more (guide, FAQ Q1 to Q5)."""

from typing import Any

import pytest

from domain import coverage
from domain.audit import AuditEvent, Verdict
from domain.contract import Actor, Role, Stage
from domain.coverage import AddAssociatedUid, AnyCoverageCommand, RemoveAssociatedUid
from domain.decisions import Decision
from domain.editions import mentioned
from domain.inquiry import About, AccessOutcome, Account, AccountAnswers, Answers, Covering
from domain.lifecycle import NEWEST
from domain.refusal import RefusedError
from domain.state import Application
from domain.status import AccessCause, Company, CoverageChanged, Missing, Warned, WarningCode
from tests import payloads
from tests.domain.applications import JOINED_AT, UID, Journey, journey_to
from tests.domain.applications import refused as refused_in
from tests.domain.test_account_rules import account

NEW = "5000000000000077"
OTHER = Company(legal_name="Other Ltd", registration_number="9", verified=True)


@pytest.fixture
def journey() -> Journey:
    return journey_to("active")


def add(uid: str = NEW, role: Role = Role.PARTNER, **said: Any) -> AddAssociatedUid:
    return AddAssociatedUid(
        company_master_uid=UID, associated_uid=uid, command_id="c", actor=Actor(role=role, id="x"), **said
    )


def remove(uid: str = NEW, role: Role = Role.BD) -> RemoveAssociatedUid:
    return RemoveAssociatedUid(
        company_master_uid=UID, associated_uid=uid, command_id="c", actor=Actor(role=role, id="x")
    )


def decide(
    journey: Journey,
    command: AnyCoverageCommand,
    *accounts: Account,
    application: Application | None = None,
    elsewhere: tuple[Covering, ...] = (),
) -> Decision:
    """What becomes of it, where the directory has the company's account and these."""
    application = application or journey.application
    asked = coverage.inquiry(application, command, journey.now, 20)
    assert bool(asked.accounts) == (isinstance(command, AddAssociatedUid) and not asked.empty)
    assert asked.accounts is None or asked.accounts.about == (About.ACCOUNTS, About.COVERAGE)
    known = AccountAnswers(accounts=(account(UID), *accounts), covered_by=elsewhere)
    return coverage.decide(application, command, journey.now, 20, Answers(accounts=known))


def refused(*arguments: Any, **named: Any) -> str:
    with pytest.raises(RefusedError) as refusal:
        decide(*arguments, **named)
    return f"{refusal.value.error}: {refusal.value.message}"


def test_it_is_added_and_taken_away_and_the_form_stays(journey: Journey) -> None:
    before = journey.application
    assert before.covered_uids == (UID,)
    added = decide(journey, add(), account(NEW))
    assert added.verdict is Verdict.ACCEPTED
    assert added.application.covered_uids == added.application.holds_uids == (UID, NEW)
    assert (added.application.stage, added.application.form) == (Stage.ACTIVE, before.form)
    told = [notice.model_fields["template"].default for notice in added.notices]
    assert told == ["associated_uid_changed", "associated_uid_changed_to_bd"]
    removed = decide(journey, remove(), application=added.application)
    assert removed.notices == added.notices
    assert removed.application.covered_uids == (UID,)
    assert [(c.uid, c.added) for c in removed.application.coverage_changes] == [(NEW, True), (NEW, False)]


def test_what_a_form_submitted_anew_says_otherwise_than_the_changes_is_a_warning() -> None:
    """As after a reset to before the form, which leaves the changes (`workflows.memory`)."""
    there, gone, again = "5000000000000078", "5000000000000079", "5000000000000080"
    changes = [(NEW, True), (there, True), (gone, True), (gone, False), (again, False)]
    changed = tuple(CoverageChanged(uid=uid, added=added, at=JOINED_AT) for uid, added in changes)
    journey = journey_to("company_confirmed")
    journey.directory = AccountAnswers(accounts=tuple(account(uid) for uid in (UID, there, again)))
    journey.application = journey.application.but(associated_uids=(NEW, there), coverage_changes=changed)
    journey.say("submit_application", application=payloads.form(UID, associated_uids=[there, again]))
    assert journey.application.covered_uids == (UID, there, again)
    warned = (
        Warned(code=WarningCode.ADDED_UID_LEFT_OUT, uid=NEW),
        Warned(code=WarningCode.REMOVED_UID_NAMED, uid=again),
    )
    assert journey.status.warned == warned
    assert [mail.said["warnings"] for mail in journey.mails[-2:]] == [warned] * 2


def test_a_sheet_is_held_against_the_accounts_that_are_covered() -> None:
    journey = journey_to("qualified")
    journey.application = journey.application.but(associated_uids=(NEW,))
    journey.directory = AccountAnswers(accounts=(account(UID), account(NEW, partner_level="no-such-level")))
    error, message = refused_in(journey, "issue_decision_sheet", sheet=payloads.sheet())
    assert error == "uid_mismatch"
    assert f"UID {NEW} has partner level" in message


def test_what_is_in_place_is_not_done_again(journey: Journey) -> None:
    for command in (add(UID), remove("404")):
        decision = decide(journey, command)
        assert (decision.verdict, decision.notices) == (Verdict.NO_OP, ())
        assert decision.application == journey.application


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.PARTNER, Role.BD, Role.BD_LEAD)])
def test_it_is_for_partner_and_bd(journey: Journey, role: Role) -> None:
    """The guide has BD approve the partner, not each account."""
    assert refused(journey, add(role=role), account(NEW)).startswith("forbidden: ")
    assert decide(journey, add(role=Role.BD_LEAD), account(NEW)).verdict is Verdict.ACCEPTED


def test_the_rules_are_those_of_the_form(journey: Journey) -> None:
    assert refused(journey, add()).startswith("not_found")
    assert "enterprise_not_verified" in refused(journey, add(), Account(uid=NEW))
    assert "verified for another enterprise" in refused(journey, add(), account(NEW, OTHER))
    distributor = account(NEW, business_type="distributor")
    assert "must have the same business type" in refused(journey, add(), distributor)
    running = Covering(
        uid=NEW,
        application_id="run-9",
        company_master_uid="5000000000000009",
        company_name="Beta Ltd.",
        stage=Stage.UNDER_REVIEW,
    )
    for stage in (Stage.UNDER_REVIEW, Stage.ACTIVE):
        other = running.model_copy(update={"stage": stage})
        told = refused(journey, add(), account(NEW), elsewhere=(other,))
        assert f"Another application covers UID {NEW}: " in told, "it covers it, and this one does not yet"
        assert "Beta" not in told, "whose it is, is no affair of this partner's"
        assert "5000000000000009" not in told
        for role in (Role.BD, Role.BD_LEAD):
            assert refused(journey, add(role=role), account(NEW), elsewhere=(other,)) == (
                f"uid_mismatch: Another application comes first: UID {NEW} is covered by that of Beta Ltd., "
                f"Company Master UID 5000000000000009 (stage '{stage}'). Have it taken out or ended there."
            )


def test_its_level_is_that_of_the_accounts_there_are(journey: Journey) -> None:
    other = "5000000000000078"
    added = decide(journey, add(other), account(other, partner_level="gold")).application
    gold, silver = account(other, partner_level="gold"), account(NEW, partner_level="silver")
    assert "must have the same partner level" in refused(journey, add(), gold, silver, application=added)
    assert decide(journey, add(), gold, account(NEW), application=added).verdict is Verdict.ACCEPTED


def test_the_main_uid_stays_and_there_are_at_most_a_hundred(journey: Journey) -> None:
    assert "is the Main UID" in refused(journey, remove(UID))
    full = journey.application.but(associated_uids=tuple(str(n) for n in range(100)))
    assert "there are 100 Associated UIDs already" in refused(journey, add(), account(NEW), application=full)


def test_who_has_read_something_older_is_told_so(journey: Journey) -> None:
    assert refused(journey, add(if_sequence=19), account(NEW)).startswith("stale_revision")
    assert decide(journey, add(if_sequence=20), account(NEW)).verdict is Verdict.ACCEPTED


def test_before_access_it_is_a_matter_of_the_form() -> None:
    signed = journey_to("signed").application
    assert coverage.no_access(add(), signed).error == "wrong_stage"
    assert "'signed'" in coverage.no_access(add(), signed).message
    assert coverage.no_access(add(), None).error == "not_found"


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ({}, "kind: must be one of add_associated_uid, remove_associated_uid"),
        ({"kind": ["x"]}, "kind: must be one of"),
        ("x", "could not be decoded"),
        ({"kind": "add_associated_uid", "associated_uid": "A"}, "associated_uid: "),
    ],
)
def test_what_does_not_parse_is_said_by_its_fields(argument: object, told: str) -> None:
    with pytest.raises(RefusedError, match=r"kind|decoded|associated_uid") as refusal:
        coverage.parse((argument,))
    assert refusal.value.error == "invalid"
    assert told in refusal.value.message


def test_no_row_is_of_an_edition_that_no_application_has() -> None:
    """`lifecycle.NEWEST` is told by the rows of the process."""
    for step in coverage.STEPS:
        named = (*step.rules, *step.timed_rules, *step.notices, *step.restarts)
        newest = max((step.since, *mentioned(named)))
        assert newest <= NEWEST, f"no application has edition {newest}: name it in lifecycle.NEWEST, too"


def test_an_id_stands_for_one_change(journey: Journey) -> None:
    event = AuditEvent.model_validate(
        {
            "sequence": 7,
            "at": journey.now,
            "command": "add_associated_uid",
            "verdict": "refused",
            "actor": add().actor,
            "from_stage": "active",
            "to_stage": "active",
            "error": "uid_mismatch",
            "message": "no",
            "details": {"company_master_uid": UID, "associated_uid": NEW},
        }
    )
    answer = coverage.answer_before(journey.application, add(if_sequence=3), event)
    assert (answer.sequence, answer.error, answer.message) == (7, "uid_mismatch", "no")
    for other in (add("1"), remove(), add(role=Role.BD)):
        with pytest.raises(RefusedError, match="used for another command"):
            coverage.answer_before(journey.application, other, event)


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (AccessCause.ACCOUNT_UNKNOWN, "not_found"),
        (AccessCause.ENTERPRISE_NOT_VERIFIED, "enterprise_not_verified"),
        (AccessCause.COVERED_ELSEWHERE, "uid_mismatch"),
        (AccessCause.CREDIT_CONTROL_MISSING, "uid_mismatch"),
    ],
)
def test_what_acpn_misses_after_all_is_told(cause: AccessCause, error: str) -> None:
    missing = AccessOutcome(granted=False, missing=(Missing(cause=cause, uids=(NEW,)),))
    refusal = coverage.not_opened(missing)
    assert refusal.error == error
    assert f"(UID {NEW})" in refusal.message
