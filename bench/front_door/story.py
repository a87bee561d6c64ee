"""The reference story over HTTP, as far as it is wanted."""

import asyncio
from typing import Any, Final
from uuid import uuid4

import httpx

from bench.front_door.programs import COMPANY, Site
from tests import payloads

_CONTACT: Final = {"name": "Mei Lin", "email": "mei@lincloud.example"}
STORY: Final = (
    "joined",
    "drafting",
    "under_review",
    "qualified",
    "terms_issued",
    "terms_confirmed",
    "signing",
)
"""How far an application can be taken, by what has happened last."""


class Story:
    """One application, and those who act on it."""

    def __init__(self, site: Site, http: httpx.AsyncClient, uid: str) -> None:
        self.uid: Final = uid
        self._site = site
        self._http = http

    async def join(self) -> dict[str, Any]:
        """JOIN NOW, and what it is answered."""
        body = {"company_master_uid": self.uid, "contact_name": "Mei Lin", "contact_email": _CONTACT["email"]}
        response = await self._http.post("/applications", json=body, headers=await self._site.headers("mei"))
        return _said(response)

    async def send(
        self, persona: str, command: str, *, key: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        """A command, and the status it led to; ``key``: its ID, a new one without.

        Raises:
            RuntimeError: it was refused.
        """
        headers = {**await self._site.headers(persona), "Idempotency-Key": key or str(uuid4())}
        path = f"/applications/{self.uid}/commands/{command}"
        return _said(await self._http.post(path, json=fields, headers=headers))

    async def until(self, sequence: int) -> dict[str, Any]:
        """The status, once it is stored as far as this event."""
        path = f"/applications/{self.uid}?since={sequence}&wait=30"
        return _said(await self._http.get(path, headers=await self._site.headers("ops")))

    async def to(self, goal: str) -> dict[str, Any]:
        """Take the application so far; the status then."""
        steps = STORY[: STORY.index(goal) + 1]
        status: dict[str, Any] = {}
        for step in steps:
            status = await self._step(step, status)
            # Who looks after it is known by what is stored.
            await self.until(status["sequence"])
        return status

    async def _step(self, step: str, status: dict[str, Any]) -> dict[str, Any]:
        match step:
            case "joined":
                return await self.join()
            case "drafting":
                return await self.send("mei", "confirm_company")
            case "under_review":
                return await self.send("mei", "submit_application", application=form(self.uid))
            case "qualified":
                return await self.send("wei", "approve_application", form_revision=1)
            case "terms_issued":
                return await self.send("wei", "issue_decision_sheet", sheet=payloads.sheet())
            case "terms_confirmed":
                issued = status["sheet"]
                terms = {"sheet_revision": issued["revision"], "sheet_hash": issued["hash"]}
                return await self.send("mei", "confirm_terms", **terms)
            case _:
                await self.send("wei", "record_contact")
                return await self.send("wei", "choose_signing_path", path="online_esign")


def form(uid: str) -> dict[str, Any]:
    """An application form of the partner's company."""
    own = {name: getattr(COMPANY, name) for name in ("legal_name", "registration_number", "country")}
    return payloads.form(uid, **own, contact=_CONTACT)


async def many(site: Site, uids: list[str], goal: str, *, at_once: int = 8) -> list[dict[str, Any]]:
    """The statuses of these applications once they are taken so far."""
    slots = asyncio.Semaphore(at_once)

    async def one(http: httpx.AsyncClient, uid: str) -> dict[str, Any]:
        async with slots:
            return await Story(site, http, uid).to(goal)

    async with site.http() as http:
        return await asyncio.gather(*(one(http, uid) for uid in uids))


def _said(response: httpx.Response) -> dict[str, Any]:
    if not response.is_success:
        raise RuntimeError(f"{response.request.method} {response.request.url.path}: {response.text}")
    found: dict[str, Any] = response.json()
    return found
