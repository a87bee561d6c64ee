"""Messages as bytes: headers, threads, calendar entries, and the traps of header encoding."""

from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import SMTP
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from icalendar import Calendar

from activities.emails.addressed import AddressedNotice
from activities.emails.message import MessageFactory, UnsafeMessageError
from activities.emails.render import RenderedNotice
from activities.smtp import SmtpAddress, Tls
from domain.contract import Person
from tests.activities.notices import TEMPLATES, mail

FACTORY = MessageFactory("Alibaba Cloud Partner Onboarding <onboarding@example.com>")
PARTNER_DATES = {"contract_signed", "start_date_amended", "contract_start_moved"}
BD_DEADLINES = {
    "review_requested", "review_reminder", "justification_answered", "terms_confirmed_to_bd", "assigned_to_bd"
}  # fmt: skip


def calendar_event(part: Message) -> Any:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    [event] = Calendar.from_ical(content).walk("VEVENT")
    return event


def built(a_mail: AddressedNotice, subject: str = "Application received", text: str = "text") -> EmailMessage:
    outgoing = FACTORY.build(a_mail, RenderedNotice(subject=subject, text=text, html="<p>text</p>"))
    return message_from_bytes(outgoing.content, policy=SMTP)


def test_the_headers_say_who_what_when_and_that_a_machine_wrote_it() -> None:
    received = mail("application_received")
    message = built(received)

    assert message["From"] == "Alibaba Cloud Partner Onboarding <onboarding@example.com>"
    assert message["To"] == "Mei Tan <mei.tan@example.com>"
    assert parsedate_to_datetime(message["Date"]) == received.at
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Onboarding-Template"] == "application_received"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative", "text/plain", "text/html",
    ]  # fmt: skip


def test_a_message_id_is_the_notices_own_and_never_changes() -> None:
    first, second = mail("application_received"), mail("application_approved")
    other = mail("application_received", application_id="another")

    assert built(first)["Message-ID"] == built(first)["Message-ID"] == FACTORY.message_id(first)
    assert len({FACTORY.message_id(each) for each in (first, second, other)}) == 3


@pytest.mark.parametrize("domain", ["example.com", f"{'a' * 63}.{'b' * 63}.example.com", "bücher.example"])
def test_ids_stay_short_whatever_the_domain(domain: str) -> None:
    factory = MessageFactory(f"onboarding@{domain}")
    outgoing = factory.build(
        mail("application_received"), RenderedNotice(subject="s", text="t", html="<p>t</p>")
    )
    message = message_from_bytes(outgoing.content, policy=SMTP)

    assert len(message["Message-ID"]) <= 70
    assert f"References: {message['References']}\r\n".encode() in outgoing.content


def test_an_application_has_one_thread_for_each_audience() -> None:
    partner = [built(mail(name)) for name in ("application_received", "contract_signed")]
    bd = built(mail("review_requested"))
    lead = built(mail("review_overdue"))

    assert partner[0]["References"] == partner[1]["References"] == partner[1]["In-Reply-To"]
    assert len({message["References"] for message in (partner[0], bd, lead)}) == 3
    former = built(mail("handed_over"))
    assert former["References"] == bd["References"], "where the former BD has what he got before"
    assert former["Message-ID"] != bd["Message-ID"]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=300))
def test_every_subject_reads_as_written_or_is_refused(text: str) -> None:
    subject = " ".join(text.split())
    if "=?" in subject:
        with pytest.raises(UnsafeMessageError):
            built(mail("application_received"), subject)
    else:
        assert built(mail("application_received"), subject)["Subject"] == subject


@pytest.mark.parametrize(
    "text",
    [
        "=?utf-8?q?x=0ABcc:_z@z?=",
        "x\r\nBcc: z@example.com",
        "x\nBcc: z@example.com",
        "x\u2028Bcc: z@example.com",
        "x\x85Bcc: z@example.com",
        "x\x00y",
    ],
)
def test_what_could_become_a_header_is_refused(text: str) -> None:
    received = mail("application_received")
    named = replace(received, to=received.to.model_copy(update={"name": text}))

    for each, subject in ((named, "Application received"), (received, text)):
        with pytest.raises(UnsafeMessageError, match="not sent"):
            built(each, subject)


