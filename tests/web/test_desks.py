"""Desks: what their file may say, who works at which, and which serves a company that joins."""

from pathlib import Path
from typing import Any

import pytest

from domain.contract import Stage
from domain.policy import Policy
from starter.web.callers import Caller
from starter.web.desks import DesksError, read_desks
from tests.activities.examples import application
from tests.web.doors import BD, CHINA, DESKS, LEAD, OTHERS, OWN, REST, Doors

GREATER_CHINA = """
[[desk]]
name = "Greater China"
countries = ["CN", "HK"]
calendar = "CN"
time_zone = "Asia/Shanghai"
mail_hour = 8
lead = { name = "Ada Roth", email = "ada@vendor.example", sub = "248289761001" }
bds = [
  { name = "Wei Zhang", email = "wei@vendor.example", locale = "zh" },
  { name = "Li Na", email = "li@vendor.example" },
]
"""
REST_OF_ALL = """
[[desk]]
name = "Rest"
calendar = "US-CA"
time_zone = "America/Los_Angeles"
lead = { name = "Bo Ek", email = "bo@vendor.example" }
bds = [{ name = "Bo Ek", email = "bo@vendor.example" }]
"""
ROOT = Path(__file__).parents[2]
JOINING = {"contact_name": "Mei Lin", "contact_email": "mei@lincloud.example"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "desks.toml"


def test_a_file_says_who_serves_whom(file: Path) -> None:
    file.write_text(GREATER_CHINA + REST_OF_ALL)
    desks = read_desks(file)
    assert desks.by_country
    china, rest = desks.of("HK"), desks.of("FR")
    assert china
    assert rest
    assert (china.name, rest.name, desks.of(None)) == ("Greater China", "Rest", rest)
    assert china.policy() == Policy(calendar="CN", time_zone="Asia/Shanghai", mail_hour=8)
    assert rest.policy().mail_hour == 9
    named = Policy(review_working_days=5, calendar="HK")
    assert china.policy(named) == Policy(
        review_working_days=5, calendar="HK", time_zone="Asia/Shanghai", mail_hour=8
    )
    assert china.bds[0].person.locale == "zh"


def test_the_example_of_the_documentation_is_one(file: Path) -> None:
    page = (ROOT / "docs/reference/http-api.md").read_text("utf-8")
    file.write_text(page.partition("```toml\n")[2].partition("```")[0], "utf-8")
    desks = read_desks(file)
    assert [desk.name for desk in (desks.of("HK"), desks.of("FR")) if desk] == ["Greater China", "Rest"]


def test_without_one_for_the_rest_some_are_served_by_none(file: Path) -> None:
    file.write_text(GREATER_CHINA)
    assert read_desks(file).of("FR") is None


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('"CN", "HK"', '"CN", "XX"', "desk.0.countries.1: must be a country by ISO 3166-1"),
        ('"CN", "HK"', '"China"', "desk.0.countries.0: must be a country's two letters"),
        ('"CN", "HK"', "", "desk.0.countries: "),
        ('"CN", "HK"', '"CN", "HK", "CN"', "the country CN is there twice"),
        (
            'countries = ["CN", "HK"]',
            "",
            "only one desk may be without countries, not 'Greater China', 'Rest'",
        ),
        ('name = "Rest"', 'name = "Rest"\ncountries = ["HK"]', "the country HK is there twice"),
        ('name = "Rest"', 'name = "Greater China"', "the name 'Greater China' is there twice"),
        ('name = "Rest"', 'name = ""', "desk.1.name: "),
        ('calendar = "CN"', 'calendar = "CN-NOWHERE"', "desk.0.calendar: region 'CN-NOWHERE' is not"),
        ('calendar = "CN"', "", "desk.0.calendar: Field required"),
        ("Asia/Shanghai", "Asia/Nowhere", "desk.0.time_zone: must be an IANA time zone"),
        ("mail_hour = 8", "mail_hour = 24", "desk.0.mail_hour: "),
        ("ada@vendor.example", "ada", "desk.0.lead.email: must be an e-mail address"),
        ("wei@vendor.example", "wei@vendor", "desk.0.bds.0.email: must be an e-mail address"),
        ("li@vendor.example", "Wei@vendor.example", "the BD wei@vendor.example is there twice"),
        ("li@vendor.example", "ada@vendor.example", "ada@vendor.example must have the same sub wherever"),
        ('lead = { name = "Bo', 'boss = { name = "Bo', "desk.1.lead: Field required"),
        ('lead = { name = "Bo', 'boss = { name = "Bo', "desk.1.boss: Extra inputs"),
        ('bds = [{ name = "Bo Ek", email = "bo@vendor.example" }]', "bds = []", "desk.1.bds: "),
        ("[[desk]]", "[[desks]]", "desks: Extra inputs are not permitted"),
        ("[[desk]]", "[[desk]", "Expected"),
    ],
)
def test_a_file_that_says_it_wrongly(file: Path, before: str, after: str, reason: str) -> None:
    whole = GREATER_CHINA + REST_OF_ALL
    assert before in whole
    file.write_text(whole.replace(before, after))
    with pytest.raises(DesksError) as wrong:
        read_desks(file)
    assert str(wrong.value).startswith(f"ONBOARDING_DESKS: {file}: ")
    assert reason in str(wrong.value)


