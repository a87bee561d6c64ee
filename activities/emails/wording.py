"""The words a locale has for dates, stages, terms and fields."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final

from domain.calendar_entries import CalendarEvent
from domain.clocks import Unknown
from domain.status import Closing, ClosingCode, Warned, WarningCode
from domain.values import day_text
from domain.warnings import in_english

_PATH: Final = re.compile(
    r"(?P<section>\w+)(?:\.(?P<list>\w+))?(?:\[(?P<item>[^\]]+)\])?(?:\.(?P<leaf>\w+))?"
)

_ENGLISH_NAMES: Final = {
    "reseller": "Reseller",
    "distributor": "Distributor",
    "agency": "Agency",
    "online_esign": "online e-signature",
    "offline_paper": "on paper",
    "framework_addendum": "addendum to the framework contract",
    "any": "either party may sign first",
    "partner_first": "the partner signs first",
    "vendor_first": "Alibaba Cloud signs first",
    "partner": "the partner",
    "bd": "BD",
    "bd_lead": "the BD lead",
    "vendor": "Alibaba Cloud",
    "esign": "the e-signature service",
    "ops": "the operators",
    "system": "the onboarding service",
    "review": "review of the application",
    "contact": "contact about signing the contract",
    "reminder": "reminder",
    "question": "reminder of a question",
    "expiry": "expiry of the application",
    "start_date": "contract start date",
    "start_recount": "new count of the contract start",
    "access_check": "opening of access",
    "access_delay": "access held up for too long",
    "calendar_check": "new look at the calendar",
    "account_unknown": "entry in the account directory",
    "enterprise_not_verified": "enterprise verification",
    "enterprise_differs": "verification for the same enterprise as the Company Master UID",
    "covered_elsewhere": "accounts that no other application has given access",
    "credit_control_missing": "credit control",
    "platform_unavailable": "an answer of the account directory and the ACPN platform",
}

_ENGLISH_FIELDS: Final = {
    "basic": "Basic information",
    "commitment": "Commitment",
    "commission_policy": "Commission Policy Information",
    "discounts": "Discount information",
    "bands": "band",
    "business_type": "business type",
    "partner_level": "partner level",
    "territories": "territories",
    "currency": "currency",
    "contract_start_date": "contract start date",
    "time_zone": "time zone",
    "term_months": "term (months)",
    "credit_line": "credit line",
    "amount": "amount",
    "period_months": "period (months)",
    "compensation": "compensation",
    "code": "policy code",
    "name": "policy name",
    "from_amount": "from amount",
    "to_amount": "to amount",
    "rate_percent": "rate (%)",
    "percent": "discount (%)",
    "product_code": "product",
    "valid_from": "valid from",
    "valid_to": "valid to",
}

_CHINESE_NAMES: Final = {
    "reseller": "转售商（Reseller）",
    "distributor": "分销商（Distributor）",
    "agency": "代理商（Agency）",
    "online_esign": "线上电子签署",
    "offline_paper": "线下纸质签署",
    "framework_addendum": "框架合同补充协议",
    "any": "双方签署不分先后",
    "partner_first": "由合作伙伴先签署",
    "vendor_first": "由阿里云先签署",
    "partner": "合作伙伴",
    "bd": "BD",
    "bd_lead": "BD 负责人",
    "vendor": "阿里云",
    "esign": "电子签署服务",
    "ops": "运维人员",
    "system": "入驻系统",
    "review": "审核申请",
    "contact": "联系合作伙伴签署合同",
    "reminder": "提醒",
    "question": "问题回复提醒",
    "expiry": "申请失效",
    "start_date": "合同生效日期",
    "start_recount": "重新计算合同生效时刻",
    "access_check": "开通权限",
    "access_delay": "权限开通延迟过久",
    "calendar_check": "重新核对日历",
    "account_unknown": "账号目录中的记录",
    "enterprise_not_verified": "企业认证",
    "enterprise_differs": "与 Company Master UID 相同企业的认证",
    "covered_elsewhere": "未被其他申请开通权限的账号",
    "credit_control_missing": "信用控制",
    "platform_unavailable": "账号目录及 ACPN 平台的响应",
}

_CHINESE_FIELDS: Final = {
    "basic": "Basic information（基本信息）",
    "commitment": "Commitment（承诺）",
    "commission_policy": "Commission Policy Information（佣金政策信息）",
    "discounts": "Discount information（折扣信息）",
    "bands": "档位",
    "business_type": "业务类型",
    "partner_level": "合作伙伴级别",
    "territories": "授权区域",
    "currency": "币种",
    "contract_start_date": "合同生效日期",
    "time_zone": "时区",
    "term_months": "合同期限（月）",
    "credit_line": "信用额度",
    "amount": "金额",
    "period_months": "期限（月）",
    "compensation": "补偿",
    "code": "政策代码",
    "name": "政策名称",
    "from_amount": "起始金额",
    "to_amount": "截止金额",
    "rate_percent": "比例（%）",
    "percent": "折扣（%）",
    "product_code": "产品",
    "valid_from": "生效日期",
    "valid_to": "失效日期",
}

_CHINESE_STATUSES: Final = {
    "Signing Process: Alibaba Cloud Reseller Partner": "签约流程：阿里云转售合作伙伴",
    "Please be patient and wait for the approval": "请耐心等待审核",
    "Please justify your qualification": "请说明贵公司的资质",
    "Application withdrawn": "申请已撤回",
    "Congratulations on passing the qualification": "恭喜通过资质审核",
    "Please confirm the following business terms": "请确认以下商务条款",
    "Your modification is being processed": "正在处理您的修改意见",
    "Waiting for signing contract": "等待签署合同",
    "You have successfully signed the contract": "您已成功签署合同",
    "Your contract is in effect; access is being opened": "合同已生效，正在开通权限",
    "ACPN access granted": "ACPN 权限已开通",
    "Application rejected": "申请未通过",
    "Application cancelled": "申请已取消",
    "Application expired": "申请已失效",
}


_CHINESE_WARNINGS: Final[Mapping[WarningCode, str]] = {
    WarningCode.MASTER_UID_NOT_COVERED: (
        "Company Master UID {uid} 不能开展分销业务；如需开展，请将其填入 Main UID 或 Associated UID。"
    ),
    WarningCode.ACCOUNT_UNKNOWN: (
        "申请开始时，账号目录中没有 UID {uid} 的账号，请核对号码。"
        "如号码无误，请先开通账号，再确认企业信息；如有误，请用正确的号码重新申请。"
    ),
    WarningCode.ACCOUNT_COVERED: (
        "申请开始时，UID {uid} 已通过其他企业的申请开通 ACPN 平台权限。"
        "请联系在该申请中管理权限的企业，或咨询您的 BD。从该申请中移除后，请确认企业信息。"
    ),
    WarningCode.START_DATE_PAST: (
        "合同生效日期 {day}（{zone}）在填写时已过。双方签署后合同即生效，其他条件满足后即开通权限。"
    ),
    WarningCode.ADDED_UID_LEFT_OUT: (
        "UID {uid} 是权限开通后添加的 Associated UID，本表单未包含该账号；"
        "如需再次开通，请将其填入 Associated UID。"
    ),
    WarningCode.REMOVED_UID_NAMED: (
        "UID {uid} 在权限开通后已取消权限，本表单仍包含该账号；如不应再次开通，请将其删除。"
    ),
    WarningCode.ACCESS_TAKEN_BACK: (
        "ACPN 平台权限曾已开通，因运维人员将本申请退回至之前的步骤而取消；"
        "申请再次完成相应步骤后，将重新开通。"
    ),
    WarningCode.START_DATE_FAR: "合同生效日期 {day}（{zone}）在五年多之后，届时才开通权限。",
}

_ENGLISH_ENTRIES: Final[Mapping[CalendarEvent, str]] = {
    CalendarEvent.REVIEW_DEADLINE: "Review due – {company}",
    CalendarEvent.CONTACT_DEADLINE: "Contact about signing due – {company}",
    CalendarEvent.CONTRACT_START: "Contract starts – {company}",
}

_CHINESE_ENTRIES: Final[Mapping[CalendarEvent, str]] = {
    CalendarEvent.REVIEW_DEADLINE: "审核截止——{company}",
    CalendarEvent.CONTACT_DEADLINE: "联系合作伙伴签署合同截止——{company}",
    CalendarEvent.CONTRACT_START: "合同生效——{company}",
}

_CHINESE_REASONS: Final[Mapping[ClosingCode, str]] = {
    ClosingCode.EXPIRED: "合作伙伴已有 {days} 天没有任何操作。",
    ClosingCode.CANCELLED_IN_TEMPORAL: "由运维人员在 Temporal 中取消。",
    ClosingCode.RUN_ENDED: "其在 Temporal 中的运行已终止，没有结果。",
    ClosingCode.BY_SERVICE: "由入驻系统结束。",
}


class Wording(ABC):
    """What differs between locales besides the notices' own sentences."""

    locale: str
    banner: str
    not_set: str
    colon: str
    comma: str
    joint: str
    _names: Mapping[str, str]
    _fields: Mapping[str, str]
    _entries: Mapping[CalendarEvent, str]

    @abstractmethod
    def day(self, value: date) -> str:
        """A date with its day of the week."""

    @abstractmethod
    def end_of(self, value: date, zone: str) -> str:
        """The end of a day, with the zone it ends in."""

    @abstractmethod
    def moment(self, value: datetime, zone: str) -> str:
        """A day and hour, given as the clocks of the zone show them, with its name."""

    @abstractmethod
    def warning(self, warned: Warned) -> str:
        """A warning the form shows."""

    @abstractmethod
    def reason(self, closing: Closing) -> str | None:
        """Why an application was ended, as the vendor's people read it."""

    @abstractmethod
    def unknown(self, what: Unknown | None) -> str:
        """What a deadline could not be counted by."""

    @abstractmethod
    def status(self, text: str) -> str:
        """A status text exactly as the guide has it, with a translation beside it where one is needed."""

    def entry(self, event: CalendarEvent, company: str) -> str:
        """The title of a calendar entry: what its day is, whatever the mail says that brings it."""
        return self._entries[event].format(company=company)

    def dated(self, what: str, value: date, zone: str) -> str:
        """What a calendar entry is about, and its day in figures."""
        return f"{what}{self.colon}{value.isoformat()}{self._in_zone(zone)}"

    @abstractmethod
    def _in_zone(self, zone: str) -> str:
        """The zone of what stands before it, in brackets."""

    def listed(self, values: Iterable[object]) -> str:
        """Several values in a row."""
        return self.comma.join(map(str, values))

    def name(self, value: str) -> str:
        """What a value of an enumeration is called; a configured value is its own name."""
        return self._names.get(value, value)

    def field(self, path: str) -> str:
        """What a field of the decision sheet is called; a path of another shape is its own name."""
        match = _PATH.fullmatch(path)
        if match is None or match["section"] not in self._fields:
            return path
        parts = [self._fields[match["section"]]]
        if match["list"] and match["item"]:
            parts.append(f"{self._label(match['list'])} {match['item']}")
        elif match["list"]:
            parts.append(self._label(match["list"]))
        elif match["item"]:
            parts.append(match["item"])
        if match["leaf"]:
            parts.append(self._label(match["leaf"]))
        return self.joint.join(parts)

    def _label(self, name: str) -> str:
        return self._fields.get(name, name)


