"""Secrets in files, as Docker and Kubernetes hand them over: ``NAME_FILE`` names the file of ``NAME``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SUFFIX: Final = "_FILE"


@dataclass(frozen=True)
class Unusable:
    """Why there is no secret; ``variable``: the one to be put right."""

    variable: str
    reason: str


def file_named(variable: str, environment: Mapping[str, str]) -> bool:
    """Whether a file is to give the variable's value. An empty variable counts as not set."""
    return bool(environment.get(f"{variable}{SUFFIX}"))


def secret_of(variable: str, environment: Mapping[str, str]) -> str | Unusable | None:
    """What is in the variable's file, without the newline at its end; ``None`` if none is named."""
    if not file_named(variable, environment):
        return None
    in_file = f"{variable}{SUFFIX}"
    if environment.get(variable):
        return Unusable(variable, f"is set, and so is {in_file}; unset one of them")
    file = environment[in_file]
    try:
        secret = Path(file).read_bytes().decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        return Unusable(in_file, f"{file} is not valid UTF-8")
    # ValueError: a NUL in the path.
    except (OSError, ValueError) as error:
        return Unusable(in_file, f"{file} can't be read: {getattr(error, 'strerror', None) or error}")
    return secret or Unusable(in_file, f"{file} is empty")
