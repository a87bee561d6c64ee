"""Who may what: every route, for every caller, of his own application and of others'.

The routes come from the application itself: one that is added stands here, too, or a test fails. The answers
come from the tables of steps and from what is said here of each caller, not from the code under test.
"""

from itertools import product
from typing import Any, Final

from fastapi.routing import APIRoute

from domain import coverage
from domain.contract import Role
from domain.lifecycle import newest_rows
from starter.web.app import api
from starter.web.bodies import body_of, example_of
from tests.web.doors import BD, CALLERS, LEAD, NEVER_JOINED, OTHERS, OWN, Doors

SEES: Final[dict[str, frozenset[str]]] = {
    "partner": frozenset({OWN}),
    "partner-of-others": frozenset({OTHERS}),
    "bd": frozenset({OWN, OTHERS}),
    "other-bd": frozenset(),
    "unverified-bd": frozenset(),
    "bd_lead": frozenset({OWN, OTHERS}),
    "other-lead": frozenset(),
    "vendor": frozenset({OWN, OTHERS}),
    "ops": frozenset({OWN, OTHERS}),
    "service": frozenset({OWN, OTHERS}),
    "nobody": frozenset(),
}
ACTS_AS: Final = {"partner": "partner", "partner-of-others": "partner", "bd": "bd", "bd_lead": "bd_lead"} | {
    "vendor": "vendor",
    "ops": "ops",
}
STEPS: Final = {step.name: step for step in (*newest_rows(), *coverage.STEPS)}
READS: Final = {
    "/applications/{uid}": 200,
    "/applications/{uid}/audit": 200,
    "/applications/{uid}/mails": 200,
    "/applications/{uid}/sheets": 200,
    "/applications/{uid}/sheets/{revision}": 404,
    "/applications/{uid}/access": 200,
}
"""What who may read it is answered: there is no sheet yet."""


STREAMS: Final = ("/applications/{uid}/events", "/events")
MANAGE_WEBHOOKS: Final = frozenset({"ops", "service"})
WEBHOOKS: Final[dict[tuple[str, str], tuple[int, Any]]] = {
    ("POST", "/webhooks"): (201, {"url": "https://93.184.216.34/hooks"}),
    ("GET", "/webhooks"): (200, None),
    ("DELETE", "/webhooks/{endpoint}"): (404, None),
    ("POST", "/webhooks/{endpoint}/rotate"): (404, None),
    ("GET", "/webhooks/{endpoint}/deliveries"): (404, None),
    ("POST", "/webhooks/{endpoint}/deliveries/{delivery}/resend"): (404, None),
    ("POST", "/webhooks/{endpoint}/test"): (404, None),
}
"""What who may manage them is answered, and what he sends: there is no such endpoint."""


