"""Signing in and out on the pages, and what a browser keeps of it."""

import re

import httpx
import pytest
from fastapi import APIRouter

from starter.web import words
from starter.web.callers import CallerRole
from starter.web.desks import NO_DESKS
from starter.web.sessions import (
    ASK_AFTER,
    ASK_BEFORE_CHANGE_AFTER,
    LONGEST,
    SIGN_IN_WITHIN,
)
from starter.web.signed_in import SignedIn, place, signed_in_route
from tests.web.people import ADDRESS, Portal, query_of


def _cookies(response: httpx.Response) -> dict[str, str]:
    """The whole lines, by the cookie's name."""
    return {line.partition("=")[0]: line for line in response.headers.get_list("set-cookie")}


async def test_who_has_not_signed_in_is_led_there_and_back(here: Portal) -> None:
    browser = here.browser()
    sent = await browser.get("/me?lang=zh")
    assert (sent.status_code, sent.headers["location"]) == (303, f"{ADDRESS}/sign-in?to=/me%3Flang%3Dzh")
    shown = await browser.get(sent.headers["location"])
    assert 'href="/sign-in/start?to=/me%3Flang%3Dzh"' in shown.text
    back = await browser.sign_in("mei", "/me?lang=zh")
    assert (back.status_code, back.headers["location"]) == (303, f"{ADDRESS}/me?lang=zh")
    assert "Mei Lin" in (await browser.get(back.headers["location"])).text


@pytest.mark.parametrize(
    ("persona", "said"),
    [
        ("mei", ["Mei Lin", "mei@lincloud.example", "Partner", "5123456789", "5123456790"]),
        ("wei", ["Wei Zhang", "BD", "Desk", "default"]),
        ("vic", ["Vic Moreau", "Vendor&#39;s signatory"]),
    ],
)
async def test_a_page_says_who_one_is(here: Portal, persona: str, said: list[str]) -> None:
    browser = here.browser()
    await browser.sign_in(persona)
    shown = await browser.get("/me")
    assert shown.status_code == 200
    assert all(each in shown.text for each in said)
    assert ("Desk" in shown.text) == (persona == "wei")
    assert 'method="post" action="/sign-out"' in shown.text


async def test_the_pages_are_in_two_languages_and_keep_the_chosen_one(here: Portal) -> None:
    browser = here.browser()
    assert "<h1>Sign in</h1>" in (await browser.get("/sign-in")).text
    chinese = await browser.get("/sign-in", headers={"Accept-Language": "de, zh-CN;q=0.9, en;q=0.8"})
    assert "<h1>登录</h1>" in chinese.text
    assert chinese.headers["content-language"] == "zh"
    await browser.get("/sign-in?lang=zh")
    assert "<h1>登录</h1>" in (await browser.get("/sign-in")).text
    assert "<h1>Sign in</h1>" in (await browser.get("/sign-in?lang=en")).text
    assert "<h1>Sign in</h1>" in (await browser.get("/sign-in?lang=xx")).text


def test_every_word_is_there_in_every_language() -> None:
    for key, texts in words.WORDS.items():
        assert texts.keys() == words.LANGUAGES.keys(), key
    for role in CallerRole:
        assert words.role(role, "zh")


@pytest.mark.parametrize(
    ("accepted", "locale"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("en;q=0.1, zh;q=0.2", "zh"),
        ("fr", "en"),
        ("zh;q=x, en", "en"),
        ("zh;q=0", "en"),
    ],
)
def test_the_language_a_browser_prefers(accepted: str, locale: str) -> None:
    assert words.preferred(accepted) == locale


async def test_no_page_may_run_scripts_or_take_anything_from_elsewhere(here: Portal) -> None:
    browser, stranger = here.browser(), here.browser()
    await browser.sign_in("mei")
    for who, path in ((stranger, "/sign-in"), (browser, "/me"), (stranger, "/nowhere")):
        shown = await who.get(path)
        policy = shown.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "form-action 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        # With `no-referrer` a browser would say `Origin: null` of our own forms.
        assert shown.headers["referrer-policy"] == "same-origin"
        assert shown.headers["cache-control"] == "no-store"
        assert not re.search(r"<script|style=|\son\w+=|https?://", shown.text)
    [style] = re.findall(r'href="(/assets/[^"]+)"', (await stranger.get("/sign-in")).text)
    found = await browser.get(style)
    assert (found.status_code, found.headers["content-type"]) == (200, "text/css; charset=utf-8")


