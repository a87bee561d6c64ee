"""What does not get anybody a session, or another's."""

import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.fernet import Fernet
from fastapi.routing import APIRoute

from activities.db.engine import Database
from settings import SettingsError, load_settings
from starter.web.desks import NO_DESKS
from starter.web.idp import PAGES_CLIENT
from starter.web.sessions import ASK_AFTER, Seal
from starter.web.sign_in import sign_in_pages
from starter.web.tokens import InvalidTokenError, IssuerKeys, OidcVerifier
from tests.web.identity import another_key
from tests.web.people import ADDRESS, NAMES, Browser, Portal, portal, query_of


async def _refused(browser: Browser, back: str) -> None:
    answered = await browser.get(back)
    assert answered.status_code == 403
    assert "You are not signed in" in answered.text
    assert browser.kept() is None


async def test_a_state_of_another_browser_signs_nobody_in(here: Portal) -> None:
    """The attacker's own way back, opened by his victim, would have him work on the attacker's account."""
    attacker, victim = here.browser(), here.browser()
    back = await attacker.choose(await attacker.authorize(), "mei")
    await _refused(victim, back)
    await victim.authorize()
    await _refused(victim, back)


@pytest.mark.parametrize(
    "changed", [{"state": "x"}, {"state": "é"}, {"state": ""}, {"iss": "https://evil.example"}]
)
async def test_an_answer_that_is_not_to_what_was_asked(here: Portal, changed: dict[str, str]) -> None:
    browser = here.browser()
    back = await browser.choose(await browser.authorize(), "mei")
    await _refused(browser, str(httpx.URL(back).copy_merge_params(changed)))


async def test_a_code_of_another_sign_in_signs_nobody_in(here: Portal) -> None:
    """The verifier is the browser's that has begun."""
    attacker, victim = here.browser(), here.browser()
    stolen = query_of(await victim.choose(await victim.authorize(), "mei"))["code"]
    back = httpx.URL(await attacker.choose(await attacker.authorize(), "vic"))
    await _refused(attacker, str(back.copy_set_param("code", stolen)))


async def test_a_way_back_leads_in_once(here: Portal) -> None:
    browser = here.browser()
    address = await browser.authorize()
    begun = browser.kept("sign-in")
    back = await browser.choose(address, "mei")
    assert (await browser.get(back)).status_code == 303
    again = here.browser()
    await _refused(again, back)
    # Nor for who has kept the cookie, as the code is used.
    again.http.cookies.set("onboarding-sign-in", begun or "")
    await _refused(again, back)


async def test_a_refusal_of_the_issuer_is_told_in_our_own_words(here: Portal) -> None:
    browser = here.browser()
    state = query_of(str(await browser.authorize()))["state"]
    answered = await browser.get(
        "/sign-in/callback",
        params={"state": state, "error": "access_denied", "error_description": "<b>call 555</b>"},
    )
    assert answered.status_code == 403
    assert "555" not in answered.text


