"""The journeys to record: one for every stage, ending, loop and accident an application can meet.

A journey drives an `Applicant` who has joined already, by plain JSON as an outside service would. It
names the stage its last run has to stand in, so that a story that went another way is not kept.
"""

from datetime import timedelta
from functools import partial
from typing import Any, Final

from domain.contract import Stage
from tests import payloads
from tests.payloads import Json
from tests.replay.questions import QUESTIONS
from tests.replay.resets import after, first_task, reset, update_accepted
from tests.replay.ways import (
    FAR,
    WAYS,
    Journey,
    Story,
    confirm,
    issue,
    modify,
    to_activating,
    to_justifying,
    to_withdrawn,
    until_due,
    until_told,
    wait_a_week,
)
from tests.rig import Applicant
from workflows import calls


async def _then(applicant: Applicant, *, way: Story, kind: str, payload: Json) -> None:
    await way(applicant)
    await applicant.signal(kind, **payload)


async def _expires(applicant: Applicant, *, way: Story) -> None:
    await way(applicant)
    await applicant.pass_time(timedelta(days=92))


async def _operator_cancels(applicant: Applicant, *, way: Story) -> None:
    await way(applicant)
    await applicant.handle.cancel()
    await applicant.result()


def _after(ends: Stage, kind: str, where: list[Stage], **payload: Any) -> list[Journey]:
    return [
        Journey(f"{kind}_in_{stage}", partial(_then, way=WAYS[stage], kind=kind, payload=payload), ends)
        for stage in where
    ]


async def _withdraw_and_resubmit(applicant: Applicant) -> None:
    await to_withdrawn(applicant)
    await applicant.signal(
        "submit_application", application=payloads.form(applicant.uid, website="https://acme.sg")
    )
    await applicant.signal("approve_application", form_revision=1)
    await applicant.signal("approve_application", form_revision=2)


async def _withdraw_while_justifying(applicant: Applicant) -> None:
    await to_justifying(applicant)
    await applicant.signal("withdraw_application")


async def _justify(applicant: Applicant) -> None:
    await applicant.to_review()
    await applicant.pass_time(timedelta(days=1))
    await applicant.signal("request_justification", question="Who are your customers?")
    await applicant.pass_time(timedelta(days=10))
    await applicant.signal("provide_justification", answer="Forty companies in Singapore.")
    await applicant.signal("approve_application", form_revision=1)


async def _modify_three_times(applicant: Applicant) -> None:
    await applicant.to_confirming()
    for percent in ("11", "12", "13"):
        await modify(applicant, f"{percent} % on ecs, please")
        await issue(applicant, ecs=percent)
    await confirm(applicant)


async def _supersede(applicant: Applicant) -> None:
    await applicant.to_confirming()
    stale = await applicant.named_sheet()
    await issue(applicant, ecs="15")
    await applicant.signal("confirm_terms", **stale)
    await confirm(applicant)


async def _reopen_after_a_signature(applicant: Applicant) -> None:
    await applicant.to_signatures()
    await applicant.sign("partner")
    await applicant.signal("reopen_terms", reason="The credit line has to be lower.")
    await issue(applicant, ecs="11")
    await confirm(applicant)
    await applicant.sign("vendor")


async def _signing_on_paper_vendor_first(applicant: Applicant) -> None:
    await applicant.to_signatures(start=FAR)
    await applicant.signal("choose_signing_path", path="offline_paper", order="vendor_first")
    await applicant.signal("record_contact", note="Sent by courier.")
    await applicant.sign("partner", document_ref="DOC-1")
    await applicant.sign("vendor")
    await applicant.sign("vendor", document_ref="DOC-2")
    await applicant.signal("choose_signing_path", path="online_esign", order="any")
    await wait_a_week(applicant)
    await applicant.sign("partner", role="esign", document_ref="DOC-3")


async def _signature_refused(applicant: Applicant) -> None:
    """Reported for other terms, twice, and then for these."""
    await applicant.to_signatures(start=FAR)
    for _ in range(2):
        await applicant.sign("partner", role="esign", sheet_hash="ab" * 32, document_ref="DOC-1")
    await applicant.sign("partner", role="esign", document_ref="DOC-2")


