"""Journeys with accidents: garbage, refusals, refused starts, and mails that bounce."""

import asyncio
import itertools
from functools import partial
from typing import Any, Final

from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from domain.contract import ErrorType, Stage
from tests import payloads
from tests.replay.ways import FAR, Journey, Story, confirm, issue, modify, to_justifying
from tests.rig import Applicant, undecodable
from tests.smtp_server import Plan, SmtpServer

BROKEN: Final[dict[str, tuple[Any, ...]]] = {
    "no_argument": (),
    "two_arguments": ({"a": 1}, {"b": 2}),
    "five_arguments": (1, 2, 3, 4, 5),
    "broken_json": (undecodable(b'{"command_id": '),),
    "not_utf8": (undecodable(b"\xff\xfe\x00"),),
    "unknown_encoding": (undecodable(b"\x01\x02", "binary/strange"),),
    "null": (None,),
    "text": ("approve",),
    "list": ([1, 2],),
    "empty_object": ({},),
    "lone_surrogate": (undecodable(rb'{"command_id": "\ud800", "actor": {"role": "bd", "id": "1"}}'),),
    "no_id": ({"actor": {"role": "partner", "id": "1"}},),
    "header_in_name": ({"command_id": "=?utf-8?q?x?=", "actor": {"role": "partner", "id": "a\nBcc: b"}},),
    "large": ({"command_id": "large", "actor": {"role": "partner", "id": "1"}, "more": "x" * 20_000},),
}
"""Arguments that are no command, and no start input either."""
_BROKEN_STARTS: Final = ("no_argument", "two_arguments", "broken_json", "unknown_encoding", "text")


async def _bad_signals(applicant: Applicant) -> None:
    for arguments in BROKEN.values():
        await applicant.handle.signal("submit_application", args=arguments)
        await applicant.settled()
    for name in ("no_such_command", "名前", "a name with\nspaces"):
        await applicant.handle.signal(name, payloads.command("decline"))
        await applicant.settled()
    await applicant.handle.signal("decline", {**payloads.command("decline"), "kind": "confirm_company"})
    await applicant.settled()
    await applicant.signal("confirm_company")


async def _bad_updates(applicant: Applicant) -> None:
    for arguments in BROKEN.values():
        await _refused(applicant, *arguments)
    await _refused(applicant, {"kind": "no_such_command", **payloads.command("decline")})
    await applicant.update("confirm_company")


async def _refused(applicant: Applicant, *arguments: Any) -> None:
    try:
        await applicant.submit(*arguments)
    except ApplicationError:
        return
    raise AssertionError(f"not refused: {arguments}")


async def _many_at_once(applicant: Applicant) -> None:
    """Signals and updates in one workflow task."""
    commands = [applicant.handle.signal("confirm_company", payloads.command("confirm_company"))]
    updates = [applicant.update("confirm_company") for _ in range(3)]
    garbage = [applicant.handle.signal("no_such_command", args=()) for _ in range(3)]
    await asyncio.gather(*commands, *updates, *garbage)
    await applicant.settled()
    await applicant.to_review()


async def _refusals(applicant: Applicant) -> None:
    """Every reason a command that parses can be refused for."""
    form = payloads.form(applicant.uid)
    await applicant.signal("submit_application", application=form)  # company_not_confirmed
    await applicant.service.account(applicant.uid, verified=False)
    await applicant.signal("confirm_company")  # enterprise_not_verified
    await applicant.service.account(applicant.uid)
    await applicant.signal("confirm_company")
    await applicant.signal("submit_application", application=form | {"legal_name": "Another"})  # uid_mismatch
    stranger = form | {"associated_uids": [f"{applicant.uid}404"]}
    await applicant.signal("submit_application", application=stranger)  # not_found
    await applicant.signal("submit_application", application=form)
    await applicant.signal("approve_application", role="partner", form_revision=1)  # forbidden
    await applicant.signal("reject_application", role="system", reason_code="X", explanation="X")  # forbidden
    await applicant.signal("approve_application", form_revision=7)  # stale_revision
    await applicant.signal("record_contact")  # wrong_stage
    await applicant.signal("approve_application", command_id="used", form_revision=1)
    await applicant.signal("approve_application", command_id="used", form_revision=2)  # invalid
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet())
    await confirm(applicant)
    await applicant.signal("choose_signing_path", path="framework_addendum", order="partner_first")
    await applicant.sign("vendor")  # signature_order
    await applicant.sign("partner", sheet_revision=9)  # stale_revision


