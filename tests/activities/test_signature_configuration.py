"""The settings of signature providers, and what is made of them."""

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from activities.signatures.provider_apis import open_apis
from domain.signatures import Provider
from settings import Settings, SettingsError, load_settings
from tests.activities.signature_payloads import SECRETS
from tests.activities.test_signature_apis import KEY

PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
OTHER_PEM = (
    generate_ec_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
)
ACCOUNT = "https://app:user@na1.docusign.net/restapi/v2.1/accounts/7"


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"ONBOARDING_SIGNATURE_{name}", value)
    return load_settings()


def test_nobody_reports_unless_there_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch)
    assert (settings.signature_secrets, settings.takes_signatures) == ({}, False)


def test_each_provider_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {f"{provider.upper()}_SECRET": secret for provider, secret in SECRETS.items()}
    settings = loaded(monkeypatch, **given)
    assert (settings.signature_secrets, settings.takes_signatures) == (dict(SECRETS), True)
    assert not any(secret in repr(settings) for secret in SECRETS.values())


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("STANDARD_SECRET", "whsec_AAAAAAAAAAA!=\u00e9\u00e9", "16 ASCII characters"),
        ("DOCUSEAL_SECRET", "short", "16 ASCII characters"),
        ("DOCUMENSO_SECRET", "a secret with blanks", "16 ASCII characters"),
        ("DOCUSEAL_API_KEY", "a b", "without blanks"),
        ("DOCUSIGN_API_KEY", "no key", "RSA private key"),
        ("DOCUSIGN_API_KEY", OTHER_PEM, "RSA private key"),
        ("DOCUSIGN_API_URL", "https://na1.docusign.net/restapi/v2.1/accounts/7", "INTEGRATION_KEY:USER_ID"),
        ("DOCUSEAL_API_URL", "ftp://docuseal.example.com", "must begin with http"),
        ("SWEEP", "0", "1"),
    ],
)
def test_what_is_wrong(monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as failure:
        loaded(monkeypatch, **{name: value})
    assert f"ONBOARDING_SIGNATURE_{name}" in str(failure.value)
    if not told.isdecimal():
        assert value not in str(failure.value)


def test_docusign_needs_to_know_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="DOCUSIGN_API_URL: is needed with"):
        loaded(monkeypatch, DOCUSIGN_API_KEY=PEM)


async def test_who_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"DOCUMENSO_API_KEY": "api_1", "DOCUSEAL_API_KEY": "key"}
    settings = loaded(monkeypatch, **keys, DOCUSIGN_API_KEY=PEM, DOCUSIGN_API_URL=ACCOUNT)
    async with AsyncExitStack() as stack:
        apis = await open_apis(settings, stack, timedelta(seconds=1))
        assert [api.provider for api in apis] == [Provider.DOCUMENSO, Provider.DOCUSEAL, Provider.DOCUSIGN]
    async with AsyncExitStack() as stack:
        assert await open_apis(Settings.model_construct(), stack, timedelta(seconds=1)) == ()
