"""Temporal's Reset, as the database knows it: generations, and what of the past no longer counts."""

import asyncio
from datetime import timedelta

from sqlalchemy import select

from activities.db.applications import ApplicationRecords
from activities.db.email_ledger import REPORTED_FAILURES, EmailLedger, LedgerState
from activities.db.engine import Database
from activities.db.tables import FormRow
from activities.db.trail import AuditTrail, Written
from domain.contract import Stage
from domain.inquiry import Head
from domain.notices import AssociatedUidChanged
from domain.publication import Entry, TurnedBack
from domain.state import Application
from domain.status import CoverageChanged, FailedEmail
from tests.activities.examples import (
    APPROVED,
    LINEAGE,
    NOON,
    RECEIVED,
    REQUESTED,
    application,
    entry,
    event,
    issued,
    publication,
    sheet,
    submitted,
    to_confirm,
    with_form,
    with_sheet,
)
from tests.activities.stored import by_key, everything, intact, reset_to

UNDER_REVIEW = with_form(application(stage=Stage.UNDER_REVIEW), 1)
QUALIFIED = UNDER_REVIEW.but(stage=Stage.QUALIFIED)


async def came_far(trail: AuditTrail) -> Application:
    """Two forms, two sheets; five mails."""
    newest = with_sheet(with_form(application(stage=Stage.CONFIRMING_TERMS), 2), 2, replaces=1)
    await trail.publish(
        publication(
            newest,
            submitted(1, 1, RECEIVED, REQUESTED),
            submitted(2, 2),
            issued(3, 1, to_confirm(1)),
            issued(4, 2, to_confirm(2), replaces=1),
            entry(5, APPROVED),
        )
    )
    return newest


async def test_the_head_of_an_unknown_application_is_the_beginning(trail: AuditTrail) -> None:
    assert await trail.head("run-1") == Head()


async def test_the_head_is_where_the_trail_ends(trail: AuditTrail, records: ApplicationRecords) -> None:
    await came_far(trail)
    newest = (await records.trail("run-1"))[-1].link.hash
    assert await trail.head("run-1") == Head(generation=0, sequence=5, hash=newest)