def _id_token(here: Portal, nonce: str, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": here.issuer.issuer, "aud": PAGES_CLIENT, "sub": "mei", "iat": now, "exp": now + 60}
    return {**claims, "nonce": nonce, "onboarding_roles": ["ops"], **changes}


async def _with_id_token(here: Portal, token: str, begun: httpx.URL, browser: Browser) -> httpx.Response:
    given = {"access_token": "a", "token_type": "Bearer", "id_token": token}
    here.asked.instead["/token"] = httpx.Response(200, json=given)
    return await browser.get(
        "/sign-in/callback", params={"code": "c", "state": query_of(str(begun))["state"]}
    )


FORGED: dict[str, dict[str, Any]] = {
    "of another sign-in": {"nonce": "another"},
    "without nonce": {"nonce": None},
    "for another client": {"aud": "billing"},
    "for the API": {"aud": "onboarding"},
    "made for another client": {"aud": [PAGES_CLIENT, "billing"], "azp": "billing"},
    "of another issuer": {"iss": "https://evil.example"},
    "expired": {"exp": int(time.time()) - 120},
    "without expiry": {"exp": None},
    "of nobody": {"sub": ""},
}


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
async def test_an_id_token_that_is_not_for_this_sign_in(here: Portal, changes: dict[str, Any]) -> None:
    browser = here.browser()
    begun = await browser.authorize()
    claims = _id_token(here, query_of(str(begun))["nonce"]) | changes
    token = here.issuer._signed({name: value for name, value in claims.items() if value is not None}, "JWT")
    assert (await _with_id_token(here, token, begun, browser)).status_code == 403
    assert browser.kept() is None


async def test_an_id_token_the_issuer_has_not_signed(here: Portal) -> None:
    browser = here.browser()
    kid = here.issuer.keys()["keys"][0]["kid"]
    for key, algorithm in (("", "none"), (40 * "x", "HS256"), (another_key(), "RS256")):
        begun = await browser.authorize()
        claims = _id_token(here, query_of(str(begun))["nonce"])
        token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})
        assert (await _with_id_token(here, token, begun, browser)).status_code == 403
        assert browser.kept() is None
    # The same, signed by the issuer, is one.
    begun = await browser.authorize()
    token = here.issuer._signed(_id_token(here, query_of(str(begun))["nonce"]), "JWT")
    assert (await _with_id_token(here, token, begun, browser)).status_code == 303


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"access_token": "a"}),
        httpx.Response(200, json={"id_token": 7}),
        httpx.Response(400, json={"error": "invalid_grant"}),
    ],
)
async def test_an_issuer_that_gives_no_id_token(here: Portal, answer: httpx.Response) -> None:
    browser = here.browser()
    back = await browser.choose(await browser.authorize(), "mei")
    here.asked.instead["/token"] = answer
    await _refused(browser, back)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, json={}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, text="x" * (600 * 1024)),
        httpx.Response(401, json={"error": "invalid_client"}),
        httpx.Response(302, headers={"Location": "http://127.0.0.1:1/"}),
    ],
    ids=["500", "HTML", "endless", "knows us not", "redirects"],
)
async def test_an_issuer_that_does_not_work_is_not_the_persons_fault(
    here: Portal, answer: httpx.Response
) -> None:
    browser = here.browser()
    back = await browser.choose(await browser.authorize(), "mei")
    here.asked.instead["/token"] = answer
    assert (await browser.get(back)).status_code == 503


async def test_somebody_else_at_the_issuer_is_no_refresh(here: Portal) -> None:
    browser = here.browser()
    await browser.sign_in("mei")
    claims = _id_token(here, "", sub="ops")
    given = {"access_token": "a", "token_type": "Bearer", "id_token": here.issuer._signed(claims, "JWT")}
    here.asked.instead["/token"] = httpx.Response(200, json=given)
    here.clock.now += ASK_AFTER
    assert (await browser.get("/me")).status_code == 303


async def test_a_session_planted_beforehand_is_replaced(here: Portal) -> None:
    attacker, victim = here.browser(), here.browser()
    await attacker.sign_in("vic")
    planted = attacker.kept() or ""
    victim.http.cookies.set("onboarding-session", planted, domain="127.0.0.1", path="/")
    await victim.sign_in("mei")
    assert victim.kept() != planted
    assert "Mei Lin" in (await victim.get("/me")).text
    # Each sign-in makes another.
    first = victim.kept()
    await victim.sign_in("mei")
    assert victim.kept() != first


async def test_a_cookie_can_be_neither_read_nor_made_nor_taken_for_another(here: Portal) -> None:
    browser = here.browser()
    await browser.authorize()
    begun = browser.kept("sign-in") or ""
    await browser.sign_in("mei")
    session = browser.kept() or ""
    assert "mei" not in session
    forged = Seal.of_its_own().closed(here.sessions._seal.opened(session) or b"")
    changed = session[:-10] + ("A" if session[-10] != "A" else "B") + session[-9:]
    for value in (begun, forged, changed, session[:-4], "", "x", "é".encode().hex()):
        thief = here.browser()
        thief.http.cookies.set("onboarding-session", value)
        assert (await thief.get("/me")).status_code == 303, value


async def test_a_cookie_that_unpacks_to_more_than_there_is_opens_nothing(here: Portal) -> None:
    bomb = here.sessions._seal.closed(b"session:" + b" " * 10_000_000)
    browser = here.browser()
    browser.http.cookies.set("onboarding-session", bomb)
    assert (await browser.get("/me")).status_code == 303


