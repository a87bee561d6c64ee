"""What is asked before a decision, that nothing is asked in vain, and that only the answer decides."""

from typing import Any, Final

import pytest

from domain import decisions
from domain.audit import Verdict
from domain.clocks import ClockKind
from domain.inquiry import AccountAnswers, AccountQuery, Answers, Inquiry, Problem, Table, TableEntry
from domain.lifecycle import STEPS
from domain.policy import Policy
from domain.refusal import RefusedError
from tests import payloads
from tests.domain.applications import (
    JOINED_AT,
    START,
    UID,
    Journey,
    directory,
    journey_to,
    refused,
    set_clocks,
    signature,
)
from tests.payloads import Json

BEFORE: Final = {
    "confirm_company": "drafting",
    "submit_application": "company_confirmed",
    "withdraw_application": "under_review",
    "request_justification": "under_review",
    "provide_justification": "justifying",
    "approve_application": "under_review",
    "reject_application": "under_review",
    "issue_decision_sheet": "qualified",
    "confirm_terms": "confirming_terms",
    "modify_terms": "confirming_terms",
    "record_contact": "awaiting_signatures",
    "choose_signing_path": "awaiting_signatures",
    "sign_contract": "partner_signed",
    "reopen_terms": "awaiting_signatures",
    "amend_start_date": "signed",
    "ask_bd": "qualified",
    "answer_partner": "qualified",
    "reassign_bd": "qualified",
    "reassign_lead": "qualified",
    "correct_contact": "qualified",
    "resend_email": "qualified",
    "decline": "qualified",
    "end_contract": "signed",
    "cancel_application": "qualified",
}
"""Where each command is possible."""
EDITED: Final = payloads.form(UID, qualification="Now certified.")
AMENDED: Final = {"start_date": "2027-01-01", "time_zone": "UTC", "reason": "x"}

# command | asks about accounts (a), levels (l), partner (p), coverage (c) | clocks | tables
ASKED: Final = """
confirm_company       | apc |                 |
submit_application    | apc | review          | application.country:country application.contact.email:email
withdraw_application  |     | expiry          |
request_justification |     | reminder expiry |
provide_justification |     | review          |
approve_application   | c   | reminder        |
reject_application    |     |                 |
issue_decision_sheet  | lc  | reminder expiry | sheet.basic.currency:currency sheet.basic.time_zone:time_zone
confirm_terms         | c   | contact         |
modify_terms          |     | reminder        |
record_contact        |     | reminder        |
choose_signing_path   |     |                 |
sign_contract         |     | start_date      |
reopen_terms          |     | reminder        |
amend_start_date      |     | start_date      | time_zone:time_zone
ask_bd                |     | question        |
answer_partner        |     |                 |
reassign_bd           |     |                 | bd.email:email
reassign_lead         |     |                 | bd_lead.email:email
correct_contact       |     |                 | email:email
resend_email          |     |                 |
decline               |     |                 |
end_contract          |     |                 |
cancel_application    |     |                 |
"""


def asked(journey: Journey, kind: str, **payload: Any) -> Inquiry:
    """What has to be known before the command can be decided on."""
    role = payload.pop("role", None) or payload.get("party")
    command = journey.command(kind, role=role, **payload)
    return decisions.inquiry(journey.application, command, journey.now, journey.transitions)


def before(kind: str) -> tuple[Journey, Json]:
    """Where the command is possible, and what it then may say."""
    journey = journey_to(BEFORE[kind])
    if kind == "resend_email":
        journey.bounce()
    if kind == "answer_partner":
        journey.say("ask_bd", question="May we start in May?")
    return journey, journey.something_new(kind)


