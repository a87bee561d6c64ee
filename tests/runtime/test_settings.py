"""`settings`: defaults that fit together, and a wrong value named by its variable, secrets never shown."""

import base64
import os
from pathlib import Path

import pytest

import settings
from settings import (
    SECRETS,
    Settings,
    SettingsError,
    load_settings,
    load_temporal_settings,
    load_valid_settings,
)

HIDDEN = "geheim-4711"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("ONBOARDING_", "TEMPORAL_")):
            monkeypatch.delenv(name)
    # Temporal's profiles live below it.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_defaults_need_no_environment() -> None:
    found = load_settings()
    assert found.database == "sqlite:///.onboarding/onboarding.db"
    assert found.smtp_server == "127.0.0.1:1025"
    assert found.verify_url == "https://account-console.alibabacloud.com/#/newIntlAuth"
    assert found.acpn_url == "https://www.alibabacloud.com/"
    assert found.accounts_url is None


def test_the_data_folder_moves_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARDING_DATA", "elsewhere")
    assert load_settings().database == "sqlite:///elsewhere/onboarding.db"


def test_a_database_url_wins_over_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARDING_DATABASE_URL", f"postgresql://onboarding:{HIDDEN}@db/onboarding")
    assert load_settings().database == f"postgresql://onboarding:{HIDDEN}@db/onboarding"


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARDING_DATA", "elsewhere")
    assert load_settings(data=Path("here"), smtp_url=None).data == Path("here")


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARDING_SMTP_URL", "")
    assert load_settings().smtp_server == "127.0.0.1:1025"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("ONBOARDING_DATABASE_URL", "not a url", "SQLAlchemy URL"),
        ("ONBOARDING_DATABASE_URL", f"mysql://u:{HIDDEN}@h/d", "postgresql"),
        ("ONBOARDING_DATABASE_URL", "sqlite://", "file"),
        ("ONBOARDING_DATABASE_URL", f"postgresql://u:{HIDDEN}@h/d?sslmode=strict", "verify-full"),
        ("ONBOARDING_DATABASE_URL", f"postgresql://u:{HIDDEN}@h/d?sslrot={HIDDEN}", "libpq"),
        ("ONBOARDING_DATABASE_URL", f"postgresql://u:{HIDDEN}@h/d?sslmode=a&sslmode=b", "twice"),
        ("ONBOARDING_DATABASE_URL", f"postgresql://u:{HIDDEN}@h/d?sslrootcert=/no/file", "sslrootcert"),
        ("ONBOARDING_DATABASE_URL", f"postgresql://h:{HIDDEN}/d", "SQLAlchemy URL"),
        ("ONBOARDING_DATABASE_URL", f"postgresql://h/d?port={HIDDEN}", "parameter"),
        ("ONBOARDING_DATABASE_POOL_SIZE", "0", "1"),
        ("ONBOARDING_OPS_EMAIL", "ops", "address"),
        ("ONBOARDING_WEBHOOK_ALLOW", "hooks.internal, 10.0.0.0/33", "'10.0.0.0/33' is no host"),
        ("ONBOARDING_DATABASE_POOL_SIZE", "many", "integer"),
        ("ONBOARDING_ENCRYPTION_KEYS", HIDDEN, "id:base64"),
        ("ONBOARDING_ENCRYPTION_KEYS", f"k1:{HIDDEN}", "base64"),
        ("ONBOARDING_ENCRYPTION_REQUIRED", "true", "ONBOARDING_ENCRYPTION_KEYS"),
        ("ONBOARDING_ENCRYPTION_REQUIRED", "perhaps", "boolean"),
        ("ONBOARDING_CODEC_TOKEN", HIDDEN, "16 characters"),
        ("ONBOARDING_CODEC_WRITE_TOKEN", HIDDEN, "16 characters"),
        ("ONBOARDING_SMTP_URL", "http://h", "smtp://"),
        ("ONBOARDING_SMTP_URL", f"smtp://u:{HIDDEN}@h?tls=none", "encrypted"),
        ("ONBOARDING_SMTP_URL", f"smtp://u:{HIDDEN}@h?ca=/no/file", "ca=/no/file"),
        ("ONBOARDING_SMTP_URL", f"smtp://u:{HIDDEN}@h:99999", "port"),
        ("ONBOARDING_SMTP_URL", f"smtp://u:{HIDDEN}@h:0", "port 0"),
        ("ONBOARDING_SMTP_URL", f"smtp://u:{HIDDEN}/x@h", "port"),
        ("ONBOARDING_EMAIL_FROM", "nobody", "@"),
        ("ONBOARDING_EMAIL_FROM", "=?utf-8?q?x?= <a@example.com>", "=?"),
        ("ONBOARDING_PORTAL_URL", "portal.example.com", "https://"),
        ("ONBOARDING_ACPN_URL", "javascript:alert(1)", "https://"),
        ("ONBOARDING_VERIFY_URL", "ftp://example.com", "https://"),
        ("ONBOARDING_ACCOUNTS_URL", "accounts", "https://"),
        ("ONBOARDING_ACPN_API_URL", "acpn", "https://"),
        ("ONBOARDING_ACCOUNTS_URL", f"https://u:{HIDDEN}@x\n", "base URL"),
        ("ONBOARDING_ACCOUNTS_URL", f"https:/u:{HIDDEN}@x", "https://host"),
        ("ONBOARDING_ACCOUNTS_URL", "https:x", "https://host"),
        ("ONBOARDING_ACCOUNTS_URL", " https://x", "https://host"),
        ("ONBOARDING_ACCOUNTS_URL", "https://x:0", "https://host"),
        ("ONBOARDING_ACPN_API_URL", f"https://x/a?key={HIDDEN}", "without ?"),
        ("ONBOARDING_ACPN_API_URL", "https://x/a#b", "without ?"),
        ("ONBOARDING_WORKER_POLLERS", "many", "auto"),
        ("ONBOARDING_WORKER_POLLERS", "1", "2"),
        ("ONBOARDING_WORKER_CACHE", "0", "2"),
        ("ONBOARDING_HEALTH_FILE", "/no/folder/polls", "/no/folder does not exist"),
        ("ONBOARDING_HEALTH_FILE", "/", "is a folder"),
        ("ONBOARDING_METRICS_ADDRESS", "9464", "address:port"),
        ("ONBOARDING_METRICS_ADDRESS", "0.0.0.0:99999", "address:port"),
    ],
)
def test_a_wrong_value_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as failure:
        load_settings()
    message = str(failure.value)
    assert message.startswith(f"{variable}: ")
    assert says in message
    assert HIDDEN not in message
    assert failure.value.__cause__ is None


