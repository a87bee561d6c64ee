"""What ops and services ask the console script: who waits for what, what happened, who may log in."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Final

import typer
from click import MissingParameter
from rich.live import Live
from rich.text import Text

from activities.emails.times import known_zone
from domain.contract import ErrorType, OnboardingInput, Stage, WaitingOn
from domain.policy import Policy
from domain.readers import audit_for, status_for
from domain.status import Access, Status
from starter.cli.runner import (
    FAILED,
    PROCESS,
    JsonOption,
    ReaderOption,
    UidArgument,
    perform,
    telling_how_far,
)
from starter.cli.session import Archive, Session, UnreachableError
from starter.client.errors import ArchiveError, OnboardingError
from starter.terminal.gate import gate_of, granted
from starter.terminal.output import (
    print_audit,
    print_json,
    print_list,
    print_mails,
    print_sheets,
    print_status,
    shown,
    status_facts,
    status_panel,
)
from starter.terminal.times import FALL_BACK, moment, zone_of

# A run that is not retained any more, and a service that is down: the database still knows.
_FALL_BACK: Final = frozenset({ErrorType.NOT_FOUND, ErrorType.UNAVAILABLE})

LOOK: Final = "Look"
NAMED: Final = "must be named, unless through the API"
LIST_ZONE: Final = Policy().time_zone
"""Where the days of most applications begin; a list has no zone of its own."""

app: Final = typer.Typer()


async def read_status(session: Session, uid: str) -> tuple[Status, str]:
    """The status, and a note when it is the stored one, which may lag behind.

    Raises:
        OnboardingError: the UID never joined, or neither service nor database knows.
    """
    try:
        async with session.service() as service:
            found = await service.status(uid)
        return await _since_then(session, found), ""
    except OnboardingError as error:
        if error.type not in _FALL_BACK:
            raise
        reason: Exception = error
    except UnreachableError as error:
        reason = error
    stored = None
    # Without a database the first reason is the one to tell.
    with suppress(ArchiveError):
        async with session.archive() as archive:
            stored = await archive.newest(uid)
    if stored is None:
        raise reason
    zone = zone_of(stored.status)
    at = f"{moment(stored.updated_at, zone)} ({zone})"
    return stored.status, f"as stored at {at}: {_why_stored(reason)}"


def _why_stored(reason: Exception) -> str:
    if isinstance(reason, UnreachableError):
        return f"Temporal does not answer at {reason}"
    gone = isinstance(reason, OnboardingError) and reason.type is ErrorType.NOT_FOUND
    return "Temporal does not have it" if gone else shown(reason)


async def _since_then(session: Session, found: Status) -> Status:
    """The status with what has happened since its run ended: what access covers may have changed."""
    if found.stage is Stage.ACTIVE:
        with suppress(ArchiveError):
            async with session.archive() as archive:
                stored = await archive.newest(found.company_master_uid)
            if stored and (stored.application_id, stored.stage) == (found.application_id, Stage.ACTIVE):
                return stored.status if stored.sequence > found.sequence else found
    return found


async def _newest(session: Session, archive: Archive, uid: str) -> Status:
    """The status of the latest application, which says whose trail is meant, and the zone of its times."""
    stored = await archive.newest(uid)
    return stored.status if stored is not None else (await read_status(session, uid))[0]


@app.command(rich_help_panel=LOOK, epilog="Example: onboarding status 5123456789 --json")
def status(
    ctx: typer.Context, uid: UidArgument, reader: ReaderOption = None, as_json: JsonOption = False
) -> None:
    """Show what an application waits for, on whom, and until when."""

    async def action(session: Session) -> None:
        found, note = await read_status(session, uid)
        if reader:
            found = status_for(found, reader)
        if as_json:
            print_json(session.console, found)
        else:
            print_status(session.console, found, note, reader)

    perform(ctx, action)


@app.command("list", rich_help_panel=LOOK, epilog="Example: onboarding list --waiting-on bd --overdue")
def list_(
    ctx: typer.Context,
    stage: Annotated[
        Stage | None, typer.Option(help="Only this stage; an outcome lists what has ended.")
    ] = None,
    waiting_on: Annotated[WaitingOn | None, typer.Option(help="Only what waits on these.")] = None,
    overdue: Annotated[
        bool | None, typer.Option("--overdue/--in-time", help="Only what is overdue, or is not.")
    ] = None,
    zone: Annotated[str, typer.Option("--zone", help="IANA time zone the times are told in.")] = LIST_ZONE,
    as_json: JsonOption = False,
) -> None:
    """List running applications, their times in one zone."""
    if known_zone(zone)[1] != zone:
        told = f"no time zone {zone!r} is known; one is Europe/Berlin"
        raise typer.BadParameter(told, param_hint="--zone")

    async def action(session: Session) -> None:
        async with session.service() as service:
            found = [each async for each in service.list(stage=stage, waiting_on=waiting_on, overdue=overdue)]
        if as_json:
            print_json(session.console, found)
        else:
            print_list(session.console, found, zone)

    perform(ctx, action)


@app.command(rich_help_panel=LOOK, epilog="Example: onboarding watch 5123456789")
def watch(
    ctx: typer.Context,
    uid: UidArgument,
    interval: Annotated[float, typer.Option(min=0, help="Seconds between two looks.")] = 1.0,
) -> None:
    """Show the status live, until the application ends (or Ctrl-C); to a pipe, each status as it changes."""

    async def action(session: Session) -> None:
        async with session.service() as service:
            current = await service.status(uid)
            if not session.console.is_terminal:
                print_status(session.console, current)
                while current.outcome is None:
                    await asyncio.sleep(interval)
                    before, current = current, await service.status(uid)
                    if current != before:
                        session.console.print()
                        print_status(session.console, current)
                return
            with Live(console=session.console, auto_refresh=False) as live:
                live.update(status_panel(current, status_facts(current)), refresh=True)
                while current.outcome is None:
                    await asyncio.sleep(interval)
                    current = await service.status(uid)
                    live.update(status_panel(current, status_facts(current)), refresh=True)

    perform(ctx, action)


@app.command(rich_help_panel=LOOK, epilog="Example: onboarding audit 5123456789")
def audit(
    ctx: typer.Context, uid: UidArgument, reader: ReaderOption = None, as_json: JsonOption = False
) -> None:
    """Show every command and due deadline of the latest application, accepted or refused."""

    async def action(session: Session) -> None:
        async with session.archive() as archive:
            newest = await _newest(session, archive, uid)
            events = await archive.audit(newest.application_id)
        if reader:
            events = audit_for(events, reader)
        if as_json:
            print_json(session.console, events)
        else:
            print_audit(session.console, events, zone_of(newest))

    perform(ctx, action)


@app.command(rich_help_panel=LOOK, epilog="Example: onboarding sheets 5123456789 --json")
def sheets(ctx: typer.Context, uid: UidArgument, as_json: JsonOption = False) -> None:
    """Show every revision of the latest application's decision sheet, and what it changed."""

    async def action(session: Session) -> None:
        async with session.archive() as archive:
            newest = await _newest(session, archive, uid)
            revisions = await archive.sheets(newest.application_id)
        if as_json:
            print_json(session.console, revisions)
        else:
            print_sheets(session.console, revisions, zone_of(newest))

    perform(ctx, action)


