"""`onboarding webhook`: where events are delivered to, and what became of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from domain.webhooks import WebhookType
from settings import load_settings, load_temporal_settings
from starter.cli.runner import FAILED, JsonOption, fail, perform
from starter.cli.session import Session, beside_the_api, reach
from starter.terminal.output import print_json, print_table, row_of, shown

if TYPE_CHECKING:
    from starter.client.webhooks import AddedEndpoint, Webhooks

app: Final = typer.Typer(help="Tell other systems what happens, by Standard Webhooks.", no_args_is_help=True)

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's ID.")]


@asynccontextmanager
async def _webhooks(*, temporal: bool = False) -> "AsyncIterator[Webhooks]":
    # Other commands start faster without all this.
    from activities.webhooks.addresses import Allowed
    from activities.webhooks.sender import WebhookSender
    from starter.client.stored import open_database
    from starter.client.webhooks import Webhooks

    settings = load_settings()
    beside_the_api(settings, "the endpoints (GET and POST /api/v1/webhooks do)")
    client = await reach(load_temporal_settings(), settings) if temporal else None
    async with open_database(settings.database) as database:
        yield Webhooks(database, WebhookSender(Allowed.from_text(settings.webhook_allow)), client)


@app.command(epilog="Example: onboarding webhook add https://crm.example.com/hooks --type application.ended")
def add(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to: https:// and a public address.")],
    types: Annotated[
        list[WebhookType] | None,
        typer.Option("--type", help="Only events of this type. May be repeated.", show_default="all"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add an endpoint for what happens from now on. Its secret is shown once."""

    async def action(session: Session) -> None:
        async with _webhooks() as webhooks:
            added = await webhooks.add(url, types)
        _print_secret(session, added, as_json=as_json)

    perform(ctx, action)


@app.command("list", epilog="Example: onboarding webhook list")
def list_endpoints(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the endpoints."""

    async def action(session: Session) -> None:
        async with _webhooks() as webhooks:
            found = await webhooks.all()
        if as_json:
            print_json(session.console, found)
            return
        rows = [
            row_of(
                *(each.endpoint_id, each.state, each.url, ", ".join(each.types or ("all",))),
                f"since {shown(each.switched_off_at)}: {each.reason}" if each.switched_off_at else "",
            )
            for each in found
        ]
        print_table(session.console, ("endpoint", "state", "URL", "types", "switched off"), rows)

    perform(ctx, action)


@app.command(epilog="Example: onboarding webhook remove 0f3c…")
def remove(ctx: typer.Context, endpoint: EndpointArgument) -> None:
    """Remove an endpoint; what waits for it never leaves."""

    async def action(session: Session) -> None:
        async with _webhooks() as webhooks:
            await webhooks.remove(endpoint)
        session.console.print(Text(f"Endpoint {shown(endpoint)} is removed."), soft_wrap=True)

    perform(ctx, action)


@app.command(epilog="Example: onboarding webhook rotate 0f3c…")
def rotate(ctx: typer.Context, endpoint: EndpointArgument, as_json: JsonOption = False) -> None:
    """Give an endpoint a new secret. For a day, that of before signs, too."""

    async def action(session: Session) -> None:
        async with _webhooks() as webhooks:
            rotated = await webhooks.rotate(endpoint)
        _print_secret(session, rotated, as_json=as_json)

    perform(ctx, action)


@app.command(epilog="Example: onboarding webhook deliveries 0f3c… --pending")
def deliveries(
    ctx: typer.Context,
    endpoint: EndpointArgument,
    pending: Annotated[bool, typer.Option("--pending", help="Only those that wait.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the newest deliveries to an endpoint, a hundred at most."""

    async def action(session: Session) -> None:
        async with _webhooks() as webhooks:
            found = await webhooks.deliveries(endpoint, pending=pending)
        if as_json:
            print_json(session.console, found)
            return
        rows = [
            row_of(
                *(each.webhook_id, each.type, each.state, each.attempts),
                each.delivered_at or each.next_at,
                each.reason or each.answer,
            )
            for each in found
        ]
        heads = ("delivery", "type", "state", "attempts", "delivered, or next attempt", "answer")
        print_table(session.console, heads, rows)

    perform(ctx, action)


@app.command(epilog="Example: onboarding webhook resend 0f3c… 0199…-5-application_ended")
def resend(
    ctx: typer.Context,
    endpoint: EndpointArgument,
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="The delivery's webhook-id.")],
) -> None:
    """Send a delivery once more, under its ID. An endpoint that was switched off is on again."""

    async def action(session: Session) -> None:
        async with _webhooks(temporal=True) as webhooks:
            await webhooks.resend(endpoint, delivery)
        session.console.print("It leaves at once; `onboarding webhook deliveries` shows what came of it.")

    perform(ctx, action)


@app.command("test", epilog="Example: onboarding webhook test 0f3c…")
def send_test(ctx: typer.Context, endpoint: EndpointArgument, as_json: JsonOption = False) -> None:
    """Send a signed delivery of type webhook.test now, from here, and say what the endpoint answers."""

    async def action(session: Session) -> None:
        async with _webhooks() as webhooks:
            answer = await webhooks.test(endpoint)
        if as_json:
            print_json(session.console, answer)
        elif answer.reason is None:
            session.console.print(Text(f"Taken: {answer.answer}."), soft_wrap=True)
        if answer.reason is not None:
            fail(f"Not taken: {answer.reason}.", code=FAILED)

    perform(ctx, action)


def _print_secret(session: Session, added: "AddedEndpoint", *, as_json: bool) -> None:
    if as_json:
        print_json(session.console, added)
        return
    for name, value in (("endpoint", added.endpoint_id), ("secret", added.secret)):
        session.console.print(Text(f"{name}: {value}"), soft_wrap=True)
