"""The steps of the process as commands of the console script, made from the table of commands.

Each has the options of its model's fields, and those all commands share: whose application, who acts, its ID.
It is also known by the contract's name.
"""

import getpass
import inspect
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from rich.markup import escape

from domain.contract import Actor, Command, Role
from domain.lifecycle import newest_rows
from domain.readers import status_for
from domain.status import Status
from domain.steps import Step
from starter.cli.names import TYPED, Typed
from starter.cli.options import Option, fields_from, options_of
from starter.cli.runner import PROCESS, JsonOption, UidArgument, ask_again, perform, telling_of_command
from starter.cli.session import Service, Session
from starter.client.errors import OnboardingError
from starter.terminal.output import print_json, print_status

EXAMPLE_UID: Final = "5123456789"
CHANNEL: Final = "cli"
"""How the audit trail names this way of sending commands."""

ActingRole = Annotated[
    Role | None, typer.Option("--as", help="The role that acts.", show_default="the role the step is for")
]
ActorId = Annotated[
    str | None, typer.Option("--actor-id", help="Who acts.", show_default="who is logged in here")
]
ActorName = Annotated[str | None, typer.Option("--actor-name", help="His or her name, for the audit trail.")]
CommandIdOption = Annotated[
    str | None,
    typer.Option(
        "--command-id", help="Unique ID; the same again is never carried out twice.", show_default="a new one"
    ),
]
IfSequence = Annotated[
    int | None,
    typer.Option(
        "--if-sequence", min=0, help="Only if this is still the newest event, as the status shows it."
    ),
]

_SHARED: Final[dict[str, Any]] = {
    "acting_role": ActingRole,
    "actor_id": ActorId,
    "actor_name": ActorName,
    "command_id": CommandIdOption,
    "if_sequence": IfSequence,
    "as_json": JsonOption,
}

app: Final = typer.Typer()


def add(group: typer.Typer, step: Step) -> None:
    """Make a step a command of the console script, under its short name and under the contract's."""
    typed = TYPED.get(step.name, Typed())
    options = options_of(step, typed.fields)
    by_contract = step.name.replace("_", "-")
    shown = typed.command or by_contract
    for name in dict.fromkeys((shown, by_contract)):
        example = "".join(option.in_example for option in options)
        group.command(
            name,
            help=escape(step.description),
            epilog=escape(f"Example: onboarding {name} {EXAMPLE_UID}{example}"),
            rich_help_panel=PROCESS,
            hidden=name != shown,
        )(_command(step, options))


def _command(step: Step, options: tuple[Option, ...]) -> Any:
    """A function typer can read: its signature has the step's options and the shared ones."""

    def run(
        ctx: typer.Context,
        uid: str,
        acting_role: Role | None,
        actor_id: str | None,
        actor_name: str | None,
        command_id: str | None,
        if_sequence: int | None,
        as_json: bool,
        **values: Any,
    ) -> None:
        async def action(session: Session) -> None:
            fields = fields_from(options, values)
            fields |= envelope(
                session, step.by[0], acting_role, actor_id, actor_name, command_id, if_sequence
            )
            await _send(session, uid, step, fields, own_role=acting_role is None, as_json=as_json)

        perform(ctx, action)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("ctx", keyword, annotation=typer.Context),
        inspect.Parameter("uid", keyword, annotation=UidArgument),
        *(option.parameter for option in options),
        *(
            inspect.Parameter(
                name, keyword, annotation=annotation, default=False if annotation is JsonOption else None
            )
            for name, annotation in _SHARED.items()
        ),
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions have no such slot
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


async def _send(
    session: Session, uid: str, step: Step, fields: dict[str, Any], *, own_role: bool, as_json: bool
) -> None:
    with telling_of_command() as progress:
        async with session.service() as service:
            missing = {name: read for name, read in (step.current or {}).items() if name not in fields}
            if missing:
                status = await service.status(uid)
                fields = fields | {name: read(status) for name, read in missing.items()}
            command = OnboardingError.unless_valid(step.command, fields)
            if own_role:
                command = _by_whom_it_is_for(step, command)
            progress.told = f"{step.name} was sent, and may still be carried out."
            progress.remedy = ask_again(command)
            answer = await service.send(uid, command)
            progress.told = f"{step.name} was answered; `onboarding status {uid}` shows what it led to."
            # The API answers with the whole of it, as its caller may read it.
            status = await _whole(service, uid, answer) if session.api is None else answer
    # The answer is for whoever sent it: to a partner nothing of what only the vendor's people read.
    status = status_for(status, command.actor.role)
    if as_json:
        print_json(session.console, status)
    else:
        print_status(session.console, status, role=command.actor.role)


def _by_whom_it_is_for(step: Step, command: Command) -> Command:
    """The command as sent by the first role that may send it; a signature, by the party that signs."""
    role = next(iter(step.senders(command)), command.actor.role)
    return command.model_copy(update={"actor": command.actor.model_copy(update={"role": role})})


async def _whole(service: Service, uid: str, answer: Status) -> Status:
    """The status with what the answer to a command goes without, such as the changes of a sheet, and with
    what became of the command."""
    try:
        whole = await service.status(uid)
    except OnboardingError:
        # The command is carried out all the same.
        return answer
    if whole.application_id != answer.application_id:
        return answer
    return whole.model_copy(update={"answered": answer.answered})


def envelope(
    session: Session,
    default_role: Role,
    role: Role | None,
    actor_id: str | None,
    actor_name: str | None,
    command_id: str | None,
    if_sequence: int | None,
) -> dict[str, Any]:
    """The fields every command has, as they are typed; what is left out is who is logged in, or who the API's
    token says, and a new ID."""
    acting: Mapping[str, Any] | Actor = {
        "role": role or default_role,
        "id": _acting_here() if actor_id is None else actor_id,
        "name": actor_name,
    }
    if session.api is not None and role is actor_id is actor_name is None:
        acting = session.api.token_says(default_role)
    return {
        "command_id": str(uuid4()) if command_id is None else command_id,
        "actor": acting,
        "via": {"channel": CHANNEL},
        "if_sequence": if_sequence,
    }


def _acting_here() -> str:
    """Who is logged in here."""
    try:
        return getpass.getuser()
    # No such user on this machine, as in a container; OSError from Python 3.13 on.
    except (KeyError, OSError):
        return "cli"


for _step in newest_rows():
    add(app, _step)
