"""Connections to other machines that nobody has said are to be in plain text."""

from collections.abc import Iterator

from activities.db.engine import SETTING, Database
from activities.loopback import is_loopback
from activities.outside_service import ServiceAddress
from settings import Settings, TemporalSettings


def plain_text_warnings(settings: Settings, temporal: TemporalSettings) -> tuple[str, ...]:
    """A sentence for each, with the setting that encrypts and the one that says that it is meant so.

    The mail server is not among them: `activities.smtp.SmtpAddress` encrypts unless told otherwise.
    """
    return tuple(_warnings(settings, temporal))


def _warnings(settings: Settings, temporal: TemporalSettings) -> Iterator[str]:
    if temporal.options.get("tls") is None and not temporal.is_loopback:
        yield _warning("TEMPORAL_ADDRESS", temporal.host, "TEMPORAL_TLS=true", "TEMPORAL_TLS=false")
    if (host := Database(settings.database).perhaps_unencrypted) is not None:
        encrypts = "?sslmode=verify-full&sslrootcert=FILE"
        yield _warning(SETTING, host, encrypts, "?sslmode=disable")
    for variable, url in (
        ("ONBOARDING_ACCOUNTS_URL", settings.accounts_url),
        ("ONBOARDING_ACPN_API_URL", settings.acpn_api_url),
    ):
        if url is not None:
            address = ServiceAddress.from_url(url).url
            if address.scheme == "http" and not is_loopback(address.host):
                yield _warning(variable, address.host, "https://")


def _warning(variable: str, host: str, encrypts: str, meant: str = "") -> str:
    or_meant = f"; {meant} says that it is meant so" if meant else ""
    return f"{variable}: plain text to {host} can be read on the way; {encrypts} encrypts it{or_meant}"