class TestWhatIsAsked:
    """Accounts, tables and clocks, all at once, and only what the decision needs."""

    @pytest.mark.parametrize("row", ASKED.strip().splitlines())
    def test_by_each_command(self, row: str) -> None:
        kind, accounts, clocks, tables = (cell.strip() for cell in row.split("|"))
        journey, said = before(kind)

        found = asked(journey, kind, **said)

        about = found.accounts.about if found.accounts else ()
        assert "".join(each.value[0] for each in about) == accounts
        assert [f"{entry.field}:{entry.table}" for entry in found.entries] == tables.split()
        assert [clock.kind.value for clock in found.clocks] == clocks.split()
        assert found.empty == (not (accounts or tables or clocks))
        assert (found.at, found.policy) == (journey.now, journey.application.policy)
        assert all(clock.since == journey.now for clock in found.clocks)

    def test_the_table_leaves_no_command_out(self) -> None:
        named = [row.split("|")[0].strip() for row in ASKED.strip().splitlines()]
        assert sorted(named) == sorted(BEFORE) == sorted({step.name for step in STEPS})

    def test_the_values_are_those_of_the_command(self) -> None:
        journey, _ = before("issue_decision_sheet")
        found = asked(journey, "issue_decision_sheet", sheet=payloads.sheet(zone="Asia/Tokyo"))
        assert found.entries == (
            TableEntry(field="sheet.basic.currency", table=Table.CURRENCY, value="USD"),
            TableEntry(field="sheet.basic.time_zone", table=Table.TIME_ZONE, value="Asia/Tokyo"),
        )
        amended = asked(journey_to("signed"), "amend_start_date", **AMENDED)
        [clock] = amended.clocks
        assert (str(clock.on), clock.time_zone) == ("2027-01-01", "UTC"), "the date as it will be"

    def test_a_review_goes_on_with_the_days_that_were_left(self) -> None:
        [clock] = asked(journey_to("justifying"), "provide_justification", answer="Twelve.").clocks
        assert clock.resume
        assert clock.working_days is None

    def test_nothing_of_what_is_in_place(self) -> None:
        journey = journey_to("company_confirmed")
        found = asked(journey, "confirm_company")
        assert found == Inquiry(at=journey.now)
        assert found.empty

    @pytest.mark.parametrize(
        ("situation", "kind", "payload", "error"),
        [
            ("drafting", "confirm_company", {"role": "bd"}, "forbidden"),
            ("qualified", "submit_application", {"application": EDITED}, "wrong_stage"),
            ("active", "cancel_application", {"reason": "x"}, "closed"),
            ("under_review", "approve_application", {"form_revision": 7}, "stale_revision"),
            ("qualified", "resend_email", {"key": "1.none"}, "invalid"),
            ("signed", "amend_start_date", AMENDED | {"if_sequence": 1}, "stale_revision"),
        ],
    )
    def test_nothing_for_what_is_refused_in_any_case(
        self, situation: str, kind: str, payload: Json, error: str
    ) -> None:
        with pytest.raises(RefusedError) as refusal:
            asked(journey_to(situation), kind, **payload)
        assert refusal.value.error == error

    def test_a_sheet_of_another_business_type_is_refused_before_its_tables_are_looked_at(self) -> None:
        sheet = payloads.sheet(zone="Mars/Base")
        sheet["basic"]["business_type"] = "agency"
        with pytest.raises(RefusedError, match="must be 'reseller' as in the application, not 'agency'"):
            asked(journey_to("qualified"), "issue_decision_sheet", sheet=sheet)

    def test_an_inquiry_is_empty_when_nothing_is_asked(self) -> None:
        assert Inquiry(at=JOINED_AT, policy=Policy()).empty
        assert not Inquiry(at=JOINED_AT, accounts=AccountQuery(company_master_uid=UID)).empty


class TestAnswers:
    """The answer decides; it is what history keeps."""

    @pytest.mark.parametrize("kind", BEFORE)
    def test_a_value_no_table_has_is_invalid_with_its_path(self, kind: str) -> None:
        journey, said = before(kind)
        role = str(said.get("party", payloads.ROLE_OF[kind]))
        journey.problems = (
            Problem(field="sheet.basic.currency", message="must be a currency"),
            Problem(field="time_zone", message="must be a zone"),
        )
        unchanged = journey.application
        if asked(journey, kind, **said).entries:
            told = "sheet.basic.currency: must be a currency; time_zone: must be a zone"
            assert refused(journey, kind, role=role, **said) == ("invalid", told)
            assert journey.application is unchanged
        else:
            assert journey.say(kind, role=role, **said).verdict is Verdict.ACCEPTED

    def test_what_no_table_has_is_told_before_the_accounts_are_judged(self) -> None:
        journey = journey_to("company_confirmed")
        journey.directory = None
        journey.problems = (Problem(field="application.country", message="must be a country"),)
        said = {"application": payloads.form(UID)}
        assert refused(journey, "submit_application", **said)[0] == "invalid"

    @pytest.mark.parametrize("kind", ["confirm_company", "submit_application", "issue_decision_sheet"])
    def test_no_answer_of_the_directory_is_unavailable(self, kind: str) -> None:
        journey, said = before(kind)
        journey.directory = None
        assert refused(journey, kind, **said) == (
            "unavailable",
            "The account directory does not answer just now: send it again later.",
        )

    @pytest.mark.parametrize("kind", ["approve_application", "confirm_terms"])
    def test_what_needs_no_directory_goes_on_without(self, kind: str) -> None:
        journey, said = before(kind)
        journey.directory = None
        assert journey.say(kind, **said).verdict is Verdict.ACCEPTED

    @pytest.mark.parametrize("matches", [None, False])
    def test_a_name_the_directory_did_not_confirm_is_refused(self, matches: bool | None) -> None:
        journey = journey_to("company_confirmed")
        command = journey.command("submit_application", application=payloads.form(UID))
        accounts = directory().model_copy(update={"name_matches": matches})
        with pytest.raises(RefusedError, match="is not the name of the verified enterprise"):
            decisions.decide(journey.application, command, journey.now, 3, Answers(accounts=accounts))

    def test_the_decision_has_the_clocks_of_the_answer(self) -> None:
        journey, said = before("approve_application")
        command = journey.command("approve_application", **said)
        found = asked(journey, "approve_application", **said)
        clocks = set_clocks(found.clocks, journey.now)
        decision = decisions.decide(
            journey.application,
            command,
            journey.now,
            journey.transitions,
            Answers(clocks=clocks),
        )
        assert decision.application.clocks == clocks
        assert decision.requests == found.clocks

    def test_facts_of_unknown_accounts_are_none(self) -> None:
        assert AccountAnswers().account(UID) is None
        assert directory().account(UID)


