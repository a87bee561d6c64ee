"""`onboarding serve`: the front door over HTTP; `onboarding token`: what opens that of `onboarding up`."""

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated, Final

import typer

from settings import Settings, SettingsError, TemporalSettings, load_settings, load_temporal_settings
from starter.cli.deploy import DEPLOY
from starter.cli.runner import USAGE, fail, perform
from starter.cli.session import Session

if TYPE_CHECKING:
    from starter.web.desks import Desks

LOCAL: Final = "Run it here"
DEFAULT_IDP_PORT: Final = 8001

app: Final = typer.Typer()


@app.command(rich_help_panel=DEPLOY, epilog="Example: onboarding serve")
def serve() -> None:
    """Serve the HTTP API, and the pages, until Ctrl-C; as many processes of it as one likes.

    ONBOARDING_OIDC_ISSUER says whose tokens open it, ONBOARDING_SERVE_ADDRESS where it listens. With
    ONBOARDING_OIDC_CLIENT_ID people sign in on its pages.
    """
    # Only this command needs a web server; the others start faster without.
    from runtime.process import log_plainly, until_signalled
    from runtime.startup import StartupError
    from starter.web.desks import DesksError
    from starter.web.personas import served_by
    from starter.web.serving import ListenError

    try:
        settings, temporal = load_settings(), load_temporal_settings()
        if settings.oidc_issuer is None:
            raise SettingsError(
                "ONBOARDING_OIDC_ISSUER: must be set to the issuer whose tokens open the API"
                " (`onboarding up` has one of its own, for this machine)"
            )
        if settings.oidc_client_id is not None:
            _check_pages(settings)
        desks = served_by(settings.desks)
        log_plainly(logging.StreamHandler())
        asyncio.run(until_signalled(_serve(settings, temporal, desks)))
    except SettingsError as error:
        fail(f"Wrong settings:\n{error}", code=USAGE)
    except (DesksError, ListenError) as error:
        fail(str(error), code=USAGE)
    except StartupError as error:
        fail(str(error))


def _check_pages(settings: Settings) -> None:
    """Raises SettingsError where sessions would differ from process to process."""
    for variable, there in (
        ("ONBOARDING_PORTAL_URL", "portal_url" in settings.model_fields_set),
        ("ONBOARDING_SESSION_KEYS", settings.session_keys is not None),
    ):
        if not there:
            raise SettingsError(f"{variable}: must be set where ONBOARDING_OIDC_CLIENT_ID is")


async def _serve(settings: Settings, temporal: TemporalSettings, desks: "Desks") -> None:
    from runtime.startup import connect_when_up
    from starter.web.serving import front_door

    client = await connect_when_up(temporal, settings.codec)
    async with front_door(client, settings, desks=desks) as address:
        logging.getLogger("onboarding.web").info("Listening: %s", address)
        await asyncio.Event().wait()


@app.command(rich_help_panel=LOCAL, epilog="Example: onboarding idp")
def idp(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on, of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = DEFAULT_IDP_PORT,
) -> None:
    """Run the identity provider of `onboarding up` alone, to try `onboarding serve` with, until Ctrl-C.

    It takes anybody for whom he says, so it asks for ONBOARDING_IDP_DEMO=true, and serves this machine only.
    """
    from runtime.process import log_plainly, until_signalled
    from starter.web.idp import PAGES_CLIENT, DemoIssuer
    from starter.web.idp_routes import issuer_app
    from starter.web.personas import PersonasError, personas_of
    from starter.web.serving import ListenError, listening, own_issuer

    session: Session = ctx.obj
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def run(issuer: DemoIssuer) -> None:
        async with listening(issuer_app(issuer), address):
            session.console.print(f"ONBOARDING_OIDC_ISSUER={issuer.issuer}", soft_wrap=True, markup=False)
            session.console.print(f"ONBOARDING_OIDC_CLIENT_ID={PAGES_CLIENT}", soft_wrap=True, markup=False)
            await asyncio.Event().wait()

    try:
        settings = load_settings()
        if not settings.idp_demo:
            raise SettingsError(
                "ONBOARDING_IDP_DEMO: must be true to run an identity provider that asks for no password"
            )
        issuer = own_issuer(settings, f"http://{address}", personas_of(settings.personas))
        log_plainly(logging.StreamHandler())
        asyncio.run(until_signalled(run(issuer)))
    except SettingsError as error:
        fail(f"Wrong settings:\n{error}", code=USAGE)
    except (ListenError, PersonasError) as error:
        fail(str(error), code=USAGE)


@app.command(rich_help_panel=LOCAL, epilog="Example: onboarding token mei")
def token(
    ctx: typer.Context,
    persona: Annotated[str, typer.Argument(help="Who acts: mei, wei, ada, vic, ops or crm.")],
) -> None:
    """Print an access token of a persona, from the issuer of the `onboarding up` that runs.

    From that of `onboarding idp` where ONBOARDING_OIDC_ISSUER names it.
    """

    async def action(session: Session) -> None:
        from urllib.parse import urlsplit

        import httpx

        from activities.loopback import is_loopback
        from starter.web.idp import PATH, token_of

        settings = load_settings()
        own = f"http://{settings.serve_address}{PATH}"
        named = settings.oidc_issuer
        issuer = named if named and is_loopback(urlsplit(named).hostname or "") else own
        try:
            async with httpx.AsyncClient(timeout=5) as http:
                session.console.print(await token_of(http, issuer, persona), soft_wrap=True, markup=False)
        except LookupError as error:
            fail(f"There is no persona {persona!r}: {error}.")
        except (httpx.HTTPError, ValueError, KeyError) as error:
            fail(
                f"No issuer answers at {issuer} ({type(error).__name__}).",
                "`onboarding up` runs one; ONBOARDING_SERVE_ADDRESS says where.",
            )

    perform(ctx, action)
