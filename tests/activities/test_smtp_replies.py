"""What each reply of a mail server means, and when a refusal becomes final."""

from datetime import timedelta

import pytest

from activities.smtp_replies import (
    DOUBTED_FOR,
    GIVE_UP_AFTER,
    Judgement,
    Proof,
    Reply,
    SmtpCommand,
    judge,
    proof_needed,
    shown,
)

SERVER, LATER, DOUBTFUL = Judgement.SERVER, Judgement.LATER, Judgement.DOUBTFUL
MAILBOX, MESSAGE = Judgement.MAILBOX, Judgement.MESSAGE
CONNECTION, MAIL, RCPT, DATA = (
    SmtpCommand.CONNECTION,
    SmtpCommand.SENDER,
    SmtpCommand.RECIPIENT,
    SmtpCommand.MESSAGE,
)
NO_TIME = timedelta()
MOMENT = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("command", "reply", "judgement"),
    [
        # The connection, the log-in, the sender: every mail waits.
        (CONNECTION, "554 5.7.1 your address is listed", SERVER),
        (CONNECTION, "535 5.7.8 wrong password", SERVER),
        (CONNECTION, "454 4.7.0 log-in is away", SERVER),
        (MAIL, "550 5.7.1 not yours", SERVER),
        (MAIL, "553 5.1.8 no such domain", SERVER),
        (MAIL, "550 5.1.1 no such mailbox", SERVER),
        (MAIL, "451 4.7.1 later", SERVER),
        (MAIL, "552 5.7.0 suspended", SERVER),
        (MAIL, "452 4.3.1 out of disk", SERVER),
        (MAIL, "503 5.5.1 EHLO first", SERVER),
        (MAIL, "530 5.7.0 authentication required", SERVER),
        *((command, f"{code} no", SERVER) for command in (RCPT, DATA) for code in (421, 530, 534, 535, 538)),
        (RCPT, "530 5.7.1 authentication required", SERVER),
        (RCPT, "421 4.2.2 later", SERVER),
        # About the message, though the sender is what was said.
        (MAIL, "552 message too big", MESSAGE),
        (MAIL, "552 5.3.4 message too big", MESSAGE),
        (MAIL, "550 5.6.7 addresses must be ASCII", MESSAGE),
        # Not now, for this recipient.
        (RCPT, "450 busy", LATER),
        (RCPT, "450 4.2.0 greylisted", LATER),
        (RCPT, "451 4.7.1 greylisted", LATER),
        (RCPT, "451 4.7.650 too many for this mailbox", LATER),
        (RCPT, "451 4.3.0 look-up failed", LATER),
        (RCPT, "451 4.1.2 no such domain just now", LATER),
        (RCPT, "452 4.2.2 mailbox full", LATER),
        (RCPT, "452 4.3.1 out of disk", LATER),
        (RCPT, "452 4.5.3 too many", LATER),
        (RCPT, "454 4.7.1 relay access denied", LATER),
        (RCPT, "552 storage exceeded", LATER),
        (DATA, "451 4.3.0 try later", LATER),
        (DATA, "451 4.7.1 greylisted", LATER),
        (DATA, "452 full", LATER),
        # "For good" is said by the code or by the status only.
        (RCPT, "550 4.2.2 over quota", LATER),
        (RCPT, "450 5.1.1 no such mailbox", LATER),
        # There is no such mailbox.
        *((RCPT, f"550 5.1.{detail} no", MAILBOX) for detail in (1, 2, 3, 4, 6, 10)),
        *((RCPT, f"550 5.2.{detail} no", MAILBOX) for detail in (1, 2, 4)),
        (DATA, "550 5.1.1 no such mailbox", MAILBOX),
        (DATA, "552 5.2.2 mailbox full", MAILBOX),
        (RCPT, "550 5.7.17 owner has changed", MAILBOX),
        (RCPT, "550 5.7.18 owner of the domain has changed", MAILBOX),
        (RCPT, "550 sorry, no mailbox here by that name (#5.1.1)", MAILBOX),
        (RCPT, "550 no such mailbox", MAILBOX),
        (RCPT, "550 No such user here", MAILBOX),
        (RCPT, "550 User unknown", MAILBOX),
        (RCPT, "550 unknown user", MAILBOX),
        (RCPT, "550 Unrouteable address", MAILBOX),
        (RCPT, "553 mailbox <ann@acme.example> does not exist", MAILBOX),
        (RCPT, "551 user ann not found", MAILBOX),
        # This message is never taken.
        (DATA, "552 too big", MESSAGE),
        (DATA, "552 5.3.4 too big", MESSAGE),
        (RCPT, "550 5.2.3 too big for this mailbox", MESSAGE),
        (DATA, "554 5.6.0 can't be converted", MESSAGE),
        # For good; but it may be our fault, or the server's own.
        (RCPT, "554 5.7.1 relay access denied", DOUBTFUL),
        (RCPT, "554 5.7.1 service unavailable; your address is blocked", DOUBTFUL),
        (RCPT, "550 5.7.1\nmany lines", DOUBTFUL),
        (RCPT, "550 5.7.54 unable to relay recipient in non-accepted domain", DOUBTFUL),
        (RCPT, "550 5.7.26 unauthenticated mail", DOUBTFUL),
        (RCPT, "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", DOUBTFUL),
        (RCPT, "550 5.3.0 blocked", DOUBTFUL),
        (RCPT, "550 5.4.1 access denied", DOUBTFUL),
        (RCPT, "550 5.4.6 loop", DOUBTFUL),
        (RCPT, "503 5.5.1 out of order", DOUBTFUL),
        (RCPT, "550 5.0.0 no", DOUBTFUL),
        (RCPT, "550 5.1.0 sender address rejected: user unknown", DOUBTFUL),
        (RCPT, "550 5.1.7 sender's address", DOUBTFUL),
        (RCPT, "553 5.1.8 sender's domain", DOUBTFUL),
        (RCPT, "550 5.2.0 mail rejected", DOUBTFUL),
        (RCPT, "550 relay not permitted", DOUBTFUL),
        (RCPT, "550 unknown user may not relay", DOUBTFUL),
        (RCPT, "550 sender address unknown", DOUBTFUL),
        (RCPT, "550 Administrative prohibition", DOUBTFUL),
        (RCPT, "550 nor this one", DOUBTFUL),
        (RCPT, "550 15.1.1 is no status", DOUBTFUL),
        (RCPT, "554 no such mailbox", DOUBTFUL),
        (RCPT, "500 what?", DOUBTFUL),
        (DATA, "554 5.7.1 content refused", DOUBTFUL),
        (DATA, "550 5.7.1 likely unsolicited", DOUBTFUL),
        (DATA, "554 transaction failed", DOUBTFUL),
        (DATA, "550 no such mailbox", DOUBTFUL),
    ],
)
def test_what_a_reply_says(command: SmtpCommand, reply: str, judgement: Judgement) -> None:
    code, _, text = reply.partition(" ")
    assert judge(Reply.read(command, int(code), text)) is judgement


