"""`python -m bench.ratio.on_dbos`: the reference onboarding on DBOS, in its own environment (.venv/dbos).

Its stage is stored by a transaction of DBOS's data source (exactly once), its mails are sent by a DBOS step
(at least once), messages are DBOS's, and so are the durable waits. Nothing of ours is imported but the
reference onboarding and who drives it.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

from aiosmtplib import SMTP
from dbos import DBOS, AsyncSQLAlchemyDatasource, SetWorkflowID
from sqlalchemy import make_url, text

from bench.ratio.load import Stored, WrongEndError, drive
from bench.ratio.reference import DAY, DEADLINE, MESSAGES, START, START_DATE, STEPS, Step

IP: Final = "127.0.0.1"
CONNECTIONS: Final = 8
"""Of the mail server, kept open."""
POOL: Final = 20
"""Connections of DBOS to its own database."""
_EXPIRED: Final = "expired"
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS reference_onboardings (
  name text PRIMARY KEY, stage text NOT NULL, step int NOT NULL, updated_at timestamptz NOT NULL DEFAULT now()
)"""
_STORE: Final = """
INSERT INTO reference_onboardings (name, stage, step) VALUES (:name, :stage, :step)
ON CONFLICT (name) DO UPDATE SET stage = excluded.stage, step = excluded.step, updated_at = now()
WHERE reference_onboardings.step < excluded.step"""


class Mails:
    """Sends mails over connections that are kept open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: asyncio.LifoQueue[SMTP | None] = asyncio.LifoQueue()
        for _ in range(CONNECTIONS):
            self._idle.put_nowait(None)

    async def send(self, name: str, step: Step) -> None:
        """All mails of a step."""
        connection = await self._idle.get()
        try:
            if connection is None or not connection.is_connected:
                connection = SMTP(hostname=IP, port=self._port, start_tls=False)
                await connection.connect()
            for number in range(step.mails):
                await connection.send_message(_mail(name, step, number))
        except BaseException:
            connection = None
            raise
        finally:
            self._idle.put_nowait(connection)


def _mail(name: str, step: Step, number: int) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "onboarding@vendor.example.com"
    mail["To"] = f"{name}@acme.example.com"
    mail["Subject"] = f"Your application: {step.stage}"
    mail["Message-ID"] = f"<{name}.{step.name}.{number}@vendor.example.com>"
    mail.set_content(f"Application {name} is now {step.stage}.\n")
    return mail


def registered(
    datasource: AsyncSQLAlchemyDatasource, mails: Mails, stored: Stored
) -> Callable[[str], Awaitable[str]]:
    """The onboarding as DBOS knows it."""
    order = list(STEPS)

    async def store(name: str, step: str) -> None:
        values = {"name": name, "stage": STEPS[step].stage, "step": order.index(step)}
        await datasource.sql_session().execute(text(_STORE), values)

    async def mail(name: str, step: str) -> None:
        await mails.send(name, STEPS[step])

    send = DBOS.step(retries_allowed=True, max_attempts=10, interval_seconds=0.2)(mail)

    async def take(name: str, step: Step) -> None:
        options = {"name": "store", "isolation_level": "READ COMMITTED"}
        await datasource.run_tx_step_async(options, store, name, step.name)
        stored.tell(name, step.name)
        if step.mails:
            await send(name, step.name)

    async def onboarding(name: str) -> str:
        await take(name, START)
        for message in MESSAGES:
            first = message.name in {"confirm_company", "issue_decision_sheet"}
            # Each wait is durable, its time-out included.
            patience = DEADLINE if first else 30 * DAY
            if await DBOS.recv_async(message.name, timeout_seconds=patience) is None:
                return _EXPIRED
            await take(name, message)
        # Reached already, and a durable wait nevertheless.
        await DBOS.sleep_async(0)
        await take(name, START_DATE)
        return START_DATE.stage

    workflow: Callable[[str], Awaitable[str]] = DBOS.workflow()(onboarding)
    return workflow


class OnDbos:
    """The engine: workflows of DBOS in this process."""

    def __init__(self, workflow: Callable[[str], Awaitable[str]], stored: Stored) -> None:
        self._workflow = workflow
        self._stored = stored
        self._handles: dict[str, Any] = {}

    async def start(self, name: str) -> None:
        """Begin one."""
        stored = self._stored.awaited(name, START.name)
        with SetWorkflowID(name):
            self._handles[name] = await DBOS.start_workflow_async(self._workflow, name)
        await stored.wait()

    async def send(self, name: str, message: str) -> None:
        """As a message, which is answered by nobody: until its stage is stored."""
        stored = self._stored.awaited(name, message)
        await DBOS.send_async(name, {"by": "a person"}, topic=message, idempotency_key=f"{name}:{message}")
        await stored.wait()

    async def finish(self, name: str) -> None:
        """By the workflow's result."""
        if (result := await self._handles[name].get_result()) != START_DATE.stage:
            raise WrongEndError(f"{name} ended {result}")


async def _main(
    system_url: str, state_url: str, mail_port: int, names: list[str], at_once: int, output: Path
) -> None:
    stored = Stored()
    DBOS(
        config={
            "name": "reference-onboarding",
            "system_database_url": system_url,
            "sys_db_pool_size": POOL,
            "log_level": "ERROR",
        }
    )
    url = make_url(state_url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    datasource = await AsyncSQLAlchemyDatasource.create(url)
    async with datasource.engine.begin() as connection:
        await connection.execute(text(_TABLE))
    workflow = registered(datasource, Mails(mail_port), stored)
    DBOS.launch()
    try:
        driven = await drive(OnDbos(workflow, stored), names, at_once)
    finally:
        DBOS.destroy()
    driven.write(output)


if __name__ == "__main__":
    _system, _state, _port, _prefix, _count, _at_once, _output = sys.argv[1:]
    _names = [f"{_prefix}-{number}" for number in range(int(_count))]
    asyncio.run(_main(_system, _state, int(_port), _names, int(_at_once), Path(_output)))
