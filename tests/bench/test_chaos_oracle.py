"""The oracle catches every planted violation, and is silent where every promise was kept."""

import pytest

from bench.chaos.evidence import Audited, Evidence
from bench.chaos.oracle_mails import judge_mails
from bench.chaos.plan import ORDINARY, FaultKind, Sort, plan
from bench.chaos.report import PROMISES
from bench.chaos.trails import back_to, standing
from tests.bench.planted import KEPT, PLAN, SOUND, a_mail, added, an_event, appended, broken, changed, the_run
from tests.bench.records import kept


def test_silent_where_every_promise_was_kept() -> None:
    assert broken(KEPT) == set()
    assert judge_mails(PLAN.scripts, KEPT)[1] == ()


RIGHT = next(turn.right for turn in SOUND.turns if turn.right.step == "approve_application")
CONFIRMED = {s.command_id for s in KEPT.sendings if (s.channel, s.answer) == ("update", "done")}
ISSUED = an_event(command="issue_decision_sheet", verdict="accepted")
FORBIDDEN = an_event(error="forbidden")

PLANTED: list[tuple[str, str, Evidence]] = [
    ("a workflow still runs", "applicant did not finish", the_run(status="running", outcome=None)),
    ("a workflow failed", "applicant did not finish", the_run(status="failed", outcome=None)),
    (
        "an applicant was taken for a partner",
        "applicant did not finish",
        the_run(outcome="already_partner"),
    ),
    (
        "a workflow is not there",
        "applicant did not finish",
        changed("runs", lambda run: run.uid == SOUND.uid),
    ),
    (
        "Temporal lost a signal",
        "acknowledged command lost",
        the_run(
            received=tuple(
                text
                for run in KEPT.runs
                if run.uid == SOUND.uid
                for text in run.received
                if text != RIGHT.command_id
            )
        ),
    ),
    (
        "the workflow lost a command",
        "acknowledged command lost",
        changed("audit", lambda event: event.command_id == RIGHT.command_id, command_id=None),
    ),
    (
        "the driver was told another verdict",
        "answer contradicts the record",
        changed(
            "sendings", lambda s: s.channel == "update" and s.sort is Sort.RIGHT, answer="stale_revision"
        ),
    ),
    (
        "a wrong actor got through",
        "wrong command not refused as such",
        changed("audit", lambda event: event == FORBIDDEN, verdict="accepted", error=None),
    ),
    (
        "a wrong actor was refused for another reason",
        "wrong command not refused as such",
        changed("audit", lambda event: event == FORBIDDEN, error="wrong_stage"),
    ),
    ("a command took effect twice", "effect doubled", appended(ISSUED)),
    (
        "a step took effect twice, under two IDs",
        "effect doubled",
        appended(an_event(command="sign_contract", verdict="accepted"), command_id="another"),
    ),
    (
        "a sheet too many",
        "effect doubled",
        added("sheets", KEPT.sheets[0].model_copy(update={"revision": 3})),
    ),
    ("access twice", "effect doubled", added("grants", KEPT.grants[0])),
    (
        "a form too many",
        "effect doubled",
        added("forms", KEPT.forms[0].model_copy(update={"revision": 3})),
    ),
    (
        "access for somebody else",
        "effect doubled",
        added("grants", KEPT.grants[0].model_copy(update={"uid": "1"})),
    ),
    (
        "an event is not stored",
        "audit trail has a gap",
        changed("audit", lambda event: event == ISSUED),
    ),
    (
        "a transition is not on record",
        "audit trail has a gap",
        changed("audit", lambda event: event == ISSUED, to_stage="qualified"),
    ),
    (
        "an event was altered",
        "audit trail is not chained",
        changed("trails", lambda trail: True, broken_at=4),
    ),
    (
        "the end of a trail was cut off",
        "audit trail is not chained",
        changed("trails", lambda trail: True, head_sequence=99),
    ),
    (
        "the end of a trail was written anew",
        "audit trail is not chained",
        changed("trails", lambda trail: True, head_hash="another"),
    ),
    ("the end of a trail is not kept", "audit trail is not chained", changed("trails", lambda trail: True)),
    (
        "an event was written anew, chain and all",
        "event changed",
        changed("readings", lambda reading: reading.sequence == 5, hash="as it was"),
    ),
    (
        "an event that was readable is gone",
        "event changed",
        added("readings", KEPT.readings[0].model_copy(update={"sequence": 99})),
    ),
    (
        "a reset on record that nobody did",
        "reset not on record",
        appended(ISSUED, command="reset", command_id=None, details='{"back_to": 3}'),
    ),
    (
        "a row went back",
        "read model went backwards",
        added("samples", KEPT.samples[20].model_copy(update={"at": 1e9, "sequence": 1})),
    ),
    (
        "a row vanished",
        "read model went backwards",
        added("samples", KEPT.samples[20].model_copy(update={"at": 1e9, "sequence": None})),
    ),
    (
        "an event vanished",
        "read model went backwards",
        added("samples", KEPT.samples[20].model_copy(update={"at": 1e9, "sequence": 99, "audited": 0})),
    ),
    (
        "the read model lags for ever",
        "records disagree",
        changed("rows", lambda row: True, stage="signed"),
    ),
    (
        "a row tells of e-mails that have left",
        "records disagree",
        changed("rows", lambda row: True, pending_emails=1),
    ),
    (
        "a row conceals a refusal",
        "records disagree",
        changed("rows", lambda row: bool(row.refusals), refusals=()),
    ),
    (
        "a row was written without its event",
        "records disagree",
        changed("samples", lambda sample: sample.sequence == 5, audited=4),
    ),
    (
        "a command was carried out and is on record as refused, too",
        "records disagree",
        changed(
            "audit",
            lambda event: event.command_id in CONFIRMED and event.verdict == "accepted",
            verdict="refused",
            error="unavailable",
        ),
    ),
    (
        "a sheet in force is void",
        "records disagree",
        changed("sheets", lambda sheet: True, void=True),
    ),
    (
        "e-mails of an application nobody has",
        "records disagree",
        added("ledger", KEPT.ledger[0].model_copy(update={"application_id": "another"})),
    ),
    (
        "access without a word",
        "access without active",
        changed("audit", lambda event: event.to_stage == "active", to_stage="activating"),
    ),
    ("the read model lacks a row", "records disagree", changed("rows", lambda row: True)),
    (
        "a mail was never taken",
        "mail missing",
        changed("mails", lambda mail: mail == a_mail()),
    ),
    (
        "a mail is not in the ledger",
        "mail missing",
        changed("ledger", lambda row: row.message_id == a_mail().message_id),
    ),
    (
        "a mail waits for ever",
        "mail missing",
        changed("ledger", lambda row: row.message_id == a_mail().message_id, state="pending"),
    ),
    (
        "a mail was withdrawn though nothing was undone",
        "mail missing",
        changed("ledger", lambda row: row.message_id == a_mail().message_id, state="withdrawn"),
    ),
    (
        "a bounced mail counts as sent",
        "mail missing",
        changed("ledger", lambda row: row.state == "failed", state="sent"),
    ),
    (
        "nobody was told of a bounce",
        "mail missing",
        changed("audit", lambda event: event.command == "email_failed", command="reassign_bd"),
    ),
    (
        "a mail from nowhere",
        "mail nobody ordered",
        added("mails", a_mail().model_copy(update={"message_id": "<other@vendor.example.com>"})),
    ),
    (
        "a mail under two Message-IDs",
        "mail doubled under another Message-ID",
        added("mails", a_mail().model_copy(update={"message_id": "<other@vendor.example.com>"})),
    ),
    (
        "a mail twice though nothing broke",
        "mail doubled without a fault",
        added("mails", a_mail().model_copy(update={"at": a_mail().at + 1})),
    ),
    (
        "a mail came too late",
        "mails out of order",
        changed("mails", lambda mail: mail == a_mail(), at=1e9),
    ),
    (
        "the code failed a workflow task",
        "workflow task failed",
        the_run(failures=("NON_DETERMINISTIC_ERROR: no such timer",)),
    ),
]


