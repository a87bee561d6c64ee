"""Each list a run remembers, driven to its bound: whatever comes, all of it fits into one payload.

Temporal ends a run with a payload of more than 2 MiB for good; `MOST` leaves room for the envelope.
"""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

import pytest

from domain import decisions, intake
from domain.anytime import KEPT_RESENT_EMAILS
from domain.audit import Verdict
from domain.contract import Command, ErrorType
from domain.facts import TOLD_BYTES
from domain.inquiry import AccessOutcome, Account, Head
from domain.notices import EmailFailed
from domain.refusal import RefusedError
from domain.state import KEPT_BYTES, newest_within
from domain.status import AccessCause, FailedEmail, Missing
from tests import payloads
from tests.domain.applications import ENTERPRISE, JOINED_AT, SITUATIONS, UID, journey_to
from tests.long import LONG, some_of
from tests.model.commands import terms_in_force
from tests.model.process import Process
from tests.payloads import Json
from workflows import memory
from workflows.data_converter import DATA_CONVERTER
from workflows.memory import Memory, RunMemory
from workflows.processed_commands import COMMANDS_BYTES, KEPT_COMMANDS

MOST: Final = 1_800_000
MONDAY: Final = datetime(2026, 3, 2, 4, tzinfo=UTC)
WIDE: Final = "\U0001f600"
"""Four bytes of UTF-8."""
ESCAPED: Final = '"'
"""Two bytes of JSON."""


def size(kept: RunMemory) -> int:
    """Bytes of the payload the memory becomes."""
    [payload] = DATA_CONVERTER.payload_converter.to_payloads([kept.memory()])
    return len(payload.SerializeToString())


def list_size(items: Any) -> int:
    return sum(len(item.model_dump_json(exclude_none=True).encode()) for item in items)


def say(process: Process, kind: str, *, role: str | None = None, **payload: Any) -> str:
    """Send a command; what became of it."""
    answer = process.say(kind, payloads.command(kind, role=role, **payload))
    return answer.refusal.error.value if answer.refusal else answer.verdict.value


def largest_form(note: str = "") -> Json:
    """As large as a command may be."""
    wide = [WIDE * 200] * 77
    return payloads.form(UID, qualification=f"As large as can be. {note}", territories=wide)


def largest_sheet(tag: str) -> Json:
    """As large as a command may be, every product another than in a sheet with another tag."""
    sheet = payloads.sheet(start="2026-09-01")
    valid = {"percent": "1", "valid_from": "2026-01-01", "valid_to": "2027-01-01"}
    sheet["discounts"] = [{"product_code": f"{tag}{n:03}".ljust(64, "x"), **valid} for n in range(425)]
    return sheet


def largest(*, both_signed: bool = True) -> Process:
    """An application with the largest form, and the largest sheet, which has nothing of the one before."""
    process = Process("run-1", payloads.join(UID), Account(uid=UID, enterprise=ENTERPRISE), MONDAY)
    assert say(process, "confirm_company") == "accepted"
    assert say(process, "submit_application", application=largest_form()) == "accepted"
    assert say(process, "approve_application", form_revision=1) == "accepted"
    for tag in "ab":
        assert say(process, "issue_decision_sheet", sheet=largest_sheet(tag)) == "accepted"
    assert say(process, "confirm_terms", **terms_in_force(process.application)) == "accepted"
    if both_signed:
        for party in ("partner", "vendor"):
            signature = {
                "signer_name": WIDE * 200,
                "document_ref": WIDE * 200,
                "signed_at": "2026-03-02T04:00:00Z",
            }
            terms = terms_in_force(process.application)
            assert (
                say(process, "sign_contract", role="esign", party=party, **signature, **terms) == "accepted"
            )
    return process


def amend(process: Process, *, reason: str = WIDE * 4_000) -> str:
    day = f"2026-{10 + process.memory.sequence // 28 % 3}-{process.memory.sequence % 28 + 1:02}"
    return say(process, "amend_start_date", start_date=day, time_zone="Asia/Shanghai", reason=reason)


def bounced(number: int) -> FailedEmail:
    key = f"{number}.sheet_to_confirm"
    address = f"{number}{'x' * 200}@acme.example.com"
    return FailedEmail(key=key, template="sheet_to_confirm", to=address, reason=ESCAPED * 500, at=MONDAY)


def bounce(process: Process, number: int) -> None:
    """So many mails can't be delivered."""
    kept = process.memory
    decision = decisions.mails_bounced(process.application, tuple(map(bounced, range(number))))
    kept.carry_out(decision, kept.event(MONDAY, "email_failed", decision.verdict, decision.application))


def fill_answers(kept: RunMemory) -> None:
    """More commands than answers are kept of, under the longest IDs there may be."""
    for number in range(KEPT_COMMANDS + 100):
        command_id = str(number).ljust(128, ESCAPED)
        kept.remember(parsed("record_contact", payloads.command("record_contact", command_id=command_id)))


def fill_backlog(process: Process) -> None:
    """Nothing is stored any more, and people go on until no more is taken."""
    process.stores = False
    while amend(process) == "accepted":
        pass


