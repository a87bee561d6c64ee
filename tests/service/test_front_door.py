"""The front door over the real service: what was answered is in the history, and is answered so again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from activities.webhooks.addresses import Allowed
from activities.webhooks.sender import WebhookSender
from domain.contract import Role
from starter.client.onboarding_client import OnboardingClient
from starter.client.webhooks import Webhooks
from starter.web.app import front_door_app
from starter.web.callers import Caller, CallerRole
from starter.web.door import FrontDoor
from starter.web.ready import Ready
from tests import payloads
from tests.rig import Service
from tests.web.doors import BD, CHINA, DESKS, Directory, Names

PEOPLE = {role: Caller(role, roles=(CallerRole(role),)) for role in ("vendor", "ops")} | {
    "bd": Caller("li", roles=(CallerRole.BD,), email=BD),
    "crm": Caller("crm", roles=(CallerRole.SERVICE,), acts_for=frozenset({Role.PARTNER})),
}


@asynccontextmanager
async def calling(service: Service, uid: str) -> AsyncIterator["Api"]:
    """A front door, as if it had just been started."""
    partner = Caller("mei", name="Mei Lin", roles=(CallerRole.PARTNER,), uids=frozenset({uid}))
    client = OnboardingClient(service.env.client)
    webhooks = Webhooks(service.database, WebhookSender(Allowed()), service.env.client)
    names, directory = Names(mei=partner, **PEOPLE), Directory(countries={uid: "HK"})
    door = FrontDoor(client, service.database, names, webhooks, desks=DESKS, country_of=directory)
    transport = httpx.ASGITransport(front_door_app(door, Ready({})), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://door/api/v1", timeout=60) as http:
        yield Api(http, uid)


class Api:
    """Calls about one applicant."""

    def __init__(self, http: httpx.AsyncClient, uid: str) -> None:
        self._http = http
        self.uid = uid

    async def join(self, who: str = "mei") -> httpx.Response:
        body = {name: payloads.join(self.uid)[name] for name in ("contact_name", "contact_email")}
        headers = {"Authorization": f"Bearer {who}"}
        return await self._http.post(
            "/applications", json={"company_master_uid": self.uid, **body}, headers=headers
        )

    async def send(
        self, who: str, command: str, key: str | None = None, if_match: int | None = None, **fields: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {who}", "Idempotency-Key": key or str(uuid4())}
        headers |= {} if if_match is None else {"If-Match": f'"{if_match}"'}
        path = f"/applications/{self.uid}/commands/{command}"
        return await self._http.post(path, json=fields, headers=headers)

    async def listed(self, who: str, **query: str) -> Any:
        response = await self._http.get(
            "/applications", params=query, headers={"Authorization": f"Bearer {who}"}
        )
        return response.json()["items"]

    async def get(self, who: str, path: str = "") -> Any:
        response = await self._http.get(
            f"/applications/{self.uid}{path}", headers={"Authorization": f"Bearer {who}"}
        )
        assert response.status_code == 200, response.text
        return response.json()


async def test_an_application_goes_its_way_over_http(service: Service) -> None:
    applicant = await service.applicant(start=False)
    uid = applicant.uid
    async with calling(service, uid) as api:
        with service.env.with_time_skipping_disabled():
            assert [(await api.join()).status_code for _ in range(2)] == [201, 200]
        joined = await api.get("mei", "?since=1&wait=20")
        assert (joined["desk"], joined["bd"]["email"], joined["time_zone"]) == (CHINA, BD, "Asia/Shanghai")
        listed = await api.listed("ops", desk=CHINA, q=uid)
        assert [each["company_master_uid"] for each in listed] == [uid]

        confirmed = [await api.send("mei", "confirm_company", "c-1") for _ in range(2)]
        confirmed += await asyncio.gather(*(api.send("mei", "confirm_company", "c-1") for _ in range(3)))
        assert {response.status_code for response in confirmed} == {200}
        (first,) = {str(response.json()["answered"]) for response in confirmed}

        # The same key for another command, and on another condition.
        other = await api.send("mei", "ask_bd", "c-1", question="Why?")
        assert (other.status_code, other.json()["type"]) == (422, "urn:onboarding:error:invalid")
        assert "another command" in other.json()["detail"]

        early = [
            await api.send("mei", "confirm_terms", "c-2", sheet_revision=1, sheet_hash="x") for _ in "ab"
        ]
        assert [response.status_code for response in early] == [409, 409]
        assert early[0].json() == early[1].json()
        assert early[0].json()["stage"] == "drafting"
        assert "submit_application" in early[0].json()["allowed_commands"]

        form = payloads.form(uid)
        stale = await api.send("mei", "submit_application", if_match=1, application=form)
        assert (stale.status_code, stale.json()["type"]) == (412, "urn:onboarding:error:stale_revision")
        newest = (await api.get("mei", "?since=5&wait=20"))["sequence"]
        submitted = await api.send("mei", "submit_application", if_match=newest, application=form)
        assert (submitted.status_code, submitted.json()["stage"]) == (200, "under_review")
        led_to = submitted.json()["answered"]["sequence"]

        # BD, once it is stored who that is; the partner may not, and that is on record.
        await api.get("ops", f"?since={led_to}&wait=20")
        forbidden = await api.send("mei", "approve_application", form_revision=1)
        assert (forbidden.status_code, forbidden.json()["type"]) == (403, "urn:onboarding:error:forbidden")
        approved = await api.send("bd", "approve_application", form_revision=1)
        assert approved.json()["stage"] == "qualified"
        asked = await api.send(
            "crm", "ask_bd", question="When?", actor={"role": "partner", "id": "mei", "name": "Mei"}
        )
        assert asked.json()["questions"][0]["question"] == "When?"

    async with calling(service, uid) as again:
        # As if it had been started anew.
        repeated = await again.send("mei", "confirm_company", "c-1")
        assert str(repeated.json()["answered"]) == first
        sequence = repeated.json()["sequence"]
        declined = await again.send("mei", "decline", "c-9")
        assert declined.json()["outcome"] == "cancelled"
        assert (await again.send("mei", "decline", "c-10")).json()["type"] == "urn:onboarding:error:closed"
        trail = await again.get("ops", f"/audit?since={sequence + 1}&wait=20")
    assert [event["sequence"] for event in trail] == list(range(1, len(trail) + 1))
    done = [(event["command"], event["verdict"]) for event in trail]
    assert done.count(("confirm_company", "accepted")) == 1
    assert done.count(("confirm_terms", "refused")) == 1
    assert done.count(("approve_application", "refused")) == 1
    by = {event["command"]: event for event in trail if event["verdict"] == "accepted"}
    assert by["confirm_company"]["actor"] == {"role": "partner", "id": "mei", "name": "Mei Lin"}
    assert by["ask_bd"]["via"] == {"channel": "api", "client": "crm"}
    assert by["ask_bd"]["actor"]["name"] == "Mei"
    assert by["approve_application"]["actor"]["id"] == "li"


@pytest.mark.parametrize("who", ["mei", "bd"])
async def test_who_never_joined_has_no_application(service: Service, who: str) -> None:
    applicant = await service.applicant(start=False)
    async with calling(service, applicant.uid) as api:
        response = await api.send(who, "confirm_company")
        assert (response.status_code, response.json()["type"]) == (404, "urn:onboarding:error:not_found")
