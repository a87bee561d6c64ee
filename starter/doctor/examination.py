"""`onboarding doctor`: looks at every part the service needs, all at once, and says what to do about each."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from activities.db import pooler
from activities.db.engine import Database
from activities.db.schema import Schema, SchemaMismatchError
from activities.emails.message import MessageFactory
from activities.smtp import SmtpAddress
from activities.smtp_probe import Failure, ProbeError, probe
from activities.working_days import WorkingCalendar
from domain.contract import TASK_QUEUE
from runtime.errors import first_line
from runtime.plain_text import plain_text_warnings
from settings import Settings, SettingsError, TemporalSettings, load_temporal_settings, load_valid_settings
from starter.client.stored import has_no_file
from starter.doctor.applications import examine_applications
from starter.doctor.report import Finding, Part, Report, within
from starter.doctor.services import examine_services
from starter.doctor.temporal import DEPENDENT, TemporalExamination
from workflows.codec import EncryptionCodec

LIMIT: Final = timedelta(seconds=5)
"""What each part gets to answer in."""
NEXT_YEAR_MATTERS: Final = timedelta(days=92)
"""How long before it begins the next year is worth a warning: before, nobody can do anything about it.
China's moved working days are announced about two months ahead."""
_NEEDED: Final[Mapping[Part, frozenset[str]]] = {
    Part.DATABASE: frozenset({"data", "database_url"}),
    Part.APPLICATIONS: frozenset({"data", "database_url"}),
    Part.MAIL: frozenset({"smtp_url", "email_from"}),
    Part.SERVICES: frozenset({"accounts_url", "acpn_api_url"}),
    Part.VERSIONS: frozenset({"deployment"}),
    Part.ENCRYPTION: frozenset({"encryption_keys", "encryption_required"}),
}
"""The settings a part can't be looked at without."""


async def run_doctor(*, calendar: str, time_zone: str) -> Report:
    """Look at what the environment describes.

    Raises:
        SettingsError: the environment can't be read at all.
    """
    settings, wrong = load_valid_settings()
    try:
        temporal: TemporalSettings | SettingsError = load_temporal_settings()
    except SettingsError as error:
        temporal = error
    return await Doctor(settings, wrong, temporal).report(calendar, time_zone)


class Doctor:
    """Looks at every part; none keeps another from being looked at.

    Args:
        settings: what is valid of them.
        wrong: what is not, by the field's name, as `load_valid_settings` gives it.
        temporal: where the server is, or why that is not known.
        limit: what each part gets to answer in.
    """

    def __init__(
        self,
        settings: Settings,
        wrong: Mapping[str, str],
        temporal: TemporalSettings | SettingsError,
        *,
        limit: timedelta = LIMIT,
        task_queue: str = TASK_QUEUE,
    ) -> None:
        self._settings = settings
        self._wrong = wrong
        self._temporal = temporal
        self._limit = limit
        self._task_queue = task_queue

    async def report(self, calendar: str, time_zone: str, now: datetime | None = None) -> Report:
        """The findings, in the order of `Part`; ``calendar`` and ``time_zone`` are those of the BD desk."""
        at = now or datetime.now(UTC)
        temporal, *others = await asyncio.gather(
            self._temporal_findings(),
            self._within(Part.DATABASE, lambda: _database(self._settings.database), _DATABASE_DOWN),
            self._within(Part.MAIL, self._mail, _MAIL_REMEDIES[Failure.CONNECTION]),
            self._within(Part.SERVICES, self._services, _SERVICES_DOWN),
            self._within(
                Part.APPLICATIONS,
                lambda: examine_applications(self._settings, self._temporal),
                _DATABASE_DOWN,
            ),
            self._within(Part.CALENDAR, lambda: _calendar(calendar, time_zone, at), _CALENDAR_WRONG),
        )
        found = {each.part: each for each in (self._settings_finding(), *temporal, *others)}
        return Report(findings=tuple(found[part] for part in Part))

    async def _within(
        self, part: Part, look: Callable[[], Coroutine[Any, Any, Finding]], remedy: str
    ) -> Finding:
        if self._is_wrong(part):
            return Finding.skipped(part, "its settings are wrong")
        return await within(self._limit, part, look(), remedy=remedy)

    def _is_wrong(self, part: Part) -> bool:
        return not _NEEDED.get(part, frozenset()).isdisjoint(self._wrong)

    def _settings_finding(self) -> Finding:
        wrong = list(self._wrong.values())
        if isinstance(self._temporal, SettingsError):
            wrong += str(self._temporal).splitlines()
        if wrong or isinstance(self._temporal, SettingsError):
            # A variable that is not UTF-8 is in the way of both.
            told = "\n".join(dict.fromkeys(wrong))
            return Finding.failed(
                Part.SETTINGS, told, "Correct them; docs/reference/settings.md lists them all."
            )
        if warnings := plain_text_warnings(self._settings, self._temporal):
            return Finding.warning(Part.SETTINGS, "\n".join(warnings), _PLAIN_TEXT)
        return Finding.ok(Part.SETTINGS, "all valid")

    async def _temporal_findings(self) -> list[Finding]:
        if isinstance(self._temporal, SettingsError):
            parts = (Part.TEMPORAL, *DEPENDENT)
            return [Finding.skipped(part, "Temporal's settings are wrong") for part in parts]
        keys = self._settings.encryption_keys
        return await TemporalExamination(
            self._temporal,
            deployment=None if self._is_wrong(Part.VERSIONS) else self._settings.deployment,
            # Not the settings' own, which marks what it finds in clear.
            codec=None if keys is None else EncryptionCodec.from_text(keys.get_secret_value()),
            codec_known=not self._is_wrong(Part.ENCRYPTION),
            limit=self._limit,
            task_queue=self._task_queue,
        ).findings()

    async def _services(self) -> Finding:
        # Shorter than the limit, so that it can say itself which one did not answer.
        return await examine_services(self._settings, 0.8 * self._limit)

    async def _applications(self) -> Finding:
        return await examine_applications(self._settings, self._temporal)

    async def _mail(self) -> Finding:
        sender = MessageFactory(self._settings.email_from).sender
        address = SmtpAddress.from_url(self._settings.smtp_url.get_secret_value())
        server = f"{address.host}:{address.port}"
        try:
            # Shorter than the limit, so that it can say itself what did not come.
            probed = await probe(address, sender, patience=0.8 * self._limit.total_seconds())
        except ProbeError as error:
            remedy = _MAIL_REMEDIES[error.failure]
            if error.failure is Failure.CONNECTION and "smtp_url" not in self._settings.model_fields_set:
                remedy = _MAIL_UNSET
            detail = f"{server}: {_MAIL_FAILED[error.failure]}: {error.reason}"
            return Finding.failed(Part.MAIL, detail, remedy)
        how = "TLS" if probed.encrypted else "plain text"
        user = ", logged in" if probed.logged_in else ""
        return Finding.ok(Part.MAIL, f"{server} ({how}{user}) takes mails from {sender}")