async def _unknown_account(applicant: Applicant) -> None:
    """The directory does not know who joined, until he has confirmed his company in vain."""
    applicant.uid = f"{applicant.uid}404"
    await applicant.join()
    await applicant.signal("confirm_company")
    await applicant.service.account(applicant.uid)
    await applicant.signal("confirm_company")


async def _nothing_twice(applicant: Applicant) -> None:
    """Every command whose effect can be in place already, sent again: by its own ID, and by a new one."""

    async def twice(kind: str, **payload: Any) -> None:
        for command_id in (f"{kind}-1", f"{kind}-1", f"{kind}-2"):
            await applicant.signal(kind, command_id=command_id, **payload)

    await twice("confirm_company")
    await twice("submit_application", application=payloads.form(applicant.uid))
    await twice("withdraw_application")
    await applicant.signal("submit_application", application=payloads.form(applicant.uid))
    await twice("request_justification", question="Who are your customers?")
    await twice("provide_justification", answer="Forty companies.")
    await twice("approve_application", form_revision=2)
    await twice("issue_decision_sheet", sheet=payloads.sheet(start=FAR))
    await twice("modify_terms", sheet_revision=1, description="11 % on ecs, please")
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(start=FAR, ecs="11"))
    await twice("confirm_terms", **await applicant.named_sheet())
    await twice("reopen_terms", reason="12 % after all.")
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(start=FAR, ecs="12"))
    await confirm(applicant)
    await twice("record_contact", note="By phone.")
    await twice("choose_signing_path", path="offline_paper", order="any")
    await twice("reassign_bd", bd={"name": "Mia", "email": "mia@vendor.example.com"})
    await twice("reassign_lead", bd_lead={"name": "Ada", "email": "ada@vendor.example.com"})
    await twice("ask_bd", question="May we start in May?")
    await twice("answer_partner", answer="In June.")
    await twice("sign_contract", **await applicant.signature("partner", document_ref="DOC-1"))
    await applicant.sign("vendor", document_ref="DOC-2")
    await twice("amend_start_date", start_date="2098-01-01", time_zone="Asia/Tokyo", reason="Agreed.")


async def _by_updates(applicant: Applicant) -> None:
    """The whole way by updates, each answered."""
    await applicant.update("confirm_company")
    await applicant.update("submit_application", application=payloads.form(applicant.uid))
    await applicant.update("approve_application", form_revision=1)
    await applicant.update("issue_decision_sheet", sheet=payloads.sheet())
    await applicant.update("confirm_terms", **await applicant.named_sheet())
    await applicant.update("sign_contract", **await applicant.signature("partner"))
    await applicant.update("sign_contract", **await applicant.signature("vendor"))
    await applicant.result()


async def _start_refused(applicant: Applicant, *, arguments: tuple[Any, ...]) -> None:
    await applicant.start(*arguments)
    await _fails(applicant)


async def _start_with(applicant: Applicant, **changes: Any) -> None:
    await applicant.start(payloads.join(applicant.uid, **changes))
    await _fails(applicant)


async def _start_of_another(applicant: Applicant) -> None:
    """Under a workflow ID that is not the applicant's own."""
    await applicant.start(payloads.join("1234567890123456"))
    await _fails(applicant)


async def _already_partner(applicant: Applicant) -> None:
    await applicant.join()
    await applicant.to_signed()
    await applicant.start(payloads.join(applicant.uid))
    told = await applicant.result()
    if told.outcome != ErrorType.ALREADY_PARTNER:
        raise AssertionError(f"a partner's start has led to {told.outcome}")


async def _fails(applicant: Applicant) -> None:
    try:
        await applicant.result()
    except WorkflowFailureError:
        return
    raise AssertionError("the start was not refused")


