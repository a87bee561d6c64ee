"""Judges what a mail server answered: whom it is about, and how long a refusal is borne with. Pure.

RFC 5321 §4.2 has the reply codes, RFC 3463 and the registry of RFC 5248 the enhanced status codes. A server
that says "for good" may mean us (relaying denied, our address blocklisted, a fault of its own): that is
believed only when it takes the mails of others meanwhile (docs/decisions/0020).
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

DOUBTED_FOR: Final = timedelta(days=1)
"""How long a recipient has to be refused "for good", while others are not, until a doubtful refusal is
believed."""
GIVE_UP_AFTER: Final = timedelta(days=4)
"""How long a mail is tried whose recipient is put off, while others are not (RFC 5321 §4.5.4.1: "at least
4-5 days")."""
MOST_SHOWN: Final = 500
"""How many characters of a reply are kept and shown."""


def shown(said: str) -> str:
    """What a server said, as it can be kept and shown anywhere: one line, no control characters, U+FFFD for
    what is not UTF-8 (RFC 5321 §4.2 has ASCII, RFC 6531 §3.7.4 UTF-8), no longer than `MOST_SHOWN`."""
    text = said.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    visible = "".join(" " if ord(c) < 32 or 0x7F <= ord(c) <= 0x9F else c for c in text[: 2 * MOST_SHOWN])
    line = " ".join(visible.split())
    return line if len(line) <= MOST_SHOWN else f"{line[: MOST_SHOWN - 1]}…"


class SmtpCommand(StrEnum):
    """Which command the server answered, or that it did so before any mail."""

    CONNECTION = "connection"
    """Greeting, EHLO, STARTTLS, AUTH and whatever belongs to no mail."""
    SENDER = "sender"
    RECIPIENT = "recipient"
    MESSAGE = "message"
    """DATA, or the final dot."""


class Judgement(StrEnum):
    """What a refusal says."""

    SERVER = "server"
    """Nothing about this mail: server, log-in or sender. All mails wait, for as long as it takes."""
    LATER = "later"
    """Not now, for this recipient."""
    DOUBTFUL = "doubtful"
    """For good; but the fault may be ours, or the server's own."""
    MAILBOX = "mailbox"
    """There is no such mailbox, or it takes no mail."""
    MESSAGE = "message"
    """This message is never taken."""


class Proof(StrEnum):
    """What makes a refusal final."""

    NOTHING = "nothing"
    """It is, as it stands."""
    ALIKE = "alike"
    """That the server has taken mails to others of the same kind since: a mail to a partner says that we may
    send to the world, one to our own staff does not."""
    ANYBODY = "anybody"
    """As before; or mails to anybody, if no other partner stands refused."""


@dataclass(frozen=True)
class Reply:
    """A refusal. ``status``: the enhanced status code, as in ``5.7.1``, if it has one."""

    command: SmtpCommand
    code: int
    status: str | None
    text: str

    @classmethod
    def read(cls, command: SmtpCommand, code: int, text: str) -> "Reply":
        """Find the enhanced status code: it begins the text (RFC 2034 §4), or qmail's way ends it."""
        found = _STATUS.search(text)
        return cls(command, code, found and (found["first"] or found["last"]), text)


_STATUS: Final = re.compile(
    r"\A(?P<first>[45]\.\d{1,3}\.\d{1,3})(?!\S)|\(#(?P<last>[45]\.\d{1,3}\.\d{1,3})\)"
)
_NO_MAILBOX: Final = re.compile(
    r"\A(?!.*\b(sender|relay))"
    r".*(no such|(user|mailbox|recipient|address)\b"
    r".{0,80}\b(unknown|not found|does(n't| not) exist|unavailable)"
    r"|unknown (user|mailbox|recipient|address)|unrouteable address)",
    re.IGNORECASE | re.DOTALL,
)
"""How servers without enhanced codes say it; they say 550 to relaying as well."""


@dataclass(frozen=True)
class _Rule:
    """A row of the table; what it does not name may be anything. ``statuses``: these, or what begins so."""

    judgement: Judgement
    commands: frozenset[SmtpCommand] = frozenset(SmtpCommand)
    codes: frozenset[int] | None = None
    statuses: tuple[str, ...] | None = None
    text: re.Pattern[str] | None = None

    def matches(self, reply: Reply) -> bool:
        return (
            reply.command in self.commands
            and (self.codes is None or reply.code in self.codes)
            and (self.statuses is None or _is_one_of(reply.status, self.statuses))
            and (self.text is None or self.text.search(reply.text) is not None)
        )


def _is_one_of(status: str | None, statuses: tuple[str, ...]) -> bool:
    """``""`` is none at all; one that ends in a dot is its whole subject."""
    return any(
        (status or "") == wanted or (wanted.endswith(".") and (status or "").startswith(wanted))
        for wanted in statuses
    )


AUTHENTICATION_CODES: Final = frozenset({530, 534, 535, 538})
"""RFC 4954 §6: about how we log in, whichever command they answer."""
CLOSING: Final = 421
"""RFC 5321 §3.8: the server closes the connection; it may answer any command."""
_NONE: Final = ("",)
_TRANSIENT: Final = frozenset(range(400, 500))
_TOO_BIG: Final = ("5.2.3", "5.3.4")
_RULES: Final = (
    _Rule(Judgement.SERVER, commands=frozenset({SmtpCommand.CONNECTION})),
    _Rule(Judgement.SERVER, codes=AUTHENTICATION_CODES | {CLOSING}),
    # RFC 1870 §6.1: given to MAIL FROM, but about the message. RFC 6531 §3.4: 5.6.7 likewise.
    _Rule(
        Judgement.MESSAGE, commands=frozenset({SmtpCommand.SENDER}), codes=frozenset({552}), statuses=_NONE
    ),
    _Rule(Judgement.MESSAGE, commands=frozenset({SmtpCommand.SENDER}), statuses=(*_TOO_BIG, "5.6.7")),
    _Rule(Judgement.SERVER, commands=frozenset({SmtpCommand.SENDER})),
    # Only what says "for good" twice does.
    _Rule(Judgement.LATER, codes=_TRANSIENT),
    _Rule(Judgement.LATER, statuses=("4.",)),
    _Rule(Judgement.MESSAGE, statuses=(*_TOO_BIG, "5.6.")),
    # The sender's address (RFC 3463 §3.2), also as Postfix puts it at RCPT; providers refuse spam by 5.2.0.
    _Rule(Judgement.DOUBTFUL, statuses=("5.1.0", "5.1.7", "5.1.8", "5.2.0")),
    # RFC 7293 §9: the mailbox or its domain has another owner.
    _Rule(Judgement.MAILBOX, statuses=("5.1.", "5.2.", "5.7.17", "5.7.18")),
    # RFC 5321 §4.5.3.1.10: to be taken for 452.
    _Rule(
        Judgement.LATER, commands=frozenset({SmtpCommand.RECIPIENT}), codes=frozenset({552}), statuses=_NONE
    ),
    _Rule(Judgement.MESSAGE, codes=frozenset({552}), statuses=_NONE),
    _Rule(
        Judgement.MAILBOX,
        commands=frozenset({SmtpCommand.RECIPIENT}),
        codes=frozenset({550, 551, 553}),
        statuses=_NONE,
        text=_NO_MAILBOX,
    ),
    # Policy, relaying, blocklists, log-in (5.7), routing and system (5.3, 5.4), protocol (5.5), no reason.
    _Rule(Judgement.DOUBTFUL),
)
"""The first that matches judges."""


def judge(reply: Reply) -> Judgement:
    """What a refusal says."""
    return next(rule.judgement for rule in _RULES if rule.matches(reply))


def proof_needed(judgement: Judgement, refused_for: timedelta, denied_for: timedelta) -> Proof | None:
    """What would make a refusal final by now; ``None``: nothing yet.

    ``refused_for``: since the recipient was first refused, in whatever way. ``denied_for``: since it was
    first refused "for good", and has been ever since.
    """
    if judgement in {Judgement.MAILBOX, Judgement.MESSAGE}:
        return Proof.NOTHING
    if judgement is Judgement.SERVER:
        return None
    if refused_for >= GIVE_UP_AFTER:
        return Proof.ANYBODY
    if judgement is Judgement.DOUBTFUL and denied_for >= DOUBTED_FOR:
        return Proof.ALIKE
    return None
