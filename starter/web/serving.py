"""The front door as a program: what it is made of by the settings, and how it listens and stops."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Final

import httpx
import uvicorn
from starlette.types import ASGIApp
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from activities.db.engine import Database
from activities.db.schema import Schema
from activities.webhooks.addresses import Allowed
from activities.webhooks.sender import WebhookSender
from settings import Settings
from starter.client import accounts
from starter.client.onboarding_client import OnboardingClient
from starter.client.webhooks import Webhooks
from starter.web.app import front_door_app
from starter.web.callers import ClaimNames
from starter.web.connections import MOST_HEADER_BYTES, Connection, bounded
from starter.web.desks import NO_DESKS, Desks
from starter.web.door import FrontDoor
from starter.web.idp import DemoIssuer
from starter.web.personas import Persona
from starter.web.ready import Ready
from starter.web.signatures import WithSignatures, open_signatures
from starter.web.tokens import IssuerKeys, OidcVerifier

STOP_WITHIN: Final = 5
"""Seconds that what is under way gets when the front door is to stop."""
KEEP_ALIVE: Final = 15
BACKLOG: Final = 2048


class ListenError(Exception):
    """The address can't be listened on; the message says why."""


@asynccontextmanager
async def front_door(
    client: Client, settings: Settings, personas: tuple[Persona, ...] = (), *, desks: Desks = NO_DESKS
) -> AsyncIterator[str]:
    """Serve until the block ends; gives the address. ``personas``: those of an issuer of its own, unless the
    settings name one. ``desks``: who serves the companies that join.

    Raises:
        ListenError: the address is taken, or of more than this machine though the issuer is its own.
    """
    address = f"http://{settings.serve_address}"

    async def country_of(uid: str) -> str | None:
        return await accounts.country(settings, uid)

    names = ClaimNames(roles=settings.oidc_roles_claim, uids=settings.oidc_uids_claim)
    async with AsyncExitStack() as stack:
        own = None
        if settings.oidc_issuer is None:
            try:
                own = DemoIssuer(address, personas, audience=settings.oidc_audience, names=names)
            except ValueError as error:
                raise ListenError(
                    f"ONBOARDING_SERVE_ADDRESS: {error}; name an issuer with ONBOARDING_OIDC_ISSUER"
                ) from None
        http = await stack.enter_async_context(own.client() if own else httpx.AsyncClient())
        keys = IssuerKeys(http, own.issuer if own else str(settings.oidc_issuer))
        verifier = OidcVerifier(keys, audience=settings.oidc_audience, names=names)
        database = Database(settings.database, pool_size=settings.database_pool_size)
        stack.push_async_callback(database.dispose)
        service = OnboardingClient.over(client, settings)
        sender = WebhookSender(Allowed.from_text(settings.webhook_allow))
        webhooks = Webhooks(database, sender, client)
        door = FrontDoor(service, database, verifier, webhooks, desks=desks, country_of=country_of)

        async def temporal() -> None:
            namespace = DescribeNamespaceRequest(namespace=client.namespace)
            await client.workflow_service.describe_namespace(namespace)

        ready = Ready({"database": Schema(database).check, "temporal": temporal, "issuer": keys.check})
        app = front_door_app(door, ready, more=(own.router(),) if own else ())
        signatures = await open_signatures(settings, database, client)
        await stack.enter_async_context(listening(WithSignatures(app, signatures), settings.serve_address))
        # Before the listener stops, which waits for what is under way.
        stack.push_async_callback(door.streams.close)
        yield address


@asynccontextmanager
async def listening(
    app: ASGIApp, address: str, *, connection: type[Connection] | None = None
) -> AsyncIterator[None]:
    """Serve an application at ``host:port``; what is under way at the end is finished, for `STOP_WITHIN`.

    ``connection``: other limits of one than those of `starter.web.connections`.

    Raises:
        ListenError: that can't be listened on.
    """
    with listener_at(address) as listener:
        server = _Server(
            uvicorn.Config(
                app,
                http=connection or bounded(),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=STOP_WITHIN,
                h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            )
        )
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.listens.wait()
            yield
        finally:
            server.should_exit = True
            await task


def listener_at(address: str) -> socket.socket:
    """A socket that listens at ``host:port``.

    Raises:
        ListenError: it can't.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Where a socket does not say that it speaks TCP, as after `socket.create_server`, asyncio leaves on
    # the delay by which an answer waits 40 ms for the rest of it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(
            f"{address} can't be listened on: {error.strerror}. Name another: ONBOARDING_SERVE_ADDRESS."
        ) from None
    return listener


class _Server(uvicorn.Server):
    """Stops when it is told to; signals are its program's affair."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens: Final = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell when it is done."""
        await super().startup(sockets)
        self.listens.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield
