"""Who may what: every route, for every caller, of his own application and of others'.

The routes come from the application itself: one that is added stands here, too, or a test fails. The answers
come from the tables of steps and from what is said here of each caller, not from the code under test.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, Final

import httpx
from fastapi.routing import APIRoute

from activities.db.signatures import SignatureStore
from domain import coverage
from domain.contract import Command, Role
from domain.lifecycle import newest_rows
from starter.web.bodies import body_of, example_of
from starter.web.signatures import PATH, SignaturesIn, signatures_app
from tests.activities.signature_payloads import SECRETS
from tests.web.doors import CALLERS, NEVER_JOINED, OTHERS, OWN, REST, Doors

SEES: Final[dict[str, frozenset[str]]] = {
    "partner": frozenset({OWN}),
    "partner-of-others": frozenset({OTHERS}),
    "bd": frozenset({OWN, OTHERS}),
    "other-bd": frozenset(),
    "unverified-bd": frozenset(),
    "bd-of-the-desk": frozenset({OWN}),
    "bd-by-subject": frozenset({OTHERS}),
    "bd-with-the-uid": frozenset({OTHERS}),
    "bd-as-lead": frozenset(),
    "not-the-subject": frozenset(),
    "bd_lead": frozenset({OWN, OTHERS}),
    "other-lead": frozenset(),
    "lead-by-subject": frozenset({OTHERS}),
    "lead-as-bd": frozenset({OTHERS}),
    "vendor": frozenset({OWN, OTHERS}),
    "all-with-the-uid": frozenset({OWN, OTHERS}),
    "ops": frozenset({OWN, OTHERS}),
    "service": frozenset({OWN, OTHERS}),
    "service-with-the-uid": frozenset({OWN, OTHERS}),
    "nobody": frozenset(),
}
ACTS_AS: Final = {
    "partner": "partner",
    "partner-of-others": "partner",
    "bd-of-the-desk": "bd",
    "bd-by-subject": "bd",
    "bd-with-the-uid": "bd",
    "lead-by-subject": "bd_lead",
    "lead-as-bd": "bd",
} | {role: role for role in ("bd", "bd_lead", "vendor", "ops")}
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
JOINS: Final = {
    "partner": {OWN},
    "partner-of-others": {OTHERS},
    "all-with-the-uid": {OWN},
    "ops": {OWN, OTHERS},
    "service": {OWN, OTHERS},
    "service-with-the-uid": {OWN, OTHERS},
}
PARTNERS: Final = {"partner", "partner-of-others", "all-with-the-uid"}
PUBLIC: Final = {"/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/api/docs"}
JOINING: Final = {"contact_name": "Mei Lin", "contact_email": "mei@lincloud.example"}
Cell = tuple[str, str, str, str]


def _all(routes: Iterable[Any]) -> Iterator[Any]:
    """Those of included routers as well."""
    for route in routes:
        within = getattr(route, "original_router", None)
        if within is None:
            yield route
        else:
            yield from _all(within.routes)


STREAMS: Final = ("/applications/{uid}/events", "/events")
MANAGE_WEBHOOKS: Final = frozenset({"ops", "service", "service-with-the-uid"})
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
    """Every route there is, below the API without its prefix."""
    return {
        (method, route.path.removeprefix("/api/v1") if route.path not in PUBLIC else route.path)
        for route in _all(doors.app.routes)
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


def _commands() -> set[str]:
    return {f"/applications/{{uid}}/commands/{name}" for name in STEPS}


async def test_no_route_is_left_out(doors: Doors) -> None:
    known = {("GET", path) for path in {*READS, *PUBLIC, *STREAMS}} | {("POST", path) for path in _commands()}
    known |= WEBHOOKS.keys()
    assert _routes(doors) == known | {("GET", "/applications"), ("POST", "/applications")}
    assert SEES.keys() == CALLERS.keys()


async def _ask(doors: Doors, cell: Cell) -> httpx.Response:
    who, uid, method, path = cell
    if path in PUBLIC:
        return await doors.http.get(path, headers={"Authorization": f"Bearer {who}"})
    if (method, path) == ("POST", "/applications"):
        return await doors.post(path, who, json={**JOINING, "company_master_uid": uid})
    if path in _commands():
        return await doors.command(path.rpartition("/")[2], who, uid, json=_sent(cell))
    _, body = WEBHOOKS.get((method, path), (0, None))
    headers = {"Authorization": f"Bearer {who}"}
    return await doors.http.request(method, f"/api/v1{_address(path, uid)}", json=body, headers=headers)


def _sent(cell: Cell) -> dict[str, Any]:
    body = _body(cell[3].rpartition("/")[2])
    return body | ({"actor": {"role": "partner", "id": "x"}} if "service" in cell[0] else {})


def _answered(cell: Cell) -> int:
    """What the tables say."""
    who, uid, method, path = cell
    if path in {*PUBLIC, "/events"} or (method, path) == ("GET", "/applications"):
        return 200
    if (method, path) in WEBHOOKS:
        return WEBHOOKS[method, path][0] if who in MANAGE_WEBHOOKS else 403
    if path == "/applications":
        return 201 if uid in JOINS.get(who, ()) else 404 if who in PARTNERS else 403
    if uid not in SEES[who]:
        return 404
    return READS.get(path, 200)


async def test_every_caller_at_every_route_with_his_own_and_with_others(doors: Doors) -> None:
    """And nothing is sent but what is answered 2xx. Streams end at once, so that there is an answer; what is
    in them: test_streams.py."""
    await doors.door.streams.close()
    cells: list[Cell] = [
        (who, uid, *route) for who, uid, route in product(CALLERS, (OWN, OTHERS), sorted(_routes(doors)))
    ]
    routes = len(STEPS) + len(READS) + len(STREAMS) + len(WEBHOOKS) + len(PUBLIC) + 2
    assert len(cells) == len(CALLERS) * 2 * routes
    for cell in cells:
        doors.service.sent.clear()
        doors.service.joins.clear()
        response = await _ask(doors, cell)
        assert response.status_code == _answered(cell), (cell, response.text)
        done = len(doors.service.sent) + len(doors.service.joins)
        changes = cell[2] == "POST" and cell[2:] not in WEBHOOKS
        assert done == (changes and response.is_success), cell
        for to, command, _ in doors.service.sent:
            assert to == cell[1], cell
            assert cell[3].endswith(f"/{command.kind}"), cell
            assert command.via is not None, cell
            assert command.via.channel == "api", cell
            _check_actor(cell, command)


def _check_actor(cell: Cell, command: Command) -> None:
    who, uid, _, _ = cell
    if "service" in who:
        assert command.actor.model_dump(mode="json") == {"role": "partner", "id": "x", "name": None}
        return
    acts_as = ACTS_AS.get(who) or {OWN: "partner", OTHERS: "vendor"}[uid]
    assert (command.actor.role, command.actor.id) == (acts_as, CALLERS[who].subject), cell


async def test_nobody_passes_without_a_token(doors: Doors) -> None:
    for method, path in sorted(_routes(doors)):
        if path in PUBLIC:
            assert (await doors.http.request(method, path)).status_code == 200, path
            continue
        address = f"/api/v1{_address(path)}"
        for headers in ({}, {"Authorization": "Basic b3BzOm9wcw=="}, {"Authorization": "Bearer forged"}):
            response = await doors.http.request(method, address, headers=headers)
            assert response.status_code == 401, (method, path, headers)
            assert response.json()["type"] == "urn:onboarding:error:unauthenticated"
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert not doors.service.sent


async def test_no_token_delivers_a_signature(doors: Doors) -> None:
    """That takes the provider's secret."""

    async def start(_command_id: str) -> None:
        raise AssertionError

    app = signatures_app(SignaturesIn(SECRETS, SignatureStore(doors.database), start))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as http:
        for who, provider in product(CALLERS, SECRETS):
            headers = {"Authorization": f"Bearer {who}", "Content-Type": "application/json"}
            response = await http.post(f"{PATH}/{provider}", headers=headers, content=b"{}")
            assert response.status_code == 401, (who, provider)