class English(Wording):
    """British business English."""

    locale = "en"
    banner = "Alibaba Cloud Reseller Partner"
    not_set = "not set"
    colon = ": "
    comma = ", "
    joint = " – "
    _names = _ENGLISH_NAMES
    _fields = _ENGLISH_FIELDS
    _entries = _ENGLISH_ENTRIES

    def day(self, value: date) -> str:
        return day_text(value)

    def end_of(self, value: date, zone: str) -> str:
        return f"the end of {self.day(value)}{self._in_zone(zone)}"

    def moment(self, value: datetime, zone: str) -> str:
        return f"{self.day(value.date())} {value:%H:%M}{self._in_zone(zone)}"

    def _in_zone(self, zone: str) -> str:
        return f" ({zone})"

    def warning(self, warned: Warned) -> str:
        return in_english(warned)

    def reason(self, closing: Closing) -> str | None:
        return closing.reason

    def unknown(self, what: Unknown | None) -> str:
        if what is None:
            return "The calendar or time zone is not known."
        kind = "calendar" if what.what == "calendar" else "time zone"
        return f"The {kind} {what.name} is not known."

    def status(self, text: str) -> str:
        return text


class Chinese(Wording):
    """Simplified Chinese; what the guide and the portal call by an English name has that beside it."""

    locale = "zh"
    banner = "阿里云转售合作伙伴"
    not_set = "未填写"
    colon = "："
    comma = "、"
    joint = "："
    _names = _CHINESE_NAMES
    _fields = _CHINESE_FIELDS
    _entries = _CHINESE_ENTRIES

    def day(self, value: date) -> str:
        return f"{value.year}年{value.month}月{value.day}日（星期{'一二三四五六日'[value.weekday()]}）"

    def end_of(self, value: date, zone: str) -> str:
        return f"{self.day(value)}24:00{self._in_zone(zone)}"

    def moment(self, value: datetime, zone: str) -> str:
        return f"{self.day(value.date())}{value:%H:%M}{self._in_zone(zone)}"

    def _in_zone(self, zone: str) -> str:
        return f"（{zone}）"

    def warning(self, warned: Warned) -> str:
        day = warned.day and self.day(warned.day)
        return _CHINESE_WARNINGS[warned.code].format(uid=warned.uid, day=day, zone=warned.time_zone)

    def reason(self, closing: Closing) -> str | None:
        text = _CHINESE_REASONS.get(closing.code) if closing.code else None
        return text.format(days=closing.days) if text else closing.reason

    def unknown(self, what: Unknown | None) -> str:
        if what is None:
            return "日历或时区未知。"
        return f"{'日历' if what.what == 'calendar' else '时区'} {what.name} 未知。"

    def status(self, text: str) -> str:
        translation = _CHINESE_STATUSES.get(text)
        return f"{text}（{translation}）" if translation else text


WORDINGS: Final[Mapping[str, Wording]] = {wording.locale: wording for wording in (English(), Chinese())}
"""By locale of the application."""
