"""What a Temporal service and a database are prepared with before the first worker starts."""

import asyncio
import logging
from datetime import timedelta
from typing import Annotated, Final

import typer

from settings import SettingsError, load_settings, load_temporal_settings
from starter.cli.deploy import DEPLOY
from starter.cli.runner import USAGE, fail

RETENTION_DAYS: Final = 180
"""Ended applications are what new code is replayed against, and what ops look up."""
WAIT_SECONDS: Final = 300

app: Final = typer.Typer()


@app.command(rich_help_panel=DEPLOY, epilog="Example: onboarding setup --retention-days 365")
def setup(
    retention_days: Annotated[
        int, typer.Option(min=1, help="How long Temporal keeps ended applications; it is never shortened.")
    ] = RETENTION_DAYS,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait for both servers.")] = WAIT_SECONDS,
    contract: Annotated[
        bool,
        typer.Option(
            "--contract",
            help="Take the schema's steps, too, that older releases don't run on; waits until none polls.",
        ),
    ] = False,
) -> None:
    """Prepare database and Temporal namespace for the workers; safe to repeat."""
    # Only this command needs the worker and all its libraries; the others start faster without.
    from runtime.process import log_plainly, until_signalled
    from runtime.search_attributes import SearchAttributesError
    from runtime.setup import run_setup
    from runtime.startup import StartupError

    try:
        settings, temporal = load_settings(), load_temporal_settings()
        log_plainly(logging.StreamHandler())
        asyncio.run(
            until_signalled(
                run_setup(
                    settings,
                    temporal,
                    retention=timedelta(days=retention_days),
                    wait=timedelta(seconds=wait),
                    contract=contract,
                )
            )
        )
    except SettingsError as error:
        fail(f"Wrong settings:\n{error}", code=USAGE)
    except (StartupError, SearchAttributesError) as error:
        fail(str(error))
