"""ACPN access at the platform itself, over HTTP."""

from collections.abc import Sequence

import httpx
from pydantic import TypeAdapter

from activities.acpn_access import Grant
from domain.values import Contract

_GRANTS = TypeAdapter(tuple[Grant, ...])


class _Partner(Contract):
    partner: bool


class HttpAcpnAccess:
    """An `AcpnAccess` over HTTP. The client brings base URL, authentication and time-outs.

    ``PUT /partners/{company_master_uid}/grants`` with a list of `Grant` in JSON, idempotent, all or none;
    ``GET`` of the same, answered by such a list or 404; ``DELETE`` of the same with ``?application_id=``
    takes back what that application was given (404: nothing); ``GET /partners/{company_master_uid}``,
    answered by ``{"partner": true}`` or 404.

    Every method raises `httpx.HTTPError` when the service can't be reached or answers with an error, and
    ``ValueError`` when the answer can't be understood.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def give(self, grants: Sequence[Grant]) -> None:
        """Give these accounts of one company access, all or none; giving it again changes nothing."""
        path = f"/partners/{grants[0].company_master_uid}/grants"
        response = await self._client.put(path, json=_GRANTS.dump_python(tuple(grants), mode="json"))
        response.raise_for_status()

    async def take_back(self, company_master_uid: str, application_id: str) -> bool:
        """Close what this application has opened; whether there was anything."""
        path = f"/partners/{company_master_uid}/grants"
        response = await self._client.delete(path, params={"application_id": application_id})
        if response.status_code == httpx.codes.NOT_FOUND:
            return False
        response.raise_for_status()
        return True

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
