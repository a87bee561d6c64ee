"""How a command of the console script is carried out, and how it fails: by a message, never by a trace."""

import asyncio
import shlex
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Final, Never
from urllib.parse import urlsplit

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.text import Text
from temporalio.service import RPCError

from domain.contract import Command, ErrorType, Role
from domain.values import Uid
from runtime.errors import answered
from runtime.search_attributes import NotSetUpError
from settings import SettingsError, load_temporal_settings
from starter.cli.session import ApiRefusedError, NotInApiError, Session, UnreachableError
from starter.client.errors import ArchiveError, OnboardingError
from starter.terminal.output import shown

FAILED: Final = 1
USAGE: Final = 2
ENDED_BY: Final = 128
"""A shell's exit code of a program that a signal has ended is this and the signal's number."""
PROCESS: Final = "The process, in its order"

_UID: Final = TypeAdapter(Uid)


def a_uid(text: str) -> str:
    """Raises `typer.BadParameter` for what can't be a UID, and would be looked for in vain."""
    try:
        return _UID.validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"'{shown(text)}' is no UID: it must be 1 to 32 digits.") from None


UidArgument = Annotated[
    str, typer.Argument(metavar="UID", help="Company Master UID of the applicant.", callback=a_uid)
]
ReaderOption = Annotated[
    Role | None, typer.Option("--as", help="Show what this role may read.", show_default="everything")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, with the contract's field names.")]


def without_password(option: str, url: str | None, variable: str) -> None:
    """Exit where a URL on the command line has a password, which `ps` shows to everybody on this machine."""
    try:
        parts = urlsplit(url or "")
        hidden = parts.password is not None or "password" in parts.query.lower()
    # What is no URL is judged with the settings.
    except ValueError:
        return
    if hidden:
        fail(
            f"{option}: a password on the command line can be read by everybody on this machine (`ps`), and"
            " stays in the shell's history.",
            f"Set {variable} instead, and leave {option} out.",
            USAGE,
        )


class EndedError(Exception):
    """Ctrl-C, or a signal to end, came before the answer; says what has become of the command."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass
class Progress:
    """How far a command has come, for who is left without its answer, and how to learn what became of it."""

    told: str = "Nothing was sent."
    remedy: str = ""


@contextmanager
def telling_how_far() -> Iterator[Progress]:
    """What is done within says how far it is; so does its end by Ctrl-C."""
    progress = Progress()
    try:
        yield progress
    except asyncio.CancelledError:
        raise EndedError(progress.told, progress.remedy) from None


@contextmanager
def telling_of_command() -> Iterator[Progress]:
    """As `telling_how_far`, where a command is sent within: what got no answer says so, too.

    Raises:
        OnboardingError: what is raised within; ``unavailable`` says how far it was, and how to ask again.
    """
    with telling_how_far() as progress:
        try:
            yield progress
        except OnboardingError as error:
            if error.type is not ErrorType.UNAVAILABLE:
                raise
            told = "It was not carried out." if error.answered else progress.told
            remedy = progress.remedy or error.remedy
            raise OnboardingError(error.type, f"{error.message} {told}", remedy=remedy) from None


def ask_again(command: Command) -> str:
    """How to learn what became of a command that was sent."""
    return (
        f"The same line with `--command-id {shlex.quote(command.command_id)}` asks again:"
        " it gets the answer, and is never carried out twice."
    )


def perform(ctx: typer.Context, action: Callable[[Session], Awaitable[None]]) -> None:
    """Run a command's action.

    Exits with 1 after a refusal or failure, with 2 when the settings are wrong, with 128 and its number when
    a signal has ended it; the message goes to standard error.
    """
    session: Session = ctx.obj
    terminated: list[int] = []
    try:
        asyncio.run(_awaited(action, session, terminated))
    except OnboardingError as error:
        fail(f"{error.type}: {error.message}", error.remedy)
    except ApiRefusedError as error:
        fail(str(error))
    except SettingsError as error:
        fail(f"Wrong settings:\n{error}", code=USAGE)
    except UnreachableError as error:
        fail(f"Temporal does not answer at {error}.", error.remedy)
    except (NotSetUpError, NotInApiError) as error:
        fail(str(error), error.remedy)
    except RPCError as error:
        fail(*answered(error, load_temporal_settings().namespace))
    except ArchiveError as error:
        fail(str(error), error.remedy)
    except EndedError as error:
        fail(f"Ended. {error}", error.remedy, ENDED_BY + (terminated or [signal.SIGINT])[0])
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(ENDED_BY + (terminated or [signal.SIGINT])[0]) from None


async def _awaited(
    action: Callable[[Session], Awaitable[None]], session: Session, terminated: list[int]
) -> None:
    """As Ctrl-C does, by `asyncio.run`, the signal of `timeout` and `kill` cancels the action."""
    task = asyncio.current_task()

    def terminate() -> None:
        if task is not None and not terminated:
            terminated.append(signal.SIGTERM)
            task.cancel()

    # Windows has no such handlers, and only the main thread has signals.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    await action(session)


def fail(message: str, remedy: str = "", code: int = FAILED) -> Never:
    """Say what went wrong and what to do, and exit."""
    console = Console(stderr=True, highlight=False)
    console.print(Text(shown(message), style="red"), soft_wrap=True)
    if remedy:
        console.print(Text(shown(remedy)), soft_wrap=True)
    raise typer.Exit(code)
