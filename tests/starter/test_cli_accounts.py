"""`onboarding account`: one account, or a file of them; all or none, and never twice."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

import pytest

from activities.db.engine import Database
from activities.db.schema import Schema
from domain.inquiry import Account
from starter.cli.accounts import EXAMPLE
from tests.starter.cli_fakes import UID, Cli, FakeArchive

OTHER = "5123456790"
LIN = {
    "legal_name": "上海云集（集团）有限公司",
    "registration_number": "9131",
    "country": "CN",
    "verified": True,
}
COUNT = "SELECT COUNT(*) FROM accounts"
SET = ["account", "set", UID, "--enterprise", "Lin Cloud Ltd", "--registration", "91310000X"]


def line(uid: str, **fields: object) -> str:
    return json.dumps({"uid": uid, "enterprise": LIN} | fields, ensure_ascii=False)


def directory(*lines: str) -> dict[str, Account]:
    accounts = map(Account.model_validate_json, lines)
    return {account.uid: account for account in accounts}


def test_an_account_is_entered_and_then_changed_in_part() -> None:
    cli = Cli()
    told = cli.run(*SET, "--level", "L2", "--business-type", "reseller").stdout
    assert told == f"Account {UID}: Lin Cloud Ltd, not verified (--verified); in sqlite:///onboarding.db\n"
    assert not cli.archived.directory[UID].verified
    assert cli.run("account", "set", UID, "--verified", "--credit-control").exit_code == 0
    account = cli.archived.directory[UID]
    assert account.verified
    assert account.credit_control
    assert account == Account.model_validate(account.model_dump() | {"partner_level": "L2"})


def test_a_new_account_needs_an_enterprise() -> None:
    result = Cli().run("account", "set", UID, "--verified")
    assert result.exit_code == 2
    assert f"Account {UID} is not in sqlite:///onboarding.db yet" in result.stderr
    assert "--enterprise NAME --registration NUMBER" in result.stderr


@pytest.mark.parametrize("command", [SET, ["account", "list"], ["account", "delete", UID]])
def test_an_outside_directory_is_neither_read_nor_written(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONBOARDING_ACCOUNTS_URL", "https://accounts.example.com")
    cli = Cli(archived=FakeArchive(directory=directory(line(OTHER))))
    result = cli.run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "ONBOARDING_ACCOUNTS_URL" in result.stderr
    assert cli.archived.directory.keys() == {OTHER}


def test_a_file_of_accounts_is_imported_and_the_second_time_changes_nothing() -> None:
    lines = f"{line(UID)}\n\n{line(OTHER, partner_level=' L2')}\n"
    cli = Cli(archived=FakeArchive(directory=directory(line(OTHER))))
    told = [cli.run("account", "import", "-", stdin=lines).stdout for _ in range(2)]
    assert told == [
        "Accounts: 1 new, 1 changed, 0 as they were; in sqlite:///onboarding.db\n",
        "Accounts: 0 new, 0 changed, 2 as they were; in sqlite:///onboarding.db\n",
    ]
    assert cli.archived.directory == directory(line(UID), line(OTHER, partner_level="L2"))
    assert cli.archived.written == 2


def test_what_the_list_shows_can_be_imported() -> None:
    cli = Cli(archived=FakeArchive(directory=directory(line(UID), line(OTHER, business_type="agency"))))
    listed = cli.run("account", "list", "--json").stdout
    for content in (
        "\n".join(map(json.dumps, json.loads(listed))),
        listed,
        json.dumps(json.loads(listed), indent=2),
    ):
        other = Cli()
        assert "2 new" in other.run("account", "import", "-", stdin=content).stdout
        assert "2 as they were" in other.run("account", "import", "-", stdin=content).stdout
        assert other.archived.directory == cli.archived.directory


def test_what_is_wrong_in_an_array_is_told_by_the_number_of_the_account() -> None:
    cli = Cli()
    accounts = ",\n".join([line(UID), line("5x"), "[]", line(UID)])
    result = cli.run("account", "import", "-", stdin=f"[{accounts}]")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == [
        "account 2: uid: must be 1 to 32 digits",
        "account 3: must be a JSON object",
        f"account 4: UID {UID} is in account 1, too",
        "Nothing was changed: correct these, then import it again.",
    ]
    assert cli.archived.directory == {}


def test_an_array_that_is_broken_is_told_once() -> None:
    cli = Cli()
    result = cli.run("account", "import", "-", stdin=f"[{line(UID)},\n{line(OTHER)}\n")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1].startswith("JSON array: is not JSON: Expecting ',' delimiter: line ")
    assert cli.archived.directory == {}


def test_an_empty_array_has_no_account() -> None:
    result = Cli().run("account", "import", "-", stdin="[]")
    assert (result.exit_code, "has no account in it" in result.stderr) == (1, True)


def test_wrong_lines_are_all_told_and_nothing_is_changed() -> None:
    lines = [
        line(UID),
        line("5x"),
        line("7", colour="red"),
        "nonsense",
        "[]",
        line(UID),
        json.dumps({"uid": "9", "enterprise": {"legal_name": "A"}}),
        line("10", partner_level="L\x1b2"),
        line("11").replace('"verified": true', '"verified": true, "verified": false'),
    ]
    cli = Cli()
    result = cli.run("account", "import", "-", stdin="\n".join(lines))
    assert result.exit_code == 1
    _, *told, remedy = result.stderr.splitlines()
    assert told == [
        "line 2: uid: must be 1 to 32 digits",
        "line 3: unknown key colour; allowed are uid, enterprise, business_type, partner_level, "
        f"credit_control; like {EXAMPLE}",
        f'line 4: not JSON: "nonsense", expected one JSON object per line, like {EXAMPLE}',
        "line 5: must be a JSON object",
        f"line 6: UID {UID} is in line 1, too",
        "line 7: enterprise.registration_number: Field required",
        "line 8: account 10, partner_level: must not contain control characters",
        'line 9: has the key "verified" twice in one object',
    ]
    assert remedy.startswith("Nothing was changed: ")
    assert cli.archived.directory == {}


def test_a_table_is_told_what_a_line_is_like() -> None:
    result = Cli().run("account", "import", "-", stdin="uid,legal_name\n5123456789,Lin Cloud Ltd\n")
    assert result.stderr.splitlines()[1:3] == [
        f'line 1: not JSON: "uid,legal_name", expected one JSON object per line, like {EXAMPLE}',
        f'line 2: not JSON: "5123456789,Lin Cloud Ltd", expected one JSON object per line, like {EXAMPLE}',
    ]
    assert "Traceback" not in result.stderr


def test_a_wrong_key_of_the_enterprise_is_told_with_those_it_has() -> None:
    enterprise = {"name": "A", "registration_number": "1"}
    result = Cli().run("account", "import", "-", stdin=json.dumps({"uid": "9", "enterprise": enterprise}))
    assert "line 1: unknown key enterprise.name; allowed are enterprise.legal_name, " in result.stderr


def test_the_example_is_an_account() -> None:
    cli = Cli()
    assert cli.run("account", "import", "-", stdin=EXAMPLE).exit_code == 0
    assert set(cli.archived.directory) == {"5123456789"}


def test_of_many_wrong_lines_the_first_are_told() -> None:
    result = Cli().run("account", "import", "-", stdin="x\n" * 1_000)
    assert result.stderr.count("not JSON") == 20
    assert "\nand 980 more\n" in result.stderr


@pytest.mark.parametrize(("content", "said"), [(b"", "has no account in it"), (b"\xff\xfe{", "is not UTF-8")])
def test_a_file_without_accounts(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "accounts.jsonl"
    file.write_bytes(content)
    result = Cli().run("account", "import", str(file))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{file} {said}")


def test_a_file_may_begin_with_the_mark_of_editors_on_windows(tmp_path: Path) -> None:
    file = tmp_path / "accounts.jsonl"
    file.write_text(f"{line(UID)}\r\n{line(OTHER)}\r\n", encoding="utf-8-sig")
    cli = Cli()
    assert cli.run("account", "import", str(file)).exit_code == 0
    assert cli.archived.directory.keys() == {UID, OTHER}


def test_accounts_are_listed_one_a_line() -> None:
    cli = Cli(
        archived=FakeArchive(directory=directory(line(UID, business_type="reseller", partner_level="L2")))
    )
    assert cli.run("account", "list").stdout == (
        f"{UID}\t{LIN['legal_name']}\t9131\tCN\tverified\treseller\tL2\t\n"
    )
    assert Cli().run("account", "list").stdout == ""


def test_an_account_is_deleted_once() -> None:
    cli = Cli(archived=FakeArchive(directory=directory(line(UID), line(OTHER))))
    first, second = (cli.run("account", "delete", UID) for _ in range(2))
    assert (first.exit_code, first.stdout) == (0, f"Account {UID}: deleted from sqlite:///onboarding.db\n")
    assert (second.exit_code, "nothing to delete" in second.stdout) == (1, True)
    assert cli.archived.directory.keys() == {OTHER}


@dataclass
class EndedWhile(FakeArchive):
    """Who runs the command presses Ctrl-C while the accounts are read, or stored, which goes on."""

    reading: bool = False

    async def accounts(self, uids: Sequence[str] | None = None) -> tuple[Account, ...]:
        if self.reading:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        return await super().accounts(uids)

    async def put_accounts(self, accounts: Sequence[Account]) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.01)
        await super().put_accounts(accounts)


@pytest.mark.parametrize("reading", [True, False])
def test_who_ends_an_import_learns_how_much_is_stored(reading: bool) -> None:
    cli = Cli(archived=EndedWhile(directory=directory(line(OTHER)), reading=reading))
    result = cli.run("account", "import", "-", stdin=f"{line(UID)}\n{line(OTHER)}\n")
    assert (result.exit_code, result.stdout) == (130, "")
    told = (
        "Ended. Nothing was stored: of a file, all accounts are or none."
        if reading
        else "Ended. All is stored. Accounts: 1 new, 0 changed, 1 as they were; in sqlite:///onboarding.db."
    )
    waits = [] if reading else ["The accounts are being stored; this is waited for …"]
    assert result.stderr.splitlines() == [
        *waits,
        told,
        "Run the same line again: what is there already is left as it is.",
    ]
    assert len(cli.archived.directory) == (1 if reading else 2)


def test_an_import_can_be_ended_whatever_it_is_at(tmp_path: Path) -> None:
    """By the real console on SQLite: while it waits for its input, and in the midst of much of it."""
    url = f"sqlite:///{tmp_path / 'onboarding.db'}"
    asyncio.run(Schema(Database(url)).migrate())
    content = "".join(f"{line(str(7_000_000_000 + n))}\n" for n in range(5_000)).encode()
    console = [str(Path(sys.executable).with_name("onboarding")), "account", "import", "-"]
    for wait in (True, False):
        with subprocess.Popen(
            console,
            env={**os.environ, "ONBOARDING_DATABASE_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdin
            process.stdin.write(content)
            process.stdin.flush()
            if wait:
                while any(ioctl(process.stdin, termios.FIONREAD, bytes(4))):
                    time.sleep(0.05)
                time.sleep(0.2)
            else:
                process.stdin.close()
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
            assert process.stdout
            assert process.stderr
            out, err = process.stdout.read(), process.stderr.read()
        stored = int(sqlite3.connect(tmp_path / "onboarding.db").execute(COUNT).fetchone()[0])
        assert process.returncode == 130
        assert (out, b"Traceback" in err) == (b"", False)
        assert stored == (5_000 if b"All is stored" in err else 0)
        assert b"Run the same line again" in err
        with sqlite3.connect(tmp_path / "onboarding.db", timeout=0, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
