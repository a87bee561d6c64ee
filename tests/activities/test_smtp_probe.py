"""Would the mail server take our mails? Asked of real servers, none of which gets one."""

import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest

from activities.smtp import SmtpAddress
from activities.smtp_probe import Failure, ProbeError, probe
from tests.certificates import Authority
from tests.smtp_server import Plan, SmtpServer

SENDER = "onboarding@vendor.example.com"
HIDDEN = "geheim-4711"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


async def failed(url: str) -> ProbeError:
    """What the probe says of a server that can't be used."""
    with pytest.raises(ProbeError) as caught:
        await probe(SmtpAddress.from_url(url), SENDER, patience=5)
    assert HIDDEN not in caught.value.reason
    return caught.value


async def test_a_server_that_takes_the_sender_gets_no_mail(authority: Authority) -> None:
    plan = Plan(login=("ops", HIDDEN))
    async with SmtpServer(plan, starttls=authority.server_context("127.0.0.1")).running() as server:
        url = f"{server.url.replace('//', f'//ops:{HIDDEN}@')}?ca={authority.file}"
        probed = await probe(SmtpAddress.from_url(url), SENDER, patience=5)
        assert (probed.encrypted, probed.logged_in) == (True, True)
        assert server.encrypted == [True], "the sender was named once"
        assert not server.accepted


async def test_plain_text_is_told() -> None:
    async with SmtpServer(Plan()).running() as server:
        probed = await probe(SmtpAddress.from_url(server.url), SENDER, patience=5)
        assert (probed.encrypted, probed.logged_in) == (False, False)


@pytest.mark.parametrize(
    ("plan", "user", "failure", "says"),
    [
        (Plan(sender="550 5.7.1 Not yours"), "", Failure.SENDER, "550 5.7.1 Not yours"),
        (Plan(sender="451 4.7.1 Later"), "", Failure.SENDER, "451 4.7.1 Later"),
        (Plan(login=("ops", HIDDEN)), "", Failure.LOGIN, "530 5.7.0 Authentication required"),
        (Plan(login=("ops", HIDDEN)), "ops:wrong@", Failure.LOGIN, "535 5.7.8"),
        (Plan(greeting="554 Go away"), "", Failure.CONNECTION, "554 Go away"),
    ],
)
async def test_what_the_server_refuses_is_told(plan: Plan, user: str, failure: Failure, says: str) -> None:
    async with SmtpServer(plan).running() as server:
        error = await failed(server.url.replace("//", f"//{user}"))
    assert error.failure is failure
    assert error.reason.startswith(says)


async def test_a_server_that_is_not_there() -> None:
    error = await failed("smtp://127.0.0.1:1")
    assert (error.failure, "Connect call failed" in error.reason) == (Failure.CONNECTION, True)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_certificate_nobody_trusts(authority: Authority, scheme: str) -> None:
    context = authority.server_context("127.0.0.1")
    offered: Mapping[str, ssl.SSLContext] = {"tls" if scheme == "smtps" else "starttls": context}
    async with SmtpServer(Plan(), **offered).running() as server:
        error = await failed(server.url.replace("smtp", scheme))
    assert (error.failure, "certificate verify failed" in error.reason) == (Failure.ENCRYPTION, True)


async def test_tls_from_the_first_byte_where_the_server_speaks_plainly() -> None:
    async with SmtpServer(Plan()).running() as server:
        assert (await failed(server.url.replace("smtp", "smtps"))).failure is Failure.ENCRYPTION
