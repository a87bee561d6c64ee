"""The words of the pages, in each language."""

from collections.abc import Mapping
from typing import Final

from domain.contract import Locale
from starter.web.callers import CallerRole

DEFAULT: Final[Locale] = "en"
LANGUAGES: Final[Mapping[Locale, str]] = {"en": "English", "zh": "中文"}
"""As each names itself."""

WORDS: Final[Mapping[str, Mapping[Locale, str]]] = {
    "service": {"en": "Reseller Onboarding", "zh": "经销商入驻"},
    "languages": {"en": "Language", "zh": "语言"},
    "skip": {"en": "Skip to the content", "zh": "跳到正文"},
    "sign_in": {"en": "Sign in", "zh": "登录"},
    "sign_in.lead": {
        "en": "You sign in at your identity provider and come back here.",
        "zh": "您将在身份提供方登录，然后返回此处。",
    },
    "sign_out": {"en": "Sign out", "zh": "退出登录"},
    "signed_out": {"en": "Signed out", "zh": "已退出登录"},
    "signed_out.lead": {
        "en": "You are signed out here. Sign out at your identity provider as well.",
        "zh": "您已在此处退出登录。请同时在身份提供方退出登录。",
    },
    "signed_out.on": {"en": "Sign out there", "zh": "在身份提供方退出登录"},
    "me": {"en": "You", "zh": "我的账号"},
    "me.name": {"en": "Name", "zh": "姓名"},
    "me.email": {"en": "Verified e-mail address", "zh": "已验证的邮箱"},
    "me.subject": {"en": "ID at the identity provider", "zh": "身份提供方中的标识"},
    "me.roles": {"en": "Roles", "zh": "角色"},
    "me.no_roles": {
        "en": "None here. Ask whoever manages your account to give you one.",
        "zh": "暂无角色。请联系您的账号管理员授予角色。",
    },
    "me.uids": {"en": "Company Master UIDs you act for", "zh": "您所代表的公司主账号 UID"},
    "me.desks": {"en": "Desk", "zh": "服务组"},
    "me.ends": {"en": "Signed in until", "zh": "登录有效期至"},
    "role.partner": {"en": "Partner", "zh": "合作伙伴"},
    "role.bd": {"en": "BD", "zh": "BD"},
    "role.bd_lead": {"en": "BD lead", "zh": "BD 主管"},
    "role.vendor": {"en": "Vendor's signatory", "zh": "供应商签署人"},
    "role.ops": {"en": "Operations", "zh": "运维"},
    "role.service": {"en": "Service", "zh": "服务"},
    "error.401": {"en": "Please sign in again", "zh": "请重新登录"},
    "error.401.lead": {
        "en": "Your session is over. Nothing of what you have just sent was stored.",
        "zh": "您的会话已结束，刚才提交的内容未被保存。",
    },
    "error.403": {"en": "This is not possible", "zh": "无法执行此操作"},
    "error.403.lead": {
        "en": "This request did not come from a page of this site. Open the page here and try again.",
        "zh": "此请求并非来自本站页面。请在本站打开页面后重试。",
    },
    "error.404": {"en": "There is no such page", "zh": "页面不存在"},
    "error.404.lead": {"en": "Check the address.", "zh": "请检查网址。"},
    "error.503": {"en": "Not available now", "zh": "暂时不可用"},
    "error.503.lead": {
        "en": "A part of the service does not answer. Try again in a moment.",
        "zh": "服务的某个部分没有响应，请稍后重试。",
    },
    "error.sign_in": {"en": "You are not signed in", "zh": "登录未成功"},
    "error.sign_in.lead": {
        "en": "The sign-in was called off, took too long, or began in another browser. Begin anew.",
        "zh": "登录已取消、超时，或在另一浏览器中开始。请重新登录。",
    },
    "error.too_large": {"en": "Your account has too much for a session", "zh": "账号信息过多，无法建立会话"},
    "error.too_large.lead": {
        "en": "It names more companies or roles than a browser keeps. Ask whoever manages it to split it.",
        "zh": "账号包含的公司或角色超出浏览器可保存的数量。请联系账号管理员进行拆分。",
    },
    "error.other": {"en": "This did not work", "zh": "操作未成功"},
    "error.other.lead": {
        "en": "Go back and try again. If it happens again, tell the operators.",
        "zh": "请返回后重试。如再次出现，请联系运维人员。",
    },
    "demo": {"en": "Who are you?", "zh": "您是谁？"},
    "demo.lead": {
        "en": "This identity provider is for trying things out on this machine. It asks for no password.",
        "zh": "此身份提供方仅用于在本机试用，不需要密码。",
    },
}


def word(key: str, locale: Locale) -> str:
    """The text of a key."""
    return WORDS[key][locale]


def role(name: CallerRole, locale: Locale) -> str:
    """What a role is called."""
    return word(f"role.{name}", locale)


def preferred(accepted: str) -> Locale:
    """The language of the pages that a browser prefers (``Accept-Language``, RFC 9110 §12.5.4)."""
    best: tuple[float, Locale] = (0.0, DEFAULT)
    for each in accepted.split(",")[:20]:
        tag, _, weight = each.partition(";")
        name = tag.strip().lower().partition("-")[0]
        locale = next((known for known in LANGUAGES if known == name), None)
        try:
            q = float(weight.strip().removeprefix("q=")) if weight.strip() else 1.0
        except ValueError:
            continue
        if locale is not None and best[0] < q <= 1:
            best = (q, locale)
    return best[1]