_PLAIN_TEXT: Final = "Encrypt them, or say that it is meant so: docs/how-to/encryption.md, Connections."
_MAIL_FAILED: Final[Mapping[Failure, str]] = {
    Failure.CONNECTION: "no conversation",
    Failure.ENCRYPTION: "no TLS",
    Failure.LOGIN: "log-in refused",
    Failure.SENDER: "sender refused",
}
_MAIL_REMEDIES: Final[Mapping[Failure, str]] = {
    Failure.CONNECTION: "Start the mail server, or check host, port and smtp:// or smtps:// in"
    " ONBOARDING_SMTP_URL. Until then mails wait.",
    Failure.ENCRYPTION: "Name the server's authority in ONBOARDING_SMTP_URL (?ca=FILE), or put the"
    " certificate right; smtp:// is for STARTTLS, smtps:// for TLS from the first byte. Until then"
    " mails wait.",
    Failure.LOGIN: "Put user:password@, percent-encoded, right in ONBOARDING_SMTP_URL. Until then"
    " mails wait.",
    Failure.SENDER: "Let the mail server accept this sender, or set ONBOARDING_EMAIL_FROM to one it accepts."
    " Until then mails wait.",
}
_MAIL_UNSET: Final = (
    "Set ONBOARDING_SMTP_URL: without it the default is tried. `onboarding up` has a mail sink of its own, on"
    " the port it prints as 'Mail server'."
)


_SERVICES_DOWN: Final = "Check ONBOARDING_ACCOUNTS_URL and ONBOARDING_ACPN_API_URL."


async def _database(url: str) -> Finding:
    database = Database(url)
    try:
        if has_no_file(database):
            return Finding.failed(Part.DATABASE, f"{database.name} does not exist", _DATABASE_NOT_READY)
        state = await Schema(database).check()
        if not await database.keeps_prepared_statements():
            return Finding.failed(Part.DATABASE, f"{database.name}: {pooler.MIXED_UP}", pooler.REMEDY)
    except SchemaMismatchError as error:
        return Finding.failed(Part.DATABASE, str(error), error.remedy)
    except (SQLAlchemyError, OSError) as error:
        return Finding.failed(Part.DATABASE, f"{database.name}: {first_line(error)}", _DATABASE_DOWN)
    finally:
        await database.dispose()
    detail = f"{database.name}, {state.words}"
    if state.waiting:
        return Finding.warning(Part.DATABASE, detail, _CONTRACT_WAITS)
    return Finding.ok(Part.DATABASE, detail)


_CONTRACT_WAITS: Final = (
    "Once nobody wants to go back to an older release, and no worker of one is left: back the database up and"
    " run `onboarding setup --contract`."
)
_DATABASE_NOT_READY: Final = "`onboarding setup` makes it ready, a worker at its start as well."
_DATABASE_DOWN: Final = (
    "Start it, or put host, user, password and parameters right in ONBOARDING_DATABASE_URL."
    " Until then rows and mails wait."
)


async def _calendar(region: str, time_zone: str, now: datetime) -> Finding:
    try:
        calendar = WorkingCalendar(region, time_zone)
    except ValueError as error:
        return Finding.failed(Part.CALENDAR, str(error), _CALENDAR_WRONG)
    # Building a year takes some tens of milliseconds, in which others wait for their answers.
    return await asyncio.to_thread(_years, calendar, calendar.local_year(now), now)


def _years(calendar: WorkingCalendar, year: int, now: datetime) -> Finding:
    predicted = [each for each in (year, year + 1) if calendar.is_provisional(each)]
    matters = [
        each for each in predicted if each == calendar.local_year(now + NEXT_YEAR_MATTERS) or each == year
    ]
    if matters:
        years = " and ".join(map(str, matters))
        return Finding.warning(
            Part.CALENDAR,
            f"{calendar.label}: the working days of {years} are only predicted; deadlines that reach into"
            " it are marked provisional",
            "Once they are announced and a release of the package `holidays` has them, update it"
            " (`make lock`) and deploy.",
        )
    known = f"{year} is known" if predicted else f"{year} and {year + 1} are known"
    return Finding.ok(Part.CALENDAR, f"{calendar.label}: {known}")


_CALENDAR_WRONG: Final = "Name a region of the package `holidays`: --calendar CN, --calendar US-CA."
