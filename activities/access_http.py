"""ACPN access at the platform itself, over HTTP."""

from collections.abc import Sequence

import httpx
from pydantic import Field, TypeAdapter

from activities.acpn_access import Grant, TakenError
from activities.outside_service import ConflictError, ask, parsed
from domain.values import Contract, Uid


class _Partner(Contract):
    partner: bool


class _Taken(Contract):
    taken: tuple[Uid, ...] = Field(min_length=1)


_PARTNER = TypeAdapter(_Partner)
_GRANTS = TypeAdapter(tuple[Grant, ...])
_TAKEN = TypeAdapter(_Taken)


class HttpAcpnAccess:
    """An `AcpnAccess` over HTTP. The client brings base URL, authentication and time-outs.

    ``PUT /partners/{company_master_uid}/grants`` with a list of `Grant` in JSON, idempotent, all or none;
    409 with ``{"taken": ["…"]}`` where another company's application has given these accounts access;
    ``GET`` of the same, answered by such a list or 404; ``DELETE`` of the same with ``?application_id=``
    takes back what that application was given, with ``&uid=`` for each only these accounts (404: nothing);
    ``GET /partners/{company_master_uid}``, answered by ``{"partner": true}`` or 404.

    Every method raises `httpx.HTTPError` when the service can't be reached or answers with an error, and
    `UnusableAnswerError` when the answer can't be used.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def give(self, grants: Sequence[Grant]) -> None:
        """Give these accounts of one company access, all or none; giving it again changes nothing.

        Raises:
            TakenError: some have access by another company's application.
        """
        path = f"/partners/{grants[0].company_master_uid}/grants"
        body = _GRANTS.dump_python(tuple(grants), mode="json")
        try:
            await ask(self._client, "PUT", path, may_be_missing=False, json=body)
        except ConflictError as error:
            taken = parsed(_TAKEN, error.content, f"PUT {path}", strict=False)
            raise TakenError(taken.taken) from None

    async def take_back(
        self, company_master_uid: str, application_id: str, uids: Sequence[Uid] | None = None
    ) -> bool:
        """Close what this application has opened, or only these accounts; whether there was anything."""
        path = f"/partners/{company_master_uid}/grants"
        params = httpx.QueryParams({"application_id": application_id})
        for uid in uids or ():
            params = params.add("uid", uid)
        return await ask(self._client, "DELETE", path, params=params) is not None

    async def is_partner(self, company_master_uid: str) -> bool:
        """Whether an application of this company ended in access."""
        path = f"/partners/{company_master_uid}"
        content = await ask(self._client, "GET", path)
        return content is not None and parsed(_PARTNER, content, f"GET {path}").partner

    async def grants(self, company_master_uid: str) -> tuple[Grant, ...]:
        """The company's accounts with access, the oldest grant first."""
        path = f"/partners/{company_master_uid}/grants"
        content = await ask(self._client, "GET", path)
        grants = parsed(_GRANTS, content, f"GET {path}", strict=False) if content is not None else ()
        return tuple(sorted(grants, key=lambda grant: (grant.granted_at, grant.uid)))