async def test_keys_are_exchanged_one_after_the_other() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    async with portal(seal=Seal(old)) as before:
        browser = before.browser()
        await browser.sign_in("mei")
        kept = before.sessions._seal.opened(browser.kept() or "")
        assert kept is not None
        assert Seal(f"{new}, {old}").opened(browser.kept() or "") == kept
        assert Seal(new).opened(browser.kept() or "") is None
        assert Seal(new).opened(Seal(f"{new},{old}").closed(b"x")) == b"x"


async def test_another_process_with_the_same_keys_knows_the_session() -> None:
    key = Fernet.generate_key().decode()
    async with portal(seal=Seal(key)) as one, portal(seal=Seal(key)) as other:
        browser, elsewhere = one.browser(), other.browser()
        await browser.sign_in("mei")
        elsewhere.http.cookies.set("onboarding-session", browser.kept() or "")
        assert "Mei Lin" in (await elsewhere.get("/me")).text


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://evil.example",
        "http://127.0.0.1:8001",
        "http://127.0.0.1:8000.evil.example",
        "https://127.0.0.1:8000",
    ],
)
async def test_another_sites_form_does_nothing(here: Portal, origin: str | None) -> None:
    browser = here.browser()
    await browser.sign_in("mei")
    refused = await browser.post("/sign-out", origin=origin)
    assert refused.status_code == 403
    assert "did not come from a page of this site" in refused.text
    assert (await browser.get("/me")).status_code == 200


async def test_every_route_of_the_pages_that_changes_something_asks_where_it_comes_from(here: Portal) -> None:
    browser = here.browser()
    await browser.sign_in("mei")
    changing = {
        (route.path, method)
        for router in sign_in_pages(here.sessions, NO_DESKS)
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in (route.methods or set()) - {"GET", "HEAD"}
    }
    assert ("/sign-out", "POST") in changing
    for path, method in changing:
        assert (await browser.http.request(method, path)).status_code == 403, path


async def test_the_public_address_counts_not_the_one_that_is_listened_on(public: Portal) -> None:
    browser = public.browser()
    assert (await browser.post("/sign-out", origin=ADDRESS)).status_code == 403
    assert (await browser.post("/sign-out")).status_code == 303


async def test_the_api_takes_no_cookie_and_the_pages_no_token(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with portal(database=database) as here:
        browser = here.browser()
        await browser.sign_in("ops")
        api = await browser.get("/api/v1/applications")
        assert (api.status_code, api.headers["www-authenticate"]) == (401, 'Bearer realm="onboarding"')
        token = {"Authorization": f"Bearer {here.issuer.token('ops')}"}
        assert (await browser.get("/api/v1/applications", headers=token)).status_code == 200
        stranger = here.browser()
        assert (await stranger.get("/me", headers=token)).status_code == 303
        assert (await stranger.post("/sign-out", headers=token, origin=None)).status_code == 403
        assert "There is no such page" in (await stranger.get("/nowhere")).text
    await database.dispose()


async def test_an_id_token_opens_no_api(here: Portal) -> None:
    browser = here.browser()
    await browser.sign_in("ops")
    left = await browser.post("/sign-out")
    token = query_of(left.headers["refresh"].removeprefix("0; url="))["id_token_hint"]
    async with httpx.AsyncClient(transport=here.asked) as http:
        keys = IssuerKeys(http, here.issuer.issuer)
        with pytest.raises(InvalidTokenError, match="aud"):
            await OidcVerifier(keys, audience="onboarding", names=NAMES).caller(token)


def test_the_pages_are_no_audience_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ID token is for the pages, and nothing in it need tell it from an access token."""
    monkeypatch.setenv("ONBOARDING_OIDC_CLIENT_ID", "onboarding")
    with pytest.raises(SettingsError, match=r"ONBOARDING_OIDC_CLIENT_ID: must be another .*_AUDIENCE"):
        load_settings()


async def test_an_account_with_too_much_for_a_cookie_is_told_so(here: Portal) -> None:
    many = tuple(str(5_000_000_000 + 7_919 * number * number) for number in range(800))
    here.issuer._personas["mei"] = here.issuer._personas["mei"].model_copy(update={"uids": many})
    browser = here.browser()
    refused = await browser.sign_in("mei")
    assert (refused.status_code, browser.kept()) == (403, None)
    assert "too much for a session" in refused.text
