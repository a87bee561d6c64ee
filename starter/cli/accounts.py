"""`onboarding account`: the embedded account directory, for who has no account service."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Final, TextIO

import typer
from rich.console import Console
from rich.text import Text

from domain.documents import BusinessType
from domain.inquiry import Account
from domain.status import Company
from settings import load_settings
from starter.cli.json_input import JSON_ENCODING, NotJsonError, name_of, parsed, text_of
from starter.cli.runner import FAILED, USAGE, JsonOption, Progress, a_uid, fail, perform, telling_how_far
from starter.cli.session import Archive, Session
from starter.client.errors import OnboardingError
from starter.terminal.output import print_json, print_table, row_of, shown

EXAMPLE: Final = (
    '{"uid": "5123456789", "enterprise": {"legal_name": "Lin Cloud Ltd", "registration_number": "91310000X", '
    '"verified": true}}'
)
MOST_SHOWN: Final = 60
"""So much of what can't be read is repeated, in characters."""
MOST_TOLD: Final = 20
"""So many lines of a file are said to be wrong, at most."""

app: Final = typer.Typer(help="The embedded account directory.", no_args_is_help=True)

AccountArgument = Annotated[str, typer.Argument(metavar="UID", help="The account.", callback=a_uid)]


@asynccontextmanager
async def _directory(session: Session) -> AsyncIterator[Archive]:
    if load_settings().accounts_url is not None:
        fail("Accounts are kept by the service at ONBOARDING_ACCOUNTS_URL.", "Ask and change them there.")
    async with session.archive() as archive:
        yield archive


@app.command(
    "set",
    epilog="Example: onboarding account set 5123456789 --enterprise 'Lin Cloud Ltd'"
    " --registration 91310000X --verified",
)
def set_account(
    ctx: typer.Context,
    uid: AccountArgument,
    enterprise: Annotated[str | None, typer.Option(help="The enterprise's legal name.")] = None,
    registration: Annotated[str | None, typer.Option(help="Its registration number.")] = None,
    country: Annotated[str | None, typer.Option(help="ISO 3166 alpha-2.")] = None,
    verified: Annotated[
        bool | None, typer.Option("--verified/--unverified", help="Enterprise verification is done, or not.")
    ] = None,
    business_type: Annotated[BusinessType | None, typer.Option(help="Set by the vendor.")] = None,
    level: Annotated[str | None, typer.Option(help="Partner level, set by the vendor.")] = None,
    credit_control: Annotated[bool | None, typer.Option(help="Credit control is enabled, or not.")] = None,
) -> None:
    """Enter an account, or change what is given; a new one is unverified unless you say otherwise."""

    async def action(session: Session) -> None:
        async with _directory(session) as archive:
            known = next(iter(await archive.accounts([uid])), None)
            company = known.enterprise.model_dump() if known and known.enterprise else {}
            company |= _given(
                legal_name=enterprise, registration_number=registration, country=country, verified=verified
            )
            if not {"legal_name", "registration_number"} <= company.keys():
                fail(
                    f"Account {uid} is not in {archive.name} yet, and a new one needs its enterprise.",
                    "Give both: --enterprise NAME --registration NUMBER.",
                    USAGE,
                )
            fields = {"uid": uid} | (known.model_dump() if known else {}) | {"enterprise": company}
            fields |= _given(business_type=business_type, partner_level=level, credit_control=credit_control)
            account = OnboardingError.unless_valid(Account, fields)
            await archive.put_accounts([account])
        name = account.enterprise.legal_name if account.enterprise else ""
        state = "verified" if account.verified else "not verified (--verified)"
        _print(session, f"Account {uid}: {name}, {state}; in {archive.name}")

    perform(ctx, action)


@app.command("import", epilog="Example: onboarding account import accounts.jsonl")
def import_accounts(
    ctx: typer.Context,
    file: Annotated[
        typer.FileText,
        typer.Argument(
            metavar="FILE",
            help="JSON objects as an account service answers, one a line or in an array; - is stdin.",
            encoding=JSON_ENCODING,
        ),
    ],
) -> None:
    """Enter the accounts of a file, or replace what is known of them: all, or with a wrong one none."""

    async def action(session: Session) -> None:
        with telling_how_far() as progress:
            progress.told = "Nothing was stored: of a file, all accounts are or none."
            progress.remedy = "Run the same line again: what is there already is left as it is."
            accounts = await _accounts(name_of(file), _text(file))
            async with _directory(session) as archive:
                known = {account.uid: account for account in await archive.accounts()}
                differ = [account for account in accounts if known.get(account.uid) != account]
                new = sum(account.uid not in known for account in differ)
                told = (
                    f"Accounts: {new} new, {len(differ) - new} changed, {len(accounts) - len(differ)} as they"
                    f" were; in {archive.name}"
                )
                if differ:
                    await _stored(archive, differ, progress, told)
        _print(session, told)

    perform(ctx, action)


