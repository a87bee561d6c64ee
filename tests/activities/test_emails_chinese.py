"""Mails in Chinese are Chinese throughout: what the service says in them, not what people have typed."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from pydantic import BaseModel

from activities.emails.render import Links, Renderer
from activities.emails.wording import WORDINGS
from domain.lifecycle import STAGES
from domain.status import ClosingCode, WarningCode
from tests.activities.notices import TEMPLATES, mail
from tests.activities.test_emails_notices import COMMITMENT, SECTIONS, _Reader

LINKS: Final = Links(
    portal_url="https://portal.example.com/",
    acpn_url="https://acpn.example.com/console",
    verify_url="https://verify.example.com/",
)
RENDERER: Final = Renderer(LINKS)
GUIDE: Final = (
    *(f"The definition of Commitment: {COMMITMENT}", "Alibaba Cloud Channel Partner Policy", *SECTIONS),
    *(row.status_text for row in STAGES.values()),
    *(
        "Withdraw application",
        "Go to Verify",
        "Alibaba Cloud Partner Network > Console",
        "ACPN access granted",
    ),
    *("Commitment", "Confirm", "Modify", "Submit", "Reseller", "Distributor", "Agency"),
)
"""What the guide and its portal call by these names: a reader has to find them there."""
NAMES: Final = {"ACPN", "UID", "BD", "Company", "Master", "Main", "Associated", "SHA", "UTC", "Temporal"}
CODES: Final = {"correct_contact", "resend_email", "reassign_bd", "reassign_lead"}
URL_OR_ADDRESS: Final = re.compile(r"https?://\S+|[\w.+-]+@[\w.-]+")
ZONE: Final = re.compile(r"\b[A-Z][a-z]+/[A-Z][A-Za-z_]+\b")
MARKS: Final = "，。、：；！？（）“”—"
STRAY_SPACE: Final = re.compile(rf"[\u4e00-\u9fff{MARKS}] +[{MARKS}]|[{MARKS}] +[\u4e00-\u9fff\w]")
SOMEBODY: Final = "某"
"""Stands for what people have typed."""


def _typed(value: Any) -> Iterator[str]:
    """Every text somebody gave: names, addresses, reasons, codes."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _typed(each)
    elif isinstance(value, str) and re.search("[A-Za-z]", value):
        yield from value.splitlines()


def said_by_us(template: str, **changes: Any) -> list[str]:
    """The subject and every line of a mail in Chinese, without what is not the service's own words."""
    sent = mail(template, locale="zh", **changes)
    result = RENDERER.render(sent)
    own = [result.subject, *result.text.splitlines(), *(line for line in _Reader(result.html).text)]
    facts = (sent.notice, sent.sheet, sent.form, sent.to, sent.bd, sent.company_name)
    typed = sorted({text for fact in facts for text in _typed(fact)} - _OURS, key=len, reverse=True)
    lines = []
    for line in own:
        for text in (*typed, *GUIDE):
            line = line.replace(text, SOMEBODY)
        lines.append(ZONE.sub(SOMEBODY, URL_OR_ADDRESS.sub(SOMEBODY, line)).removeprefix("> "))
    return lines


_ENGLISH: Final = "Said in English."
_OURS: Final = {
    *("partner", "bd", "system", "review", "contact", "expiry", "calendar"),
    *(_ENGLISH, "no calendar 'XX'"),
}
"""Values of enumerations, which a mail puts into words, and what it says by its code."""


def _ended(code: ClosingCode) -> dict[str, Any]:
    return {"closing": {"by": "system", "reason": _ENGLISH, "code": code, "days": 90}}


WARNED_OF: Final = {"uid": "5000000000000001", "day": "2025-01-01", "time_zone": "Asia/Shanghai"}
EVERY_MAIL: Final = [
    *(pytest.param(template, {}, id=template) for template in TEMPLATES),
    *(
        pytest.param(template, _ended(code), id=f"{template}-{code}")
        for code in ClosingCode
        for template in ("application_cancelled", "application_expired", "closed_to_bd")
    ),
    *(
        pytest.param(template, {"warnings": [{"code": code, **WARNED_OF}]}, id=f"{template}-{code}")
        for code in WarningCode
        for template in ("application_received", "review_requested")
    ),
    *(
        pytest.param(template, {"missing": missing}, id=f"{template}-{len(missing)}-missing")
        for template in ("contract_ended", "contract_ended_to_bd", "access_alert")
        for missing in ([], [{"cause": "covered_elsewhere", "uids": ["5000000000000001"]}])
    ),
]


