"""Judges the e-mails: each expected one delivered, in order; doubled only where that is allowed. Pure.

An e-mail may be overtaken by those to other recipients when its own was put off by the mail server (decision
0020), never by one to the same recipient.

An e-mail may come twice when its first copy was under way while something broke (at least once:
docs/reference/e-mails.md), and then both copies have the same Message-ID. What tells of something a reset
has undone left before, or never does.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from bench.chaos.evidence import Audited, Evidence, FaultSeen, LedgerRow, Mail, MailEvent
from bench.chaos.oracle import ACCEPTED, ACTIVE, Violation
from bench.chaos.plan import FaultKind, Script
from bench.chaos.story import bd_of, contact_of, lead_of
from bench.chaos.trails import standing

PARTNER, BD = "partner", "bd"
WITHDRAWN: Final = "withdrawn"
NOTICES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "submit_application": (("application_received", PARTNER), ("review_requested", BD)),
    "withdraw_application": (("application_withdrawn", PARTNER), ("withdrawn_to_bd", BD)),
    "request_justification": (("justification_requested", PARTNER),),
    "provide_justification": (("justification_answered", BD),),
    "approve_application": (("application_approved", PARTNER),),
    "issue_decision_sheet": (("sheet_to_confirm", PARTNER),),
    "modify_terms": (("modification_requested", BD),),
    "confirm_terms": (("terms_confirmed", PARTNER), ("terms_confirmed_to_bd", BD)),
    "email_failed": (("email_failed", BD),),
}
"""Which e-mails each step has, by the guide (§2.2 to §2.5) and docs/reference/e-mails.md."""
TOLD_AT_ATTEMPT: Final = 2
"""The attempt to open access at which an outage that still lasts is told."""
IN_FLIGHT: Final = 5.0
"""Seconds after the server took a message within which its worker, or the database, may break before the
ledger has it."""
IN_TRANSIT: Final = 0.25
"""Seconds after a worker's death in which the mail server may still take what that has sent in full."""
TWO_ATTEMPTS: Final = 15.0
"""Seconds after a break of the Temporal server, or a reset, within which two attempts may be under way: the
heartbeat timeout (10 s), and some for the machine."""


@dataclass(frozen=True)
class Expected:
    """An e-mail that must be there; ``undone``: unless a reset came before it could leave."""

    key: str
    template: str
    recipient: str
    sequence: int
    undone: bool = False


def expected_mails(script: Script, audit: list[Audited]) -> list[Expected]:
    """The e-mails of an applicant's audited transitions, in order."""
    addresses = {PARTNER: contact_of(script), BD: bd_of(script.uid)["email"]}
    found = list[Expected]()
    kept = {audited.sequence for audited in standing(audit)}
    for number, audited in enumerate(audit):
        if audited.verdict != ACCEPTED:
            continue
        notices = NOTICES.get(audited.command, ())
        if audited.command == "sign_contract" and audited.to_stage == "signed":
            notices = (("contract_signed", PARTNER),)
        if audited.command == "access_check" and audited.to_stage == ACTIVE:
            notices = (("access_granted", PARTNER),)
        elif audited.command == "access_check":
            # Nothing but an outage keeps access closed here, and a short one is told to nobody.
            attempts = [each for each in standing(audit[: number + 1]) if each.command == "access_check"]
            if len(attempts) == TOLD_AT_ATTEMPT:
                notices = (("access_delayed", PARTNER), ("access_alert", BD))
        found += [
            Expected(
                key=f"{audited.sequence}.{template}",
                template=template,
                recipient=addresses[who],
                sequence=audited.sequence,
                undone=audited.sequence not in kept,
            )
            for template, who in notices
        ]
    return found


@dataclass(frozen=True)
class Doubled:
    """An e-mail that came more than once under one Message-ID, and what was broken when it first came."""

    uid: str
    template: str
    message_id: str
    copies: int
    cause: str | None