async def test_taking_up_tells_where_the_trail_ends_and_what_numbers_are_used(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await came_far(trail)
    await ledger.sent("run-1", "1.application_received", NOON)
    head = await trail.head("run-1")
    taken = await trail.take_up(reset_to(2))
    assert taken == Head(
        generation=1, sequence=5, hash=head.hash, forms_used=2, sheets_used=2, emails_withdrawn=3
    )
    assert await trail.head("run-1") == Head(generation=1, sequence=5, hash=head.hash)


async def test_mails_that_failed_are_told_to_who_does_not_know_of_them_if_they_still_count(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await came_far(trail)
    bounced = ("1.application_received", "1.review_requested", "4.sheet_to_confirm")
    for key in bounced:
        await ledger.failed("run-1", key, "550 no such user", NOON)
    unknown = await trail.take_up(reset_to(2))
    assert [failed.key for failed in unknown.failed] == list(bounced[:2])
    assert unknown.failed_through == 4, "that of what is undone is never told"
    known = await trail.take_up(reset_to(2).model_copy(update={"failed_through": 1}))
    assert [failed.key for failed in known.failed] == ["1.review_requested"]
    assert unknown.failed[0] == FailedEmail(
        key="1.application_received",
        template="application_received",
        to="mei@partner.example",
        reason="550 no such user",
        at=NOON,
    )


async def test_of_many_failures_the_newest_are_told(trail: AuditTrail, ledger: EmailLedger) -> None:
    count = REPORTED_FAILURES + 3
    await trail.publish(publication(application(), *(entry(n, APPROVED) for n in range(1, count + 1))))
    for n in range(1, count + 1):
        await ledger.failed("run-1", f"{n}.application_approved", "550", NOON)
    taken = await trail.take_up(reset_to(count))
    assert [failed.key for failed in taken.failed] == [
        f"{n}.application_approved" for n in range(4, count + 1)
    ]
    assert taken.failed_through == count


def reset(sequence: int, back_to: int) -> Entry:
    """The event by which a run goes on after a reset."""
    return entry(sequence, command="reset", details={"back_to": back_to})


async def marks(ledger: EmailLedger, records: ApplicationRecords) -> tuple[set[str], list[int]]:
    """Which mails are withdrawn, and which sheets are void."""
    withdrawn = {key for key, row in (await by_key(ledger)).items() if row.state is LedgerState.WITHDRAWN}
    return withdrawn, [kept.sheet.revision for kept in await records.sheets("run-1") if kept.void]


async def test_what_is_undone_stays_undone_through_a_later_reset(
    trail: AuditTrail, ledger: EmailLedger, records: ApplicationRecords
) -> None:
    """First back to 3, then, after event 8, back to 7: 4 and 5 stay undone, and so does 8."""
    newest = await came_far(trail)
    await trail.take_up(reset_to(3))
    goes_on = with_sheet(newest, 3, replaces=1)
    later = issued(7, 3, to_confirm(3), replaces=1), entry(8, APPROVED)
    await trail.publish(publication(goes_on, reset(6, 3), *later, generation=1))
    head = await trail.take_up(reset_to(7))
    undone = {"4.sheet_to_confirm", "5.application_approved", "8.application_approved"}
    assert await marks(ledger, records) == (undone, [2])
    assert head.emails_withdrawn == len(undone)
    waiting = await ledger.waiting(LINEAGE.model_copy(update={"generation": 2}))
    assert [mail.key for mail in waiting] == [
        "1.application_received",
        "1.review_requested",
        "3.sheet_to_confirm",
        "7.sheet_to_confirm",
    ]


async def test_a_reset_of_a_reset_goes_by_the_whole_way(
    trail: AuditTrail, ledger: EmailLedger, records: ApplicationRecords
) -> None:
    """Back to 4, then to right after that reset: 5 stays undone, and 7 is as well."""
    newest = await came_far(trail)
    await trail.take_up(reset_to(4))
    await trail.publish(publication(newest, reset(6, 4), entry(7, APPROVED), generation=1))
    await trail.take_up(reset_to(6))
    await trail.publish(publication(newest, reset(8, 6), entry(9, APPROVED), generation=2))
    await trail.take_up(reset_to(9))
    withdrawn, void = await marks(ledger, records)
    assert (withdrawn, void) == ({"5.application_approved", "7.application_approved"}, [])


async def test_a_reset_counts_whose_event_is_not_stored_yet(
    trail: AuditTrail, ledger: EmailLedger, records: ApplicationRecords
) -> None:
    """Turned back to where another reset was being taken up, a run takes up twice before it stores any."""
    await came_far(trail)
    await trail.take_up(reset_to(2))
    undone = await marks(ledger, records)
    assert undone == ({"3.sheet_to_confirm", "4.sheet_to_confirm", "5.application_approved"}, [1, 2])
    again = reset_to(6).model_copy(update={"resets": (TurnedBack(sequence=6, back_to=2),)})
    await trail.take_up(again)
    assert await marks(ledger, records) == undone


async def test_taking_up_an_application_that_was_never_stored_begins_at_the_beginning(
    trail: AuditTrail,
) -> None:
    assert await trail.take_up(reset_to(0)) == Head(generation=1)
    first = publication(application(), entry(1), generation=1)
    assert await trail.publish(first) is Written.STORED


async def test_mails_of_undone_events_never_leave_and_the_others_do(
    trail: AuditTrail, ledger: EmailLedger
) -> None:
    await came_far(trail)
    await ledger.sent("run-1", "3.sheet_to_confirm", NOON)
    await trail.take_up(reset_to(1))
    states = {key: row.state for key, row in (await by_key(ledger)).items()}
    assert states == {
        "1.application_received": LedgerState.PENDING,
        "1.review_requested": LedgerState.PENDING,
        "3.sheet_to_confirm": LedgerState.SENT,
        "4.sheet_to_confirm": LedgerState.WITHDRAWN,
        "5.application_approved": LedgerState.WITHDRAWN,
    }
    assert (await by_key(ledger))["5.application_approved"].reason == "Undone by a reset in Temporal."
    goes_on = LINEAGE.model_copy(update={"generation": 1})
    waiting = [mail.key for mail in await ledger.waiting(goes_on)]
    assert waiting == ["1.application_received", "1.review_requested"]


async def test_documents_of_undone_events_are_void_and_their_numbers_stay_used(
    trail: AuditTrail, records: ApplicationRecords, database: Database
) -> None:
    await came_far(trail)
    await trail.take_up(reset_to(3))
    assert [(kept.sheet.revision, kept.void) for kept in await records.sheets("run-1")] == [
        (1, False),
        (2, True),
    ]
    forms = await database.rows(select(FormRow.__table__).order_by(FormRow.revision), {})
    assert [row.void for row in forms] == [False, False]
    goes_on = with_sheet(with_form(application(stage=Stage.CONFIRMING_TERMS), 2), 3, replaces=1)
    again = publication(goes_on, entry(6, command="reset"), issued(7, 3, replaces=1), generation=1)
    assert await trail.publish(again) is Written.STORED
    kept = await records.sheets("run-1")
    assert [(stored.sheet.revision, stored.void) for stored in kept] == [(1, False), (2, True), (3, False)]
    assert kept[2].sheet == sheet(3, replaces=1)
    await intact(records, 1, 2, 3, 4, 5, 6, 7)


async def test_a_form_of_an_undone_event_is_void(trail: AuditTrail, database: Database) -> None:
    await came_far(trail)
    await trail.take_up(reset_to(1))
    forms = await database.rows(select(FormRow.__table__).order_by(FormRow.revision), {})
    assert [row.void for row in forms] == [False, True]


async def test_a_writer_of_an_older_generation_writes_nothing(
    trail: AuditTrail, database: Database, ledger: EmailLedger
) -> None:
    newest = await came_far(trail)
    await trail.take_up(reset_to(2))
    before = await everything(database)
    late = [
        publication(newest, entry(5, APPROVED), entry(6, RECEIVED)),
        publication(newest, entry(6, RECEIVED)),
        publication(newest, entry(5, APPROVED)),
    ]
    for publication_of_the_past in late:
        assert await trail.publish(publication_of_the_past) is Written.SUPERSEDED
    assert await ledger.waiting(LINEAGE) == ()
    assert await everything(database) == before


async def test_a_writer_of_a_generation_that_is_not_there_yet_takes_up_first(
    trail: AuditTrail, records: ApplicationRecords
) -> None:
    """As after a restore of the database."""
    await came_far(trail)
    ahead = publication(UNDER_REVIEW, entry(6), generation=1)
    assert await trail.publish(ahead) is Written.SUPERSEDED
    await intact(records, 1, 2, 3, 4, 5)


async def test_each_reset_is_a_generation_and_tells_the_same_when_asked_again(trail: AuditTrail) -> None:
    await came_far(trail)
    first = await trail.take_up(reset_to(2))
    again = await trail.take_up(reset_to(2))
    assert again == first.model_copy(update={"generation": 2})


async def test_a_reset_nobody_noticed_is_found(
    trail: AuditTrail, database: Database, records: ApplicationRecords
) -> None:
    """The run stands at numbers its other past has used: what it says now must not pass for what was said."""
    await came_far(trail)
    before = await everything(database)
    later = NOON + timedelta(hours=1)
    other_ways = [
        [entry(4, at=later)],
        [entry(4, at=event(4).at, command="decline")],
        [issued(4, 2), entry(5, at=later)],
        [entry(5, at=later), entry(6, at=later)],
    ]
    for entries in other_ways:
        assert await trail.publish(publication(QUALIFIED, *entries)) is Written.SUPERSEDED
        assert await everything(database) == before
    goes_on = publication(QUALIFIED, entry(5), entry(6, at=later))
    assert await trail.publish(goes_on) is Written.STORED
    await intact(records, 1, 2, 3, 4, 5, 6)


async def test_an_event_of_a_broken_name_is_found_again(trail: AuditTrail) -> None:
    broken = publication(application(), entry(1, command="sign\0contract"), entry(2, command="a\ud800"))
    for _ in range(2):
        assert await trail.publish(broken) is Written.STORED


async def test_resets_and_late_writers_at_once_leave_one_trail(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger
) -> None:
    newest = await came_far(trail)
    late = [trail.publish(publication(newest, entry(6, RECEIVED))) for _ in range(4)]
    head, *written = await asyncio.gather(trail.take_up(reset_to(2)), *late)
    assert isinstance(head, Head)
    stored = Written.STORED in written
    assert head.sequence in ((5, 6) if stored else (5,))
    goes_on = publication(newest, entry(head.sequence + 1, at=NOON, command="reset"), generation=1)
    assert await trail.publish(goes_on) is Written.STORED
    await intact(records, *range(1, head.sequence + 2))
    late_notice = (await by_key(ledger)).get("6.application_received")
    assert late_notice is None or late_notice.state is LedgerState.WITHDRAWN


async def test_what_counts_again_is_void_no_more_and_its_mails_leave(
    trail: AuditTrail, records: ApplicationRecords, ledger: EmailLedger
) -> None:
    """The first reset was a mistake: the run of before is reset, to where it stood."""
    newest = await came_far(trail)
    await trail.take_up(reset_to(3))
    goes_on = with_sheet(with_form(application(stage=Stage.CONFIRMING_TERMS), 2), 3, replaces=1)
    undoing = entry(6, command="reset", details={"back_to": 3})
    other_way = publication(goes_on, undoing, issued(7, 3, to_confirm(3), replaces=1), generation=1)
    assert await trail.publish(other_way) is Written.STORED

    await trail.take_up(reset_to(5))
    assert [(kept.sheet.revision, kept.void) for kept in await records.sheets("run-1")] == [
        (1, False),
        (2, False),
        (3, True),
    ]
    states = {key: row.state for key, row in (await by_key(ledger)).items() if row.reason}
    assert states == {"7.sheet_to_confirm": LedgerState.WITHDRAWN}
    back = publication(newest, entry(8, command="reset", details={"back_to": 5}), generation=2)
    assert await trail.publish(back) is Written.STORED

    # What stands after the first reset's own event came by way of it.
    await trail.take_up(reset_to(7))
    assert [kept.void for kept in await records.sheets("run-1")] == [False, True, False]
    states = {key: row.state for key, row in (await by_key(ledger)).items() if row.reason}
    assert set(states) == {"4.sheet_to_confirm", "5.application_approved"}
    await intact(records, 1, 2, 3, 4, 5, 6, 7, 8)


async def test_what_was_changed_after_access_was_given_is_no_step_and_stays(
    trail: AuditTrail, ledger: EmailLedger, records: ApplicationRecords
) -> None:
    """Each change is a run of its own: it counts, is answered as before, and its mails leave."""
    newest = await came_far(trail)
    by_hand = CoverageChanged(uid="1007", added=True, at=NOON)
    told = AssociatedUidChanged(coverage_change=by_hand, covered_uids=("1002", "1007"))
    active = newest.but(stage=Stage.ACTIVE, associated_uids=("1007",), coverage_changes=(by_hand,))
    for number in (6, 7, 9):
        change = entry(number, told, command="add_associated_uid")
        between = entry(8, APPROVED)
        entries = (between, change) if number == 9 else (change,)
        await trail.publish(publication(active, *entries))
    head = await trail.take_up(reset_to(2))
    assert (head.associated_uids, head.coverage_changes) == (("1007",), (by_hand,))
    waiting = await ledger.waiting(LINEAGE.model_copy(update={"generation": 1}))
    assert [mail.key for mail in waiting] == [
        "1.application_received",
        "1.review_requested",
        *(f"{number}.associated_uid_changed" for number in (6, 7, 9)),
    ]
    answered = await records.answered("run-1", "c-6", 2)
    assert answered
    assert answered.sequence == 6
    assert await records.answered("run-1", "c-8", 2) is None, "a step of the run is undone"
    again = await trail.take_up(reset_to(2))
    assert again == head.model_copy(update={"generation": 2})


async def test_that_none_is_left_stays_too(trail: AuditTrail) -> None:
    newest = await came_far(trail)
    change = CoverageChanged(uid="1003", added=False, at=NOON)
    without = newest.but(associated_uids=(), coverage_changes=(change,))
    await trail.publish(publication(without, entry(6, command="remove_associated_uid")))
    head = Head.model_validate_json((await trail.take_up(reset_to(5))).model_dump_json())
    assert (head.associated_uids, head.coverage_changes) == ((), (change,))