def test_a_message_whose_bytes_have_another_header_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the first guard ever let one through."""
    monkeypatch.setattr("activities.emails.message.safe_in_header", lambda text: text)
    received = mail("application_received")
    named = replace(received, to=received.to.model_copy(update={"name": "=?utf-8?q?x=0ABcc:_z@z?="}))
    with pytest.raises(UnsafeMessageError, match="not sent"):
        built(named)


@pytest.mark.parametrize("template", TEMPLATES)
def test_dates_to_keep_come_as_calendar_entries(template: str) -> None:
    entries = [part for part in built(mail(template)).walk() if part.get_content_type() == "text/calendar"]

    assert len(entries) == (template in PARTNER_DATES | BD_DEADLINES)
    for part in entries:
        event = calendar_event(part)
        # Due at the midnight after 19 March in Shanghai; the contract starts on 1 April in Singapore.
        assert event.decoded("DTSTART").isoformat() == (
            "2025-04-01" if template in PARTNER_DATES else "2025-03-19"
        )
        assert event.decoded("DTSTAMP") == mail(template).at
        assert part.get_content_disposition() == "attachment"
        assert str(part.get_filename()).endswith(".ics")


@pytest.mark.parametrize(
    ("locale", "told"),
    [("en", "Acme Ltd: 2025-04-01 (Asia/Singapore)"), ("zh", "Acme Ltd：2025-04-01（Asia/Singapore）")],
)
def test_an_entry_is_told_as_the_mail_tells_it(locale: str, told: str) -> None:
    """In the brackets of its language, without marks that rearrange what stands around them."""
    signed = mail("contract_signed", locale=locale)
    message = built(replace(signed, company_name="Acme\u202e\u200b Ltd\u2066"))
    [part] = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    assert str(calendar_event(part)["DESCRIPTION"]) == told


@pytest.mark.parametrize("template", sorted(PARTNER_DATES | BD_DEADLINES))
def test_a_zone_that_is_no_longer_known_holds_no_entry_up(template: str) -> None:
    accounts = mail(template).notice.model_dump()
    moved: dict[str, Any] = {
        name: fact | {"time_zone": "Mars/Base"}
        for name, fact in accounts.items()
        if isinstance(fact, dict) and "time_zone" in fact
    }
    message = built(mail(template, time_zone="Mars/Base", **moved))
    [part] = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    assert calendar_event(part).decoded("DTSTART").isoformat() in ("2025-04-01", "2025-03-19")


def test_a_moved_start_date_moves_the_entry() -> None:
    def entry(a_mail: AddressedNotice) -> tuple[str, int, str]:
        [part] = [p for p in built(a_mail).walk() if p.get_content_type() == "text/calendar"]
        event = calendar_event(part)
        return str(event["UID"]), int(event["SEQUENCE"]), event.decoded("DTSTART").isoformat()

    signed = entry(mail("contract_signed", sequence=9))
    moved = entry(
        mail(
            "start_date_amended",
            sequence=10,
            start={"day": "2025-05-01", "time_zone": "Asia/Singapore", "at": "2025-04-30T16:00:00Z"},
        )
    )
    assert moved[0] == signed[0]
    assert moved[1] > signed[1]
    assert (signed[2], moved[2]) == ("2025-04-01", "2025-05-01")


def parts(a_mail: AddressedNotice) -> list[tuple[str, Any]]:
    """The calendar entries of a mail, each with the method its part names."""
    entries = [part for part in built(a_mail).walk() if part.get_content_type() == "text/calendar"]
    for part in entries:
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        assert Calendar.from_ical(content)["METHOD"] == part.get_param("method")
    return [(str(part.get_param("method")), calendar_event(part)) for part in entries]


@pytest.mark.parametrize(
    ("enters", "withdraws", "entry"),
    [
        (
            "review_requested",
            "withdrawn_to_bd",
            {"event": "review-deadline", "until": "2025-03-19T16:00:00Z", "time_zone": "Asia/Shanghai"},
        ),
        (
            "terms_confirmed_to_bd",
            "closed_to_bd",
            {"event": "contact-deadline", "until": "2025-03-19T16:00:00Z"},
        ),
        (
            "contract_signed",
            "application_cancelled",
            {
                "event": "contract-start",
                "until": "2025-03-31T16:00:00Z",
                "time_zone": "Asia/Singapore",
                "day": "2025-04-01",
            },
        ),
    ],
)
def test_what_is_off_is_withdrawn(enters: str, withdraws: str, entry: dict[str, str]) -> None:
    [(method, entered)] = parts(mail(enters, sequence=9))
    assert (method, entered.get("STATUS")) == ("PUBLISH", None)
    [(method, gone)] = parts(mail(withdraws, sequence=12, withdraws=[entry]))
    assert (method, gone["STATUS"]) == ("CANCEL", "CANCELLED")
    assert gone["UID"] == entered["UID"]
    assert (int(entered["SEQUENCE"]), int(gone["SEQUENCE"])) == (9, 12)
    assert gone.decoded("DTSTART") == entered.decoded("DTSTART")
    assert gone["ORGANIZER"] == entered["ORGANIZER"]


def test_a_mail_may_withdraw_one_entry_and_make_another() -> None:
    review = {"event": "review-deadline", "until": "2025-03-18T16:00:00Z", "time_zone": "Asia/Shanghai"}
    [(first, review_gone), (second, contact)] = parts(mail("terms_confirmed_to_bd", withdraws=[review]))
    assert (first, second) == ("CANCEL", "PUBLISH")
    assert review_gone["UID"] != contact["UID"]
    assert review_gone.decoded("DTSTART").isoformat() == "2025-03-18"


def test_an_attachment_survives_long_and_chinese_text() -> None:
    name = "云" * 200
    [part] = [
        part
        for part in built(mail("contract_signed", company_name=name), subject=name).walk()
        if part.get_content_type() == "text/calendar"
    ]
    event = calendar_event(part)
    assert event["SUMMARY"] == f"Contract starts – {name}"


@pytest.mark.parametrize(
    ("template", "english", "chinese"),
    [
        ("contract_signed", "Contract starts – Acme", "合同生效——Acme"),
        ("start_date_amended", "Contract starts – Acme", "合同生效——Acme"),
        ("review_reminder", "Review due – Acme", "审核截止——Acme"),
        ("terms_confirmed_to_bd", "Contact about signing due – Acme", "联系合作伙伴签署合同截止——Acme"),
    ],
)
def test_an_entry_says_what_its_day_is(template: str, english: str, chinese: str) -> None:
    """Not what the mail says that brings it: that is of the day it is read."""
    for locale, told in (("en", english), ("zh", chinese)):
        [(_, event)] = parts(mail(template, company_name="Acme", locale=locale))
        assert event["SUMMARY"] == told


@pytest.mark.parametrize(
    "sender", ["nobody", "a@b@c", "陈美@example.com", "", "=?utf-8?q?x?= <a@example.com>"]
)
def test_a_wrong_sender_is_named_by_its_setting(sender: str) -> None:
    with pytest.raises(ValueError, match="ONBOARDING_EMAIL_FROM"):
        MessageFactory(sender)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@mail.example.com",
        "smtp://",
        "smtp://user:secret@",
        "smtp://user:sec/ret@mail.example.com",
        "smtp://user:secret@mail.example.com:port",
        "smtp://user:secret@mail.example.com:99999",
        "smtp://user:secret@mail.example.com/inbox",
        "smtp://user:secret@mail.example.com?x=1",
        "smtp://secret@mail.example.com",
        "smtp://[secret",
        "",
    ],
)
def test_a_wrong_smtp_url_is_named_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="ONBOARDING_SMTP_URL") as refused:
        SmtpAddress.from_url(url)
    assert "sec" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("smtp://mail.example.com", 25, Tls.REQUIRED),
        ("smtps://mail.example.com", 465, Tls.IMPLICIT),
        ("smtp://u:p@mail.example.com:587", 587, Tls.REQUIRED),
        ("smtps://u:p@mail.example.com", 465, Tls.IMPLICIT),
        ("smtp://u:p@127.0.0.1:2525/", 2525, Tls.OFFERED),
        ("smtp://u:p@localhost", 25, Tls.OFFERED),
        ("smtp://u:p@[::1]:2525", 2525, Tls.OFFERED),
    ],
)
def test_ports_and_encryption_follow_from_the_url(url: str, port: int, tls: Tls) -> None:
    address = SmtpAddress.from_url(url)
    assert (address.port, address.tls) == (port, tls)


def test_user_and_password_are_decoded() -> None:
    address = SmtpAddress.from_url("smtps://us%40er:p%3Aa%2Fss@mail.example.com")
    assert (address.username, address.password) == ("us@er", "p:a/ss")


def test_a_name_with_several_spaces_in_a_row_gets_its_mail() -> None:
    person = Person(name="Jos\u00e9  /&", email="jose@example.com")
    message = built(mail("application_received", to=person))
    assert message["To"].addresses[0].display_name == "Jos\u00e9 /&"


def test_what_a_library_can_not_write_fails_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(calendar: Calendar) -> bytes:
        raise AttributeError("'Group' object has no attribute 'local_part'")

    monkeypatch.setattr(Calendar, "to_ical", fails)
    with pytest.raises(UnsafeMessageError, match="local_part"):
        built(mail("contract_signed"))


@example("=_alternative")
@example("two\n\nlines \n.\n--=_")
@example("x" * 78 + "\n" + "y" * 79)
@example("云" * 300)
@example("")
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=300))
def test_every_text_arrives_as_written(text: str) -> None:
    message = built(mail("application_received"), text=text)
    plain, html = message.iter_parts()
    assert (plain.get_content(), html.get_content()) == (f"{text}\n".replace("\n", "\r\n"), "<p>text</p>\r\n")
    assert not message.defects
    assert not plain.defects


@pytest.mark.parametrize("line", ["--{}", "--{}--"])
def test_a_text_that_holds_the_boundary_ends_no_part(line: str) -> None:
    """Somebody may have seen an earlier mail."""
    received = mail("application_received")
    text = f"before\n{line.format(built(received).get_boundary())}\nafter"
    plain, _ = built(received, text=text).iter_parts()
    assert plain.get_content().splitlines() == text.splitlines()


@pytest.mark.parametrize("template", TEMPLATES)
def test_lines_are_short_and_ascii(template: str) -> None:
    name = "云" * 60
    rendered = RenderedNotice(subject=name, text="x" * 3000 + "é" * 100, html=name * 50)
    outgoing = FACTORY.build(mail(template, to=Person(name=name, email="mei@example.com")), rendered)
    assert outgoing.content.isascii()
    assert max(map(len, outgoing.content.split(b"\r\n"))) <= 78
    assert outgoing.content.count(b"\n") == outgoing.content.count(b"\r") == outgoing.content.count(b"\r\n")
