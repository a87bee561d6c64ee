"""What the process owner relies on, whatever is said in whatever order and however much time passes.

Each promise is one function; its docstring says it in the owner's words. A check tells `keep` of every
`Happening`, in order, and gets back what the owner knows then. Only what can be seen from outside is
judged, so that the same promises hold the pure lifecycle and the real workflow.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from domain.audiences import audience_of
from domain.audit import Verdict
from domain.contract import Party, Role, Stage, WaitingOn
from domain.notice import Audience
from domain.status import Status
from tests import payloads
from tests.payloads import Json

Terms = tuple[int, str]
"""Revision and hash of a decision sheet."""

OUTCOMES: Final = (Stage.ACTIVE, Stage.REJECTED, Stage.CANCELLED, Stage.EXPIRED)
BD_DEADLINES: Final = {Stage.UNDER_REVIEW: "review_overdue", Stage.AWAITING_SIGNATURES: "contact_overdue"}
"""Where BD has a deadline to miss, and the mail that escalates it."""
A_LONG_HOLIDAY: Final = timedelta(days=14)
"""No desk is closed for longer."""
PARTIES: Final = frozenset(party.value for party in Party)
ANYBODY_INVOLVED: Final = frozenset({"correct_contact", "resend_email"})
"""Commands of the partner and of BD."""


@dataclass(frozen=True)
class Said:
    """A command somebody sent, and what became of it; repeated under its ID, what became of it before."""

    kind: str
    role: str
    command_id: str
    payload: Json
    verdict: Verdict
    error: str | None = None


@dataclass(frozen=True)
class Happening:
    """Something happened to an application: a command, or (``said`` is ``None``) nothing but time.

    ``at``: when it was over. ``mails``: the templates of the mails it led to, in order.
    """

    at: datetime
    before: Status
    after: Status
    mails: tuple[str, ...] = ()
    said: Said | None = None

    @property
    def entered(self) -> Stage | None:
        """The stage it led to, if that is another one."""
        return None if self.after.stage is self.before.stage else self.after.stage

    def accepted(self, kind: str) -> Json | None:
        """What the command of this kind said, if it is one and it counted."""
        said = self.said
        return said.payload if said and said.kind == kind and said.verdict is Verdict.ACCEPTED else None

    def tells(self, audience: Audience) -> bool:
        """Whether anybody of this audience gets a mail."""
        return audience in {audience_of(template) for template in self.mails}


@dataclass(frozen=True)
class Known:
    """What the process owner has noted down so far, from what people said and never from the status.

    ``taken_back``: the form is the partner's again. ``disputed``: BD owes the partner another sheet.
    ``escalated``: the lead knows of the deadline that is missed. ``contract_ended``: the signed contract is
    off.
    """

    issued: tuple[Terms, ...] = ()
    confirmed: Terms | None = None
    signed: frozenset[tuple[str, Terms]] = frozenset()
    heard: frozenset[str] = frozenset()
    taken_back: bool = False
    disputed: bool = False
    escalated: bool = False
    contract_ended: bool = False

    @classmethod
    def of(cls, status: Status) -> Self:
        """What is known of an application met on its way."""
        sheet = status.sheet
        if sheet is None:
            return cls(taken_back=status.stage is Stage.WITHDRAWN)
        terms = (sheet.revision, sheet.hash)
        return cls(
            issued=(terms,),
            disputed=status.stage is Stage.CORRECTING_TERMS,
            confirmed=terms if status.confirmed_revision else None,
            signed=frozenset((party, terms) for party in _signatories(status)),
        )

    def after(self, it: Happening) -> Self:
        """What is known once this has happened."""
        known = self
        if it.said and it.said.error != "unavailable":
            known = replace(known, heard=known.heard | {it.said.command_id})
        if it.accepted("withdraw_application") is not None:
            known = replace(known, taken_back=True)
        if it.accepted("submit_application") is not None:
            known = replace(known, taken_back=False)
        if it.accepted("issue_decision_sheet") is not None and it.after.sheet:
            issued = (it.after.sheet.revision, it.after.sheet.hash)
            known = replace(known, issued=(*known.issued, issued), confirmed=None, disputed=False)
        if it.accepted("modify_terms") is not None:
            known = replace(known, disputed=True)
        if (confirmed := it.accepted("confirm_terms")) is not None:
            known = replace(known, confirmed=_named(confirmed))
        if (signature := it.accepted("sign_contract")) is not None:
            known = replace(known, signed=known.signed | {(signature["party"], _named(signature))})
        if it.accepted("reopen_terms") is not None:
            known = replace(known, confirmed=None, signed=frozenset(), disputed=True)
        if it.accepted("end_contract") is not None:
            known = replace(known, contract_ended=True)
        told = not set(it.mails).isdisjoint(BD_DEADLINES.values())
        return replace(known, escalated=it.after.overdue and (known.escalated or told))


Promise = Callable[[Known, Happening, Known], None]
"""Raises ``AssertionError`` when what happened breaks the promise: known before, what happened, known now."""


def nobody_signs_before_the_terms_are_agreed(known: Known, it: Happening, now: Known) -> None:
    """Nobody signs before the terms are agreed: every signature stands on what the partner has confirmed."""
    assert {party for party, _ in now.signed} == _signatories(it.after)
    assert {terms for _, terms in now.signed} <= {now.confirmed}
    if now.signed:
        assert it.after.sheet
        assert (it.after.sheet.revision, it.after.sheet.hash) == now.confirmed
        assert it.after.confirmed_revision == it.after.sheet.revision


def terms_are_agreed_as_they_are_offered(known: Known, it: Happening, now: Known) -> None:
    """The partner agrees to the newest sheet only, and to none he wants changed until BD has answered."""
    if (confirmed := it.accepted("confirm_terms")) is not None:
        assert _named(confirmed) == known.issued[-1]
        assert not known.disputed


def a_party_signs_once(known: Known, it: Happening, now: Known) -> None:
    """A party signs once; only BD can void its signature, by reopening the terms."""
    if (signature := it.accepted("sign_contract")) is not None:
        assert signature["party"] not in {party for party, _ in known.signed}


def the_contract_is_signed_when_both_have_signed(known: Known, it: Happening, now: Known) -> None:
    """The contract is signed when both have signed, no sooner and no later; so it is until BD ends it."""
    both = {party for party, _ in now.signed} == PARTIES
    signed = it.after.stage in (Stage.SIGNED, Stage.ACTIVATING, Stage.ACTIVE)
    assert both == (signed or (now.contract_ended and it.after.stage is Stage.CANCELLED))


def an_issued_sheet_never_changes(known: Known, it: Happening, now: Known) -> None:
    """A decision sheet never changes: other terms are another revision, numbered one by one."""
    issued, sheet = now.issued, it.after.sheet
    assert (sheet is None) == (not issued)
    if sheet:
        assert (sheet.revision, sheet.hash) == issued[-1]
    if it.accepted("issue_decision_sheet") is not None:
        assert issued[-1][0] == (known.issued[-1][0] if known.issued else 0) + 1


def access_never_opens_before_the_contract_start_date(known: Known, it: Happening, now: Known) -> None:
    """Access never opens before the contract start date, and to nobody who has not signed."""
    assert it.after.access.granted == (it.after.stage is Stage.ACTIVE)
    if it.after.stage in (Stage.ACTIVATING, Stage.ACTIVE):
        assert it.after.contract_start_at
        assert it.after.contract_start_at <= it.at


def an_application_ends_once(known: Known, it: Happening, now: Known) -> None:
    """An application ends once, and nothing can be changed in it after that."""
    assert it.after.outcome == (it.after.stage if it.after.stage in OUTCOMES else None)
    if it.before.outcome:
        assert _but_for_the_record(it.after) == _but_for_the_record(it.before)
        assert it.said is None or it.said.verdict is not Verdict.ACCEPTED


def a_refused_command_changes_nothing(known: Known, it: Happening, now: Known) -> None:
    """A refused command changes nothing, and nobody gets a mail of it; that it was refused is on record. Only
    of a signature that the e-signature service reports BD is told, as nobody there would see to it."""
    if it.said and it.said.verdict is Verdict.REFUSED:
        assert _but_for_the_record(it.after) == _but_for_the_record(it.before)
        reported = (
            it.said.kind == "sign_contract" and it.said.role == "esign" and it.said.error != "unavailable"
        )
        told = reported and it.said.command_id not in known.heard
        assert it.mails in ((("signature_refused",), ()) if told else ((),))


def what_is_in_place_already_is_not_done_again(known: Known, it: Happening, now: Known) -> None:
    """Asking for what is in place already is no mistake: it changes nothing and sends no second mail."""
    if it.said and it.said.verdict is Verdict.NO_OP:
        assert _but_for_the_record(it.after) == _but_for_the_record(it.before)
        assert it.after.last_refusals == it.before.last_refusals
        assert it.mails == ()


def a_command_said_twice_counts_once(known: Known, it: Happening, now: Known) -> None:
    """A command said twice counts once: under an ID used before nothing changes and nobody gets a mail."""
    if it.said and it.said.command_id in known.heard:
        assert _but_for_the_record(it.after) == _but_for_the_record(it.before)
        assert it.mails == ()


def nobody_decides_for_another(known: Known, it: Happening, now: Known) -> None:
    """Nobody decides for another: each command counts only from those whose decision it is."""
    said = it.said
    if said is None or said.verdict is Verdict.REFUSED or said.kind in ANYBODY_INVOLVED:
        return
    if said.kind == "sign_contract":
        assert said.role in (said.payload["party"], Role.ESIGN)
    else:
        usual = payloads.ROLE_OF[said.kind]
        may = {usual} | ({Role.BD_LEAD} if usual == Role.BD else set())
        assert said.role in may | ({Role.OPS} if said.kind == "cancel_application" else set())


def approved_is_the_form_that_was_read(known: Known, it: Happening, now: Known) -> None:
    """BD approves the form that was read, not one that was withdrawn or took its place meanwhile."""
    if (approval := it.accepted("approve_application")) is not None:
        assert not known.taken_back
        assert approval["form_revision"] == it.before.form_revision
        assert it.after.application == it.before.application


def time_decides_nothing(known: Known, it: Happening, now: Known) -> None:
    """Time alone never approves, rejects, confirms or signs: it reminds, and ends what was forgotten."""
    if it.said:
        return
    silent, to_the_end = (it.before.stage, Stage.EXPIRED), (Stage.SIGNED, Stage.ACTIVATING)
    assert it.after.stage in silent or (
        it.before.stage in to_the_end and it.after.stage in (Stage.ACTIVATING, Stage.ACTIVE)
    )
    for agreed in ("form_revision", "application", "sheet", "confirmed_revision", "signing"):
        assert getattr(it.after, agreed) == getattr(it.before, agreed)


def a_missed_deadline_is_told_to_the_lead(known: Known, it: Happening, now: Known) -> None:
    """A deadline BD has missed is shown, and told to the lead once, if it is missed still on the morning of
    the next working day; only BD's own deadlines can be missed."""
    told = tuple(template for template in it.mails if template in BD_DEADLINES.values())
    if it.after.overdue:
        assert it.after.stage in BD_DEADLINES
    if told:
        assert told == (BD_DEADLINES[it.after.stage],)
        assert it.after.overdue
        assert not known.escalated
    if it.said is None and it.before.overdue and it.before.due_at:
        assert now.escalated or it.at < it.before.due_at + A_LONG_HOLIDAY