async def test_a_public_address_has_cookies_bound_to_it(public: Portal) -> None:
    browser = public.browser()
    begun = await browser.get("/sign-in/start")
    kept = _cookies(begun)["__Host-onboarding-sign-in"]
    for each in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", f"Max-Age={SIGN_IN_WITHIN}"):
        assert each in kept
    assert "Domain" not in kept


async def test_on_this_machine_a_plain_name_does(here: Portal) -> None:
    browser = here.browser()
    answered = await browser.sign_in("mei")
    session = _cookies(answered)["onboarding-session"]
    assert "Secure" not in session
    for each in ("HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={LONGEST}"):
        assert each in session
    # And what was kept for the way there is gone.
    assert browser.kept("sign-in") is None


async def test_another_name_of_this_machine_leads_to_the_one_the_issuer_knows(here: Portal) -> None:
    sent = await here.browser().get("http://localhost:8000/sign-in/start?to=/me%3Fx=1")
    assert sent.headers["location"] == f"{ADDRESS}/sign-in/start?to=/me%3Fx%3D1"


async def test_roles_are_read_again_at_the_issuer(here: Portal) -> None:
    browser = here.browser()
    await browser.sign_in("mei")
    here.asked.asked.clear()
    here.clock.now += ASK_AFTER - 1
    assert "Partner" in (await browser.get("/me")).text
    assert "/token" not in here.asked.asked
    promoted = here.issuer._personas["mei"].model_copy(update={"roles": (CallerRole.OPS,)})
    here.issuer._personas["mei"] = promoted
    here.clock.now += 1
    before = browser.kept()
    shown = await browser.get("/me")
    assert "Operations" in shown.text
    assert "Partner" not in shown.text
    assert browser.kept() != before
    # And again only after as long.
    here.asked.asked.clear()
    await browser.get("/me")
    assert "/token" not in here.asked.asked


async def test_requests_sent_together_ask_the_issuer_once(here: Portal) -> None:
    """Some issuers take a refresh token once only, and end everything when it comes again."""
    browser = here.browser()
    await browser.sign_in("mei")
    here.clock.now += ASK_AFTER
    here.asked.asked.clear()
    cookie = {"Cookie": f"onboarding-session={browser.kept()}"}
    for _ in range(3):
        assert (await here.browser().get("/me", headers=cookie)).status_code == 200
    assert here.asked.asked.count("/token") == 1


async def test_a_session_the_issuer_has_ended_goes_through_it_once_more(here: Portal) -> None:
    browser = here.browser()
    await browser.sign_in("mei")
    here.issuer._refreshing.clear()
    here.clock.now += ASK_AFTER
    sent = await browser.get("/me?x=1")
    # Without a button: the issuer may let him pass.
    assert sent.headers["location"] == f"{ADDRESS}/sign-in/start?to=/me%3Fx%3D1"


async def test_without_the_issuer_a_session_waits_for_it(here: Portal) -> None:
    browser = here.browser()
    await browser.sign_in("mei")
    here.clock.now += ASK_AFTER
    here.asked.down = True
    refused = await browser.get("/me")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert "Not available now" in refused.text
    assert browser.kept() is not None
    assert (await browser.get("/sign-in/start")).status_code == 303


