"""What the programs read from the environment: ``ONBOARDING_*``, and Temporal's own settings.

Only entry points read settings; everything else gets what it needs through its constructor.
"""

from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig

from workflows.values import Email, safe_in_header

PREFIX: Final = "ONBOARDING_"
OPTIONS: Final = {"data": "--data", "database_url": "--db", "smtp_url": "--smtp"}
"""Settings that `onboarding up` also takes as options."""
_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
}
_SMTP_PORTS: Final = {"smtp": 25, "smtps": 465}
_HTTP_URL: Final = TypeAdapter(HttpUrl)
_EMAIL: Final = TypeAdapter(Email)


class SettingsError(Exception):
    """A setting is wrong; the message names the variable and says what to do. It holds no password."""


def _database_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError(
            "is not an SQLAlchemy URL; write postgresql://user:password@host/database or sqlite:///file.db"
        ) from None
    driver = _DRIVERS.get(url.drivername, url.drivername)
    if driver not in _DRIVERS.values():
        raise ValueError(
            f"names the database {url.drivername!r}; known are postgresql:// and sqlite:/// (with a file)"
        )
    if driver.startswith("sqlite") and url.database in (None, "", ":memory:"):
        raise ValueError("must name a file, sqlite:///file.db: worker and command line share it")
    return url.set(drivername=driver)


def _link(value: str) -> str:
    try:
        _HTTP_URL.validate_python(value)
    except ValidationError:
        raise ValueError("must be a link, http://… or https://…") from None
    return value


def _smtp_url(value: SecretStr) -> SecretStr:
    SmtpServer.of(value)
    return value


def _sender(value: str) -> str:
    safe_in_header(value)
    _, address = parseaddr(value)
    try:
        _EMAIL.validate_python(address)
    except ValidationError:
        raise ValueError(
            "must be an e-mail address, alone or as in 'Reseller Onboarding <onboarding@example.com>'"
        ) from None
    return value


Link = Annotated[str, AfterValidator(_link)]
DatabaseUrl = Annotated[URL, BeforeValidator(_database_url)]
"""With an asynchronous driver. Its ``str`` and ``repr`` hide the password."""


@dataclass(frozen=True)
class SmtpServer:
    """Where mails are handed over: ``smtp://`` (STARTTLS where offered) or ``smtps://`` (TLS at once)."""

    host: str
    port: int
    implicit_tls: bool
    username: str | None = None
    password: SecretStr | None = None

    @classmethod
    def of(cls, url: SecretStr) -> Self:
        """Read a URL such as ``smtps://user:password@mail.example.com`` (RFC 3986; default ports 25, 465).

        Raises:
            ValueError: it is none; the message does not repeat it.
        """
        try:
            parts: SplitResult = urlsplit(url.get_secret_value())
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("has a port or host that can't be read; write smtp://host:port") from None
        if parts.scheme not in _SMTP_PORTS or not host:
            raise ValueError("must be smtp://host:port or smtps://user:password@host")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("has something after the host; special characters of a password are %-encoded")
        if bool(parts.username) != bool(parts.password):
            raise ValueError("must have both user and password, or neither")
        return cls(
            host=host,
            port=port if port is not None else _SMTP_PORTS[parts.scheme],
            implicit_tls=parts.scheme == "smtps",
            username=unquote(parts.username) if parts.username else None,
            password=SecretStr(unquote(parts.password)) if parts.password else None,
        )

    def __str__(self) -> str:
        return f"{'smtps' if self.implicit_tls else 'smtp'}://{self.host}:{self.port}"


class Settings(BaseSettings):
    """The ``ONBOARDING_*`` variables. An empty variable counts as not set.

    The links' defaults are the ones of the process guide (§2.1 Step 2, §2.5).
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    data: Path = Path(".onboarding")
    database_url: DatabaseUrl | None = Field(default=None)
    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] = SecretStr("smtp://127.0.0.1:1025")
    email_from: Annotated[str, AfterValidator(_sender)] = "Reseller Onboarding <onboarding@reseller.example>"
    portal_url: Link = "https://www.alibabacloud.com/"
    acpn_url: Link = "https://www.alibabacloud.com/"
    verify_url: Link = "https://account-console.alibabacloud.com/#/newIntlAuth"
    accounts_url: Link | None = Field(default=None, repr=False)
    acpn_api_url: Link | None = Field(default=None, repr=False)

    @property
    def database(self) -> URL:
        """The database: the one named, else SQLite in the data folder."""
        if self.database_url is not None:
            return self.database_url
        return URL.create("sqlite+aiosqlite", database=str(self.data / "onboarding.db"))

    @property
    def smtp(self) -> SmtpServer:
        """The server of ``smtp_url``."""
        return SmtpServer.of(self.smtp_url)


@dataclass(frozen=True)
class TemporalSettings:
    """Which Temporal service and namespace; ``options`` are the arguments of ``Client.connect``."""

    address: str
    namespace: str
    options: ClientConnectConfig


def load_settings(**options: Any) -> Settings:
    """Read the environment; ``options`` (from the command line, unless None) win over it.

    Raises:
        SettingsError: names every wrong variable (or option) and what to write instead.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_input=False):
            field = str(problem["loc"][0])
            named = OPTIONS[field] if field in given else f"{PREFIX}{field.upper()}"
            lines.append(f"{named} {problem['msg'].removeprefix('Value error, ')}")
        raise SettingsError("\n".join(dict.fromkeys(lines))) from None
    except SourceError as error:
        raise SettingsError(str(error)) from None


def load_temporal_settings() -> TemporalSettings:
    """Read ``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_PROFILE`` and the profile's TOML file.

    Raises:
        SettingsError: the file or profile can't be read, or the address is not ``host:port``.
    """
    try:
        options = ClientConfigProfile.load().to_client_connect_config()
    # RuntimeError: a broken file, an unknown profile, a wrong variable; OSError: an unreadable certificate.
    except (RuntimeError, ValueError, OSError) as error:
        raise SettingsError(
            f"Temporal's settings can't be read ({error}); check TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE"
            " and the TEMPORAL_TLS_* variables"
        ) from None
    address = options.setdefault("target_host", "localhost:7233")
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"TEMPORAL_ADDRESS must be host:port, such as localhost:7233, not {address!r}")
    return TemporalSettings(address, options.setdefault("namespace", "default"), options)
