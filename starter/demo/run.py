"""`onboarding demo`: the reference story on a real Temporal server, weeks in seconds, checked as it goes."""

import asyncio
import logging
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from rich.console import Console
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from activities.db.engine import Database
from domain.contract import workflow_id
from runtime.process import log_plainly, until_signalled
from runtime.search_attributes import SearchAttributesError
from runtime.startup import StartupError, connect_when_up
from settings import Settings, TemporalSettings
from starter.client.errors import OnboardingError
from starter.demo.checks import Checks
from starter.demo.documents import DESK_ZONE, FALCON, LOTUS, MASTER_UID, REFERENCE_UID, SECOND_UID
from starter.demo.others import (
    MOST_EVENTS,
    MOST_WORKFLOW_TASKS,
    every_mail,
    reference_onboarding,
    rejected_and_back,
    whole_record,
)
from starter.demo.output import Narrator
from starter.demo.play import BrokenOffError, Play
from starter.demo.service import DemoService
from starter.demo.story import FirstApplicant
from starter.local.dev_server import TIME_SKIPPING_DYNAMIC_CONFIG, DevServer, DevServerError
from starter.local.mail_sink import MailSink, save_as_files
from worker import running_worker

MAIL_FOLDER: Final = "mails"
GOOD: Final = 0
FAILED: Final = 1
INTERRUPTED: Final = 130
"""What a shell expects of a program ended by Ctrl-C."""


def run_demo(*, keep: bool, mails: Path) -> int:
    """Play the story; the exit code is 0 only if every check held.

    Everything runs in a folder that is deleted at the end, whatever the environment names; only the mails are
    left, in the folder ``mails``. With ``keep`` all of it stays up afterwards, until Ctrl-C.
    """
    console = Console(highlight=False)
    demo = Demo(console, keep=keep, mails=mails)
    try:
        mails.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        console.print(Text(f"The folder for the mails, {mails}, can't be made: {error.strerror}", "red"))
        console.print("Name another folder: --mails DIR.")
        return FAILED
    asyncio.run(until_signalled(demo.play()))
    return demo.exit_code


