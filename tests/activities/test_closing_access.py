"""Access that was given is closed where what gave it no longer holds, whatever is down."""

import httpx
import pytest

from activities.access_http import HttpAcpnAccess
from activities.db.access import SqlAcpnAccess
from activities.db.engine import Database
from domain.contract import Stage
from domain.publication import Receipt
from tests.activities.examples import (
    APPROVED,
    entry,
    grant,
    publication,
)
from tests.activities.senders import (
    BACK_TO_1,
    FIRST,
    LI,
    MEI,
    NOWHERE,
    SECOND,
    UNDER_REVIEW,
    activities,
    publish,
    stored,
    take_up,
)
from tests.activities.services import VendorServices
from tests.smtp_server import Plan, SmtpServer

CANCELLED = publication(
    UNDER_REVIEW.but(stage=Stage.CANCELLED), entry(2, APPROVED, close_access_of="1001"), after=UNDER_REVIEW
)


async def test_access_that_may_have_been_given_is_closed(database: Database) -> None:
    access = SqlAcpnAccess(database)
    await access.give([grant("1002"), grant("1003")])
    await access.give([grant("1004", "run-0")])
    publishing = activities(database, NOWHERE)
    await publish(publishing, FIRST)
    assert len(await access.grants("1001")) == 3
    for _ in range(2):
        await publish(publishing, CANCELLED)
    assert await access.grants("1001") == (grant("1004", "run-0"),)


async def test_a_platform_that_is_down_holds_no_mail_up_and_is_asked_again(
    database: Database, services: VendorServices, http_access: HttpAcpnAccess
) -> None:
    async with SmtpServer(Plan()).running() as server:
        publishing = activities(database, server.url, access=http_access)
        await publish(publishing, FIRST)
        services.status = 503
        for _ in range(2):
            with pytest.raises(httpx.HTTPStatusError):
                await publish(publishing, CANCELLED)
        assert await stored(database) == (2, 0)
        services.status = 200
        assert await publish(publishing, CANCELLED) == Receipt()
        assert [mail.recipient for mail in server.accepted] == [MEI, LI, MEI]
    assert services.deleted == ["/partners/1001/grants?application_id=run-1"] * 3


async def test_taking_up_after_a_reset_closes_what_the_application_had_opened(
    database: Database,
) -> None:
    access = SqlAcpnAccess(database)
    publishing = activities(database, NOWHERE)
    await publish(publishing, FIRST)
    await publish(publishing, SECOND)
    await access.give([grant("1002"), grant("1004", "run-0")])
    head = await take_up(publishing)
    assert (head.generation, head.sequence, head.sheets_used, head.emails_withdrawn) == (1, 2, 1, 1)
    assert head.access_taken_back
    assert await access.grants("1001") == (grant("1004", "run-0"),)
    again = await take_up(publishing)
    assert again == head.model_copy(update={"generation": 2, "access_taken_back": False})


async def test_with_the_platform_down_taking_up_is_tried_again_and_tells_the_same(
    database: Database, services: VendorServices, http_access: HttpAcpnAccess
) -> None:
    publishing = activities(database, NOWHERE, access=http_access)
    await publish(publishing, FIRST)
    await publish(publishing, SECOND)
    services.answers["/partners/1001/grants?application_id=run-1"] = {}
    services.status = 503
    for _ in range(2):
        with pytest.raises(httpx.HTTPStatusError):
            await take_up(publishing)
    services.status = 200
    head = await take_up(publishing)
    assert (head.generation, head.emails_withdrawn, head.access_taken_back) == (3, 1, True)


async def test_taking_up_where_access_is_given_gives_what_another_way_took_back(database: Database) -> None:
    """Given before, it stays as it was first given."""
    access = SqlAcpnAccess(database)
    await access.give([grant("1002")])
    publishing = activities(database, NOWHERE)
    await publish(publishing, FIRST)
    stands_active = BACK_TO_1.model_copy(update={"uids": ("1002", "1003", "1002")})
    for _ in range(2):
        head = await take_up(publishing, stands_active)
        assert not head.access_taken_back
        given = await access.grants("1001")
        assert {found.uid for found in given} == {"1002", "1003"}
        assert grant("1002") in given
    assert (await take_up(publishing)).access_taken_back
    assert await access.grants("1001") == ()
    await take_up(publishing, stands_active)
    assert {found.uid for found in await access.grants("1001")} == {"1002", "1003"}
