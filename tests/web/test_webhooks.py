"""Endpoints of webhooks over HTTP: added, listed, tried, rotated and removed by services and ops."""

from typing import Any

import pytest

from activities.db.trail import AuditTrail
from activities.db.webhook_deliveries import WebhookDeliveries
from activities.db.webhook_endpoints import WebhookEndpoints
from tests.activities.examples import NOON, application, entry, publication
from tests.activities.receivers import receiving
from tests.web.doors import OWN, Doors

URL = "https://93.184.216.34/hooks"


async def _added(doors: Doors, **body: Any) -> dict[str, str]:
    response = await doors.post("/webhooks", "service", json={"url": URL, **body})
    assert response.status_code == 201, response.text
    assert response.headers["Cache-Control"] == "no-store"
    found: dict[str, str] = response.json()
    return found


async def test_an_endpoint_is_added_and_its_secret_is_shown_once(doors: Doors) -> None:
    added = await _added(doors, types=["application.ended"])
    assert added.keys() == {"id", "secret"}
    assert added["secret"].startswith("whsec_")
    response = await doors.get("/webhooks", "ops")
    (found,) = response.json()
    assert (found["id"], found["url"], found["types"], found["state"]) == (
        *(added["id"], URL, ["application.ended"], "on"),
    )
    assert "secret" not in response.text


async def test_a_secret_is_rotated(doors: Doors) -> None:
    added = await _added(doors)
    rotated = (await doors.post(f"/webhooks/{added['id']}/rotate", "ops")).json()
    assert rotated["id"] == added["id"]
    sign = await WebhookEndpoints(doors.database).secrets(added["id"])
    assert sign == (rotated["secret"], added["secret"])


async def test_an_endpoint_is_tried(doors: Doors) -> None:
    async with receiving() as receiver:
        added = await _added(doors, url=receiver.url)
        answered = (await doors.post(f"/webhooks/{added['id']}/test")).json()
        (received,) = receiver.taken
    received.verified_by(added["secret"])
    assert (answered["answer"], answered["webhook_id"]) == (204, received.webhook_id)


async def test_what_was_delivered_is_listed_and_sent_again(doors: Doors) -> None:
    added = await _added(doors)
    await AuditTrail(doors.database).publish(publication(application("run-1", uid=OWN), entry(2)))
    endpoint = await WebhookEndpoints(doors.database).get(added["id"])
    assert endpoint is not None
    deliveries = WebhookDeliveries(doors.database)
    await doors.door.webhooks._log.extend()
    await deliveries.queue(endpoint, NOON)
    path = f"/webhooks/{added['id']}/deliveries"
    (found,) = (await doors.get(path)).json()
    assert (found["id"], found["state"]) == ("run-1-2-application_command_accepted", "pending")
    for _ in range(2):
        assert (await doors.post(f"{path}/{found['id']}/resend")).status_code == 204
    assert len((await doors.get(f"{path}?pending=true")).json()) == 1
    assert (await doors.post(f"{path}/run-1-3-application_ended/resend")).status_code == 404


async def test_an_endpoint_is_removed_once(doors: Doors) -> None:
    added = await _added(doors)
    path = f"/webhooks/{added['id']}"
    assert [(await doors.http.delete(f"/api/v1{path}", headers=_OPS)).status_code for _ in range(2)] == [
        204,
        404,
    ]
    assert (await doors.get("/webhooks")).json() == []
    for gone in ("/rotate", "/test", "/deliveries/1/resend"):
        problem = (await doors.post(f"{path}{gone}")).json()
        assert problem["type"] == "urn:onboarding:error:not_found"
        assert "GET /api/v1/webhooks" in problem["detail"], "not what helps on the console"


_OPS = {"Authorization": "Bearer ops"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "http://93.184.216.34/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "url"),
        ({"url": "https://2130706433/"}, "url"),
        ({"url": "https://93.184.216.34/" + "x" * 3000}, "url"),
        ({"url": "https://93.184.216.34/\0"}, "url"),
        ({"url": 7}, "url"),
        ({}, "url"),
        ({"url": URL, "types": []}, "types"),
        ({"url": URL, "types": ["application.eaten"]}, "types.0"),
        ({"url": URL, "secret": "mine"}, "secret"),
    ],
)
async def test_what_can_be_no_endpoint(doors: Doors, body: dict[str, Any], field: str) -> None:
    response = await doors.post("/webhooks", json=body)
    assert response.status_code == 422
    assert [each["field"] for each in response.json()["errors"]] == [field]
    assert (await doors.get("/webhooks")).json() == []


@pytest.mark.parametrize("endpoint", ["%00", "..", "ABC", "%F0%9F%98%80", "1" * 200])
async def test_an_id_that_can_be_none_is_not_found(doors: Doors, endpoint: str) -> None:
    response = await doors.get(f"/webhooks/{endpoint}/deliveries")
    assert response.status_code == 404
