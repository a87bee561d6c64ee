"""What must be there before a process can work: database, Temporal, namespace; waited for when late."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client
from temporalio.converter import PayloadCodec
from temporalio.service import RPCError, RPCStatusCode

from activities.db import pooler
from activities.db.engine import Database
from activities.db.schema import Schema, SchemaMismatchError
from runtime.errors import connection_problem, first_line, keep_cancellation
from settings import TemporalSettings
from workflows.plugin import OnboardingPlugin

_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(seconds=15)
_PASSING: Final = frozenset(
    # NOT_FOUND: a server that has just been set up does not have its namespace yet.
    {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.NOT_FOUND}
)

log: Final = logging.getLogger("onboarding.worker")
_waits: Final = log.getChild("waits")


class StartupError(Exception):
    """The worker can't start, and waiting would not help; the message says what to do."""


class _Teller(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell: Final = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


@contextmanager
def telling_of_waits(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell, beside the log, what is waited for each time it is not there yet, and why."""
    teller = _Teller(tell)
    _waits.addHandler(teller)
    try:
        yield
    finally:
        _waits.removeHandler(teller)


async def prepare_database(database: Database, *, contract: bool = False) -> None:
    """Wait for the database, bring its schema as far as `Schema.migrate` may, and open its first connection.

    Raises:
        StartupError: it has a schema this release does not run on, can't be used, or is behind a pooler that
            needs another setting.
    """
    for pause in pauses():
        try:
            schema = Schema(database)
            state = await schema.migrate(contract=contract)
            await schema.check()
            if not await database.keeps_prepared_statements():
                raise StartupError(f"The database {database.name}: {pooler.MIXED_UP}. {pooler.REMEDY}")
        except SchemaMismatchError as error:
            raise StartupError(f"The database {error}. {error.remedy}") from error
        except (OperationalError, InterfaceError, OSError) as error:
            _waits.warning(
                "Waiting for the database %s (ONBOARDING_DATABASE_URL): %s", database.name, first_line(error)
            )
            await asyncio.sleep(pause)
        except SQLAlchemyError as error:
            raise StartupError(
                f"The database {database.name} can't be used: {first_line(error)}. Put that right (its user"
                " must be allowed to create tables), or name another in ONBOARDING_DATABASE_URL."
            ) from error
        else:
            for step in state.taken:
                log.info("Schema: took %s step %s, %s", step.phase, step.revision, step.title)
            log.info("Database: %s, %s", database.name, state.words)
            return


async def connect_when_up(temporal: TemporalSettings, codec: PayloadCodec | None = None) -> Client:
    """A client as soon as server and namespace answer; ``codec`` encrypts what the server stores.

    Raises:
        StartupError: the server answers, but not us.
    """
    for pause in pauses():
        try:
            client = await Client.connect(**temporal.options, plugins=[OnboardingPlugin(codec)])
            service = client.workflow_service
            await service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
            version = (await service.get_system_info(GetSystemInfoRequest())).server_version
        # A connection that can't be made is a RuntimeError.
        except (RuntimeError, RPCError) as error:
            keep_cancellation()
            if isinstance(error, RPCError) and error.status not in _PASSING:
                raise StartupError(
                    f"Temporal at {temporal.address} refuses namespace {temporal.namespace!r}:"
                    f" {error.message}; check TEMPORAL_NAMESPACE, TEMPORAL_API_KEY and TEMPORAL_TLS_*."
                ) from error
            _waits.warning(
                "Waiting for Temporal at %s, namespace %s (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE): %s",
                *(temporal.address, temporal.namespace, connection_problem(error)),
            )
            await asyncio.sleep(pause)
        else:
            log.info("Temporal: %s, namespace %s, server %s", temporal.address, client.namespace, version)
            return client
    raise AssertionError("pauses never end")


def pauses() -> Iterator[float]:
    """Seconds to wait between two looks at something that is not up yet; they never end."""
    pause = _FIRST_PAUSE
    while True:
        yield pause.total_seconds()
        pause = min(pause * 2, _LONGEST_PAUSE)