def every_status_change_is_told_to_whoever_waits_on_it(known: Known, it: Happening, now: Known) -> None:
    """Every new status is told to the partner, and to BD whose move it is then; not to who made it so.

    That the contract takes effect is told with what comes of it: access is open, or it is delayed.
    """
    entered = it.entered
    if entered is None:
        return
    by = it.said.role if it.said else None
    if by != Role.PARTNER and entered is not Stage.ACTIVATING:
        assert it.tells(Audience.PARTNER)
    if by not in (Role.BD, Role.BD_LEAD) and it.after.waiting_on in (WaitingOn.BD, WaitingOn.BOTH):
        assert it.tells(Audience.BD)


def nothing_is_told_that_did_not_happen(known: Known, it: Happening, now: Known) -> None:
    """Good news is true: "signed" is mailed when both have signed, "access granted" when access is open."""
    assert ("contract_signed" in it.mails) <= (it.before.stage is Stage.AWAITING_SIGNATURES)
    assert ("contract_signed" in it.mails) <= it.after.signing.complete
    assert ("access_granted" in it.mails) == (it.entered is Stage.ACTIVE)


def no_question_gets_lost(known: Known, it: Happening, now: Known) -> None:
    """What the partner has asked BD stays, with its number, until it is answered; then he is told."""
    waiting = {each.number: each.question for each in it.before.questions if each.answer is None}
    if (asked := it.accepted("ask_bd")) is not None:
        [number] = {each.number for each in it.after.questions} - {
            each.number for each in it.before.questions
        }
        waiting[number] = asked["question"]
    answered = len(it.mails) if it.accepted("answer_partner") is not None else 0
    still = {each.number: each.question for each in it.after.questions if each.answer is None}
    assert still.items() <= waiting.items()
    assert len(waiting) - len(still) == answered


