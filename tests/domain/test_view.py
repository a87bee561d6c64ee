"""What callers, the gate of the ACPN platform and ops are shown."""

from datetime import date, timedelta

import pytest

from domain import decisions, view
from domain.access import in_words
from domain.clocks import Clock, ClockKind
from domain.contract import Role
from domain.inquiry import AccessOutcome
from domain.sheets import SheetShown
from domain.state import Application
from domain.status import Access, AccessCause, Closing, FailedEmail, Missing, Refusal, Status
from tests.domain.applications import (
    JOINED_AT,
    MISSING,
    NOT_KNOWN,
    SITUATIONS,
    STAGES,
    UID,
    Journey,
    journey_to,
)
from workflows.memory import RunMemory

GATE = """
drafting             not_signed         The contract is not signed yet. Status: Signing Process: Alibaba Cloud Reseller Partner.
under_review         not_signed         The contract is not signed yet. Status: Please be patient and wait for the approval.
justifying           not_signed         The contract is not signed yet. Status: Please justify your qualification.
withdrawn            not_signed         The contract is not signed yet. Status: Application withdrawn.
qualified            not_signed         The contract is not signed yet. Status: Congratulations on passing the qualification.
confirming_terms     not_signed         The contract is not signed yet. Status: Please confirm the following business terms.
correcting_terms     not_signed         The contract is not signed yet. Status: Your modification is being processed.
awaiting_signatures  not_signed         The contract is not signed yet. Status: Waiting for signing contract.
signed               before_start_date  Your contract starts on Tuesday, 1 September 2026 (Asia/Singapore); access to the ACPN platform is opened then, and you will get an e-mail.
activating           being_opened       Your contract is in effect; access is being opened.
active               granted            ACPN access granted.
rejected             closed             Application rejected: there is no access.
cancelled            closed             Application cancelled: there is no access.
expired              closed             Application expired: there is no access.
"""  # noqa: E501  # one error box a line


UNVERIFIED = Missing(cause=AccessCause.ENTERPRISE_NOT_VERIFIED, uids=(UID, "71"))


def waiting_for_access(journey: Journey) -> Journey:
    journey.wait(AccessOutcome(granted=False, missing=(MISSING, UNVERIFIED)))
    return journey


class TestGate:
    """A log-in to ACPN before access is granted gets an error box that says why (guide §2.4)."""

    @pytest.mark.parametrize("row", GATE.strip().splitlines())
    def test_in_every_stage(self, row: str) -> None:
        stage, reason, message = row.split(maxsplit=2)
        access = journey_to(stage).status.access
        assert (access.reason, access.message, access.granted) == (reason, message, stage == "active")

    def test_the_table_leaves_no_stage_out(self) -> None:
        assert [row.split()[0] for row in GATE.strip().splitlines()] == list(STAGES)

    def test_it_says_when(self) -> None:
        signed = journey_to("signed").status
        assert signed.access.available_at == signed.contract_start_at
        assert signed.access.available_at
        assert journey_to("qualified").status.access.available_at is None

    def test_an_amended_date_is_the_one_told(self) -> None:
        access = journey_to("amended").status.access
        assert "starts on Thursday, 1 October 2026 (Asia/Singapore)" in access.message
        assert (access.start_date, access.time_zone) == (date(2026, 10, 1), "Asia/Singapore")

    def test_what_is_missing_is_told(self) -> None:
        access = waiting_for_access(journey_to("activating")).status.access
        assert access.message == (
            "Your contract is in effect; access is being opened. "
            f"Credit control is not set up yet, please consult your BD (UID {UID}). "
            f"Enterprise verification is not complete, please click Go to Verify (UID {UID}, 71)."
        )
        assert access.missing == (MISSING, UNVERIFIED)

    @pytest.mark.parametrize("cause", AccessCause)
    def test_every_cause_is_put_into_words(self, cause: AccessCause) -> None:
        named = in_words((Missing(cause=cause, uids=("71", "72")),))
        assert named.endswith(" (UID 71, 72).")
        assert cause.value not in named
        assert in_words((Missing(cause=cause),)) == named.replace(" (UID 71, 72)", "")


