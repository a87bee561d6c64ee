"""Whatever is sent in whatever order, and however much time passes: what the process owner relies on."""

from random import Random
from typing import Any, Final

from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from tests import payloads
from tests.payloads import Json
from tests.unit.applications import MISSING, SITUATIONS, START, UID, directory, journey_to
from workflows import decisions
from workflows.audit import Verdict
from workflows.clocks import ClockKind
from workflows.decisions import Decision
from workflows.desk import Desk, Memory
from workflows.facts import AccessOutcome
from workflows.messages import Party, Role
from workflows.rules import RefusedError
from workflows.state import Application

SIDEWAYS: Final = {
    *("reject_application", "decline", "cancel_application", "withdraw_application", "reopen_terms"),
    *("request_justification", "reassign_bd", "record_contact"),
}
ENDS: Final = {"active", "rejected", "cancelled", "expired"}
WITH_TERMS: Final = ("sheet_2", "awaiting_signatures", "contacted", "partner_signed", "one_signature")
FEW: Final[dict[str, list[Any]]] = {
    "note": ["Called.", "Met."],
    "question": ["How many?", "Which?"],
    "answer": ["Twelve.", "These."],
    "qualification": ["Twelve engineers.", "Now certified."],
    "percent": ["10", "11"],
    "path": ["online_esign", "offline_paper", "framework_addendum"],
    "order": ["any", "partner_first", "vendor_first"],
    "start": ["2026-01-01", START, "2026-12-24"],
    "document": [None, "DOC-1"],
}