async def _start_date_reached(applicant: Applicant) -> None:
    await applicant.to_signed(start=(await applicant.now() + timedelta(days=40)).date().isoformat())
    await until_due(applicant)


async def _amend_start_date(applicant: Applicant) -> None:
    await applicant.to_signed(start=FAR)
    for start_date in ("2098-06-01", payloads.REACHED):
        await applicant.signal(
            "amend_start_date", start_date=start_date, time_zone="Asia/Shanghai", reason="As agreed by phone."
        )


async def _reassign(applicant: Applicant) -> None:
    await applicant.to_review()
    await applicant.signal("reassign_bd", bd={"name": "Mia", "email": "mia@vendor.example.com"})


async def _evidence(applicant: Applicant) -> None:
    """Files named by hash: for the qualification, its justification and the signatures on paper."""
    file = {"reference": "dms://42", "sha256": "ab" * 32, "media_type": "application/pdf"}
    await applicant.to_review(evidence=[file])
    await applicant.signal("request_justification", question="Who are your customers?")
    await applicant.signal("provide_justification", answer="Listed in the file.", evidence=[file])
    await applicant.signal("approve_application", form_revision=1)
    await issue(applicant, start=FAR)
    await applicant.signal("modify_terms", sheet_revision=1, description="No.", fields=["basic.nonsense"])
    await confirm(applicant)
    await applicant.signal("choose_signing_path", path="offline_paper", order="any")
    await applicant.sign("partner", evidence=[file], signed_at="1990-01-01T00:00:00Z")
    await applicant.sign("partner", evidence=[file])
    await applicant.sign("vendor", evidence=[file])


async def _people_change(applicant: Applicant) -> None:
    """BD and lead are replaced, twice each; then the contract is ended before its start."""
    await applicant.to_signed(start=FAR)
    for name in ("mia", "noa"):
        await applicant.signal("reassign_bd", bd={"name": name, "email": f"{name}@vendor.example.com"})
        await applicant.signal("reassign_lead", bd_lead={"name": name, "email": f"{name}@lead.example.com"})
    await applicant.signal("reassign_lead", bd_lead={"name": "noa", "email": "noa@lead.example.com"})
    await applicant.signal("end_contract", reason="The partner has been taken over.")


async def _level_of_the_accounts(applicant: Applicant) -> None:
    """The sheet's level is not that of the account, until the account's is changed; the start long past."""
    await applicant.to_qualified()
    await applicant.service.account(applicant.uid, partner_level="silver")
    await issue(applicant)
    await applicant.service.account(applicant.uid, partner_level="gold")
    await issue(applicant, start="2001-01-01")
    await issue(applicant)


async def _if_sequence(applicant: Applicant) -> None:
    """Sent on condition that nothing has happened since: once something has, then nothing has."""
    seen = (await applicant.to_review()).sequence
    await applicant.signal("reassign_bd", bd={"name": "Mia", "email": "mia@vendor.example.com"})
    approval = {"form_revision": 1, "via": {"channel": "api", "client": "bd-desk"}}
    await applicant.signal("approve_application", if_sequence=seen, **approval)
    await applicant.signal("approve_application", if_sequence=(await applicant.status()).sequence, **approval)


async def _another_company(applicant: Applicant) -> None:
    """The account directory has another company when the one shown is confirmed, and when a form is
    submitted; what is sent again is answered as it was."""
    service, uid = applicant.service, applicant.uid
    shown = (await applicant.status()).company
    await service.account(uid, enterprise={"legal_name": "Acme Global Pte. Ltd."})
    said = payloads.command("confirm_company", company_hash=shown.hash if shown else None)
    for _ in range(2):
        await applicant.handle.signal("confirm_company", said)
        await applicant.settled()
    await applicant.signal("confirm_company")
    await service.account(uid)
    await applicant.signal("submit_application", application=payloads.form(uid))
    await applicant.to_review()
    await applicant.signal("withdraw_application", form_revision=2)
    await applicant.signal("withdraw_application", form_revision=1)
    await service.account(uid, enterprise={"legal_name": "Acme Global Pte. Ltd."})
    await applicant.signal("submit_application", application=payloads.form(uid))
    await applicant.signal("confirm_company")


