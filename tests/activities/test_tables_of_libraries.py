"""What the tables of libraries say of a value, and in which words it is refused."""

from typing import Final

import pytest

from activities import tables
from domain.inquiry import Problem, Table, TableEntry

KNOWN: Final = [
    (Table.COUNTRY, "SG"),
    (Table.CURRENCY, "USD"),
    (Table.TIME_ZONE, "Asia/Shanghai"),
    (Table.TIME_ZONE, "UTC"),
    (Table.EMAIL, "ann@acme.example.com"),
    (Table.EMAIL, "陈美@bücher.example"),
    (Table.CALENDAR, "CN"),
    (Table.CALENDAR, "US-CA"),
]
UNKNOWN: Final = [
    (Table.COUNTRY, "XX", "must be a country by ISO 3166-1 alpha-2, such as CN"),
    (Table.CURRENCY, "XYZ", "must be a currency by ISO 4217, such as USD"),
    (Table.TIME_ZONE, "Shanghai", "must be an IANA time zone, such as Asia/Shanghai"),
    (Table.TIME_ZONE, "America", "must be an IANA time zone, such as Asia/Shanghai"),
    (Table.TIME_ZONE, "../etc/passwd", "must be an IANA time zone, such as Asia/Shanghai"),
    (Table.EMAIL, "ann@acme..com", "must be an e-mail address: "),
    (Table.EMAIL, "ann@-acme.example", "must be an e-mail address: "),
    (Table.CALENDAR, "XX", ""),
    (Table.CALENDAR, "US-XX", ""),
]


@pytest.mark.parametrize(("table", "value"), KNOWN)
def test_what_is_in_its_table_is_no_problem(table: Table, value: str) -> None:
    assert tables.problems([TableEntry(field="f", table=table, value=value)]) == ()


@pytest.mark.parametrize(("table", "value", "says"), UNKNOWN)
def test_what_is_not_is_told_with_what_would_be_right(table: Table, value: str, says: str) -> None:
    [problem] = tables.problems([TableEntry(field="sheet.f", table=table, value=value)])
    assert problem.field == "sheet.f"
    assert problem.message.startswith(says)
    assert len(problem.message) > 20


def test_every_table_is_asked() -> None:
    assert {table for table, _ in KNOWN} == {table for table, *_ in UNKNOWN} == set(Table)


def test_each_problem_is_told_in_the_order_of_the_entries() -> None:
    entries = [TableEntry(field=value, table=table, value=value) for table, value, _ in UNKNOWN]
    good = [TableEntry(field=value, table=table, value=value) for table, value in KNOWN]
    found = tables.problems([*good, *entries])
    assert [problem.field for problem in found] == [entry.field for entry in entries]
    assert all(isinstance(problem, Problem) for problem in found)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Acme Cloud Pte. Ltd.", "acme  CLOUD pte. ltd.", True),
        (" Acme\tCloud ", "Acme Cloud", True),
        ("Straße GmbH", "STRASSE GMBH", True),
        ("Acme Cloud", "AcmeCloud", False),
        ("Acme Cloud", "Acme Cloud Ltd.", False),
    ],
)
def test_a_companys_name_is_compared_as_people_read_it(one: str, other: str, same: bool) -> None:
    assert tables.same_name(one, other) is same