@app.command(rich_help_panel=LOOK, epilog="Example: onboarding mails 5123456789")
def mails(
    ctx: typer.Context, uid: UidArgument, reader: ReaderOption = None, as_json: JsonOption = False
) -> None:
    """Show the e-mails of the latest application: sent, waiting, failed, withdrawn."""

    async def action(session: Session) -> None:
        async with session.archive() as archive:
            newest = await _newest(session, archive, uid)
            rows = await archive.mails(newest.application_id)
        if reader:
            # Imported here: the console starts faster without the libraries of the database.
            from activities.db.email_ledger import mails_for

            rows = mails_for(rows, reader)
        if as_json:
            print_json(session.console, rows)
        else:
            print_mails(session.console, rows, zone_of(newest))

    perform(ctx, action)


@app.command(rich_help_panel=LOOK, epilog="Example: onboarding access 5123456789 && echo may log in")
def access(ctx: typer.Context, uid: UidArgument, as_json: JsonOption = False) -> None:
    """Ask the gate of the ACPN platform: may this account log in? Exit code 0 if so, else 1."""

    async def action(session: Session) -> None:
        answer = await _gate(session, uid)
        if as_json:
            print_json(session.console, answer)
        else:
            style = "green" if answer.granted else "red"
            session.console.print(Text(shown(answer.message), style=style), soft_wrap=True)
            if answer.available_at and answer.reason == "before_start_date":
                zone = known_zone(answer.time_zone or FALL_BACK)[1]
                session.console.print(f"available at: {moment(answer.available_at, zone)} ({zone})")
        if not answer.granted:
            raise typer.Exit(FAILED)

    perform(ctx, action)