async def _reset_mid_way(applicant: Applicant) -> None:
    """To the approval; a sheet issued and confirmed since then is issued again, under a new number."""
    await applicant.to_qualified()
    await issue(applicant)
    await applicant.update("confirm_terms", **await applicant.named_sheet())
    await applicant.settled()
    await reset(applicant, await after(applicant, Stage.QUALIFIED))
    await confirm(applicant)


async def _reset_to_the_first_task(applicant: Applicant) -> None:
    """Everything is judged once more, updates and signals."""
    await applicant.signal("confirm_company")
    await applicant.update("submit_application", application=payloads.form(applicant.uid))
    await applicant.settled()
    await reset(applicant, await first_task(applicant))


async def _reset_without_messages(applicant: Applicant) -> None:
    """Twice: a form is submitted once more, and gets the revision after the highest there has been."""
    await applicant.to_qualified()
    for _ in range(2):
        await reset(applicant, await after(applicant, Stage.DRAFTING), reapply=False)
        await applicant.to_review()


async def _reset_to_an_update(applicant: Applicant) -> None:
    """Where a run stands there is nothing to do, were it not for the reset."""
    await applicant.to_review()
    await applicant.update("request_justification", question="Who are your customers?")
    await applicant.settled()
    await reset(applicant, await update_accepted(applicant), reapply=False)


async def _reset_after_the_end(applicant: Applicant) -> None:
    """Access was given, and is taken back; another sheet is issued."""
    await applicant.to_signatures()
    await applicant.sign("partner")
    await applicant.sign("vendor")
    await reset(applicant, await after(applicant, Stage.CONFIRMING_TERMS), reapply=False)
    await issue(applicant, start=FAR)


async def _review_reminded_and_overdue(applicant: Applicant) -> None:
    await applicant.to_review()
    await until_told(applicant)


async def _sheet_reminders(applicant: Applicant) -> None:
    """Until the lead is told, and once more after that."""
    await applicant.to_qualified()
    for _ in range(4):
        await until_told(applicant)
    await issue(applicant)
    await modify(applicant, "11 % on ecs, please")
    await until_told(applicant)


async def _terms_reminder(applicant: Applicant) -> None:
    """Reminded until the lead is told, warned, and at last heard of."""
    await applicant.to_confirming()
    await applicant.pass_time(timedelta(days=88))
    await modify(applicant, "11 % on ecs, please")


async def _contact_overdue_and_reminders(applicant: Applicant) -> None:
    await applicant.to_signatures()
    await until_told(applicant)
    await wait_a_week(applicant)
    await applicant.sign("vendor")
    await until_told(applicant)


async def _access_delayed_then_granted(applicant: Applicant) -> None:
    await to_activating(applicant)
    await until_due(applicant)
    await applicant.service.account(applicant.uid)
    await until_due(applicant)


async def _credit_control_required(applicant: Applicant) -> None:
    await applicant.join(
        policy={"require_credit_control": True, "calendar": "SA", "time_zone": "Asia/Riyadh"}
    )
    await applicant.to_signed()
    await applicant.service.account(applicant.uid, credit_control=True)
    await until_due(applicant)


async def _in_chinese(applicant: Applicant) -> None:
    await applicant.join(locale="zh", policy={"review_working_days": 5})
    await applicant.to_qualified()


async def _joins_again(applicant: Applicant) -> None:
    await applicant.to_review()
    await applicant.signal("reject_application", reason_code="SIZE", explanation="Twenty engineers.")
    await applicant.join()
    await applicant.to_review()


async def _continue_as_new(applicant: Applicant) -> None:
    """With a deadline running, answers to remember, and signatures to keep."""
    await applicant.to_signatures(start=FAR)
    await applicant.sign("partner")
    await applicant.signal(
        "reassign_bd", command_id="again", bd={"name": "Mia", "email": "mia@v.example.com"}
    )
    for number in range(10):
        await applicant.signal("confirm_company", command_id=f"late-{number}")
    await applicant.signal(
        "reassign_bd", command_id="again", bd={"name": "Mia", "email": "mia@v.example.com"}
    )
    await until_due(applicant)
    await applicant.sign("vendor")


_REJECTION: Final = {"reason_code": "SIZE", "explanation": "At least twenty certified engineers."}
_EXPIRING: Final = [Stage.DRAFTING, Stage.JUSTIFYING, Stage.WITHDRAWN, Stage.CONFIRMING_TERMS]
_STAGES: Final = list(WAYS)
_UNTIL_SIGNED: Final = _STAGES[: _STAGES.index(Stage.SIGNED)]