async def test_a_session_ends_after_twelve_hours_however_busy(here: Portal) -> None:
    browser = here.browser()
    await browser.sign_in("mei")
    for _ in range(LONGEST // 3600 - 1):
        here.clock.now += 3600
        assert (await browser.get("/me")).status_code == 200
    here.clock.now += 3600
    assert (await browser.get("/me")).headers["location"] == f"{ADDRESS}/sign-in"


async def test_a_sign_in_that_takes_too_long_is_none(here: Portal) -> None:
    browser = here.browser()
    back = await browser.choose(await browser.authorize(), "mei")
    here.clock.now += SIGN_IN_WITHIN
    refused = await browser.get(back)
    assert refused.status_code == 403
    assert "You are not signed in" in refused.text
    assert browser.kept() is None


async def test_without_a_refresh_token_what_somebody_wrote_is_not_lost(here: Portal) -> None:
    router = APIRouter(route_class=signed_in_route(here.sessions, NO_DESKS))

    @router.post("/change")
    async def change(session: SignedIn) -> str:
        return session.caller.subject

    here.app.include_router(router)
    browser = here.browser()
    await browser.sign_in("mei")
    content = here.sessions._seal.opened(browser.kept() or "") or b""
    without = re.sub(rb'"refresh_token":"[^"]+"', b'"refresh_token":null', content)
    browser.http.cookies.clear()
    browser.http.cookies.set("onboarding-session", here.sessions._seal.closed(without))
    here.clock.now += ASK_AFTER
    assert "/sign-in/start" in (await browser.get("/me")).headers["location"]
    here.clock.now += ASK_BEFORE_CHANGE_AFTER - ASK_AFTER - 1
    assert (await browser.post("/change")).json() == "mei"
    assert (await browser.post("/change", origin=None)).status_code == 403
    here.clock.now += 1
    late = await browser.post("/change")
    assert late.status_code == 401
    assert "Nothing of what you have just sent was stored" in late.text


async def test_signing_out_ends_the_session_here_and_at_the_issuer(here: Portal) -> None:
    browser = here.browser()
    await browser.sign_in("mei")
    copied = browser.kept()
    left = await browser.post("/sign-out")
    assert left.status_code == 200
    assert browser.kept() is None
    leads = left.headers["refresh"].removeprefix("0; url=")
    assert leads.startswith(f"{here.issuer.issuer}/end-session?")
    assert query_of(leads)["post_logout_redirect_uri"] == f"{ADDRESS}/sign-in"
    assert query_of(leads)["id_token_hint"]
    async with httpx.AsyncClient(transport=here.asked) as http:
        assert (await http.get(leads)).headers["location"] == f"{ADDRESS}/sign-in"
    assert "/sign-in" in (await browser.get("/me")).headers["location"]
    # A copy of the cookie is of use for five minutes at most, whatever was answered to others meanwhile.
    here.clock.now += ASK_AFTER
    thief = here.browser()
    thief.http.cookies.set("onboarding-session", copied or "")
    assert (await thief.get("/me")).status_code == 303


async def test_signing_out_twice_or_without_the_issuer_is_no_error(here: Portal) -> None:
    browser = here.browser()
    assert (await browser.post("/sign-out")).headers["location"] == f"{ADDRESS}/sign-in"
    await browser.sign_in("mei")
    here.asked.down = True
    assert (await browser.post("/sign-out")).status_code in {200, 303}
    assert browser.kept() is None


async def test_a_program_that_asks_for_a_page_that_is_none_gets_a_problem_document(here: Portal) -> None:
    browser = here.browser()
    shown = await browser.get("/nowhere")
    assert (shown.status_code, "There is no such page" in shown.text) == (404, True)
    for path, headers in (("/nowhere", {"Accept": "*/*"}), ("/api/v1/nowhere", {})):
        told = await browser.get(path, headers=headers)
        assert told.headers["content-type"] == "application/problem+json", path


@pytest.mark.parametrize(
    ("said", "leads"),
    [
        ("/me?x=1", "/me?x=1"),
        ("/applications/5123456789", "/applications/5123456789"),
        (None, "/me"),
        ("", "/me"),
        ("me", "/me"),
        ("//evil.example", "/me"),
        ("/\\evil.example", "/me"),
        ("/a\\b", "/me"),
        ("/\tevil.example", "/me"),
        ("/\n/evil.example", "/me"),
        ("https://evil.example", "/me"),
        ("javascript:alert(1)", "/me"),
        ("/é", "/me"),
        ("/" + 2000 * "a", "/me"),
        ("/sign-in/start", "/me"),
    ],
)
async def test_one_returns_to_an_address_of_the_pages_alone(
    here: Portal, said: str | None, leads: str
) -> None:
    assert place(said) == leads
    back = await here.browser().sign_in("mei", said)
    assert back.headers["location"] == f"{ADDRESS}{leads}"
