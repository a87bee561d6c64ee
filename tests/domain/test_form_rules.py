"""What a form may say of the company, beside its accounts: its website."""

import pytest

from domain.documents import ApplicationForm
from tests import payloads
from tests.domain.applications import UID, journey_to, refused

REFUSED = (
    "invalid",
    "application.website: must be a web address that begins with https:// or http://, such as"
    " https://acme.example.",
)
NO_WEB_ADDRESS = [
    *("javascript:alert(1)", "data:text/html,x", "ftp://acme.example", "file:///etc/passwd"),
    *("acme.example", "//acme.example", "https:", "https://", "https:///x", "https:acme.example", "-"),
    *("https://acme.example@evil.example", "https://acme example", "see https://acme.example"),
    *("https://acme", "http://lincloud", "https://acme.", "https://.example", "https://a..example"),
    *("https://acme.example:x", "https:\\\\acme.example", " javascript:https://acme.example"),
]
WEB_ADDRESSES = [
    *("https://acme.example", "http://acme.example", "HTTPS://ACME.EXAMPLE/", "https://云集.中国/关于"),
    *("https://acme.example:8443/a?b=c@d#e", "https://acme.example?x", "https://acme.example./"),
]


@pytest.mark.parametrize("website", NO_WEB_ADDRESS)
def test_a_website_is_a_web_address(website: str) -> None:
    journey = journey_to("company_confirmed")
    form = payloads.form(UID, website=website)
    assert refused(journey, "submit_application", application=form) == REFUSED
    assert journey.status.stage == "drafting"
    assert ApplicationForm.model_validate(form).website, "one that is stored can be read all the same"


@pytest.mark.parametrize("website", [*WEB_ADDRESSES, None])
def test_or_none(website: str | None) -> None:
    journey = journey_to("company_confirmed")
    journey.say("submit_application", application=payloads.form(UID, website=website))
    assert journey.status.stage == "under_review"
    assert journey.application.form
    assert journey.application.form.website == website
