"""What becomes of sheets, signatures, messages and mails that a reset leaves behind, or brings again."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from domain.contract import Stage
from tests import payloads
from tests.long import LONG, SHORT
from tests.rig import Applicant, Service
from tests.service.resetting import (
    each_mail_left_once,
    mark,
    nothing_overwritten,
    replays,
    row_tells_the_truth,
    stored,
    taken_up,
    task_ends,
    turn_back,
)


async def turned_back(applicant: Applicant, event_id: int, *, reapply: bool) -> None:
    """Reset, and let everything that comes of it be done."""
    await turn_back(applicant, event_id, reapply=reapply)
    await taken_up(applicant)
    await applicant.settled()


def sheets_mailed(applicant: Applicant) -> list[str]:
    """The texts of the mails that bring a decision sheet to the partner."""
    texts = []
    for mail in applicant.service.mailbox.of(applicant.uid):
        body = mail.get_body(("plain",))
        if mail["X-Onboarding-Template"] == "sheet_to_confirm" and body:
            texts.append(body.get_content())
    return texts


async def judged(applicant: Applicant, after: int) -> list[tuple[str, str | None]]:
    """Each event after this number, and why it was refused."""
    return [(event["command"], event["error"]) for event in (await stored(applicant)).events[after:]]


async def test_another_sheet_after_a_reset_has_a_number_and_a_mail_of_its_own(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_qualified()
    there = await mark(applicant)
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(ecs="11"))
    before = await stored(applicant)

    await turned_back(applicant, there, reapply=False)
    status = await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(ecs="13"))
    assert status.sheet is not None
    assert (status.sheet.revision, status.sheet.changes) == (2, ())
    first, second = sheets_mailed(applicant)
    assert "11 %" in first
    assert "13 %" in second
    assert "11 %" not in second

    confirmed = await applicant.signal("confirm_terms", sheet_revision=1, sheet_hash=before.sheets[1]["hash"])
    assert (confirmed.stage, confirmed.last_refusals[-1].error) == (Stage.CONFIRMING_TERMS, "stale_revision")
    confirmed = await applicant.signal("confirm_terms", **await applicant.named_sheet())
    assert confirmed.stage is Stage.AWAITING_SIGNATURES
    after = await nothing_overwritten(applicant, before)
    assert [(row["revision"], row["void"]) for row in after.sheets.values()] == [(1, True), (2, False)]
    await each_mail_left_once(applicant, after)
    await row_tells_the_truth(applicant)
    await replays(applicant)


async def test_a_signature_of_after_the_point_is_void_unless_it_comes_again(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_signatures()
    there = await mark(applicant)
    await applicant.sign("partner")
    before = await stored(applicant)
    await turned_back(applicant, there, reapply=False)
    status = await applicant.status()
    assert (status.signing.partner, status.signing.vendor) == (None, None)

    await applicant.sign("partner", signer_name="Another signatory")
    await turn_back(applicant, await mark(applicant))
    await taken_up(applicant, 2)
    status = await applicant.settled()
    assert status.signing.partner is not None
    assert status.signing.partner.signer_name == "Another signatory"
    await nothing_overwritten(applicant, before)
    await row_tells_the_truth(applicant)


async def test_what_comes_again_is_judged_anew(service: Service) -> None:
    """The sheet has another number now: what was confirmed and signed was another revision."""
    applicant = await service.applicant()
    await applicant.to_qualified()
    there = await mark(applicant)
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet())
    await applicant.update("confirm_terms", **await applicant.named_sheet())
    await applicant.update("sign_contract", **await applicant.signature("partner"))
    await applicant.settled()
    before = await stored(applicant)

    await turned_back(applicant, there, reapply=True)
    assert await judged(applicant, len(before.events)) == [
        ("reset", None),
        ("issue_decision_sheet", None),
        ("confirm_terms", "stale_revision"),
        ("sign_contract", "wrong_stage"),
    ]
    status = await applicant.status()
    assert (status.stage, status.signing.partner) == (Stage.CONFIRMING_TERMS, None)
    assert len(sheets_mailed(applicant)) == 2
    after = await nothing_overwritten(applicant, before)
    await each_mail_left_once(applicant, after)
    await row_tells_the_truth(applicant)
    await replays(applicant)


async def test_signals_come_again_before_updates_whatever_was_sent_first(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_qualified()
    there = await mark(applicant)
    await applicant.update("issue_decision_sheet", sheet=payloads.sheet())
    await applicant.signal("reassign_bd", bd={"name": "Wei Zhang", "email": "wei@vendor.example.com"})
    await applicant.update("modify_terms", sheet_revision=1, description="12 %, please")
    await applicant.signal("issue_decision_sheet", sheet=payloads.sheet(ecs="12"))
    before = await stored(applicant)

    await turned_back(applicant, there, reapply=True)
    assert await judged(applicant, len(before.events)) == [
        ("reset", None),
        ("reassign_bd", None),
        ("issue_decision_sheet", None),
        ("issue_decision_sheet", None),
        ("modify_terms", "stale_revision"),
    ]
    after = await nothing_overwritten(applicant, before)
    assert [(row["revision"], row["void"]) for row in after.sheets.values()] == [
        *((1, True), (2, True)),
        *((3, False), (4, False)),
    ]
    await each_mail_left_once(applicant, after)
    await row_tells_the_truth(applicant)
    await replays(applicant)


async def test_a_command_sent_again_is_known_if_it_was_judged_before_the_point(service: Service) -> None:
    applicant = await service.applicant()
    await applicant.to_review()
    known = payloads.command("request_justification", question="Who?")
    await applicant.submit({"kind": "request_justification", **known})
    await applicant.update("provide_justification", answer="We.")
    await applicant.settled()
    there = await mark(applicant)
    undone = payloads.command("approve_application", form_revision=1)
    assert (await applicant.submit({"kind": "approve_application", **undone})).stage is Stage.QUALIFIED
    await applicant.settled()
    before = await stored(applicant)

    await turned_back(applicant, there, reapply=False)
    answer = await applicant.submit({"kind": "request_justification", **known})
    assert answer.stage is Stage.UNDER_REVIEW
    answer = await applicant.submit({"kind": "approve_application", **undone})
    assert answer.stage is Stage.QUALIFIED
    await applicant.settled()
    assert await judged(applicant, len(before.events)) == [
        ("reset", None),
        ("approve_application", None),
    ]
    await row_tells_the_truth(applicant)


@pytest.fixture
def nobody(service: Service) -> Iterator[str]:
    """An address that bounces."""
    address = "nobody@acme.example.com"
    service.mailbox.unknown.add(address)
    yield address
    service.mailbox.unknown.remove(address)


@pytest.fixture
def stuck(service: Service) -> Iterator[asyncio.Event]:
    """Mails to BD are taken only when this is set."""
    taken = asyncio.Event()

    async def wait(content: bytes) -> None:
        if payloads.BD["email"].encode() in content.split(b"\r\n\r\n")[0]:
            await taken.wait()

    service.mailbox.before_accepting = wait
    yield taken
    service.mailbox.before_accepting = None


async def test_a_mail_that_could_not_be_delivered_is_told_after_the_reset_too(
    service: Service, nobody: str, stuck: asyncio.Event
) -> None:
    """What told of it is undone. What the mail told of is not, so that it can be sent again."""
    applicant = await service.applicant()
    await applicant.signal("confirm_company")
    await applicant.update(
        "submit_application",
        application=payloads.form(applicant.uid, contact={**payloads.CONTACT, "email": nobody}),
    )
    # The mails are under way still, when something else happens.
    await applicant.update("reassign_bd", bd={"name": "Wei Zhang", "email": "wei@vendor.example.com"})
    there = (await task_ends(applicant))[-1]
    await applicant.update("correct_contact", email="ann@acme.example.com")
    stuck.set()
    told = await applicant.settled()
    assert [failed.key for failed in told.failed_emails] == ["3.application_received"]
    before = await stored(applicant)

    await turned_back(applicant, there, reapply=False)
    assert (await applicant.status()).failed_emails == told.failed_emails
    events = [name for name, _ in await judged(applicant, len(before.events))]
    assert sorted(events) == ["email_failed", "reset"]
    await applicant.update("correct_contact", email="ann@acme.example.com")
    await applicant.update("resend_email", key="3.application_received")
    await applicant.settled()
    assert Counter(applicant.templates())["application_received"] == 1
    after = await nothing_overwritten(applicant, before)
    await each_mail_left_once(applicant, after)
    await row_tells_the_truth(applicant)
    await replays(applicant)


@pytest.mark.parametrize("every", [pytest.param(1, marks=LONG), pytest.param(8, marks=SHORT)])
async def test_reset_to_the_tasks_of_a_whole_onboarding(service: Service, every: int) -> None:
    """One after the other, each from the run of the beginning; every second time with what came since."""
    applicant = await service.applicant()
    await applicant.to_signatures()
    await applicant.sign("partner")
    assert (await applicant.sign("vendor")).stage is Stage.ACTIVE
    whole = (await applicant.handle.describe()).run_id
    tasks = await task_ends(applicant)
    for number, event_id in enumerate(tasks[(len(tasks) - 1) % every :: every], 1):
        before = await stored(applicant)
        await turn_back(applicant, event_id, run_id=whole, reapply=number % 2 == 0)
        await taken_up(applicant, number)
        status = await applicant.settled()
        after = await nothing_overwritten(applicant, before)
        reset = after.events[len(before.events)]
        assert (reset["command"], reset["details"]["head_left"]) == ("reset", len(before.events))
        assert bool(after.grants) is (status.stage is Stage.ACTIVE)
        await each_mail_left_once(applicant, after)
        await row_tells_the_truth(applicant)
        await replays(applicant)
