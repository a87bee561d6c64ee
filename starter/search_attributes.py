"""Registers the search attributes an application is found by with a namespace."""

import asyncio
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from workflows.search_attributes import ALL

USABLE_WITHIN: Final = timedelta(seconds=30)


class SearchAttributesError(Exception):
    """The namespace can't be used as it is; the message says what an operator has to do."""


async def register_search_attributes(client: Client) -> None:
    """Register the search attributes with the client's namespace, and return when they can be used.

    Safe to repeat, by several workers at once too. Who may not register needs no right to if they are there.

    Raises:
        SearchAttributesError: one of the names is taken with another type, which the server itself ignores in
            silence; or one is missing and can't be registered.
    """
    wanted = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in ALL}
    if not _missing(wanted, await _registered(client)):
        return
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=wanted), retry=True
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            commands = "\n".join(
                f"  temporal operator search-attribute create --namespace {client.namespace}"
                f" --name {name} --type {_type_name(kind)}"
                for name, kind in wanted.items()
            )
            raise SearchAttributesError(
                f"the search attributes can't be registered with namespace {client.namespace!r}"
                f" ({error.message}); have an operator do it:\n{commands}"
            ) from error
    try:
        async with asyncio.timeout(USABLE_WITHIN.total_seconds()):
            while _missing(wanted, await _registered(client)):  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise SearchAttributesError(
            f"the search attributes {', '.join(wanted)} are registered but still not listed by namespace"
            f" {client.namespace!r}; start again in a minute"
        ) from None


async def _registered(client: Client) -> dict[str, IndexedValueType.ValueType]:
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace), retry=True
    )
    return dict(listed.custom_attributes)


def _missing(
    wanted: dict[str, IndexedValueType.ValueType], registered: dict[str, IndexedValueType.ValueType]
) -> list[str]:
    for name, kind in wanted.items():
        if registered.get(name, kind) != kind:
            raise SearchAttributesError(
                f"search attribute {name} exists in this namespace as {_type_name(registered[name])},"
                f" but must be {_type_name(kind)}; remove it first:"
                f" temporal operator search-attribute remove --name {name}"
            )
    return [name for name in wanted if name not in registered]


def _type_name(kind: IndexedValueType.ValueType) -> str:
    return IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_").title().replace("_", "")
