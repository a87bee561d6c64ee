"""What the pages have to be told before anybody signs in."""

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from activities import formats
from settings import SettingsError, load_settings
from starter.cli.main import app
from starter.web.serving import pages_base

KEY, ANOTHER = (43 * each + "=" for each in "ks")
COMPLETE = {
    "ONBOARDING_OIDC_ISSUER": "https://login.example",
    "ONBOARDING_OIDC_CLIENT_ID": "pages",
    "ONBOARDING_PORTAL_URL": "https://portal.example",
    "ONBOARDING_SESSION_KEYS": KEY,
}


@pytest.mark.parametrize("missing", ["ONBOARDING_PORTAL_URL", "ONBOARDING_SESSION_KEYS"])
def test_serving_asks_for_what_all_processes_have_to_share(missing: str) -> None:
    environment = {name: value for name, value in COMPLETE.items() if name != missing}
    refused = CliRunner().invoke(app, ["serve"], env=environment)
    assert refused.exit_code == 2
    assert f"{missing}: must be set where ONBOARDING_OIDC_CLIENT_ID is" in " ".join(refused.output.split())


@pytest.mark.parametrize(
    ("portal", "base"),
    [
        ("https://portal.example", "https://portal.example"),
        ("https://portal.example:8443/", "https://portal.example:8443"),
        ("https://portal.example/?lang=en", "https://portal.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://portal.example", None),
        ("https://portal.example/onboarding", None),
        ("https://user:word@portal.example", None),
    ],
)
def test_where_the_pages_are(monkeypatch: pytest.MonkeyPatch, portal: str, base: str | None) -> None:
    monkeypatch.setenv("ONBOARDING_PORTAL_URL", portal)
    if base is not None:
        assert pages_base(load_settings()) == base
    else:
        with pytest.raises(SettingsError, match=r"ONBOARDING_PORTAL_URL: must be the pages' public address"):
            pages_base(load_settings())


@pytest.mark.parametrize(
    ("keys", "taken"),
    [
        (KEY, True),
        (f"{KEY}, {ANOTHER}", True),
        # As `openssl rand -base64 32` may write it.
        ("/+" + 41 * "A" + "=", True),
        ("", False),
        ("short", False),
        (f"{KEY},", False),
        (KEY[:-8], False),
    ],
)
def test_what_encrypts_sessions(keys: str, taken: bool) -> None:
    if taken:
        assert formats.session_keys(SecretStr(keys)).get_secret_value() == keys
    else:
        with pytest.raises(ValueError, match="openssl rand -base64 32") as refused:
            formats.session_keys(SecretStr(keys))
        assert not keys or keys not in str(refused.value)


@pytest.mark.parametrize(
    ("scope", "taken"),
    [
        ("openid", True),
        ("openid profile offline_access", True),
        ("profile", False),
        ("openid\nprofile", False),
        ("", False),
    ],
)
def test_what_is_asked_of_the_issuer(scope: str, taken: bool) -> None:
    if taken:
        assert formats.scope(scope) == scope
    else:
        with pytest.raises(ValueError, match="openid among them"):
            formats.scope(scope)
