"""What the notices say of access that is held up, and of a contract that ended before it."""

import re

import pytest

from activities.emails.wording import WORDINGS
from domain.status import AccessCause
from tests.activities.test_emails_notices import LINKS, rendered

TAKEN = {"cause": "covered_elsewhere", "uids": ["71", "72"]}

WORDS_OF_A_CAUSE = {
    AccessCause.ENTERPRISE_NOT_VERIFIED: ("click Go to Verify", "前往认证（Go to Verify）”完成认证"),
    AccessCause.ENTERPRISE_DIFFERS: ("the same enterprise-verified information", "相同的企业认证信息"),
    AccessCause.ACCOUNT_UNKNOWN: ("consult your BD", "咨询您的 BD"),
    AccessCause.COVERED_ELSEWHERE: ("have access by another application", "已通过其他申请开通权限"),
    AccessCause.CREDIT_CONTROL_MISSING: ("Credit control still has to be set up", "尚未设置信用控制"),
    AccessCause.PLATFORM_UNAVAILABLE: ("There is nothing you have to do", "您无需进行任何操作"),
}


@pytest.mark.parametrize("locale", WORDINGS)
@pytest.mark.parametrize("cause", AccessCause)
def test_a_partner_reads_what_holds_access_up_and_what_to_do(cause: AccessCause, locale: str) -> None:
    english, chinese = WORDS_OF_A_CAUSE[cause]
    down = cause is AccessCause.PLATFORM_UNAVAILABLE
    missing = [{"cause": cause, "uids": [] if down else ["5000000000000001", "5000000000000003"]}]
    result = rendered("access_delayed", locale, missing=missing)
    own, _, _ = result.text.partition("\n-- \n")

    assert {"en": english, "zh": chinese}[locale] in own
    named = WORDINGS[locale].listed(["5000000000000001", "5000000000000003"])
    assert (f"UID {named}" in own) is not down
    to_verify = cause in (AccessCause.ENTERPRISE_NOT_VERIFIED, AccessCause.ENTERPRISE_DIFFERS)
    assert (LINKS.verify_url in own) is to_verify, "the way there is shown where it helps"
    assert not re.search(r"_|verification of \d|credit control of \d|directory", own), "no words of ours"


@pytest.mark.parametrize("locale", WORDINGS)
def test_of_several_causes_each_is_told_with_its_accounts(locale: str) -> None:
    result = rendered("access_delayed", locale)
    for cause in (AccessCause.ENTERPRISE_NOT_VERIFIED, AccessCause.CREDIT_CONTROL_MISSING):
        assert WORDS_OF_A_CAUSE[cause][["en", "zh"].index(locale)] in result.text
    accounts = {
        "en": ("(UID 5000000000000001, 5000000000000003)", "(UID 5000000000000002)"),
        "zh": ("（UID 5000000000000001、5000000000000003）", "（UID 5000000000000002）"),
    }
    for named in accounts[locale]:
        assert named in result.text


@pytest.mark.parametrize("template", ["access_alert", "access_still_delayed"])
@pytest.mark.parametrize("locale", WORDINGS)
def test_bd_and_lead_read_which_accounts_hold_access_up(template: str, locale: str) -> None:
    causes = [{"cause": cause, "uids": ["71", "72"]} for cause in AccessCause]
    text = rendered(template, locale, missing=causes).text
    names = [WORDINGS[locale].name(cause) for cause in AccessCause]
    assert len(set(names)) == len(AccessCause)
    for cause, name in zip(AccessCause, names, strict=True):
        assert name != cause.value, f"activities/emails/wording.py has no word for {cause}"
        assert f"{name} | {WORDINGS[locale].listed([71, 72])}" in text


@pytest.mark.parametrize("locale", WORDINGS)
def test_bd_reads_what_to_do_about_another_applications_access(locale: str) -> None:
    told = {"en": "have it taken out there, or end this contract", "zh": "移除此账号，或说明原因并终止本合同"}
    assert told[locale] in rendered("access_alert", locale, missing=[TAKEN]).text
    assert told[locale] not in rendered("access_alert", locale).text


@pytest.mark.parametrize("template", ["contract_ended", "contract_ended_to_bd"])
def test_a_contract_ended_says_whether_it_had_begun(template: str) -> None:
    before = rendered(template, missing=[])
    assert "which was to take effect" in before.text
    begun = rendered(template, missing=[TAKEN])
    assert "in effect since the start of" in begun.text
    assert "another application has access to an account (UID 71, 72)" in begun.text
    assert "take effect" not in begun.text
    assert "（UID 71、72）" in rendered(template, "zh", missing=[TAKEN]).text
