"""Registers the search attributes an application is found by with a namespace."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from workflows.search_attributes import ALL

USABLE_WITHIN: Final = timedelta(seconds=30)
_WANTED: Final = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in ALL}


class SearchAttributesError(Exception):
    """The namespace can't be used as it is; the message says what an operator has to do."""


@dataclass(frozen=True)
class Mistyped:
    """A search attribute that somebody registered with another type."""

    name: str
    found: str
    wanted: str


@dataclass(frozen=True)
class Comparison:
    """What a namespace lacks of the search attributes, and which it has with another type."""

    missing: tuple[str, ...]
    mistyped: tuple[Mistyped, ...]


async def register_search_attributes(client: Client) -> None:
    """Register the search attributes with the client's namespace, and return when they can be used.

    Safe to repeat, by several workers at once too. Who may not register needs no right to if they are there.

    Raises:
        SearchAttributesError: one of the names is taken with another type, which the server itself ignores in
            silence; or one is missing and can't be registered.
    """
    if not _unless_mistyped(await compare(client)):
        return
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=_WANTED), retry=True
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            commands = "\n".join(
                f"  temporal operator search-attribute create --namespace {client.namespace}"
                f" --name {name} --type {_type_name(kind)}"
                for name, kind in _WANTED.items()
            )
            raise SearchAttributesError(
                f"the search attributes can't be registered with namespace {client.namespace!r}"
                f" ({error.message}); have an operator do it:\n{commands}"
            ) from error
    try:
        async with asyncio.timeout(USABLE_WITHIN.total_seconds()):
            while _unless_mistyped(await compare(client)):  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise SearchAttributesError(
            f"the search attributes {', '.join(_WANTED)} are registered but still not listed by namespace"
            f" {client.namespace!r}; start again in a minute"
        ) from None


async def compare(client: Client) -> Comparison:
    """What the client's namespace has against what is wanted; nothing is changed."""
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace), retry=True
    )
    registered = listed.custom_attributes
    return Comparison(
        missing=tuple(name for name in _WANTED if name not in registered),
        mistyped=tuple(
            Mistyped(name, _type_name(registered[name]), _type_name(kind))
            for name, kind in _WANTED.items()
            if registered.get(name, kind) != kind
        ),
    )


def _unless_mistyped(comparison: Comparison) -> tuple[str, ...]:
    if comparison.mistyped:
        each = comparison.mistyped[0]
        raise SearchAttributesError(
            f"search attribute {each.name} exists in this namespace as {each.found},"
            f" but must be {each.wanted}; remove it first:"
            f" temporal operator search-attribute remove --name {each.name}"
        )
    return comparison.missing


def _type_name(kind: IndexedValueType.ValueType) -> str:
    return IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_").title().replace("_", "")