async def _gate(session: Session, uid: str) -> Access:
    """The answer for an account: the applicant's own, or one that an application of another UID covers."""
    if session.api is not None:
        return await session.api.access(uid)
    grant = stored = None
    # Without a database the status still knows.
    with suppress(ArchiveError):
        async with session.archive() as archive:
            grant = await archive.grant(uid)
            stored = grant and await archive.newest(grant.company_master_uid)
    if grant is not None:
        return granted(grant, zone_of(stored.status) if stored else FALL_BACK)
    found, _ = await read_status(session, uid)
    return gate_of(found, uid)


@app.command(
    rich_help_panel=PROCESS,
    epilog="Example: onboarding join 5123456789 --contact-name 'Mei Lin' --contact-email mei@lin.example"
    " --bd-name 'Wei Zhang' --bd-email wei@vendor.example"
    " --lead-name 'Ada Roth' --lead-email ada@vendor.example",
)
def join(
    ctx: typer.Context,
    uid: UidArgument,
    contact_name: Annotated[str, typer.Option(help="The applicant's contact.")],
    contact_email: Annotated[str, typer.Option(help="Gets the applicant's mails until a form is accepted.")],
    bd_name: Annotated[
        str | None, typer.Option(help="The BD who looks after the application.", show_default=NAMED)
    ] = None,
    bd_email: Annotated[str | None, typer.Option(help="Gets the mails to BD.", show_default=NAMED)] = None,
    lead_name: Annotated[
        str | None, typer.Option(help="The BD lead, told of missed deadlines.", show_default=NAMED)
    ] = None,
    lead_email: Annotated[
        str | None, typer.Option(help="Gets the mails to the BD lead.", show_default=NAMED)
    ] = None,
    locale: Annotated[str, typer.Option(help="Language of the applicant's mails: en or zh.")] = "en",
    bd_locale: Annotated[
        str | None, typer.Option(help="Language of the mails to BD: en or zh.", show_default="en")
    ] = None,
    lead_locale: Annotated[
        str | None, typer.Option(help="Language of the mails to the BD lead: en or zh.", show_default="en")
    ] = None,
) -> None:
    """JOIN NOW: start an application, or enter the one that runs."""
    fields = {
        "company_master_uid": uid,
        "contact_name": contact_name,
        "contact_email": contact_email,
        "locale": locale,
    }
    people = {
        "bd": {"name": bd_name, "email": bd_email, "locale": bd_locale},
        "bd_lead": {"name": lead_name, "email": lead_email, "locale": lead_locale},
    }

    async def action(session: Session) -> None:
        joining = _joining(session, fields, people)
        with telling_how_far() as progress:
            async with session.service() as service:
                progress.told = f"JOIN NOW was sent; an application of UID {uid} may have started."
                progress.remedy = f"`onboarding status {uid}` shows it; joining again starts nothing twice."
                joined = await service.join(joining)
        note = "" if joined.started else "this application was running already"
        print_status(session.console, joined.status, note)

    perform(ctx, action)


def _joining(
    session: Session, fields: Mapping[str, Any], people: Mapping[str, Mapping[str, str | None]]
) -> OnboardingInput:
    if session.api is not None:
        # Who serves the company is known there, and only some callers may name others.
        named: dict[str, Any] = {role: person for role, person in people.items() if any(person.values())}
        return OnboardingInput.model_construct({*fields, *named}, **fields, **named)
    for option, person in (("bd", people["bd"]), ("lead", people["bd_lead"])):
        for field in ("name", "email"):
            if person[field] is None:
                raise MissingParameter(param_type="option", param_hint=f"'--{option}-{field}'")
    return OnboardingError.unless_valid(OnboardingInput, {**fields, **people})