class Demo:
    """One performance; ``exit_code`` says how it went."""

    def __init__(self, console: Console, *, keep: bool, mails: Path) -> None:
        self.exit_code = INTERRUPTED
        self._narrator = Narrator(console)
        self._keep = keep
        self._mails = mails

    async def play(self) -> None:
        """Raise everything, tell the story, and take it all down again."""
        try:
            with tempfile.TemporaryDirectory(prefix="onboarding-demo-") as folder:
                await self._play_in(Path(folder))
        except (DevServerError, StartupError, SearchAttributesError) as error:
            self._narrator.say(f"The demo can't start: {error}", "red")
            self.exit_code = FAILED

    async def _play_in(self, folder: Path) -> None:
        began = time.monotonic()
        self._narrator.say(
            "Starting Temporal, database, mail sink and worker …"
            f" Times are the applications' own, in {DESK_ZONE}.",
            "dim",
        )
        async with AsyncExitStack() as stack:
            log_plainly(logging.FileHandler(folder / "worker.log", encoding="utf-8"))
            server = await stack.enter_async_context(
                DevServer(
                    log_file=folder / "temporal.log",
                    headless=not self._keep,
                    dynamic_config=TIME_SKIPPING_DYNAMIC_CONFIG,
                )
            )
            sink = await stack.enter_async_context(MailSink(folder / MAIL_FOLDER).running())
            settings = _settings(folder, sink)
            client = await connect_when_up(_temporal(server))
            await stack.enter_async_context(running_worker(client, settings))
            database = Database(settings.database)
            stack.push_async_callback(database.dispose)
            checks, broken = Checks(), ""
            try:
                await self._tell(DemoService(client, settings, database, sink), checks)
            except (BrokenOffError, OnboardingError, TimeoutError, RPCError, SQLAlchemyError) as error:
                broken = f"{type(error).__name__}: {error}"
            left = await asyncio.to_thread(save_as_files, folder / MAIL_FOLDER, self._mails)
            self._narrator.say("")
            self._narrator.say(f"Every mail to be looked at: {left} files in {self._mails}")
            self._close(checks, broken, time.monotonic() - began)
            if self._keep:
                await self._stay_up(server, folder)

    async def _tell(self, service: DemoService, checks: Checks) -> None:
        narrator = self._narrator
        plays = {uid: Play(service, narrator, checks, uid) for uid in (MASTER_UID, SECOND_UID, REFERENCE_UID)}
        story = FirstApplicant(plays[MASTER_UID])
        narrator.chapter(f"{FALCON.legal_name} applies (UID {MASTER_UID})")
        await story.apply()
        narrator.chapter("The business terms")
        await story.agree()
        narrator.chapter("The contract")
        await story.sign()
        narrator.chapter("ACPN")
        await story.enter()
        narrator.chapter(f"Meanwhile, on the first day: {LOTUS.legal_name} applies (UID {SECOND_UID})")
        await rejected_and_back(plays[SECOND_UID])
        first, reference = (
            await service.history_cost(MASTER_UID),
            await reference_onboarding(plays[REFERENCE_UID]),
        )
        for uid, element in (
            (MASTER_UID, "First applicant, whole record"),
            (SECOND_UID, "Second applicant, whole record"),
            (REFERENCE_UID, "Reference onboarding, whole record"),
        ):
            await whole_record(plays[uid], element)
        await every_mail(service, checks, tuple(plays))
        narrator.chapter("What it costs in Temporal")
        narrator.say(
            f"{FALCON.legal_name}, with every detour: {first.events} events,"
            f" {first.workflow_tasks} workflow tasks."
        )
        narrator.say(
            f"Reference onboarding by signals: {reference.events} events (at most {MOST_EVENTS}),"
            f" {reference.workflow_tasks} workflow tasks (at most {MOST_WORKFLOW_TASKS})."
        )

    def _close(self, checks: Checks, broken: str, seconds: float) -> None:
        self._narrator.checks(checks)
        failed, number = checks.failed, len(checks.elements)
        self.exit_code = FAILED if failed or broken else GOOD
        say = self._narrator.say
        say("")
        if failed:
            say(f"{len(failed)} of {number} elements FAILED: {', '.join(failed)}.", "bold red")
        if broken:
            say(f"The story FAILED after {number} elements and was broken off: {broken}", "bold red")
        if self.exit_code == GOOD:
            say(f"All {number} elements are as they should be, after {seconds:.0f} seconds.", "bold green")

    async def _stay_up(self, server: DevServer, folder: Path) -> None:
        say = self._narrator.say
        say("")
        for name, uid in ((FALCON.legal_name, MASTER_UID), (LOTUS.legal_name, SECOND_UID)):
            say(f"{name}: {server.ui_url}/namespaces/{server.namespace}/workflows/{workflow_id(uid)}")
        say("\nIn other terminals first:")
        say(f"  export TEMPORAL_ADDRESS={server.address} ONBOARDING_DATA={folder}")
        say(f"Then for instance: onboarding status {SECOND_UID}, onboarding mails {MASTER_UID}.")
        say("Ctrl-C ends everything.")
        await asyncio.Event().wait()


def _settings(folder: Path, sink: MailSink) -> Settings:
    # Constructed, not validated: the demo must not touch what the environment names.
    return Settings.model_construct(
        data=folder,
        database_url=SecretStr(f"sqlite:///{(folder / 'onboarding.db').as_posix()}"),
        smtp_url=SecretStr(sink.url),
    )


def _temporal(server: DevServer) -> TemporalSettings:
    return TemporalSettings(
        server.address, server.namespace, {"target_host": server.address, "namespace": server.namespace}
    )