class TestEachList:
    """Its own bound holds, and the newest of it stays."""

    def test_amendments(self) -> None:
        process = largest()
        for _ in range(60):
            assert amend(process) == "accepted"
        kept = process.application.amendments
        assert 3 <= len(kept) < 60
        assert list_size(kept) <= KEPT_BYTES
        assert kept[-1].start_date == process.application.start_date

    def test_failed_mails(self) -> None:
        process = largest()
        bounce(process, 500)
        kept = process.application.failed_emails
        assert 20 < len(kept) < 500
        assert list_size(kept) <= KEPT_BYTES
        assert kept[-1].key == "499.sheet_to_confirm"
        [told] = process.memory.backlog[-1].notices
        assert isinstance(told, EmailFailed)
        assert 1 < len(told.failed_emails) < len(kept)
        assert list_size(told.failed_emails) <= TOLD_BYTES
        assert told.failed_emails[-1] == kept[-1]

    def test_mails_sent_once_more(self) -> None:
        journey = journey_to("qualified")
        for _ in range(KEPT_RESENT_EMAILS + 10):
            journey.say("resend_email", key=journey.bounce())
        assert len(journey.application.resent_emails) == KEPT_RESENT_EMAILS

    def test_refusals(self) -> None:
        kept = RunMemory.of(journey_to("drafting").application)
        for number in range(40):
            name = f"signal_{number}"
            kept.note(
                kept.event(MONDAY, name, Verdict.REFUSED, kept.application, refusal=refused(WIDE * 2_000))
            )
        assert 1 < len(kept.refusals) <= memory.KEPT_REFUSALS
        assert list_size(kept.refusals) <= KEPT_BYTES
        assert kept.refusals[-1].command == "signal_39"

    def test_answers(self) -> None:
        process = largest()
        fill_answers(process.memory)
        answers = process.memory.memory().answers
        assert list_size(answers) <= COMMANDS_BYTES
        assert len(answers) > 500
        assert answers[-1].command_id.startswith(str(KEPT_COMMANDS + 99))

    def test_what_waits_to_be_published(self) -> None:
        process = largest()
        fill_backlog(process)
        waiting = sum(len(entry.model_dump_json().encode()) for entry in process.memory.backlog)
        assert memory.BACKLOG_BYTES <= waiting < memory.BACKLOG_BYTES + 2 * intake.MAX_COMMAND_BYTES
        assert amend(process) == "unavailable"

    def test_what_one_activity_is_told(self) -> None:
        process = largest()
        fill_answers(process.memory)
        bounce(process, 500)
        fill_backlog(process)
        kept = process.memory
        while kept.backlog:
            publication = kept.publication(hold=False)
            assert len(publication.model_dump_json(exclude_none=True).encode()) < MOST / 2
            kept.published(publication.entries, MONDAY)

    def test_the_newest_is_kept_however_large(self) -> None:
        large = bounced(1).model_copy(update={"reason": "x" * 2 * KEPT_BYTES})
        assert newest_within([bounced(0), large]) == (large,)
        assert newest_within([large, bounced(0)]) == (bounced(0),)
        assert newest_within([]) == ()
        assert newest_within([bounced(0), bounced(1)]) == (bounced(0), bounced(1)), "in their order"


def refused(message: str) -> RefusedError:
    return RefusedError(ErrorType.INVALID, message)


class TestAllAtOnce:
    """Every list at its bound, and the outage lasts."""

    def test_with_the_largest_documents(self) -> None:
        process = largest()
        for _ in range(60):
            amend(process)
        bounce(process, 500)
        fill_answers(process.memory)
        fill_backlog(process)
        for _ in range(50):
            say(process, "resend_email", key=WIDE * 200)
        assert size(process.memory) < MOST
        assert size(process.memory) > MOST / 2, "or this test drives nothing to its bound"

    @LONG
    def test_through_a_year_without_database_while_access_is_missing(self) -> None:
        process = largest()
        bounce(process, 500)
        fill_answers(process.memory)
        fill_backlog(process)
        unverified = ENTERPRISE.model_copy(update={"verified": False})
        process.account = Account(uid=UID, enterprise=unverified)

        process.pass_until(MONDAY + timedelta(days=2 * 365))

        assert process.application.access_attempts > 5_000
        assert size(process.memory) < MOST
        told = [notice.template for entry in process.memory.backlog for notice in entry.notices]
        assert told.count("access_delayed") == 1

    def test_through_two_years_of_reminders_without_database(self) -> None:
        process = largest(both_signed=False)
        process.stores = False
        became = "accepted"
        for number in count():
            if became == "unavailable":
                break
            bd = {"name": WIDE * 200, "email": f"bd{number}@vendor.example.com"}
            became = say(process, "reassign_bd", role="bd_lead", bd=bd)
        assert process.memory.backlog_full
        process.pass_until(MONDAY + timedelta(days=2 * 365))
        assert size(process.memory) < MOST
        told = [notice.template for entry in process.memory.backlog for notice in entry.notices]
        assert told.count("contact_overdue") == told.count("reminders_unanswered") == 1
        assert told.count("signature_reminder") == 2, "the first, and that by which the lead is told"
        assert process.status.overdue

    @pytest.mark.parametrize("situation", some_of(SITUATIONS, every=8))
    def test_in_every_situation(self, situation: str) -> None:
        journey = journey_to(situation)
        kept = RunMemory.of(journey.application)
        while not kept.backlog_full:
            kept.note(
                kept.event(JOINED_AT, "x", Verdict.REFUSED, kept.application, refusal=refused(WIDE * 9_999))
            )
        for _ in range(100):
            if decisions.next_clock(journey.application) is None:
                break
            before = journey.application
            uids = tuple(f"{number:032}" for number in range(202))
            missing = tuple(Missing(cause=cause, uids=uids) for cause in AccessCause)
            decision = journey.wait(AccessOutcome(granted=False, missing=missing))
            kept.application = before
            kept.carry_out(decision, kept.event(journey.now, "x", decision.verdict, decision.application))
        assert size(kept) < MOST / 2
        assert kept.application == journey.application