ORDINARY: Final[tuple[Journey, ...]] = (
    *(Journey(f"open_in_{stage}", way, stage) for stage, way in WAYS.items()),
    Journey("active", Applicant.to_signed, Stage.ACTIVE),
    *_after(Stage.REJECTED, "reject_application", [Stage.UNDER_REVIEW, Stage.JUSTIFYING], **_REJECTION),
    *_after(Stage.CANCELLED, "decline", _UNTIL_SIGNED, reason="Too dear."),
    *_after(Stage.CANCELLED, "cancel_application", _UNTIL_SIGNED, reason="Applied twice."),
    *(
        Journey(f"operator_cancels_in_{stage}", partial(_operator_cancels, way=way), Stage.CANCELLED)
        for stage, way in WAYS.items()
        if stage in (Stage.UNDER_REVIEW, Stage.SIGNED)
    ),
    *(
        Journey(f"expires_in_{stage}", partial(_expires, way=WAYS[stage]), Stage.EXPIRED)
        for stage in _EXPIRING
    ),
    *QUESTIONS,
    Journey("withdraw_and_resubmit", _withdraw_and_resubmit, Stage.QUALIFIED),
    Journey("withdraw_while_justifying", _withdraw_while_justifying, Stage.WITHDRAWN),
    Journey("justify", _justify, Stage.QUALIFIED),
    Journey("modify_three_times", _modify_three_times, Stage.AWAITING_SIGNATURES),
    Journey("supersede", _supersede, Stage.AWAITING_SIGNATURES),
    Journey("reopen_after_a_signature", _reopen_after_a_signature, Stage.AWAITING_SIGNATURES),
    Journey("signing_on_paper_vendor_first", _signing_on_paper_vendor_first, Stage.SIGNED),
    Journey("signature_refused", _signature_refused, Stage.AWAITING_SIGNATURES),
    Journey("start_date_reached", _start_date_reached, Stage.ACTIVE),
    Journey("amend_start_date", _amend_start_date, Stage.ACTIVE),
    Journey("reassign", _reassign, Stage.UNDER_REVIEW),
    Journey("evidence", _evidence, Stage.SIGNED),
    Journey("people_change", _people_change, Stage.CANCELLED),
    Journey("level_of_the_accounts", _level_of_the_accounts, Stage.CONFIRMING_TERMS),
    Journey("if_sequence", _if_sequence, Stage.QUALIFIED),
    Journey("another_company", _another_company, Stage.WITHDRAWN),
    Journey("reset_mid_way", _reset_mid_way, Stage.AWAITING_SIGNATURES, asks=(calls.TAKE_UP,)),
    Journey("reset_to_the_first_task", _reset_to_the_first_task, Stage.UNDER_REVIEW, asks=(calls.TAKE_UP,)),
    Journey("reset_without_messages", _reset_without_messages, Stage.UNDER_REVIEW, asks=(calls.TAKE_UP,)),
    Journey("reset_to_an_update", _reset_to_an_update, Stage.UNDER_REVIEW, asks=(calls.TAKE_UP,)),
    Journey("reset_after_the_end", _reset_after_the_end, Stage.CONFIRMING_TERMS, asks=(calls.TAKE_UP,)),
    Journey("review_reminded_and_overdue", _review_reminded_and_overdue, Stage.UNDER_REVIEW),
    Journey("sheet_reminders", _sheet_reminders, Stage.CORRECTING_TERMS),
    Journey("terms_reminder", _terms_reminder, Stage.CORRECTING_TERMS),
    Journey("contact_overdue_and_reminders", _contact_overdue_and_reminders, Stage.AWAITING_SIGNATURES),
    Journey("access_delayed_then_granted", _access_delayed_then_granted, Stage.ACTIVE),
    Journey("credit_control_required", _credit_control_required, Stage.ACTIVE, joins=False),
    Journey("in_chinese", _in_chinese, Stage.QUALIFIED, joins=False),
    Journey("joins_again", _joins_again, Stage.UNDER_REVIEW),
    Journey("continue_as_new", _continue_as_new, Stage.SIGNED, short_runs=True, asks=("continue_as_new",)),
)
