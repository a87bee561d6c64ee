"""`onboarding coverage`: which accounts a company's access covers, once it is given."""

from typing import Annotated, Final

import typer
from rich.text import Text

from domain.audit import Verdict
from domain.contract import Role
from domain.coverage import AddAssociatedUid, AnyCoverageCommand, CoverageAnswer, RemoveAssociatedUid
from starter.cli.runner import JsonOption, UidArgument, ask_again, perform, telling_of_command
from starter.cli.session import Session
from starter.cli.steps import ActorId, ActorName, CommandIdOption, IfSequence, envelope
from starter.client.errors import OnboardingError
from starter.terminal.output import print_json, shown

app: Final = typer.Typer(
    help="Add Associated UIDs after access is given, or take them away.", no_args_is_help=True
)

ActingRole = Annotated[
    Role | None,
    typer.Option("--as", help="The role that acts: partner, bd or bd_lead.", show_default="partner"),
]
AssociatedUid = Annotated[str, typer.Argument(metavar="ASSOCIATED_UID", help="The Associated UID.")]


def _add(name: str, kind: type[AnyCoverageCommand], told: str, example: str) -> None:
    @app.command(name, help=told, epilog=f"Example: onboarding coverage {name} {example}")
    def run(
        ctx: typer.Context,
        uid: UidArgument,
        associated_uid: AssociatedUid,
        acting_role: ActingRole = None,
        actor_id: ActorId = None,
        actor_name: ActorName = None,
        command_id: CommandIdOption = None,
        if_sequence: IfSequence = None,
        as_json: JsonOption = False,
    ) -> None:

        async def action(session: Session) -> None:
            fields = {
                "company_master_uid": uid,
                "associated_uid": associated_uid,
                **envelope(session, Role.PARTNER, acting_role, actor_id, actor_name, command_id, if_sequence),
            }
            await _change(session, OnboardingError.unless_valid(kind, fields), as_json=as_json)

        perform(ctx, action)


async def _change(session: Session, command: AnyCoverageCommand, *, as_json: bool) -> None:
    with telling_of_command() as progress:
        async with session.service() as service:
            progress.told = (
                f"{command.kind} was sent, unless another change of this company still ran,"
                " and may still be carried out."
            )
            progress.remedy = ask_again(command)
            answer = await service.change_coverage(command)
    if as_json:
        print_json(session.console, answer)
    else:
        session.console.print(Text(shown(_told(command, answer))), soft_wrap=True)


def _told(command: AnyCoverageCommand, answer: CoverageAnswer) -> str:
    has = "has access" if isinstance(command, AddAssociatedUid) else "has no access"
    now = "" if answer.verdict is Verdict.NO_OP else " now"
    again = " already: nothing was done" if answer.verdict is Verdict.NO_OP else ""
    return f"UID {command.associated_uid} {has}{now}{again}. Covered: {', '.join(answer.covered_uids)}."


_add(
    "add",
    AddAssociatedUid,
    "Give an account access, too: of the same enterprise, business type and partner level.",
    "5123456789 5123456790",
)
_add(
    "remove",
    RemoveAssociatedUid,
    "Take an account's access away; the Main UID keeps it.",
    "5123456789 5123456790 --as bd",
)
