"""Names and subjects in headers: they arrive as written, read by parsers that did not write them."""

import re
from dataclasses import replace
from email import message_from_string
from email.header import decode_header, make_header
from email.policy import compat32
from email.utils import parseaddr
from typing import Final

import fast_mail_parser
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from activities.emails.message import MessageFactory, UnsafeMessageError
from activities.emails.render import RenderedNotice
from domain.contract import Person
from domain.values import HeaderText, without_misleading_marks
from tests.activities.notices import mail

_NAME: Final[TypeAdapter[str]] = TypeAdapter(HeaderText)
SCRIPTS: Final = {
    "Latin": "María del Carmen Núñez y García de la Peña ",
    "Cyrillic": "Александр Сергеевич Пушкин ",
    "Greek": "Ελευθέριος Κυριάκου Βενιζέλος ",
    "Han": "北京云集科技有限公司 商务部 王小明 ",
    "Kana": "さとうはなこ サトウハナコ ",
    "Hangul": "김철수 박영희 ",
    "Arabic": "محمد بن عبد الله ",
    "Hebrew": "יצחק בן־ארי ",
    "Devanagari": "राजेंद्र प्रसाद शर्मा ",
    "Thai": "สมชาย ใจดี ",
    "Armenian": "Արամ Խաչատրյան ",
    "Georgian": "შოთა რუსთაველი ",
    "Tamil": "சுப்பிரமணிய பாரதி ",
    "beyond the basic plane": "𠮷野家 👩‍💻 ",
}
TOLD: Final = (
    "Александр Сергеевич Пушкин",
    "北京云集科技有限公司 商务部 王小明",
    "María del Carmen Núñez y García de la Peña",
)
ADDRESSES: Final = ("mei.tan@example.com", "陈美@bücher.example", f"{'a' * 64}@{'b' * 60}.example")


def sent_to(name: str, address: str = ADDRESSES[0], *, subject: str = "Application received") -> bytes:
    sender = MessageFactory(f'"{TOLD[1]}" <onboarding@example.com>')
    rendered = RenderedNotice(subject=subject, text="text", html="<p>text</p>")
    notice = mail("application_received")
    return sender.build(replace(notice, to=Person(name=name, email=address)), rendered).content


def read_by_rust(content: bytes) -> tuple[str, str, str]:
    """Name and subject, and the name of the sender."""
    message = fast_mail_parser.parse_email(content)
    [to], sender = message.to, message.from_
    assert sender is not None
    return to.display_name or "", message.subject, sender.display_name or ""


def read_by_the_older_parser(content: bytes) -> tuple[str, str, str]:
    message = message_from_string(content.decode(), policy=compat32)

    def decoded(value: str) -> str:
        return str(make_header(decode_header(re.sub(r"\r?\n(?=\s)", "", value))))

    names = [decoded(parseaddr(re.sub(r"\r?\n(?=\s)", "", message[header]))[0]) for header in ("To", "From")]
    return names[0], decoded(message["Subject"]), names[1]


READERS: Final = (read_by_rust, read_by_the_older_parser)


@pytest.mark.parametrize("script", SCRIPTS)
def test_names_of_1_to_100_characters_arrive_as_written(script: str) -> None:
    """So do subjects, and the sender's own long name."""
    text = SCRIPTS[script] * 100
    for length in range(1, 101):
        name = text[:length].strip()
        content = sent_to(name, subject=name)
        for read in READERS:
            assert read(content) == (name, name, TOLD[1]), read.__name__


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("address", ADDRESSES)
def test_long_names_arrive_at_every_kind_of_address(name: str, address: str) -> None:
    content = sent_to(name, address)
    for read in READERS:
        assert read(content)[0] == name
    assert max(len(line) for line in content.split(b"\r\n\r\n")[0].split(b"\r\n")) < 200


def is_a_name(text: str) -> bool:
    """Whether the contract takes it as one: not what has nothing to read, such as a soft hyphen alone."""
    try:
        _NAME.validate_python(text)
    except ValidationError:
        return False
    return True


@settings(max_examples=200)
@example('O"Brien, Ltd. (Partners) <x@y.example>; \\"')
@example("a@b.example, c@d.example " * 8)
@example("Dr. Mei Tan" * 18)
@example("x" * 200)
@example("'")
@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=200
    ).filter(is_a_name)
)
def test_every_name_arrives_as_written_or_is_refused(name: str) -> None:
    """Spaces in a row are read as one, and what rearranges its surroundings is left out."""
    try:
        content = sent_to(name)
    except UnsafeMessageError:
        pytest.fail(f"refused: {name!r}")
    for read in READERS:
        assert read(content)[0] == " ".join(without_misleading_marks(name).split()), read.__name__
