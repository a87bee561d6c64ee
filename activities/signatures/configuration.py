"""The settings of signature providers: who may report signatures, and whose API is asked.

`settings.Settings` takes them over; what they mean is judged by who uses them, only when there is something
to judge.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from domain.signatures import Provider

_LEAST: Final = 16
"""Characters of a secret."""


def service_url(value: str) -> str:
    """The base URL of a service, if it is one. Raises ValueError."""
    from activities.outside_service import ServiceAddress

    ServiceAddress.from_url(value)
    return value


def _private_key(value: SecretStr) -> SecretStr:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(value.get_secret_value().encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("must be an RSA private key in PEM, without a passphrase")
    return value


def _key(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isascii() or len(value.get_secret_value().split()) != 1:
        raise ValueError("must be ASCII without blanks, as the provider shows it")
    return value


_Secret = SecretStr | None
_Key = Annotated[SecretStr, AfterValidator(_key)] | None
_Url = Annotated[str, AfterValidator(service_url)]

SECRETS: Final = (
    *(f"signature_{provider}_secret" for provider in Provider),
    *("signature_documenso_api_key", "signature_docuseal_api_key", "signature_docusign_api_key"),
    "signature_docusign_api_url",
)
"""Those that may hold a secret."""


class SignatureSettings(BaseSettings):
    """``ONBOARDING_SIGNATURE_*``."""

    signature_standard_secret: _Secret = None
    """``whsec_…``: verifies deliveries to ``/webhooks/signatures/standard`` (Standard Webhooks). None: that
    address is 404, and so for the others."""
    signature_documenso_secret: _Secret = None
    """The secret that Documenso sends along."""
    signature_docuseal_secret: _Secret = None
    """The signing secret of the webhook in DocuSeal, ``whsec_…``."""
    signature_docusign_secret: _Secret = None
    """The HMAC key of DocuSign Connect."""
    signature_documenso_api_key: _Key = None
    """Token for the API of Documenso; None: it is not asked what was signed, and so for the others."""
    signature_documenso_api_url: _Url = Field(default="https://app.documenso.com/api/v2")
    """Base URL of that API."""
    signature_docuseal_api_key: _Key = None
    """Token for the API of DocuSeal."""
    signature_docuseal_api_url: _Url = Field(default="https://api.docuseal.com")
    """Base URL of that API."""
    signature_docusign_api_key: Annotated[SecretStr, AfterValidator(_private_key)] | None = None
    """RSA private key, in PEM, of the DocuSign app that asks; needs the URL."""
    signature_docusign_api_url: _Url | None = Field(default=None, repr=False)
    """Base URL of the DocuSign account:
    ``https://INTEGRATION_KEY:USER_ID@HOST/restapi/v2.1/accounts/ACCOUNT_ID``."""
    signature_sweep: Annotated[int, Field(ge=1, le=1440)] = 15
    """Minutes from one look at the providers to the next; it also takes up what was stored and not carried
    out."""

    @field_validator(*(f"signature_{provider}_secret" for provider in Provider))
    @classmethod
    def _usable(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        secret, provider = value.get_secret_value(), Provider(str(info.field_name).split("_")[1])
        if len(secret) < _LEAST or not secret.isascii() or len(secret.split()) != 1:
            raise ValueError(f"must be at least {_LEAST} ASCII characters, without blanks")
        from activities.signatures.verification import verifier

        verifier(provider, secret)
        return value

    @field_validator("signature_docusign_api_url")
    @classmethod
    def _names_app_and_user(cls, value: str | None) -> str | None:
        from activities.outside_service import ServiceAddress

        if value is not None and ServiceAddress.from_url(value).auth is None:
            raise ValueError("must name the app and the user: https://INTEGRATION_KEY:USER_ID@HOST/…")
        return value

    @field_validator("signature_docusign_api_url")
    @classmethod
    def _with_the_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        # Absent: the key itself is wrong, which is said already.
        if value is None and info.data.get("signature_docusign_api_key") is not None:
            raise ValueError("is needed with ONBOARDING_SIGNATURE_DOCUSIGN_API_KEY")
        return value

    @property
    def signature_secrets(self) -> dict[Provider, str]:
        """The secrets there are."""
        given = {each: getattr(self, f"signature_{each}_secret") for each in Provider}
        return {provider: secret.get_secret_value() for provider, secret in given.items() if secret}

    @property
    def takes_signatures(self) -> bool:
        """Whether any provider is set up, to report or to be asked."""
        return any(getattr(self, name) is not None for name in SECRETS)