@pytest.mark.parametrize(("template", "changes"), EVERY_MAIL)
def test_no_word_of_ours_is_latin(template: str, changes: dict[str, Any]) -> None:
    sent = said_by_us(template, **changes)
    words = {word for line in sent for word in re.findall("[A-Za-z][A-Za-z_]+", line)}
    assert words <= NAMES | CODES


@pytest.mark.parametrize(("template", "changes"), EVERY_MAIL)
def test_brackets_are_of_one_kind_and_no_space_is_stray(template: str, changes: dict[str, Any]) -> None:
    for line in said_by_us(template, **changes):
        assert not re.search(r"[()\[\]<>【】]", line), line
        assert not STRAY_SPACE.search(line), line


WARNINGS: Final = {
    WarningCode.MASTER_UID_NOT_COVERED: (
        "5000000000000001 不能开展分销业务",
        "may not carry out distribution",
    ),
    WarningCode.ACCOUNT_UNKNOWN: ("没有 UID 5000000000000001 的账号", "no account of UID 5000000000000001"),
    WarningCode.ACCOUNT_COVERED: (
        "UID 5000000000000001 已通过其他企业的申请开通",
        "5000000000000001 had access to the ACPN platform by another company's application",
    ),
    WarningCode.START_DATE_PAST: (
        "2025年1月1日（星期三）（Asia/Shanghai）在填写时已过",
        "Wednesday, 1 January 2025 (Asia/Shanghai), is past",
    ),
    WarningCode.ADDED_UID_LEFT_OUT: (
        "UID 5000000000000001 是权限开通后添加的 Associated UID",
        "UID 5000000000000001 was added as Associated UID after access had been given",
    ),
    WarningCode.REMOVED_UID_NAMED: (
        "UID 5000000000000001 在权限开通后已取消权限",
        "UID 5000000000000001 was taken away after access had been given",
    ),
    WarningCode.ACCESS_TAKEN_BACK: (
        "因运维人员将本申请退回至之前的步骤而取消",
        "was taken back, as the operators have set this application back to an earlier step",
    ),
    WarningCode.START_DATE_FAR: (
        "2025年1月1日（星期三）（Asia/Shanghai）在五年多之后",
        "Wednesday, 1 January 2025 (Asia/Shanghai), is more than five years ahead",
    ),
}


@pytest.mark.parametrize("code", WarningCode)
@pytest.mark.parametrize("template", ["application_received", "review_requested"])
def test_a_warning_is_told_in_the_readers_language(template: str, code: WarningCode) -> None:
    warnings = [{"code": code, **WARNED_OF}]
    chinese = RENDERER.render(mail(template, locale="zh", warnings=warnings)).text
    english = RENDERER.render(mail(template, warnings=warnings)).text
    assert WARNINGS[code][0] in chinese
    assert WARNINGS[code][1] in english
    advised = code is WarningCode.MASTER_UID_NOT_COVERED and template == "application_received"
    assert ("the authorization can be completed" in english) is advised, "what helps against the one"
    assert ("即可完成授权" in chinese) is advised


def test_an_end_by_time_says_for_how_long_nothing_was_heard() -> None:
    closing = {"by": "system", "reason": "Nothing was heard.", "code": "expired", "days": 90}
    assert "由于 90 天内未收到您的操作" in "\n".join(said_by_us("application_expired", closing=closing))
    assert "合作伙伴已有 90 天没有任何操作" in "\n".join(said_by_us("closed_to_bd", closing=closing))


OPERATORS: Final = [
    {"by": "system", "reason": "Cancelled by an operator in Temporal.", "code": "cancelled_in_temporal"},
    {
        "by": "system",
        "reason": "Its run in Temporal was terminated.",
        "code": "run_ended",
    },
    {"by": "ops", "reason": "Entered twice by a test"},
]


@pytest.mark.parametrize("closing", OPERATORS)
@pytest.mark.parametrize("locale", WORDINGS)
def test_a_partner_does_not_read_the_operators_words(closing: dict[str, Any], locale: str) -> None:
    """But who ended it all the same, and whom to ask; BD reads the cause."""
    told = RENDERER.render(mail("application_cancelled", locale=locale, closing=closing))
    for text in (told.text, told.html):
        assert closing["reason"] not in text
        assert "Temporal" not in text
        assert not re.search("operator|运维", text)
        assert {"en": "please consult your BD", "zh": "请咨询您的 BD"}[locale] in text
    bd = RENDERER.render(mail("closed_to_bd", closing=closing))
    assert closing["reason"] in bd.text


@pytest.mark.parametrize("locale", WORDINGS)
def test_a_partner_reads_the_reason_bd_gave(locale: str) -> None:
    closing = {"by": "bd", "reason": "No fit this year"}
    assert (
        "No fit this year"
        in RENDERER.render(mail("application_cancelled", locale=locale, closing=closing)).text
    )