@pytest.mark.parametrize("command", SmtpCommand)
def test_nothing_but_a_named_mailbox_or_message_is_final_at_once(command: SmtpCommand) -> None:
    for code in range(400, 600):
        for subject in "034579":
            judgement = judge(Reply.read(command, code, f"{code // 100}.{subject}.99 whatever"))
            assert judgement in {SERVER, LATER, DOUBTFUL}


@pytest.mark.parametrize(
    ("judgement", "refused_for", "denied_for", "proof"),
    [
        (MAILBOX, NO_TIME, NO_TIME, Proof.NOTHING),
        (MESSAGE, NO_TIME, NO_TIME, Proof.NOTHING),
        (SERVER, 10 * GIVE_UP_AFTER, NO_TIME, None),
        (LATER, NO_TIME, NO_TIME, None),
        (LATER, GIVE_UP_AFTER - MOMENT, NO_TIME, None),
        (LATER, GIVE_UP_AFTER, NO_TIME, Proof.ANYBODY),
        (DOUBTFUL, NO_TIME, NO_TIME, None),
        (DOUBTFUL, DOUBTED_FOR - MOMENT, DOUBTED_FOR - MOMENT, None),
        (DOUBTFUL, DOUBTED_FOR, DOUBTED_FOR, Proof.ALIKE),
        # It was only put off until a moment ago.
        (DOUBTFUL, GIVE_UP_AFTER - MOMENT, MOMENT, None),
        (DOUBTFUL, GIVE_UP_AFTER, MOMENT, Proof.ANYBODY),
    ],
)
def test_when_a_refusal_becomes_final(
    judgement: Judgement, refused_for: timedelta, denied_for: timedelta, proof: Proof | None
) -> None:
    assert proof_needed(judgement, refused_for, denied_for) is proof


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("4.3.0 occup\udce9", "4.3.0 occup\ufffd"),
        ("4.3.0 occupé", "4.3.0 occupé"),
        ("4.3.0 \udcd3\udcca\udccf\udce4", "4.3.0 \ufffd\ufffd\ufffd\ufffd"),
        ("5.1.1 no\nsuch\t user\x00\x1b[31m \x9b", "5.1.1 no such user [31m"),
        ("x" * 500, "x" * 500),
        ("x" * 100_000, "x" * 499 + "…"),
        ("", ""),
    ],
)
def test_what_a_server_said_is_kept_as_one_short_line_that_can_be_shown(said: str, read: str) -> None:
    assert shown(said) == read
    shown(said).encode()
