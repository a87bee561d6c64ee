"""`onboarding reconcile`: end what is stored of applications whose runs Temporal has ended."""

from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from settings import load_settings, load_temporal_settings
from starter.cli.ops import LOOK
from starter.cli.runner import perform
from starter.cli.session import Session, beside_the_api, reach
from starter.terminal.output import print_table, row_of

if TYPE_CHECKING:
    from activities.lost_runs import Lost

app: Final = typer.Typer()


@app.command(rich_help_panel=LOOK, epilog="Example: onboarding reconcile --yes")
def reconcile(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="End them; without it they are only listed.")] = False,
    forgotten: Annotated[
        bool,
        typer.Option("--forgotten", help="With --yes: also those of which this Temporal knows nothing."),
    ] = False,
) -> None:
    """List open applications whose runs were terminated in Temporal, and end what is stored of them.

    It ends as cancelled, by an event of its own; e-mails that wait never leave. Nothing else would end it,
    unless the applicant joins again.
    """

    async def action(session: Session) -> None:
        # Only this command needs both Temporal and the database's libraries.
        from starter.client.lost import reconcile as look

        settings = load_settings()
        beside_the_api(settings, "the runs in Temporal")
        client = await reach(load_temporal_settings(), settings)
        found = await look(client, settings, close=yes, forgotten=forgotten)
        print_table(session.console, ("UID", "application", "its run", "at"), [*map(_row, found)])
        if found and not yes:
            session.console.print("`onboarding reconcile --yes` ends them as cancelled.", markup=False)

    perform(ctx, action)


def _row(lost: "Lost") -> list[Text]:
    application = lost.application
    return row_of(application.company_master_uid, application.application_id, lost.how, lost.at)