def test_a_token_that_only_reads_does_not_write(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONBOARDING_CODEC_TOKEN", "ONBOARDING_CODEC_WRITE_TOKEN"):
        monkeypatch.setenv(name, f"{HIDDEN}-{HIDDEN}")
    with pytest.raises(SettingsError, match=r"^ONBOARDING_CODEC_WRITE_TOKEN: must be another"):
        load_settings()


def test_every_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARDING_ACPN_URL", "x")
    monkeypatch.setenv("ONBOARDING_SMTP_URL", "x")
    with pytest.raises(SettingsError) as failure:
        load_settings()
    assert "ONBOARDING_ACPN_URL: " in str(failure.value)
    assert "ONBOARDING_SMTP_URL: " in str(failure.value)


def test_a_wrong_option_is_named_as_typed() -> None:
    with pytest.raises(SettingsError, match=r"^--db: "):
        load_settings(database_url="mysql://h/d")


def test_no_representation_shows_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARDING_DATABASE_URL", f"postgresql://u:{HIDDEN}@h/d")
    monkeypatch.setenv("ONBOARDING_SMTP_URL", f"smtps://u:{HIDDEN}@mail.example.com")
    monkeypatch.setenv("ONBOARDING_ACCOUNTS_URL", f"https://u:{HIDDEN}@accounts.example.com")
    key = base64.b64encode(HIDDEN.encode() * 3)[:43].decode() + "="
    monkeypatch.setenv("ONBOARDING_ENCRYPTION_KEYS", f"k1:{key}")
    monkeypatch.setenv("ONBOARDING_CODEC_TOKEN", f"{HIDDEN}-{HIDDEN}")
    monkeypatch.setenv("TEMPORAL_API_KEY", HIDDEN)
    found, temporal = load_settings(), load_temporal_settings()
    assert temporal.options["api_key"] == HIDDEN
    shown_by_all = (repr(found), str(found), found.smtp_server, repr(temporal), repr(found.codec))
    for shown in shown_by_all:
        assert key not in shown
        assert HIDDEN not in shown
    assert found.smtp_server == "mail.example.com:465"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(f"https://u:{HIDDEN}@accounts.example.com{ending}".encode())
    monkeypatch.setenv("ONBOARDING_ACCOUNTS_URL_FILE", str(file))
    monkeypatch.setenv("ONBOARDING_ACCOUNTS_URL", "")
    monkeypatch.setenv("ONBOARDING_SMTP_URL_FILE", "")
    found = load_settings()
    assert found.accounts_url == f"https://u:{HIDDEN}@accounts.example.com"
    assert found.smtp_server == "127.0.0.1:1025"
    assert load_valid_settings() == (found, {})


def test_an_option_wins_over_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("sqlite:///of-the-file.db")
    monkeypatch.setenv("ONBOARDING_DATABASE_URL_FILE", str(file))
    assert load_settings(database_url="sqlite:///option.db").database == "sqlite:///option.db"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "FILE can't be read: No such file or directory"),
        (b"", "FILE is empty"),
        (b"\n", "FILE is empty"),
        (f"{HIDDEN}\xff".encode("latin-1"), "FILE is not valid UTF-8"),
        (HIDDEN.encode(), "is not an SQLAlchemy URL, such as sqlite:///onboarding.db"),
    ],
)
def test_a_wrong_file_is_named_by_its_variable_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, says: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("ONBOARDING_DATABASE_URL_FILE", str(file))
    told = f"ONBOARDING_DATABASE_URL_FILE: {says.replace('FILE', str(file))}"
    with pytest.raises(SettingsError) as failure:
        load_settings()
    assert str(failure.value) == told
    assert load_valid_settings()[1] == {"database_url": told}