class MailRecords:
    """The ledger and the mail server's log, by application and by applicant."""

    def __init__(self, evidence: Evidence) -> None:
        self.faults = evidence.faults
        self.runs = {run.uid: run for run in evidence.runs}
        self.audit: defaultdict[str, list[Audited]] = defaultdict(list)
        for audited in sorted(evidence.audit, key=lambda audited: audited.sequence):
            self.audit[audited.application_id].append(audited)
        self.ledger: defaultdict[str, dict[str, LedgerRow]] = defaultdict(dict)
        for row in evidence.ledger:
            self.ledger[row.application_id][row.key] = row
        self.taken: defaultdict[str, list[Mail]] = defaultdict(list)
        self.answered: defaultdict[str, list[Mail]] = defaultdict(list)
        mails = sorted(evidence.mails, key=lambda mail: mail.at)
        last = {mail.message_id: mail for mail in mails if mail.event is MailEvent.ACCEPTED}
        for mail in mails:
            if mail.event is MailEvent.ACCEPTED:
                self.taken[mail.recipient].append(mail)
            # Of a copy that was sent again, the sender did not know that the server had taken it.
            if mail.event is MailEvent.PUT_OFF or mail is last.get(mail.message_id):
                self.answered[mail.recipient].append(mail)

    def is_put_off(self, recipient: str, at: float) -> bool:
        """Whether the last that the sender was told before is that this recipient is refused for now."""
        before = [mail.event for mail in self.answered[recipient] if mail.at < at]
        return before[-1:] == [MailEvent.PUT_OFF]

    def of(self, script: Script) -> list[Mail]:
        """What the mail server took for an applicant, its BD and the BD lead."""
        mailboxes = (contact_of(script), bd_of(script.uid)["email"], lead_of(script.uid)["email"])
        return sorted((m for box in mailboxes for m in self.taken[box]), key=lambda mail: mail.at)


def judge_mails(
    scripts: tuple[Script, ...], evidence: Evidence
) -> tuple[tuple[Violation, ...], tuple[Doubled, ...]]:
    """Every broken promise about e-mails, and all that came twice, allowed or not."""
    records = MailRecords(evidence)
    violations, doubles = list[Violation](), list[Doubled]()
    for script in scripts:
        run = records.runs.get(script.uid)
        if run is None or not run.application_id:
            continue
        expected = expected_mails(script, records.audit[run.application_id])
        taken = records.of(script)
        ledger = records.ledger[run.application_id]
        # Of a workflow that still runs, e-mails may be on their way: that is an applicant who did not finish.
        if run.ended:
            violations += _each_delivered(script, expected, ledger, taken)
        violations += _nothing_else(script, expected, ledger, taken)
        violations += _in_order(script, expected, ledger, taken, records)
        found = list(_doubled(script, taken, records.faults))
        doubles += found
        violations += [
            Violation(
                promise="mail doubled without a fault",
                uid=script.uid,
                evidence=f"{double.template} {double.message_id} came {double.copies} times",
            )
            for double in found
            if double.cause is None
        ]
    return tuple(violations), tuple(doubles)


def _each_delivered(
    script: Script, expected: list[Expected], ledger: dict[str, LedgerRow], taken: list[Mail]
) -> Iterator[Violation]:
    def missing(evidence: str) -> Violation:
        return Violation(promise="mail missing", uid=script.uid, evidence=evidence)

    failed: list[str] = []
    for notice in expected:
        row = ledger.get(notice.key)
        impossible = script.bounces and notice.recipient == contact_of(script)
        if row is None:
            yield missing(f"{notice.key} to {notice.recipient} is not in the ledger")
        elif row.state == WITHDRAWN and notice.undone:
            continue
        elif row.state != ("failed" if impossible else "sent"):
            yield missing(f"{notice.key} to {notice.recipient} is {row.state} in the ledger")
        elif impossible:
            failed.append(notice.key)
        elif not any(
            (m.message_id, m.template, m.recipient) == (row.message_id, notice.template, notice.recipient)
            for m in taken
        ):
            yield missing(f"{notice.key} is {row.state} in the ledger, but the mail server never took it")
    if failed and not any(notice.template == "email_failed" for notice in expected):
        yield missing(f"{len(failed)} e-mails could not be delivered and nobody was told")