@pytest.mark.parametrize(("what", "promise", "evidence"), PLANTED, ids=[what for what, _, _ in PLANTED])
def test_it_catches(what: str, promise: str, evidence: Evidence) -> None:
    assert promise in broken(evidence), what


def test_a_violation_of_every_promise_is_planted() -> None:
    assert {promise for _, promise, _ in PLANTED} == set(PROMISES)


def test_what_was_never_acknowledged_may_be_lost() -> None:
    sent = next(s for s in KEPT.sendings if s.command_id == RIGHT.command_id)
    never = sent.model_copy(update={"command_id": "never seen", "answer": "unknown"})
    assert broken(added("sendings", never)) == set()


def test_a_refusal_while_the_directory_was_down_may_be_repeated() -> None:
    trail = [e for e in KEPT.audit if e.application_id == ISSUED.application_id]
    submitted = next(e for e in trail if e.command == "submit_application" and e.verdict == "accepted")
    evidence = appended(submitted, verdict="refused", error="unavailable")
    assert broken(evidence) == set()


TURNED = plan(3, 40, seconds=60, faults=ORDINARY | {FaultKind.RESET})
AFTER_RESETS = kept(TURNED)
UNDONE = next(
    (event, reset)
    for reset in AFTER_RESETS.audit
    if reset.command == "reset"
    for event in AFTER_RESETS.audit
    if event.application_id == reset.application_id
    and back_to(reset) < event.sequence < reset.sequence
    and (event.command, event.verdict) == ("issue_decision_sheet", "accepted")
)

