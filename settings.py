"""What the programs read from the environment: ``ONBOARDING_*``, and Temporal's own settings.

Only entry points read settings; everything else gets what it needs through its constructor.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    HttpUrl,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import SettingsConfigDict
from pydantic_settings import SettingsError as SourceError
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig

from activities import formats
from activities.front_door_settings import FrontDoorSettings
from activities.secret_files import SUFFIX, Unusable, file_named, secret_of
from activities.signatures import configuration as signatures

if TYPE_CHECKING:
    from temporalio.converter import PayloadCodec

PREFIX: Final = "ONBOARDING_"
OPTIONS: Final = {"data": "--data", "database_url": "--db", "smtp_url": "--smtp"}
"""Settings that `onboarding up` also takes as options."""
SECRETS: Final = (
    *("database_url", "smtp_url", "accounts_url", "acpn_api_url"),
    *("encryption_keys", "codec_token", "codec_write_token", "api_token"),
    *("oidc_client_secret", "session_keys"),
    *signatures.SECRETS,
)
"""Settings that may hold a secret: each can be in a file, named by its variable with ``_FILE`` at the end."""
_HTTP_URL: Final = TypeAdapter(HttpUrl)
_NOT_UTF_8: Final = "is not valid UTF-8; set it again, or unset it"


class SettingsError(Exception):
    """A setting is wrong; the message names the variable and says what to do. It holds no password."""


# Who uses a setting judges it. Those modules are imported only when there is something to judge or to render:
# every command of the console script reads the settings, and few of them need a database or a mail.


def _database_url(value: SecretStr) -> SecretStr:
    from activities.db.engine import Database

    Database(value.get_secret_value())
    return value


def _link(value: str) -> str:
    try:
        _HTTP_URL.validate_python(value)
    except ValidationError:
        raise ValueError("must be a link, http://… or https://…") from None
    return value


def _smtp_url(value: SecretStr) -> SecretStr:
    from activities.smtp import SmtpAddress

    SmtpAddress.from_url(value.get_secret_value())
    return value


def _sender(value: str) -> str:
    from activities.emails.message import MessageFactory

    MessageFactory(value)
    return value


def _encryption_keys(value: SecretStr) -> SecretStr:
    from workflows.codec import EncryptionCodec

    EncryptionCodec.from_text(value.get_secret_value())
    return value


def _files() -> dict[str, Any]:
    found = {name: secret_of(_variable(name), os.environ) for name in SECRETS}
    return {name: value for name, value in found.items() if value is not None}


Link = Annotated[str, AfterValidator(_link)]
ServiceUrl = Annotated[Link, AfterValidator(signatures.service_url)]


class Settings(FrontDoorSettings, signatures.SignatureSettings):
    """The ``ONBOARDING_*`` variables. An empty variable counts as not set.

    The links' defaults are the ones of the process guide (§2.1 Step 2, §2.5).
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    data: Path = Path(".onboarding")
    """Folder of the embedded default: database, mails, Temporal's file, logs."""
    database_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = None
    """SQLAlchemy URL: ``sqlite:///FILE`` or
    ``postgresql://user:password@host/name?sslmode=verify-full&sslrootcert=FILE``, with
    ``prepare_threshold=none`` behind a pooler in transaction mode; None: SQLite in the data folder."""
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 20
    """The most connections a process keeps to the database."""
    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] = SecretStr("smtp://127.0.0.1:1025")
    """``smtp://`` or ``smtps://``, ``user:password@`` in it; TLS with a verified certificate, ``?ca=FILE``
    for an authority of your own, ``?tls=none`` for plain text to another machine, never with a password.
    `onboarding up` uses its sink unless this is set."""
    email_from: Annotated[str, AfterValidator(_sender)] = "Reseller Onboarding <onboarding@reseller.example>"
    """Sender of all e-mails; part of every Message-ID."""
    portal_url: Link = "https://www.alibabacloud.com/"
    """Base URL of the portal, where people sign in. E-mails link to pages below it: to the partner
    ``/applications/{uid}``, to BD and lead ``/desk/{uid}``; a query (``?lang=en``) stays."""
    acpn_url: Link = "https://www.alibabacloud.com/"
    """Link to ACPN, in ``access_granted``."""
    verify_url: Link = "https://account-console.alibabacloud.com/#/newIntlAuth"
    """Go to Verify: where an enterprise is verified."""
    accounts_url: ServiceUrl | None = Field(default=None, repr=False)
    """Base URL of the account directory, ``https://user:password@host/path``; None: the database."""
    acpn_api_url: ServiceUrl | None = Field(default=None, repr=False)
    """Base URL of the platform's access service, written alike; None: the database."""
    ops_email: Annotated[str, AfterValidator(formats.mailbox)] | None = None
    """Who is told that a webhook endpoint was switched off; None: nobody but the worker's log."""
    webhook_allow: Annotated[str, AfterValidator(formats.webhook_allow)] = ""
    """Hosts, addresses and networks, parted by commas, that webhooks may go to though they are not public,
    and by plain http, too: ``hooks.internal, 10.1.0.0/16``."""
    deployment: Annotated[str, AfterValidator(formats.deployment)] = "reseller-onboarding"
    """Name of the worker deployment whose versions the workers are."""
    build_id: Annotated[str, AfterValidator(formats.build_id)] | None = None
    """The worker's version in its deployment; None switches worker versioning off."""
    metrics_address: Annotated[str, AfterValidator(formats.listening)] | None = None
    """Where the worker answers Prometheus (path ``/metrics``); None: nowhere."""
    health_file: Annotated[Path, AfterValidator(formats.touchable)] | None = None
    """What the worker touches as long as it polls; None: nothing."""

    worker_processes: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = 1
    """Processes a worker consists of, each of which can keep a core busy; ``auto``: one for each core, or as
    many as the container's limit allows."""

    # What the four are was measured (docs/measurements.md, "The worker's defaults").
    worker_pollers: Literal["auto"] | Annotated[int, Field(ge=2, le=1000)] = "auto"
    """Polls a worker keeps open for workflow tasks, and for activities; ``auto``: at most five for each kind,
    and as the server advises."""
    worker_tasks: Annotated[int, Field(ge=2, le=10_000)] = 20
    """The most workflow tasks a worker has in hand; what is more waits on the server."""
    worker_activities: Annotated[int, Field(ge=2, le=10_000)] = 20
    """The most activities a worker has in hand: records to store, mails to send, access to open."""
    worker_cache: Annotated[int, Field(ge=2, le=1_000_000)] = 500
    """Runs a worker keeps in memory; any other is replayed from its history before it goes on."""

    encryption_keys: Annotated[SecretStr, AfterValidator(_encryption_keys)] | None = None
    """``id:base64,id:base64``: AES-256 keys for all that Temporal stores, the one that writes first; None: it
    is stored in clear."""
    encryption_required: bool = False
    """Whether messages that come in clear are refused."""
    codec_token: Annotated[SecretStr, AfterValidator(formats.token)] | None = None
    """What callers of `onboarding codec-server` show who may read; None: nobody but this machine may ask."""
    codec_write_token: Annotated[SecretStr, AfterValidator(formats.token)] | None = None
    """What those show who may also have it encrypt; None: nobody may, except within this machine where no
    other token is needed either."""

    api_url: Annotated[str, AfterValidator(formats.api)] | None = None
    """Where an `onboarding serve` listens, for the console to go through; None: it goes to Temporal and the
    database itself."""
    api_token: SecretStr | None = None
    """The access token the console shows there: it says who acts."""

    @field_validator("*", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        if isinstance(value, Unusable):
            raise ValueError(value.reason)
        if isinstance(value, str) and not _is_utf_8(value):
            raise ValueError(_NOT_UTF_8)
        return value

    @field_validator("encryption_required")
    @classmethod
    def _with_keys(cls, value: bool, info: ValidationInfo) -> bool:
        # Absent: the keys themselves are wrong, which is said already.
        if value and info.data.get("encryption_keys", "wrong") is None:
            raise ValueError("needs ONBOARDING_ENCRYPTION_KEYS")
        return value

    @field_validator("codec_write_token")
    @classmethod
    def _of_its_own(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and value == info.data.get("codec_token"):
            raise ValueError("must be another one than ONBOARDING_CODEC_TOKEN, which only reads")
        return value

    @field_validator("oidc_client_id")
    @classmethod
    def _no_audience(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value == info.data.get("oidc_audience"):
            raise ValueError(
                "must be another than ONBOARDING_OIDC_AUDIENCE, or an ID token would open the API"
            )
        return value

    @property
    def codec(self) -> "PayloadCodec | None":
        """Encrypts what Temporal stores; the same for clients, workers and replays."""
        if self.encryption_keys is None:
            return None
        from workflows.codec import EncryptionCodec

        return EncryptionCodec.from_text(
            self.encryption_keys.get_secret_value(), required=self.encryption_required
        )

    @property
    def database(self) -> str:
        """SQLAlchemy URL, password included: the one named, else SQLite in the data folder."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        from sqlalchemy import URL

        return URL.create("sqlite", database=str(self.data / "onboarding.db")).render_as_string(
            hide_password=False
        )

    @property
    def smtp_server(self) -> str:
        """``host:port`` of the mail server, to be shown."""
        from activities.smtp import SmtpAddress

        address = SmtpAddress.from_url(self.smtp_url.get_secret_value())
        return f"{address.host}:{address.port}"


@dataclass(frozen=True)
class TemporalSettings:
    """Which Temporal service and namespace; ``options`` are the arguments of ``Client.connect``."""

    address: str
    namespace: str
    # They hold the API key and the client's private key.
    options: ClientConnectConfig = field(repr=False)

    @property
    def host(self) -> str:
        """Of the address, without brackets."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def is_loopback(self) -> bool:
        """Whether the server can only be this machine."""
        from activities.loopback import is_loopback

        return is_loopback(self.host)


def load_settings(**options: Any) -> Settings:
    """Read the environment; ``options`` (from the command line, unless None) win over it.

    Raises:
        SettingsError: names every wrong variable (or option) and what to write instead.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**_files() | given)
    except ValidationError as error:
        lines = [
            f"{OPTIONS[field] if field in given else _named(field)}: {said}"
            for field, said in _problems(error)
        ]
        raise SettingsError("\n".join(dict.fromkeys(lines))) from None
    except SourceError as error:
        raise SettingsError(str(error)) from None


def load_valid_settings() -> tuple[Settings, dict[str, str]]:
    """Read the environment, and take the default where a variable is wrong.

    Returns also what is wrong, by the name of the field, in the words of `load_settings`.

    Raises:
        SettingsError: the environment can't be read at all.
    """
    wrong: dict[str, str] = {}
    defaults: dict[str, Any] = {}
    for _ in Settings.model_fields:
        try:
            return Settings(**_files() | defaults), wrong
        except ValidationError as error:
            problems = {field: f"{_named(field)}: {said}" for field, said in _problems(error)}
        except SourceError as error:
            raise SettingsError(str(error)) from None
        # Not what follows from a default: with the keys wrong, those that are required are missing.
        wrong = wrong or problems
        defaults |= {field: Settings.model_fields[field].default for field in problems}
    raise AssertionError("a default is wrong")


def _problems(error: ValidationError) -> Iterator[tuple[str, str]]:
    for problem in error.errors(include_url=False, include_input=False):
        field = str(problem["loc"][0])
        yield field, problem["msg"].removeprefix("Value error, ").removeprefix(_variable(field)).lstrip(": ")


def _variable(field: str) -> str:
    return f"{PREFIX}{field.upper()}"


def _named(field: str) -> str:
    """The variable that gives the setting."""
    variable = _variable(field)
    in_file = field in SECRETS and file_named(variable, os.environ) and not os.environ.get(variable)
    return f"{variable}{SUFFIX}" if in_file else variable


def load_temporal_settings() -> TemporalSettings:
    """Read ``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_PROFILE`` and the profile's TOML file.

    The API key may be in a file, which ``TEMPORAL_API_KEY_FILE`` names.

    Raises:
        SettingsError: the file or profile can't be read, the address is not ``host:port``, or any variable,
            Temporal's or not, is not UTF-8.
    """
    # The SDK reads the whole environment; at such a variable it panics, and shows the value.
    broken = [name for name, value in os.environ.items() if not _is_utf_8(name + value)]
    if broken:
        raise SettingsError("\n".join(f"{ascii(name)[1:-1]}: {_NOT_UTF_8}" for name in broken))
    key = secret_of("TEMPORAL_API_KEY", os.environ)
    if isinstance(key, Unusable):
        raise SettingsError(f"{key.variable}: {key.reason}")
    environment = dict(os.environ) | ({"TEMPORAL_API_KEY": key} if key else {})
    try:
        options = ClientConfigProfile.load(override_env_vars=environment).to_client_connect_config()
    # RuntimeError: a broken file, an unknown profile, a wrong variable; OSError: an unreadable certificate.
    except (RuntimeError, ValueError, OSError) as error:
        raise SettingsError(
            f"Temporal's settings can't be read ({error}); check TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE"
            " and the TEMPORAL_TLS_* variables"
        ) from None
    address = options.setdefault("target_host", "localhost:7233")
    if not _is_address(address):
        raise SettingsError(f"TEMPORAL_ADDRESS must be host:port, such as localhost:7233, not {address!r}")
    temporal = TemporalSettings(address, options.setdefault("namespace", "default"), options)
    if options.get("api_key") and options.get("tls") is False and not temporal.is_loopback:
        raise SettingsError(
            "TEMPORAL_API_KEY leaves this machine only encrypted, so not with TEMPORAL_TLS=false"
        )
    return temporal


def _is_address(text: str) -> bool:
    """Whether the SDK can make its URL of it, and a host and a port are all there is to that URL."""
    parts = re.fullmatch(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})", text)
    if parts is None or not 0 < int(parts[2]) < 65536:
        return False
    try:
        # The parser is the SDK's own (Rust's crate url).
        _HTTP_URL.validate_python(f"http://{text}")
    except ValidationError:
        return False
    return True


def _is_utf_8(text: str) -> bool:
    """Whether a variable, as Python decoded it, was UTF-8 in the environment."""
    try:
        os.fsencode(text).decode()
    except UnicodeError:
        return False
    return True
