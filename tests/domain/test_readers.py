"""Each reader his own: what the applicant's side may read of an application, and what not."""

from typing import Any

import pytest

from domain import decisions, readers, view
from domain.audit import AuditEvent, Verdict
from domain.contract import Actor, Party, Role, SignatureOrder, Stage, Via
from domain.lifecycle import newest_rows
from domain.notice import Audience
from domain.notices import NOTICES
from domain.possible import allowed_for
from domain.signing import parties_to_sign
from domain.status import Closing, ClosingCode, CoverageChanged, FailedEmail, Refusal, Status
from tests import payloads
from tests.domain.applications import JOINED_AT, SITUATIONS, journey_to

INSIDE = [role for role in Role if role not in readers.OUTSIDE]


def refusal(role: Role | None) -> Refusal:
    return Refusal(at=JOINED_AT, command="x", error="invalid", message=f"Said to {role}.", role=role)


def failed(template: str) -> FailedEmail:
    return FailedEmail(key=f"5.{template}", template=template, to="x@y.example", reason="No.", at=JOINED_AT)


def full() -> Status:
    """A status with something for everybody."""
    mails = tuple(failed(template) for template in ("sheet_to_confirm", "sheet_reminder", "review_overdue"))
    application = journey_to("under_review").application.but(failed_emails=mails)
    refusals = [refusal(role) for role in (*Role, None)]
    return view.describe(application, sequence=7, refusals=refusals, pending_emails=3)


class TestAllowed:
    """The commands possible now, by the role that may send them."""

    @pytest.mark.parametrize("situation", SITUATIONS)
    def test_is_what_the_table_says(self, situation: str) -> None:
        status = journey_to(situation).status
        by = {step.name: step.by for step in newest_rows()}
        waiting = {party.value for party in Party if party not in parties_to_sign(status.signing)}
        for role in Role:
            mine = tuple(
                name
                for name in status.allowed_commands
                if role in by[name] and not (name == "sign_contract" and role.value in waiting)
            )
            assert status.allowed_for.get(role, ()) == mine
        assert {name for names in status.allowed_for.values() for name in names} == set(
            status.allowed_commands
        )

    def test_under_review(self) -> None:
        possible = journey_to("under_review").status.allowed_for
        assert possible[Role.PARTNER] == (
            *("withdraw_application", "ask_bd", "correct_contact", "resend_email", "decline"),
        )
        assert "approve_application" in possible[Role.BD]
        assert "reassign_bd" not in possible[Role.BD]
        assert "reassign_bd" in possible[Role.BD_LEAD]
        assert not {Role.VENDOR, Role.ESIGN, Role.SYSTEM} & possible.keys(), "who may do nothing is left out"

    def test_who_has_signed_has_nothing_to_sign(self) -> None:
        before, after = (
            {role for role, names in journey_to(each).status.allowed_for.items() if "sign_contract" in names}
            for each in ("awaiting_signatures", "partner_signed")
        )
        assert before == {Role.PARTNER, Role.VENDOR, Role.ESIGN}
        assert after == {Role.VENDOR, Role.ESIGN}

    def test_who_signs_second_has_nothing_to_sign_before_the_first(self) -> None:
        application = journey_to("awaiting_signatures").application
        later = application.signing.model_copy(update={"order": SignatureOrder.VENDOR_FIRST})
        possible = allowed_for(application.but(signing=later))
        assert "sign_contract" not in possible[Role.PARTNER]
        assert possible[Role.VENDOR] == possible[Role.ESIGN] == ("sign_contract",)

    def test_nobody_may_do_anything_after_the_end(self) -> None:
        assert journey_to("rejected").status.allowed_for == {}
        assert view.run_ended(full(), "was terminated").allowed_for == {}

    @pytest.mark.parametrize("role", [Role.PARTNER, Role.BD, Role.VENDOR])
    def test_each_reads_his_own(self, role: Role) -> None:
        shown = readers.status_for(full(), role)
        assert shown.allowed_commands == full().allowed_for.get(role, ())

    def test_of_a_status_that_knows_of_no_roles_all_are_shown(self) -> None:
        old = full().model_copy(update={"allowed_for": {}})
        assert readers.status_for(old, Role.BD).allowed_commands == old.allowed_commands


