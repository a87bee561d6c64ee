"""The Web UI's list of workflows, made to show what ops look for, as docs/how-to/operate.md says."""

import os
from pathlib import Path
from typing import Any

import pytest

from domain.application import ConfirmCompany, SubmitApplication
from domain.contract import workflow_id
from tests import payloads
from tests.e2e.encrypted import joining, stack
from tests.ui.test_web_ui import CHROMIUM, page_at

pytest.importorskip("playwright.async_api", reason="make ui-test installs Playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="make ui-test installs Chromium")

REVIEWED, DRAFTED = "7400000002", "7400000003"
COLUMNS = ("OnboardingStage", "OnboardingWaitingOn", "OnboardingDueAt", "OnboardingOverdue")
QUERY = 'WorkflowType="ResellerOnboarding" AND OnboardingWaitingOn="bd" AND ExecutionStatus="Running"'
PICTURE = os.environ.get("ONBOARDING_UI_PICTURE")
"""Where to leave a picture of the list, to be looked at."""


async def cells(page: Any, uid: str) -> list[str]:
    """What the list says of an application."""
    row = page.get_by_role("row").filter(has_text=workflow_id(uid))
    await row.get_by_role("link", name=workflow_id(uid)).wait_for()
    return [text.strip() for text in await row.get_by_role("cell").all_inner_texts()]


async def test_ops_see_stage_turn_and_deadline_of_what_waits_on_bd(tmp_path: Path) -> None:
    async with stack(tmp_path) as servers, servers.worker(None) as client:
        for uid in (REVIEWED, DRAFTED):
            await servers.account(uid)
            await client.join(joining(uid))
        who = {"actor": {"role": "partner", "id": "mei"}}
        await client.send(REVIEWED, ConfirmCompany.model_validate({"command_id": "1", **who}))
        form = {"command_id": "2", "application": payloads.form(REVIEWED), **who}
        reviewed = await client.send(REVIEWED, SubmitApplication.model_validate(form))
        assert reviewed.due_at
        async with page_at(f"{servers.server.ui_url}/namespaces/default/workflows") as page:
            await page.set_viewport_size({"width": 1600, "height": 900})
            assert "drafting" not in await cells(page, DRAFTED), "not shown by itself"

            await page.get_by_label("Configure Columns").click()
            for column in COLUMNS:
                await page.get_by_label(f"Add {column} column").click()
            for column in ("Run ID", "Type", "Start", "End"):
                await page.get_by_label(f"Remove {column} column").click()
            await page.get_by_label("Close Workflows Table configuration").click()
            assert {"drafting", "partner", "FALSE"} < {*await cells(page, DRAFTED)}

            await page.get_by_test_id("toggle-manual-query").click()
            await page.get_by_placeholder("Enter a query").fill(QUERY)
            await page.get_by_placeholder("Enter a query").press("Enter")
            await page.get_by_role("button", name="Save as New").click()
            view = page.get_by_role("dialog").filter(has_text="Save as New View")
            await view.get_by_placeholder("Name of view").fill("Waits on BD")
            await view.get_by_role("button", name="Save").click()
            await view.wait_for(state="hidden")

            await page.goto(f"{servers.server.ui_url}/namespaces/default/workflows")
            await cells(page, DRAFTED)
            await page.get_by_test_id("saved-views-button").click()
            await page.get_by_text("Waits on BD").last.click()
            await page.get_by_role("row").filter(has_text=workflow_id(DRAFTED)).wait_for(state="detached")
            shown = await cells(page, REVIEWED)
            assert {"under_review", "bd", "FALSE"} < {*shown}
            due = f"{reviewed.due_at:%b} {reviewed.due_at.day}, {reviewed.due_at.year}"
            assert any(cell.startswith(due) for cell in shown)
            if PICTURE:
                await page.screenshot(path=PICTURE)
