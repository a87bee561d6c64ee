"""ACPN access at the platform itself, over HTTP."""

from datetime import datetime

import httpx
from pydantic import TypeAdapter

from activities.acpn_access import Grant
from workflows.values import Contract

_GRANTS = TypeAdapter(tuple[Grant, ...])


class _Partner(Contract):
    partner: bool


class HttpAcpnAccess:
    """An `AcpnAccess` over HTTP. The client brings base URL, authentication and time-outs.

    ``PUT /grants/{uid}`` with a `Grant` in JSON, idempotent; ``GET /partners/{company_master_uid}``, answered
    by ``{"partner": true}`` or 404; ``GET /partners/{company_master_uid}/grants``, answered by a list of
    `Grant` or 404.

    Every method raises `httpx.HTTPError` when the service can't be reached or answers with an error, and
    ``ValueError`` when the answer can't be understood.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def grant(self, uid: str, application_id: str, company_master_uid: str, at: datetime) -> None:
        """Give an account access; giving it again changes nothing."""
        grant = Grant(
            uid=uid, application_id=application_id, company_master_uid=company_master_uid, granted_at=at
        )
        response = await self._client.put(f"/grants/{uid}", json=grant.model_dump(mode="json"))
        response.raise_for_status()

    async def is_partner(self, company_master_uid: str) -> bool:
        """Whether an application of this company ended in access."""
        content = await self._get(f"/partners/{company_master_uid}")
        return content is not None and _Partner.model_validate_json(content, strict=True).partner

    async def grants(self, company_master_uid: str) -> tuple[Grant, ...]:
        """The company's accounts with access, the oldest grant first."""
        content = await self._get(f"/partners/{company_master_uid}/grants")
        grants = _GRANTS.validate_json(content) if content is not None else ()
        return tuple(sorted(grants, key=lambda grant: (grant.granted_at, grant.uid)))

    async def _get(self, path: str) -> bytes | None:
        response = await self._client.get(path)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        response.raise_for_status()
        return response.content
