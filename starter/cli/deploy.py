"""What a release is prepared and rolled out with: replay checks, exported histories, worker versions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from runtime.search_attributes import check_set_up
from settings import load_settings, load_temporal_settings
from starter.cli.runner import FAILED, USAGE, fail, perform
from starter.cli.session import Session, reach
from starter.terminal.output import print_broken, print_table, progress, shown

if TYPE_CHECKING:
    from runtime.deployments import Deployment
    from starter.release.replay_check import Break, Checked, Group, Selection

DEPLOY: Final = "Deploy"
DIED: Final = "Does the code here start (python worker.py)? Is there enough memory?"
CLOSED_SINCE: Final = timedelta(days=7)

app: Final = typer.Typer()
histories: Final = typer.Typer(help="Histories of live applications.", no_args_is_help=True)
deploy: Final = typer.Typer(help="Worker versions.", no_args_is_help=True)
app.add_typer(histories, name="histories", rich_help_panel=DEPLOY)
app.add_typer(deploy, name="deploy", rich_help_panel=DEPLOY)

QueryOption = Annotated[
    str | None, typer.Option(help="Only runs this Temporal query finds, too.", show_default="all runs")
]
LimitOption = Annotated[
    int, typer.Option(min=1, help="How many runs, spread over all stages; each stage has at least one.")
]
SinceOption = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        help="Of those that have ended, only runs that ended since (UTC).",
        show_default="7 days ago",
    ),
]


@asynccontextmanager
async def _temporal() -> AsyncIterator[Client]:
    yield await reach(load_temporal_settings(), load_settings())


@app.command("replay-check", rich_help_panel=DEPLOY, epilog="Example: onboarding replay-check --limit 500")
def replay_check(
    ctx: typer.Context, query: QueryOption = None, limit: LimitOption = 200, since: SinceOption = None
) -> None:
    """Replay live applications against the code here; exit code 1 if any breaks. The step before a deploy."""

    async def action(session: Session) -> None:
        # The workflow and its sandbox; the other commands start faster without.
        from starter.release.replay_check import check
        from starter.release.replaying import ReplayDiedError

        async with _temporal() as client:
            groups = await _pick(client, _selection(query, limit, since))
            with progress(
                session.console, "Replaying", sum(len(group.picked) for group in groups)
            ) as advance:
                try:
                    checked = await check(client, groups, advance)
                except ReplayDiedError as error:
                    fail(str(error), DIED)
        _print_check(session, checked, client)
        if checked.breaks:
            raise typer.Exit(FAILED)

    perform(ctx, action)


@histories.command(epilog="Example: onboarding histories export --anonymise histories/ --limit 40")
def export(
    ctx: typer.Context,
    anonymise: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write to.", file_okay=False, writable=True)
    ],
    query: QueryOption = None,
    limit: LimitOption = 40,
    since: SinceOption = None,
) -> None:
    """Save histories of live applications, personal data replaced, so that they still replay."""
    try:
        anonymise.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"{anonymise} can't be made: {error.strerror}", "Name another folder: --anonymise DIR.", USAGE)

    async def action(session: Session) -> None:
        from starter.release import replay_check
        from starter.release.replaying import ReplayDiedError

        async with _temporal() as client:
            groups = await _pick(client, _selection(query, limit, since))
            with progress(
                session.console, "Exporting", sum(len(group.picked) for group in groups)
            ) as advance:
                try:
                    exported = await replay_check.export(client, groups, anonymise, advance)
                except ReplayDiedError as error:
                    fail(str(error), DIED)
        session.console.print(f"{len(exported.files)} histories written to {anonymise}", soft_wrap=True)
        if exported.refused:
            _print_breaks(session, exported.refused)
            fail(
                f"{len(exported.refused)} histories were not kept: they don't replay without their data.",
                "Does the code here replay the originals? onboarding replay-check",
            )

    perform(ctx, action)


@deploy.command(epilog="Example: onboarding deploy promote 082b6bb --ramp 10")
def promote(
    ctx: typer.Context,
    build: Annotated[str, typer.Argument(help="Build ID (ONBOARDING_BUILD_ID) of workers that run.")],
    ramp: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Only this percentage of the runs; 0 takes them back."),
    ] = None,
    wait: Annotated[
        int, typer.Option(min=0, help="Seconds to wait for a worker of this version that is starting.")
    ] = 30,
) -> None:
    """Give this worker version all work, running applications included; without promotion it gets none."""

    async def action(session: Session) -> None:
        from runtime import deployments

        name = load_settings().deployment
        async with _temporal() as client:
            try:
                await deployments.promote(client, name, build, ramp, wait=timedelta(seconds=wait))
            except deployments.DeploymentError as error:
                fail(str(error), error.remedy)
            _print_deployment(session, await deployments.describe(client, name))

    perform(ctx, action)


@deploy.command(epilog="Example: onboarding deploy status")
def status(ctx: typer.Context) -> None:
    """Show which worker version gets the work, which poll, and where open runs are; 1 if any stand still."""

    async def action(session: Session) -> None:
        from runtime import deployments

        async with _temporal() as client:
            deployment = await deployments.describe(client, load_settings().deployment)
            if not deployment.versions:
                await check_set_up(client)
        _print_deployment(session, deployment)
        if deployment.warnings:
            raise typer.Exit(FAILED)

    perform(ctx, action)


async def _pick(client: Client, selection: "Selection") -> "tuple[Group, ...]":
    from starter.release.replay_check import pick

    try:
        return await pick(client, selection)
    except RPCError as error:
        if selection.query is not None and error.status is RPCStatusCode.INVALID_ARGUMENT:
            fail(
                f"Temporal answered: {error.message}", f"Correct --query, or leave it out: {selection.query}"
            )
        raise


def _selection(query: str | None, limit: int, since: datetime | None) -> "Selection":
    from starter.release.replay_check import Selection

    closed_since = since.replace(tzinfo=UTC) if since else datetime.now(UTC) - CLOSED_SINCE
    return Selection(limit=limit, closed_since=closed_since, query=query)


def _print_check(session: Session, checked: "Checked", client: Client) -> None:
    console = session.console
    print_table(
        console,
        ("Stage", "Runs", "Replayed", "Broken"),
        [
            (
                Text(group.name),
                Text(str(group.found)),
                Text(str(len(group.picked))),
                Text(str(broken := checked.broken(group)), style="bold red" if broken else "green"),
            )
            for group in checked.groups
        ],
    )
    for run in checked.gone:
        console.print(Text(f"Removed by the server meanwhile: {run.workflow_id} {run.run_id}"))
    _print_breaks(session, checked.breaks)
    if checked.left_alone:
        ended = f"Runs of release 0.1.0 that have ended: {len(checked.left_alone)}"
        console.print(Text(f"{ended}; this code can't show them."), soft_wrap=True)
    picked = sum(len(group.picked) for group in checked.groups)
    replayed = picked - len(checked.gone) - len(checked.left_alone)
    if not checked.groups:
        # A wrong namespace passes as well.
        asked = f"namespace {client.namespace} at {client.service_client.config.target_host}"
        console.print(
            Text(f"No applications found in {asked}: there is nothing this code could break."), soft_wrap=True
        )
    elif checked.breaks:
        fail(f"{len(checked.breaks)} of {replayed} runs break under this code: don't deploy it.")
    elif replayed:
        which, it = (
            ("The one run replays", "it") if replayed == 1 else (f"All {replayed} runs replay", "them")
        )
        console.print(Text(f"{which}: this code can take {it} over.", style="green"))


def _print_breaks(session: Session, breaks: "tuple[Break, ...]") -> None:
    from starter.release.replaying import Remedy

    console = session.console
    to_be_ended = [found.run for found in breaks if found.remedy is Remedy.END_FIRST]
    for found in breaks:
        run = found.run
        if found.remedy is not Remedy.END_FIRST:
            state = "open" if run.running else "closed"
            which = f"{run.workflow_id} run {run.run_id} ({run.group}, {state})"
            print_broken(console, which, found.event, found.problem)
    if to_be_ended:
        ids = sorted({run.workflow_id for run in to_be_ended})
        console.print(Text(f"Applications of release 0.1.0: {len(ids)} ({', '.join(ids)})"), soft_wrap=True)
    for remedy in dict.fromkeys(found.remedy for found in breaks):
        console.print(Text(remedy), soft_wrap=True)


def _print_deployment(session: Session, deployment: "Deployment") -> None:
    print_table(
        session.console,
        ("Version", "Gets work", "Pollers", "Last poll", "Open runs"),
        [
            (
                Text(each.name),
                Text(each.role or "–"),
                Text(str(each.pollers)),
                Text(shown(each.last_poll)),
                Text(str(each.open_runs)),
            )
            for each in deployment.versions
        ],
    )
    for warning in deployment.warnings:
        session.console.print(Text(f"Warning: {warning}", style="bold red"), soft_wrap=True)
