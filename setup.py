"""Keeps the service from being installed as a library; everything else is in pyproject.toml."""

from typing import Never

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

REFUSED = (
    "reseller-onboarding is a service, not a library: its top-level modules (settings, worker, domain ...)"
    " would meet those of your program. A program that talks to it installs onboarding-client (folder"
    " client/). To run it, use its image (Dockerfile), or in a clone: make setup."
)


class NoWheel(bdist_wheel):  # type: ignore[misc]  # setuptools brings no types
    """An editable installation, as `make setup` and the image make, builds no such wheel."""

    def run(self) -> Never:
        """Say what to install instead."""
        raise SystemExit(REFUSED)


setup(cmdclass={"bdist_wheel": NoWheel})
