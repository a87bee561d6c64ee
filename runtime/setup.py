"""`onboarding setup`: makes database and Temporal namespace ready for the workers, once or again."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.db.engine import Database
from runtime.deployments import POLLS_WITHIN, describe
from runtime.errors import connection_problem, keep_cancellation
from runtime.plain_text import plain_text_warnings
from runtime.search_attributes import register_search_attributes
from runtime.startup import StartupError, connect_when_up, pauses, prepare_database
from settings import Settings, TemporalSettings
from workflows.search_attributes import ALL

_PASSING: Final = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        # Another set-up was faster: look again.
        RPCStatusCode.ALREADY_EXISTS,
    }
)

log: Final = logging.getLogger("onboarding.setup")


async def run_setup(
    settings: Settings,
    temporal: TemporalSettings,
    *,
    retention: timedelta,
    wait: timedelta,
    contract: bool = False,
) -> None:
    """Wait for both; migrate the database; create the namespace and register its search attributes.

    With ``contract`` the schema also takes the steps that older code does not survive, at the end, once no
    worker of another version polls than that of ``settings``; without a version: no worker at all.

    Returns when the search attributes can be used. Safe to repeat, by several at once too; a namespace that
    keeps its runs longer than ``retention`` (whole days) is left so.

    Raises:
        StartupError: something can't be used as it is, or was not there within ``wait``; or, with
            ``contract``, another worker still polled then.
        SearchAttributesError: a search attribute has the wrong type, or can't be registered.
    """
    for warning in plain_text_warnings(settings, temporal):
        log.warning(warning)
    try:
        async with asyncio.timeout(wait.total_seconds()):
            if not contract:
                await _database(settings)
            await _namespace(temporal, retention)
            client = await connect_when_up(temporal)
            await _until_it_counts(client, "")
            await register_search_attributes(client)
            await _until_it_counts(client, " AND ".join(f"{key.name} IS NULL" for key in ALL))
            if contract:
                await _until_no_other_polls(client, settings)
                await _database(settings, contract=True)
    except TimeoutError:
        raise StartupError(
            f"Not ready within {wait.total_seconds():g} s; the last line above says what was missing."
        ) from None
    log.info("Search attributes: %s", ", ".join(key.name for key in ALL))


async def _database(settings: Settings, *, contract: bool = False) -> None:
    database = Database(settings.database)
    try:
        await prepare_database(database, contract=contract)
    finally:
        await database.dispose()


async def _namespace(temporal: TemporalSettings, retention: timedelta) -> None:
    for pause in pauses():
        try:
            client = await Client.connect(**temporal.options)
            await _create_or_extend(client, retention)
        # A connection that can't be made is a RuntimeError.
        except (RuntimeError, RPCError) as error:
            keep_cancellation()
            if isinstance(error, RPCError) and error.status not in _PASSING:
                raise StartupError(
                    f"Namespace {temporal.namespace!r} can't be set up ({error.message});"
                    " have an operator do it:\n  temporal operator namespace create"
                    f" --namespace {temporal.namespace} --retention {retention.days}d"
                ) from error
            log.warning(
                "Waiting for Temporal at %s (TEMPORAL_ADDRESS): %s",
                *(temporal.address, connection_problem(error)),
            )
            await asyncio.sleep(pause)
        else:
            return


async def _create_or_extend(client: Client, retention: timedelta) -> None:
    service, wanted = client.workflow_service, Duration()
    wanted.FromTimedelta(retention)
    try:
        described = await service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        await service.register_namespace(
            RegisterNamespaceRequest(
                namespace=client.namespace,
                description="Reseller onboarding",
                workflow_execution_retention_period=wanted,
            )
        )
        log.info("Namespace: %s, created, keeps ended runs for %d days", client.namespace, retention.days)
        return
    kept = described.config.workflow_execution_retention_ttl.ToTimedelta()
    if kept < retention:
        await service.update_namespace(
            UpdateNamespaceRequest(
                namespace=client.namespace, config=NamespaceConfig(workflow_execution_retention_ttl=wanted)
            )
        )
        kept = retention
    log.info("Namespace: %s, keeps ended runs for %d days", client.namespace, kept.days)


async def _until_it_counts(client: Client, query: str) -> None:
    """The server's parts learn of a new namespace, and of its search attributes, some seconds late."""
    for pause in pauses():
        try:
            await client.count_workflows(query)
        except RPCError as error:
            keep_cancellation()
            if error.status not in _PASSING | {RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND}:
                raise StartupError(
                    f"Namespace {client.namespace!r} can't be used: {error.message}"
                ) from error
            log.warning("Waiting until namespace %s can be used: %s", client.namespace, error.message)
            await asyncio.sleep(pause)
        else:
            return


async def _until_no_other_polls(client: Client, settings: Settings) -> None:
    for pause in pauses():
        try:
            versions = (await describe(client, settings.deployment)).versions
        except RPCError as error:
            keep_cancellation()
            if error.status not in _PASSING:
                raise StartupError(
                    f"Whether older workers poll in namespace {client.namespace!r} is not known:"
                    f" {error.message}"
                ) from error
            log.warning("Waiting for an answer about who polls: %s", error.message)
        else:
            # Of two workers without a version nobody knows which is the older one.
            polling = [each for each in versions if each.pollers]
            others = [each for each in polling if each.build_id is None or each.build_id != settings.build_id]
            if not others:
                return
            log.warning(
                "Waiting until no other worker polls than those of version %s: %s; stop them (one that has"
                " stopped counts for another %d s)",
                settings.build_id or "(none)",
                ", ".join(f"{each.pollers} of {each.name}" for each in others),
                POLLS_WITHIN.total_seconds(),
            )
        await asyncio.sleep(pause)
