"""What the tables of libraries have, and how names of companies are compared."""

import unicodedata
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from activities import tables
from domain.inquiry import Problem, Table, TableEntry
from domain.status import Company

LONG = f"{'a' * 64}@x.test"
KNOWN = {
    Table.COUNTRY: ["CN", "SG", "CI"],
    Table.CURRENCY: ["USD", "CNY", "EUR"],
    Table.TIME_ZONE: [
        "Asia/Shanghai",
        "UTC",
        "America/Argentina/Buenos_Aires",
        "Etc/GMT+12",
        "Asia/Calcutta",
    ],
    Table.EMAIL: [
        "mei@partner.example",
        "陈美@bücher.example",
        "a+b@localhost.test",
        "x@sub.test",
        f"{'a' * 64}@x.test",
    ],
    Table.CALENDAR: ["CN", "US-CA", "SG", "DE-BY"],
}
UNKNOWN = {
    Table.COUNTRY: ["XX", "ZZ", "cn ", ""],
    Table.CURRENCY: ["XXQ", "QQQ", ""],
    Table.TIME_ZONE: [
        "Mars/Olympus",
        "America",
        "localtime",
        "posixrules",
        "Factory",
        "posix/Asia/Shanghai",
        "right/Asia/Shanghai",
        "asia/shanghai",
        "Asia/Shanghai/",
        "tzdata.zi",
        "../Asia/Shanghai",
        "",
    ],
    Table.EMAIL: [
        "mei",
        "mei@",
        "mei@partner..example",
        "mei@-partner.example",
        "m@n@partner.example",
        "",
        f"a{LONG}",
        f"{'陈' * 22}@partner.example",
    ],
    Table.CALENDAR: ["XX", "CN-XX", "US-", "China", "HolidayBase", ""],
}
REMEDIES = {
    Table.COUNTRY: "must be a country by ISO 3166-1 alpha-2, such as CN",
    Table.CURRENCY: "must be a currency by ISO 4217, such as USD",
    Table.TIME_ZONE: "must be an IANA time zone, such as Asia/Shanghai",
    Table.EMAIL: "must be an e-mail address: ",
    Table.CALENDAR: "is not in the calendars of holidays",
}


def entry(table: Table, value: str, field: str = "a.b") -> TableEntry:
    return TableEntry(field=field, table=table, value=value)


def test_every_table_is_asked() -> None:
    assert set(KNOWN) == set(UNKNOWN) == set(REMEDIES) == set(Table)


@pytest.mark.parametrize(
    ("table", "value"), [(table, value) for table, values in KNOWN.items() for value in values]
)
def test_what_a_table_has_is_no_problem(table: Table, value: str) -> None:
    assert tables.problems([entry(table, value)]) == ()


@pytest.mark.parametrize(
    ("table", "value"), [(table, value) for table, values in UNKNOWN.items() for value in values]
)
def test_what_a_table_does_not_have_is_told_with_what_would_be_right(table: Table, value: str) -> None:
    [problem] = tables.problems([entry(table, value)])
    assert problem.field == "a.b"
    assert REMEDIES[table] in problem.message


def test_each_problem_names_its_field_in_the_order_asked() -> None:
    asked = [
        entry(Table.CURRENCY, "QQQ", "sheet.basic.currency"),
        entry(Table.COUNTRY, "CN", "application.country"),
        entry(Table.TIME_ZONE, "Mars/Olympus", "sheet.basic.time_zone"),
        entry(Table.COUNTRY, "XX", "application.other"),
    ]
    assert tables.problems(asked) == (
        Problem(field="sheet.basic.currency", message=REMEDIES[Table.CURRENCY]),
        Problem(field="sheet.basic.time_zone", message=REMEDIES[Table.TIME_ZONE]),
        Problem(field="application.other", message=REMEDIES[Table.COUNTRY]),
    )
    assert tables.problems([]) == ()


def test_no_mail_domain_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is one today is not for the process to decide, nor to wait for."""
    monkeypatch.setattr("email_validator.deliverability.validate_email_deliverability", None)
    assert tables.problems([entry(Table.EMAIL, "mei@no-such-company.example")]) == ()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Acme Ltd.", "Acme Ltd.", True),
        ("ACME  ltd.", " Acme\tLtd. ", True),
        ("Straße GmbH", "STRASSE GMBH", True),
        ("阿里云有限公司", "阿里云 有限公司", False),
        ("Acme Ltd.", "Acme Ltd", False),
        ("Acme", "Acme Ltd.", False),
        ("", " ", True),
        ("上海云集（集团）有限公司", "上海云集(集团)有限公司", True),
        ("Café Lin", "Cafe\u0301 Lin", True),
        ("\uff21\uff43\uff4d\uff45\u3000\uff2c\uff54\uff44\uff0e", "Acme Ltd.", True),
        ("ｶﾌﾞｼｷｶﾞｲｼｬ", "カブシキガイシャ", True),
        ("O’Brien – Sons", "O'Brien - Sons", True),
        ("O\u00b4Brien", "O'Brien", True),
        ("Acme\u200b Ltd\ufeff", "Acme Ltd", True),
        ("\u202aAcme\u202c", "Acme", True),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", True),
        ("Acme", "\u0410cme", False),
        ("上海云集", "上海雲集", False),
        ("Acme 1", "Acme ²", False),
    ],
)
def test_how_a_name_was_typed_does_not_tell_it_from_another(one: str, other: str, same: bool) -> None:
    assert tables.same_name(one, other) is same
    assert tables.same_name(other, one) is same


@pytest.mark.parametrize(
    "text", ["上海云集（集团）有限公司", "Cafe\u0301", "\uff21", "ﬁ", "Ǆ", "ΐ", "İ", "\u0345"]
)
def test_a_name_is_the_same_as_itself_in_every_form(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert tables.same_name(text, unicodedata.normalize(form, text))


def test_enterprises_are_the_same_by_number_country_and_verification_and_by_name_as_read() -> None:
    one = Company(legal_name="云集（集团）", registration_number="9", country="CN", verified=True)
    assert tables.same_enterprise(one, one.model_copy(update={"legal_name": "云集(集团)"}))
    others: tuple[dict[str, object], ...] = (
        {"legal_name": "云集"}, {"registration_number": "8"}, {"country": None}, {"verified": False}
    )  # fmt: skip
    for other in others:
        assert not tables.same_enterprise(one, one.model_copy(update=other))
    assert not tables.same_enterprise(one, None)
    assert not tables.same_enterprise(None, one)
    assert tables.same_enterprise(None, None)


def test_a_zone_only_this_machine_has_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Mine").write_bytes((files("tzdata") / "zoneinfo/UTC").read_bytes())
    monkeypatch.setattr("zoneinfo._tzpath.TZPATH", (str(tmp_path),))
    assert ZoneInfo.no_cache("Mine").key == "Mine", "or this test proves nothing"
    assert tables.problems([entry(Table.TIME_ZONE, "Mine")])
    for zone in sorted(tables._ZONES):
        assert not tables.problems([entry(Table.TIME_ZONE, zone)])
        ZoneInfo(zone)
