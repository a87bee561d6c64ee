"""What is asked of a UID before JOIN NOW starts anything: whether the account directory knows it, and in
which country; whether it has access, by another company's application or its own."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

from activities.account_directory import AccountDirectory
from activities.account_directory_http import HttpAccountDirectory
from activities.db.accounts import SqlAccountDirectory
from activities.db.applications import ApplicationRecords
from activities.db.covered import CoveredAccounts
from activities.outside_service import ServiceAddress
from domain import account_rules
from domain.contract import ErrorType, Stage
from domain.inquiry import Account, AccountAnswers
from settings import Settings
from starter.client.errors import OnboardingError
from starter.client.joining import Standing
from starter.client.stored import open_database

ANSWER_WITHIN: Final = timedelta(seconds=2)
"""What the directory, or the database, gets to answer in; who joins waits for it."""


async def is_known(settings: Settings, uid: str) -> bool | None:
    """Whether the directory has an account of this UID; ``None`` when it does not say, as when it is down."""
    # Each directory fails in its own ways; whatever it is, it has not answered.
    try:
        return await _account(settings, uid) is not None
    except Exception:
        return None


async def country(settings: Settings, uid: str) -> str | None:
    """The country of the company with this UID, as the directory has it; ``None``: it has none.

    Raises:
        OnboardingError: ``unavailable``, it does not answer.
    """
    try:
        account = await _account(settings, uid)
    # As above.
    except Exception:
        raise OnboardingError(
            ErrorType.UNAVAILABLE, "The account directory does not answer: the company's country is unknown."
        ) from None
    enterprise = account.enterprise if account else None
    return enterprise.country if enterprise else None


async def _account(settings: Settings, uid: str) -> Account | None:
    async with asyncio.timeout(ANSWER_WITHIN.total_seconds()), AsyncExitStack() as stack:
        if settings.accounts_url is not None:
            client = ServiceAddress.from_url(settings.accounts_url).client(ANSWER_WITHIN)
            http = await stack.enter_async_context(client)
            directory: AccountDirectory = HttpAccountDirectory(http)
        else:
            directory = SqlAccountDirectory(await stack.enter_async_context(open_database(settings.database)))
        return next(iter(await directory.find([uid])), None)


async def standing(settings: Settings, uid: str) -> Standing:
    """Of directory and database, each asked once; who does not answer in time says nothing."""
    known, stored = await asyncio.gather(is_known(settings, uid), _stored(settings, uid))
    return stored._replace(known=known)


async def _stored(settings: Settings, uid: str) -> Standing:
    try:
        async with (
            asyncio.timeout(ANSWER_WITHIN.total_seconds()),
            open_database(settings.database) as database,
        ):
            covering = await CoveredAccounts(database).by((uid,), uid)
            stage = await ApplicationRecords(database).newest_stage(uid)
    # As above: it has not answered.
    except Exception:
        return Standing()
    return Standing(
        has_access_by_another=account_rules.has_access_by_another(uid, AccountAnswers(covered_by=covering)),
        is_partner=stage is Stage.ACTIVE,
    )