@app.command("list", epilog="Example: onboarding account list --json")
def list_accounts(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the accounts, by UID."""

    async def action(session: Session) -> None:
        async with _directory(session) as archive:
            found = await archive.accounts()
        if as_json:
            print_json(session.console, found)
            return
        print_table(
            session.console,
            ("UID", "Enterprise", "Registration", "Country", "Verified", "Type", "Level", "Credit control"),
            [*map(_row, found)],
        )

    perform(ctx, action)


@app.command("delete", epilog="Example: onboarding account delete 5123456789")
def delete_account(ctx: typer.Context, uid: AccountArgument) -> None:
    """Delete an account; exit code 1 if there is none. Applications keep what they were told of it."""

    async def action(session: Session) -> None:
        async with _directory(session) as archive:
            was_there = await archive.delete_account(uid)
        if not was_there:
            _print(session, f"Account {uid} is not in {archive.name}: nothing to delete.")
            raise typer.Exit(FAILED)
        _print(session, f"Account {uid}: deleted from {archive.name}")

    perform(ctx, action)


async def _stored(archive: Archive, accounts: list[Account], progress: Progress, told: str) -> None:
    """Store the accounts; once begun, it is waited for, so that who ends it learns what is stored."""
    storing = asyncio.ensure_future(archive.put_accounts(accounts))
    try:
        await asyncio.shield(storing)
    except asyncio.CancelledError:
        Console(stderr=True).print("The accounts are being stored; this is waited for …")
        await storing
        progress.told = f"All is stored. {told}."
        raise


async def _accounts(name: str, text: str) -> list[Account]:
    """The accounts of a file of JSON lines, empty lines left out, or of a JSON array.

    Raises:
        typer.Exit: some are wrong, which are told with their places; or it has none.
    """
    # Only this command needs what knows the outside services; the others start faster without.
    from activities.account_directory import usable
    from activities.outside_service import UnusableAnswerError

    accounts: dict[str, tuple[str, Account]] = {}
    wrong: list[str] = []
    for place, found in _placed(text):
        # Of many, Ctrl-C need not wait for the last.
        await asyncio.sleep(0)
        if not isinstance(found, dict):
            problem = str(found) if isinstance(found, NotJsonError) else "must be a JSON object"
            wrong.append(f"{place}: {problem}")
            continue
        if unknown := _unknown_keys(found):
            wrong.append(f"{place}: {unknown}")
            continue
        try:
            account = usable(OnboardingError.unless_valid(Account, found))
        except OnboardingError as error:
            wrong.append(f"{place}: {error.message}")
        except UnusableAnswerError as error:
            wrong.append(f"{place}: {error}")
        else:
            first, _ = accounts.setdefault(account.uid, (place, account))
            if first != place:
                wrong.append(f"{place}: UID {account.uid} is in {first}, too")
    if wrong:
        more = len(wrong) - MOST_TOLD
        told = [*wrong[:MOST_TOLD], *([f"and {more} more"] if more > 0 else [])]
        fail("\n".join([f"{name}:", *told]), "Nothing was changed: correct these, then import it again.")
    if not accounts:
        fail(
            f"{name} has no account in it.",
            "One JSON object a line is expected, or a JSON array of them; nothing was changed.",
        )
    return [account for _, account in accounts.values()]


def _text(file: TextIO) -> str:
    try:
        return text_of(file)
    except NotJsonError as error:
        fail(f"{error}.", "Nothing was changed: save it as UTF-8, then import it again.")


def _placed(text: str) -> Iterator[tuple[str, object]]:
    """What stands in a file, and where; in its place the error where that is not JSON."""
    if not text.lstrip().startswith("["):
        lines = enumerate(text.split("\n"), 1)
        yield from ((f"line {number}", _line(line)) for number, line in lines if line.strip())
        return
    found = _json(text)
    if isinstance(found, list):
        yield from ((f"account {number}", each) for number, each in enumerate(found, 1))
    else:
        yield "JSON array", found


def _json(text: str) -> object:
    try:
        return parsed(text)
    except NotJsonError as error:
        return error


def _line(text: str) -> object:
    """What a line says; of one that is no JSON at all, what was expected in its place."""
    found = _json(text)
    if not isinstance(found, NotJsonError) or not isinstance(found.__context__, json.JSONDecodeError):
        return found
    begins = json.dumps(text.strip()[:MOST_SHOWN], ensure_ascii=False)
    return NotJsonError(f"not JSON: {begins}, expected one JSON object per line, like {EXAMPLE}")


def _unknown_keys(found: dict[str, object]) -> str | None:
    """Which keys an account does not have, and which it may have."""
    enterprise = found.get("enterprise")
    objects = (
        ("", found, Account),
        ("enterprise.", enterprise if isinstance(enterprise, dict) else {}, Company),
    )
    for path, keys, model in objects:
        if unknown := [key for key in keys if key not in model.model_fields]:
            named = ", ".join(f"{path}{key[:MOST_SHOWN]}" for key in unknown[:MOST_TOLD])
            allowed = ", ".join(f"{path}{key}" for key in model.model_fields)
            return f"unknown key {named}; allowed are {allowed}; like {EXAMPLE}"
    return None


def _row(account: Account) -> list[Text]:
    company = account.enterprise
    return row_of(
        account.uid,
        company and company.legal_name,
        company and company.registration_number,
        company and company.country,
        "verified" if account.verified else "",
        account.business_type,
        account.partner_level,
        "enabled" if account.credit_control else "",
    )


def _print(session: Session, told: str) -> None:
    session.console.print(Text(shown(told)), soft_wrap=True)


def _given(**options: object) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}