def it_is_always_known_until_when(known: Known, it: Happening, now: Known) -> None:
    """Until the end it is always shown whose move it is, until when, and what can be done."""
    ended = it.after.stage in OUTCOMES
    assert (it.after.waiting_on is WaitingOn.NONE) == ended
    assert (it.after.due_at is None) == (it.after.deadline is None) == ended
    assert (it.after.allowed_commands == ()) == ended


def what_changes_is_on_record(known: Known, it: Happening, now: Known) -> None:
    """Nothing changes without an event on record, under a number that was never used before."""
    assert it.after.sequence >= it.before.sequence
    if _but_for_the_record(it.after) != _but_for_the_record(it.before) or it.mails:
        assert it.after.sequence > it.before.sequence


PROMISES: Final[tuple[Promise, ...]] = (
    nobody_signs_before_the_terms_are_agreed,
    terms_are_agreed_as_they_are_offered,
    a_party_signs_once,
    the_contract_is_signed_when_both_have_signed,
    an_issued_sheet_never_changes,
    access_never_opens_before_the_contract_start_date,
    an_application_ends_once,
    a_refused_command_changes_nothing,
    what_is_in_place_already_is_not_done_again,
    a_command_said_twice_counts_once,
    nobody_decides_for_another,
    approved_is_the_form_that_was_read,
    time_decides_nothing,
    a_missed_deadline_is_told_to_the_lead,
    every_status_change_is_told_to_whoever_waits_on_it,
    nothing_is_told_that_did_not_happen,
    no_question_gets_lost,
    it_is_always_known_until_when,
    what_changes_is_on_record,
)


def keep(known: Known, it: Happening) -> Known:
    """Hold every promise against what happened; what the owner knows then.

    Raises ``AssertionError`` with the promise that is broken, in the owner's words.
    """
    now = known.after(it)
    for promise in PROMISES:
        try:
            promise(known, it, now)
        except AssertionError as broken:
            broken.add_note(f"Broken promise: {promise.__doc__}\nBy: {it}\nKnown before: {known}")
            raise
    return now


def _signatories(status: Status) -> set[str]:
    return {party for party in PARTIES if getattr(status.signing, party)}


def _named(payload: Json) -> Terms:
    return payload["sheet_revision"], payload["sheet_hash"]


def _but_for_the_record(status: Status) -> Status:
    return status.model_copy(update={"last_refusals": (), "sequence": 0, "answered": None})