class TestStatus:
    """The status, as each reads it."""

    def test_a_partner_reads_neither_others_refusals_nor_their_mails(self) -> None:
        shown = readers.status_for(full(), Role.PARTNER)
        assert shown.last_refusals == (refusal(Role.PARTNER),)
        assert [mail.template for mail in shown.failed_emails] == ["sheet_to_confirm"]
        assert (list(shown.allowed_for), shown.pending_emails) == ([Role.PARTNER], 0)

    def test_what_came_again_by_a_reset_is_for_the_vendors_people(self) -> None:
        """The partner has not sent it now."""
        came_again = refusal(Role.PARTNER).model_copy(update={"again": True})
        status = full().model_copy(update={"last_refusals": (refusal(Role.PARTNER), came_again)})
        assert readers.status_for(status, Role.PARTNER).last_refusals == (refusal(Role.PARTNER),)
        assert readers.status_for(status, Role.BD).last_refusals == status.last_refusals

    @pytest.mark.parametrize("role", [Role.PARTNER, Role.ESIGN])
    def test_bd_is_read_as_the_mails_name_him_and_neither_lead_nor_logins(self, role: Role) -> None:
        journey = journey_to("amended")
        shown = readers.status_for(journey.status, role)
        assert shown.bd == journey.status.bd
        assert shown.bd_lead is None
        assert [each.by for each in shown.amendments] == [Actor(role=Role.BD, id="bd")]
        assert payloads.BD_LEAD["email"] not in shown.model_dump_json()
        assert "bd-1" not in shown.model_dump_json()
        assert readers.status_for(shown, role) == shown

    def test_a_partner_reads_his_own_changes_of_coverage_under_his_own_name(self) -> None:
        journey = journey_to("active")
        partner = Actor(role=Role.PARTNER, id="crm-7", name="Ann Tan")
        change = CoverageChanged(uid="71", added=True, at=journey.now, by=partner)
        status = journey.status.model_copy(update={"coverage_changes": (change,)})
        assert readers.status_for(status, Role.PARTNER).coverage_changes == (change,)

    def test_the_signature_service_reads_no_mails(self) -> None:
        assert readers.status_for(full(), Role.ESIGN).failed_emails == ()

    @pytest.mark.parametrize("role", INSIDE)
    def test_the_vendors_people_read_all_of_it(self, role: Role) -> None:
        whole = full()
        mine = {"allowed_commands": whole.allowed_for.get(role, ())}
        assert readers.status_for(whole, role) == whole.model_copy(update=mine)

    def test_shown_again_it_is_the_same(self) -> None:
        once = readers.status_for(full(), Role.PARTNER)
        assert readers.status_for(once, Role.PARTNER) == once


class TestOperatorsWords:
    """Why operators ended it is read by ops and BD, never outside."""

    @pytest.mark.parametrize("way", ["cancelled", "terminated", "ops"])
    def test_a_partner_reads_a_neutral_sentence(self, way: str) -> None:
        journey = journey_to("under_review")
        status = {
            "cancelled": lambda: view.describe(
                decisions.cancelled_by_operator(journey.application, journey.now).application, sequence=9
            ),
            "terminated": lambda: view.run_ended(journey.status, "was terminated"),
            "ops": self._by_ops,
        }[way]()
        assert status.closing
        words = status.closing.reason or ""
        assert words
        shown = readers.status_for(status, Role.PARTNER)
        told = Closing(by=Role.SYSTEM, reason=readers.NEUTRAL, code=ClosingCode.BY_SERVICE)
        assert shown.closing == told
        assert readers.status_for(shown, Role.PARTNER) == shown
        for word in (words, "Temporal", "operator", "terminated"):
            assert word not in shown.model_dump_json()
        for role in (Role.BD, Role.BD_LEAD, Role.OPS):
            assert readers.status_for(status, role).closing == status.closing

    @staticmethod
    def _by_ops() -> Status:
        journey = journey_to("under_review")
        journey.say("cancel_application", role="ops", reason="A load test.")
        return journey.status

    @pytest.mark.parametrize(
        "closing",
        [
            Closing(by=Role.BD, reason="No fit."),
            Closing(by=Role.PARTNER),
            Closing(by=Role.SYSTEM, reason="Silence.", code=ClosingCode.EXPIRED, days=90),
        ],
    )
    def test_other_reasons_are_read_as_they_are(self, closing: Closing) -> None:
        assert readers.closing_for(closing, Role.PARTNER) == closing

    def test_each_way_has_a_code(self) -> None:
        journey = journey_to("justifying")
        cancelled = decisions.cancelled_by_operator(journey.application, journey.now).application.closing
        ended = decisions.run_ended(journey.application, "was terminated").closing
        while not journey.application.ended:
            journey.wait()
        expired = journey.application.closing
        assert expired
        assert cancelled
        assert ended
        assert [each.code for each in (expired, cancelled, ended)] == list(ClosingCode)[:3]
        assert expired.days == journey.application.policy.partner_expiry_days