class TestFullBacklog:
    """While nothing can be stored and no more can be kept."""

    def full(self) -> Process:
        process = largest()
        fill_backlog(process)
        return process

    def test_commands_are_unavailable_and_may_be_sent_again(self) -> None:
        process = self.full()
        before = process.application
        said: Json = payloads.command(
            "amend_start_date", start_date="2027-01-01", time_zone="UTC", reason="Later."
        )

        refusal = process.say("amend_start_date", said).refusal
        assert refusal
        assert refusal.error == "unavailable"
        assert "send it again later" in refusal.message
        assert process.application is before
        assert process.memory.answered_before(parsed("amend_start_date", said)) is None

        process.stores = True
        assert process.say("amend_start_date", said).verdict is Verdict.REFUSED, "until it is stored"
        assert process.say("amend_start_date", said).verdict is Verdict.ACCEPTED

    def test_what_was_answered_before_is_answered_all_the_same(self) -> None:
        process = largest()
        said = payloads.command("amend_start_date", start_date="2027-01-01", time_zone="UTC", reason="Later.")
        assert process.say("amend_start_date", said).verdict is Verdict.ACCEPTED
        fill_backlog(process)
        assert process.say("amend_start_date", said).verdict is Verdict.NO_OP

    def test_refusals_that_could_not_be_kept_are_counted_in_one_event(self) -> None:
        process = self.full()
        kept = process.memory
        already, waiting = kept.memory().not_kept, len(kept.backlog)
        assert already == 1, "the one that found it full"
        for _ in range(60):
            say(process, "confirm_terms", sheet_revision=1, sheet_hash="ab")

        assert len(kept.backlog) == waiting
        assert kept.memory().not_kept == 61
        assert len(process.status.last_refusals) == memory.KEPT_REFUSALS, "they are shown all the same"
        after = RunMemory(Memory.model_validate_json(kept.memory().model_dump_json(exclude_none=True)))
        assert after.memory().not_kept == 61

        events = []
        while after.backlog:
            entries = after.publication(hold=False).entries
            after.published(entries, MONDAY)
            events += [entry.event for entry in entries]
        [counted] = [event for event in events if event.command == memory.NOT_KEPT]
        assert (counted.verdict, counted.error) == (Verdict.REFUSED, None)
        assert counted.message
        assert counted.message.startswith("61 more ")
        assert events[-1] == counted
        numbers = [event.sequence for event in events]
        assert numbers == list(range(numbers[0], after.sequence + 1)), "numbered without gaps"
        assert after.memory().not_kept == 0

    def test_numbers_have_no_gaps(self) -> None:
        process = self.full()
        for _ in range(5):
            say(process, "confirm_terms", sheet_revision=1, sheet_hash="ab")
        process.stores = True
        process.pass_until(MONDAY + timedelta(days=400))
        say(process, "confirm_company")
        assert [event.sequence for event in process.trail] == list(range(1, len(process.trail) + 1))
        assert [event.command for event in process.trail].count(memory.NOT_KEPT) == 1

    def test_what_is_decided_by_time_is_kept_also_then(self) -> None:
        process = self.full()
        process.pass_until(datetime(2027, 6, 1, tzinfo=UTC))
        assert process.application.stage == "active"
        assert process.memory.backlog[-1].event.to_stage == "active"
        assert [notice.template for notice in process.memory.backlog[-1].notices] == ["access_granted"]

    def test_an_operators_cancel_and_reset_are_kept_also_then(self) -> None:
        process = self.full()
        kept = process.memory
        decision = decisions.cancelled_by_operator(kept.application, MONDAY)
        kept.carry_out(
            decision, kept.event(MONDAY, "cancel_application", decision.verdict, decision.application)
        )
        assert kept.backlog[-1].event.command == "cancel_application"
        kept.taken_up(Head(generation=1, sequence=5, hash="ab"), MONDAY)
        assert kept.backlog_full
        assert kept.backlog[-1].event.command == "reset"


def parsed(kind: str, said: Json) -> Command:
    return intake.parse_command(kind, (said,))
