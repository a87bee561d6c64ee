"""What `onboarding doctor` asks the outside services: the questions of a look-up, about some account."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Final

import httpx

from activities.access_http import HttpAcpnAccess
from activities.account_directory_http import HttpAccountDirectory
from activities.look_up import ANSWER_WITHIN
from activities.outside_service import ServiceAddress
from runtime.errors import first_line
from settings import Settings
from starter.doctor.report import Finding, Part, State

UID: Final = "1000000000"
"""Whether it exists does not matter: 404 is as good an answer."""
_DENIED: Final = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
_UNTIL_THEN: Final = (
    "Until then `confirm_company` and `submit_application` are `unavailable`, and access waits."
)

_Question = Callable[[httpx.AsyncClient], Coroutine[Any, Any, object]]


async def examine_services(settings: Settings, patience: timedelta) -> Finding:
    """Ask each service that is named; nothing is written to it. ``patience``: what each gets to answer in."""
    services: list[tuple[str, str | None, _Question]] = [
        (
            "ONBOARDING_ACCOUNTS_URL",
            settings.accounts_url,
            lambda client: HttpAccountDirectory(client).find((UID,)),
        ),
        (
            "ONBOARDING_ACPN_API_URL",
            settings.acpn_api_url,
            lambda client: HttpAcpnAccess(client).is_partner(UID),
        ),
    ]
    findings = await asyncio.gather(
        *(_ask(variable, url, question, patience) for variable, url, question in services if url is not None)
    )
    if not findings:
        return Finding.ok(Part.SERVICES, "none named: accounts and access are kept in the database")
    # In the order of `State`, none of which is skipped here.
    worst = max((finding.state for finding in findings), key=list(State).index)
    shown = [finding for finding in findings if finding.state is worst]
    remedies = [*(finding.remedy for finding in shown), _UNTIL_THEN if worst is State.FAILED else ""]
    return Finding(
        part=Part.SERVICES,
        state=worst,
        detail="; ".join(finding.detail for finding in shown),
        remedy=" ".join(filter(None, remedies)),
    )


async def _ask(variable: str, url: str, question: _Question, patience: timedelta) -> Finding:
    address = ServiceAddress.from_url(url)
    name = f"{address.url} ({variable})"
    clock = asyncio.get_running_loop().time
    try:
        async with address.client(patience) as client, asyncio.timeout(patience.total_seconds()):
            began = clock()
            await question(client)
            took = timedelta(seconds=clock() - began)
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        remedy = f"Put user:password@, percent-encoded, right in {variable}."
        if status not in _DENIED:
            remedy = f"Look at its log, or put the base URL right in {variable}."
        said = f"{status} {error.response.reason_phrase}".strip()
        return Finding.failed(Part.SERVICES, f"{name} answers {said}", remedy)
    except (httpx.HTTPError, TimeoutError) as error:
        reason = f"can't be reached: {first_line(error)}"
        if isinstance(error, httpx.TimeoutException | TimeoutError):
            reason = f"gives no answer within {patience.total_seconds():g} s"
        remedy = f"Start it, or put host and port right in {variable}."
        return Finding.failed(Part.SERVICES, f"{name} {reason}", remedy)
    except ValueError as error:
        return Finding.failed(
            Part.SERVICES,
            f"{name} answers with something else than docs/reference/outside-services.md says: {error}",
            f'Name a service in {variable} that answers as under "Outside services" there.',
        )
    if took > ANSWER_WITHIN:
        return Finding.warning(
            Part.SERVICES,
            f"{name} answered after {took.total_seconds():.1f} s; a look-up gives up after"
            f" {ANSWER_WITHIN.total_seconds():g} s",
            "See whether it is always so slow: for the service it counts as down then.",
        )
    return Finding.ok(Part.SERVICES, f"{name} answers")