class TestShownClock:
    """Until when: a deadline or expiry before a mere reminder."""

    @pytest.mark.parametrize(
        ("stage", "kind"),
        [
            ("drafting", "expiry"),
            ("under_review", "review"),
            ("qualified", "reminder"),
            ("confirming_terms", "expiry"),
            ("awaiting_signatures", "contact"),
            ("signed", "start_date"),
            ("activating", "access_check"),
        ],
    )
    def test_of_a_stage(self, stage: str, kind: str) -> None:
        status = journey_to(stage).status
        assert status.deadline
        assert (status.deadline.kind, status.deadline.due_at) == (kind, status.due_at)

    def test_a_missed_deadline_stays_shown(self) -> None:
        journey = journey_to("awaiting_signatures")
        due_at = journey.status.due_at
        journey.wait()
        assert (journey.status.overdue, journey.status.due_at) == (True, due_at)

    def test_of_several_the_weightiest(self) -> None:
        clocks = tuple(
            Clock(kind=kind, due_at=JOINED_AT + timedelta(days=n))
            for n, kind in enumerate(reversed(ClockKind))
        )
        application = journey_to("qualified").application
        order = []
        while clocks:
            shown = view.shown_clock(application.but(clocks=clocks))
            assert shown
            order.append(shown.kind.value)
            clocks = tuple(clock for clock in clocks if clock != shown)
        assert order == [
            *("review", "contact", "start_date", "expiry", "access_check", "reminder", "question"),
            *("access_delay", "start_recount", "calendar_check"),
        ]

    def test_it_says_which_days_count(self) -> None:
        deadline = journey_to("under_review").status.deadline
        assert deadline
        assert deadline.calendar == "every day"
        assert [day.isoformat() for day in deadline.days_counted] == [
            "2026-03-03",
            "2026-03-04",
            "2026-03-05",
        ]


class TestStatus:
    """The whole status."""

    def test_of_a_new_application(self) -> None:
        shown = {
            key: value
            for key, value in journey_to("drafting").status.model_dump(mode="json").items()
            if value
        }
        assert shown.pop("company")["legal_name"]
        assert shown.pop("deadline")["kind"] == "expiry"
        assert shown.pop("access")["reason"] == "not_signed"
        assert shown.pop("signing")["path"] == "online_esign"
        assert shown.pop("bd")["name"] == "Bo Chen"
        assert shown.pop("bd_lead")["name"] == "Li Wei"
        assert list(shown.pop("allowed_for")) == ["partner", "bd", "bd_lead", "ops"]
        assert shown == {
            "application_id": "run-1",
            "company_master_uid": UID,
            "sequence": 1,
            "stage": "drafting",
            "status_text": "Signing Process: Alibaba Cloud Reseller Partner",
            "waiting_on": "partner",
            "allowed_commands": [
                *("confirm_company", "submit_application", "ask_bd", "reassign_bd", "reassign_lead"),
                *("correct_contact", "resend_email", "decline", "cancel_application"),
            ],
            "due_at": "2026-06-01T00:00:00Z",
            "time_zone": "Asia/Shanghai",
            "contact_email": "join@acme.example.com",
        }

    def test_everything_that_was_said_is_in_it(self) -> None:
        status = journey_to("started").status
        assert status.application
        assert status.justification
        assert (status.justification.question, status.justification.answer) == (
            "How many engineers?",
            "Twelve.",
        )
        assert status.sheet
        assert status.sheet.revision == status.confirmed_revision == 2
        assert [change.model_dump() for change in status.sheet.changes] == [
            {"field": "discounts[ecs].percent", "before": "10", "after": "11"}
        ]
        assert status.signing.complete
        assert len(status.amendments) == 1
        assert status.contacted_at == JOINED_AT
        assert status.company_confirmed

    def test_what_the_partner_asked_for(self) -> None:
        status = journey_to("correcting_terms").status
        assert (status.modification, status.modification_fields) == ("ECS at 11 %", ("discounts",))
        answered = journey_to("sheet_2").status
        assert (answered.modification, answered.modification_fields) == (None, ())

    def test_sequence_refusals_and_mails_are_those_of_the_run(self) -> None:
        refusal = Refusal(at=JOINED_AT, command="x", error="invalid", message="No.")
        application = journey_to("qualified").application
        status = view.describe(application, sequence=7, refusals=[refusal], pending_emails=3)
        assert (status.sequence, status.last_refusals, status.pending_emails) == (7, (refusal,), 3)