class TestIfSequence:
    """A command that is to count only if nothing has happened since."""

    def test_the_newest_event_is_right(self) -> None:
        journey = journey_to("under_review")
        journey.say("approve_application", form_revision=1, if_sequence=journey.status.sequence)
        assert journey.status.stage == "qualified"

    @pytest.mark.parametrize("by", [-1, 1])
    def test_any_other_is_stale(self, by: int) -> None:
        journey = journey_to("under_review")
        newest = journey.transitions
        assert refused(journey, "approve_application", form_revision=1, if_sequence=newest + by) == (
            "stale_revision",
            f"The application has moved on: its newest event is {newest}, not {newest + by}: "
            "read the status, then decide again.",
        )

    def test_what_is_refused_earlier_is_refused_so(self) -> None:
        journey = journey_to("under_review")
        assert (
            refused(journey, "approve_application", role="partner", form_revision=1, if_sequence=0)[0]
            == "forbidden"
        )
        assert refused(journey, "confirm_terms", **journey.terms(), if_sequence=0)[0] == "wrong_stage"
        assert refused(journey_to("active"), "decline", if_sequence=0)[0] == "closed"

    def test_it_comes_before_the_revision_and_the_rules(self) -> None:
        journey = journey_to("under_review")
        told = refused(journey, "approve_application", form_revision=9, if_sequence=0)[1]
        assert told.startswith("The application has moved on")
        paper = journey_to("awaiting_signatures")
        paper.say("choose_signing_path", path="offline_paper", order="any")
        told = refused(paper, "sign_contract", **signature(paper, "partner"), if_sequence=0)[1]
        assert told.startswith("The application has moved on")

    def test_what_is_in_place_already_stays_so(self) -> None:
        journey = journey_to("company_confirmed")
        assert journey.judge("confirm_company", if_sequence=0).verdict is Verdict.NO_OP

    def test_it_is_judged_again_with_the_answers(self) -> None:
        journey = journey_to("company_confirmed")
        said: Json = {"application": payloads.form(UID), "if_sequence": journey.transitions}
        command = journey.command("submit_application", **said)
        answers = journey.answers(asked(journey, "submit_application", **said))
        with pytest.raises(RefusedError, match="has moved on"):
            decisions.decide(journey.application, command, journey.now, journey.transitions + 1, answers)

    @pytest.mark.parametrize("value", [-1, 2**31, "x", 1.5])
    def test_a_number_that_is_none(self, value: Any) -> None:
        with pytest.raises(RefusedError, match="if_sequence: ") as refusal:
            journey_to("drafting").command("confirm_company", if_sequence=value)
        assert refusal.value.error == "invalid"


def test_revisions_are_numbers_never_used_before() -> None:
    """Also where a reset has led back to fewer of them: `forms_used` and `sheets_used` count on."""
    journey = journey_to("withdrawn")
    journey.say("submit_application", application=payloads.form(UID))
    assert (journey.application.form_revision, journey.application.forms_used) == (2, 2)
    journey.say("approve_application", form_revision=2)
    journey.application = journey.application.but(sheets_used=4)
    journey.say("issue_decision_sheet", sheet=payloads.sheet(start=START))
    journey.say("issue_decision_sheet", sheet=payloads.sheet(start=START, ecs="12"))
    assert journey.application.sheet
    assert (journey.application.sheet.revision, journey.application.sheets_used) == (6, 6)
    assert journey.application.clock(ClockKind.EXPIRY)

    again = journey_to("withdrawn")
    again.application = again.application.but(forms_used=8)
    again.say("submit_application", application=payloads.form(UID))
    assert (again.application.form_revision, again.application.submitted_revision) == (9, 9)
