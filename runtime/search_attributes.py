"""Registers the search attributes an application is found by with a namespace."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from runtime.errors import first_line, keep_cancellation, not_set_up
from workflows.search_attributes import ALL

USABLE_WITHIN: Final = timedelta(seconds=30)
_PASSING: Final = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED})
_WANTED: Final = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in ALL}


class SearchAttributesError(Exception):
    """The namespace can't be used as it is; the message says what an operator has to do."""


class NotSetUpError(Exception):
    """Nothing can be found in the namespace, as it lacks search attributes; ``remedy`` says what to do."""

    def __init__(self, namespace: str, missing: tuple[str, ...]) -> None:
        problem, self.remedy = not_set_up(namespace, f"it has no search attribute {', '.join(missing)}")
        super().__init__(problem)


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
            silence; they can't be listed; or one is missing and can't be registered.
    """
    if not await _missing(client):
        return
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=_WANTED), retry=True
        )
    except RPCError as error:
        keep_cancellation()
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise SearchAttributesError(
                f"the search attributes can't be registered with namespace {client.namespace!r}"
                f" ({first_line(error)}); have an operator do it:\n{_commands(client.namespace)}"
            ) from error
    try:
        async with asyncio.timeout(USABLE_WITHIN.total_seconds()):
            while await _missing(client):  # noqa: ASYNC110 - the server tells nobody
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


async def check_set_up(client: Client) -> None:
    """To be asked where nothing was found: there may be nothing, or it can't be found.

    Who may not list the search attributes is told nothing.

    Raises:
        NotSetUpError: the namespace lacks some of them.
    """
    try:
        missing = (await compare(client)).missing
    except RPCError:
        keep_cancellation()
        return
    if missing:
        raise NotSetUpError(client.namespace, missing)


async def _missing(client: Client) -> tuple[str, ...]:
    try:
        comparison = await compare(client)
    except RPCError as error:
        keep_cancellation()
        listing = (
            f"the search attributes of namespace {client.namespace!r} can't be listed ({first_line(error)})"
        )
        if error.status in _PASSING:
            raise SearchAttributesError(f"{listing}; start again in a minute") from error
        raise SearchAttributesError(
            f"{listing}; have an operator allow it (OperatorService.ListSearchAttributes), and register them"
            f" if they are missing:\n{_commands(client.namespace)}"
        ) from error
    if comparison.mistyped:
        each = comparison.mistyped[0]
        raise SearchAttributesError(
            f"search attribute {each.name} exists in this namespace as {each.found},"
            f" but must be {each.wanted}; remove it first:"
            f" temporal operator search-attribute remove --name {each.name}"
        )
    return comparison.missing


def _commands(namespace: str) -> str:
    return "\n".join(
        f"  temporal operator search-attribute create --namespace {namespace}"
        f" --name {name} --type {_type_name(kind)}"
        for name, kind in _WANTED.items()
    )


def _type_name(kind: IndexedValueType.ValueType) -> str:
    return IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_").title().replace("_", "")