def _nothing_else(
    script: Script, expected: list[Expected], ledger: dict[str, LedgerRow], taken: list[Mail]
) -> Iterator[Violation]:
    """No e-mail under an unknown Message-ID, and none under a second one."""
    known = {row.message_id: row for row in ledger.values()}
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for mail in taken:
        ids[mail.template, mail.recipient].add(mail.message_id)
        if mail.message_id not in known:
            yield Violation(
                promise="mail nobody ordered",
                uid=script.uid,
                evidence=f"{mail.template} {mail.message_id} to {mail.recipient} is not in the ledger",
            )
    wanted = Counter((notice.template, notice.recipient) for notice in expected)
    for (template, recipient), found in ids.items():
        if len(found) > wanted[template, recipient]:
            yield Violation(
                promise="mail doubled under another Message-ID",
                uid=script.uid,
                evidence=f"{template} to {recipient}: {wanted[template, recipient]} expected,"
                f" Message-IDs {sorted(found)}",
            )


def _in_order(
    script: Script,
    expected: list[Expected],
    ledger: dict[str, LedgerRow],
    taken: list[Mail],
    records: MailRecords,
) -> Iterator[Violation]:
    """The first copies came in the order of what happened, but for those that were put off."""
    position = {ledger[e.key].message_id: i for i, e in enumerate(expected) if e.key in ledger}
    first = {mail.message_id: mail for mail in reversed(taken) if mail.message_id in position}
    came = sorted(first.values(), key=lambda mail: mail.at)
    for later, overtaken in combinations(came, 2):
        if position[later.message_id] < position[overtaken.message_id]:
            continue
        if later.recipient == overtaken.recipient or not records.is_put_off(overtaken.recipient, later.at):
            yield Violation(
                promise="mails out of order",
                uid=script.uid,
                evidence=f"{expected[position[overtaken.message_id]].key} came after"
                f" {expected[position[later.message_id]].key}",
            )


def _doubled(script: Script, taken: list[Mail], faults: tuple[FaultSeen, ...]) -> Iterator[Doubled]:
    copies: dict[str, list[Mail]] = defaultdict(list)
    for mail in taken:
        copies[mail.message_id].append(mail)
    for message_id, mails in copies.items():
        if len(mails) > 1:
            causes = [broken_while(mail, faults) for mail in mails[:-1]]
            cause = None if None in causes else ", ".join(sorted({str(cause) for cause in causes}))
            yield Doubled(script.uid, mails[0].template, message_id, len(mails), cause)


def broken_while(mail: Mail, faults: tuple[FaultSeen, ...]) -> str | None:
    """What broke while this copy was under way, which is why the service could not know of it."""
    if not mail.answered:
        return "answer lost"
    for fault in faults:
        if fault.kind is FaultKind.WORKER and fault.slot == mail.slot:
            if mail.at - IN_TRANSIT <= fault.ended and fault.began <= mail.at + IN_FLIGHT:
                return "worker killed"
        elif fault.kind in (FaultKind.DATABASE, FaultKind.OUTAGE):
            if fault.began - 1 <= mail.at + IN_FLIGHT and mail.at <= fault.ended:
                return "database down"
        elif fault.began - IN_FLIGHT <= mail.at <= fault.ended + TWO_ATTEMPTS:
            if fault.kind is FaultKind.SERVER:
                return "server killed"
            if fault.kind is FaultKind.RESET and f"-{fault.uid}@" in mail.recipient:
                return "reset"
    return None
