"""Plain text to another machine: refused with a password, else warned of unless it is said to be meant."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

import worker
from activities.smtp import SmtpAddress
from runtime import setup
from runtime.plain_text import plain_text_warnings
from runtime.setup import run_setup
from runtime.startup import StartupError
from settings import SettingsError, TemporalSettings, load_settings, load_temporal_settings
from worker import run_worker

DAY = timedelta(days=1)
HIDDEN = "geheim-4711"
POSTGRESQL = f"postgresql://u:{HIDDEN}@db.example.com/d"


def warnings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> tuple[str, ...]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = plain_text_warnings(load_settings(), load_temporal_settings())
    assert HIDDEN not in str(found)
    return found


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ONBOARDING_DATABASE_URL", "ONBOARDING_ACCOUNTS_URL", "PGSSLMODE", "PGHOST", "TEMPORAL_TLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("variable", "value", "host", "encrypts"),
    [
        ("TEMPORAL_ADDRESS", "temporal.example.com:7233", "temporal.example.com", "TEMPORAL_TLS=true"),
        ("TEMPORAL_ADDRESS", "[2001:db8::7]:7233", "2001:db8::7", "TEMPORAL_TLS=true"),
        ("ONBOARDING_DATABASE_URL", POSTGRESQL, "db.example.com", "sslmode=verify-full"),
        ("ONBOARDING_DATABASE_URL", f"{POSTGRESQL}?sslmode=prefer", "db.example.com", "sslmode=verify-full"),
        ("ONBOARDING_DATABASE_URL", "postgresql:///d?host=/run,10.0.0.7", "10.0.0.7", "sslmode=verify-full"),
        ("ONBOARDING_DATABASE_URL", "postgresql://h/d?hostaddr=10.0.0.7", "10.0.0.7", "sslmode=verify-full"),
        ("ONBOARDING_ACCOUNTS_URL", "http://accounts.example.com", "accounts.example.com", "https://"),
        ("ONBOARDING_ACPN_API_URL", "http://acpn.example.com/v1", "acpn.example.com", "https://"),
    ],
)
def test_plain_text_to_another_machine_is_warned_of_by_its_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, host: str, encrypts: str
) -> None:
    [warning] = warnings(monkeypatch, **{variable: value})
    assert warning.startswith(f"{variable}: plain text to {host} ")
    assert encrypts in warning


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TEMPORAL_ADDRESS": "127.0.0.1:7233"},
        {"TEMPORAL_ADDRESS": "[::1]:7233"},
        {"TEMPORAL_ADDRESS": "temporal:7233", "TEMPORAL_TLS": "true"},
        {"TEMPORAL_ADDRESS": "temporal:7233", "TEMPORAL_TLS": "false"},
        {"TEMPORAL_ADDRESS": "temporal:7233", "TEMPORAL_API_KEY": HIDDEN},
        {"ONBOARDING_DATABASE_URL": f"{POSTGRESQL}?sslmode=verify-full"},
        {"ONBOARDING_DATABASE_URL": f"{POSTGRESQL}?sslmode=disable"},
        {"ONBOARDING_DATABASE_URL": POSTGRESQL, "PGSSLMODE": "require"},
        {"ONBOARDING_DATABASE_URL": "postgresql:///d"},
        {"ONBOARDING_DATABASE_URL": "postgresql:///d?host=/run/postgresql"},
        {"ONBOARDING_DATABASE_URL": "postgresql://127.0.0.1,localhost/d"},
        {"ONBOARDING_ACCOUNTS_URL": f"http://u:{HIDDEN}@127.0.0.1:8080"},
        {"ONBOARDING_ACCOUNTS_URL": f"https://u:{HIDDEN}@accounts.example.com"},
    ],
)
def test_what_stays_here_is_encrypted_or_is_said_to_be_meant_needs_no_word(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    assert warnings(monkeypatch, **environment) == ()


@pytest.mark.parametrize("variable", ["ONBOARDING_ACCOUNTS_URL", "ONBOARDING_ACPN_API_URL"])
def test_a_password_in_plain_text_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: a password leaves this machine only encrypted"):
        warnings(monkeypatch, **{variable: f"http://u:{HIDDEN}@service.example.com"})


def test_an_api_key_in_plain_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="TEMPORAL_API_KEY leaves this machine only"):
        warnings(
            monkeypatch, TEMPORAL_ADDRESS="t.example.com:7233", TEMPORAL_API_KEY=HIDDEN, TEMPORAL_TLS="false"
        )
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:7233")
    assert isinstance(load_temporal_settings(), TemporalSettings)


@pytest.mark.parametrize("start", [run_worker, partial(run_setup, retention=DAY, wait=DAY)])
async def test_it_is_said_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, start: Callable[..., Awaitable[None]]
) -> None:
    async def no_further(*_: object, **__: object) -> None:
        raise StartupError("no further")

    for module in (worker, setup):
        monkeypatch.setattr(module, "connect_when_up", no_further)
        monkeypatch.setattr(module, "prepare_database", no_further)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example.com:7233")
    with pytest.raises(StartupError, match="no further"):
        await start(load_settings(), load_temporal_settings())
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["TEMPORAL_ADDRESS"]


def test_an_smtp_address_shows_no_password() -> None:
    assert HIDDEN not in repr(SmtpAddress.from_url(f"smtps://u:{HIDDEN}@mail.example.com"))