@pytest.mark.parametrize(
    "variable", [*(f"ONBOARDING_{name.upper()}" for name in SECRETS), "TEMPORAL_API_KEY"]
)
def test_a_secret_and_its_file_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv(variable, HIDDEN)
    monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / "secret"))
    with pytest.raises(SettingsError) as failure:
        load_temporal_settings() if variable.startswith("TEMPORAL") else load_settings()
    assert str(failure.value) == f"{variable}: is set, and so is {variable}_FILE; unset one of them"


def test_every_secret_may_be_in_a_file() -> None:
    secret = {
        name
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation) or not field.repr
    }
    assert set(SECRETS) == secret


def test_temporals_api_key_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{HIDDEN}\n")
    monkeypatch.setenv("TEMPORAL_API_KEY_FILE", str(file))
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "channel")
    found = load_temporal_settings()
    assert (found.options["api_key"], found.options["tls"], found.namespace) == (HIDDEN, True, "channel")
    file.unlink()
    with pytest.raises(SettingsError, match=r"^TEMPORAL_API_KEY_FILE: .*can't be read"):
        load_temporal_settings()


def test_every_setting_of_up_is_a_setting() -> None:
    assert settings.OPTIONS.keys() <= Settings.model_fields.keys()


def test_temporal_defaults() -> None:
    found = load_temporal_settings()
    assert (found.address, found.namespace) == ("localhost:7233", "default")
    assert found.options == {"target_host": "localhost:7233", "namespace": "default"}


def test_temporal_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example.com:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "channel")
    found = load_temporal_settings()
    assert found.options == {"target_host": "temporal.example.com:7233", "namespace": "channel"}


def test_a_temporal_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profiles = tmp_path / "temporal.toml"
    profiles.write_text('[profile.staging]\naddress = "staging:7233"\nnamespace = "channel"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(profiles))
    monkeypatch.setenv("TEMPORAL_PROFILE", "staging")
    assert load_temporal_settings().address == "staging:7233"


@pytest.mark.parametrize(
    "address",
    [
        *("localhost", "http://localhost:7233", ":7233", "h:port", "h:70000", "my host:7233", "prod%:7233"),
        *("[red]x:7233", "[red]:7233", "::1:7233", "999.1.1.1:7233", "u@h:7233", "h?:7233"),
    ],
)
def test_a_wrong_temporal_address_is_named(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    with pytest.raises(SettingsError, match="TEMPORAL_ADDRESS"):
        load_temporal_settings()


@pytest.mark.parametrize("address", ["[::1]:7233", "10.0.0.7:7233", "temporal_1.bücher.example:7233"])
def test_a_temporal_address_may_be_any_host(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    assert load_temporal_settings().address == address


@pytest.mark.skipif(not os.supports_bytes_environ, reason="variables are Unicode")
@pytest.mark.parametrize("variable", ["FOO", "TEMPORAL_NAMESPACE", "ONBOARDING_DATA"])
def test_a_variable_that_is_not_utf_8_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, os.fsdecode(HIDDEN.encode() + b"\xff"))
    with pytest.raises(SettingsError, match=f"^{variable}: is not valid UTF-8") as failure:
        load_temporal_settings()
    assert HIDDEN not in str(failure.value)
    if variable == "ONBOARDING_DATA":
        with pytest.raises(SettingsError, match=f"^{variable}: is not valid UTF-8"):
            load_settings()


def test_an_unknown_temporal_profile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_PROFILE", "nowhere")
    with pytest.raises(SettingsError, match=r"nowhere.*TEMPORAL_PROFILE"):
        load_temporal_settings()
