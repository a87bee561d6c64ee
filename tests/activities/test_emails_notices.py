"""What the notices say: every notice, in every locale, whatever people have typed."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, Final

import pytest

from activities.emails.render import Links, RenderedNotice, Renderer
from activities.emails.wording import WORDINGS
from domain.audiences import audience_of
from domain.lifecycle import STAGES
from domain.notice import Audience
from tests.activities.notices import TEMPLATES, mail, notice, sheet

LINKS = Links(
    portal_url="https://portal.example.com/onboarding?lang=en&from=mail",
    acpn_url="https://acpn.example.com/console",
    verify_url="https://verify.example.com/",
)
RENDERER = Renderer(LINKS)
EVERY_LETTER = [(template, locale) for template in TEMPLATES for locale in WORDINGS]
COMMITMENT = (
    "It refers to the promised performance of the partner. Regardless of whether the partner achieves "
    "the performance, the partner needs to pay the corresponding compensation to Alibaba Cloud. "
    "Alibaba Cloud can evaluate the performance of partners and award partners at the corresponding "
    "partner tier. The partner's commitment decides the discounts and rebates. For relevant details, "
    "please refer to the Alibaba Cloud Channel Partner Policy."
)
SECTIONS = ("Basic information", "Commission Policy Information", "Discount information")
HOSTILE = [
    '<script>alert("x")</script><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }} {% raw %} {# x #}",
    "</blockquote></td></table><a href='https://evil.example'>click</a>",
    "x\nBcc: victim@example.com\n\nConfirm here: https://evil.example",
    "\u202egnp.exe\u2066 abc",
    "שלום עולם",
    "&amp; &lt;b&gt;",
    "x" * 4000,
]
SUBJECTS_NAMING_ACCESS = {"access_granted"}


SHEET_ISSUED: Final = sheet()


class _Reader(HTMLParser):
    """The text a reader sees, and the tags around it."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "br":
            self.tags.append((tag, tuple(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def rendered(template: str, locale: str = "en", **changes: Any) -> RenderedNotice:
    return RENDERER.render(mail(template, locale=locale, **changes))


@pytest.mark.parametrize(("template", "locale"), EVERY_LETTER)
def test_every_notice_names_applicant_status_and_portal_in_text_and_html(template: str, locale: str) -> None:
    status = "Please be patient and wait for the approval"
    result = rendered(template, locale)
    seen = " ".join(_Reader(result.html).text)

    assert "Cloud Nine Pte. Ltd." in result.subject
    for part in (result.text, seen):
        assert "Cloud Nine Pte. Ltd." in part
        assert status in part
        assert "None" not in part
        assert "li.wei@example.com" in part
    pages = "applications" if audience_of(template) is Audience.PARTNER else "desk"
    page = f"https://portal.example.com/onboarding/{pages}/5000000000000001?lang=en&from=mail"
    assert page in result.text, "the button leads to the application's own page"
    assert any(("href", page) in attributes for _, attributes in _Reader(result.html).tags)


@pytest.mark.parametrize(("template", "locale"), EVERY_LETTER)
def test_text_and_html_say_the_same(template: str, locale: str) -> None:
    """Every word of the plain text is in the HTML, in the same order, but for the addresses of links."""
    result = rendered(template, locale)
    reader = _Reader(result.html)
    in_html = squeezed(" ".join(reader.text))
    at = 0
    for line in result.text.splitlines():
        if re.fullmatch(r"-+|--", line):
            continue
        # The address of a link is in its href.
        shown = re.sub(r"https://(portal|acpn|verify)\.\S+", "", line.removeprefix("> "))
        for piece in re.split(r" \| |[:：] ?", shown):
            found = in_html.find(squeezed(piece), at)
            assert found >= 0, piece
            at = found + len(squeezed(piece))


@pytest.mark.parametrize(("template", "locale"), EVERY_LETTER)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_people_type_is_shown_and_does_nothing_else(template: str, locale: str, text: str) -> None:
    harmless = rendered(template, locale, user_text="word")
    hostile = rendered(template, locale, user_text=text)
    visible = _Reader(hostile.html)

    assert visible.tags == _Reader(harmless.html).tags, "no markup of their own"
    shown = squeezed(re.sub("[\u202a-\u202e\u2066-\u2069]", "", text))[:150]
    assert shown in squeezed("".join(visible.text))
    assert shown in squeezed(hostile.text.replace("\n> ", "\n"))
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", hostile.subject + hostile.text + hostile.html)
    assert "\n" not in hostile.subject
    forged = [line for line in hostile.text.splitlines() if line.startswith(("Bcc:", "Confirm here:"))]
    assert not forged, "user text can't pose as a line of ours"


@pytest.mark.parametrize(("template", "locale"), EVERY_LETTER)
def test_only_granted_access_is_called_so_in_a_subject(template: str, locale: str) -> None:
    named = "ACPN access" in rendered(template, locale).subject
    assert named == (template in SUBJECTS_NAMING_ACCESS)


@pytest.mark.parametrize("text", sorted({each.status_text for each in STAGES.values()}))
def test_every_status_text_is_kept_and_has_a_translation(text: str) -> None:
    assert WORDINGS["en"].status(text) == text
    translated = WORDINGS["zh"].status(text).startswith(f"{text}（")
    assert translated, f"activities/emails/wording.py has no Chinese for {text!r}"


@pytest.mark.parametrize("locale", WORDINGS)
@pytest.mark.parametrize("template", ["sheet_to_confirm", "terms_reminder"])
def test_a_sheet_to_confirm_shows_all_terms_and_what_changed(template: str, locale: str) -> None:
    text = rendered(template, locale).text
    for term in (
        *SECTIONS, "gold", "USD", "250,000 USD", "24", "Asia/Singapore", "1,250,000.5 USD", "12", COMMITMENT,
        "CP-1", "Standard commission", "100,000 USD", "7.5 %", "ecs", "12.5 %", "ab" * 32,
        "Confirm", "Modify",
    ):  # fmt: skip
        assert term in text, term
    left, right = {"en": ("[", "]"), "zh": ("（", "）")}[locale]
    assert f"{left}basic.term_months{right} | 12 | 24" in text
    assert f"{left}commission_policy.bands[1].rate_percent{right}" in text


def test_a_first_sheet_has_no_differences_and_optional_terms_may_be_absent() -> None:
    bare = SHEET_ISSUED.model_copy(
        update={
            "revision": 1,
            "changes": (),
            "content": SHEET_ISSUED.content
            and SHEET_ISSUED.content.model_copy(update={"commitment": None, "discounts": ()}),
        }
    )
    text = rendered("sheet_to_confirm", sheet=bare).text
    assert "changed since" not in text
    assert "Commitment: none" in text
    assert "No discounts." in text


def test_an_unchanged_revision_says_so() -> None:
    unchanged = SHEET_ISSUED.model_copy(update={"changes": ()})
    text = rendered("sheet_to_confirm", sheet=unchanged).text
    assert "Nothing: the terms are the same." in text


def test_a_deadline_is_the_end_of_its_last_day_with_the_zone_named() -> None:
    assert "by the end of Wednesday, 19 March 2025 (Asia/Shanghai)" in rendered("application_received").text
    assert "2025年3月19日（星期三）24:00（Asia/Shanghai）" in rendered("application_received", "zh").text


def test_a_provisional_deadline_is_marked() -> None:
    text = rendered("justification_requested").text
    assert "the end of Saturday, 12 June 2027 (Asia/Shanghai) – provisional" in text
    assert "provisional" not in rendered("application_received").text


def test_the_distribution_warning_of_the_guide_appears_when_there_is_something_to_warn_of() -> None:
    warning = "If you want the Company Master UID to carry out distribution business"
    assert warning in rendered("application_received").text
    assert warning not in rendered("application_received", warnings=[]).text


def test_a_signed_contract_tells_when_it_starts_and_what_happens_before() -> None:
    text = rendered("contract_signed").text
    assert "Tuesday, 1 April 2025 (Asia/Singapore)" in text
    assert "Please be patient" in text
    assert "Logging in to the ACPN platform before the contract start date will cause an error" in text


@pytest.mark.parametrize("locale", WORDINGS)
@pytest.mark.parametrize("template", ["contract_signed", "start_date_amended"])
def test_of_a_date_that_is_past_nothing_is_promised(template: str, locale: str) -> None:
    past = {"day": "2025-03-01", "time_zone": "Asia/Singapore", "at": "2025-02-28T16:00:00Z"}
    text = rendered(template, locale, start=past).text
    assert {"en": "has been in effect since", "zh": "起已生效"}[locale] in text
    assert {"en": "takes effect", "zh": "起生效"}[locale] not in text
    assert {"en": "before the contract start date", "zh": "生效日期之前"}[locale] not in text
    to_come = rendered(template, locale).text
    assert {"en": "before the contract start date", "zh": "生效日期之前"}[locale] in to_come


@pytest.mark.parametrize("locale", WORDINGS)
@pytest.mark.parametrize("template", ["sheet_to_confirm", "terms_confirmed_to_bd"])
def test_both_are_told_of_a_start_date_that_is_past(template: str, locale: str) -> None:
    warning = {"en": "the contract start date is past already", "zh": "合同生效日期已过"}[locale]
    assert warning not in rendered(template, locale).text
    assert warning in rendered(template, locale, at=datetime(2025, 4, 2, tzinfo=UTC)).text


@pytest.mark.parametrize("locale", WORDINGS)
@pytest.mark.parametrize(
    "template", ["review_requested", "justification_answered", "contract_signed", "signature_reminder"]
)
def test_evidence_is_named_by_reference_type_and_hash(template: str, locale: str) -> None:
    for part in (rendered(template, locale).text, "".join(_Reader(rendered(template, locale).html).text)):
        for named in ("Cloud Nine Pte. Ltd.", "application/pdf", "cd" * 32):
            assert named in part


@pytest.mark.parametrize(
    ("locale", "told"),
    [
        (
            "en",
            [
                *("Files of the partner (Ann Tan):", "Files of Alibaba Cloud (Vera Voss):"),
                *("Document of the partner (Ann Tan): D-1", "Document of Alibaba Cloud (Vera Voss): D-2"),
            ],
        ),
        (
            "zh",
            [
                *("合作伙伴（Ann Tan）提供的文件：", "阿里云（Vera Voss）提供的文件："),
                *("合作伙伴（Ann Tan）签署的文件：D-1", "阿里云（Vera Voss）签署的文件：D-2"),
            ],
        ),
    ],
)
def test_of_a_contract_on_paper_it_is_said_whose_the_files_are(locale: str, told: list[str]) -> None:
    signed: dict[str, Any] = {"path": "offline_paper", "order": "any"}
    for party, name, number in (("partner", "Ann Tan", 1), ("vendor", "Vera Voss", 2)):
        file = {"reference": f"dms://{number}", "sha256": "ab" * 32, "media_type": "application/pdf"}
        by = {"signer_name": name, "signed_at": "2025-03-20T02:00:00Z"}
        signed[party] = by | {"document_ref": f"D-{number}", "evidence": [file]}
    text = rendered("contract_signed", locale, signing=signed).text
    for each in told:
        assert each in text
    files, partner, vendor = (text.index(each) for each in ("dms://1", told[0], told[1]))
    assert partner < files < vendor < text.index("dms://2")


@pytest.mark.parametrize("locale", WORDINGS)
def test_a_question_and_its_answer_are_told_as_they_were_written(locale: str) -> None:
    assert "> Line one\n> Line two" in rendered("partner_asked", locale).text
    assert rendered("partner_answered", locale).text.count("> Line one\n> Line two") == 2


@pytest.mark.parametrize(("locale", "person"), [("en", "{} <{}>"), ("zh", "{}（{}）")])
def test_who_hands_over_is_told_to_whom(locale: str, person: str) -> None:
    bd, lead = ("Li Wei", "li.wei@example.com"), ("Cloud Nine Pte. Ltd.", "ada@example.com")
    assert person.format(*bd) in rendered("handed_over", locale).text.split("\n-- \n")[0]
    assert person.format(*lead) in rendered("lead_handed_over", locale).text


def test_granted_access_comes_with_the_link_and_the_guides_way_in() -> None:
    result = rendered("access_granted")
    assert LINKS.acpn_url in result.text
    assert any(("href", LINKS.acpn_url) in attributes for _, attributes in _Reader(result.html).tags)
    assert "click Alibaba Cloud Partner Network > Console to enter the ACPN Platform" in result.text


@pytest.mark.parametrize("locale", WORDINGS)
@pytest.mark.parametrize("template", ["application_received", "justification_requested"])
def test_an_estimated_deadline_says_that_it_is_one(template: str, locale: str) -> None:
    """And not that holidays are not announced yet."""
    said = notice(template).model_dump()
    [name] = {"review", "expiry"} & said.keys()
    estimated = said[name] | {"estimate": "no calendar 'XX'", "provisional": False}
    text = rendered(template, locale, **{name: estimated}).text
    assert {"en": "only estimated", "zh": "仅为估算"}[locale] in text
    assert {"en": "provisional", "zh": "暂定"}[locale] not in text


@pytest.mark.parametrize("template", ["associated_uid_changed", "associated_uid_changed_to_bd"])
@pytest.mark.parametrize(
    ("locale", "added", "removed"),
    [
        ("en", ("has been added", "a further"), ("any more", "given up")),
        ("zh", ("添加", "新增"), ("移除", "不再是")),
    ],
)
def test_an_associated_uid_was_added_or_taken_away(
    template: str, locale: str, added: tuple[str, str], removed: tuple[str, str]
) -> None:
    change = {"uid": "5000000000000003", "at": "2025-04-21T02:00:00Z"}
    for which, words, others in ((True, added, removed), (False, removed, added)):
        text = rendered(template, locale, coverage_change={**change, "added": which}).text
        assert any(word in text for word in words)
        assert not any(word in text for word in others)
        assert "5000000000000002" in text, "what is covered now"


def test_the_lead_reads_since_when() -> None:
    assert (
        "in effect since Tuesday, 1 April 2025 00:00 (Asia/Shanghai)" in rendered("access_still_delayed").text
    )


def test_a_start_that_has_moved_names_the_instant() -> None:
    text = rendered("contract_start_moved").text
    assert (
        "Tuesday, 1 April 2025 (Asia/Singapore); by the new rules that is "
        "Tuesday, 1 April 2025 00:00 (Asia/Shanghai)" in text
    )


@pytest.mark.parametrize("locale", WORDINGS)
def test_notices_without_their_optional_facts(locale: str) -> None:
    for template in ("application_cancelled", "application_expired", "closed_to_bd"):
        rendered(template, locale, closing={"by": "partner"})
    rendered("sheet_reminder", locale, modification=None)
    rendered("assigned_to_bd", locale, deadline=None)
    rendered("access_alert", locale, missing=[])
    rendered("access_delayed", locale, missing=[])
    rendered("access_still_delayed", locale, missing=[])


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("basic.term_months", "Basic information – term (months)"),
        ("commission_policy.bands[2].rate_percent", "Commission Policy Information – band 2 – rate (%)"),
        ("discounts[ecs].percent", "Discount information – ecs – discount (%)"),
        ("commitment.amount", "Commitment – amount"),
        ("something.else", "something.else"),
    ],
)
def test_fields_have_readable_names(path: str, label: str) -> None:
    assert WORDINGS["en"].field(path) == label


@pytest.mark.parametrize(("template", "locale"), EVERY_LETTER)
def test_a_zone_that_is_no_longer_known_holds_no_notice_up(template: str, locale: str) -> None:
    """Its times are then told in UTC, and say so; the notice must leave before the zone is known again."""
    accounts = mail(template).notice.model_dump()
    moved = {
        name: fact | {"time_zone": "Mars/Base"}
        for name, fact in accounts.items()
        if isinstance(fact, dict) and "time_zone" in fact
    }
    result = rendered(template, locale, time_zone="Mars/Base", **moved)
    utc = {"en": " (UTC)", "zh": "（UTC）"}[locale]
    assert utc in result.text
    for name, fact in moved.items():
        if "due_at" in fact:
            told = f"{fact['due_at']:%H:%M}{utc}"
            assert told in result.text, f"when {name} ends"