async def test_what_one_may_not_see_is_as_if_it_were_not_there(doors: Doors) -> None:
    for who, uid, path in product(CALLERS, (OWN, OTHERS, NEVER_JOINED), (*READS, STREAMS[0])):
        if uid not in SEES[who]:
            hidden, unknown = [(await doors.get(_address(path, each), who)).text for each in (uid, "77")]
            assert hidden.replace(uid, "77") == unknown, (who, uid, path)


async def test_who_is_listed_what(doors: Doors) -> None:
    """The same as he may read, one by one."""
    for who in CALLERS:
        found = (await doors.get("/applications", who)).json()
        assert {each["company_master_uid"] for each in found["items"]} == SEES[who], who
        found = (await doors.get(f"/applications?desk={REST}", who)).json()
        assert {each["company_master_uid"] for each in found["items"]} == SEES[who] & {OTHERS}, who


def _body(name: str) -> dict[str, Any]:
    return example_of(body_of(STEPS[name].command, without=("company_master_uid",)))


async def test_who_has_the_uid_acts_for_none_of_the_vendors(doors: Doors) -> None:
    """Whatever roles his token has besides, and also for a service that may act for them elsewhere."""
    for name in STEPS:
        refused = await doors.command(name, "bd-with-the-uid", OWN, json=_body(name))
        assert refused.status_code == 404, name
        for role, uid in product(("bd", "vendor"), (OWN, OTHERS)):
            actor = {"role": role, "id": "someone"}
            doors.service.sent.clear()
            body = {**_body(name), "actor": actor}
            response = await doors.command(name, "service-with-the-uid", uid, json=body)
            assert response.status_code == (403 if uid == OWN else 200), (name, role, uid)
            assert bool(doors.service.sent) == (uid == OTHERS)
        doors.service.sent.clear()
        await doors.command(name, "all-with-the-uid", OWN, json=_body(name))
        ((_, command, _),) = doors.service.sent
        assert command.actor.role == "partner"


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
        if who in PARTNERS:
            assert response.status_code == 403, (who, field)
            assert not doors.service.joins
        else:
            assert response.status_code == 201, (who, field)
            joined = doors.service.joins[0].model_dump(mode="json")
            assert joined[field].items() >= value.items()