class Onboarding:
    """An application that people and services send commands to, sensible ones and others, in any order."""

    def __init__(self, situation: str) -> None:
        self.journey = journey_to(situation)
        self.terms_of_revision: dict[int, str] = {}
        self.confirmed: tuple[int, str] | None = None
        self.signed: dict[str, tuple[int, str]] = {}
        self.ended: Application | None = None
        sheet = self.journey.application.sheet
        if sheet:
            self.terms_of_revision = {sheet.revision: sheet.hash}
            if self.journey.application.confirmed_revision:
                self.confirmed = (sheet.revision, sheet.hash)
            signing = self.journey.application.signing
            both = {"partner": signing.partner, "vendor": signing.vendor}
            self.signed = {
                party: (sheet.revision, sheet.hash) for party, signature in both.items() if signature
            }

    def something_happens(self, random: Random) -> None:
        goes_on, anything = self.the_process_goes_on, self.anybody_sends_anything
        happens = [goes_on, goes_on, goes_on, anything, anything, self.the_same_is_sent_again]
        others = [self.time_passes, self.the_directory_comes_and_goes, self.a_mail_bounces]
        random.choice([*happens, *others])(random)

    def the_process_goes_on(self, random: Random) -> None:
        possible = decisions.allowed_commands(self.journey.application)
        forward = [kind for kind in possible if kind not in SIDEWAYS]
        if forward:
            kind = random.choice(forward)
            payload = self.journey.something_new(kind)
            self._send(kind, str(payload.get("party", payloads.ROLE_OF[kind])), payload)

    def anybody_sends_anything(self, random: Random) -> None:
        # Half of it where it is possible: only there can stale terms or a wrong party do any harm.
        possible = sorted(decisions.allowed_commands(self.journey.application))
        kind = random.choice(possible if possible and random.random() < 0.5 else sorted(payloads.ROLE_OF))
        payload = self._payload(kind, random)
        usual = str(payload.get("party", payloads.ROLE_OF[kind]))
        self._send(kind, random.choice([usual] * 6 + list(Role)), payload)

    def the_same_is_sent_again(self, random: Random) -> None:
        said = self.journey.said
        if said:
            kind = random.choice(sorted(said))
            self._send(kind, str(said[kind].get("party", payloads.ROLE_OF[kind])), said[kind])

    def _send(self, kind: str, role: str, payload: Json) -> None:
        note(f"{self.journey.now} {role}: {kind} {payload}")
        before = self.journey.application
        try:
            decision = self.journey.say(kind, role=role, **payload)
        except RefusedError as refusal:
            assert self.journey.application is before, "a refused command changes nothing"
            event(f"refused: {refusal.error}")
            return
        assert self.ended is None, "nothing is accepted after the end"
        if decision.verdict is Verdict.NO_OP:
            assert decision == Decision(before, Verdict.NO_OP), "a no-op mails, stops and starts nothing"
            assert self.journey.application == before
            event(f"no-op: {kind}")
            return
        event(f"accepted: {kind}")
        self._keep_account_of(kind, payload)

    def time_passes(self, random: Random) -> None:
        before = self.journey.application
        if decisions.next_clock(before) is None:
            return
        granted: bool = random.random() < 0.5
        note(f"{self.journey.now} time passes, access is {'granted' if granted else 'missing'}")
        answer = AccessOutcome(granted=granted, missing=() if granted else (MISSING,))

        decision = self.journey.wait(answer)

        after = decision.application
        may_become = {before.stage.value, "expired", "activating", "active"}
        assert after.stage in may_become, "time never approves, rejects, confirms or signs"
        assert (after.stage == "activating") <= (before.stage in ("signed", "activating"))
        assert (after.stage == "active") <= (before.stage == "activating" and granted)
        assert before.form_revision == after.form_revision
        assert before.sheet == after.sheet

    def the_directory_comes_and_goes(self, random: Random) -> None:
        down: bool = random.random() < 0.5
        self.journey.directory = None if down else directory()

    def a_mail_bounces(self, random: Random) -> None:
        before = self.journey.application
        self.journey.bounce()
        after = self.journey.application
        assert after == before.but(failed_emails=after.failed_emails), "nothing but the list of failed mails"
        assert len(after.failed_emails) == len(before.failed_emails) + 1
        if self.ended is not None:
            self.ended = after

    def _payload(self, kind: str, random: Random) -> Json:
        def one(of: str) -> Any:
            return random.choice(FEW[of])

        in_force = self.journey.terms()
        stale: list[Json] = [
            in_force | {"sheet_hash": "f" * 64},
            in_force | {"sheet_revision": in_force["sheet_revision"] + 1},
        ]
        terms: Json = random.choice([in_force] * 3 + stale)
        new = self.journey.something_new(kind)
        match kind:
            case "submit_application":
                return {"application": payloads.form(UID, qualification=one("qualification"))}
            case "approve_application":
                return {"form_revision": random.choice([new["form_revision"], 1])}
            case "request_justification":
                return {"question": one("question")}
            case "provide_justification":
                return {"answer": one("answer")}
            case "issue_decision_sheet":
                return {"sheet": payloads.sheet(start=one("start"), ecs=one("percent"))}
            case "confirm_terms":
                return terms
            case "record_contact":
                return {"note": one("note")}
            case "choose_signing_path":
                return {"path": one("path"), "order": one("order")}
            case "sign_contract":
                party = random.choice(["partner", "vendor"])
                signed: Json = new | terms | {"party": party, "document_ref": one("document")}
                return signed
            case "amend_start_date":
                return new | {"start_date": one("start")}
            case _:
                return new

    def _keep_account_of(self, kind: str, payload: Json) -> None:
        named = (payload.get("sheet_revision", 0), payload.get("sheet_hash", ""))
        match kind:
            case "issue_decision_sheet":
                sheet = self.journey.application.sheet
                assert sheet
                newest = max(self.terms_of_revision, default=0)
                assert sheet.revision == newest + 1, "revisions only go up, by one"
                self.terms_of_revision[sheet.revision] = sheet.hash
                self.confirmed = None
            case "confirm_terms":
                self.confirmed = named
            case "sign_contract":
                assert named == self.confirmed, "nothing is signed but the confirmed terms"
                assert payload["party"] not in self.signed, "nobody signs twice"
                self.signed[payload["party"]] = named
            case "reopen_terms":
                self.confirmed, self.signed = None, {}

    def signatures_stand_on_the_confirmed_terms(self) -> None:
        application = self.journey.application
        signatures = {party for party in Party if application.signing.by(party)}
        assert signatures == self.signed.keys()
        if signatures:
            assert application.sheet
            assert self.confirmed == (application.sheet.revision, application.sheet.hash)
            assert set(self.signed.values()) == {self.confirmed}
            assert application.confirmed_revision == application.sheet.revision

    def an_issued_sheet_never_changes(self) -> None:
        sheet = self.journey.application.sheet
        if sheet:
            assert sheet.revision == max(self.terms_of_revision)
            assert sheet.hash == self.terms_of_revision[sheet.revision]

    def access_is_given_to_the_signed_from_their_start_date_only(self) -> None:
        status = self.journey.status
        assert status.access.granted == (status.stage == "active")
        if status.stage in ("signed", "activating", "active"):
            assert self.signed.keys() == {"partner", "vendor"}
        if status.stage in ("activating", "active"):
            assert status.contract_start_at
            assert status.contract_start_at <= self.journey.now

    def there_is_one_outcome_and_nothing_changes_after_it(self) -> None:
        application = self.journey.application
        assert application.ended == (application.stage in ENDS)
        assert self.journey.status.outcome == (application.stage if application.ended else None)
        if self.ended is not None:
            assert application == self.ended
        elif application.ended:
            self.ended = application
            assert application.clocks == ()

    def what_is_due_is_known_where_the_stage_has_a_deadline(self) -> None:
        status = self.journey.status
        assert (status.due_at is None) == (status.stage in ENDS)
        assert (status.deadline is None) == (status.due_at is None)

    def no_clock_runs_twice(self) -> None:
        kinds = [clock.kind for clock in self.journey.application.clocks]
        assert len(kinds) == len(set(kinds))
        assert (ClockKind.REVIEW in kinds) == (self.journey.application.stage == "under_review")

    def overdue_is_only_bd(self) -> None:
        status = self.journey.status
        if status.overdue:
            assert status.stage in ("under_review", "awaiting_signatures")

    def it_survives_continue_as_new(self) -> None:
        desk = Desk.of(self.journey.application)
        desk.outbox.extend(self.journey.mails[-3:])
        handed_over = Memory.model_validate_json(desk.memory().model_dump_json())
        assert handed_over.application == self.journey.application
        assert list(handed_over.outbox) == self.journey.mails[-3:]


PROMISES: Final = (
    Onboarding.signatures_stand_on_the_confirmed_terms,
    Onboarding.an_issued_sheet_never_changes,
    Onboarding.access_is_given_to_the_signed_from_their_start_date_only,
    Onboarding.there_is_one_outcome_and_nothing_changes_after_it,
    Onboarding.what_is_due_is_known_where_the_stage_has_a_deadline,
    Onboarding.no_clock_runs_twice,
    Onboarding.overdue_is_only_bd,
    Onboarding.it_survives_continue_as_new,
)


# Hypothesis prefers few and simple choices, but this process needs them all: it only draws the dice.
@settings(max_examples=150, deadline=None)
@given(random=st.randoms(use_true_random=True))
def test_what_the_process_owner_relies_on(random: Random) -> None:
    onboarding = Onboarding(random.choice(WITH_TERMS if random.random() < 0.5 else SITUATIONS))
    for _ in range(25):
        onboarding.something_happens(random)
        for promise in PROMISES:
            promise(onboarding)
