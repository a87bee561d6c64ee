"""The corpus, replayed where the tables of all libraries are empty, or say something else.

Countries, currencies, time zones, calendars and what an e-mail address may be differ between releases of
libraries, and from machine to machine. What they said once is in the histories; code that asked again would
judge the past by today's.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final

import pytest

from domain.inquiry import Table
from tests.long import LONG, some_of
from tests.replay.corpus import HISTORIES, recorded

_NOTHING: Final = {
    "pycountry": """
class Database:
    def get(self, **codes): return None
countries = currencies = Database()
""",
    "email_validator": """
class EmailNotValidError(ValueError): pass
def validate_email(address, **options): raise EmailNotValidError("no address is one")
""",
    "holidays": """
class HolidayBase: pass
def country_holidays(country, **options): raise NotImplementedError(country)
""",
    "tzdata": "",
}
"""Modules by the names of the libraries, found before them, also in the sandbox."""
_ANYTHING: Final = {
    **_NOTHING,
    "pycountry": """
class Database:
    def get(self, **codes): return "Elsewhere"
countries = currencies = Database()
""",
    "email_validator": """
class EmailNotValidError(ValueError): pass
def validate_email(address, **options): return address
""",
    "holidays": """
class HolidayBase: pass
def country_holidays(country, **options): return {}
""",
}
_OTHER_ZONE: Final = "Pacific/Kiritimati"
"""Whose zone file stands under every other's name: 14 hours before UTC."""
_ZONES: Final = ("Asia/Shanghai", "Asia/Singapore", "Asia/Riyadh", "Asia/Tokyo", "Pacific/Auckland")
_ASKED: Final = """
import json, sys
from datetime import datetime
from activities import clocks, tables
from domain.clocks import ClockRequest
from domain.inquiry import TableEntry
from domain.policy import Policy
values = json.loads(sys.argv[1])
entries = [TableEntry(field=name, table=name, value=value) for name, value in values.items()]
request = ClockRequest(kind="start_date", on="2026-03-01", time_zone=values["time_zone"])
[clock] = clocks.set_clocks((request,), datetime.fromisoformat("2026-01-01T00:00:00Z"), Policy())
print(json.dumps([[problem.field for problem in tables.problems(entries)], clock.model_dump_json()]))
"""
_REAL: Final = {
    Table.COUNTRY: "SG",
    Table.CURRENCY: "USD",
    Table.TIME_ZONE: "Asia/Singapore",
    Table.EMAIL: "ann.tan@acme.example.com",
    Table.CALENDAR: "CN",
}
_MADE_UP: Final = {
    **_REAL,
    Table.COUNTRY: "ZZ",
    Table.CURRENCY: "ZZZ",
    Table.EMAIL: "nobody@nowhere",
    Table.CALENDAR: "ZZ",
}


@dataclass(frozen=True)
class Machine:
    """A machine with other tables, in a folder."""

    folder: Path
    modules: dict[str, str]
    zones: tuple[str, ...] = field(default=())

    def run(self, *arguments: str) -> str:
        """What a Python process there prints; fails if it does."""
        for name, source in self.modules.items():
            (self.folder / name).mkdir(exist_ok=True)
            (self.folder / name / "__init__.py").write_text(source, encoding="utf-8")
        (self.folder / "tzdata" / "zones").write_text("\n".join(self.zones), encoding="utf-8")
        for zone in self.zones:
            path = self.folder / "zones" / zone
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(resources.files("tzdata.zoneinfo").joinpath(_OTHER_ZONE).read_bytes())
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(HISTORIES.parents[2])]),
            "PYTHONTZPATH": str(self.folder / "zones") if self.zones else "",
        }
        finished = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout


@pytest.fixture(params=some_of(["emptied", "swapped"], every=2))
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """One with empty tables, one with others."""
    return Machine(tmp_path, _NOTHING) if request.param == "emptied" else Machine(tmp_path, _ANYTHING, _ZONES)


@LONG
def test_all_histories_replay_whatever_the_tables_say(machine: Machine) -> None:
    told = machine.run("-m", "tests.replay")

    assert f"All {len(recorded())} histories replay as recorded" in told


def test_histories_of_open_applications_replay_whatever_the_tables_say(machine: Machine) -> None:
    told = machine.run("-m", "tests.replay", "*/open_in_*")

    assert "histories replay as recorded" in told


def test_emptied_tables_have_nothing(tmp_path: Path) -> None:
    """What the test above rests on."""
    problems, clock = json.loads(Machine(tmp_path, _NOTHING).run("-c", _ASKED, json.dumps(_REAL)))

    assert problems == list(Table)
    assert json.loads(clock)["estimate"]


def test_swapped_tables_have_anything(tmp_path: Path) -> None:
    """What the test above rests on."""
    problems, clock = json.loads(Machine(tmp_path, _ANYTHING, _ZONES).run("-c", _ASKED, json.dumps(_MADE_UP)))

    assert problems == []
    assert json.loads(clock)["due_at"] == "2026-02-28T10:00:00Z"