async def _failed_mail(applicant: Applicant, *, server: SmtpServer) -> None:
    """One recipient is refused for good."""
    server.plan = Plan(recipients={payloads.CONTACT["email"]: "550 5.1.1 no such mailbox"})
    await applicant.to_review()
    server.plan = Plan()
    await applicant.signal("approve_application", form_revision=1)


async def _at_any_time_in_every_stage(applicant: Applicant, *, server: SmtpServer) -> None:
    """In each stage: reassigned to a BD whose mails bounce, and to another lead; a question asked and
    answered; contact corrected, that mail sent again."""
    numbers = itertools.count(1)

    async def whatever_the_stage() -> None:
        number = next(numbers)
        wrong = f"wrong{number}@vendor.example.com"
        server.plan = Plan(recipients={wrong: "550 5.1.1 no such mailbox"})
        status = await applicant.signal("reassign_bd", bd={"name": f"BD {number}", "email": wrong})
        lead = {"name": f"Lead {number}", "email": f"lead{number}@vendor.example.com"}
        await applicant.signal("reassign_lead", bd_lead=lead)
        await applicant.signal("ask_bd", question=f"Question {number}?")
        await applicant.signal("answer_partner", answer=f"Answer {number}.")
        await applicant.signal("correct_contact", email=f"ann{number}@acme.example.com")
        server.plan = Plan()
        await applicant.signal("resend_email", key=status.failed_emails[-1].key)
        if number == 1:
            await applicant.signal("correct_contact", email=f"ann{number}@acme.example.com")
            await applicant.signal("resend_email", key=status.failed_emails[-1].key)

    await whatever_the_stage()
    await to_justifying(applicant)
    await whatever_the_stage()
    await applicant.signal("withdraw_application")
    await whatever_the_stage()
    await applicant.signal("submit_application", application=payloads.form(applicant.uid))
    await whatever_the_stage()
    await applicant.signal("approve_application", form_revision=2)
    await whatever_the_stage()
    await issue(applicant, start=FAR)
    await whatever_the_stage()
    await modify(applicant, "11 % on ecs, please")
    await whatever_the_stage()
    await issue(applicant, start=FAR, ecs="11")
    await confirm(applicant)
    await whatever_the_stage()
    await applicant.sign("partner")
    await applicant.sign("vendor")
    await whatever_the_stage()
    await applicant.service.account(applicant.uid, verified=False)
    await applicant.signal(
        "amend_start_date", start_date=payloads.REACHED, time_zone="Asia/Singapore", reason="At once."
    )
    await whatever_the_stage()


def accidents(server: SmtpServer) -> tuple[Journey, ...]:
    """These journeys, with ``server`` as the service's mail server."""
    starts: dict[str, Story] = {
        **{f"start_{name}": partial(_start_refused, arguments=BROKEN[name]) for name in _BROKEN_STARTS},
        "start_invalid": partial(_start_with, contact_email="nobody", policy={"review_working_days": 0}),
        "start_unknown_calendar": partial(_start_with, policy={"calendar": "XX"}),
        "start_another_workflow_id": _start_of_another,
        "start_already_partner": _already_partner,
    }
    return (
        *(Journey(name, story, None, joins=False) for name, story in starts.items()),
        Journey("bad_signals", _bad_signals, Stage.DRAFTING),
        Journey("bad_updates", _bad_updates, Stage.DRAFTING),
        Journey("many_at_once", _many_at_once, Stage.UNDER_REVIEW),
        Journey("refusals", _refusals, Stage.AWAITING_SIGNATURES),
        Journey("unknown_account", _unknown_account, Stage.DRAFTING, joins=False),
        Journey("nothing_twice", _nothing_twice, Stage.SIGNED),
        Journey("active_by_updates", _by_updates, Stage.ACTIVE),
        Journey("failed_mail", partial(_failed_mail, server=server), Stage.QUALIFIED),
        Journey(
            "at_any_time_in_every_stage",
            partial(_at_any_time_in_every_stage, server=server),
            Stage.ACTIVATING,
        ),
    )
