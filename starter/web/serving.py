"""The front door as a program: what it is made of by the settings, and how it listens and stops."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Final
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.types import ASGIApp
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from activities.db.engine import Database
from activities.db.schema import Schema
from activities.loopback import is_loopback
from activities.webhooks.addresses import Allowed
from activities.webhooks.sender import WebhookSender
from settings import Settings, SettingsError
from starter.client import accounts
from starter.client.onboarding_client import OnboardingClient
from starter.client.webhooks import Webhooks
from starter.web.app import front_door_app
from starter.web.callers import ClaimNames
from starter.web.connections import MOST_HEADER_BYTES, Connection, bounded
from starter.web.desks import NO_DESKS, Desks
from starter.web.door import FrontDoor
from starter.web.idp import PAGES_CLIENT, DemoIssuer
from starter.web.idp_routes import issuer_client, issuer_routes
from starter.web.personas import Persona
from starter.web.ready import Ready
from starter.web.relying_party import Registration, RelyingParty
from starter.web.sessions import Seal, Sessions
from starter.web.signatures import WithSignatures, open_signatures
from starter.web.signed_in import CALLBACK
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
        SettingsError: the pages have no address.
    """
    address = f"http://{settings.serve_address}"

    async def country_of(uid: str) -> str | None:
        return await accounts.country(settings, uid)

    names = ClaimNames(roles=settings.oidc_roles_claim, uids=settings.oidc_uids_claim)
    async with AsyncExitStack() as stack:
        own = own_issuer(settings, address, personas) if settings.oidc_issuer is None else None
        http = await stack.enter_async_context(issuer_client(own) if own else httpx.AsyncClient())
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

        sessions = None
        if client_id := settings.oidc_client_id or (PAGES_CLIENT if own else None):
            base = address if own else pages_base(settings)
            party = RelyingParty(http, keys, _registration(settings, client_id, base), names)
            keys_of_ours = settings.session_keys
            seal = Seal(keys_of_ours.get_secret_value()) if keys_of_ours else Seal.of_its_own()
            sessions = Sessions(base, seal, party)
        ready = Ready({"database": Schema(database).check, "temporal": temporal, "issuer": keys.check})
        app = front_door_app(door, ready, sessions=sessions, more=issuer_routes(own) if own else ())
        signatures = await open_signatures(settings, database, client)
        await stack.enter_async_context(listening(WithSignatures(app, signatures), settings.serve_address))
        # Before the listener stops, which waits for what is under way.
        stack.push_async_callback(door.streams.close)
        yield address


def own_issuer(settings: Settings, address: str, personas: tuple[Persona, ...]) -> DemoIssuer:
    """An issuer of our own at ``address``.

    Raises:
        ListenError: that is of more than this machine.
    """
    names = ClaimNames(roles=settings.oidc_roles_claim, uids=settings.oidc_uids_claim)
    try:
        return DemoIssuer(address, personas, audience=settings.oidc_audience, names=names)
    except ValueError as error:
        raise ListenError(
            f"{error}: whoever reaches it would be whom he says. Name an issuer with ONBOARDING_OIDC_ISSUER,"
            " or listen on 127.0.0.1."
        ) from None


def pages_base(settings: Settings) -> str:
    """The pages' own address, without a slash at its end.

    Raises:
        SettingsError: it is none where a browser keeps sessions.
    """
    named = "portal_url" in settings.model_fields_set
    url = urlsplit(settings.portal_url if named else f"http://{settings.serve_address}")
    protected = url.scheme == "https" or is_loopback(url.hostname or "")
    if not protected or url.path not in {"", "/"} or url.username:
        raise SettingsError(
            "ONBOARDING_PORTAL_URL: must be the pages' public address, such as https://portal.example (http://"
            " only on this machine; no path), as people sign in there by ONBOARDING_OIDC_CLIENT_ID"
        )
    return f"{url.scheme}://{url.netloc}"


def _registration(settings: Settings, client_id: str, base: str) -> Registration:
    secret = settings.oidc_client_secret
    return Registration(
        client_id=client_id,
        callback=f"{base}{CALLBACK}",
        secret=secret.get_secret_value() if secret else None,
        scope=settings.oidc_scope,
    )


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
