"""Fixtures that more than one module of these tests uses."""

from pathlib import Path

import pytest


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing is there, and no profile of the developer's is read."""
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "ONBOARDING_DATA": str(tmp_path),
        "ONBOARDING_SMTP_URL": "smtp://127.0.0.1:1",
    }
