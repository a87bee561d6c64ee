"""The console script ``onboarding``."""

import asyncio
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from settings import SettingsError, load_settings
from starter.cli import accounts as cli_accounts
from starter.cli import codec as cli_codec
from starter.cli import coverage as cli_coverage
from starter.cli import deploy as cli_deploy
from starter.cli import doctor as cli_doctor
from starter.cli import ops as cli_ops
from starter.cli import reconcile as cli_reconcile
from starter.cli import serve as cli_serve
from starter.cli import setup as cli_setup
from starter.cli import steps as cli_steps
from starter.cli import webhooks as cli_webhooks
from starter.cli.runner import PROCESS, USAGE, fail, without_password
from starter.cli.session import Session, SettingsSession
from starter.terminal.output import shown


def _with_hyphens(name: str) -> str:
    """Commands, options and choices may be typed as the contract writes them, with underscores."""
    return name.replace("_", "-")


app: Final = typer.Typer(
    context_settings={"token_normalize_func": _with_hyphens},
    help="Reseller onboarding: from JOIN NOW to access to the ACPN platform.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
DEFAULT_PORT: Final = 7233
DEFAULT_UI_PORT: Final = 8233
LOCAL: Final = "Run it here"


@app.command(rich_help_panel=LOCAL, epilog="Example: onboarding up --data /var/lib/onboarding")
def up(
    ctx: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps everything.", show_default="ONBOARDING_DATA or .onboarding"),
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(help="SQLAlchemy URL, without a password.", show_default="SQLite in the data folder"),
    ] = None,
    smtp: Annotated[
        str | None,
        typer.Option(help="A mail server, without a password.", show_default="a sink that keeps the mails"),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of Temporal.")] = DEFAULT_PORT,
    ui_port: Annotated[int, typer.Option(min=1, max=65535, help="Of Temporal's Web UI.")] = DEFAULT_UI_PORT,
) -> None:
    """Run everything on this machine until Ctrl-C: Temporal, database, mail sink, worker, API, pages."""
    # Only this command needs the worker and all its libraries; the others start faster without.
    from runtime.process import until_signalled
    from runtime.search_attributes import SearchAttributesError
    from runtime.startup import StartupError, telling_of_waits
    from starter.local.dev_server import DevServerError
    from starter.local.up import Addresses, AlreadyUpError, DataFolderError, run_up
    from starter.web.desks import DesksError
    from starter.web.personas import PersonasError
    from starter.web.serving import ListenError

    session: Session = ctx.obj
    console = session.console

    def ready(addresses: Addresses) -> None:
        lines = {
            "API": addresses.api,
            "Pages": addresses.sign_in,
            "Temporal": addresses.temporal,
            "Web UI": addresses.web_ui,
            "Database": addresses.database,
            "Mail server": addresses.mail_server,
            "Mails": addresses.mails,
            "Logs": addresses.logs,
        }
        for name, value in lines.items():
            if value is not None:
                console.print(Text.assemble((f"{name:<12}", "dim"), str(value)), soft_wrap=True)
        environment = _environment(port, data, db, smtp)
        if environment:
            console.print(
                "\nIn other terminals first:", *(f"  export {each}" for each in environment), sep="\n"
            )
        if addresses.mails is not None:
            # For one command, not to be exported: the sink of the next `up` has another port.
            sink = f"ONBOARDING_SMTP_URL=smtp://{addresses.mail_server}"
            console.print(f"\nIs all well? {sink} onboarding doctor", soft_wrap=True, markup=False)
        console.print(
            "\nNext: onboarding account set --help, onboarding join --help. Ctrl-C ends everything.",
            soft_wrap=True,
        )

    def waiting(told: str) -> None:
        console.print(Text(f"{shown(told)}. It is tried again until Ctrl-C.", style="yellow"), soft_wrap=True)

    if port == ui_port:
        fail(f"--port and --ui-port are both {port}.", "Name another for one of them.", USAGE)
    try:
        without_password("--db", db, "ONBOARDING_DATABASE_URL")
        without_password("--smtp", smtp, "ONBOARDING_SMTP_URL")
        settings = load_settings(data=data, database_url=db, smtp_url=smtp)
        console.print("Starting …")
        with telling_of_waits(waiting):
            asyncio.run(until_signalled(run_up(settings, port=port, ui_port=ui_port, ready=ready)))
    except SettingsError as error:
        fail(f"Wrong settings:\n{error}", code=USAGE)
    except AlreadyUpError as error:
        fail(f"{error}.", "Use that one, or name another folder: --data DIR --port N --ui-port N.")
    except DataFolderError as error:
        fail(f"{error}.", "Name another folder: --data DIR.")
    except DevServerError as error:
        fail(f"{error}", "Another port: --port N, --ui-port N.")
    except (DesksError, PersonasError, ListenError) as error:
        fail(str(error), code=USAGE)
    except (StartupError, SearchAttributesError, OSError) as error:
        fail(str(error))
    console.print("Stopped.")


def _environment(port: int, data: Path | None, db: str | None, smtp: str | None) -> list[str]:
    """What the other commands need to find this one, where it differs from the defaults."""
    exports = []
    if port != DEFAULT_PORT:
        exports.append(f"TEMPORAL_ADDRESS=127.0.0.1:{port}")
    if data is not None:
        exports.append(f"ONBOARDING_DATA={data.absolute()}")
    if db is not None:
        exports.append("ONBOARDING_DATABASE_URL=…   (as given with --db)")
    if smtp is not None:
        exports.append("ONBOARDING_SMTP_URL=…   (as given with --smtp)")
    return exports


@app.command(rich_help_panel=LOCAL, epilog="Example: onboarding demo --keep")
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards.")] = False,
    mails: Annotated[
        Path, typer.Option(help="Folder to leave the mails in, to be looked at; it replaces the last ones.")
    ] = Path(".onboarding", "demo-mails"),
) -> None:
    """Play the reference story on a real Temporal server, weeks in seconds."""
    from starter.demo.run import run_demo

    raise typer.Exit(run_demo(keep=keep, mails=mails))


app.add_typer(cli_accounts.app, name="account", rich_help_panel=LOCAL)
app.add_typer(cli_ops.app)
app.add_typer(cli_reconcile.app)
app.add_typer(cli_steps.app)
app.add_typer(cli_coverage.app, name="coverage", rich_help_panel=PROCESS)
app.add_typer(cli_serve.app)
app.add_typer(cli_webhooks.app, name="webhook", rich_help_panel=cli_ops.LOOK)
app.add_typer(cli_setup.app)
app.add_typer(cli_doctor.app)
app.add_typer(cli_deploy.app)
app.add_typer(cli_codec.app)


def _late(failed: threading.ExceptHookArgs) -> None:
    """Who ended a command does not care that SQLite's thread comes too late to tell of what it did."""
    if failed.exc_type is not RuntimeError or str(failed.exc_value) != "Event loop is closed":
        threading.__excepthook__(failed)


def main() -> None:
    """Run the console script on what the environment describes."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding gets what it can't show as escapes, not a trace.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # the console script's are files
    threading.excepthook = _late
    try:
        app(obj=SettingsSession())
    finally:
        # Whoever presses Ctrl-C twice has been heard.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stdout.flush()
        # The SDK's threads may still be at work, and a process ending under them aborts (sdk-python #300).
        time.sleep(0.05)