def _address(path: str, uid: str = OWN) -> str:
    for name, value in {"uid": uid, "revision": "1", "endpoint": "0f", "delivery": "run-1-1-x"}.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def _routes(doors: Doors) -> set[tuple[str, str]]:
    return {
        (method, route.path.removeprefix("/api/v1"))
        for router in api(doors.door)
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


async def test_no_route_is_left_out(doors: Doors) -> None:
    commands = {("POST", f"/applications/{{uid}}/commands/{name}") for name in STEPS}
    known = {("GET", path) for path in (*READS, *STREAMS)} | commands | WEBHOOKS.keys()
    assert _routes(doors) == known | {("GET", "/applications"), ("POST", "/applications")}


async def test_nobody_passes_without_a_token(doors: Doors) -> None:
    for method, path in sorted(_routes(doors)):
        address = f"/api/v1{_address(path)}"
        for headers in ({}, {"Authorization": "Basic b3BzOm9wcw=="}, {"Authorization": "Bearer forged"}):
            response = await doors.http.request(method, address, headers=headers)
            assert response.status_code == 401, (method, path, headers)
            assert response.json()["type"] == "urn:onboarding:error:unauthenticated"
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert not doors.service.sent


async def test_who_may_read_what(doors: Doors) -> None:
    # Streams end at once, so that there is an answer; what is in them: test_streams.py.
    await doors.door.streams.close()
    wanted = READS | {STREAMS[0]: 200}
    for who, uid, (path, answered) in product(CALLERS, (OWN, OTHERS, NEVER_JOINED), wanted.items()):
        response = await doors.get(_address(path, uid), who)
        expected = answered if uid in SEES[who] else 404
        assert response.status_code == expected, (who, uid, path)
        if uid not in SEES[who]:
            # The same as of a UID that never joined.
            unknown = await doors.get(_address(path, "77"), who)
            assert response.text.replace(uid, "77") == unknown.text, (who, uid, path)


async def test_who_is_listed_what(doors: Doors) -> None:
    for who in CALLERS:
        found = (await doors.get("/applications", who)).json()
        assert {each["company_master_uid"] for each in found["items"]} == SEES[who], who


async def test_who_manages_webhooks(doors: Doors) -> None:
    for who, ((method, path), (answered, body)) in product(CALLERS, WEBHOOKS.items()):
        response = await doors.http.request(
            method, f"/api/v1{_address(path)}", json=body, headers={"Authorization": f"Bearer {who}"}
        )
        assert response.status_code == (answered if who in MANAGE_WEBHOOKS else 403), (who, method, path)
    assert len((await doors.get("/webhooks")).json()) == len(MANAGE_WEBHOOKS)


def _body(name: str) -> dict[str, Any]:
    return example_of(body_of(STEPS[name].command, without=("company_master_uid",)))


async def test_who_sends_what_and_as_whom(doors: Doors) -> None:
    """Who may see an application sends under the role his token gives; whether that role may is judged, and
    put on record, by the process."""
    for who, uid, name in product(sorted(CALLERS.keys() - {"service"}), (OWN, OTHERS), STEPS):
        doors.service.sent.clear()
        response = await doors.command(name, who, uid, json=_body(name))
        if uid in SEES[who]:
            assert response.status_code == 200, (who, uid, name, response.text)
            ((to, command, _),) = doors.service.sent
            assert (to, command.kind, command.actor.role) == (uid, name, ACTS_AS[who])
            assert command.actor.id == CALLERS[who].subject
            assert command.via is not None
            assert command.via.channel == "api"
        else:
            assert response.status_code == 404, (who, uid, name)
            assert not doors.service.sent


async def test_for_whom_a_service_acts(doors: Doors) -> None:
    """For partner and bd, as its token says; it is recorded itself beside them."""
    for role, name in product(Role, STEPS):
        doors.service.sent.clear()
        actor = {"role": role, "id": "someone", "name": "Some One"}
        response = await doors.command(name, "service", OTHERS, json={**_body(name), "actor": actor})
        if role in {"partner", "bd"}:
            assert response.status_code == 200, (role, name, response.text)
            ((_, command, _),) = doors.service.sent
            assert command.actor.model_dump(mode="json") == actor
            assert command.via is not None
            assert command.via.client == "service"
        else:
            assert response.status_code == 403, (role, name)
            assert response.json()["type"] == "urn:onboarding:error:forbidden"
            assert not doors.service.sent


async def test_nobody_else_says_who_acts_and_a_service_must(doors: Doors) -> None:
    actor = {"role": "bd", "id": "someone"}
    stated = await doors.command("ask_bd", "partner", json={**_body("ask_bd"), "actor": actor})
    unstated = await doors.command("ask_bd", "service", json=_body("ask_bd"))
    for response in (stated, unstated):
        assert response.status_code == 422
        assert [each["field"] for each in response.json()["errors"]] == ["actor"]
    assert not doors.service.sent


JOINS: Final = {
    "partner": {OWN},
    "partner-of-others": {OTHERS},
    "ops": {OWN, OTHERS},
    "service": {OWN, OTHERS},
}
JOINING: Final = {"contact_name": "Mei Lin", "contact_email": "mei@lincloud.example"}


async def test_who_joins(doors: Doors) -> None:
    for who, uid in product(CALLERS, (OWN, OTHERS)):
        doors.service.joins.clear()
        response = await doors.post("/applications", who, json={**JOINING, "company_master_uid": uid})
        if uid in JOINS.get(who, ()):
            assert response.status_code == 201, (who, uid)
            (joined,) = doors.service.joins
            assert (joined.bd.email, joined.bd_lead.email) == (BD, LEAD)
        else:
            assert response.status_code == (404 if "partner" in who else 403), (who, uid)
            assert not doors.service.joins


async def test_only_ops_and_services_say_who_serves_a_company(doors: Doors) -> None:
    person = {"name": "A B", "email": "a@vendor.example"}
    named: dict[str, dict[str, Any]] = {
        "bd": person,
        "bd_lead": person,
        "policy": {"review_working_days": 5},
    }
    for who, (field, value) in product(JOINS, named.items()):
        doors.service.joins.clear()
        uid = OTHERS if who == "partner-of-others" else OWN
        joining = {**JOINING, "company_master_uid": uid, field: value}
        response = await doors.post("/applications", who, json=joining)
        if "partner" in who:
            assert response.status_code == 403, (who, field)
            assert not doors.service.joins
        else:
            assert response.status_code == 201, (who, field)
            joined = doors.service.joins[0].model_dump(mode="json")
            assert joined[field].items() >= value.items()
