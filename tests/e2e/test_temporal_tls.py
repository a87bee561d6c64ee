"""Temporal over TLS, as profiles and variables describe it, through a real TLS end on this machine."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from domain.contract import workflow_id
from settings import SettingsError, load_temporal_settings
from starter.client.onboarding_client import connect
from starter.local.dev_server import DevServer
from tests.certificates import Authority

API_KEY = "geheim-4711"


@dataclass
class Proxy:
    """Where it listens, and the names of the clients that showed a certificate."""

    address: str
    clients: list[str]


@asynccontextmanager
async def tls_before(server: DevServer, context: ssl.SSLContext) -> AsyncIterator[Proxy]:
    """Ends TLS, and hands what comes to the server, as a load balancer does."""
    context.set_alpn_protocols(["h2"])
    clients: list[str] = []
    under_way: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("peercert")
        if certificate:
            clients.append(certificate["subject"][0][0][1])
        host, _, port = server.address.rpartition(":")
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        for pair in ((reader, inner_writer), (inner_reader, writer)):
            under_way.add(asyncio.create_task(copy(*pair)))

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield Proxy(f"127.0.0.1:{listener.sockets[0].getsockname()[1]}", clients)
    finally:
        listener.close()
        for task in under_way:
            task.cancel()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    log = tmp_path_factory.mktemp("tls") / "temporal.log"
    async with DevServer(log_file=log, headless=True) as running:
        yield running


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Its files lie in a home folder without profiles."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return Authority.create(tmp_path)


async def reached() -> bool:
    """Whether the server the environment names answers a call."""
    client = await connect(load_temporal_settings())
    return (await client.count_workflows(f"WorkflowId = '{workflow_id('1')}'")).count == 0


async def test_a_server_with_a_private_authority(
    server: DevServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_before(server, authority.server_context("temporal.example.com")) as proxy:
        monkeypatch.setenv("TEMPORAL_ADDRESS", proxy.address)
        monkeypatch.setenv("TEMPORAL_TLS", "true")
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", str(authority.file))
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_NAME", "temporal.example.com")
        assert await reached()


@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_a_server_that_can_not_prove_itself_is_not_spoken_to(
    server: DevServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    trusted = Authority.create(tmp_path, "other") if wrong == "authority" else authority
    async with tls_before(server, authority.server_context("temporal.example.com")) as proxy:
        monkeypatch.setenv("TEMPORAL_ADDRESS", proxy.address)
        monkeypatch.setenv("TEMPORAL_TLS", "true")
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", str(trusted.file))
        if wrong == "authority":
            monkeypatch.setenv("TEMPORAL_TLS_SERVER_NAME", "temporal.example.com")
        with pytest.raises(RuntimeError, match=r"[Cc]ert"):
            await reached()


async def test_a_profile_with_a_certificate_of_the_client(
    server: DevServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutual TLS: the server knows who calls by the certificate."""
    context = authority.server_context("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    worker = authority.issue("worker-1")
    async with tls_before(server, context) as proxy:
        profiles = tmp_path / "temporal.toml"
        profiles.write_text(
            f"""
            [profile.production]
            address = "{proxy.address}"
            namespace = "{server.namespace}"
            [profile.production.tls]
            server_ca_cert_path = "{authority.file}"
            client_cert_path = "{worker.certificate}"
            client_key_path = "{worker.key}"
            """
        )
        monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(profiles))
        monkeypatch.setenv("TEMPORAL_PROFILE", "production")
        assert await reached()
        assert set(proxy.clients) == {"worker-1"}


async def test_an_api_key_goes_over_tls_alone(
    server: DevServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", API_KEY)
    monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
    assert load_temporal_settings().options["tls"] is True
    with pytest.raises(RuntimeError) as failure:
        await reached()
    assert API_KEY not in str(failure.value)
    async with tls_before(server, authority.server_context("127.0.0.1")) as proxy:
        monkeypatch.setenv("TEMPORAL_ADDRESS", proxy.address)
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", str(authority.file))
        assert await reached()
        client = await connect(load_temporal_settings())
        assert client.service_client.config.api_key == API_KEY


@pytest.mark.parametrize("variable", ["SERVER_CA_CERT", "CLIENT_CERT", "CLIENT_KEY"])
def test_a_file_that_is_not_there_is_told_at_start(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", API_KEY)
    monkeypatch.setenv(f"TEMPORAL_TLS_{variable}_PATH", str(authority.file.with_name("missing.pem")))
    with pytest.raises(SettingsError, match=r"missing\.pem") as failure:
        load_temporal_settings()
    assert "TEMPORAL_TLS_" in str(failure.value)
    assert API_KEY not in str(failure.value)