AGAIN = [event for event in AFTER_RESETS.audit if (event.command_id or "").endswith("again")]


def test_silent_where_every_promise_was_kept_across_resets() -> None:
    assert broken(AFTER_RESETS, TURNED.scripts) == set()
    assert {row.state for row in AFTER_RESETS.ledger} == {"sent", "failed", "withdrawn"}


@pytest.mark.parametrize(
    ("promise", "evidence"),
    [
        (
            "reset not on record",
            changed("runs", lambda run: run.resets == 1, AFTER_RESETS, resets=0),
        ),
        (
            "reset not on record",
            changed("audit", lambda e: e == UNDONE[1], AFTER_RESETS, details='{"back_to": 99}'),
        ),
        (
            "audit trail has a gap",
            changed("audit", lambda e: e == UNDONE[1], AFTER_RESETS, from_stage="signed"),
        ),
        (
            "records disagree",
            changed(
                "sheets",
                lambda s: (s.application_id, s.sequence) == (UNDONE[0].application_id, UNDONE[0].sequence),
                AFTER_RESETS,
                void=False,
            ),
        ),
        (
            "effect doubled",
            changed("audit", lambda e: e == AGAIN[1], AFTER_RESETS, command_id=AGAIN[0].command_id),
        ),
    ],
)
def test_it_catches_after_a_reset(promise: str, evidence: Evidence) -> None:
    assert promise in broken(evidence, TURNED.scripts)


def test_what_a_reset_has_undone_counts_no_more() -> None:
    def event(sequence: int, command: str = "ask_bd", details: str = "") -> Audited:
        return ISSUED.model_copy(update={"sequence": sequence, "command": command, "details": details})

    trail = [event(1), event(2), event(3), event(4, "reset", '{"back_to": 1}'), event(5)]
    assert [kept_event.sequence for kept_event in standing(trail)] == [1, 4, 5]
    # Turned back behind the first reset, and then to before it.
    trail += [event(6, "reset", '{"back_to": 4}'), event(7), event(8, "reset", '{"back_to": 0}')]
    assert [kept_event.sequence for kept_event in standing(trail)] == [8]