def test_a_file_without_desks_and_one_that_is_gone(file: Path) -> None:
    file.write_text("")
    with pytest.raises(DesksError, match="desk: Field required"):
        read_desks(file)
    file.unlink()
    with pytest.raises(DesksError, match="No such file"):
        read_desks(file)


@pytest.mark.parametrize(
    ("caller", "desks", "leads", "addresses"),
    [
        (Caller("x", email=BD.upper()), {CHINA}, set(), {BD}),
        (Caller("x", email=LEAD), {CHINA}, {CHINA}, {LEAD}),
        (Caller("x", email="other@vendor.example"), set(), set(), {"other@vendor.example"}),
        (Caller("x"), set(), set(), set()),
        (Caller("eva-7"), {REST}, {REST}, {"eva@vendor.example"}),
        (Caller("bo-7", email="bo@new.example"), {REST}, set(), {"bo@vendor.example", "bo@new.example"}),
        # The address of somebody who is known by another subject.
        (Caller("x", email="Bo@vendor.example"), set(), set(), set()),
    ],
)
def test_who_works_where(caller: Caller, desks: set[str], leads: set[str], addresses: set[str]) -> None:
    placed = DESKS.placed(caller)
    assert (set(placed.desks), set(placed.leads), set(placed.addresses)) == (desks, leads, addresses)


async def _joined(doors: Doors, who: str = "ops", uid: str = OWN, **named: Any) -> Any:
    doors.service.joins.clear()
    response = await doors.post("/applications", who, json={**JOINING, "company_master_uid": uid, **named})
    assert response.status_code == 201, response.text
    return doors.service.joins[0]


async def test_a_company_is_served_by_the_desk_of_its_country(doors: Doors) -> None:
    own, others = await _joined(doors, "partner"), await _joined(doors, "partner-of-others", OTHERS)
    assert (own.desk, own.bd_lead.email) == (CHINA, LEAD)
    assert (others.desk, others.bd.email) == (REST, "bo@vendor.example")
    assert own.policy == Policy(calendar="CN", time_zone="Asia/Shanghai", mail_hour=8)
    assert others.policy == Policy(calendar="DE", time_zone="Europe/Berlin")
    assert "sub" not in others.model_dump_json()


async def test_without_a_country_the_desk_without_countries_serves_it(doors: Doors) -> None:
    doors.directory.countries.clear()
    assert (await _joined(doors, "partner")).desk == REST


async def test_the_bd_with_the_fewest_open_applications_gets_it(doors: Doors) -> None:
    """Of several the first in the file; what has ended does not count."""
    joined = await _joined(doors)
    assert joined.bd.model_dump() == {"name": "Ann Tan", "email": "Ann@vendor.example", "locale": "zh"}
    # Li Wei has two.
    hers = [application(f"a{number}", uid=str(6000 + number)).but(bd=joined.bd) for number in range(3)]
    await doors.store(hers[0], hers[1], hers[2].but(stage=Stage.REJECTED))
    assert (await _joined(doors)).bd.email == BD


async def test_ops_and_services_may_name_some_and_the_desk_gives_the_rest(doors: Doors) -> None:
    person = {"name": "Zoe Hall", "email": "zoe@vendor.example"}
    joined = await _joined(doors, "service", bd=person, policy={"review_working_days": 5})
    assert (joined.bd.email, joined.bd_lead.email, joined.desk) == ("zoe@vendor.example", LEAD, CHINA)
    assert joined.policy == Policy(
        review_working_days=5, calendar="CN", time_zone="Asia/Shanghai", mail_hour=8
    )


async def test_nobody_is_given_to_the_wrong_desk_while_the_directory_is_down(doors: Doors) -> None:
    doors.directory.down = True
    response = await doors.post("/applications", "partner", json={**JOINING, "company_master_uid": OWN})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert not doors.service.joins
