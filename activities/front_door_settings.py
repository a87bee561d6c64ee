"""The settings of the front door, `onboarding serve`: who is let in, and who serves whom.

`settings.Settings` takes them over.
"""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from activities import formats


class FrontDoorSettings(BaseSettings):
    """Where it listens, whose tokens and sessions it takes, and its desks."""

    serve_address: Annotated[str, AfterValidator(formats.listening)] = "127.0.0.1:8000"
    """Where `onboarding serve` listens."""
    oidc_issuer: Annotated[str, AfterValidator(formats.issuer)] | None = None
    """The OpenID Connect issuer whose access tokens open the front door, as it names itself; None: it does
    not start, but `onboarding up` has an issuer of its own."""
    oidc_audience: Annotated[str, Field(min_length=1, max_length=200)] = "onboarding"
    """What its tokens must name as their audience (``aud``)."""
    oidc_roles_claim: Annotated[str, AfterValidator(formats.claim)] = "onboarding_roles"
    """Claim of a token that names the caller's roles, or a path to it (``realm_access.roles``)."""
    oidc_uids_claim: Annotated[str, AfterValidator(formats.claim)] = "onboarding_uids"
    """Claim that names the Company Master UIDs a partner acts for, or a path to it."""
    oidc_client_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """As whom the pages at ``ONBOARDING_PORTAL_URL`` sign people in; None: `onboarding serve` has none."""
    oidc_client_secret: Annotated[SecretStr, Field(min_length=1)] | None = None
    """What they show there; None: a public client, by PKCE alone."""
    oidc_scope: Annotated[str, AfterValidator(formats.scope)] = "openid profile email"
    """What they ask for; some issuers give a refresh token only for ``offline_access``."""
    session_keys: Annotated[SecretStr, AfterValidator(formats.session_keys)] | None = None
    """32 bytes in base64 that encrypt the pages' sessions, or several, with commas; the first one writes.
    None: `onboarding up` makes one at each start, and `serve` has no pages."""
    idp_demo: bool = False
    """Whether `onboarding idp` may run, which takes anybody for whom he says, without a password."""
    personas: Annotated[Path, AfterValidator(formats.readable_file)] | None = None
    """TOML file of who can sign in at the issuer of `onboarding up` and `idp`; None: six examples."""
    desks: Annotated[Path, AfterValidator(formats.readable_file)] | None = None
    """TOML file of the desks that serve the companies of which countries; None: who serves a company has to
    be named, but `onboarding up` makes a desk of its personas."""
