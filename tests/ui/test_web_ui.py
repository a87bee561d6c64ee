"""What ops see of an encrypted application in Temporal's own Web UI, in a real browser (`make ui-test`)."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.contract import workflow_id
from tests import payloads
from tests.e2e.codec_process import codec_server
from tests.e2e.encrypted import joining, keys, stack

# Not by import: without `make ui-test` it is not installed, and types are checked without it, too.
playwright: Any = pytest.importorskip("playwright.async_api", reason="make ui-test installs Playwright")
CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 60_000
UID = "7400000001"
TO_BE_SEEN = (payloads.join(UID)["contact_email"], payloads.BD["email"])

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="make ui-test installs Chromium")


@asynccontextmanager
async def page_at(address: str) -> AsyncIterator[Any]:
    """A page of a browser with nothing kept from before."""
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=CHROMIUM,
            # Chromium's sandbox does not work for root, as in a container; it only sees this machine's pages.
            args=["--no-sandbox"],
        )
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        await page.goto(address)
        try:
            yield page
        finally:
            await browser.close()


async def read_through(page: Any, codec: str, *, answered: bool) -> None:
    """Enter the codec server in the Web UI's dialog, as ops do, and look at the page anew."""
    await page.get_by_label("Configure Codec Server").first.click()
    dialog = page.get_by_role("dialog").filter(has_text="Codec Server")
    await dialog.get_by_text("Use my browser setting").click()
    await dialog.get_by_role("textbox").fill(codec)
    await dialog.get_by_role("button", name="Apply").click()
    await dialog.wait_for(state="hidden")
    async with page.expect_event(
        "requestfinished" if answered else "requestfailed", lambda request: request.url.startswith(codec)
    ):
        await page.reload()


async def test_the_web_ui_shows_an_application_through_the_codec_server_alone(tmp_path: Path) -> None:
    async with stack(tmp_path) as servers, servers.worker(keys("k1")) as client:
        await servers.account(UID)
        await client.join(joining(UID))
        temporal = await servers.connect(servers.settings(keys("k1")))
        run = await temporal.get_workflow_handle(workflow_id(UID)).describe()
        web_ui = servers.server.ui_url
        history = f"{web_ui}/namespaces/default/workflows/{run.id}/{run.run_id}/history"
        with (
            codec_server("--origin", str(web_ui), ONBOARDING_ENCRYPTION_KEYS=keys("k1")) as for_this_ui,
            codec_server(
                "--origin", "http://127.0.0.1:1", ONBOARDING_ENCRYPTION_KEYS=keys("k1")
            ) as for_another,
        ):
            async with page_at(history) as page:
                await read_through(page, for_another, answered=False)
                await page.get_by_text("Workflow Execution Started").wait_for()
                unread = await page.inner_text("body")
                assert not any(text in unread for text in TO_BE_SEEN)
            async with page_at(history) as page:
                await read_through(page, for_this_ui, answered=True)
                for text in TO_BE_SEEN:
                    await page.get_by_text(text).first.wait_for()
