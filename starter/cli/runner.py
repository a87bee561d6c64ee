"""How a command of the console script is carried out, and how it fails: by a message, never by a trace."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text
from temporalio.service import RPCError

from settings import SettingsError
from starter.cli.session import Session, UnreachableError
from starter.client.errors import ArchiveError, OnboardingError
from starter.terminal.output import shown

FAILED: Final = 1
USAGE: Final = 2
PROCESS: Final = "The process, in its order"

UidArgument = Annotated[str, typer.Argument(metavar="UID", help="Company Master UID of the applicant.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, with the contract's field names.")]


def perform(ctx: typer.Context, action: Callable[[Session], Awaitable[None]]) -> None:
    """Run a command's action.

    Exits with 1 after a refusal or failure, with 2 when the settings are wrong; the message goes to
    standard error.
    """
    session: Session = ctx.obj
    try:
        asyncio.run(_awaited(action, session))
    except OnboardingError as error:
        fail(f"{error.type}: {error.message}", error.remedy)
    except SettingsError as error:
        fail(f"Wrong settings:\n{error}", code=USAGE)
    except UnreachableError as error:
        fail(
            f"Temporal does not answer at {error}.",
            "Start everything with `onboarding up`, or set TEMPORAL_ADDRESS to the server you mean.",
        )
    except RPCError as error:
        fail(f"Temporal answered: {error.message}", "Check TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.")
    except ArchiveError as error:
        fail(str(error), error.remedy)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


async def _awaited(action: Callable[[Session], Awaitable[None]], session: Session) -> None:
    await action(session)


def fail(message: str, remedy: str = "", code: int = FAILED) -> None:
    """Say what went wrong and what to do, and exit."""
    console = Console(stderr=True, highlight=False)
    console.print(Text(shown(message), style="red"), soft_wrap=True)
    if remedy:
        console.print(Text(shown(remedy)), soft_wrap=True)
    raise typer.Exit(code)
