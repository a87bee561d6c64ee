"""Which mails may come twice, or late, and which may not."""

import pytest

from bench.chaos.evidence import FaultSeen, Mail, MailEvent
from bench.chaos.oracle_mails import Doubled, broken_while, judge_mails
from bench.chaos.plan import FaultKind
from tests.bench.planted import (
    BOUNCING,
    KEPT,
    PLAN,
    a_mail,
    added,
    broken,
    changed,
)


@pytest.mark.parametrize(
    ("answer", "its_own_wait", "violations"),
    [
        (MailEvent.PUT_OFF, True, set[str]()),
        (MailEvent.PUT_OFF, False, {"mails out of order"}),
        (MailEvent.CUT, True, {"mails out of order"}),
    ],
)
def test_a_mail_that_was_put_off_is_overtaken_by_those_to_others_alone(
    answer: MailEvent, its_own_wait: bool, violations: set[str]
) -> None:
    mail = next(mail for mail in KEPT.mails if mail.template == "terms_confirmed")
    [to_bd, *_] = [m for m in KEPT.mails if m.template == "terms_confirmed_to_bd" and m.at > mail.at]
    [own, *_] = [m for m in KEPT.mails if m.recipient == mail.recipient and m.at > mail.at]
    assert mail.at < to_bd.at < own.at
    refused = Mail(at=mail.at, event=answer, slot=0, recipient=mail.recipient)
    late = own.at - 0.0001 if its_own_wait else own.at + 0.0001
    assert broken(changed("mails", lambda each: each == mail, added("mails", refused), at=late)) == violations


def test_a_copy_that_was_sent_again_does_not_count_as_an_answer() -> None:
    """The sender did not know that the server had taken it, and took its recipient for refused still."""
    mail = next(mail for mail in KEPT.mails if mail.template == "terms_confirmed")
    [to_bd, *_] = [m for m in KEPT.mails if m.template == "terms_confirmed_to_bd" and m.at > mail.at]
    [own, *_] = [m for m in KEPT.mails if m.recipient == mail.recipient and m.at > mail.at]
    [*_, before] = [m for m in KEPT.mails if m.recipient == mail.recipient and m.at < mail.at]
    refused = Mail(at=before.at, event=MailEvent.PUT_OFF, slot=0, recipient=mail.recipient)
    lost = before.model_copy(update={"at": before.at + 0.0001, "answered": False})
    again = before.model_copy(update={"at": to_bd.at + 0.0001})
    mails = (*(m for m in KEPT.mails if m != before), refused, lost, again)
    others = KEPT.model_copy(update={"mails": mails})
    late = changed("mails", lambda each: each == mail, others, at=own.at - 0.0001)
    assert "mails out of order" not in broken(late)
    told = lost.model_copy(update={"answered": True})
    once = late.model_copy(
        update={"mails": tuple(told if m == lost else m for m in late.mails if m != again)}
    )
    assert "mails out of order" in broken(once)


MAIL = Mail(at=100, event=MailEvent.ACCEPTED, slot=1, recipient="bd-12@vendor.example.com", answered=True)


@pytest.mark.parametrize(
    ("mail", "fault", "cause"),
    [
        (MAIL.model_copy(update={"answered": False}), None, "answer lost"),
        (MAIL, FaultSeen(kind=FaultKind.WORKER, began=101, ended=101, slot=1), "worker killed"),
        (MAIL, FaultSeen(kind=FaultKind.WORKER, began=101, ended=101, slot=0), None),
        (MAIL, FaultSeen(kind=FaultKind.WORKER, began=99.99, ended=99.99, slot=1), "worker killed"),
        (MAIL, FaultSeen(kind=FaultKind.WORKER, began=99, ended=99, slot=1), None),
        (MAIL, FaultSeen(kind=FaultKind.WORKER, began=110, ended=110, slot=1), None),
        (MAIL, FaultSeen(kind=FaultKind.OUTAGE, began=90, ended=150), "database down"),
        (MAIL, FaultSeen(kind=FaultKind.DATABASE, began=101, ended=102), "database down"),
        (MAIL, FaultSeen(kind=FaultKind.DATABASE, began=90, ended=99), None),
        (MAIL, FaultSeen(kind=FaultKind.SERVER, began=85, ended=90), "server killed"),
        (MAIL, FaultSeen(kind=FaultKind.SERVER, began=50, ended=60), None),
        (MAIL, FaultSeen(kind=FaultKind.HANG, began=99, ended=102), None),
        (MAIL, FaultSeen(kind=FaultKind.RESET, began=90, ended=91, uid="12"), "reset"),
        (MAIL, FaultSeen(kind=FaultKind.RESET, began=90, ended=91, uid="2"), None),
        (MAIL, FaultSeen(kind=FaultKind.RESET, began=80, ended=81, uid="12"), None),
    ],
)
def test_a_mail_may_come_twice_only_if_it_was_under_way_when_something_broke(
    mail: Mail, fault: FaultSeen | None, cause: str | None
) -> None:
    assert broken_while(mail, (fault,) if fault else ()) == cause


def test_an_allowed_double_is_counted_but_no_violation() -> None:
    first = a_mail()
    kill = FaultSeen(kind=FaultKind.WORKER, began=first.at + 0.1, ended=first.at + 0.1, slot=first.slot)
    evidence = added("mails", first.model_copy(update={"at": first.at + 12})).model_copy(
        update={"faults": (kill,)}
    )
    violations, doubles = judge_mails(PLAN.scripts, evidence)
    assert violations == ()
    uid = first.recipient.removeprefix("contact-").partition("@")[0]
    assert doubles == (Doubled(uid, first.template, first.message_id, 2, "worker killed"),)


def test_a_bounce_is_told_to_bd() -> None:
    alerts = [m for m in KEPT.mails if m.template == "email_failed" and f"bd-{BOUNCING.uid}@" in m.recipient]
    assert len(alerts) == 1