class TestDetails:
    """Markdown for the Web UI: what a person must know at three in the morning."""

    def test_what_is_waited_for_on_whom_and_until_when(self) -> None:
        lines = view.details(journey_to("under_review").application).splitlines()
        assert lines == [
            "**under_review** – Please be patient and wait for the approval",
            "",
            "- Waiting on: **bd**",
            "- Due: review, by the end of Thursday, 5 March 2026 (UTC),"
            " days counted 2026-03-03, 2026-03-04, 2026-03-05",
            "- Possible now for partner: `withdraw_application`, `ask_bd`, `correct_contact`,"
            " `resend_email`, `decline`",
            "- Possible now for bd: `request_justification`, `approve_application`, `reject_application`,"
            " `correct_contact`, `resend_email`, `cancel_application`",
            "- Possible now for bd_lead: `request_justification`, `approve_application`,"
            " `reject_application`, `reassign_bd`, `reassign_lead`, `correct_contact`, `resend_email`,"
            " `cancel_application`",
            "- Possible now for ops: `correct_contact`, `resend_email`, `cancel_application`",
        ]

    @pytest.mark.parametrize(
        ("stage", "due"),
        [
            ("qualified", "reminder, after the end of "),
            ("awaiting_signatures", "contact, by the end of "),
            ("signed", "start date, at the start of Tuesday, 1 September 2026 (Asia/Singapore)"),
            ("activating", "access check, at 2026-08-31 16:00 (UTC)"),
        ],
    )
    def test_when_it_is_due_is_told_as_the_mails_tell_it(self, stage: str, due: str) -> None:
        assert f"- Due: {due}" in view.details(journey_to(stage).application)

    def test_an_expiry_is_told_by_its_last_day(self) -> None:
        application = journey_to("drafting").application
        [clock] = application.clocks
        told = clock.model_copy(update={"last_day": date(2026, 5, 31), "time_zone": "Asia/Shanghai"})
        text = view.details(application.but(clocks=(told,)))
        assert "- Due: expiry, by the end of Sunday, 31 May 2026 (Asia/Shanghai)" in text

    def test_overdue_and_predicted(self) -> None:
        journey = journey_to("awaiting_signatures")
        journey.wait()
        application = journey.application
        predicted = tuple(clock.model_copy(update={"provisional": True}) for clock in application.clocks)
        text = view.details(application.but(clocks=predicted))
        assert "- Waiting on: **both** – **OVERDUE**" in text
        assert ", holidays only predicted" in text

    def test_access_held_up(self) -> None:
        text = view.details(waiting_for_access(journey_to("activating")).application)
        held_up = f"- **Access is held up**: credit_control_missing {UID}, enterprise_not_verified {UID} 71"
        assert held_up in text.splitlines()

    @pytest.mark.parametrize(
        ("closing", "line"),
        [
            (Closing(by=Role.PARTNER), "- Ended by partner"),
            (Closing(by=Role.BD, reason="No fit."), "- Ended by bd: No fit."),
            (Closing(by=Role.SYSTEM, reason="Silence."), "- Ended by the service: Silence."),
        ],
    )
    def test_who_ended_it(self, closing: Closing, line: str) -> None:
        lines = view.details(journey_to("cancelled").application.but(closing=closing)).splitlines()
        assert line in lines
        assert not any(shown.startswith("- Possible now") for shown in lines)

    @pytest.mark.parametrize(
        ("template", "remedy"),
        [
            ("application_approved", "correct_contact"),
            ("sheet_reminder", "reassign_bd"),
            ("review_overdue", "reassign_lead"),
        ],
    )
    def test_a_failed_mail_names_the_command_for_whom_it_was_to(self, template: str, remedy: str) -> None:
        failed = FailedEmail(
            key=f"5.{template}", template=template, to="x@y.example", reason="No.", at=JOINED_AT
        )
        application = journey_to("qualified").application.but(failed_emails=(failed,))
        assert f"`5.{template}`; after `{remedy}`, `onboarding resend" in view.details(application)

    def test_a_mail_sent_once_more_is_not_shown_as_failed(self) -> None:
        journey = journey_to("qualified")
        key = journey.bounce()
        assert key in view.details(journey.application)
        journey.say("resend_email", key=key)
        assert key not in view.details(journey.application)

    def test_mails_that_wait_and_that_failed(self) -> None:
        journey = journey_to("qualified")
        keys = [journey.bounce() for _ in range(7)]
        text = view.details(journey.application, pending_emails=2)
        assert "- E-mails waiting to leave: 2" in text
        shown = [line for line in text.splitlines() if line.startswith("- **E-mail failed**")]
        assert shown == [
            f"- **E-mail failed**: `{key}`; after `correct_contact`, `onboarding resend {UID} {key}`"
            for key in keys[-5:]
        ]

    def test_the_last_refusal(self) -> None:
        refusals = tuple(
            Refusal(at=JOINED_AT, command=name, error="wrong_stage", message="Too early.")
            for name in ("a", "b")
        )
        text = view.details(journey_to("qualified").application, refusals=refusals)
        assert text.endswith("- Last refusal: `b` at 2026-03-02 01:30 (UTC): **wrong_stage** – Too early.")


