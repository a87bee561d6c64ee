"""The reference of errors, settings and search attributes, from the strings beside them in the code."""

from typing import Any

from pydantic import SecretStr
from temporalio.common import SearchAttributeKey

from activities.front_door_settings import FrontDoorSettings
from activities.secret_files import SUFFIX
from activities.signatures.configuration import SignatureSettings
from domain.contract import ErrorType
from settings import PREFIX, SECRETS, Settings
from starter.client.errors import OnboardingError
from tools.reference.markdown import Described, table
from workflows import search_attributes


def errors() -> str:
    """Each type of error: when, and what to do."""
    when = Described("domain/contract.py", "ErrorType")
    return table(
        ("error type", "when", "remedy"),
        ([f"`{error}`", when[error.name], OnboardingError(error, "").remedy] for error in ErrorType),
    )


def settings() -> str:
    """Each variable: its default and its meaning; those that parts of the service bring, last."""
    parts = (
        ("settings.py", Settings),
        ("activities/front_door_settings.py", FrontDoorSettings),
        ("activities/signatures/configuration.py", SignatureSettings),
    )
    return table(
        ("variable", "default", "meaning"),
        (
            [
                *(f"`{PREFIX}{name.upper()}`", _default(part.model_fields[name].default)),
                _meaning(name, meanings[name]),
            ]
            for module, part in parts
            for meanings in (Described(module, part.__name__),)
            for name in part.model_fields
            if name in part.__annotations__
        ),
    )


def _meaning(name: str, meaning: str) -> str:
    in_file = f" Or in a file: `{PREFIX}{name.upper()}{SUFFIX}`."
    return f"{meaning}{in_file if name in SECRETS else ''}"


def search_attributes_table() -> str:
    """Each search attribute: its type and its meaning."""
    meanings = Described("workflows/search_attributes.py")
    keys: dict[str, SearchAttributeKey[Any]] = {
        name: key for name, key in vars(search_attributes).items() if key in search_attributes.ALL
    }
    return table(
        ("name", "type", "meaning"),
        (
            [f"`{key.name}`", key.indexed_value_type.name.capitalize(), meanings[name]]
            for name, key in keys.items()
        ),
    )


def _default(value: object) -> str:
    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    return "none" if plain is None else f"`{plain}`"
