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

app: Final = typer.Typer()


@app.command(rich_help_panel=DEPLOY, epilog="Example: onboarding serve")
def serve() -> None:
    """Serve the HTTP API until Ctrl-C; as many processes of it as one likes.

    ONBOARDING_OIDC_ISSUER says whose tokens open it, ONBOARDING_SERVE_ADDRESS where it listens.
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
        log_plainly(logging.StreamHandler())
        asyncio.run(until_signalled(_serve(settings, temporal, served_by(settings.desks))))
    except SettingsError as error:
        fail(f"Wrong settings:\n{error}", code=USAGE)
    except (DesksError, ListenError) as error:
        fail(str(error), code=USAGE)
    except StartupError as error:
        fail(str(error))


async def _serve(settings: Settings, temporal: TemporalSettings, desks: "Desks") -> None:
    from runtime.startup import connect_when_up
    from starter.web.serving import front_door

    client = await connect_when_up(temporal, settings.codec)
    async with front_door(client, settings, desks=desks) as address:
        logging.getLogger("onboarding.web").info("Listening: %s", address)
        await asyncio.Event().wait()


@app.command(rich_help_panel=LOCAL, epilog="Example: onboarding token mei")
def token(
    ctx: typer.Context,
    persona: Annotated[str, typer.Argument(help="Who acts: mei, wei, ada, vic, ops or crm.")],
) -> None:
    """Print an access token of a persona, from the issuer of the `onboarding up` that runs."""

    async def action(session: Session) -> None:
        import httpx

        from starter.web.idp import PATH, token_of

        issuer = f"http://{load_settings().serve_address}{PATH}"
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