def event(command: str, actor: Actor | None, **changes: Any) -> AuditEvent:
    told: dict[str, Any] = {
        "sequence": 3,
        "at": JOINED_AT,
        "command": command,
        "verdict": Verdict.ACCEPTED,
        "actor": actor,
        "from_stage": Stage.AWAITING_SIGNATURES,
        "to_stage": Stage.AWAITING_SIGNATURES,
    }
    return AuditEvent.model_validate(told | changes)


PARTNER = Actor(role=Role.PARTNER, id="mei")
BD = Actor(role=Role.BD, id="wei.zhang", name="Wei Zhang")
SYSTEM = Actor(role=Role.SYSTEM, id="onboarding")


class TestAudit:
    """The audit trail, as each reads it."""

    @pytest.mark.parametrize(
        ("told", "seen"),
        [
            (event("confirm_terms", PARTNER), True),
            (event("confirm_terms", PARTNER, verdict="refused", error="invalid"), True),
            (event("choose_signing_path", BD), True),
            (event("choose_signing_path", BD, verdict="refused", error="wrong_stage"), False),
            (event("choose_signing_path", BD, verdict="no_op"), False),
            (event("resend_email", BD), False),
            (event("nonsense", None, verdict="refused", error="invalid"), False),
            (event("join", SYSTEM, from_stage="drafting", to_stage="drafting"), True),
            (event("contact_overdue", SYSTEM), False),
            (event("email_failed", SYSTEM), False),
            (event("reset", SYSTEM, message="Reset in Temporal"), False),
            (event("expiry", SYSTEM, to_stage="expired"), True),
        ],
    )
    def test_a_partner_reads_what_concerns_him(self, told: AuditEvent, seen: bool) -> None:
        assert bool(readers.audit_for([told], Role.PARTNER)) is seen
        assert readers.audit_for([told], Role.BD) == (told,)

    def test_a_note_of_bd_is_for_bd(self) -> None:
        told = event("record_contact", BD, details={"note": "Hard to reach"}, via=Via(channel="cli"))
        [shown] = readers.audit_for([told], Role.PARTNER)
        assert (shown.details, shown.via) == ({}, None)
        assert shown.actor == Actor(role=Role.BD, id="bd", name="Wei Zhang")
        assert readers.audit_for([told], Role.OPS) == (told,)

    def test_who_leads_bd_is_for_the_vendors_people(self) -> None:
        lead = {"bd_lead": {"name": "Ada", "email": "ada@vendor.example"}}
        ada = Actor(role=Role.BD_LEAD, id="lo@vendor.example", name="Ada Roth")
        told = event("reassign_lead", ada, details=lead)
        [shown] = readers.audit_for([told], Role.PARTNER)
        assert (shown.details, shown.actor) == ({}, Actor(role=Role.BD_LEAD, id="bd_lead"))
        bd = {"bd": {"name": "Nia New", "email": "nia@vendor.example"}}
        for actor in (BD, ada):
            [shown] = readers.audit_for([event("reassign_bd", actor, details=bd)], Role.PARTNER)
            assert shown.details == bd, "whom he may consult from now on"
            assert "Ada" not in shown.model_dump_json()
            assert readers.audit_for([event("reassign_bd", actor)], Role.BD_LEAD)[0].actor == actor

    def test_what_bd_asked_is_read(self) -> None:
        told = event("request_justification", BD, details={"question": "How many?"})
        [shown] = readers.audit_for([told], Role.PARTNER)
        assert shown.details == {"question": "How many?"}

    @pytest.mark.parametrize("actor", [Actor(role=Role.OPS, id="olga", name="Olga"), SYSTEM])
    def test_the_operators_words_are_not(self, actor: Actor) -> None:
        told = event(
            "cancel_application",
            actor,
            to_stage="cancelled",
            message="Its run in Temporal was terminated.",
            details={"reason": "A load test."},
        )
        [shown] = readers.audit_for([told], Role.PARTNER)
        assert (shown.actor, shown.message, shown.details) == (SYSTEM, None, {})


@pytest.mark.parametrize("notice", NOTICES)
def test_a_partner_reads_of_his_own_mails_only(notice: Any) -> None:
    template = notice.model_fields["template"].default
    mine = notice.audience is Audience.PARTNER
    assert readers.may_read_mail(template, Role.PARTNER) is mine
    assert not readers.may_read_mail(template, Role.ESIGN)
    assert all(readers.may_read_mail(template, role) for role in INSIDE)


def test_what_is_kept_inside_are_fields_of_the_command() -> None:
    for step in newest_rows():
        assert set(step.inside) <= step.command.model_fields.keys(), step.name