def test_the_summary_names_nobody() -> None:
    application = journey_to("active").application
    assert view.summary(application) == f"Reseller onboarding of Company Master UID {UID}"


def test_no_field_of_an_application_is_left_out_while_it_is_empty() -> None:
    """A field that goes is stored as ``null``, which a list can't be."""
    exact = {name for name, field in Application.model_fields.items() if field.exclude_if is not None}
    assert not exact


def test_a_runs_memory_shows_the_application_as_it_stands() -> None:
    journey = journey_to("signed")
    memory = RunMemory.of(journey.application)
    memory.sequence = journey.transitions
    assert memory.status() == journey.status


class TestAnswer:
    """What the sender of a command is told goes without what is read elsewhere."""

    def test_it_goes_without_documents(self) -> None:
        whole = journey_to("sheet_2").status
        refusal = Refusal(at=JOINED_AT, command="x", error="invalid", message="No.")
        answer = whole.model_copy(update={"last_refusals": (refusal,)}).without_documents()

        assert (answer.application, answer.last_refusals) == (None, ())
        assert whole.sheet
        assert answer.sheet == SheetShown(revision=2, hash=whole.sheet.hash, issued_at=JOINED_AT)
        kept = {"application": whole.application, "sheet": whole.sheet}
        assert answer.model_copy(update=kept) == whole, "and is whole apart from that"
        assert journey_to("drafting").status.without_documents().sheet is None

    def test_it_repeats_nothing_that_is_not_set(self) -> None:
        for situation in SITUATIONS:
            status = journey_to(situation).status
            said = status.answer()
            assert not {"application", "company", "last_refusals"} & said.keys()
            empty = [name for name, value in said.items() if value in (None, [], {})]
            assert empty == []
            known: dict[str, object] = {
                **dict.fromkeys(("company", "contact_email", "bd", "bd_lead", "time_zone", "external_id")),
                **dict.fromkeys(("questions", "warned"), ()),
                "access": Access(),
                "allowed_for": {},
            }
            if status.access.reason != "not_signed":
                del known["access"]
            expected = status.without_documents().model_copy(update=known).model_dump()
            for document, when in (
                ("sheet", "issued_at"),
                ("partner", "recorded_at"),
                ("vendor", "recorded_at"),
            ):
                if inner := expected.get(document) or expected["signing"].get(document):
                    inner[when] = None
            assert Status.model_validate(said).model_dump() == expected


class TestEstimate:
    """A deadline that could only be estimated says so, and why."""

    def test_in_the_status_and_in_the_web_ui(self) -> None:
        journey = Journey(calendar_known=False)
        deadline = journey.status.deadline
        assert deadline
        assert (deadline.kind, deadline.estimate, deadline.provisional) == ("expiry", NOT_KNOWN, False)
        assert f"- **Deadline only estimated**: {NOT_KNOWN}" in view.details(journey.application).splitlines()
        assert "estimated" not in view.details(journey_to("drafting").application)


@pytest.mark.parametrize("situation", ["drafting", "awaiting_signatures", "activating"])
def test_whose_run_was_ended_by_temporal_has_ended_in_both(situation: str) -> None:
    """The row of it, and the status somebody reads where no run answers any more."""
    journey = journey_to(situation)
    shown = view.run_ended(journey.status, "terminated")
    ended = decisions.run_ended(journey.application, "terminated")
    assert (shown.stage, shown.outcome, ended.stage) == ("cancelled", "cancelled", "cancelled")
    assert (shown.due_at, shown.overdue, ended.clocks, ended.overdue) == (None, False, (), False)
    assert shown.closing == ended.closing
    assert shown.closing
    assert "terminated" in (shown.closing.reason or "")
    assert (shown.allowed_commands, shown.access.granted) == ((), False)
